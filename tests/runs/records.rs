//! What runs and one-shot verbs say of themselves: resolved choices, noise, groups, devices; and which variances go together.

use std::path::Path;

use mixscore::mixture::files::{Values, write_npz};
use serde_json::Value;

use crate::place::{Place, array, code, json, text};

const MEANS: [f64; 8] = [0.5, 1.5, -2.5, 3.0, 0.25, 0.125, 7.0, -1.0];

fn mixture(path: &Path, variance: f64) {
    write_npz(path, &[("means", &[2, 2], Values::F64(&MEANS[..4])), ("variance", &[], Values::F64(&[variance]))]).unwrap();
}

/// Starts (2, 2, 2) and a variance in .safetensors, byte by byte.
fn starts_in_safetensors(path: &Path, variance: f64) {
    let header =
        r#"{"means":{"dtype":"F64","shape":[2,2,2],"data_offsets":[0,64]},"variance":{"dtype":"F64","shape":[],"data_offsets":[64,72]}}"#;
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    MEANS.iter().chain([&variance]).for_each(|v| bytes.extend(v.to_le_bytes()));
    std::fs::write(path, bytes).unwrap();
}

fn json_of(place: &Place, line: &str) -> (Value, String) {
    let output = place.mixscore(&line.split(' ').collect::<Vec<_>>());
    assert_eq!(code(&output), 0, "{line}: {}", text(&output.stderr));
    (serde_json::from_slice(&output.stdout).unwrap(), text(&output.stderr))
}

#[test]
fn variances_go_together_up_to_single_precision_in_every_format() {
    let place = Place::new();
    mixture(&place.path("teacher.npz"), 0.1);
    let single = f64::from(0.1f32);
    let run = |file: &str, replicates: usize, folder: &str| {
        let toml = format!(
            "replicates = {replicates}\n[teacher]\nfile = \"teacher.npz\"\n[student]\nfile = \"{file}\"\n[descent]\nsteps = 1\nstep_size = 0.001\n"
        );
        std::fs::write(place.path("c.toml"), toml).unwrap();
        place.mixscore(&["run", "c.toml", "--device", "cpu", "--quiet", "--output", folder])
    };
    for (name, variance, fits) in [("rounded", single, true), ("near", 0.1001, false), ("wide", 2.0, false)] {
        mixture(&place.path(&format!("{name}.npz")), variance);
        starts_in_safetensors(&place.path(&format!("{name}.safetensors")), variance);
        for (file, replicates) in [(format!("{name}.npz"), 1), (format!("{name}.safetensors"), 2)] {
            let output = run(&file, replicates, &file.replace('.', "-"));
            assert_eq!(code(&output), if fits { 0 } else { 4 }, "{file}: {}", text(&output.stderr));
            assert!(fits || text(&output.stderr).contains("variance"), "{file}: {}", text(&output.stderr));
        }
        let output = place.mixscore(&["evaluate", "--student", &format!("{name}.npz"), "--teacher", "teacher.npz", "--device", "cpu"]);
        assert_eq!(code(&output), 0, "any two variances are evaluated, {name}: {}", text(&output.stderr));
    }
    // The teacher's is used.
    assert_eq!(array(&place.path("rounded-npz/student.npz"), "variance").values, [0.1]);
}

#[test]
fn what_auto_stands_for_is_written_down() {
    let place = Place::new();
    place.run("r", &["objective.estimator=auto", "objective.sampler=auto", "objective.samples=128"]);
    let config: toml::Table = std::fs::read_to_string(place.path("r/config.toml")).unwrap().parse().unwrap();
    assert_eq!(config["objective"]["estimator"].as_str(), Some("auto"), "a mix of its own, which has no other name");
    assert_eq!(config["objective"]["sampler"].as_str(), Some("sobol"));
    // Nets of two points are no better than independent ones: pairs are.
    place.run("few", &["objective.sampler=auto"]);
    let config: toml::Table = std::fs::read_to_string(place.path("few/config.toml")).unwrap().parse().unwrap();
    assert_eq!(config["objective"]["sampler"].as_str(), Some("antithetic"));
    place.run("p", &["objective.estimator=pathwise", "objective.sampler=antithetic"]);
    let config: toml::Table = std::fs::read_to_string(place.path("p/config.toml")).unwrap().parse().unwrap();
    assert_eq!(config["objective"]["estimator"].as_str(), Some("pathwise"));
    assert_eq!(config["objective"]["sampler"].as_str(), Some("antithetic"));
}

