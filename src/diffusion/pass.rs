//! One pass of a mixture over tiles: log-likelihood, responsibilities, and the sums that EM needs.
//!
//! Squared distances are sums of squared differences, so nothing large cancels in single precision. Sums run in sixteen lanes over 1024
//! samples, then in double precision in the order of the samples: the same bits for any number of threads.

use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;

use super::tiles::{TILE, Tiles};
use crate::mixture::GaussianMixture;
use crate::vector::lanes::{LANES, exp, vectorised};

/// Tiles whose sums are in single precision.
const RUN: usize = 16;
/// Runs of one job.
const RUNS_PER_JOB: usize = 2;

/// Sums over samples.
#[derive(Debug, Clone, PartialEq)]
pub struct Sums {
    /// ln p(x).
    pub log_likelihood: f64,
    /// r_l, shape (k).
    pub mass: Vec<f64>,
    /// r_l x, shape (k, d).
    pub first: Vec<f64>,
    /// Σ_l r_l |x − μ_l|².
    pub square: f64,
}

/// A mixture in single precision, and scratch for one tile.
pub struct Kernel {
    d: usize,
    means: Vec<f32>,    // (k, d)
    constant: Vec<f32>, // ln w
    half_precision: f32,
    /// −½d·ln(2πσ²).
    log_normaliser: f64,
    /// |x − μ_l|², (k, 64).
    pub squares: Vec<f32>,
    /// r_l, (k, 64).
    pub r: Vec<f32>,
    peak: [f32; TILE],
    mass: [f32; TILE],
}

impl Kernel {
    pub fn new(mixture: &GaussianMixture) -> Self {
        let (k, d) = (mixture.n_components(), mixture.n_features());
        Self {
            d,
            means: mixture.means().iter().map(|m| *m as f32).collect(),
            constant: mixture.weights().iter().map(|w| w.ln() as f32).collect(),
            half_precision: (0.5 / mixture.variance()) as f32,
            log_normaliser: -0.5 * d as f64 * (2.0 * std::f64::consts::PI * mixture.variance()).ln(),
            squares: vec![0.0; k * TILE],
            r: vec![0.0; k * TILE],
            peak: [0.0; TILE],
            mass: [0.0; TILE],
        }
    }

    /// Squared distances and responsibilities of a tile (d, 64).
    #[inline(always)]
    pub fn responsibilities(&mut self, x: &[f32]) {
        for (mean, out) in self.means.chunks_exact(self.d).zip(self.squares.chunks_exact_mut(TILE)) {
            let mut sum = [0.0f32; TILE];
            for (x, mean) in x.chunks_exact(TILE).zip(mean) {
                for s in 0..TILE {
                    let e = x[s] - mean;
                    sum[s] += e * e;
                }
            }
            out.copy_from_slice(&sum);
        }
        let mut peak = [f32::MIN; TILE];
        for ((r, square), constant) in self.r.chunks_exact_mut(TILE).zip(self.squares.chunks_exact(TILE)).zip(&self.constant) {
            for s in 0..TILE {
                r[s] = constant - self.half_precision * square[s];
                peak[s] = if r[s] > peak[s] { r[s] } else { peak[s] };
            }
        }
        let mut mass = [0.0f32; TILE];
        for r in self.r.chunks_exact_mut(TILE) {
            for s in 0..TILE {
                r[s] = exp(r[s] - peak[s]);
                mass[s] += r[s];
            }
        }
        for r in self.r.chunks_exact_mut(TILE) {
            for s in 0..TILE {
                r[s] /= mass[s];
            }
        }
        (self.peak, self.mass) = (peak, mass);
    }

    /// ln p of sample s of the last tile.
    pub fn log_density(&self, s: usize) -> f64 {
        self.log_normaliser + f64::from(self.peak[s]) + f64::from(self.mass[s]).ln()
    }

    /// Gives samples past `count` no weight.
    fn blank(&mut self, count: usize) {
        if count < TILE {
            self.r.chunks_exact_mut(TILE).for_each(|r| r[count..].fill(0.0));
        }
    }
}

/// Sums of one run, in lanes.
struct Lanes {
    mass: Vec<f32>,  // (k, 16)
    first: Vec<f32>, // (k, d, 16)
    square: [f32; LANES],
}

impl Lanes {
    fn new(k: usize, d: usize) -> Self {
        Self { mass: vec![0.0; k * LANES], first: vec![0.0; k * d * LANES], square: [0.0; LANES] }
    }

    #[inline(always)]
    fn add(&mut self, kernel: &Kernel, x: &[f32]) {
        let d = kernel.d;
        let rows = kernel.r.chunks_exact(TILE).zip(kernel.squares.chunks_exact(TILE));
        for ((r, square), (mass, first)) in rows.zip(self.mass.chunks_exact_mut(LANES).zip(self.first.chunks_exact_mut(d * LANES))) {
            for part in 0..TILE / LANES {
                for lane in 0..LANES {
                    mass[lane] += r[part * LANES + lane];
                    self.square[lane] += r[part * LANES + lane] * square[part * LANES + lane];
                }
            }
            for (x, sum) in x.chunks_exact(TILE).zip(first.chunks_exact_mut(LANES)) {
                let mut lanes = [0.0f32; LANES];
                for part in 0..TILE / LANES {
                    for lane in 0..LANES {
                        lanes[lane] += r[part * LANES + lane] * x[part * LANES + lane];
                    }
                }
                for lane in 0..LANES {
                    sum[lane] += lanes[lane];
                }
            }
        }
    }

