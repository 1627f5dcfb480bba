//! Where a stratum's samples come from: counter-based draws, with or without their negatives, or a table of nodes.

use super::lanes::{self, LANES, vectorised};
use super::nets;
use crate::objective::divergence::Sampler;

/// The samples of one stratum.
pub struct Draws<'a> {
    pub key: [u32; 2],
    pub sampler: Sampler,
    pub step: u32,
    pub stratum: u32,
    /// Samples in a group: for Sobol points, in a net.
    pub group_size: usize,
    /// Reflections (m, rank) that turn Sobol points into the stratum's own axes.
    pub axes: Vec<f32>,
    /// Nodes (n, rank) and weights (n) of a grid.
    pub table: Option<(&'a [f32], &'a [f32])>,
}

impl Draws<'_> {
    /// Weights (m) and z (ld × rank, column-major) of samples first … first + m; ld ≥ m is a multiple of [`LANES`].
    pub fn fill(&self, first: usize, weight: &mut [f32], z: &mut [f32], ld: usize) {
        match self.table {
            None if self.sampler == Sampler::Sobol => {
                weight.fill(1.0);
                nets::fill(self, first, ld, z);
                nets::turn(&self.axes, ld, z);
            }
            None => self.draw(first, weight, z, ld),
            Some((nodes, weights)) => look_up(nodes, weights, first, weight, z, ld),
        }
    }

    fn draw(&self, first: usize, weight: &mut [f32], z: &mut [f32], ld: usize) {
        weight.fill(1.0);
        let antithetic = self.sampler == Sampler::Antithetic;
        let rank = z.len() / ld;
        vectorised(
            #[inline(always)]
            || {
                let mut normals = [[0.0; LANES]; 4];
                for block in 0..rank.div_ceil(4) {
                    for s in (0..ld).step_by(LANES) {
                        // Sixteen antithetic samples are the eight draws from half their index, each with both signs.
                        let index = if antithetic { (first + s) / 2 } else { first + s };
                        lanes::draw(self.key, self.step, self.stratum, index as u32, block as u32, &mut normals);
                        for (c, normals) in (4 * block..rank.min(4 * block + 4)).zip(&normals) {
                            let column = &mut z[c * ld + s..c * ld + s + LANES];
                            if antithetic {
                                for lane in 0..LANES {
                                    column[lane] = if lane % 2 == 0 { normals[lane / 2] } else { -normals[lane / 2] };
                                }
                            } else {
                                column.copy_from_slice(normals);
                            }
                        }
                    }
                }
            },
        );
    }
}

fn look_up(nodes: &[f32], weights: &[f32], first: usize, weight: &mut [f32], z: &mut [f32], ld: usize) {
    let (m, rank) = (weight.len(), z.len() / ld);
    weight.copy_from_slice(&weights[first..first + m]);
    for c in 0..rank {
        for s in 0..ld {
            z[c * ld + s] = if s < m { nodes[(first + s) * rank + c] } else { 0.0 };
        }
    }
}
