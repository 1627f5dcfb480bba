//! From warm starts to a mixture: how many components, their means by denoising score matching, their weights by responsibilities.
//!
//! Score matching hardly sees the relative weights of separated modes, so weights are never learned by it: they are the mean
//! responsibilities of the points, as in EM.

use super::em;
use super::pass;
use super::score_matching;
use super::seeding;
use super::tiles::Tiles;
use super::watch::Watch;
use crate::error::{Error, Result};
use crate::mixture::{GaussianMixture, squared_distance};
use crate::random::streams::{Purpose, stream};

/// Points on which the number of components is decided.
const MOST_FOR_COUNT: usize = 20_000;
/// Pairs of components whose merger is tried at each count.
const TRIED_MERGERS: usize = 2;
/// Noise levels of the refinement, in units of σ₀², and steps at each at most.
pub const REFINEMENT: [f64; 3] = [1.0, 0.4, 0.15];
const STEPS: usize = 40;
/// A level is done when no mean moves farther in a step, in σ₀.
const STILL: f64 = 2e-4;
/// Noised pairs of one gradient, at least.
const LEAST_PAIRS: usize = 1 << 17;

/// A mixture, and why it has so many components.
#[derive(Debug, Clone)]
pub struct Parametric {
    pub mixture: GaussianMixture,
    pub why: String,
}

/// A mixture of `components` (or as many as the Bayesian information criterion wants) near `candidates` (c, rank).
///
/// # Errors
/// [`Error::BadInput`] for fewer different points than components; [`Error::Stopped`].
pub fn fit(tiles: &Tiles, candidates: &[f32], components: Option<usize>, seed: u64, watch: &mut Watch) -> Result<Parametric> {
    let few = tiles.thinned(MOST_FOR_COUNT);
    let d = tiles.d;
    let mut means: Vec<f64> = candidates.iter().map(|v| f64::from(*v)).collect();
    let found = means.len() / d;
    // A cover may miss a mode that k-means++ sees, and the other way round: what both propose is merged.
    let more = components.unwrap_or(found).max(found) + 2;
    let mut rng = stream(seed, Purpose::LearnSeeding, u32::MAX, 0);
    let mut seeds = |k: usize| seeding::best_starts(&few, k.min(few.n), &mut rng);
    match seeds(more).or_else(|| seeds(components.unwrap_or(1))) {
        Some(starts) => means.extend(starts),
        None => return Err(too_few(components.unwrap_or(1), few.n)),
    }
    let (chosen, why) = count(&few, &means, components, watch)?;
    let why = format!(
        "{} candidates, {found} from a set cover of the denoised points and {} from k-means++; {why}",
        means.len() / d,
        means.len() / d - found
    );
    Ok(Parametric { mixture: refine(tiles, chosen, &REFINEMENT, seed, watch)?, why })
}

fn too_few(k: usize, n: usize) -> Error {
    Error::bad_input(format!("there are fewer than {k} different points among {n}"), "Ask for fewer components, or remove duplicates")
}

/// Merges components, each time the pair that costs least, down to `components`, or while the criterion rises less than
/// [`em::EVIDENCE`] above its lowest.
fn count(few: &Tiles, means: &[f64], components: Option<usize>, watch: &mut Watch) -> Result<(GaussianMixture, String)> {
    let k = means.len() / few.d;
    let mut best = settle(few, GaussianMixture::new(vec![1.0 / k as f64; k], means.to_vec(), few.d, 1.0)?)?;
    let mut lowest = criterion(&best, few);
    let first = best.mixture.n_components();
    while best.mixture.n_components() > components.unwrap_or(1) {
        watch.at("counting components", 1.0 - best.mixture.n_components() as f64 / first as f64)?;
        let mut merged: Option<em::Fitted> = None;
        for (a, b) in closest_pairs(&best.mixture) {
            let fitted = settle(few, merge(&best.mixture, a, b)?)?;
            if merged.as_ref().is_none_or(|m| fitted.log_likelihood > m.log_likelihood) {
                merged = Some(fitted);
            }
        }
        let Some(merged) = merged else { break };
        let next = criterion(&merged, few);
        if components.is_none() && !(next < lowest + em::EVIDENCE) {
            break;
        }
        (best, lowest) = (merged, lowest.min(next));
    }
    let k = best.mixture.n_components();
    let why = match components {
        Some(_) => format!("{k} were asked for"),
        None => format!(
            "merging them two by two until the Bayesian information criterion rose by {} (on {} points) left {k}",
            em::EVIDENCE,
            few.n
        ),
    };
    Ok((best.mixture, why))
}

