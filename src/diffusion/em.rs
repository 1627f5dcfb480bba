//! Expectation–maximisation with one common variance, on fast blocks. Squared extrapolation (Varadhan and Roland 2008) replaces many short
//! steps. [`super::search`] finds the starts.

use std::time::Instant;

use super::pass::{self, Sums};
use super::tiles::Tiles;
use super::watch::Watch;
use crate::error::Result;
use crate::mixture::{GaussianMixture, squared_distance};

/// Steps before the first extrapolation, which hardly pays far from the end.
const PLAIN_STEPS: usize = 20;
/// The smallest common variance, in units of the data's: single precision hardly distinguishes points that are closer.
pub const LEAST_VARIANCE: f64 = 1e-12;

/// When EM ends, and which parameters are fixed.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// The common variance; `None`: estimated.
    pub variance: Option<f64>,
    /// Ends when a step gains less, in nats per point.
    pub tolerance: f64,
    pub most_iterations: usize,
}

/// The result of EM.
#[derive(Debug, Clone)]
pub struct Fitted {
    pub mixture: GaussianMixture,
    /// Mean ln p of the points before the last step, in nats.
    pub log_likelihood: f64,
    /// Iterations on all points.
    pub iterations: usize,
    /// Seconds of these iterations.
    pub seconds: f64,
    /// The gain of the last step, in nats per point.
    pub last_gain: f64,
}

/// Equal weights and, if it is not known, the variance around the nearest of `means` (k, d).
pub fn start(tiles: &Tiles, means: Vec<f64>, variance: Option<f64>) -> Result<GaussianMixture> {
    let k = means.len() / tiles.d;
    let variance = variance.unwrap_or_else(|| start_variance(tiles, &means));
    GaussianMixture::new(vec![1.0 / k as f64; k], means, tiles.d, variance)
}

/// EM from `start` until a step gains less than the tolerance.
pub fn climb(tiles: &Tiles, start: GaussianMixture, options: Options, mut watch: Option<&mut Watch>) -> Result<Fitted> {
    let began = Instant::now();
    let mut at = start;
    let mut safe: Option<Fitted> = None; // the result of plain steps before the extrapolation that is being tried
    let mut plain = None; // the mixture one plain step before
    let mut iterations = 0;
    loop {
        if let Some(watch) = watch.as_deref_mut() {
            watch.at("expectation–maximisation", iterations as f64 / options.most_iterations.max(1) as f64)?;
        }
        let sums = match watch.as_deref_mut() {
            Some(watch) => {
                let sums = pass::sums_until(tiles, &at, watch.interrupted);
                watch.check("expectation–maximisation")?;
                sums
            }
            None => pass::sums(tiles, &at),
        };
        iterations += 1;
        let log_likelihood = sums.log_likelihood / tiles.n as f64;
        if let Some(safe) = safe.take()
            && !(log_likelihood >= safe.log_likelihood)
        {
            at = safe.mixture;
            continue;
        }
        let next = step(&at, &sums, tiles.n, options.variance)?;
        let last_gain = gain(&at, &next);
        let fitted = Fitted { mixture: next, log_likelihood, iterations, seconds: began.elapsed().as_secs_f64(), last_gain };
        if last_gain < options.tolerance || iterations >= options.most_iterations {
            return Ok(fitted);
        }
        match plain.take() {
            Some(before) if iterations > PLAIN_STEPS => {
                let far = squarem(&before, &at, &fitted.mixture)?;
                (at, safe) = (far.unwrap_or_else(|| fitted.mixture.clone()), Some(fitted));
            }
            _ => plain = Some(std::mem::replace(&mut at, fitted.mixture)),
        }
    }
}

/// The gain of EM's lower bound by the M-step from `old` to `new`, in nats per point: the divergence of the two with their labels. Unlike a
/// difference of log-likelihoods it is not lost in rounding.
fn gain(old: &GaussianMixture, new: &GaussianMixture) -> f64 {
    let ratio = new.variance() / old.variance();
    let of_component = |l: usize| {
        let (w, before) = (new.weights()[l], old.weights()[l]);
        w * (w / before).ln() + w * 0.5 * squared_distance(new.mean(l), old.mean(l)) / old.variance()
    };
    let of_variance = 0.5 * old.n_features() as f64 * (ratio - 1.0 - ratio.ln());
    (0..old.n_components()).map(of_component).sum::<f64>() + of_variance
}

