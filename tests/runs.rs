//! Runs and their life, with the real program: the folder's contract, stops, kills, damage, and resuming bit for bit.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use mixscore::mixture::files::{Array, Values, read_npz, write_npz};
use serde_json::Value;

/// Four students, three teachers on a circle: forty steps are milliseconds of work.
const SMALL: &str = r#"
seed = 5
[teacher]
kind = "circle"
components = 3
separation = 5.0
[student]
components = 4
[student.start]
scheme = "wide"
scale = 1.5
[objective]
samples = 32
[descent]
steps = 40
[log]
every = 5
samples = 64
[checkpoint]
every_seconds = 0.0
"#;

/// A folder with a config in it, removed at the end.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("small.toml"), SMALL).unwrap();
        Place { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mixscore"));
        command.current_dir(self.folder.path()).args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn mixscore(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// A run of small.toml into `folder` on the CPU, which must succeed.
    fn run(&self, folder: &str, sets: &[&str]) {
        let output = self.mixscore(&with_sets(folder, sets));
        assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    }

    fn refused(&self, arguments: &[&str], exit: i32, words: &str) {
        let begin = Instant::now();
        let output = self.mixscore(arguments);
        let said = text(&output.stderr);
        assert_eq!(code(&output), exit, "{arguments:?}: {said}");
        assert!(said.contains(words), "{arguments:?} said {said:?}, without {words:?}");
        assert!(!said.contains("panicked"), "{said}");
        // The promise is one second; the machine may be busy with other tests.
        assert!(begin.elapsed() <= Duration::from_secs(10), "{arguments:?} took {:?}", begin.elapsed());
    }
}

fn with_sets<'a>(folder: &'a str, sets: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec!["run", "small.toml", "--device", "cpu", "--quiet", "--output", folder];
    sets.iter().for_each(|set| arguments.extend(["--set", set]));
    arguments
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or(-1)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn array(path: &Path, name: &str) -> Array {
    read_npz(path).unwrap().into_iter().find(|(other, _)| other == name).unwrap().1
}

/// The lines of metrics.csv, cell by cell, without the seconds.
fn cells(path: &Path) -> Vec<Vec<String>> {
    let cells = |line: &str| line.split(',').enumerate().filter(|(at, _)| *at != 1).map(|(_, cell)| cell.to_string()).collect();
    std::fs::read_to_string(path).unwrap().lines().map(cells).collect()
}

/// Whether two runs ended with the same bits.
fn same_results(a: &Path, b: &Path) -> Result<(), String> {
    for name in ["student.npz", "trajectory.npz", "teacher.npz", "initial.npz"] {
        if std::fs::read(a.join(name)).unwrap() != std::fs::read(b.join(name)).unwrap() {
            return Err(format!("{name} differs"));
        }
    }
    if cells(&a.join("metrics.csv")) != cells(&b.join("metrics.csv")) {
        return Err("metrics.csv differs".into());
    }
    Ok(())
}

/// Every file of a folder with its bytes.
fn snapshot(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        match entry.path() {
            path if path.is_dir() => files.extend(snapshot(&path)),
            path => drop(files.insert(path.clone(), std::fs::read(&path).unwrap())),
        }
    }
    files
}

