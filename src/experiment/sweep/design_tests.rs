use std::collections::HashSet;

use super::*;

const BASE: &str =
    "[teacher]\nkind = \"separated\"\ncomponents = 5\nfeatures = 2\n[student]\ncomponents = 4\n[student.start]\nscheme = \"wide\"\n";

const SWEEP: &str = r#"
[sweep.grid]
"teacher.separation" = [2, 4.5]
"student.components" = [5, 10, 20]
[[sweep.bundles.start]]
label = "wide"
"student.start" = { scheme = "wide", scale = 2.0 }
[[sweep.bundles.start]]
label = "shell"
"student.start" = { scheme = "shell" }
"descent.step_size" = 0.25
[[sweep.cells]]
"teacher.separation" = 20
"descent.steps" = 7
"#;

fn of(text: &str, overrides: &[&str]) -> Result<Design> {
    let overrides: Vec<String> = overrides.iter().map(ToString::to_string).collect();
    design(text, &overrides, None, "small", Path::new("."))
}

fn small(overrides: &[&str]) -> Design {
    of(&format!("{BASE}{SWEEP}"), overrides).unwrap()
}

#[test]
fn grids_bundles_and_cells_make_cells() {
    let design = small(&[]);
    assert_eq!(design.axes, ["teacher.separation", "student.components", "start", "descent.steps"]);
    assert_eq!(design.cells.len(), 2 * 3 * 2 + 1);
    assert_eq!(design.cells[1].values, ["2", "5", "shell", "1000"]);
    assert_eq!(design.cells[12].values, ["20", "4", "", "7"]);
    let shell = &design.cells[1].config;
    assert_eq!((shell.descent.step_size, shell.student.components, shell.log.trajectory), (0.25, Some(5), false));
    let hashes: HashSet<&String> = design.cells.iter().map(|cell| &cell.hash).collect();
    assert_eq!(hashes.len(), 13);
    assert!(design.cells[11].cost > design.cells[0].cost);
}

#[test]
fn the_written_sweep_is_the_same_sweep() {
    let design = small(&["objective.samples=64"]);
    let again = of(&design.text, &[]).unwrap();
    assert_eq!(again.text, design.text);
    assert_eq!(again.cells.iter().map(|c| &c.hash).collect::<Vec<_>>(), design.cells.iter().map(|c| &c.hash).collect::<Vec<_>>());
    assert_eq!(again.name, "small");
}

#[test]
fn overrides_pin_and_replace_axes() {
    assert_eq!(small(&["teacher.separation=3"]).cells.len(), 7);
    assert_eq!(small(&["teacher.separation=[3, 4, 5, 6]", "start=shell"]).cells.len(), 13);
    assert_eq!(small(&["start=[\"shell\"]"]).cells[0].values[2], "shell");
    assert!(of(&format!("{BASE}{SWEEP}"), &["start=shall"]).unwrap_err().to_string().contains("Choose among wide, shell"));
    // A cell that is selected alone has the same hash as among others.
    assert_eq!(small(&["teacher.separation=2"]).cells[0].hash, small(&[]).cells[0].hash);
    assert_ne!(small(&["seed=1"]).cells[0].hash, small(&[]).cells[0].hash);
}

#[test]
fn equal_cells_are_one() {
    assert_eq!(of(&format!("{BASE}[sweep.grid]\n\"teacher.separation\" = [2, 2.0, 3]\n"), &[]).unwrap().cells.len(), 2);
}

#[test]
fn a_changed_file_is_another_cell() {
    let folder = tempfile::tempdir().unwrap();
    let text = "[teacher]\nfile = \"t.json\"\n[student]\ncomponents = 2\n[sweep.grid]\nseed = [1]\n";
    let hash = |means: &str| {
        std::fs::write(folder.path().join("t.json"), means).unwrap();
        design(text, &[], None, "x", folder.path()).unwrap().cells[0].hash.clone()
    };
    assert_ne!(hash("{\"means\": [[0.0]]}"), hash("{\"means\": [[1.0]]}"));
    let written = design(text, &[], None, "x", folder.path()).unwrap();
    std::fs::create_dir(folder.path().join("elsewhere")).unwrap();
    let again = design(&written.text, &[], None, "x", &folder.path().join("elsewhere")).unwrap();
    assert_eq!(again.cells[0].hash, written.cells[0].hash);
}

