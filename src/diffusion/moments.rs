//! One pass of a mixture with covariances of any kind over tiles, in double precision: log-likelihood, and the sums that EM needs.
//!
//! Means are subtracted before anything is squared. Sums run in lanes over a tile and then in the order of the tiles; how many jobs there
//! are depends on the sizes alone: the same bits for any number of threads.

use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;

use super::moment_sums::Moments;
use super::moments_kernel::Kernel;
use super::tiles::{TILE, Tiles};
use crate::mixture::Mixture;

/// Jobs at the most, and numbers that all of them hold together.
const MOST_JOBS: usize = 256;
const MOST_NUMBERS: usize = 1 << 25;
/// Tiles between two looks at whether to stop.
const RUN: usize = 16;

/// The sums over all samples.
pub fn moments(tiles: &Tiles, mixture: &Mixture) -> Moments {
    moments_until(tiles, mixture, &AtomicBool::new(false))
}

/// The same; once `interrupted`, what is left is passed over, and the sums are of no use.
pub fn moments_until(tiles: &Tiles, mixture: &Mixture, interrupted: &AtomicBool) -> Moments {
    let zero = Moments::zero(mixture.covariance_kind(), mixture.n_components(), tiles.d);
    let most = (MOST_NUMBERS / (zero.second.len() + zero.first.len())).clamp(1, MOST_JOBS);
    let share = tiles.n_tiles().div_ceil(most).max(RUN);
    let jobs: Vec<Moments> = (0..tiles.n_tiles().div_ceil(share))
        .into_par_iter()
        .map(|job| {
            let (mut kernel, mut sums) = (Kernel::new(mixture), zero.clone());
            let last = tiles.n_tiles().min((job + 1) * share);
            for first in (job * share..last).step_by(RUN) {
                if interrupted.load(Ordering::Relaxed) {
                    break;
                }
                for i in first..last.min(first + RUN) {
                    kernel.responsibilities(tiles.tile(i));
                    let count = tiles.count(i);
                    sums.log_likelihood += (0..count).map(|s| kernel.log_density(s)).sum::<f64>();
                    kernel.add_moments(tiles.tile(i), count, &mut sums);
                }
            }
            sums
        })
        .collect();
    jobs.iter().fold(zero, Moments::add).completed(mixture)
}

/// ln p(x) of every sample, shape (n).
pub fn log_densities(tiles: &Tiles, mixture: &Mixture) -> Vec<f64> {
    let mut out = vec![0.0; tiles.n];
    out.par_chunks_mut(TILE * RUN).enumerate().for_each(|(job, out)| {
        let mut kernel = Kernel::new(mixture);
        for (i, out) in out.chunks_mut(TILE).enumerate() {
            kernel.responsibilities(tiles.tile(job * RUN + i));
            out.iter_mut().enumerate().for_each(|(s, out)| *out = kernel.log_density(s));
        }
    });
    out
}
