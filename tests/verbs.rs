//! The one-shot verbs, through the real program: arrays, JSON, exit codes, and values against closed forms.

mod common;
#[path = "verbs/counts.rs"]
mod counts;
#[path = "verbs/covariances.rs"]
mod covariances;
#[path = "verbs/outputs.rs"]
mod outputs;
#[path = "verbs/refusals.rs"]
mod refusals;
#[path = "verbs/shapes.rs"]
mod shapes;
#[cfg(unix)]
#[path = "verbs/signals.rs"]
mod signals;
#[path = "verbs/threads.rs"]
mod threads;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use common::{Tolerance, assert_close, assert_normwise};
use mixscore::GaussianMixture;
use mixscore::mixture::files::{Array, Values, read_npy, read_npz, write_mixture, write_npy};
use serde_json::Value;

/// A temporary folder and the program in it.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Place {
        Place(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn mixture(&self, name: &str, weights: &[f64], means: &[f64], d: usize, variance: f64) {
        write_mixture(&self.path(name), &GaussianMixture::new(weights.to_vec(), means.to_vec(), d, variance).unwrap()).unwrap();
    }

    fn points(&self, name: &str, d: usize, values: &[f64]) {
        write_npy(&self.path(name), &[values.len() / d, d], Values::F64(values)).unwrap();
    }

    fn run(&self, line: &str) -> Output {
        Command::new(env!("CARGO_BIN_EXE_mixscore")).args(line.split_whitespace()).current_dir(self.0.path()).output().unwrap()
    }

    /// The one JSON object that `line --json` prints.
    #[track_caller]
    fn json(&self, line: &str, schema: &str) -> Value {
        let output = self.run(&format!("{line} --json --quiet"));
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(output.stderr.is_empty(), "--quiet talks: {}", String::from_utf8_lossy(&output.stderr));
        let object: Value = serde_json::from_slice(&output.stdout).expect("exactly one JSON object");
        assert_eq!(object["schema"], schema);
        object
    }

    /// `line` ends with `code`, says `word` on stderr, nothing on stdout, and leaves no new file.
    #[track_caller]
    fn refused(&self, line: &str, code: i32, word: &str) {
        let before = files(self.0.path());
        let output = self.run(line);
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{line}: {message}");
        assert!(message.contains(word), "{line}: {message}");
        assert!(output.stdout.is_empty(), "{line} prints a result: {}", String::from_utf8_lossy(&output.stdout));
        assert_eq!(files(self.0.path()), before, "{line} leaves a file");
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().path()).collect();
    files.sort();
    files
}

fn array<'a>(arrays: &'a [(String, Array)], name: &str) -> &'a Array {
    &arrays.iter().find(|(n, _)| n == name).unwrap_or_else(|| panic!("no array {name}")).1
}

const ROUNDING: Tolerance = Tolerance { bound: 1e-12, why: "double precision, a few operations" };
const SINGLE: Tolerance = Tolerance { bound: 1e-5, why: "single precision, as promised for log-densities and scores" };

/// One Gaussian each, variance σ²: the score residual is (μ − m)/σ² everywhere, so L = ½|μ−m|²/σ⁴ and ∂L/∂μ = (μ−m)/σ⁴ exactly.
#[test]
fn gradient_of_one_gaussian_is_the_difference_of_the_means() {
    let place = Place::new();
    let (mu, m, variance) = ([1.5, -2.0, 0.25], [0.5, 1.0, 0.0], 2.0);
    place.mixture("s.npz", &[1.0], &mu, 3, variance);
    place.mixture("t.npz", &[1.0], &m, 3, variance);
    let difference: Vec<f64> = mu.iter().zip(&m).map(|(a, b)| (a - b) / (variance * variance)).collect();
    let value = 0.5 * mu.iter().zip(&m).map(|(a, b)| (a - b) * (a - b)).sum::<f64>() / (variance * variance);
    for options in [
        "--samples 64",
        "--samples 64 --no-reduce",
        "--sampler grid",
        "--divergence forward --sampler grid",
        "--estimator pathwise --samples 64",
    ] {
        let line = format!("gradient --student s.npz --teacher t.npz --output g.npz --device reference {options}");
        let object = place.json(&line, "mixscore.gradient/1");
        let arrays = read_npz(&place.path("g.npz")).unwrap();
        assert_eq!((&array(&arrays, "gradient").shape[..], &array(&arrays, "standard_error").shape[..]), (&[1, 3][..], &[1, 3][..]));
        assert!(array(&arrays, "divergence").shape.is_empty() && array(&arrays, "divergence_standard_error").shape.is_empty());
        assert_normwise(options, &array(&arrays, "gradient").values, &difference, &ROUNDING);
        assert_close(options, array(&arrays, "divergence").values[0], value, &ROUNDING);
        assert_close(options, object["divergence"]["value"].as_f64().unwrap(), value, &ROUNDING);
        let error = array(&arrays, "standard_error").values.iter().fold(0.0f64, |a, v| a.max(v.abs()));
        assert_close("no sample differs from another", error, 0.0, &ROUNDING);
    }
}

