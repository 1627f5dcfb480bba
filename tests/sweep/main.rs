//! Sweeps with the real program: the folder's contract, kills, interruptions, shards, two processes at once, and cells that fail.

use std::collections::BTreeMap;
use std::path::Path;

use mixscore::experiment::sweep::{SweepTable, read_table};
use mixscore::internals::experiment::CellState;
use serde_json::Value;

#[path = "../runs/place.rs"]
#[allow(dead_code)]
mod place;
mod resumed;

use place::{Place, code, json, snapshot, text};

/// Six cells of three replicates, milliseconds each.
const SWEEP: &str = r#"
seed = 5
replicates = 3
[teacher]
kind = "separated"
components = 3
features = 2
per_replicate = true
[student]
components = 4
[student.start]
scheme = "wide"
[objective]
samples = 32
[descent]
steps = 60
[log]
every = 20
samples = 32
[sweep.grid]
"teacher.separation" = [2, 4.5, 6]
[[sweep.bundles.start]]
label = "wide"
[[sweep.bundles.start]]
label = "shell"
"student.start" = { scheme = "shell" }
"#;

fn place() -> Place {
    let place = Place::new();
    std::fs::write(place.path("s.toml"), SWEEP).unwrap();
    place
}

fn arguments<'a>(folder: &'a str, rest: &[&'a str]) -> Vec<&'a str> {
    [&["sweep", "s.toml", "--device", "cpu", "--quiet", "--output", folder], rest].concat()
}

fn sweep(place: &Place, folder: &str, rest: &[&str]) {
    let output = place.mixscore(&arguments(folder, rest));
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
}

fn table(folder: &Path) -> mixscore::Result<SweepTable> {
    read_table(folder, &mut |_, _| ())
}

/// What every cell ended with, by its hash: the students' bytes and the summary without its times.
fn ends(folder: &Path) -> BTreeMap<String, (Vec<u8>, String)> {
    let table = table(folder).unwrap();
    let end = |cell: &mixscore::internals::experiment::Cell| {
        assert_eq!(cell.state, CellState::Done, "{}", cell.hash);
        let mut summary = json(&folder.join("cells").join(&cell.hash).join("summary.json"));
        for name in ["seconds", "samples_per_second", "finding"] {
            summary[name] = Value::Null;
        }
        (cell.hash.clone(), (std::fs::read(folder.join("cells").join(&cell.hash).join("student.npz")).unwrap(), summary.to_string()))
    };
    table.cells.iter().map(end).collect()
}

#[test]
fn a_sweep_folder_is_as_the_contract_says() {
    let place = place();
    let output = place.mixscore(&[&arguments("a", &["--json"])[..]].concat());
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((said["schema"].as_str(), said["cells"].as_u64(), said["done"].as_u64()), (Some("mixscore.sweep/1"), Some(6), Some(6)));
    let folder = place.path("a");
    for name in ["sweep.toml", "environment.json", "results.csv"] {
        assert!(folder.join(name).is_file(), "{name} is missing");
    }
    let table = table(&folder).unwrap();
    assert_eq!(table.name, "s");
    assert_eq!(table.axes[0].values, ["2", "4.5", "6"]);
    assert_eq!((table.axes[1].key.as_str(), table.axes[1].values.len()), ("start", 2));
    assert_eq!(table.config["descent"]["step_size"].as_float(), Some(0.5));
    let mut rows = csv::Reader::from_path(folder.join("results.csv")).unwrap();
    let header = rows.headers().unwrap().clone();
    let at = |name: &str| header.iter().position(|column| column == name).unwrap_or_else(|| panic!("no column {name}"));
    for row in rows.records().map(Result::unwrap) {
        assert_eq!((&row[at("state")], &row[at("stop")]), ("done", "max-steps"));
        let [low, share, high] =
            ["nearest_at_start_low", "nearest_at_start", "nearest_at_start_high"].map(|n| row[at(n)].parse::<f64>().unwrap());
        assert!(low <= share && share <= high && high - low > 0.0);
        // Averages over replicates of what the cell's summary lists.
        let summary = json(&folder.join("cells").join(&row[0]).join("summary.json"));
        let coverage: Vec<f64> = summary["coverage"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
        let mean = coverage.iter().sum::<f64>() / 3.0;
        assert!((row[at("coverage")].parse::<f64>().unwrap() - mean).abs() <= 1e-15); // a rounding of the sum
    }
    // A cell is a run folder like any other.
    let cell = format!("a/cells/{}", table.cells[0].hash);
    assert_eq!(code(&place.mixscore(&["report", &cell])), 0);
    assert!(text(&place.mixscore(&["resume", &cell]).stdout).contains("finished before"));
    // Its config makes the same run outside of the sweep.
    let config = format!("{cell}/config.toml");
    assert_eq!(code(&place.mixscore(&["run", &config, "--device", "cpu", "--quiet", "--output", "alone"])), 0);
    assert_eq!(std::fs::read(place.path("alone/student.npz")).unwrap(), std::fs::read(place.path(&cell).join("student.npz")).unwrap());
    // Done is done.
    let cells = snapshot(&folder.join("cells"));
    sweep(&place, "a", &[]);
    assert!(snapshot(&folder.join("cells")) == cells, "a second call touched the cells");
    // An axis that grows keeps the cells that it had.
    sweep(&place, "a", &["--set", "teacher.separation=[2, 6, 10]"]);
    // Pages are asked for later, too.
    assert!(!folder.join("cells").join(&table.cells[1].hash).join("report.html").exists());
    sweep(&place, "a", &["--reports"]);
    assert!(table.cells.iter().all(|cell| folder.join("cells").join(&cell.hash).join("report.html").is_file()));
    let kept: Vec<_> = cells.iter().filter(|(path, _)| path.ends_with("student.npz")).collect();
    let now = snapshot(&folder.join("cells"));
    assert!(kept.iter().all(|(path, bytes)| now[*path] == **bytes) && ends(&folder).len() == 6);
}

#[test]
fn a_killed_sweep_goes_on_and_ends_the_same() {
    let place = place();
    let sets = ["--set", "descent.steps=800", "--set", "checkpoint.every_seconds=0"];
    let begin = std::time::Instant::now();
    sweep(&place, "whole", &sets);
    let whole = begin.elapsed();
    let mut cut = 0;
    for trial in 1..8u32 {
        let folder = format!("k{trial}");
        for at in [trial, 1] {
            let mut child = place.command(&arguments(&folder, &sets)).spawn().unwrap();
            std::thread::sleep(whole * at / 8);
            child.kill().unwrap();
            child.wait().unwrap();
        }
        cut += u32::from(table(&place.path(&folder)).is_ok_and(|t| t.cells.iter().any(|cell| cell.state == CellState::Missing)));
        sweep(&place, &folder, &sets);
        assert!(ends(&place.path(&folder)) == ends(&place.path("whole")), "trial {trial}");
        let litter = std::fs::read_dir(place.path(&folder).join("cells")).unwrap().flatten();
        assert_eq!(litter.filter(|entry| entry.file_name().to_string_lossy().starts_with('.')).count(), 0);
    }
    assert!(cut >= 2, "only {cut} of 7 kills met an unfinished sweep");
}

#[cfg(unix)]
#[test]
fn an_interrupted_sweep_says_so_and_goes_on() {
    let place = place();
    let sets = ["--set", "descent.steps=4000", "--set", "log.every=1000"];
    let child = place.command(&arguments("i", &sets)).spawn().unwrap();
    while std::fs::read_dir(place.path("i/cells")).map_or(0, Iterator::count) < 2 {
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    assert!(std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(code(&output), 130, "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("the same command goes on"), "{}", text(&output.stderr));
    let table = table(&place.path("i")).unwrap();
    assert!(table.cells.len() == 6 && table.cells.iter().any(|cell| cell.state == CellState::Missing));
    sweep(&place, "i", &sets);
    sweep(&place, "whole", &sets);
    assert!(ends(&place.path("i")) == ends(&place.path("whole")));
}

#[test]
fn shards_make_the_whole() {
    let place = place();
    sweep(&place, "whole", &[]);
    for shard in ["1/4", "2/4", "3/4"] {
        sweep(&place, "parts", &["--shard", shard]);
    }
    let missing = |folder: &str| table(&place.path(folder)).unwrap().cells.iter().filter(|cell| cell.state == CellState::Missing).count();
    assert!((1..=2).contains(&missing("parts")), "the fourth share was done by the others");
    // The fourth, as a task of a job array.
    let mut task = place.command(&arguments("parts", &[]));
    task.env("SLURM_ARRAY_TASK_ID", "10").env("SLURM_ARRAY_TASK_MIN", "10").env("SLURM_ARRAY_TASK_COUNT", "4");
    assert_eq!(code(&task.output().unwrap()), 0);
    assert!(ends(&place.path("parts")) == ends(&place.path("whole")));
    place.refused(&arguments("parts", &["--shard", "5/4"]), 2, "I from 1 to N");
    // The comparison can fail.
    sweep(&place, "other", &["--seed", "6"]);
    assert!(ends(&place.path("other")) != ends(&place.path("whole")));
}

#[test]
fn two_processes_share_a_sweep() {
    let place = place();
    sweep(&place, "whole", &[]);
    let children: Vec<_> = (0..3).map(|_| place.command(&arguments("shared", &["--json"])).spawn().unwrap()).collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    }
    assert!(ends(&place.path("shared")) == ends(&place.path("whole")));
}

/// Sixteen at the same instant on a folder that does not exist, eight of them killed: each cell is made exactly once.
#[test]
fn sixteen_processes_share_a_sweep_though_half_are_killed() {
    let place = place();
    let sets = ["--set", "descent.steps=300", "--set", "checkpoint.every_seconds=0", "--set", "student.components=[4, 5, 6]"];
    let many = SWEEP.replace("[sweep.grid]", "[sweep.grid]\n\"student.components\" = [4]");
    std::fs::write(place.path("s.toml"), many).unwrap();
    let begin = std::time::Instant::now();
    sweep(&place, "whole", &sets);
    let whole = begin.elapsed();
    let mut children: Vec<_> = (0..16).map(|_| place.command(&arguments("shared", &sets)).spawn().unwrap()).collect();
    for child in children.drain(..8) {
        std::thread::sleep(whole / 5); // they are slower together than alone
        let mut child = child;
        child.kill().unwrap();
        child.wait().unwrap();
    }
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    }
    // What was held by one that was killed may have been passed over as busy.
    sweep(&place, "shared", &sets);
    let folder = place.path("shared");
    assert!(ends(&folder) == ends(&place.path("whole")) && ends(&folder).len() == 18);
    // A cell that is made again is a further sitting of it: there are as many of these as kills met a cell, at the most.
    let sittings = |folder: &Path| json(&folder.join("environment.json"))["sittings"].as_array().map_or(0, Vec::len);
    let again: usize = ends(&folder).keys().map(|hash| sittings(&folder.join("cells").join(hash)) - 1).sum();
    assert!(again <= 8, "{again} sittings too many");
    // Every process that began to work is in the sweep's own record, none lost to another's writing.
    let record = json(&folder.join("environment.json"));
    let mut processes: Vec<u64> = record["sittings"].as_array().unwrap().iter().map(|s| s["process"].as_u64().unwrap()).collect();
    processes.sort_unstable();
    processes.dedup();
    assert!(processes.len() == sittings(&folder) && processes.len() >= 8, "{processes:?}");
    // The table is of the end: the last to write has seen all.
    let results = std::fs::read_to_string(folder.join("results.csv")).unwrap();
    assert_eq!(results.matches(",done,").count(), 18);
    let litter = std::fs::read_dir(folder.join("cells")).unwrap().flatten();
    assert_eq!(litter.filter(|entry| entry.file_name().to_string_lossy().starts_with('.')).count(), 0);
}

#[test]
fn a_failed_cell_is_told_and_stops_nothing() {
    let place = place();
    let bad = format!(
        "{SWEEP}\n[[sweep.cells]]\n\"teacher.features\" = 9\n\"objective.sampler\" = \"grid\"\n[[sweep.cells]]\n\"descent.step_size\" = 1e30\n"
    );
    std::fs::write(place.path("s.toml"), bad).unwrap();
    for _ in 0..2 {
        place.refused(&arguments("f", &[]), 4, "2 of 8 cells failed");
        let table = table(&place.path("f")).unwrap();
        let failed: Vec<String> =
            table.cells.iter().map(|cell| if let CellState::Failed(why) = &cell.state { why.clone() } else { String::new() }).collect();
        assert!(
            failed[..6].iter().all(String::is_empty) && failed[6].contains("objective.sampler") && failed[7].contains("non-finite"),
            "{failed:?}"
        );
        let results = std::fs::read_to_string(place.path("f/results.csv")).unwrap();
        assert_eq!((results.matches(",done,").count(), results.matches(",failed,").count()), (6, 2));
    }
}

#[test]
fn what_is_no_sweep_is_refused_and_left_alone() {
    let place = place();
    place.refused(&["sweep", "small.toml", "--device", "cpu", "--output", "x"], 4, "no [sweep]");
    place.refused(&arguments("x", &["--set", "descent.step_size=-1"]), 4, "descent.step_size");
    assert!(!place.path("x").exists());
    place.run("r", &[]);
    let before = snapshot(&place.path("r"));
    place.refused(&arguments("r", &[]), 4, "not empty");
    assert!(snapshot(&place.path("r")) == before);
    // `run` makes the config itself, and says what it leaves out.
    let output = place.mixscore(&["run", "s.toml", "--device", "cpu", "--output", "alone"]);
    assert_eq!(code(&output), 0);
    assert!(text(&output.stderr).contains("mixscore sweep"), "{}", text(&output.stderr));
}