/// Extrapolates three successive mixtures; `None` if that does not lead far.
fn squarem(first: &GaussianMixture, second: &GaussianMixture, third: &GaussianMixture) -> Result<Option<GaussianMixture>> {
    let d = first.n_features();
    let parameters = |m: &GaussianMixture| -> Vec<f64> {
        m.means().iter().copied().chain(m.weights().iter().map(|w| w.ln())).chain([m.variance().ln()]).collect()
    };
    let (a, b, c) = (parameters(first), parameters(second), parameters(third));
    let n_means = first.means().len();
    // Lengths in the metric of the information with labels, so that means and weights can be added.
    let size = |at: usize| match at {
        at if at < n_means => second.weights()[at / d] / second.variance(),
        at if at < n_means + n_means / d => second.weights()[at - n_means],
        _ => 0.5 * d as f64,
    };
    let length = |v: &[f64]| v.iter().enumerate().map(|(at, v)| size(at) * v * v).sum::<f64>().sqrt();
    let r: Vec<f64> = a.iter().zip(&b).map(|(a, b)| b - a).collect();
    let v: Vec<f64> = b.iter().zip(&c).zip(&r).map(|((b, c), r)| c - b - r).collect();
    let alpha = length(&r) / length(&v);
    if !(alpha > 1.0 && alpha.is_finite()) {
        return Ok(None);
    }
    let far: Vec<f64> = a.iter().zip(r.iter().zip(&v)).map(|(a, (r, v))| a + 2.0 * alpha * r + alpha * alpha * v).collect();
    let weights: Vec<f64> = far[n_means..far.len() - 1].iter().map(|w| w.exp().max(1e-12)).collect();
    let (total, variance) = (weights.iter().sum::<f64>(), far[far.len() - 1].exp());
    if !(total.is_finite() && variance.is_finite() && variance > 0.0 && far[..n_means].iter().all(|m| m.is_finite())) {
        return Ok(None);
    }
    let weights = weights.iter().map(|w| w / total).collect();
    GaussianMixture::new(weights, far[..n_means].to_vec(), d, variance).map(Some)
}

/// One M-step. A component that lost its points keeps its mean and a tiny weight; the variance is at least [`LEAST_VARIANCE`].
pub fn step(mixture: &GaussianMixture, sums: &Sums, n: usize, variance: Option<f64>) -> Result<GaussianMixture> {
    let d = mixture.n_features();
    let mass: Vec<f64> = sums.mass.iter().map(|m| m.max(1e-6)).collect();
    let total: f64 = mass.iter().sum();
    let mut means = Vec::with_capacity(sums.first.len());
    let mut square = sums.square;
    for (l, first) in sums.first.chunks_exact(d).enumerate() {
        let is_alive = sums.mass[l] > 1e-3;
        for (first, old) in first.iter().zip(mixture.mean(l)) {
            let new = if is_alive { first / sums.mass[l] } else { *old };
            square -= sums.mass[l] * (new - old) * (new - old);
            means.push(new);
        }
    }
    let variance = variance.unwrap_or((square / (n * d) as f64).max(LEAST_VARIANCE));
    GaussianMixture::new(mass.iter().map(|m| m / total).collect(), means, d, variance)
}

/// The mean squared distance per coordinate from the nearest of `means`.
fn start_variance(tiles: &Tiles, means: &[f64]) -> f64 {
    let d = tiles.d;
    let few = tiles.thinned(2048);
    let sum: f64 = (0..few.n)
        .map(|i| {
            let row: Vec<f64> = few.row(i).map(f64::from).collect();
            means.chunks_exact(d).map(|mean| squared_distance(mean, &row)).fold(f64::INFINITY, f64::min)
        })
        .sum();
    (sum / (few.n * d) as f64).max(1e-6)
}
