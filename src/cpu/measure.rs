//! The averages for the metrics over one stratum: ½|a|², ln p − ln q and the excess, by groups.

use super::pair::{Pair, Samples};
use super::patch::Patch;
use super::strips::{STRIP, Strip};
use super::tile::{Scratch, Tile, rows_per_tile, with_scratch};
use crate::objective::divergence::Side;
use crate::vector::lanes::lanes;
use crate::vector::vector_fn;

/// Means over each group of stratum i of `from`; its draws are those of stratum `draws_as`.
pub(super) fn measure_stratum(pair: &Pair, from: Side, i: usize, draws_as: usize, samples: &Samples) -> Vec<[f64; 3]> {
    let patch = Patch::of_one(pair, from, i, draws_as);
    let (groups, n) = (samples.groups, samples.groups.n_samples);
    let mut sums = vec![[0.0; 3]; groups.n_groups];
    let most = rows_per_tile(&patch, pair.rank);
    for first in (0..n).step_by(most) {
        let tile = Tile::new(&patch, samples, 0..1, first..n.min(first + most));
        for (s, [half_square, log_ratio]) in with_scratch(|scratch| statistics(&tile, scratch)).into_iter().enumerate() {
            let excess = 1.0 - if from == Side::Student { (-log_ratio).exp() } else { log_ratio.exp() };
            let sums = &mut sums[(first + s) / groups.group_size];
            [half_square, log_ratio, excess.max(0.0)].iter().zip(sums).for_each(|(value, sum)| *sum += value);
        }
    }
    sums.iter().enumerate().map(|(g, sums)| sums.map(|sum| sum / samples.mass(g))).collect()
}

/// ½|a|² and ln p − ln q of each sample.
fn statistics(tile: &Tile, scratch: &mut Scratch) -> Vec<[f64; 2]> {
    let (sides, rank, ld) = (&tile.patch.sides, tile.rank(), tile.ld);
    let Scratch { z, work, v, energy, .. } = scratch;
    let z = tile.draw(z);
    let mut log_density = [0, 1].map(|_| vec![0.0; tile.rows]);
    for (((side, work), v), (energy, log_density)) in sides.iter().zip(work).zip(v.iter_mut()).zip(energy.iter_mut().zip(&mut log_density))
    {
        // The omitted columns change a density by less than 2⁻³² per component.
        tile.exponentials(side, side.faint, z, work);
        masses(work.e.take(ld * work.kept.len()), ld, tile.strips(), log_density);
        for (log_density, peak) in log_density.iter_mut().zip(&*work.c.take(ld)) {
            *log_density = side.top[0] + f64::from(*peak) * std::f64::consts::LN_2 + log_density.ln();
        }
        tile.posterior(side, work, v, energy);
    }
    // Each density is relative to that of a Gaussian at its side's origin.
    let mut squares = vec![0.0; tile.rows];
    difference_of_squares(&sides[0].centre, &sides[1].centre, z, tile.ldz, &mut squares);
    let [v, w] = v.each_mut().map(|v| &*v.take(ld * rank));
    let mut half_square = vec![0.0; tile.rows];
    half_squares(v, w, ld, &mut half_square);
    (0..tile.run.len()).map(|s| [half_square[s], log_density[0][s] - log_density[1][s] - 0.5 * squares[s]]).collect()
}

vector_fn! {
    /// out (rows) = ½|w − v|² for v, w (ld × rank).
    fn half_squares(v: &[f32], w: &[f32], ld: usize, out: &mut [f64]) {
        for (v, w) in v.chunks_exact(ld).zip(w.chunks_exact(ld)) {
            for ((o, v), w) in out.iter_mut().zip(v).zip(w) {
                let a = f64::from(w - v);
                *o += 0.5 * a * a;
            }
        }
    }
}

vector_fn! {
    /// Sums of exponentials (ld × m) of each row, in double precision: the rounding of a thousand equal terms in single precision is larger
    /// than ln p − ln q of nearly equal mixtures.
    fn masses(e: &[f32], ld: usize, strips: &[Strip], mass: &mut [f64]) {
        for column in e.chunks_exact(ld) {
            for strip in strips {
                let (e, mass) = (lanes::<STRIP>(column, strip.row), &mut mass[strip.row..strip.row + STRIP]);
                for i in 0..STRIP {
                    mass[i] += f64::from(e[i]);
                }
            }
        }
    }
}

vector_fn! {
    /// out (rows) = Σ_c (e_c − f_c)(e_c + f_c + 2z_c) over columns of z (ld × rank): |e + z|² − |f + z|².
    fn difference_of_squares(e: &[f32], f: &[f32], z: &[f32], ld: usize, out: &mut [f64]) {
        for ((e, f), z) in e.iter().zip(f).zip(z.chunks_exact(ld)) {
            let (e, f) = (f64::from(*e), f64::from(*f));
            for (o, z) in out.iter_mut().zip(z) {
                *o += (e - f) * (e + f + 2.0 * f64::from(*z));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In single precision a sum of a thousand equal terms is a few millionths too low, which is more than nearly equal mixtures differ by.
    #[test]
    fn the_mass_of_many_components_is_not_rounded_to_one_side() {
        let (m, term) = (1024, 0.496_585_3f32);
        let mut e = vec![term; m * STRIP];
        e[..STRIP].fill(1.0);
        let mut mass = vec![0.0; STRIP];
        masses(&e, STRIP, &[Strip { row: 0, stratum: 0, low: (0, 1.0), high: (8, 1.0) }], &mut mass);
        let exact = 1.0 + (m - 1) as f64 * f64::from(term);
        assert!(mass.iter().all(|mass| (mass - exact).abs() <= 1e-12 * exact), "{} for {exact}", mass[0]);
        let single = (1..m).fold(1.0f32, |sum, _| sum + term);
        assert!((f64::from(single) - exact).abs() > 1e-7 * exact, "single precision would do: {single}");
    }
}