/// A few EM steps with the variance known to be 1.
fn settle(few: &Tiles, start: GaussianMixture) -> Result<em::Fitted> {
    let options = em::Options { components: 0, restarts: 0, variance: Some(1.0), tolerance: 1e-5, most_iterations: 30, seed: 0 };
    em::climb(few, start, &options, None)
}

/// −2 ln L + parameters · ln n.
fn criterion(fitted: &em::Fitted, few: &Tiles) -> f64 {
    let n = few.n as f64;
    let parameters = (fitted.mixture.n_components() * (few.d + 1) - 1) as f64;
    -2.0 * n * fitted.log_likelihood + parameters * n.ln()
}

/// The pairs that a merger moves least: w_a w_b/(w_a + w_b)·|μ_a − μ_b|².
fn closest_pairs(mixture: &GaussianMixture) -> Vec<(usize, usize)> {
    let w = mixture.weights();
    let cost = |a: usize, b: usize| w[a] * w[b] / (w[a] + w[b]) * squared_distance(mixture.mean(a), mixture.mean(b));
    let k = mixture.n_components();
    let mut pairs: Vec<(usize, usize)> = (0..k).flat_map(|a| (a + 1..k).map(move |b| (a, b))).collect();
    pairs.sort_by(|x, y| cost(x.0, x.1).total_cmp(&cost(y.0, y.1)));
    pairs.truncate(TRIED_MERGERS);
    pairs
}

fn merge(mixture: &GaussianMixture, a: usize, b: usize) -> Result<GaussianMixture> {
    let d = mixture.n_features();
    let (mut weights, mut means) = (mixture.weights().to_vec(), mixture.means().to_vec());
    let sum = weights[a] + weights[b];
    for c in 0..d {
        means[a * d + c] = (weights[a] * means[a * d + c] + weights[b] * means[b * d + c]) / sum;
    }
    weights[a] = sum;
    weights.remove(b);
    means.drain(b * d..(b + 1) * d);
    GaussianMixture::new(weights, means, d, mixture.variance())
}

/// Means by descent on the denoising loss at each of `levels` in turn; weights by responsibilities after each step.
///
/// # Errors
/// [`Error::Stopped`].
pub fn refine(tiles: &Tiles, start: GaussianMixture, levels: &[f64], seed: u64, watch: &mut Watch) -> Result<GaussianMixture> {
    let mut mixture = start;
    for (level, t) in levels.iter().copied().enumerate() {
        for step in 0..STEPS {
            watch.at("refining by score matching", (level as f64 + step as f64 / STEPS as f64) / levels.len() as f64)?;
            let (next, moved) = descend(tiles, &mixture, t, 1.0, seed, level as u32)?;
            mixture = weighed(tiles, next)?;
            if moved <= STILL {
                break;
            }
        }
    }
    Ok(mixture)
}

/// The mixture with the points' mean responsibilities as weights.
///
/// # Errors
/// Those of [`GaussianMixture::new`].
pub fn weighed(tiles: &Tiles, mixture: GaussianMixture) -> Result<GaussianMixture> {
    let mass: Vec<f64> = pass::sums(tiles, &mixture).mass.iter().map(|m| m.max(1e-6)).collect();
    let total: f64 = mass.iter().sum();
    let weights = mass.iter().map(|m| m / total).collect();
    GaussianMixture::new(weights, mixture.means().to_vec(), tiles.d, mixture.variance())
}

/// One step of size `step` on ∂/∂μᵢ divided by `E[rᵢ]`, and how far the farthest mean moved.
///
/// # Errors
/// [`Error::NonFiniteResult`].
pub fn descend(tiles: &Tiles, mixture: &GaussianMixture, t: f64, step: f64, seed: u64, level: u32) -> Result<(GaussianMixture, f64)> {
    let rounds = LEAST_PAIRS.div_ceil(tiles.n).min(16) as u32;
    let loss = score_matching::loss(tiles, mixture, t, rounds, seed, level)?;
    let d = tiles.d;
    let mut means = mixture.means().to_vec();
    let mut farthest = 0.0f64;
    for (i, mean) in means.chunks_exact_mut(d).enumerate() {
        let gradient = &loss.gradient[i * d..(i + 1) * d];
        let rate = step / loss.mass[i].max(1e-6);
        mean.iter_mut().zip(gradient).for_each(|(m, g)| *m -= rate * g);
        farthest = farthest.max(squared_distance(mean, mixture.mean(i)).sqrt());
    }
    if !farthest.is_finite() {
        return Err(Error::NonFiniteResult {
            what: "a mean became non-finite in score matching".into(),
            remedy: "Look for points that are far from all others".into(),
        });
    }
    Ok((mixture.with_means(means)?, farthest))
}
