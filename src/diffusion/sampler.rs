//! The reverse diffusion: new points, level by level, from the learned posterior means.
//!
//! It begins with the learner's own points under the highest noise: one Gaussian of their mean and covariance, the published start, has
//! too little skewness there, and a mode of one per cent at ten standard deviations loses 30 % of its mass. (All that is left of a point
//! after so much noise is its mode, and not even that surely.)
//!
//! One step goes from noise t' down to t by the bridge of a known centre u, y | y', u ~ N(u + (σ²/σ'²)(y' − u), σ²(σ'² − σ²)/σ'²) with
//! σ² = 1 + t, and f̂ in the place of u. It keeps the variance within a mode exactly, where the published step
//! y + 2(σ'² − σσ')ŝ(y) + √(t'−t)ξ makes it 6 % too large on this ladder; between modes it lacks the spread of u, so that small modes
//! lose to large ones, in proportion to the step. Four steps for a level, the first two with its own f̂ and the others with the next one's,
//! leave less than 5 % of that. Heun's method on the probability flow is worse: without fresh noise the errors of f̂ add up.

use rayon::prelude::*;

use super::ladder::Ladder;
use super::projection::Projection;
use super::watch::Watch;
use crate::backend::polynomials::{Polynomials, Step};
use crate::error::Result;
use crate::random::normal::normal_f32;
use crate::random::streams::{Purpose, key, words};

/// Steps from one level to the next, with the same ratio of variances: an even number.
const STEPS: u32 = 4;

/// `count` points (count, d) in the learners' units, from `points` (n, rank) and what was learned from them.
///
/// # Errors
/// [`crate::Error::Stopped`].
pub fn draw(
    ladder: &Ladder,
    points: &[f32],
    projection: &Projection,
    count: usize,
    seed: u64,
    device: &mut dyn Polynomials,
    watch: &mut Watch,
) -> Result<Vec<f32>> {
    let rank = projection.rank();
    let key = key(seed, Purpose::LearnSampler, 0);
    let n_levels = ladder.levels.len();
    let mut y = start(points, rank, ladder.levels[0].t, count, key);
    for (index, level) in ladder.levels.iter().enumerate() {
        watch.at("sampling", index as f64 / n_levels as f64)?;
        let next = ladder.levels.get(index + 1);
        let ratio = (1.0 + next.map_or(0.0, |next| next.t)) / (1.0 + level.t);
        let variance = |step: u32| (1.0 + level.t) * ratio.powf(f64::from(step) / f64::from(STEPS));
        for step in 0..STEPS {
            let posterior_mean = &next.filter(|_| step >= STEPS / 2).unwrap_or(level).posterior_mean;
            let (above, below) = (variance(step), variance(step + 1));
            let step = Step {
                cells: posterior_mean.cells(),
                coefficients: &posterior_mean.coefficients,
                pull: (1.0 - below / above) as f32,
                spread: (below * (above - below) / above).sqrt() as f32,
                key,
                step: index as u32 * STEPS + step + 1,
            };
            device.reverse(&step, &mut y)?;
        }
    }
    Ok(lift(&y, projection, key, n_levels as u32 * STEPS + 1))
}

/// `count` points (count, rank) at noise level `t`, each from one of `points` (n, rank).
fn start(points: &[f32], rank: usize, t: f64, count: usize, key: [u32; 2]) -> Vec<f32> {
    let (n, spread) = ((points.len() / rank) as u64, t.sqrt() as f32);
    let mut y = vec![0.0f32; count * rank];
    y.par_chunks_exact_mut(rank).enumerate().for_each(|(i, y)| {
        let [low, high, ..] = words(key, 0, 1, i as u32, 0);
        // The remainder favours no point by more than n/2⁶⁴ of its share.
        let chosen = ((u64::from(high) << 32 | u64::from(low)) % n) as usize;
        for (c, (y, x)) in y.iter_mut().zip(&points[chosen * rank..]).enumerate() {
            *y = x + spread * normal_f32(words(key, 0, 0, i as u32, c as u32 / 4)[c % 4]);
        }
    });
    y
}

/// Points in all dimensions: plain noise where there are no principal directions.
fn lift(y: &[f32], projection: &Projection, key: [u32; 2], step: u32) -> Vec<f32> {
    let (rank, d) = (projection.rank(), projection.mean.len());
    let mut out = vec![0.0f32; y.len() / rank * d];
    out.par_chunks_exact_mut(d).zip(y.par_chunks_exact(rank)).enumerate().for_each(|(i, (out, y))| {
        let mut noise: Vec<f64> =
            (0..d.div_ceil(4)).flat_map(|block| words(key, step, 0, i as u32, block as u32)).map(|w| f64::from(normal_f32(w))).collect();
        noise.truncate(d);
        projection.complement(&mut noise);
        let y: Vec<f64> = y.iter().map(|v| f64::from(*v)).collect();
        let point = projection.lift(&y);
        out.iter_mut().zip(point.iter().zip(&noise)).for_each(|(out, (p, z))| *out = (p + z) as f32);
    });
    out
}
