//! What the metrics need of one stratum: ½|a|², ln p − ln q and the excess, averaged over groups.

use super::pair::{Pair, Samples};
use crate::objective::divergence::Side;
use crate::objective::groups::BLOCK;
use crate::vector::lanes;

/// Means over each group of stratum i of `from`, from the draws of stratum `address`.
pub fn measure_stratum(pair: &Pair, from: Side, i: usize, address: usize, samples: &Samples) -> Vec<[f64; 3]> {
    let [p, q] = pair.shifted(from, i);
    let (groups, n) = (samples.groups, samples.groups.n_samples);
    let mut sums = vec![[0.0; 3]; groups.n_groups];
    let mut tile = pair.tile();
    let mut squares = [0.0; BLOCK];
    for first in (0..n).step_by(BLOCK) {
        tile.fill(&samples.draws(address), first, BLOCK.min(n - first), &p, &q);
        let squares = &mut squares[..tile.m];
        lanes::difference_of_squares(&p.e, &q.e, &tile.z[..tile.ld * tile.rank], tile.ld, squares);
        for s in 0..tile.m {
            // Both log-sum-exps are relative to their origins' own log-densities.
            let log_ratio = (tile.student.log_sum(s) + p.log_weight) - (tile.teacher.log_sum(s) + q.log_weight) - 0.5 * squares[s];
            let excess = 1.0 - if from == Side::Student { (-log_ratio).exp() } else { log_ratio.exp() };
            let sums = &mut sums[(first + s) / groups.group_size];
            sums[0] += f64::from(tile.half_square[s]);
            sums[1] += log_ratio;
            sums[2] += excess.max(0.0);
        }
    }
    sums.iter().enumerate().map(|(g, sums)| sums.map(|sum| sum / samples.mass(g))).collect()
}