#[test]
fn a_run_folder_is_as_the_contract_says() {
    let place = Place::new();
    let output = place.mixscore(&["run", "small.toml", "--device", "cpu", "--json", "--seed", "9", "--output", "r"]);
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said["schema"], "mixscore.run/1");
    let run = place.path("r");
    for name in
        ["config.toml", "environment.json", "teacher.npz", "initial.npz", "student.npz", "metrics.csv", "summary.json", "report.html"]
    {
        assert!(run.join(name).is_file(), "{name} is missing");
    }
    assert!(run.join("checkpoints").is_dir());
    let config: toml::Table = std::fs::read_to_string(run.join("config.toml")).unwrap().parse().unwrap();
    assert_eq!(config["seed"].as_integer(), Some(9));
    assert_eq!(config["descent"]["step_size"].as_float(), Some(0.5));
    let rows = cells(&run.join("metrics.csv"));
    assert_eq!(rows[0][..3], ["step", "reverse_fisher", "reverse_fisher_se"]);
    assert_eq!(rows[1..].iter().map(|row| row[0].as_str()).collect::<Vec<_>>(), ["0", "5", "10", "15", "20", "25", "30", "35", "40"]);
    let summary = json(&run.join("summary.json"));
    assert_eq!(said["summary"], summary);
    assert_eq!((summary["stop"]["kind"].as_str(), summary["steps"].as_u64()), (Some("max-steps"), Some(40)));
    for name in ["reverse_fisher", "forward_fisher", "kl_student_teacher", "kl_teacher_student", "total_variation"] {
        assert!(summary[name]["value"].is_f64() && summary[name]["standard_error"].is_f64(), "{name}");
    }
    assert!(summary["samples_per_second"].as_f64().unwrap() > 0.0 && summary["device"].as_str().unwrap().starts_with("cpu"));
    assert_eq!(summary["nearest_at_start"]["trials"], 4);
    let environment = json(&run.join("environment.json"));
    assert_eq!((environment["rng_version"].as_u64(), environment["sittings"][0]["device_choice"].as_str()), (Some(1), Some("cpu")));
    assert_eq!(array(&run.join("student.npz"), "means").shape, [4, 2]);
    let trajectory = array(&run.join("trajectory.npz"), "means");
    assert_eq!(trajectory.shape, [9, 4, 2]);
    assert_eq!(trajectory.values[64..], array(&run.join("student.npz"), "means").values);
    assert_eq!(array(&run.join("trajectory.npz"), "step").values, [0.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0, 35.0, 40.0]);
    assert_eq!(std::fs::read_dir(place.folder.path()).unwrap().count(), 2, "something else was left beside config and run");
}

#[test]
fn replicates_get_an_axis_and_a_column() {
    let place = Place::new();
    place.run("r", &["replicates=3", "log.every=20"]);
    let run = place.path("r");
    assert_eq!(array(&run.join("student.npz"), "means").shape, [3, 4, 2]);
    assert_eq!(array(&run.join("trajectory.npz"), "means").shape, [3, 3, 4, 2]);
    let rows = cells(&run.join("metrics.csv"));
    assert_eq!(rows[0].last().unwrap(), "replicate");
    assert_eq!(rows[1..].iter().map(|row| row.last().unwrap().as_str()).collect::<String>(), "012012012");
    assert_eq!(json(&run.join("summary.json"))["reverse_fisher"].as_array().unwrap().len(), 3);
}

#[test]
fn starts_come_from_files_beside_the_config() {
    let place = Place::new();
    std::fs::create_dir(place.path("sub")).unwrap();
    let means = [0.5, 1.5, -2.5, 3.0, 0.25, 0.125, 7.0, -1.0];
    let weights = [0.75, 0.25];
    write_npz(&place.path("sub/one.npz"), &[("means", &[2, 2], Values::F64(&means[..4])), ("weights", &[2], Values::F64(&weights))])
        .unwrap();
    write_npz(&place.path("sub/two.npz"), &[("means", &[2, 2, 2], Values::F64(&means))]).unwrap();
    write_npz(&place.path("sub/wide.npz"), &[("means", &[2, 2], Values::F64(&means[..4])), ("variance", &[], Values::F64(&[2.0]))])
        .unwrap();
    let run = |replicates: usize, file: &str, folder: &str| {
        let text = format!(
            "replicates = {replicates}\n[teacher]\nkind = \"circle\"\ncomponents = 3\n[student]\nfile = \"{file}\"\n[descent]\nsteps = 1\n"
        );
        std::fs::write(place.path("sub/c.toml"), text).unwrap();
        code(&place.mixscore(&["run", "sub/c.toml", "--device", "cpu", "--quiet", "--output", folder]))
    };
    assert_eq!(run(1, "one.npz", "a"), 0);
    assert_eq!(array(&place.path("a/initial.npz"), "means").values, means[..4]);
    assert_eq!(array(&place.path("a/initial.npz"), "weights").values, weights);
    assert_eq!(run(2, "one.npz", "b"), 0);
    assert_eq!(array(&place.path("b/initial.npz"), "means").values, means[..4].repeat(2));
    assert_eq!(run(2, "two.npz", "c"), 0);
    assert_eq!(array(&place.path("c/initial.npz"), "means").values, means);
    for (replicates, file) in [(3, "two.npz"), (1, "none.npz"), (1, "wide.npz")] {
        assert_eq!(run(replicates, file, "d"), 4, "{file}");
        assert!(!place.path("d").exists());
    }
    // What a run left is a start for the next, weights included.
    assert_eq!(run(2, "../c/student.npz", "e"), 0);
}

