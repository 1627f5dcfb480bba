//! Means by denoising score matching, weights by responsibilities.
//!
//! Score matching is nearly blind to the relative weights of separated modes, so weights are the mean responsibilities of the points, as in
//! EM.

use super::pass;
use super::score_matching;
use super::tiles::Tiles;
use super::watch::Watch;
use crate::error::{Error, Result};
use crate::mixture::{GaussianMixture, squared_distance};

/// Noise levels of the refinement, in units of σ₀², and the most steps at each.
pub(crate) const REFINEMENT: [f64; 3] = [1.0, 0.4, 0.15];
const STEPS: usize = 40;
/// A level is done when no mean moves farther in a step, in σ₀.
const STILL: f64 = 2e-4;
/// The fewest noised pairs of one gradient.
const LEAST_PAIRS: usize = 1 << 17;
/// With more components than this, fewer pairs are used.
const MANY: usize = 32;

/// Means by descent on the denoising loss at each of `levels` in turn; weights by responsibilities after each step.
pub(crate) fn refine(tiles: &Tiles, start: GaussianMixture, levels: &[f64], seed: u64, watch: &mut Watch) -> Result<GaussianMixture> {
    let mut mixture = start;
    for (level, t) in levels.iter().copied().enumerate() {
        for step in 0..STEPS {
            watch.at("refining by score matching", (level as f64 + step as f64 / STEPS as f64) / levels.len() as f64)?;
            let (next, moved) = descend(tiles, &mixture, t, 1.0, seed, level as u32, watch)?;
            mixture = weighed(tiles, next)?;
            if moved <= STILL {
                break;
            }
        }
    }
    Ok(mixture)
}

/// The mixture with the points' mean responsibilities as weights.
pub(crate) fn weighed(tiles: &Tiles, mixture: GaussianMixture) -> Result<GaussianMixture> {
    let mass: Vec<f64> = pass::sums(tiles, &mixture).mass.iter().map(|m| m.max(1e-6)).collect();
    let total: f64 = mass.iter().sum();
    let weights = mass.iter().map(|m| m / total).collect();
    GaussianMixture::new(weights, mixture.means().to_vec(), tiles.d, mixture.variance())
}

/// One step of size `step` on ∂/∂μᵢ divided by `E[rᵢ]`. Returns the largest movement of a mean.
pub(crate) fn descend(
    tiles: &Tiles,
    mixture: &GaussianMixture,
    t: f64,
    step: f64,
    seed: u64,
    level: u32,
    watch: &Watch,
) -> Result<(GaussianMixture, f64)> {
    let rounds = (LEAST_PAIRS.div_ceil(tiles.n).min(16) * MANY / mixture.n_components().max(MANY)).max(1) as u32;
    let loss = score_matching::loss(tiles, mixture, t, rounds, seed, level, watch.interrupted)?;
    watch.check("score matching")?;
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