/// Summing the reverse gradient over components gives Σwᵢμᵢ − m for a Gaussian teacher: here within its own standard errors.
#[test]
fn gradient_of_many_students_is_within_its_standard_errors() {
    let place = Place::new();
    let (weights, means) = ([0.2, 0.3, 0.5], [2.0, 0.0, -1.0, 1.0, 0.0, -2.0]);
    place.mixture("s.npz", &weights, &means, 2, 1.0);
    place.mixture("t.npz", &[1.0], &[0.5, 0.25], 2, 1.0);
    let common = "gradient --student s.npz --teacher t.npz --device cpu --seed 5";
    place.json(&format!("{common} --samples 8192 --output a.npz"), "mixscore.gradient/1");
    place.json(&format!("{common} --sampler grid --output b.npz"), "mixscore.gradient/1");
    let (drawn, exact) = (read_npz(&place.path("a.npz")).unwrap(), read_npz(&place.path("b.npz")).unwrap());
    for c in 0..2 {
        let total: f64 = array(&exact, "gradient").values.iter().skip(c).step_by(2).sum();
        let want: f64 = weights.iter().zip(means.iter().skip(c).step_by(2)).map(|(w, m)| w * m).sum::<f64>() - [0.5, 0.25][c];
        assert_close("sum over components", total, want, &Tolerance { bound: 1e-4, why: "single precision" });
    }
    for (i, error) in array(&drawn, "standard_error").values.iter().enumerate() {
        // 31 degrees of freedom: beyond 8 standard errors with probability 5e-9.
        let bound = Tolerance { bound: 8.0 * error, why: "eight standard errors" };
        assert!(*error > 0.0);
        assert_close("entry", array(&drawn, "gradient").values[i], array(&exact, "gradient").values[i], &bound);
    }
}

/// The closed form of one Gaussian against another: KL = |μ−m|²/2σ², TV = 2Φ(|μ−m|/2σ) − 1.
#[test]
fn evaluate_agrees_with_closed_forms() {
    let place = Place::new();
    place.mixture("s.npz", &[1.0], &[1.0, 0.0], 2, 1.0);
    place.mixture("t.npz", &[1.0], &[0.0, 0.0], 2, 1.0);
    let object = place.json("evaluate --student s.npz --teacher t.npz --samples 20000 --device cpu", "mixscore.evaluate/1");
    // 2Φ(½) − 1
    let want = [
        ("reverse_fisher", 0.5),
        ("forward_fisher", 0.5),
        ("kl_student_teacher", 0.5),
        ("kl_teacher_student", 0.5),
        ("total_variation", 0.382_924_922_548_026),
    ];
    for (name, want) in want {
        let (value, error) = (object[name]["value"].as_f64().unwrap(), object[name]["standard_error"].as_f64().unwrap());
        assert_close(name, value, want, &Tolerance { bound: 8.0 * error + 1e-5, why: "eight standard errors, and single precision" });
        assert!(error <= 0.02, "{name}: {error}");
    }
    assert_eq!(object["coverage"], 0.0);
    let near = place.json("evaluate --student t.npz --teacher t.npz --samples 64 --device reference", "mixscore.evaluate/1");
    assert_eq!((&near["coverage"], &near["reverse_fisher"]["value"], &near["student_weight"][0]), (&1.0.into(), &0.0.into(), &1.0.into()));
    let table = place.run("evaluate --student s.npz --teacher t.npz --samples 64 --device reference");
    let text = String::from_utf8(table.stdout).unwrap();
    assert!(text.contains("total_variation") && text.contains("blind") && text.contains("0 of 1 teacher component with"), "{text}");
    // Sixteen nodes make no grid: it says so, and how to have one all the same; as JSON too.
    let few = "evaluate --student s.npz --teacher t.npz --samples 16 --device reference";
    let (said, text) = (place.json(few, "mixscore.evaluate/1"), String::from_utf8(place.run(few).stdout).unwrap());
    assert!(text.contains("by samples: a grid takes ") && text.contains("--sampler grid"), "{text}");
    assert!(said["no_grid"].as_str().is_some_and(|why| text.contains(why)) && said["sampler"] == "philox", "{said}");
    assert!(object["no_grid"].is_null() && object["sampler"] == "grid", "{object}");
}