    /// Moves the sums to double precision.
    fn flush(&mut self, sums: &mut Sums) {
        let total = |lanes: &[f32]| lanes.iter().map(|v| f64::from(*v)).sum::<f64>();
        sums.mass.iter_mut().zip(self.mass.chunks_exact(LANES)).for_each(|(sum, lanes)| *sum += total(lanes));
        sums.first.iter_mut().zip(self.first.chunks_exact(LANES)).for_each(|(sum, lanes)| *sum += total(lanes));
        sums.square += total(&self.square);
        self.mass.fill(0.0);
        self.first.fill(0.0);
        self.square = [0.0; LANES];
    }
}

impl Sums {
    fn zero(k: usize, d: usize) -> Self {
        Self { log_likelihood: 0.0, mass: vec![0.0; k], first: vec![0.0; k * d], square: 0.0 }
    }

    fn add(mut self, other: &Sums) -> Sums {
        self.log_likelihood += other.log_likelihood;
        self.square += other.square;
        self.mass.iter_mut().zip(&other.mass).for_each(|(a, b)| *a += b);
        self.first.iter_mut().zip(&other.first).for_each(|(a, b)| *a += b);
        self
    }
}

/// The sums over all samples.
pub fn sums(tiles: &Tiles, mixture: &GaussianMixture) -> Sums {
    sums_until(tiles, mixture, &AtomicBool::new(false))
}

/// The same; once `interrupted`, the remaining tiles are skipped and the sums are useless.
pub fn sums_until(tiles: &Tiles, mixture: &GaussianMixture, interrupted: &AtomicBool) -> Sums {
    let (k, d) = (mixture.n_components(), tiles.d);
    let jobs: Vec<Sums> = (0..tiles.n_tiles().div_ceil(RUN * RUNS_PER_JOB))
        .into_par_iter()
        .map(|job| {
            let (mut kernel, mut lanes, mut sums) = (Kernel::new(mixture), Lanes::new(k, d), Sums::zero(k, d));
            let last = tiles.n_tiles().min((job + 1) * RUN * RUNS_PER_JOB);
            let is_interrupted = interrupted.load(Ordering::Relaxed);
            let last = if is_interrupted { 0 } else { last };
            for first in (job * RUN * RUNS_PER_JOB..last).step_by(RUN) {
                for i in first..last.min(first + RUN) {
                    let count = tiles.count(i);
                    vectorised(
                        #[inline(always)]
                        || {
                            kernel.responsibilities(tiles.tile(i));
                            kernel.blank(count);
                            lanes.add(&kernel, tiles.tile(i));
                        },
                    );
                    sums.log_likelihood += (0..count).map(|s| kernel.log_density(s)).sum::<f64>();
                }
                lanes.flush(&mut sums);
            }
            sums
        })
        .collect();
    jobs.iter().fold(Sums::zero(k, d), Sums::add)
}

/// ln p(x) of every sample, shape (n).
pub fn log_densities(tiles: &Tiles, mixture: &GaussianMixture) -> Vec<f64> {
    let mut out = vec![0.0; tiles.n];
    out.par_chunks_mut(TILE * RUN).enumerate().for_each(|(job, out)| {
        let mut kernel = Kernel::new(mixture);
        for (i, out) in out.chunks_mut(TILE).enumerate() {
            vectorised(
                #[inline(always)]
                || kernel.responsibilities(tiles.tile(job * RUN + i)),
            );
            out.iter_mut().enumerate().for_each(|(s, out)| *out = kernel.log_density(s));
        }
    });
    out
}

/// The mixture's posterior means of the centre after heat flow of time `t`, at rows `y` (m, d).
pub fn posterior_means(y: &[f32], mixture: &GaussianMixture, t: f64) -> Vec<f32> {
    let d = mixture.n_features();
    let variance = mixture.variance() + t;
    let mut out = vec![0.0f32; y.len()];
    out.par_chunks_exact_mut(d).zip(y.par_chunks_exact(d)).for_each(|(out, y)| {
        let row: Vec<f64> = y.iter().map(|v| f64::from(*v)).collect();
        let logit = |l: usize| mixture.weights()[l].ln() - 0.5 * crate::mixture::squared_distance(mixture.mean(l), &row) / variance;
        let logits: Vec<f64> = (0..mixture.n_components()).map(logit).collect();
        let peak = logits.iter().fold(f64::NEG_INFINITY, |a, b| a.max(*b));
        let mass: f64 = logits.iter().map(|v| (v - peak).exp()).sum();
        for (l, logit) in logits.iter().enumerate() {
            let r = (logit - peak).exp() / mass;
            out.iter_mut().zip(mixture.mean(l)).for_each(|(out, m)| *out += (r * m) as f32);
        }
    });
    out
}
