//! Runs that get more steps, and seeds beyond what TOML's integers can say.

use super::place::{Place, array, cells, code, json, same_results, snapshot, text, with_sets};

#[test]
fn more_steps_end_where_a_longer_run_does() {
    let annealed = "objective.noise={ from = 30.0, steps = 60, levels = 6 }";
    for sets in [&[][..], &["log.every=15"], &["replicates=2", "log.early=true"], &[annealed]] {
        let place = Place::new();
        place.run("long", &[sets, &["descent.steps=100"]].concat());
        place.run("r", sets);
        for steps in ["70", "100"] {
            let output = place.mixscore(&["resume", "r", "--steps", steps, "--quiet"]);
            assert_eq!(code(&output), 0, "{sets:?}: {}", text(&output.stderr));
            assert_eq!(json(&place.path("r/summary.json"))["steps"].as_u64(), steps.parse().ok(), "{sets:?}");
        }
        let config: toml::Table = std::fs::read_to_string(place.path("r/config.toml")).unwrap().parse().unwrap();
        assert_eq!(config["descent"]["steps"].as_integer(), Some(100));
        let means = |run: &str| array(&place.path(run).join("student.npz"), "means").values;
        assert_eq!(means("r"), means("long"), "{sets:?}");
        if sets.is_empty() {
            same_results(&place.path("r"), &place.path("long")).unwrap(); // 40 and 70 are logged in both
        } else {
            assert!(cells(&place.path("r/metrics.csv")).len() >= cells(&place.path("long/metrics.csv")).len());
        }
        assert!(text(&place.mixscore(&["resume", "r"]).stdout).contains("finished before"));
    }
}

#[test]
fn steps_that_cannot_be_made_are_refused_and_change_nothing() {
    let place = Place::new();
    place.run("r", &[]);
    place.run("s", &["descent.movement_tolerance=1e6"]);
    assert_eq!(code(&place.mixscore(&with_sets("x", &["descent.step_size=1e30"]))), 3);
    let before = ["r", "s", "x"].map(|run| snapshot(&place.path(run)));
    place.refused(&["resume", "r", "--steps", "39"], 4, "the run has made 40 steps");
    place.refused(&["resume", "r", "--steps", "4294967296"], 4, "descent.steps is 4294967296");
    place.refused(&["resume", "r", "--steps", "-1"], 2, "-1");
    place.refused(&["resume", "s", "--steps", "100"], 4, "no mean moved more than");
    place.refused(&["resume", "x", "--steps", "100"], 4, "non-finite");
    assert!(text(&place.mixscore(&["resume", "r", "--steps", "40"]).stdout).contains("finished before"), "it has these steps");
    assert!(["r", "s", "x"].map(|run| snapshot(&place.path(run))) == before, "something was touched");
}

#[test]
fn an_interrupted_run_may_get_more_or_fewer_steps() {
    for (steps, sets) in [("20500", ["descent.steps=20500"]), ("19500", ["descent.steps=19500"])] {
        let place = Place::new();
        place.run("whole", &[&sets[..], &["log.every=500"]].concat());
        let begun = ["descent.steps=20000", "log.every=500", "checkpoint.every_seconds=0"];
        let mut child = place.command(&with_sets("r", &begun)).spawn().unwrap();
        while std::fs::read_to_string(place.path("r/metrics.csv")).map_or(0, |text| text.lines().count()) < 4 {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let output = place.mixscore(&["resume", "r", "--steps", steps, "--quiet"]);
        assert_eq!(code(&output), 0, "{}", text(&output.stderr));
        same_results(&place.path("whole"), &place.path("r")).unwrap();
    }
}

#[test]
fn seeds_of_64_bits_are_seeds() {
    let place = Place::new();
    let seeds = ["9223372036854775807", "9223372036854775808", "18446744073709551615"];
    let arguments = |folder, seed| ["run", "small.toml", "--device", "cpu", "--quiet", "--output", folder, "--seed", seed];
    let mut students = Vec::new();
    for (folder, seed) in ["a", "b", "c"].into_iter().zip(seeds) {
        let output = place.mixscore(&arguments(folder, seed));
        assert_eq!(code(&output), 0, "{seed}: {}", text(&output.stderr));
        assert_eq!(json(&place.path(folder).join("summary.json"))["seed"].as_u64(), seed.parse().ok());
        // The resolved config says it, so that it makes the same run; and so does a --set.
        let again = format!("{folder}-again");
        let config = format!("{folder}/config.toml");
        assert_eq!(code(&place.mixscore(&["run", &config, "--device", "cpu", "--quiet", "--output", &again])), 0);
        same_results(&place.path(folder), &place.path(&again)).unwrap();
        place.run(&format!("{folder}-set"), &[&format!("seed={seed}")]);
        same_results(&place.path(folder), &place.path(&format!("{folder}-set"))).unwrap();
        assert!(text(&place.mixscore(&["resume", folder]).stdout).contains("finished before"));
        students.push(std::fs::read(place.path(folder).join("student.npz")).unwrap());
    }
    assert!(students[0] != students[1] && students[1] != students[2]);
    place.refused(&arguments("d", "18446744073709551616"), 2, "18446744073709551616");
    place.refused(&with_sets("d", &["seed=18446744073709551616"]), 4, "--set seed=18446744073709551616: ");
}