/// One Gaussian: log-density −½|x−μ|²/σ² − ½d ln 2πσ², score (μ−x)/σ².
#[test]
fn score_agrees_with_one_gaussian() {
    let place = Place::new();
    let (mu, variance) = ([1.0, -1.0], 0.5);
    let x = [0.0, 0.0, 1.0, 2.0, -3.0, 4.0];
    place.mixture("m.npz", &[1.0], &mu, 2, variance);
    place.points("x.npy", 2, &x);
    std::fs::write(place.path("x.csv"), "0,0\n1,2\n-3,4\n").unwrap();
    let score: Vec<f64> = x.chunks(2).flat_map(|x| [(mu[0] - x[0]) / variance, (mu[1] - x[1]) / variance]).collect();
    let log_density: Vec<f64> = x
        .chunks(2)
        .map(|x| -0.5 * ((x[0] - mu[0]).powi(2) + (x[1] - mu[1]).powi(2)) / variance - (2.0 * std::f64::consts::PI * variance).ln())
        .collect();
    for (points, device, dtype, tolerance) in
        [("x.npy", "reference", "float64", ROUNDING), ("x.csv", "reference", "float64", ROUNDING), ("x.npy", "cpu", "float32", SINGLE)]
    {
        let line = format!("score --mixture m.npz --points {points} --responsibilities --device {device} --output o.npz");
        let object = place.json(&line, "mixscore.score/1");
        assert_eq!((&object["dtype"], &object["points"]), (&dtype.into(), &3.into()));
        let arrays = read_npz(&place.path("o.npz")).unwrap();
        assert_eq!((&array(&arrays, "score").shape[..], &array(&arrays, "log_density").shape[..]), (&[3, 2][..], &[3][..]));
        assert_normwise("score", &array(&arrays, "score").values, &score, &tolerance);
        assert_normwise("log-density", &array(&arrays, "log_density").values, &log_density, &tolerance);
        assert_eq!(array(&arrays, "responsibilities").values, [1.0; 3]);
        let bytes = std::fs::read(place.path("o.npz")).unwrap();
        let descr: &[u8] = if dtype == "float64" { b"'<f8'" } else { b"'<f4'" };
        assert_eq!(bytes.windows(5).filter(|w| *w == descr).count(), 3, "{dtype}");
    }
    place.json("score --mixture m.npz --points x.npy --device reference --output p.npz", "mixscore.score/1");
    assert_eq!(read_npz(&place.path("p.npz")).unwrap().len(), 2);
}

#[test]
fn samples_have_the_moments_and_addresses_that_they_should() {
    let place = Place::new();
    let (n, variance) = (40_000, 0.25);
    place.mixture("m.npz", &[0.3, 0.7], &[-10.0, 0.0, 1.0, 2.0, 0.0, 10.0, 0.0, 1.0, 2.0, 0.0], 5, variance);
    place.json(&format!("sample --mixture m.npz --count {n} --seed 3 --device reference --output x.npy"), "mixscore.sample/1");
    let x = read_npy(&place.path("x.npy")).unwrap();
    assert_eq!(x.shape, [n, 5]);
    let count = n as f64;
    let second = x.values.iter().step_by(5).filter(|v| **v > 0.0).count() as f64 / count;
    assert_close("weight", second, 0.7, &Tolerance { bound: 6.0 * (0.21 / count).sqrt(), why: "six standard errors" });
    for c in 1..5 {
        let column: Vec<f64> = x.values.iter().skip(c).step_by(5).copied().collect();
        let mean = column.iter().sum::<f64>() / count;
        let spread = column.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / count;
        // Between the two components' means.
        let (a, b) = ([-10.0, 0.0, 1.0, 2.0, 0.0][c], [10.0, 0.0, 1.0, 2.0, 0.0][c]);
        let want = 0.3 * a + 0.7 * b;
        assert_close("mean", mean, want, &Tolerance { bound: 6.0 * (variance / count).sqrt(), why: "six standard errors" });
        assert_close("variance", spread, variance, &Tolerance { bound: 6.0 * variance * (2.0 / count).sqrt(), why: "six standard errors" });
    }
    place.json("sample --mixture m.npz --count 1000 --seed 3 --device reference --output y.npy", "mixscore.sample/1");
    assert_eq!(read_npy(&place.path("y.npy")).unwrap().values, x.values[..5000], "fewer points are the first of more");
    place.json("sample --mixture m.npz --count 1000 --seed 3 --device cpu --output z.npy", "mixscore.sample/1");
    let single = read_npy(&place.path("z.npy")).unwrap();
    assert_normwise(
        "the same points in single precision",
        &single.values,
        &x.values[..5000],
        &Tolerance { bound: 1e-6, why: "normals within 4 ULP" },
    );
    place.json("sample --mixture m.npz --count 1000 --seed 4 --device reference --output w.npy", "mixscore.sample/1");
    assert_ne!(read_npy(&place.path("w.npy")).unwrap().values, x.values[..5000], "another seed gives other points");
}