#[test]
fn bad_configs_are_refused_and_leave_nothing() {
    let place = Place::new();
    let cases = [
        ("typo.toml", format!("{SMALL}\n[descend]\nsteps = 3\n"), "Did you mean `descent`"),
        ("value.toml", SMALL.replace("\"wide\"", "\"wied\""), "Did you mean `wide`"),
        ("zero.toml", SMALL.replace("steps = 40", "step_size = 0"), "descent.step_size is 0"),
        ("many.toml", SMALL.replace("components = 4", "components = 4294967296"), "student.components is 4294967296"),
        ("teachers.toml", SMALL.replace("components = 3", "components = 4294967296"), "4294967296"),
        ("huge.toml", SMALL.replace("samples = 32", "samples = 18446744073709551615"), "config: "),
        ("nan.toml", SMALL.replace("steps = 40", "gradient_tolerance = nan"), "gradient_tolerance is NaN"),
        ("deep.toml", format!("a = {}{}", "[".repeat(200_000), "]".repeat(200_000)), "not TOML"),
        ("large.toml", format!("{SMALL}#{}", " ".repeat(1 << 20)), "bytes"),
        ("keys.toml", (0..90_000).map(|n| format!("k{n}=1\n")).collect::<String>(), "unknown field"),
        ("sobol.toml", SMALL.replace("samples = 32", "samples = 32\nsampler = \"sobol\""), "sobol"),
    ];
    for (name, text, words) in &cases {
        std::fs::write(place.path(name), text).unwrap();
        place.refused(&["run", name, "--device", "cpu", "--output", "r"], 4, words);
        assert!(!place.path("r").exists(), "{name} left a folder");
    }
    place.refused(&["run", "quikstart"], 4, "Did you mean the preset quickstart");
    place.refused(&["run", "small.toml", "--set", "descent.steps"], 2, "has no =");
    place.refused(&["run", "small.toml", "--set", "descent.stepz=1"], 4, "Did you mean `steps`");
    place.refused(&["resume", "nothing"], 4, "nothing");
    std::fs::create_dir(place.path("full")).unwrap();
    std::fs::write(place.path("full/x"), "").unwrap();
    place.refused(&["run", "small.toml", "--device", "cpu", "--output", "full"], 4, "not empty");
    let entries = std::fs::read_dir(place.folder.path()).unwrap().count();
    assert_eq!(entries, cases.len() + 2, "hidden folders were left");
}

#[test]
fn stop_rules_end_a_run_and_say_so() {
    let place = Place::new();
    for (folder, set, kind) in [
        ("d", "descent.divergence_tolerance=1e6", "divergence-below"),
        ("g", "descent.gradient_tolerance=1e6", "gradient-below"),
        ("m", "descent.movement_tolerance=1e6", "movement-below"),
    ] {
        place.run(folder, &[set]);
        let summary = json(&place.path(folder).join("summary.json"));
        assert_eq!(summary["stop"]["kind"], kind);
        assert_eq!(summary["steps"], if folder == "m" { 5 } else { 0 });
    }
    place.run("o", &["descent.gradient_tolerance=1e-12", "descent.movement_tolerance=1e-12", "descent.divergence_tolerance=1e-12"]);
    assert_eq!(json(&place.path("o/summary.json"))["stop"]["kind"], "max-steps");
}

