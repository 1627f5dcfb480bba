//! Noise that changes with the steps: no cut, kill or restart may show, and what it repairs must be repaired.

use crate::place::{Place, code, json, same_results, text};

const NOISE: &str = "objective.noise={ from = 30.0, steps = 900, levels = 30 }";

#[test]
fn cuts_and_kills_do_not_show() {
    let place = Place::new();
    let sets = ["descent.steps=1000", NOISE, "log.every=100"];
    place.run("whole", &sets);
    place.run("other", &["descent.steps=1000", NOISE, "log.every=7", "checkpoint.every_seconds=60.0"]);
    let student = |run: &str| std::fs::read(place.path(run).join("student.npz")).unwrap();
    assert_eq!(student("whole"), student("other"));
    let begin = std::time::Instant::now();
    place.run("again", &sets);
    let (whole, mut killed) = (begin.elapsed(), 0);
    for trial in 1..8u32 {
        let folder = format!("k{trial}");
        let mut child = place.command(&crate::place::with_sets(&folder, &sets)).spawn().unwrap();
        std::thread::sleep(whole * trial / 8);
        child.kill().unwrap();
        child.wait().unwrap();
        let run = place.path(&folder);
        if !run.exists() {
            continue;
        }
        killed += u32::from(!run.join("summary.json").exists());
        let output = place.mixscore(&["resume", &folder, "--quiet"]);
        assert_eq!(code(&output), 0, "{}", text(&output.stderr));
        same_results(&place.path("whole"), &run).unwrap_or_else(|what| panic!("trial {trial}: {what}"));
    }
    assert!(killed >= 2, "only {killed} of 7 kills met a descent");
    // Another schedule is another descent.
    place.run(
        "linear",
        &["descent.steps=1000", "objective.noise={ from = 30.0, steps = 900, levels = 30, shape = \"linear\" }", "log.every=100"],
    );
    assert_ne!(student("whole"), student("linear"));
}

/// Ornstein–Uhlenbeck time τ is heat-flow time e^2τ − 1: with the same levels the descents are the same up to rounding.
#[test]
fn heat_flow_and_ornstein_uhlenbeck_agree() {
    let place = Place::new();
    let means = |run: &str| crate::place::array(&place.path(run).join("student.npz"), "means").values;
    place.run("heat", &["objective.noise={ from = 6.38905609893065, steps = 20, levels = 1 }"]);
    place.run("ou", &["objective.noise={ kind = \"ou\", from = 1.0, steps = 20, levels = 1 }"]);
    for (a, b) in means("heat").iter().zip(means("ou")) {
        assert!((a - b).abs() <= 1e-4, "{a} {b}"); // single precision over forty steps
    }
}

#[test]
fn annealing_finds_the_modes_that_descent_misses() {
    let place = Place::new();
    let sets = ["--set", "replicates=2", "--set", "objective.samples=128"];
    let output = place.mixscore(&[&["sweep", "annealed", "--device", "cpu", "--quiet", "--output", "a"][..], &sets].concat());
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    let mut summaries = Vec::new();
    let table =
        mixscore::experiment::sweep::read_table(&place.path("a"), &mut |_, summary| summaries.push(summary.unwrap().clone())).unwrap();
    for (cell, summary) in table.cells.iter().zip(&summaries) {
        let coverage = summary.last.values(mixscore::metrics::Metric::Coverage).unwrap();
        let found = cell.values[0] != "none";
        assert!(coverage.iter().all(|share| if found { *share == 1.0 } else { *share <= 0.2 }), "{}: {coverage:?}", cell.values[0]);
    }
}

#[test]
fn evaluate_takes_replicates_and_checks_kl() {
    let place = Place::new();
    place.run(
        "r",
        &["replicates=3", "teacher={ kind = \"separated\", components = 3, features = 2, separation = 3, per_replicate = true }"],
    );
    let evaluate = |rest: &[&str]| {
        let files =
            ["evaluate", "--student", "r/student.npz", "--teacher", "r/teacher.npz", "--device", "cpu", "--samples", "2048", "--json"];
        let output = place.mixscore(&[&files[..], rest].concat());
        assert_eq!(code(&output), 0, "{}", text(&output.stderr));
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()
    };
    let all = evaluate(&["--annealed"]);
    assert_eq!((all["replicates"].as_u64(), all["total_variation"].as_array().unwrap().len()), (Some(3), 3));
    assert_eq!(all["coverage"].as_array(), json(&place.path("r/summary.json"))["coverage"].as_array());
    for r in 0..3 {
        let one = evaluate(&["--replicate", &r.to_string()]);
        assert_eq!(one["reverse_fisher"], all["reverse_fisher"][r]);
        let number = |name: &str, key: &str| all[name][r][key].as_f64().unwrap();
        let apart = (number("kl_annealed", "value") - number("kl_student_teacher", "value")).abs();
        let known = number("kl_annealed", "standard_error").hypot(number("kl_student_teacher", "standard_error"));
        assert!(apart <= 5.0 * known + number("kl_annealed", "quadrature_error"), "replicate {r}: {apart} {known}");
    }
    place.refused(&["evaluate", "--student", "r/student.npz", "--teacher", "r/teacher.npz", "--replicate", "3"], 2, "from 0 to 2");
}
