//! Descents that run off end with exit 3, the last good state and a step that is safe; slow, noisy, stuck and oscillating ones do not.

use serde_json::Value;

use super::place::{Place, array, cells, code, json, same_results, snapshot, text, with_sets};

const GAUSSIAN: &str = "teacher={ kind = \"gaussian\", features = 3 }";
const CIRCLE: &str = "teacher={ kind = \"circle\", components = 5 }";
const FAR_CIRCLE: &str = "teacher={ kind = \"circle\", components = 5, separation = 100 }";
const LINE: &str = "teacher={ kind = \"line\", components = 2, features = 1, separation = 8 }";
const SEPARATED: &str = "teacher={ kind = \"separated\", components = 4, features = 30 }";
const WIDE: &str = "student.start={ scheme = \"gaussian\", scale = 10.0 }";
const NARROW: &str = "student.start={ scheme = \"gaussian\", scale = 1.0 }";
const HUGE: &str = "student.start={ scheme = \"gaussian\", scale = 100.0 }";
const OUTLIER: &str = "student.start={ scheme = \"outlier\", scale = 1.0, distance = 1000.0 }";
const ONE_POINT: &str = "student.start={ scheme = \"coincident\", scale = 20.0 }";
const AROUND: &str = "student.start={ scheme = \"around-teacher\", scale = 0.3 }";
const FORWARD: &str = "objective.divergence=forward";
const BY_ROW: &str = "descent.divide_by_weight=false";
const FEW: &str = "objective.samples=4";
const ANNEALED: &str = "objective.noise={ from = 30.0, steps = 60, levels = 12 }";
const OU: &str = "objective.noise={ kind = \"ou\", from = 1.5, steps = 60, levels = 6 }";
const LONG: &str = "descent.steps=100";

/// Space-separated keys of one run: the step, then what else is set.
type Case = (f64, &'static [&'static str]);

/// Thirty that diverge.
const DIVERGING: [Case; 30] = [
    (2.05, &[GAUSSIAN, WIDE, "descent.steps=200"]),
    (2.2, &[GAUSSIAN, WIDE, LONG]),
    (2.5, &[GAUSSIAN, NARROW, LONG]),
    (3.0, &[GAUSSIAN, HUGE]),
    (5.0, &[GAUSSIAN, ONE_POINT]),
    (20.0, &[GAUSSIAN, OUTLIER]),
    (9.0, &[GAUSSIAN, WIDE, BY_ROW, LONG]),
    (14.0, &[CIRCLE, BY_ROW, LONG]),
    (3.0, &[CIRCLE, LONG]),
    (4.0, &[CIRCLE, "log.every=1"]),
    (8.0, &[CIRCLE, "log.every=100", LONG]),
    (4.0, &[LINE, LONG]),
    (3.0, &[SEPARATED, LONG]),
    (6.0, &[SEPARATED, "log.every=40"]),
    (3.5, &[FAR_CIRCLE, LONG]),
    (4.0, &[CIRCLE, ANNEALED, LONG]),
    (3.0, &[GAUSSIAN, WIDE, ANNEALED, LONG]),
    (6.0, &[CIRCLE, OU, LONG]),
    (27.0, &[GAUSSIAN, WIDE, "objective.noise=2.0", LONG]),
    (40.0, &[CIRCLE, "objective.noise=2.0", LONG]),
    (3.0, &[GAUSSIAN, WIDE, "replicates=3", LONG]),
    (4.0, &[CIRCLE, "replicates=4", LONG]),
    (3.0, &[GAUSSIAN, WIDE, FORWARD, LONG]),
    (1.5, &[GAUSSIAN, WIDE, FORWARD, LONG]),
    (5.0, &[GAUSSIAN, WIDE, FORWARD, BY_ROW, LONG]),
    (3.0, &[CIRCLE, FORWARD, LONG]),
    (2.5, &[GAUSSIAN, WIDE, FEW, LONG]),
    (4.0, &[CIRCLE, FEW, LONG]),
    (0.5, &[GAUSSIAN, HUGE, "objective.estimator=score-function", "objective.sampler=philox", LONG]),
    (2.5, &[GAUSSIAN, WIDE, "objective.sampler=grid", LONG]),
];

