//! Expectation–maximisation for covariances of any kind. [`super::em`] is the faster way where one variance is common to all.

use std::time::Instant;

use super::moment_sums::Moments;
use super::moments;
use super::tiles::Tiles;
use super::watch::Watch;
use crate::error::Result;
use crate::mixture::{Covariance, CovarianceKind, Factor, Mixture};

/// A component with fewer points than this has lost them: it keeps its mean and its covariance.
const LOST: f64 = 1e-3;
/// The smallest weight, in points.
const LEAST_MASS: f64 = 1e-6;
/// Times the floor: a variance below this is made by the floor, not by the points.
pub const NEAR_FLOOR: f64 = 10.0;

/// When EM ends, and what it adds.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Is added to every variance, so that none shrinks to nothing.
    pub floor: f64,
    /// Ends when the log-likelihood rises by less, in nats per point.
    pub tolerance: f64,
    pub most_iterations: usize,
}

/// What EM found.
#[derive(Debug, Clone)]
pub struct Fitted {
    pub mixture: Mixture,
    /// Points of each component at the last step, shape (k).
    pub mass: Vec<f64>,
    /// Mean ln p of the points before the last step, in nats.
    pub log_likelihood: f64,
    pub iterations: usize,
    pub seconds: f64,
    /// By how much the log-likelihood rose between the last two steps, in nats per point; infinite after one step.
    pub last_gain: f64,
}

/// EM from `start` until the log-likelihood rises by less than the tolerance.
///
/// # Errors
/// [`crate::Error::Stopped`]; [`crate::Error::BadInput`] where a covariance has no factor in double precision.
pub fn climb(tiles: &Tiles, start: Mixture, options: Options, mut watch: Option<&mut Watch>) -> Result<Fitted> {
    let began = Instant::now();
    let (mut at, mut before, mut iterations) = (start, f64::NEG_INFINITY, 0);
    loop {
        if let Some(watch) = watch.as_deref_mut() {
            watch.at("expectation–maximisation", iterations as f64 / options.most_iterations.max(1) as f64)?;
        }
        let sums = match watch.as_deref_mut() {
            Some(watch) => {
                let sums = moments::moments_until(tiles, &at, watch.interrupted);
                watch.check("expectation–maximisation")?;
                sums
            }
            None => moments::moments(tiles, &at),
        };
        iterations += 1;
        let log_likelihood = sums.log_likelihood / tiles.n as f64;
        at = step(&at, &sums, options.floor)?;
        let last_gain = log_likelihood - before;
        if last_gain < options.tolerance || iterations >= options.most_iterations {
            let seconds = began.elapsed().as_secs_f64();
            return Ok(Fitted { mixture: at, mass: sums.mass, log_likelihood, iterations, seconds, last_gain });
        }
        before = log_likelihood;
    }
}

/// One M-step. The moments are about the old means, so those about the new ones lack m δδᵀ, δ the mean's move.
///
/// # Errors
/// Those of [`Mixture::new`].
pub fn step(mixture: &Mixture, sums: &Moments, floor: f64) -> Result<Mixture> {
    let (k, d, kind) = (mixture.n_components(), mixture.n_features(), mixture.covariance_kind());
    let masses: Vec<f64> = sums.mass.iter().map(|m| m.max(LEAST_MASS)).collect();
    let (total, alive) = (masses.iter().sum::<f64>(), sums.mass.iter().map(|m| *m > LOST).collect::<Vec<bool>>());
    let mut moves = vec![0.0; k * d];
    for (l, (moves, first)) in moves.chunks_exact_mut(d).zip(sums.first.chunks_exact(d)).enumerate().filter(|(l, _)| alive[*l]) {
        moves.iter_mut().zip(first).for_each(|(to, first)| *to = first / sums.mass[l]);
    }
    let old = mixture.covariance().values();
    let mut values = vec![0.0; old.len()];
    let shared: f64 = sums.mass.iter().sum();
    for (at, value) in values.iter_mut().enumerate() {
        // Of the component that has number `at` among its covariances: Σ r e_a e_b about its new mean, divided by Σ r.
        let about_new = |l: usize, a: usize, b: usize| sums.mass[l] * moves[l * d + a] * moves[l * d + b];
        let trace = |l: usize| (0..d).map(|a| about_new(l, a, a)).sum::<f64>();
        let (l, lacks, parts) = match kind {
            CovarianceKind::Common => (None, (0..k).map(trace).sum(), d as f64),
            CovarianceKind::Spherical => (Some(at), trace(at), d as f64),
            CovarianceKind::Diagonal => (Some(at / d), about_new(at / d, at % d, at % d), 1.0),
            CovarianceKind::Tied => (None, (0..k).map(|l| about_new(l, at / d, at % d)).sum(), 1.0),
            CovarianceKind::Full => (Some(at / (d * d)), about_new(at / (d * d), at / d % d, at % d), 1.0),
        };
        let is_variance = !matches!(kind, CovarianceKind::Tied | CovarianceKind::Full) || at / d % d == at % d;
        *value = match l {
            Some(l) if !alive[l] => old[at],
            _ => {
                let moment = (sums.second[at] - lacks) / (parts * l.map_or(shared, |l| sums.mass[l]));
                if is_variance { moment.max(0.0) + floor } else { moment }
            }
        };
    }
    let means = mixture.means().iter().zip(&moves).map(|(mean, by)| mean + by).collect();
    Mixture::new(masses.iter().map(|m| m / total).collect(), means, d, Covariance::of_kind(kind, values))
}

/// Variances of each coordinate given those before it, or of each component where they are spherical; the smallest over the components,
/// shape (d) or (1). Those that are common to components and coordinates come alike.
pub fn least_variances(mixture: &Mixture) -> Vec<f64> {
    let (k, d) = (mixture.n_components(), mixture.n_features());
    let of = |l: usize| -> Vec<f64> {
        match mixture.factor(l) {
            Factor::Spherical(deviation) => vec![deviation * deviation],
            Factor::Diagonal(deviations) => deviations.iter().map(|s| s * s).collect(),
            Factor::Lower { l, .. } => (0..d).map(|a| l[a * d + a].powi(2)).collect(),
        }
    };
    (1..k).map(of).fold(of(0), |least, own| least.iter().zip(own).map(|(a, b)| a.min(b)).collect())
}

/// Components with a variance that the floor makes where `whole`, one component for all points, has one that the points make.
pub fn collapsed(mixture: &Mixture, whole: &[f64], floor: f64) -> usize {
    let d = mixture.n_features();
    let is_low = |variance: f64, a: usize| variance < NEAR_FLOOR * floor && whole[a] >= NEAR_FLOOR * floor;
    let of = |l: usize| match mixture.factor(l) {
        Factor::Spherical(deviation) => is_low(deviation * deviation, 0),
        Factor::Diagonal(deviations) => deviations.iter().enumerate().any(|(a, s)| is_low(s * s, a)),
        Factor::Lower { l, .. } => (0..d).any(|a| is_low(l[a * d + a].powi(2), a)),
    };
    (0..mixture.n_components()).filter(|l| of(*l)).count()
}

/// Free numbers of k components in d dimensions.
pub fn n_parameters(kind: CovarianceKind, k: usize, d: usize) -> usize {
    k * (d + 1) - 1 + kind.n_parameters(k, d)
}