#[test]
fn options_reach_the_problem() {
    let place = Place::new();
    place.mixture("s.npz", &[0.5, 0.5], &[-2.0, 2.5], 1, 1.0);
    place.mixture("t.npz", &[0.4, 0.6], &[-1.0, 3.0], 1, 1.0);
    let line = "gradient --student s.npz --teacher t.npz --sampler grid --device reference --output g.npz";
    let value = |options: &str| place.json(&format!("{line} {options}"), "mixscore.gradient/1")["divergence"]["value"].as_f64().unwrap();
    let (plain, forward, noisy) = (value(""), value("--divergence forward"), value("--noise 1"));
    assert!(plain > 0.0 && (forward - plain).abs() > 1e-3 && noisy < 0.5 * plain, "{plain} {forward} {noisy}");
    let human = place.run(&line.replace("--sampler grid", "--samples 64"));
    let text = String::from_utf8(human.stdout).unwrap();
    assert!(text.contains("reverse Fisher divergence") && text.contains('±') && text.contains("g.npz"), "{text}");
    assert!(String::from_utf8(human.stderr).unwrap().contains("device: "));
    let used = |options: &str| {
        let line = line.replace("--sampler grid", options);
        let said = place.json(&line, "mixscore.gradient/1");
        ["estimator", "estimator_used", "sampler_asked", "sampler"].map(|key| said[key].as_str().unwrap().to_string())
    };
    assert_eq!(used("--samples 1024"), ["auto", "stein+score-function", "auto", "sobol"]);
    assert_eq!(used("--samples 63 --estimator pathwise"), ["pathwise", "pathwise", "auto", "philox"]);
    assert_eq!(used("--sampler grid"), ["auto", "stein", "grid", "grid"]);
    assert_eq!(used("--samples 1024 --divergence forward"), ["auto", "forward", "auto", "sobol"]);
}

/// Weights .3/.7 against .5/.5 at a distance of 10σ (by quadrature: 9.65e-7, 1.05e-6; KL .0823, TV .2000): samples miss the gap, and means on a line are a
/// problem of one dimension, which a grid sees, however many coordinates they have and however they are turned.
#[test]
fn evaluate_sees_wrong_weights_across_a_gap_in_any_dimension() {
    let place = Place::new();
    for d in [1, 2, 3, 17, 100, 2000] {
        for (turned, offset, variance) in [(false, 0.0, 1.0), (true, 0.0, 1.0), (true, 3.0, 1.0), (true, -40.0, 4.0)] {
            let axis: Vec<f64> = (0..d).map(|c| if turned { (1.0 + c as f64).sin() } else { f64::from(u8::from(c == 0)) }).collect();
            let length = axis.iter().map(|v| v * v).sum::<f64>().sqrt();
            let distance = 10.0 * f64::sqrt(variance);
            let means: Vec<f64> = [vec![offset; d], axis.iter().map(|v| offset + distance * v / length).collect()].concat();
            place.mixture("s.npz", &[0.3, 0.7], &means, d, variance);
            place.mixture("t.npz", &[0.5, 0.5], &means, d, variance);
            let said = place.json("evaluate --student s.npz --teacher t.npz --device cpu", "mixscore.evaluate/1");
            let value = |name: &str| said[name]["value"].as_f64().unwrap();
            let what = format!("d = {d}, turned: {turned}, offset {offset}");
            assert_eq!(said["sampler"], "grid", "{what}");
            let digits = Tolerance { bound: 6e-3, why: "three digits are known" };
            assert_close(&what, value("reverse_fisher") * variance / 9.65e-7, 1.0, &digits);
            assert_close(&what, value("forward_fisher") * variance / 1.05e-6, 1.0, &digits);
            assert_close(&what, value("kl_student_teacher"), 0.0823, &Tolerance { bound: 6e-5, why: "four decimals are known" });
            assert_close(&what, value("total_variation"), 0.2, &Tolerance { bound: 1e-4, why: "a kink on a grid" });
        }
    }
}