#[test]
fn a_descent_that_explodes_keeps_the_last_good_state() {
    let place = Place::new();
    let output = place.mixscore(&with_sets("r", &["descent.step_size=1e30"]));
    assert_eq!(code(&output), 3, "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("smaller descent.step_size"));
    let run = place.path("r");
    let summary = json(&run.join("summary.json"));
    assert_eq!(summary["stop"]["kind"], "non-finite");
    assert_eq!(summary["stop"]["step"].as_u64(), summary["steps"].as_u64().map(|steps| steps + 1));
    assert!(array(&run.join("student.npz"), "means").values.iter().all(|v| v.is_finite()));
    assert!(array(&run.join("trajectory.npz"), "means").values.iter().all(|v| v.is_finite()));
    let metrics = std::fs::read_to_string(run.join("metrics.csv")).unwrap().to_lowercase();
    assert!(!metrics.contains("nan") && !metrics.contains("inf"), "{metrics}");
    assert!(run.join("report.html").is_file());
    let before = snapshot(&run);
    assert_eq!(code(&place.mixscore(&["resume", "r"])), 3);
    assert!(snapshot(&run) == before, "resuming touched the folder");
}

#[test]
fn resuming_a_finished_run_changes_nothing() {
    let place = Place::new();
    place.run("r", &[]);
    let before = snapshot(&place.path("r"));
    let output = place.mixscore(&["resume", "r"]);
    assert_eq!(code(&output), 0);
    assert!(text(&output.stdout).contains("finished before"), "{}", text(&output.stdout));
    assert!(snapshot(&place.path("r")) == before, "resuming touched the folder");
    place.refused(&["run", "small.toml", "--device", "cpu", "--output", "r"], 4, "mixscore resume r");
    // A run that was killed while it wrote its results gets them back.
    std::fs::remove_file(place.path("r/report.html")).unwrap();
    std::fs::remove_file(place.path("r/student.npz")).unwrap();
    assert_eq!(code(&place.mixscore(&["resume", "r", "--quiet"])), 0);
    assert_eq!(std::fs::read(place.path("r/student.npz")).unwrap(), before[&place.path("r/student.npz")]);
    assert!(place.path("r/report.html").is_file());
}

#[test]
fn the_comparison_of_runs_can_fail() {
    let place = Place::new();
    place.run("a", &[]);
    place.run("b", &[]);
    same_results(&place.path("a"), &place.path("b")).unwrap();
    let good = std::fs::read(place.path("b/student.npz")).unwrap();
    let mut bad = good.clone();
    let somewhere = bad.len() / 2;
    bad[somewhere] ^= 1;
    std::fs::write(place.path("b/student.npz"), bad).unwrap();
    assert!(same_results(&place.path("a"), &place.path("b")).is_err());
    std::fs::write(place.path("b/student.npz"), good).unwrap();
    let metrics = std::fs::read_to_string(place.path("b/metrics.csv")).unwrap();
    std::fs::write(place.path("b/metrics.csv"), metrics.lines().take(5).collect::<Vec<_>>().join("\n")).unwrap();
    assert!(same_results(&place.path("a"), &place.path("b")).is_err());
    place.run("c", &["seed=6"]);
    assert!(same_results(&place.path("a"), &place.path("c")).is_err());
}

/// Cutting a run at other steps, into other pieces, or with other checkpoints changes no bit.
#[test]
fn logging_and_checkpoints_do_not_touch_the_descent() {
    let place = Place::new();
    place.run("a", &[]);
    place.run("b", &["log.every=7", "checkpoint.every_seconds=60.0", "log.trajectory=false"]);
    let means = |run: &str| array(&place.path(run).join("student.npz"), "means").values;
    assert_eq!(means("a"), means("b"));
}

#[test]
fn presets_are_listed_written_and_run() {
    let place = Place::new();
    let listed: Value = serde_json::from_slice(&place.mixscore(&["presets", "--json"]).stdout).unwrap();
    let names: Vec<&str> = listed["presets"].as_array().unwrap().iter().map(|p| p["name"].as_str().unwrap()).collect();
    for name in ["quickstart", "one-gaussian", "forward-vs-reverse", "random-start"] {
        assert!(names.contains(&name), "{name} is not listed");
    }
    for name in names {
        let file = format!("{name}.toml");
        assert_eq!(code(&place.mixscore(&["init", "--preset", name, &file, "--quiet"])), 0);
        place.refused(&["init", "--preset", name, &file], 4, "exists already");
        let small = ["--set", "descent.steps=2", "--set", "replicates=1", "--set", "objective.samples=16", "--set", "log.samples=16"];
        let run = [&["run", &file, "--device", "cpu", "--quiet"][..], &small].concat();
        let output = place.mixscore(&run);
        assert_eq!(code(&output), 0, "{name}: {}", text(&output.stderr));
        assert!(place.path("runs").join(format!("{name}-1")).join("report.html").is_file(), "{name}");
    }
    place.refused(&["init", "--preset", "quikstart", "x.toml"], 2, "Did you mean quickstart");
}

#[test]
fn quickstart_is_quick_and_finds_the_teachers() {
    let place = Place::new();
    let begin = Instant::now();
    let output = place.mixscore(&["run", "quickstart", "--device", "cpu"]);
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    // The promise for two free cores.
    assert!(begin.elapsed() <= Duration::from_secs(10), "{:?}", begin.elapsed());
    let summary = json(&place.path("runs/quickstart-1/summary.json"));
    let (first, last) =
        (summary["first"]["reverse_fisher"]["value"].as_f64().unwrap(), summary["reverse_fisher"]["value"].as_f64().unwrap());
    assert!(last <= 0.01 * first, "{first} to {last}");
    assert_eq!(summary["coverage"], 1.0);
}

#[cfg(unix)]
mod cut_short {
    use super::*;

    /// Waits until a run has written `lines` lines of metrics.
    fn wait_for_lines(child: &mut Child, metrics: &Path, lines: usize) {
        let begin = Instant::now();
        while std::fs::read_to_string(metrics).map_or(0, |text| text.lines().count()) < lines {
            assert!(child.try_wait().unwrap().is_none(), "the run ended before it was interrupted");
            assert!(begin.elapsed() <= Duration::from_secs(60), "no metrics after a minute");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// kill −9 at 25 moments spread over a run; half of the resumed runs are killed once more.
    #[test]
    fn killed_runs_resume_bit_for_bit() {
        let place = Place::new();
        let sets = ["descent.steps=400"];
        let begin = Instant::now();
        place.run("whole", &sets);
        let whole = begin.elapsed();
        let mut killed_midway = 0;
        for trial in 0..25u32 {
            let folder = format!("k{trial}");
            let run = place.path(&folder);
            let mut child = place.command(&with_sets(&folder, &sets)).spawn().unwrap();
            std::thread::sleep(whole * trial / 25);
            child.kill().unwrap();
            child.wait().unwrap();
            if !run.exists() {
                continue; // killed before the folder appeared, whole, with its first checkpoint
            }
            if trial % 2 == 0 {
                let mut child = place.command(&["resume", &folder, "--quiet"]).spawn().unwrap();
                std::thread::sleep(whole / 4);
                child.kill().unwrap();
                child.wait().unwrap();
            }
            killed_midway += u32::from(!run.join("summary.json").exists());
            let output = place.mixscore(&["resume", &folder, "--quiet"]);
            assert_eq!(code(&output), 0, "trial {trial}: {}", text(&output.stderr));
            same_results(&place.path("whole"), &run).unwrap_or_else(|what| panic!("trial {trial}: {what}"));
            std::fs::remove_dir_all(&run).unwrap();
        }
        // Otherwise the kills came too early or too late to prove anything.
        assert!(killed_midway >= 5, "only {killed_midway} of 25 kills met a descent");
    }

    /// Ctrl-C and SIGTERM: exit 130, everything written, and the rest done by `resume`.
    #[test]
    fn an_interrupted_run_goes_on_as_if_it_had_not_been() {
        let place = Place::new();
        let sets = ["descent.steps=20000", "log.every=500", "checkpoint.every_seconds=3600.0"];
        place.run("whole", &sets);
        for (folder, signal) in [("c", "-INT"), ("t", "-TERM")] {
            let run = place.path(folder);
            let mut child = place.command(&with_sets(folder, &sets)).spawn().unwrap();
            wait_for_lines(&mut child, &run.join("metrics.csv"), 4);
            assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
            let output = child.wait_with_output().unwrap();
            assert_eq!(code(&output), 130, "{}", text(&output.stderr));
            assert!(text(&output.stderr).contains("mixscore resume"), "{}", text(&output.stderr));
            let summary = json(&run.join("summary.json"));
            assert_eq!(summary["stop"]["kind"], "interrupted");
            assert!(summary["steps"].as_u64().unwrap() < 20_000);
            assert!(run.join("report.html").is_file() && run.join("student.npz").is_file());
            assert_eq!(code(&place.mixscore(&["resume", folder, "--quiet"])), 0);
            same_results(&place.path("whole"), &run).unwrap();
            assert_eq!(json(&run.join("environment.json"))["sittings"].as_array().unwrap().len(), 2);
        }
    }

    /// A run that was killed midway, with two checkpoints behind it, beside the whole one.
    fn broken_off(place: &Place) -> PathBuf {
        let sets = ["descent.steps=1000"];
        place.run("whole", &sets);
        let mut child = place.command(&with_sets("r", &sets)).spawn().unwrap();
        wait_for_lines(&mut child, &place.path("r/metrics.csv"), 20);
        child.kill().unwrap();
        child.wait().unwrap();
        // The newest manifest vouches for a state; a state without one is what the kill cut short.
        place.path("r")
    }

    /// The newest file of a kind that a manifest vouches for.
    fn newest(run: &Path, ending: &str) -> PathBuf {
        let manifests = snapshot(&run.join("checkpoints")).into_keys().filter(|path| path.to_string_lossy().ends_with(".manifest.json"));
        PathBuf::from(manifests.max().unwrap().to_string_lossy().replace(".manifest.json", ending))
    }

    fn restore(run: &Path, files: &BTreeMap<PathBuf, Vec<u8>>) {
        std::fs::remove_dir_all(run).unwrap();
        std::fs::create_dir_all(run.join("checkpoints")).unwrap();
        files.iter().for_each(|(path, bytes)| std::fs::write(path, bytes).unwrap());
    }

    fn flip(path: &Path, at: usize) {
        let mut bytes = std::fs::read(path).unwrap();
        bytes[at] ^= 4;
        std::fs::write(path, bytes).unwrap();
    }

    #[test]
    fn a_damaged_newest_checkpoint_is_skipped_aloud() {
        let place = Place::new();
        let run = broken_off(&place);
        let files = snapshot(&run);
        for ending in [".state", ".manifest.json"] {
            for cut in [false, true] {
                let path = newest(&run, ending);
                let length = files[&path].len();
                if cut {
                    std::fs::write(&path, &files[&path][..length - 1]).unwrap()
                } else {
                    flip(&path, length / 2)
                }
                let output = place.mixscore(&["resume", "r"]);
                assert_eq!(code(&output), 0, "{}", text(&output.stderr));
                assert!(text(&output.stderr).contains("is skipped"), "{}", text(&output.stderr));
                same_results(&place.path("whole"), &run).unwrap();
                restore(&run, &files);
            }
        }
        // A journal that grew beyond the checkpoint is cut back.
        let mut longer = files[&run.join("metrics.csv")].clone();
        longer.extend(b"99999,half a row");
        std::fs::write(run.join("metrics.csv"), longer).unwrap();
        assert_eq!(code(&place.mixscore(&["resume", "r", "--quiet"])), 0);
        same_results(&place.path("whole"), &run).unwrap();
    }

    #[test]
    fn what_cannot_be_resumed_is_refused_and_left_alone() {
        let place = Place::new();
        let run = broken_off(&place);
        let files = snapshot(&run);
        for name in [".state", ".manifest.json", "config.toml", "teacher.npz", "initial.npz", "metrics.csv", "trajectory.f64"] {
            for path in files.keys().filter(|path| path.to_string_lossy().ends_with(name)) {
                flip(path, files[path].len() / 3); // of a journal: within the part that both checkpoints vouch for
            }
            let before = snapshot(&run);
            place.refused(&["resume", "r"], 7, "is skipped");
            assert!(snapshot(&run) == before, "{name}: resuming touched the folder");
            restore(&run, &files);
        }
        std::fs::remove_dir_all(run.join("checkpoints")).unwrap();
        place.refused(&["resume", "r"], 7, "before its first checkpoint");
        restore(&run, &files);
        let lock = std::fs::File::options().write(true).open(run.join("checkpoints/lock")).unwrap();
        lock.lock().unwrap();
        place.refused(&["resume", "r", "--device", "cpu"], 4, "another process");
        drop(lock);
        // A link or a pipe in the place of a file.
        std::fs::remove_file(run.join("metrics.csv")).unwrap();
        std::os::unix::fs::symlink("/dev/zero", run.join("metrics.csv")).unwrap();
        place.refused(&["resume", "r"], 7, "not a plain file");
        std::fs::remove_file(run.join("config.toml")).unwrap();
        assert!(Command::new("mkfifo").arg(run.join("config.toml")).status().unwrap().success());
        place.refused(&["resume", "r"], 4, "no plain file");
    }
}