/// Sixty that do not.
const OTHERS: [Case; 60] = [
    (1e-3, &[GAUSSIAN, WIDE]),
    (0.01, &[GAUSSIAN, HUGE, LONG]),
    (0.1, &[GAUSSIAN, OUTLIER]),
    (0.5, &[GAUSSIAN, ONE_POINT]),
    (1.0, &[GAUSSIAN, HUGE]),
    (1.5, &[GAUSSIAN, WIDE]),
    (1.9, &[GAUSSIAN, WIDE, LONG]),
    (1.99, &[GAUSSIAN, ONE_POINT]),
    (4.0, &[GAUSSIAN, WIDE, BY_ROW]),
    (0.02, &[GAUSSIAN, NARROW, BY_ROW]),
    (1e-3, &[CIRCLE]),
    (0.01, &[CIRCLE, LONG]),
    (0.1, &[CIRCLE, HUGE]),
    (0.5, &[CIRCLE, OUTLIER]),
    (1.0, &[CIRCLE]),
    (1.0, &[CIRCLE, ONE_POINT, "log.every=1"]),
    (1.5, &[CIRCLE, LONG]),
    (1.9, &[CIRCLE, LONG]),
    (1.2, &[CIRCLE, AROUND, LONG]),
    (2.0, &[CIRCLE, BY_ROW, LONG]),
    (0.5, &[LINE, "student.start={ scheme = \"point\", at = [0.0], jitter = 1e-3 }"]),
    (0.5, &[LINE, "student.start={ scheme = \"point\", at = [4.0], jitter = 1e-3 }", LONG]),
    (1.0, &[LINE, AROUND, "student.weights=[0.4, 0.3, 0.2, 0.1]"]),
    (0.05, &[LINE, WIDE, LONG]),
    (1.0, &[LINE, HUGE, "log.every=1"]),
    (0.1, &[SEPARATED]),
    (0.5, &[SEPARATED, "student.start={ scheme = \"shell\" }"]),
    (1.0, &[SEPARATED, LONG]),
    (1.8, &[SEPARATED, LONG]),
    (0.5, &[SEPARATED, AROUND]),
    (0.5, &[FAR_CIRCLE, LONG]),
    (1.0, &[FAR_CIRCLE, "log.every=1"]),
    (0.5, &[FAR_CIRCLE, FEW, "log.every=1"]),
    (0.1, &[FAR_CIRCLE, FEW, "log.every=1"]),
    (1.0, &[FAR_CIRCLE, FEW, LONG]),
    (0.5, &[FAR_CIRCLE, "student.components=40", FEW, "log.every=1"]),
    (0.5, &[CIRCLE, FEW]),
    (1.0, &[CIRCLE, FEW, LONG]),
    (0.1, &[CIRCLE, FEW, "log.every=1", "log.samples=8"]),
    (0.5, &[CIRCLE, "objective.samples=8", "student.components=2", LONG]),
    (1.0, &[CIRCLE, "objective.samples=8", "student.components=1", LONG]),
    (0.5, &[GAUSSIAN, NARROW, FEW]),
    (0.5, &[GAUSSIAN, NARROW, "objective.estimator=score-function"]),
    (0.1, &[GAUSSIAN, WIDE, "objective.estimator=score-function", "objective.samples=256"]),
    (0.5, &[CIRCLE, "objective.estimator=pathwise", "objective.samples=8"]),
    (0.02, &[GAUSSIAN, FORWARD, BY_ROW, "student.start={ scheme = \"point\", at = [6.0, 0.0, 0.0], jitter = 1e-3 }", "descent.steps=400"]),
    (0.02, &[GAUSSIAN, FORWARD, BY_ROW, "student.start={ scheme = \"point\", at = [4.0, 0.0, 0.0], jitter = 1e-3 }", "descent.steps=400"]),
    (0.2, &[GAUSSIAN, FORWARD, BY_ROW, NARROW, LONG]),
    (0.01, &[GAUSSIAN, FORWARD, WIDE, BY_ROW]),
    (0.05, &[CIRCLE, FORWARD, BY_ROW, LONG]),
    (0.05, &[CIRCLE, FORWARD, AROUND, FEW, LONG]),
    (0.01, &[FAR_CIRCLE, FORWARD, AROUND]),
    (0.5, &[CIRCLE, ANNEALED, LONG]),
    (1.0, &[CIRCLE, ANNEALED, AROUND, LONG]),
    (1.0, &[FAR_CIRCLE, ANNEALED, LONG]),
    (0.5, &[CIRCLE, OU, FEW, LONG]),
    (9.0, &[GAUSSIAN, WIDE, "objective.noise=2.0", LONG]),
    (4.0, &[CIRCLE, "objective.noise=2.0", "replicates=3"]),
    (0.5, &[CIRCLE, "replicates=5", FEW]),
    (0.5, &[CIRCLE, "objective.sampler=grid", AROUND]),
];

