//! Runs and their life, with the real program: the folder's contract, stops, kills, damage, and resuming bit for bit.

use std::time::{Duration, Instant};

use mixscore::mixture::files::{Values, write_npz};
use serde_json::Value;

mod annealed;
#[cfg(unix)]
mod cut_short;
mod diverged;
#[cfg(unix)]
mod far_clusters;
mod kernel;
#[cfg(unix)]
mod longer;
mod place;
mod records;
#[cfg(unix)]
mod side_files;
mod stdout;

use place::{Place, SMALL, array, cells, code, json, same_results, snapshot, text, with_sets};

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
    place.run("early", &["log.every=15", "log.early=true"]);
    assert_eq!(means("a"), means("early"));
    assert_eq!(array(&place.path("early/trajectory.npz"), "step").values, [0.0, 1.0, 2.0, 3.0, 5.0, 8.0, 13.0, 15.0, 30.0, 40.0]);
}

#[test]
fn presets_are_listed_written_and_run() {
    let place = Place::new();
    let listed: Value = serde_json::from_slice(&place.mixscore(&["presets", "--json"]).stdout).unwrap();
    let names: Vec<&str> = listed["presets"].as_array().unwrap().iter().map(|p| p["name"].as_str().unwrap()).collect();
    for name in [
        "quickstart",
        "one-gaussian",
        "forward-vs-reverse",
        "random-start",
        "phase-diagram",
        "total-variation",
        "annealed",
        "gmm40",
        "large",
    ] {
        assert!(names.contains(&name), "{name} is not listed");
    }
    for name in names.into_iter().filter(|name| !name.starts_with("learn-")) {
        let file = format!("{name}.toml");
        assert_eq!(code(&place.mixscore(&["init", "--preset", name, &file, "--quiet"])), 0);
        place.refused(&["init", "--preset", name, &file], 4, "exists already");
        let small = ["--set", "descent.steps=2", "--set", "replicates=1", "--set", "objective.samples=16", "--set", "log.samples=16"];
        // The large one is large: here it is made small.
        let large = ["--set", "teacher.components=4", "--set", "teacher.features=16", "--set", "student.components=8"];
        let run = [&["run", &file, "--device", "cpu", "--quiet"][..], &small, if name == "large" { &large } else { &[] }].concat();
        let output = place.mixscore(&run);
        assert_eq!(code(&output), 0, "{name}: {}", text(&output.stderr));
        assert!(place.path("runs").join(format!("{name}-1")).join("report.html").is_file(), "{name}");
    }
    place.refused(&["init", "--preset", "quikstart", "x.toml"], 2, "Did you mean quickstart");
    place.refused(&["init", "--preset", "learn-demo", "x.toml"], 2, "mixscore learn learn-demo");
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
