//! A teacher made of points: what `bandwidth` and `variance` mean, in what a run is told, what it writes, and what earlier versions wrote.

use mixscore::mixture::files::{Values, read_mixture, write_npy, write_npz};

use super::place::{Place, code, json, text};

/// A config with points as the teacher, and these lines about their kernel.
fn place(kernel: &str) -> Place {
    let place = Place::new();
    let x: Vec<f64> = (0..120).map(|i| (f64::from(i) * 0.77).sin() + if i % 3 == 0 { 5.0 } else { 0.0 }).collect();
    write_npy(&place.path("x.npy"), &[60, 2], Values::F64(&x)).unwrap();
    write_npz(&place.path("s.npz"), &[("means", &[2, 2], Values::F64(&[0.0, 1.0, 4.0, 0.5]))]).unwrap();
    let config = format!(
        "[teacher]\nsamples = \"x.npy\"\n{kernel}\n[student]\nfile = \"s.npz\"\n[objective]\nsamples = 64\n[descent]\nsteps = 4\nstep_size = 1e-4\n[log]\nsamples = 64\nevery = 2\n"
    );
    std::fs::write(place.path("small.toml"), config).unwrap();
    place
}

fn teacher(place: &Place, run: &str) -> toml::Table {
    let config: toml::Table = std::fs::read_to_string(place.path(run).join("config.toml")).unwrap().parse().unwrap();
    config["teacher"].as_table().unwrap().clone()
}

#[test]
fn a_bandwidth_is_the_standard_deviation_of_the_kernel() {
    for (kernel, variance) in [("bandwidth = 0.5", 0.25), ("bandwidth = 0.1", 0.1 * 0.1), ("variance = 0.5", 0.5), ("bandwidth = 2", 4.0)] {
        let place = place(kernel);
        let output = place.mixscore(&["run", "small.toml", "--device", "cpu", "--output", "r"]);
        assert_eq!(code(&output), 0, "{kernel}: {}", text(&output.stderr));
        assert_eq!(read_mixture(&place.path("r/teacher.npz")).unwrap().variance(), variance, "{kernel}");
        assert!(text(&output.stderr).contains(&format!("variance {variance}")), "{kernel}: {}", text(&output.stderr));
        let written = teacher(&place, "r");
        assert_eq!(written["variance"].as_float(), Some(variance), "{kernel}");
        assert!((written["bandwidth"].as_float().unwrap() - variance.sqrt()).abs() <= 1e-15, "{kernel}: {written}");
        // What a run has written runs again, to the same teacher; either name may be set over it.
        place.mixscore(&["run", "r/config.toml", "--device", "cpu", "--quiet", "--output", "again"]);
        assert_eq!(read_mixture(&place.path("again/teacher.npz")).unwrap().variance(), variance, "{kernel}");
        let output =
            place.mixscore(&["run", "r/config.toml", "--device", "cpu", "--quiet", "--output", "set", "--set", "teacher.bandwidth=3"]);
        assert_eq!(code(&output), 0, "{}", text(&output.stderr));
        assert_eq!(read_mixture(&place.path("set/teacher.npz")).unwrap().variance(), 9.0, "{kernel}");
    }
    for (kernel, words) in
        [("bandwidth = 0.5\nvariance = 0.5", "give one of them"), ("", "needs teacher.bandwidth"), ("bandwidth = -1", "-1")]
    {
        place(kernel).refused(&["run", "small.toml", "--output", "r"], 4, words);
    }
}

/// A folder as earlier versions wrote it, with a bandwidth that is a variance: it is resumed as it was, and says both from then on; its config is
/// not run by another meaning.
#[test]
fn an_old_folder_keeps_its_kernel() {
    let place = place("variance = 0.5");
    let output = place.mixscore(&["run", "small.toml", "--device", "cpu", "--quiet", "--output", "r"]);
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    let config = std::fs::read_to_string(place.path("r/config.toml")).unwrap();
    let old: String = config.lines().filter(|line| !line.starts_with("variance")).map(|line| format!("{line}\n")).collect();
    let line = old.lines().find(|line| line.starts_with("bandwidth")).unwrap().to_string();
    let old = old.replace(&line, "bandwidth = 0.5");
    std::fs::write(place.path("r/config.toml"), &old).unwrap();
    for entry in
        std::fs::read_dir(place.path("r/checkpoints")).unwrap().flatten().filter(|e| e.path().extension().is_some_and(|x| x == "json"))
    {
        let sealed = std::fs::read_to_string(entry.path()).unwrap();
        let mut manifest: serde_json::Value = serde_json::from_str(&sealed[..sealed.len() - 65]).unwrap();
        let file = manifest["files"].as_array_mut().unwrap().iter_mut().find(|file| file["name"] == "config.toml").unwrap();
        file["length"] = old.len().into();
        file["blake3"] = blake3::hash(old.as_bytes()).to_hex().as_str().into();
        let body = serde_json::to_string_pretty(&manifest).unwrap() + "\n";
        std::fs::write(entry.path(), format!("{body}{}\n", blake3::hash(body.as_bytes()).to_hex())).unwrap();
    }
    place.refused(&["run", "r/config.toml", "--output", "other"], 4, "bandwidth is the kernel's variance");
    let output = place.mixscore(&["resume", "r", "--steps", "8", "--quiet"]);
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    assert_eq!(json(&place.path("r/summary.json"))["steps"], 8);
    assert_eq!(read_mixture(&place.path("r/teacher.npz")).unwrap().variance(), 0.5);
    assert_eq!(teacher(&place, "r")["variance"].as_float(), Some(0.5));
    // Copied elsewhere and renamed, it is another config file.
    std::fs::write(place.path("renamed.toml"), old.replace("bandwidth", "variance")).unwrap();
    let output = place.mixscore(&["run", "renamed.toml", "--device", "cpu", "--quiet", "--output", "again"]);
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    assert_eq!(read_mixture(&place.path("again/teacher.npz")).unwrap().variance(), 0.5);
}