/// Runs a case into `folder`; its exit code and `summary.json`.
fn run(place: &Place, folder: &str, (step_size, sets): Case) -> (i32, Value) {
    let step_size = format!("descent.step_size={step_size:?}");
    // A grid in three dimensions that is not too coarse.
    let samples: &[&str] = if sets.contains(&"objective.sampler=grid") { &["objective.samples=6000"] } else { &[] };
    let output = place.mixscore(&with_sets(folder, &[&[step_size.as_str()], samples, sets].concat()));
    let code = code(&output);
    assert!([0, 3].contains(&code), "{folder}: {}", text(&output.stderr));
    (code, json(&place.path(folder).join("summary.json")))
}

/// Every `stride`-th case, and what went wrong. A run that diverged is made again with the step that it calls safe.
fn wrong(stride: usize) -> Vec<String> {
    let place = Place::new();
    let mut wrong = Vec::new();
    for (at, case) in DIVERGING.into_iter().enumerate().step_by(stride) {
        let (code, summary) = run(&place, &format!("d{at}"), case);
        let kind = summary["stop"]["kind"].as_str().unwrap();
        if code != 3 {
            wrong.push(format!("missed {case:?}: {kind}, {} to {}", summary["first"]["reverse_fisher"], summary["reverse_fisher"]));
        } else if kind == "diverged" {
            let safe = summary["stop"]["safe"].as_f64().unwrap();
            let (code, again) = run(&place, &format!("s{at}"), (safe, case.1));
            let risen = again["first"]["reverse_fisher"]["value"].as_f64() < again["reverse_fisher"]["value"].as_f64();
            if code != 0 || risen && !case.1.contains(&FORWARD) {
                wrong.push(format!("{safe} is not safe for {case:?}: {}", again["stop"]));
            }
        }
    }
    for (at, case) in OTHERS.into_iter().enumerate().step_by(stride) {
        let (code, summary) = run(&place, &format!("o{at}"), case);
        if code != 0 {
            wrong.push(format!("false alarm {case:?}: {}", summary["stop"]));
        }
    }
    wrong
}

