//! The reverse diffusion: new points, level by level, from the learned posterior means.
//!
//! It begins with the learner's own points under the highest noise. The published start, one Gaussian with their mean and covariance, has
//! too little skewness there, and a mode of one per cent at ten standard deviations loses 30 % of its mass. (After so much noise a point
//! keeps no more than a trace of its mode.)
//!
//! One step goes from noise t' down to t by the bridge of a known centre u, y | y', u ~ N(u + (σ²/σ'²)(y' − u), σ²(σ'² − σ²)/σ'²) with σ² =
//! 1 + t, with f̂ in place of u. It keeps the variance within a mode exactly, whereas the published step y + 2(σ'² − σσ')ŝ(y) + √(t'−t)ξ
//! makes it 6 % too large on this ladder. Between modes it lacks the spread of u, so that small modes lose mass to large ones, in
//! proportion to the step. Four steps per level, the first two with its own f̂ and the others with the next one's, reduce that to less than
//! 5 %. Heun's method on the probability flow is worse: without fresh noise the errors of f̂ add up.

use rayon::prelude::*;

use super::ladder::Ladder;
use super::projection::Projection;
use super::tiles::Tiles;
use super::watch::Watch;
use crate::backend::polynomials::{Polynomials, Step};
use crate::cpu::polynomials::nearest;
use crate::error::Result;
use crate::random::normal::normal_f32;
use crate::random::streams::{Purpose, key, words};

/// Steps from one level to the next, with the same ratio of variances: an even number.
const STEPS: u32 = 4;

/// Rows of one job, and the number of points without a complement that is added to each cell.
const JOB: usize = 4096;
const FEW: f64 = 10.0;

/// `count` points (count, d) in the learners' units, from `train` (n, d), its coordinates `points` (n, rank) in the principal directions,
/// and the learned ladder.
pub(crate) fn draw(
    ladder: &Ladder,
    (train, points): (&Tiles, &[f32]),
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
    let cells = &ladder.levels[n_levels - 1].posterior_mean.centres;
    let complements = complements(train, points, cells, projection);
    Ok(lift(&y, cells, &complements, projection, key, n_levels as u32 * STEPS + 1))
}

/// `count` points (count, rank) at noise level `t`, from each of `points` (n, rank) in turn, so that every mode gets its part.
fn start(points: &[f32], rank: usize, t: f64, count: usize, key: [u32; 2]) -> Vec<f32> {
    let (n, spread) = (points.len() / rank, t.sqrt() as f32);
    let mut y = vec![0.0f32; count * rank];
    y.par_chunks_exact_mut(rank).enumerate().for_each(|(i, y)| {
        for (c, (y, x)) in y.iter_mut().zip(&points[i % n * rank..]).enumerate() {
            *y = x + spread * normal_f32(words(key, 0, 0, i as u32, c as u32 / 4)[c % 4]);
        }
    });
    y
}

/// The mean of each cell's points outside the principal directions, shape (C, d), for the cells `cells` (C, rank). (A direction that is off
/// by a hundredth moves a mode ten standard deviations away by a tenth.) It is shrunk for cells with few points.
fn complements(train: &Tiles, points: &[f32], cells: &[f32], projection: &Projection) -> Vec<f64> {
    let (rank, d) = (projection.rank(), train.d);
    let jobs: Vec<(Vec<f64>, Vec<f64>)> = points
        .par_chunks(JOB * rank)
        .enumerate()
        .map(|(job, points)| {
            let (mut sums, mut counts) = (vec![0.0; cells.len() / rank * d], vec![0.0; cells.len() / rank]);
            for (i, point) in points.chunks_exact(rank).enumerate() {
                let mut row: Vec<f64> = train.row(job * JOB + i).zip(&projection.mean).map(|(x, mean)| f64::from(x) - mean).collect();
                projection.complement(&mut row);
                let cell = nearest(point, cells) as usize;
                counts[cell] += 1.0;
                sums[cell * d..].iter_mut().zip(&row).for_each(|(sum, v)| *sum += v);
            }
            (sums, counts)
        })
        .collect();
    let (mut sums, mut counts) = (vec![0.0; cells.len() / rank * d], vec![0.0; cells.len() / rank]);
    for (job_sums, job_counts) in jobs {
        sums.iter_mut().zip(job_sums).for_each(|(a, b)| *a += b);
        counts.iter_mut().zip(job_counts).for_each(|(a, b)| *a += b);
    }
    sums.chunks_exact_mut(d).zip(counts).for_each(|(sum, count)| sum.iter_mut().for_each(|v| *v /= count + FEW));
    sums
}

/// Points in all dimensions: the complement of the point's cell, and plain noise about it.
fn lift(y: &[f32], cells: &[f32], complements: &[f64], projection: &Projection, key: [u32; 2], step: u32) -> Vec<f32> {
    let (rank, d) = (projection.rank(), projection.mean.len());
    let mut out = vec![0.0f32; y.len() / rank * d];
    out.par_chunks_exact_mut(d).zip(y.par_chunks_exact(rank)).enumerate().for_each(|(i, (out, y))| {
        let mut noise: Vec<f64> =
            (0..d.div_ceil(4)).flat_map(|block| words(key, step, 0, i as u32, block as u32)).map(|w| f64::from(normal_f32(w))).collect();
        noise.truncate(d);
        projection.complement(&mut noise);
        let complement = &complements[nearest(y, cells) as usize * d..];
        let y: Vec<f64> = y.iter().map(|v| f64::from(*v)).collect();
        let point = projection.lift(&y);
        out.iter_mut().zip(point.iter().zip(noise.iter().zip(complement))).for_each(|(out, (p, (z, own)))| *out = (p + z + own) as f32);
    });
    out
}
