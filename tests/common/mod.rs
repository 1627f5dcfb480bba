//! What several test files need: problems in a line, and comparisons that cannot be fooled.
#![allow(dead_code)] // every test file uses its own part

use std::path::PathBuf;

use mixscore::experiment::summary::Summary;
use mixscore::objective::{Divergence, Estimator, Sampler};
use mixscore::{Backend, GaussianMixture, Gradient, Problem};

/// A bound with its reason.
pub(crate) struct Tolerance {
    pub bound: f64,
    pub why: &'static str,
}

/// Passes on err ≤ bound, so that NaN fails; the message carries everything.
#[track_caller]
pub(crate) fn assert_close(name: &str, got: f64, want: f64, tolerance: &Tolerance) {
    let err = (got - want).abs();
    assert!(err <= tolerance.bound, "{name}: {got:e} vs {want:e}, error {err:e} over {:e} ({})", tolerance.bound, tolerance.why);
}

/// max |got − want| ≤ bound · max |want|.
#[track_caller]
pub(crate) fn assert_normwise(name: &str, got: &[f64], want: &[f64], tolerance: &Tolerance) {
    assert_eq!(got.len(), want.len(), "{name}: length");
    let scale = want.iter().fold(0.0, |a: f64, v| a.max(v.abs()));
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        let err = (got - want).abs();
        let bound = tolerance.bound * scale;
        assert!(err <= bound, "{name}[{i}]: {got:e} vs {want:e}, error {err:e} over {bound:e} ({})", tolerance.why);
    }
}

/// Numbers in (−1, 1) that look random and are the same everywhere.
pub(crate) fn scattered(n: usize, seed: u64) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    (0..n)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
        })
        .collect()
}

/// A teacher of `n` components with means in (−spread, spread)^d and uneven weights.
pub(crate) fn teacher(n: usize, d: usize, spread: f64, seed: u64) -> GaussianMixture {
    let means = scattered(n * d, seed).iter().map(|v| v * spread).collect();
    GaussianMixture::new(uneven(n), means, d, 1.0).unwrap()
}

/// Weights proportional to 1, 2, 3, …
pub(crate) fn uneven(n: usize) -> Vec<f64> {
    let total = (n * (n + 1) / 2) as f64;
    (1..=n).map(|i| i as f64 / total).collect()
}

/// A problem on the exact grid.
pub(crate) fn exact(weights: Vec<f64>, teacher: GaussianMixture) -> Problem {
    Problem { sampler: Sampler::Grid, n_samples: None, ..Problem::new(weights, teacher) }
}

/// The gradient at `means` (one replicate).
pub(crate) fn gradient(problem: &Problem, backend: &mut dyn Backend, means: &[f64]) -> Gradient {
    problem.open(backend, means).unwrap().gradient(0).unwrap().remove(0)
}

/// Every estimator of both divergences.
pub(crate) const FORMS: [(Divergence, Estimator); 5] = [
    (Divergence::Reverse, Estimator::Auto),
    (Divergence::Reverse, Estimator::Stein),
    (Divergence::Reverse, Estimator::Pathwise),
    (Divergence::Reverse, Estimator::ScoreFunction),
    (Divergence::Forward, Estimator::Auto),
];

/// Largest absolute entry; NaN if there is one.
pub(crate) fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |a: f64, v| if a.is_nan() || a >= v.abs() { a } else { v.abs() })
}

/// `summary.json` of a run of ten steps, with these entries besides or instead.
pub(crate) fn summary(entries: serde_json::Value) -> serde_json::Value {
    let stop = mixscore::descent::Stop::MaxSteps { steps: 10 };
    let mut all = serde_json::json!(Summary { stop: stop.into(), steps: 10, ..Summary::default() });
    for (key, value) in entries.as_object().unwrap() {
        all[key] = value.clone();
    }
    all
}

/// A folder that outlives its test where KEEP_REPORTS says so.
pub(crate) struct Folder {
    pub path: PathBuf,
    _temporary: Option<tempfile::TempDir>,
}

pub(crate) fn folder(name: &str) -> Folder {
    let temporary = std::env::var_os("KEEP_REPORTS").is_none().then(|| tempfile::tempdir().unwrap());
    let parent = temporary.as_ref().map_or_else(|| PathBuf::from(std::env::var_os("KEEP_REPORTS").unwrap()), |t| t.path().into());
    let path = parent.join(name);
    std::fs::create_dir_all(&path).unwrap();
    Folder { path, _temporary: temporary }
}

/// Every tag of a page is closed in order, and there is nothing that could act or ask the network.
#[track_caller]
pub(crate) fn assert_harmless(html: &str) {
    let lower = html.to_lowercase();
    let actions =
        ["<script", "javascript:", "<iframe", "<link", "<img", "<object", "src=", "href=", "@import", "url(", " onload", " onerror"];
    for word in actions {
        assert!(!lower.contains(word), "the page contains {word}");
    }
    let addresses: Vec<&str> = lower.match_indices("http").map(|(i, _)| &lower[i..(i + 30).min(lower.len())]).collect();
    let allowed = ["http-equiv", "http://www.w3.org/2000/svg"]; // the name of SVG's own tags, which nothing fetches
    assert!(addresses.iter().all(|a| allowed.iter().any(|ok| a.starts_with(ok))), "{addresses:?}");
    assert_eq!(unbalanced(html), None);
    assert!(!html.contains("\u{202e}"), "text that turns around");
    assert!(!html.contains("NaN") && !html.contains("inf,") && !html.contains(",inf"), "a number that is none was drawn");
}

/// The first tag that does not fit.
pub(crate) fn unbalanced(html: &str) -> Option<String> {
    let mut open = Vec::new();
    for piece in html.split('<').skip(1) {
        let Some((tag, _)) = piece.split_once('>') else { return Some(piece.into()) };
        let name = tag.trim_start_matches('/').split([' ', '\n']).next().unwrap_or("").trim_end_matches('/');
        if tag.starts_with('/') {
            if open.pop() != Some(name) {
                return Some(tag.into());
            }
        } else if !tag.ends_with('/') && !tag.starts_with('!') && name != "meta" {
            open.push(name);
        }
    }
    open.pop().map(String::from)
}
