//! Expectation–maximisation with one common variance: greedy k-means++ starts, several of them, on fast blocks.

use std::time::Instant;

use super::pass::{self, Sums};
use super::seeding;
use super::tiles::Tiles;
use super::watch::Watch;
use crate::error::{Error, Result};
use crate::mixture::GaussianMixture;
use crate::random::streams::{Purpose, stream};

/// Points on which restarts compete; the winner goes on with all.
const MOST_FOR_RESTARTS: usize = 1 << 15;

/// Points on which the number of components is chosen, and components at the most.
const MOST_FOR_CHOICE: usize = 1 << 14;
const MOST_COMPONENTS: usize = 100;

/// One component more must lower the Bayesian information criterion by this: "very strong" evidence (Kass and Raftery 1995). With less,
/// one choice in thirty from some tens of points has a component too many.
pub const EVIDENCE: f64 = 10.0;

/// What EM needs to be told.
#[derive(Debug, Clone)]
pub struct Options {
    /// K.
    pub components: usize,
    /// Starts that compete.
    pub restarts: usize,
    /// The common variance; `None`: it is estimated.
    pub variance: Option<f64>,
    /// Ends when the mean log-likelihood gains less per iteration, in nats.
    pub tolerance: f64,
    pub most_iterations: usize,
    pub seed: u64,
}

/// What EM found.
#[derive(Debug, Clone)]
pub struct Fitted {
    pub mixture: GaussianMixture,
    /// Mean ln p of the points before the last step, in nats.
    pub log_likelihood: f64,
    /// Iterations on all points.
    pub iterations: usize,
    /// Of those, in seconds.
    pub seconds: f64,
}

/// The best of several starts.
///
/// # Errors
/// [`Error::BadInput`] where there are fewer different points than components; [`Error::Stopped`].
pub fn fit(tiles: &Tiles, options: &Options, watch: &mut Watch) -> Result<Fitted> {
    let k = options.components;
    let few = tiles.thinned(MOST_FOR_RESTARTS);
    let mut best: Option<Fitted> = None;
    for restart in 0..options.restarts.max(1) {
        watch.at("restarts", restart as f64 / options.restarts.max(1) as f64)?;
        let mut rng = stream(options.seed, Purpose::LearnSeeding, restart as u32, 0);
        let means = seeding::best_starts(&few, k, &mut rng).ok_or_else(|| {
            Error::bad_input(
                format!("there are fewer than {k} different points among {}", few.n),
                "Ask for fewer components, or remove duplicates",
            )
        })?;
        let variance = options.variance.unwrap_or_else(|| start_variance(&few, &means));
        let start = GaussianMixture::new(vec![1.0 / k as f64; k], means, tiles.d, variance)?;
        let quick =
            Options { tolerance: options.tolerance.max(1e-5), most_iterations: options.most_iterations.min(200), ..options.clone() };
        let fitted = climb(&few, start, &quick, None)?;
        if best.as_ref().is_none_or(|best| fitted.log_likelihood > best.log_likelihood) {
            best = Some(fitted);
        }
    }
    match best {
        Some(best) => climb(tiles, best.mixture, options, Some(watch)),
        None => Err(Error::bad_input("EM had no start", "Report this as a bug")),
    }
}

/// The number of components that the Bayesian information criterion wants, by EM on few points: one more at a time, until three in a
/// row did not lower it by [`EVIDENCE`]. With it the mixture of the search.
///
/// # Errors
/// As [`fit`].
pub fn choose(tiles: &Tiles, options: &Options, watch: &mut Watch) -> Result<(GaussianMixture, String)> {
    let few = tiles.thinned(MOST_FOR_CHOICE);
    let n = few.n as f64;
    let mut best: Option<(f64, Fitted)> = None;
    let mut tried = 0;
    for components in 1..=MOST_COMPONENTS.min(few.n / 2).max(1) {
        watch.at("choosing the number of components", components as f64 / MOST_COMPONENTS as f64)?;
        let mut inner = Watch { interrupted: watch.interrupted, tell: &mut |_, _| {} };
        let fitted = match fit(&few, &Options { components, tolerance: 1e-5, ..options.clone() }, &mut inner) {
            Err(Error::BadInput { .. }) if best.is_some() => break, // fewer different points, or a variance of zero: no more to find
            fitted => fitted?,
        };
        tried = components;
        let parameters = (components * (few.d + 1) - 1 + usize::from(options.variance.is_none())) as f64;
        let criterion = -2.0 * n * fitted.log_likelihood + parameters * n.ln();
        match &best {
            Some((least, found)) if *least - EVIDENCE <= criterion => {
                if components >= found.mixture.n_components() + 3 {
                    break;
                }
            }
            _ => best = Some((criterion, fitted)),
        }
    }
    let Some((_, found)) = best else { return Err(Error::bad_input("there are too few points", "Give at least two")) };
    let k = found.mixture.n_components();
    let why =
        format!("EM on {} points with 1 to {tried} components: the Bayesian information criterion last fell by {EVIDENCE} at {k}", few.n);
    Ok((found.mixture, why))
}

/// EM from `start` until it gains nothing any more.
///
/// # Errors
/// [`Error::BadInput`] where the variance shrinks to nothing; [`Error::Stopped`].
pub fn climb(tiles: &Tiles, start: GaussianMixture, options: &Options, mut watch: Option<&mut Watch>) -> Result<Fitted> {
    let began = Instant::now();
    let mut mixture = start;
    let mut before = f64::NEG_INFINITY;
    for iteration in 1..=options.most_iterations.max(1) {
        if let Some(watch) = watch.as_deref_mut() {
            watch.at("expectation–maximisation", iteration as f64 / options.most_iterations as f64)?;
        }
        let sums = pass::sums(tiles, &mixture);
        let log_likelihood = sums.log_likelihood / tiles.n as f64;
        mixture = step(&mixture, &sums, tiles.n, options.variance)?;
        let gain = log_likelihood - before;
        if gain < options.tolerance || iteration == options.most_iterations.max(1) {
            return Ok(Fitted { mixture, log_likelihood, iterations: iteration, seconds: began.elapsed().as_secs_f64() });
        }
        before = log_likelihood;
    }
    unreachable!("the last iteration returns")
}

/// One M-step. A component that lost its points keeps its mean and a weight of nearly nothing.
///
/// # Errors
/// [`Error::BadInput`] where the variance shrinks to nothing.
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
    let variance = variance.unwrap_or(square / (n * d) as f64);
    if !(variance > 1e-12) {
        return Err(Error::bad_input(
            format!("the common variance shrank to {variance:.1e} of the data's: each component sits on equal points"),
            "Ask for fewer components, or give the variance",
        ));
    }
    GaussianMixture::new(mass.iter().map(|m| m / total).collect(), means, d, variance)
}

/// The mean squared distance per coordinate from the nearest of `means`.
fn start_variance(tiles: &Tiles, means: &[f64]) -> f64 {
    let d = tiles.d;
    let few = tiles.thinned(2048);
    let sum: f64 = (0..few.n)
        .map(|i| {
            let row: Vec<f64> = few.row(i).map(f64::from).collect();
            means.chunks_exact(d).map(|mean| crate::mixture::squared_distance(mean, &row)).fold(f64::INFINITY, f64::min)
        })
        .sum();
    (sum / (few.n * d) as f64).max(1e-6)
}
