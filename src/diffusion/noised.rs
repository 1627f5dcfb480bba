//! Points with fresh noise at a level, and their regression targets.

use rayon::prelude::*;

use crate::random::streams::{Purpose, key};
use crate::vector::lanes::{self, LANES, vectorised};

/// Noised points y = x ± √t·ξ and regression targets u = y + (σ²/t)(x − y) = x ∓ ξ/√t, both (m, rank), in pairs of one point and
/// one ξ with both signs.
///
/// E[u | y] is the posterior mean of the centre. The pairs cancel most of the target's noise of variance 1/t: at small t a smooth
/// function hardly differs between the two, so what is left of the noise does not grow as t falls.
#[derive(Debug, Clone)]
pub struct Noised {
    pub rank: usize,
    pub y: Vec<f32>,
    pub target: Vec<f32>,
}

/// Addresses the noise of one use at one level: draws of different levels or uses are independent.
#[derive(Debug, Clone, Copy)]
pub struct Address {
    pub seed: u64,
    pub level: u32,
    pub usage: u32,
}

impl Noised {
    /// `n_pairs` pairs at noise level `t` from `points` (n, rank), beginning at point `first` and starting over after the last.
    pub fn new(points: &[f32], rank: usize, t: f64, n_pairs: usize, first: usize, address: Address) -> Self {
        let n = points.len() / rank;
        let (spread, pull) = (t.sqrt() as f32, (1.0 / t.sqrt()) as f32);
        let key = key(address.seed, Purpose::LearnNoise, 0);
        let mut y = vec![0.0f32; 2 * n_pairs * rank];
        let mut target = y.clone();
        let chunks = y.par_chunks_mut(2 * LANES * rank).zip(target.par_chunks_mut(2 * LANES * rank));
        chunks.enumerate().for_each(|(chunk, (y, target))| {
            let mut normals = [[0.0; LANES]; 4];
            for block in 0..rank.div_ceil(4) {
                vectorised(
                    #[inline(always)]
                    || lanes::draw(key, address.level, address.usage, (chunk * LANES) as u32, block as u32, &mut normals),
                );
                for (pair, (y, target)) in y.chunks_exact_mut(2 * rank).zip(target.chunks_exact_mut(2 * rank)).enumerate() {
                    let x = &points[(first + chunk * LANES + pair) % n * rank..][..rank];
                    for c in 4 * block..rank.min(4 * block + 4) {
                        let z = normals[c % 4][pair];
                        (y[c], y[rank + c]) = (x[c] + spread * z, x[c] - spread * z);
                        (target[c], target[rank + c]) = (x[c] - pull * z, x[c] + pull * z);
                    }
                }
            }
        });
        Self { rank, y, target }
    }

    /// The number of points.
    pub fn len(&self) -> usize {
        self.y.len() / self.rank
    }

    pub fn is_empty(&self) -> bool {
        self.y.is_empty()
    }
}