/// Distinct points stay distinct: UTM coordinates, seconds since 1970, tiny units; and --dtype decides where it is given.
#[test]
fn points_are_written_in_the_type_that_tells_them_apart() {
    let place = Place::new();
    for (means, d, variance, double) in [
        (vec![500_000.0, 4_649_776.0, 500_003.0, 4_649_776.0], 2, 0.01, true),
        (vec![1.7e9], 1, 100.0, true),
        (vec![-1.7e9, 5.0], 1, 1.0, true),
        (vec![3e-150, -1e-150], 1, 1e-300, true),
        (vec![1e300], 1, 1.0, true),
        (vec![1e12, 0.0, 0.0, 1e12], 2, 1e22, false),
        (vec![30.0, -30.0], 1, 1.0, false),
    ] {
        let k = means.len() / d;
        place.mixture("m.npz", &vec![1.0 / k as f64; k], &means, d, variance);
        let said = place.json("sample --mixture m.npz --count 4000 --output x.npy --device cpu", "mixscore.sample/1");
        assert_eq!(said["dtype"], if double { "float64" } else { "float32" }, "{means:?}");
        let points = read_npy(&place.path("x.npy")).unwrap().values;
        for c in 0..d {
            let mut column: Vec<f64> = points.iter().skip(c).step_by(d).copied().collect();
            let centre = if k == 1 { means[c] } else { 0.0 };
            if k == 1 && means[c] < 1e100 {
                let spread = (column.iter().map(|v| (v - centre).powi(2)).sum::<f64>() / 4000.0).sqrt();
                let tolerance = Tolerance { bound: 6.0 * (0.5f64 / 4000.0).sqrt(), why: "six standard errors" };
                assert_close("spread", spread / variance.sqrt(), 1.0, &tolerance);
            }
            column.sort_by(f64::total_cmp);
            column.dedup();
            assert!(means[0] == 1e300 || column.len() >= 3990, "{means:?}: {} distinct of 4000", column.len());
        }
        for dtype in ["f32", "f64"] {
            let line = format!("sample --mixture m.npz --count 3 --output y.npy --device cpu --dtype {dtype}");
            if means[0] < 1e300 {
                assert_eq!(place.json(&line, "mixscore.sample/1")["dtype"], format!("float{}", &dtype[1..]));
            }
        }
        // Fewer points are the first of more, in the same type.
        place.json("sample --mixture m.npz --count 7 --output z.npy --device cpu", "mixscore.sample/1");
        assert_eq!(read_npy(&place.path("z.npy")).unwrap().values, points[..7 * d]);
    }
}

/// `gradient` says in how many coordinates it worked, and what it left out for that.
#[test]
fn a_plane_in_many_dimensions_is_said_to_be_one() {
    let place = Place::new();
    let d = 64;
    let at = |x: f64, y: f64| (0..d).map(move |c| f64::from((x * (1.0 + c as f64).sin() + y * (2.0 * c as f64).cos()) as f32));
    let student: Vec<f64> = at(0.3, 0.1).chain(at(-0.2, 0.4)).chain(at(0.5, -0.3)).collect();
    let teacher: Vec<f64> = at(0.0, 0.0).chain(at(0.6, 0.6)).collect();
    place.mixture("s.npz", &[0.2, 0.3, 0.5], &student, d, 1.0);
    place.mixture("t.npz", &[0.5, 0.5], &teacher, d, 1.0);
    let line = "gradient --student s.npz --teacher t.npz --output g.npz --device reference --sampler grid";
    let said = place.json(line, "mixscore.gradient/1");
    let [largest, tolerance] = ["largest", "tolerance"].map(|key| said["subspace_left_out"][key].as_f64().unwrap());
    assert_eq!(said["subspace_dimensions"], 2);
    assert!(largest > 0.0 && largest <= tolerance && tolerance <= 1e-3, "{largest} {tolerance}");
    place.refused(&format!("{line} --no-reduce"), 4, "64");
}