#[test]
fn labels_name_explicit_cells() {
    let cells =
        "[[sweep.cells]]\nlabel = \"near\"\n\"teacher.separation\" = 3\n[[sweep.cells]]\nlabel = \"far\"\n\"teacher.separation\" = 20\n";
    let alone = of(&format!("{BASE}{cells}"), &[]).unwrap();
    assert_eq!((alone.axes, alone.cells[1].values.clone()), (vec!["cell".to_string()], vec!["far".to_string()]));
    let beside = of(&format!("{BASE}{cells}[sweep.grid]\n\"descent.steps\" = [5, 6]\n"), &[]).unwrap();
    assert_eq!(beside.axes, ["descent.steps", "cell"]);
    let values: Vec<String> = beside.cells.iter().map(|cell| cell.values.join("|")).collect();
    assert_eq!(values, ["5|", "6|", "1000|near", "1000|far"]);
    assert_eq!(beside.cells[3].hash, alone.cells[1].hash, "a name is no part of the experiment");
}

#[test]
fn a_copied_sweep_finds_its_files() {
    let [here, there] = [0, 1].map(|_| tempfile::tempdir().unwrap());
    for name in ["a.json", "b.json", "c.json"] {
        std::fs::write(here.path().join(name), format!("{{\"means\": [[{}.0]]}}", u32::from(name.as_bytes()[0]))).unwrap();
    }
    let text = "[teacher]\nkind = \"gaussian\"\nfeatures = 1\n[student]\nfile = \"a.json\"\n[sweep.grid]\n\"student.file\" = [\"a.json\", \"b.json\"]\n\
                [[sweep.cells]]\n\"student.file\" = \"c.json\"\n";
    let hashes = |text: &str, base: &Path| {
        let cells = design(text, &[], None, "x", base).unwrap().cells;
        cells.into_iter().map(|cell| cell.hash).collect::<Vec<_>>()
    };
    let written = design(text, &[], None, "x", here.path()).unwrap();
    assert_eq!(hashes(&written.text, there.path()), hashes(text, here.path()));
    assert_ne!(hashes(text, there.path()), hashes(text, here.path()), "without the files the names stand for them");
}

#[test]
fn early_rows_are_no_other_experiment() {
    assert_eq!(small(&["log.early=true"]).cells[0].hash, small(&[]).cells[0].hash);
    assert_ne!(small(&["log.every=7"]).cells[0].hash, small(&[]).cells[0].hash);
}

#[test]
fn bad_sweeps_are_refused_with_the_cell() {
    let many = format!("{BASE}[sweep.grid]\nseed = [{}]\n\"descent.steps\" = [{}]\n", "1,".repeat(1000), "1,".repeat(1000));
    for (text, words) in [
        (BASE.to_string(), "no [sweep]"),
        (format!("{BASE}[sweep]\n"), "no cell"),
        (format!("{BASE}[sweep.grid]\nteacher.separation = [2]\n"), "quotes"),
        (format!("{BASE}[sweep.grid]\n\"teacher.separation\" = []\n"), "no values"),
        (format!("{BASE}[sweep.grid]\n\"teacher.separatoin\" = [2]\n"), "teacher.separatoin = 2"),
        (format!("{BASE}[sweep.grid]\n\"descent.step_size\" = [0.5, -1]\n"), "descent.step_size = -1"),
        (format!("{BASE}[sweep.gird]\n"), "gird"),
        (format!("{BASE}[sweep.bundles]\na = [1]\n"), "table of keys"),
        (many, "1000000 cells"),
    ] {
        let error = of(&text, &[]).unwrap_err();
        assert!(matches!(error, crate::Error::BadConfig { .. } | crate::Error::BadFile { .. } | crate::Error::BadInput { .. }));
        assert!(error.to_string().contains(words), "{error}");
    }
}