#[test]
fn a_gradient_says_its_choices_and_how_many_groups_its_errors_come_from() {
    let place = Place::new();
    mixture(&place.path("a.npz"), 1.0);
    let line = |rest: &str| format!("gradient --student a.npz --teacher a.npz --device cpu --output g.npz --json {rest}");
    let (many, talk) = json_of(&place, &line("--samples 256"));
    assert_eq!((many["estimator"].as_str(), many["sampler"].as_str()), (Some("auto"), Some("sobol")));
    assert_eq!(many["n_groups"], 16);
    assert!(!talk.contains("rough"), "{talk}");
    let (few, talk) = json_of(&place, &line("--samples 8"));
    assert_eq!(few["n_groups"], 4);
    assert!(talk.contains("from 4 groups"), "{talk}");
    let (grid, talk) = json_of(&place, &line("--sampler grid"));
    assert_eq!(grid["n_groups"], 1);
    assert!(!talk.contains("rough"), "{talk}");
}

#[test]
fn measures_under_noise_say_what_they_are_of() {
    let place = Place::new();
    let words = "after heat flow of time 0.5";
    place.run("plain", &[]);
    place.run("noisy", &["objective.noise=0.5"]);
    for (folder, noise) in [("plain", 0.0), ("noisy", 0.5)] {
        let summary = json(&place.path(folder).join("summary.json"));
        assert_eq!(summary["noise"], noise);
        assert_eq!(summary["finding"].as_str().unwrap().contains(words), noise > 0.0);
        let report = std::fs::read_to_string(place.path(folder).join("report.html")).unwrap();
        assert_eq!(report.contains(words), noise > 0.0, "{folder}");
    }
    // One Gaussian each: the divergence is ½|μ − m|²/(σ² + t)².
    write_npz(&place.path("s.npz"), &[("means", &[1, 1], Values::F64(&[1.0]))]).unwrap();
    write_npz(&place.path("t.npz"), &[("means", &[1, 1], Values::F64(&[0.0]))]).unwrap();
    let line = "evaluate --student s.npz --teacher t.npz --samples 64 --device reference";
    for (rest, noise) in [("", 0.0), (" --noise 0.5", 0.5)] {
        let (said, _) = json_of(&place, &format!("{line}{rest} --json"));
        assert_eq!(said["noise"], noise);
        let error = (said["reverse_fisher"]["value"].as_f64().unwrap() - 0.5 / (1.0f64 + noise).powi(2)).abs();
        assert!(error <= 1e-12, "{error:e}: no sample differs from another, so rounding alone is left");
        let table = place.mixscore(&format!("{line}{rest}").split(' ').collect::<Vec<_>>());
        assert_eq!(text(&table.stdout).contains(words), noise > 0.0);
    }
}

#[test]
fn a_grid_draws_no_samples_per_second() {
    let place = Place::new();
    place.run("capped", &["objective.sampler=grid", "objective.samples=4096", "descent.steps=2"]);
    assert!(json(&place.path("capped/summary.json"))["samples_per_second"].is_null());
}

#[test]
fn a_sitting_names_its_build() {
    let place = Place::new();
    place.run("r", &[]);
    let sitting = &json(&place.path("r/environment.json"))["sittings"][0];
    assert_eq!(sitting["version"], env!("CARGO_PKG_VERSION"));
    let program = std::fs::read(env!("CARGO_BIN_EXE_mixscore")).unwrap();
    assert_eq!(sitting["executable_blake3"], blake3::hash(&program).to_hex().as_str());
}

#[test]
fn a_sample_on_a_gpu_that_is_not_there_is_refused() {
    let place = Place::new();
    mixture(&place.path("a.npz"), 1.0);
    place.refused(&["sample", "--mixture", "a.npz", "--count", "3", "--output", "x.npy", "--device", "gpu:99"], 5, "no adapter 99");
    assert!(!place.path("x.npy").exists());
}
