//! No command destroys a file that it reads, by whatever path it is reached; paths need not be text.

use super::Place;

/// A mixture under four names, another one, points, and the folder `sub`.
#[cfg(unix)]
fn linked() -> Place {
    let place = Place::new();
    place.mixture("s.npz", &[0.5, 0.5], &[-1.0, 0.0, 1.0, 0.5], 2, 1.0);
    place.mixture("t.npz", &[1.0], &[0.0, 0.0], 2, 1.0);
    place.points("x.npy", 2, &[0.0, 1.0, 2.0, 3.0]);
    std::fs::create_dir(place.path("sub")).unwrap();
    for name in ["link.npz", "link.npy"] {
        std::os::unix::fs::symlink("s.npz", place.path(name)).unwrap();
    }
    std::fs::hard_link(place.path("s.npz"), place.path("hard.npz")).unwrap();
    place
}

#[cfg(unix)]
#[test]
fn an_output_that_is_an_input_is_refused_by_any_path() {
    let place = linked();
    let before = ["s.npz", "t.npz", "x.npy"].map(|name| std::fs::read(place.path(name)).unwrap());
    let gradient = "gradient --samples 64 --device cpu";
    for line in [
        format!("{gradient} --student s.npz --teacher t.npz --output ./s.npz"),
        format!("{gradient} --student s.npz --teacher t.npz --output sub/../t.npz"),
        format!("{gradient} --student s.npz --teacher t.npz --output link.npz"),
        format!("{gradient} --student s.npz --teacher t.npz --output hard.npz"),
        format!("{gradient} --student link.npz --teacher t.npz --output s.npz"),
        format!("{gradient} --student t.npz --teacher hard.npz --output link.npz"),
        "score --mixture s.npz --points x.npy --output s.npz".into(),
        "score --mixture link.npz --points x.npy --output hard.npz".into(),
        "sample --mixture s.npz --count 3 --output link.npy".into(),
    ] {
        place.refused(&line, 2, "is the same file as");
    }
    assert_eq!(["s.npz", "t.npz", "x.npy"].map(|name| std::fs::read(place.path(name)).unwrap()), before);
    // A file that is no input is replaced, as ever.
    for _ in 0..2 {
        let output = place.run(&format!("{gradient} --student s.npz --teacher t.npz --output g.npz --quiet"));
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn a_folder_whose_files_are_inputs_keeps_them() {
    let place = Place::new();
    place.mixture("t.json", &[1.0], &[0.0, 0.0], 2, 1.0);
    place.points("x.npy", 2, &[0.5; 40]);
    for folder in ["a", "b", "l", "s"] {
        std::fs::create_dir(place.path(folder)).unwrap();
    }
    std::fs::write(place.path("a/metrics.csv"), "step,reverse_fisher\n0,1\n").unwrap();
    std::fs::rename(place.path("t.json"), place.path("l/summary.json")).unwrap();
    place.refused("compare a b --output a/metrics.csv", 2, "is the same file as the run's");
    place.refused("compare a b --output b/../a/metrics.csv", 2, "is the same file as the run's");
    place.refused("learn x.npy --truth l/summary.json --degree 1,2 --output l", 2, "is the same file as --truth");
    let sweep = "[teacher]\nkind = \"circle\"\ncomponents = 3\n[student]\ncomponents = 3\n[descent]\nsteps = 3\n[sweep.grid]\nseed = [1]\n";
    std::fs::write(place.path("s/sweep.toml"), sweep).unwrap();
    place.refused("sweep s/sweep.toml --output s --set descent.steps=5", 2, "is the same file as the config");
    assert_eq!(std::fs::read_to_string(place.path("s/sweep.toml")).unwrap(), sweep);
    let points = "[teacher]\nsamples = \"s/results.csv\"\nbandwidth = 1.0\n[student]\ncomponents = 3\n[sweep.grid]\nseed = [1]\n";
    std::fs::write(place.path("c.toml"), points).unwrap();
    std::fs::write(place.path("s/results.csv"), "0.5,1.5\n2.5,3.5\n").unwrap();
    place.refused("sweep c.toml --output s", 2, "is the same file as the config's");
}

/// Bytes that are no UTF-8 in every place of a path, and JSON that shows them replaced.
#[cfg(target_os = "linux")]
#[test]
fn paths_that_are_not_utf_8_are_paths() {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;
    let odd = |before: &str, after: &str| OsString::from_vec([before.as_bytes(), b"r\xe9s", after.as_bytes()].concat());
    let place = Place::new();
    let x: Vec<f64> = mixed(400);
    place.points("x.npy", 2, &x);
    let json = |arguments: &[OsString]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_mixscore"));
        let output = command.args(arguments).args(["--json", "--quiet"]).current_dir(place.path("")).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<serde_json::Value>(&output.stdout).expect("one JSON object")
    };
    let words = |line: &str| line.split(' ').map(OsString::from).collect::<Vec<_>>();
    let quick = words("--set descent.steps=3 --device cpu");
    let run = json(&[&words("run quickstart --output")[..], &[odd("a", "")], &quick].concat());
    assert_eq!(run["folder"], "ar\u{fffd}s");
    json(&[OsString::from("resume"), odd("a", "")]);
    assert_eq!(json(&[OsString::from("init"), odd("i", ".toml")])["file"], "ir\u{fffd}s.toml");
    json(&[&[OsString::from("run"), odd("i", ".toml")], &words("--output b")[..], &quick].concat());
    let learned =
        json(&[&words("learn x.npy --method em --components 2 --samples 10 --device cpu --output")[..], &[odd("l", "")]].concat());
    assert_eq!(learned["folder"], "lr\u{fffd}s");
    std::fs::create_dir(place.path("").join(odd("d", ""))).unwrap();
    let sweep = "[teacher]\nkind = \"circle\"\ncomponents = 3\n[student]\ncomponents = 3\n[descent]\nsteps = 3\n[sweep.grid]\nseed = [1]\n";
    std::fs::write(place.path("").join(odd("d", "/s.toml")), sweep).unwrap();
    let swept = json(&[&[OsString::from("sweep"), odd("d", "/s.toml")], &words("--device cpu --output")[..], &[odd("s", "")]].concat());
    assert_eq!((&swept["done"], swept["folder"].as_str()), (&1.into(), Some("sr\u{fffd}s")));
}

/// Two clusters that look random.
#[cfg(target_os = "linux")]
fn mixed(n: usize) -> Vec<f64> {
    let noise = super::common::scattered(2 * n, 7);
    noise.iter().enumerate().map(|(i, v)| 3.0 * v + if i / 2 % 2 == 0 { 10.0 } else { -10.0 }).collect()
}

/// A link stays a link, and the file that it names gets the arrays; a run goes into the folder that a link names.
#[cfg(unix)]
#[test]
fn outputs_that_are_links_reach_what_they_name() {
    use std::os::unix::fs::symlink;
    let place = Place::new();
    place.mixture("m.npz", &[1.0], &[0.0, 0.0], 2, 1.0);
    std::fs::create_dir(place.path("sub")).unwrap();
    std::fs::write(place.path("sub/t.npy"), "old").unwrap();
    symlink("sub/t.npy", place.path("l.npy")).unwrap();
    symlink("l.npy", place.path("ll.npy")).unwrap();
    symlink("sub/new.npy", place.path("dangling.npy")).unwrap();
    for (link, target) in [("l.npy", "sub/t.npy"), ("ll.npy", "sub/t.npy"), ("dangling.npy", "sub/new.npy")] {
        std::fs::write(place.path("sub/t.npy"), "old").unwrap();
        let output = place.run(&format!("sample --mixture m.npz --count 3 --output {link} --quiet"));
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(std::fs::symlink_metadata(place.path(link)).unwrap().is_symlink(), "{link}");
        assert_eq!(super::read_npy(&place.path(target)).unwrap().shape, [3, 2], "{link}");
    }
    std::fs::create_dir(place.path("empty")).unwrap();
    symlink("empty", place.path("d")).unwrap();
    symlink("gone", place.path("e")).unwrap();
    for (link, target) in [("d", "empty"), ("e", "gone")] {
        let output = place.run(&format!("run quickstart --set descent.steps=3 --device cpu --quiet --output {link}"));
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(place.path(target).join("summary.json").is_file() && std::fs::symlink_metadata(place.path(link)).unwrap().is_symlink());
    }
}

/// Points come from pipes, and arrays go into them.
#[cfg(target_os = "linux")]
#[test]
fn points_and_arrays_pass_through_pipes() {
    let place = Place::new();
    place.mixture("m.npz", &[0.5, 0.5], &[-1.0, 0.0, 1.0, 0.5], 2, 1.0);
    place.points("x.npy", 2, &[0.0, 1.0, 2.5, 3.5]);
    std::fs::write(place.path("x.csv"), "0.0,1.0\n2.5,3.5\n").unwrap();
    let score = |line: &str| {
        let program = env!("CARGO_BIN_EXE_mixscore");
        let line = line.replace("mixscore", program);
        let output = std::process::Command::new("bash").args(["-c", &line]).current_dir(place.path("")).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        output
    };
    score("mixscore score --mixture m.npz --points x.npy --output want.npz --device cpu");
    let want = std::fs::read(place.path("want.npz")).unwrap();
    for source in ["- < x.npy", "- < x.csv", "/dev/stdin < x.npy", "<(cat x.npy)", "<(cat x.csv)", "/dev/fd/0 < x.csv"] {
        score(&format!("mixscore score --mixture m.npz --output got.npz --device cpu --points {source}"));
        assert!(std::fs::read(place.path("got.npz")).unwrap() == want, "{source}");
    }
    score("cat x.npy | mixscore score --mixture m.npz --output got.npz --device cpu --points -");
    assert!(std::fs::read(place.path("got.npz")).unwrap() == want);
    let output = score("mixscore score --mixture m.npz --points x.npy --output - --device cpu");
    assert!(output.stdout == want && String::from_utf8_lossy(&output.stderr).contains("2 points of 2 dimensions"));
    score("mixscore sample --mixture m.npz --count 5 --output - | mixscore score --mixture m.npz --points - --output got.npz --device cpu");
    place.refused("score --mixture m.npz --points x.npy --output - --json", 2, "where --json puts its object");
    place.refused("score --mixture m.npz --points /dev/fd/99 --output o.npz", 4, "cannot be opened");
    place.refused("learn - --degree 1,2 --truth m.npz --output l", 2, "can be read once");
}
