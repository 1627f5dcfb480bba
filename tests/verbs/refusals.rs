//! What the verbs refuse: bad input, bad options, and outputs that are inputs.

use super::Place;

#[test]
fn bad_input_is_refused_with_its_exit_code_and_leaves_nothing() {
    let place = Place::new();
    place.refused("run quickstrat", 4, "no such file or preset. Did you mean the preset quickstart? `mixscore presets` lists them all.");
    place.mixture("a.npz", &[1.0], &[0.0, 0.0], 2, 1.0);
    place.mixture("three.npz", &[1.0], &[0.0, 0.0, 0.0], 3, 1.0);
    place.mixture("vast.npz", &[1.0], &[1e300, 0.0], 2, 1.0);
    place.points("x.npy", 2, &[0.0, 1.0]);
    place.points("nan.npy", 2, &[0.0, f64::NAN]);
    place.points("y.npy", 3, &[0.0, 1.0, 2.0]);
    std::fs::write(place.path("broken.npz"), b"PK\x03\x04").unwrap();
    let gradient = |rest: &str| format!("gradient --device reference --student a.npz --output g.npz {rest}");
    place.refused(&gradient("--teacher three.npz --samples 8"), 4, "2 dimensions and the teacher 3");
    place.refused(&gradient("--teacher nowhere.npz --samples 8"), 4, "nowhere.npz");
    place.refused(&gradient("--teacher broken.npz --samples 8"), 4, "broken.npz");
    place.refused(&gradient("--teacher a.npz --samples 8 --noise -1"), 4, "noise is -1");
    place.refused(&gradient("--teacher a.npz --samples 1"), 4, "no standard error");
    place.refused(&gradient("--teacher a.npz"), 2, "--samples");
    place.refused(&gradient("--teacher a.npz --samples many"), 2, "many");
    place.refused(&gradient("--teacher a.npz --samples 8 --estimator guess"), 2, "score-function");
    place.refused("gradient --student a.npz --teacher a.npz --samples 8 --output g.txt", 2, "g.npz");
    place.refused("gradient --student a.npz --teacher a.npz --samples 8 --output no/g.npz", 2, "folder");
    place.refused("evaluate --student a.npz --teacher a.npz --samples 0", 4, "no standard error");
    let score = |rest: &str| format!("score --device reference --mixture a.npz --output o.npz {rest}");
    place.refused(&score("--points nan.npy"), 4, "NaN");
    place.refused(&score("--points y.npy"), 4, "2 dimensions");
    place.refused(&score("--points a.npz"), 4, "none is known to be the points");
    place.refused("score --mixture a.npz --points x.npy --output o.npy", 2, "o.npz");
    place.refused("sample --mixture a.npz --count 5 --output x.csv", 2, "x.npy");
    place.refused("sample --mixture a.npz --count 5000000000 --output z.npy", 4, "addresses");
    place.refused("sample --mixture vast.npz --count 5 --device cpu --dtype f32 --output z.npy", 3, "double precision");
    place.refused("report .", 4, "no run folder");
    place.refused("gradient --device gpu:x", 2, "reference");
}

#[cfg(unix)]
#[test]
fn an_output_that_is_an_input_is_refused_by_any_path() {
    let place = Place::new();
    place.mixture("s.npz", &[0.5, 0.5], &[-1.0, 0.0, 1.0, 0.5], 2, 1.0);
    place.mixture("t.npz", &[1.0], &[0.0, 0.0], 2, 1.0);
    place.points("x.npy", 2, &[0.0, 1.0, 2.0, 3.0]);
    std::fs::create_dir(place.path("sub")).unwrap();
    for name in ["link.npz", "link.npy"] {
        std::os::unix::fs::symlink("s.npz", place.path(name)).unwrap();
    }
    std::fs::hard_link(place.path("s.npz"), place.path("hard.npz")).unwrap();
    let before = ["s.npz", "t.npz", "x.npy"].map(|name| std::fs::read(place.path(name)).unwrap());
    let gradient = "gradient --samples 64 --device cpu";
    for line in [
        format!("{gradient} --student s.npz --teacher t.npz --output ./s.npz"),
        format!("{gradient} --student s.npz --teacher t.npz --output sub/../t.npz"),
        format!("{gradient} --student s.npz --teacher t.npz --output link.npz"),
        format!("{gradient} --student s.npz --teacher t.npz --output hard.npz"),
        format!("{gradient} --student link.npz --teacher t.npz --output s.npz"),
        "score --mixture s.npz --points x.npy --output s.npz".into(),
        "score --mixture link.npz --points x.npy --output hard.npz".into(),
        "sample --mixture s.npz --count 3 --output link.npy".into(),
    ] {
        place.refused(&line, 2, "is the same file as");
    }
    assert_eq!(["s.npz", "t.npz", "x.npy"].map(|name| std::fs::read(place.path(name)).unwrap()), before);
    // A file that is no input is replaced.
    for _ in 0..2 {
        let output = place.run(&format!("{gradient} --student s.npz --teacher t.npz --output g.npz --quiet"));
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    }
}