#[test]
fn what_runs_off_is_stopped_and_nothing_else() {
    let wrong = wrong(4);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
#[ignore = "ninety runs, and thirty again: minutes"]
fn thirty_that_diverge_and_sixty_that_do_not() {
    let wrong = wrong(1);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_diverged_run_tells_one_truth_everywhere() {
    let place = Place::new();
    let sets = ["descent.step_size=3.0", GAUSSIAN, WIDE, "descent.steps=100"];
    let output = place.mixscore(&with_sets("r", &sets));
    assert_eq!(code(&output), 3, "{}", text(&output.stderr));
    let said = text(&output.stderr);
    assert!(said.contains("descent.step_size = 3") && said.contains("1 is safe") && said.contains("config.toml --set 'student="), "{said}");
    let run = place.path("r");
    let summary = json(&run.join("summary.json"));
    let (stop, good) = (&summary["stop"], summary["stop"]["good"].as_u64().unwrap());
    assert_eq!(
        (stop["kind"].as_str(), summary["steps"].as_u64(), summary["metrics_step"].as_u64()),
        (Some("diverged"), Some(good), Some(good))
    );
    assert!(stop["step"].as_u64().unwrap() > good);
    // The students are those of the last good step, and so are all numbers.
    let at = array(&run.join("trajectory.npz"), "step").values.iter().position(|step| *step == good as f64).unwrap();
    let means = array(&run.join("student.npz"), "means").values;
    assert_eq!(means, array(&run.join("trajectory.npz"), "means").values[at * means.len()..][..means.len()]);
    let rows = cells(&run.join("metrics.csv"));
    let row = rows.iter().find(|row| row[0] == good.to_string()).unwrap();
    assert_eq!(row[1].parse::<f64>().unwrap(), summary["reverse_fisher"]["value"].as_f64().unwrap());
    assert!(rows.last().unwrap()[0].parse::<u64>().unwrap() > good, "what ran off is in the log");
    let page = std::fs::read_to_string(run.join("report.html")).unwrap();
    assert!(page.contains("The run failed: by step") && page.contains(&format!("At step {good}, the last good one")));
    place.run("good", &["descent.step_size=0.5", GAUSSIAN, WIDE]);
    let compared: Value = serde_json::from_slice(&place.mixscore(&["compare", "good", "r", "--json"]).stdout).unwrap();
    assert!(compared["finding"].as_str().unwrap().contains("B failed: by step"), "{compared}");
    assert_eq!(compared["metrics"][0]["values"][1]["value"], summary["reverse_fisher"]["value"]);
    // Nothing is left to do, and no more steps are made with that step size.
    let before = snapshot(&run);
    assert_eq!(code(&place.mixscore(&["resume", "r"])), 3);
    place.refused(&["resume", "r", "--steps", "200"], 4, "had diverged");
    assert!(snapshot(&run) == before, "resuming touched the folder");
    // The way on that was told.
    let go_on = ["run", "r/config.toml", "--device", "cpu", "--quiet", "--output", "on", "--set", "student={file=\"student.npz\"}"];
    assert_eq!(code(&place.mixscore(&[&go_on[..], &["--set", "descent.step_size=1"]].concat())), 0);
    assert_eq!(array(&place.path("on/initial.npz"), "means").values, means);
}

#[test]
fn a_sweep_counts_what_diverged_as_failed() {
    let place = Place::new();
    let grid = "\n[sweep.grid]\n\"descent.step_size\" = [0.5, 4.0]\n";
    std::fs::write(place.path("sweep.toml"), format!("{}{grid}", super::place::SMALL)).unwrap();
    let output = place.mixscore(&["sweep", "sweep.toml", "--device", "cpu", "--quiet", "--output", "s"]);
    assert_eq!(code(&output), 3, "{}", text(&output.stderr));
    let table = std::fs::read_to_string(place.path("s/results.csv")).unwrap();
    assert!(table.contains(",done,max-steps,") && table.contains(",failed,diverged,") && table.contains("had diverged"), "{table}");
}

/// Where the run is killed, and how often it is logged, the same step is found, and the same state is kept.
#[test]
fn a_resumed_run_decides_the_same() {
    let place = Place::new();
    for (name, every, sets) in [
        ("slow", "log.every=10", &["descent.step_size=2.02", GAUSSIAN, WIDE, "descent.steps=4000"][..]),
        ("forward", "log.every=100", &["descent.step_size=1.2", GAUSSIAN, WIDE, FORWARD, "descent.steps=4000"]),
    ] {
        let sets = [sets, &[every]].concat();
        let whole = format!("{name}-whole");
        assert_eq!(code(&place.mixscore(&with_sets(&whole, &sets))), 3);
        let summary = json(&place.path(&whole).join("summary.json"));
        for trial in 0..4u64 {
            let folder = format!("{name}-{trial}");
            let mut child = place.command(&with_sets(&folder, &sets)).spawn().unwrap();
            std::thread::sleep(std::time::Duration::from_millis(20 + 25 * trial));
            child.kill().unwrap();
            child.wait().unwrap();
            if !place.path(&folder).exists() {
                continue;
            }
            assert_eq!(code(&place.mixscore(&["resume", &folder, "--quiet"])), 3);
            same_results(&place.path(&whole), &place.path(&folder)).unwrap();
            assert_eq!(json(&place.path(&folder).join("summary.json"))["stop"], summary["stop"]);
        }
    }
}

#[test]
fn steps_that_only_go_to_and_fro_get_a_note() {
    let place = Place::new();
    for (folder, sets, is_noted) in [
        ("a", &["descent.step_size=2.0", GAUSSIAN, ONE_POINT][..], true),
        ("b", &["descent.step_size=1.0", GAUSSIAN, ONE_POINT], false),
        ("c", &["descent.step_size=0.001", CIRCLE], false),
        ("d", &["descent.step_size=0.5", CIRCLE, FEW, "student.components=2"], false),
        ("e", &["descent.step_size=0.02", GAUSSIAN, FORWARD, BY_ROW, "student.start={ scheme = \"point\", at = [6.0, 0.0, 0.0] }"], false),
    ] {
        place.run(folder, sets);
        let notes = json(&place.path(folder).join("summary.json"))["notes"].to_string();
        let page = std::fs::read_to_string(place.path(folder).join("report.html")).unwrap();
        assert_eq!((notes.contains("to and fro"), page.contains("to and fro")), (is_noted, is_noted), "{sets:?}: {notes}");
    }
}
