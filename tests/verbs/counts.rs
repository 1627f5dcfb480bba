//! Counts as people write them, the keys of a config, scripts for shells, manual pages, and the type of scores.

use super::{Place, array, read_npz};

#[test]
fn counts_are_taken_as_people_write_them() {
    let place = Place::new();
    place.mixture("m.npz", &[1.0], &[0.0, 0.0], 2, 1.0);
    for (text, n) in [("1e3", 1000), ("1_000", 1000), ("2.5e2", 250)] {
        let object = place.json(&format!("sample --mixture m.npz --count {text} --output x.npy"), "mixscore.sample/1");
        assert_eq!(object["count"], n, "{text}");
    }
    place.refused("sample --mixture m.npz --count 1.5 --output y.npy", 2, "not a whole number");
    place.refused("sample --mixture m.npz --count -5 --output y.npy", 2, "not a whole number");
    let object = place.json("gradient --student m.npz --teacher m.npz --samples 1e2 --output g.npz --device cpu", "mixscore.gradient/1");
    assert_eq!(object["samples"], 100);
}

#[test]
fn keys_and_the_config_of_init_are_listed() {
    let place = Place::new();
    let object = place.json("keys", "mixscore.keys/1");
    let keys = object["keys"].as_array().unwrap();
    let named = |name: &str| keys.iter().find(|key| key["name"] == name).unwrap_or_else(|| panic!("no key {name}"));
    assert_eq!((&named("descent.steps")["default"], &named("descent.steps")["type"]), (&"1000".into(), &"count".into()));
    let text = String::from_utf8(place.run("keys descent").stdout).unwrap();
    assert!(text.contains("descent.step_size = 0.5  (number)") && !text.contains("log.every"), "{text}");
    place.refused("keys descnt", 2, "no key begins with");
    place.run("init a.toml");
    let config = std::fs::read_to_string(place.path("a.toml")).unwrap();
    ["estimator", "storage", "early", "half_width"].iter().for_each(|key| assert_eq!(config.contains(key), *key != "half_width", "{key}"));
    place.refused("run a.toml --set descent.stepz=1 --output r", 4, "--set descent.stepz=1: descent.stepz");
    std::fs::write(place.path("a.toml"), config.replace("step_size = 0.5", "step_size = -1")).unwrap();
    place.refused("run a.toml --output r", 4, "config: a.toml, line ");
    place.refused("run quickstart --set teacher.kind=circel --output r", 4, "--set teacher.kind=circel: ");
}

#[test]
fn scripts_for_shells_and_manual_pages_are_written() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let output = place.run(&format!("completions {shell}"));
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && text.contains("mixscore") && text.contains("sweep"), "{shell}");
    }
    place.run("man pages");
    let page = std::fs::read_to_string(place.path("pages/mixscore-gradient.1")).unwrap();
    assert!(page.contains("estimator") && page.contains("device"), "{page}");
    assert!(place.path("pages/mixscore.1").is_file());
    let version = String::from_utf8(place.run("--version").stdout).unwrap();
    assert!(version.starts_with(concat!("mixscore ", env!("CARGO_PKG_VERSION"), " (")) && version.contains("; rustc 1."), "{version}");
    assert!(version.contains("; wgpu "), "{version}");
}

/// Values that single precision would merge are written in double precision, each array for itself.
#[test]
fn scores_are_told_apart() {
    let place = Place::new();
    place.mixture("m.npz", &[0.5, 0.5], &[-1.0, 0.0, 1.0, 0.5], 2, 1.0);
    place.points("near.npy", 2, &[0.5, 0.0, 0.25, 1.0]);
    place.points("far.npy", 2, &[1e6, 0.0, 1e6 + 1e-3, 0.0]);
    for (points, options, types) in [
        ("near.npy", "", ["float32", "float32"]),
        ("far.npy", "", ["float64", "float64"]),
        ("near.npy", "--dtype f64", ["float64", "float64"]),
        ("far.npy", "--dtype f32", ["float32", "float32"]),
        ("near.npy", "--device reference", ["float64", "float64"]),
    ] {
        let device = if options.contains("--device") { "" } else { "--device cpu" };
        let line = format!("score --mixture m.npz --points {points} --responsibilities --output o.npz {options} {device}");
        let object = place.json(&line, "mixscore.score/1");
        assert_eq!([&object["log_density_dtype"], &object["dtype"]], types, "{line}");
        let arrays = read_npz(&place.path("o.npz")).unwrap();
        for name in ["log_density", "score"] {
            let values = &array(&arrays, name).values;
            assert_eq!(values[0] != values[values.len() / 2], types[0] == "float64" || points == "near.npy", "{line}: {name} {values:?}");
        }
        assert_eq!(array(&arrays, "responsibilities").shape, [2, 2]);
    }
}
