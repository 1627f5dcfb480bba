//! What the metrics need of one stratum: ½|a|², ln p − ln q and the excess, averaged over groups.

use super::session::{Pair, Samples};
use super::shifted::Shifted;
use super::tile::Tile;
use crate::objective::divergence::Side;
use crate::objective::groups::BLOCK;

/// Means over each group of stratum i of `from`.
pub fn measure_stratum(pair: &Pair, from: Side, i: usize, samples: &Samples) -> Vec<[f64; 3]> {
    let [p, q] = pair.shifted(from, i);
    let (groups, n) = (samples.groups, samples.groups.n_samples);
    let mut sums = vec![[0.0; 3]; groups.n_groups];
    let mut tile = pair.tile();
    for first in (0..n).step_by(BLOCK) {
        tile.fill(&samples.draws(i), first, BLOCK.min(n - first), &p, &q);
        for s in 0..tile.m {
            let log_ratio = log_ratio(&tile, s, &p, &q);
            let excess = 1.0 - if from == Side::Student { (-log_ratio).exp() } else { log_ratio.exp() };
            let sums = &mut sums[(first + s) / groups.group_size];
            sums[0] += f64::from(tile.half_square[s]);
            sums[1] += log_ratio;
            sums[2] += excess.max(0.0);
        }
    }
    sums.iter().enumerate().map(|(g, sums)| sums.map(|sum| sum / samples.mass(g))).collect()
}

/// ln p − ln q at sample s: both log-sum-exps are relative to their origins' own log-densities.
fn log_ratio(tile: &Tile, s: usize, p: &Shifted, q: &Shifted) -> f64 {
    let mut inner = 0.0;
    for c in 0..tile.rank {
        let (e, f, z) = (f64::from(p.e[c]), f64::from(q.e[c]), f64::from(tile.z[c * tile.ld + s]));
        inner += (e - f) * (e + f + 2.0 * z);
    }
    (tile.student.log_sum(s) + p.log_weight) - (tile.teacher.log_sum(s) + q.log_weight) - 0.5 * inner
}
