//! The verb, through the real program: its files, its page, its sweep, and what it refuses.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use mixscore::mixture::files::{Values, read_any_mixture, read_mixture, read_points, write_mixture, write_npy};
use serde_json::Value;

use crate::truth::{mixture, points};

/// A temporary folder with points x.npy of the mixture t.npz, and the program in it.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Place {
        let place = Place(tempfile::tempdir().unwrap());
        let truth = mixture(3, 2, 5.0, 1);
        write_mixture(&place.path("t.npz"), &truth).unwrap();
        place.points("x.npy", 2, &points(&truth, 4000, 2));
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn points(&self, name: &str, d: usize, values: &[f64]) {
        write_npy(&self.path(name), &[values.len() / d, d], Values::F64(values)).unwrap();
    }

    fn run(&self, line: &str) -> Output {
        Command::new(env!("CARGO_BIN_EXE_mixscore")).args(line.split_whitespace()).current_dir(self.0.path()).output().unwrap()
    }

    /// The one JSON object on stdout of a line that succeeds.
    #[track_caller]
    fn json(&self, line: &str) -> Value {
        let output = self.run(&format!("{line} --json --quiet"));
        assert_eq!(output.status.code(), Some(0), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(output.stderr.is_empty(), "--quiet talks: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("exactly one JSON object")
    }

    #[track_caller]
    fn refused(&self, line: &str, code: i32, word: &str) {
        let output = self.run(line);
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{line}: {message}");
        assert!(message.contains(word), "{line}: {message}");
        assert!(!self.path("bad").exists(), "{line} leaves a folder");
    }
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

const QUICK: &str = "--pairs 16384 --samples 20000 --components 3 --variance 1 --device cpu";

#[test]
fn a_folder_with_model_samples_summary_and_page() {
    let place = Place::new();
    let said = place.json(&format!("learn x.npy --output a --truth t.npz {QUICK}"));
    assert_eq!(said["schema"], "mixscore.learn/1");
    let model = read_mixture(&place.path("a/model.npz")).unwrap();
    assert_eq!((model.n_components(), model.n_features()), (3, 2));
    assert_eq!(read_points(&place.path("a/samples.npy")).unwrap().shape, [20_000, 2]);
    let summary: Value = serde_json::from_str(&text(&place.path("a/summary.json"))).unwrap();
    assert_eq!(summary, said["summary"]);
    // 8 parameters from 3600 points: 0.0011 nats; four times that is beyond chance. Drawn points: a coarse sampler on few pairs.
    assert!(summary["divergence"]["value"].as_f64().is_some_and(|kl| kl <= 0.0045), "{}", summary["divergence"]);
    assert!(summary["sampler"]["total_variation"]["value"].as_f64().is_some_and(|tv| tv <= 0.12), "{}", summary["sampler"]);
    let levels = summary["levels"].as_array().unwrap();
    assert!(levels.len() > 20 && levels.iter().all(|l| l["held_out_error"].is_f64() && l["cells"].is_u64() && l["seconds"].is_f64()));
    let page = text(&place.path("a/report.html"));
    for part in ["Learned density and the points", "Drawn points", "Learned score field", "Error of each noise level", "Noise levels"] {
        assert!(page.contains(part), "{part}");
    }
    // The page again: the same, but for places of points that the file keeps in single precision.
    std::fs::remove_file(place.path("a/report.html")).unwrap();
    assert_eq!(place.json("report a")["schema"], "mixscore.report/1");
    let again = text(&place.path("a/report.html"));
    let words = |page: &str| page.split('<').filter_map(|part| part.split_once('>')).map(|part| part.1.to_string()).collect::<Vec<_>>();
    assert!(words(&again) == words(&page) && again.len().abs_diff(page.len()) < page.len() / 1000, "another page");
    std::fs::rename(place.path("x.npy"), place.path("y.npy")).unwrap();
    place.refused("report a", 4, "x.npy");
    std::fs::rename(place.path("y.npy"), place.path("x.npy")).unwrap();
    // The same seed gives the same mixture; a folder that holds something is left alone.
    place.json(&format!("learn x.npy --output b {QUICK}"));
    assert_eq!(read_mixture(&place.path("b/model.npz")).unwrap().means(), model.means());
    place.refused(&format!("learn x.npy --output a {QUICK}"), 4, "not empty");
}

#[test]
fn the_reference_draws_nearly_the_same() {
    let place = Place::new();
    let quick = "--pairs 4096 --samples 2000 --components 3 --variance 1";
    place.json(&format!("learn x.npy --output a --device cpu {quick}"));
    place.json(&format!("learn x.npy --output b --device reference {quick}"));
    let [a, b] = ["a", "b"].map(|name| read_points(&place.path(&format!("{name}/samples.npy"))).unwrap().values);
    // The same draws: single precision moves a point by some 1e-5, but a few cross into another cell and go their own way.
    let far = a.iter().zip(&b).filter(|(a, b)| !((*a - *b).abs() <= 0.01)).count();
    assert!(far <= a.len() / 100, "{far} of {} coordinates differ", a.len());
    assert!(a != b, "the reference was not used");
}

#[test]
fn a_sweep_over_points_and_degrees_keeps_what_is_done() {
    let place = Place::new();
    let line = format!("learn learn-demo --points 500,4000 --degree 1,3 --output s {QUICK}").replace("--components 3", "--components 5");
    let said = place.json(&line);
    assert_eq!(said["schema"], "mixscore.learn-sweep/1");
    let cells = said["summary"]["cells"].as_array().unwrap();
    assert_eq!(cells.len(), 4);
    let error = |at: usize| cells[at]["divergence"]["value"].as_f64().unwrap();
    assert!(error(2) < error(0), "eight times the points: {} after {}", error(2), error(0));
    let page = text(&place.path("s/report.html"));
    assert!(page.contains("Drawn points against degree") && page.contains("Mixture against points"), "{page}");
    std::fs::remove_file(place.path("s/report.html")).unwrap();
    place.json("report s");
    assert!(text(&place.path("s/report.html")) == page, "another page");
    // Again: nothing is learned anew. Otherwise: refused, with what differs.
    let before = std::fs::metadata(place.path("s/points-500-degree-1/model.npz")).unwrap().modified().unwrap();
    place.json(&line);
    assert_eq!(std::fs::metadata(place.path("s/points-500-degree-1/model.npz")).unwrap().modified().unwrap(), before);
    place.refused(&line.replace("--pairs 16384", "--pairs 8192"), 4, "pairs");
    place.refused("learn x.npy --degree 1,2 --output bad", 2, "--truth");
}

#[test]
fn bad_points_are_refused_with_a_way_out() {
    let place = Place::new();
    let mut x = read_points(&place.path("x.npy")).unwrap().values;
    x[7] = f64::NAN;
    place.points("nan.npy", 2, &x);
    place.refused("learn nan.npy --output bad", 4, "NaN");
    place.points("few.npy", 2, &x[..4]);
    place.refused("learn few.npy --components 3 --output bad", 4, "3 components cannot be learned");
    place.points("same.npy", 2, &[1.5; 40]);
    place.refused("learn same.npy --output bad", 4, "the same");
    place.refused("learn missing.npy --output bad", 4, "missing.npy");
    place.refused("learn learn-dmo --output bad", 4, "learn-demo");
    place.refused("learn x.npy --points 4001 --output bad", 4, "4001 points");
    place.refused("learn learn-demo --truth t.npz --output bad", 2, "its own truth");
    place.refused("learn x.npy --degree 9 --output bad", 4, "degree 9");
}

/// Columns in unlike units: learned in units of their own, and everything but the learned model brought back.
#[test]
fn standardised_columns_go_back() {
    let place = Place::new();
    let x = read_points(&place.path("x.npy")).unwrap().values;
    let factors = [0.01, 1000.0];
    place.points("u.npy", 2, &x.iter().enumerate().map(|(at, x)| 5.0 + factors[at % 2] * x).collect::<Vec<f64>>());
    let line = "learn u.npy --method em --samples 4000 --standardise --output s --components 3";
    let summary = &place.json(line)["summary"];
    let own = |name: &str, c: usize| summary["standardised"][name][c].as_f64().unwrap();
    let model = mixscore::mixture::files::read_npz(&place.path("s/model.npz")).unwrap();
    let array = |name: &str| &model.iter().find(|(own, _)| own == name).unwrap().1;
    assert_eq!((&array("means").shape, &array("covariances").shape), (&vec![3, 2], &vec![3, 2]));
    let learned = read_mixture(&place.path("s/model-standardised.npz")).unwrap();
    for (at, (mean, variance)) in array("means").values.iter().zip(&array("covariances").values).enumerate() {
        let (shift, scale) = (own("means", at % 2), own("deviations", at % 2));
        assert!((mean - shift - scale * learned.means()[at]).abs() <= 1e-12 * (shift.abs() + scale), "mean {at}");
        assert!((variance / (scale * scale * learned.variance()) - 1.0).abs() <= 1e-12, "variance {at}");
        assert!((variance.sqrt() / factors[at % 2] - 1.0).abs() <= 0.3, "a deviation of 1 in other units: {variance}");
    }
    let drawn = read_points(&place.path("s/samples.npy")).unwrap().values;
    let mean = |points: &[f64], c: usize| points.iter().skip(c).step_by(2).sum::<f64>() / (points.len() / 2) as f64;
    assert!((0..2).all(|c| (mean(&drawn, c) - own("means", c)).abs() <= 0.1 * own("deviations", c)), "drawn points are in users' units");
    // The log-likelihood is that of users' units: of the same points without these, it differs by the units alone.
    let plain = &place.json("learn x.npy --method em --samples 10 --output p --components 3")["summary"]["train_log_likelihood"];
    let shift = -factors.iter().map(|f: &f64| f.ln()).sum::<f64>();
    let gap = summary["train_log_likelihood"].as_f64().unwrap() - plain.as_f64().unwrap() - shift;
    assert!(gap.abs() <= 0.3, "{gap}: the two columns' deviations differ little in the end");
    std::fs::remove_file(place.path("s/report.html")).unwrap();
    place.json("report s");
    assert!(text(&place.path("s/report.html")).contains("Learned density and the points"));
    place.refused("learn x.npy --truth t.npz --standardise --output bad", 4, "truth");
}

#[test]
fn every_number_of_components_that_was_tried_is_told() {
    let place = Place::new();
    for method in ["em", "piecewise-polynomial"] {
        let line = format!("learn x.npy --method {method} --pairs 4096 --samples 10 --output {method}");
        let summary = &place.json(&line)["summary"];
        let tried = summary["tried"].as_array().unwrap();
        let least = tried.iter().min_by(|a, b| a["criterion"].as_f64().unwrap().total_cmp(&b["criterion"].as_f64().unwrap())).unwrap();
        assert_eq!((&least["components"], &summary["components"]), (&Value::from(3), &Value::from(3)), "{tried:?}");
        assert!(tried.len() > 5 && tried[0]["components"] == 1, "{tried:?}");
        assert!(text(&place.path(&format!("{method}/report.html"))).contains("How many components"));
    }
    let summary = &place.json("learn x.npy --method em --iterations 2 --tolerance 0 --samples 10 --output e")["summary"];
    assert!(summary["em_iterations"] == 2 && summary["em_last_gain"].is_f64());
    assert!(summary["notes"].as_array().unwrap().iter().any(|note| note.as_str().unwrap().contains("has not converged")), "{summary}");
}

#[test]
fn covariances_of_their_own_in_every_file() {
    let place = Place::new();
    for (kind, shape) in [("spherical", vec![3usize]), ("diag", vec![3, 2]), ("tied", vec![2, 2]), ("full", vec![3, 2, 2])] {
        let said = place.json(&format!("learn x.npy --method em --covariance {kind} --components 3 --samples 500 --output {kind}"));
        assert_eq!((said["summary"]["covariance_type"].as_str(), said["summary"]["components"].as_u64()), (Some(kind), Some(3)));
        let model = read_any_mixture(&place.path(&format!("{kind}/model.npz"))).unwrap();
        assert_eq!((model.covariance_kind().name(), model.covariance_kind().shape(3, 2)), (kind, shape));
        let labels = mixscore::mixture::files::read_npy(&place.path(&format!("{kind}/labels.npy"))).unwrap();
        assert!(labels.shape == [500] && labels.values.iter().all(|l| (0.0..3.0).contains(l)));
        assert!(text(&place.path(&format!("{kind}/report.html"))).contains("<svg"));
        // The model is a mixture like any other, and a start.
        place.json(&format!("score --mixture {kind}/model.npz --points x.npy --output o.npz"));
        let again =
            place.json(&format!("learn x.npy --method em --covariance {kind} --start {kind}/model.npz --samples 10 --output {kind}-again"));
        let likelihood = |said: &Value| said["summary"]["train_log_likelihood"].as_f64().unwrap();
        assert!((likelihood(&again) - likelihood(&said)).abs() <= 1e-8, "{kind}");
        assert_eq!(place.run(&format!("report {kind}")).status.code(), Some(0));
    }
    // Round in units of the columns is diagonal in users'.
    place.json("learn x.npy --method em --covariance spherical --components 3 --samples 10 --standardise --output s");
    assert_eq!(read_any_mixture(&place.path("s/model.npz")).unwrap().covariance_kind().name(), "diag");
    assert_eq!(read_any_mixture(&place.path("s/model-standardised.npz")).unwrap().covariance_kind().name(), "spherical");
    place.json("learn x.npy --method em --components 3 --samples 10 --standardise --output c");
    assert_eq!(read_any_mixture(&place.path("c/model.npz")).unwrap().covariance_kind().name(), "diag");
    place.refused("learn x.npy --covariance full --output bad", 2, "--method em");
    place.refused("learn x.npy --method em --covariance full --variance 1 --output bad", 2, "Leave --variance out");
    place.refused("learn x.npy --method em --covariance full --truth t.npz --output bad", 4, "truth");
    place.refused("learn x.npy --method em --covariance diag --start full/model.npz --output bad", 4, "full covariances are not diag ones");
}
