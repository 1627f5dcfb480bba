//! `mixscore resume` of a sweep's folder: the cells that are not done.

use super::*;

#[test]
fn a_sweep_folder_is_resumed_like_a_run() {
    let place = place();
    sweep(&place, "whole", &[]);
    sweep(&place, "parts", &["--shard", "1/3"]);
    std::fs::remove_file(place.path("s.toml")).unwrap(); // the folder knows all
    let output = place.mixscore(&["resume", "parts", "--json"]);
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((said["cells"].as_u64(), said["done"].as_u64(), said["skipped"].as_u64()), (Some(6), Some(6), Some(2)));
    assert!(ends(&place.path("parts")) == ends(&place.path("whole")));
    // On the device that it began with, and from anywhere.
    assert_eq!(json(&place.path("parts/environment.json"))["sittings"][1]["device_choice"], "cpu");
    let cells = snapshot(&place.path("parts/cells"));
    let mut elsewhere = place.command(&["resume", place.path("parts").to_str().unwrap()]);
    assert_eq!(code(&elsewhere.current_dir(place.path("whole")).output().unwrap()), 0);
    assert!(snapshot(&place.path("parts/cells")) == cells, "a finished sweep was touched");
}

#[test]
fn overrides_seeds_and_files_of_a_resumed_sweep_are_as_they_were() {
    let place = place();
    std::fs::create_dir(place.path("data")).unwrap();
    std::fs::write(place.path("data/t.json"), r#"{"means": [[0.0, 1.0], [4.0, 2.0]]}"#).unwrap();
    let rest = SWEEP.split("[student]").nth(1).unwrap().replace("\"teacher.separation\" = [2, 4.5, 6]", "\"descent.steps\" = [20, 40, 60]");
    std::fs::write(place.path("data/s.toml"), format!("seed = 5\n[teacher]\nfile = \"t.json\"\n[student]{rest}")).unwrap();
    let of = |folder: &str, shard: &str| {
        let line =
            ["sweep", "data/s.toml", "--device", "cpu", "--quiet", "--set", "descent.steps=[20, 30]", "--seed", "18446744073709551615"];
        place.mixscore(&[&line[..], &["--output", folder, "--shard", shard]].concat())
    };
    assert_eq!(code(&of("whole", "1/1")), 0);
    assert_eq!(code(&of("parts", "1/2")), 0);
    assert_eq!(code(&place.mixscore(&["resume", "parts", "--quiet"])), 0);
    assert!(ends(&place.path("parts")) == ends(&place.path("whole")) && ends(&place.path("whole")).len() == 4);
}

#[test]
fn what_a_sweep_cannot_do_is_refused() {
    let place = place();
    sweep(&place, "a", &["--shard", "1/6"]);
    place.refused(&["resume", "a", "--steps", "100"], 2, "the folder of a sweep");
    place.refused(&["resume", "a", "--seed", "3"], 2, "keeps its seed");
    std::fs::write(place.path("a/sweep.toml"), "[sweep.grid]\n").unwrap();
    place.refused(&["resume", "a"], 4, "config: ");
}
