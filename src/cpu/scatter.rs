//! Gradients in which every sample adds to every row: the forward gradient, and the score-function and pathwise forms of the reverse one.
//!
//! ```text
//! row l += weight · rₗ( a + (⟨μₗ−M, a⟩ + extra)(x−μₗ) )        x = centre + z, extra = ½|a|² or 0
//! row i += weight · (C_p − C_q)a                               pathwise alone, i the sample's own stratum
//! ```
//!
//! For the samples of a tile these are two products, Rᵀa + Hᵀz with H = r∘(…), and the sums of H's columns times (centre − μₗ). The same
//! sums are the coefficients of C_p a.

use std::ops::Range;

use rayon::prelude::*;

use super::coefficients;
use super::pair::{Pair, Samples};
use super::patch::{Patch, plan};
use super::strips::{STRIP, Strip};
use super::table::{InnerProducts, add_combination};
use super::tile::{KEEP_ALL, Scratch, Tile, rows_of, rows_per_tile, with_scratch};
use crate::objective::divergence::Side;
use crate::objective::form::Form;
use crate::vector::lanes::{lanes, lanes_mut};
use crate::vector::vector_fn;

/// Blocks whose results wait in memory until they are added in order.
const BATCH: usize = 64;

/// The approximate size of the tables of patches that are built together.
const NUMBERS: usize = 1 << 23;

/// Averages over each group.
pub(super) struct ScatterSums {
    /// (G, k, rank)
    pub gradients: Vec<f64>,
    /// ½|a|² and ½|c − N|² − ½|c − M|² for the stratum's centre c, each (C, G).
    pub statistics: [Vec<f64>; 2],
}

/// The sums of one block of samples over the strata of some patches.
struct Block {
    gradient: Vec<f64>,
    /// One entry for each stratum.
    statistics: Vec<[f64; 2]>,
}

struct Pass<'a> {
    pair: &'a Pair<'a>,
    samples: &'a Samples,
    form: Form,
}

/// One replicate's gradient.
pub(super) fn scatter(pair: &Pair, samples: &Samples, form: Form) -> ScatterSums {
    let (groups, from) = (samples.groups, form.strata());
    let (row, n) = (pair.side(Side::Student).means.len(), groups.n_samples);
    let mut sums = ScatterSums {
        gradients: vec![0.0; groups.n_groups * row],
        statistics: [0, 1].map(|_| vec![0.0; pair.side(from).len() * groups.n_groups]),
    };
    let blocks: Vec<Range<usize>> = (0..n).step_by(groups.block_size()).map(|first| first..n.min(first + groups.block_size())).collect();
    let pass = Pass { pair, samples, form };
    let plans = plan(pair, from, rows_of(groups.block_size().min(n), samples.mirrored()), &[], false);
    let together = (NUMBERS / (row + pair.side(Side::Teacher).means.len())).max(1);
    for plans in plans.chunks(together) {
        let patches: Vec<Patch> = plans.par_iter().map(|plan| Patch::new(pair, from, plan, &[], |_, _| InnerProducts::FromMeans)).collect();
        for batch in blocks.chunks(BATCH) {
            let parts: Vec<Block> = batch.par_iter().map(|run| with_scratch(|scratch| pass.block(&patches, run, scratch))).collect();
            for (run, part) in batch.iter().zip(&parts) {
                sums.add(part, plans[0].strata.start, run.start / groups.group_size, samples);
            }
        }
    }
    sums
}

impl ScatterSums {
    /// Adds a block of group g over the strata from `first` on.
    fn add(&mut self, block: &Block, first: usize, g: usize, samples: &Samples) {
        let (mass, n_groups, row) = (samples.mass(g), samples.groups.n_groups, block.gradient.len());
        self.gradients[g * row..(g + 1) * row].iter_mut().zip(&block.gradient).for_each(|(o, v)| *o += v / mass);
        for (i, values) in (first..).zip(&block.statistics) {
            self.statistics.iter_mut().zip(values).for_each(|(sums, v)| sums[i * n_groups + g] += v / mass);
        }
    }
}

impl Pass<'_> {
    /// The sums of one block of samples over all strata of these patches.
    fn block(&self, patches: &[Patch], run: &Range<usize>, scratch: &mut Scratch) -> Block {
        let mut out = Block { gradient: vec![0.0; self.pair.side(Side::Student).means.len()], statistics: Vec::new() };
        for patch in patches {
            let together = (rows_per_tile(patch, self.pair.rank) / rows_of(run.len(), self.samples.mirrored())).max(1);
            for first in (0..patch.strata.len()).step_by(together) {
                let strata = first..patch.strata.len().min(first + together);
                self.tile(&Tile::new(patch, self.samples, strata, run.clone()), scratch, &mut out);
            }
        }
        out
    }

    /// Adds the sums of one tile.
    fn tile(&self, tile: &Tile, scratch: &mut Scratch, out: &mut Block) {
        let (sides, ld, rank) = (&tile.patch.sides, tile.ld, self.pair.rank);
        let Scratch { z, weight, work, v, energy, half, h, .. } = scratch;
        let (z, weight) = (tile.draw(z), tile.weigh(weight));
        for s in [0, 1] {
            // A far row gets only its responsibilities, so none may be left out.
            tile.exponentials(&sides[s], KEEP_ALL, z, &mut work[s]);
            tile.posterior(&sides[s], &mut work[s], &mut v[s], &mut energy[s]);
        }
        let ([v, a], [p, q]) = (v.each_mut().map(|v| v.take(ld * rank)), work);
        let (half, energy) = (half.take(ld), energy[0].take(ld));
        let centres = sides.each_ref().map(|side| &side.centre[..]);
        residual(v, a, ld, rank, tile.strips(), centres, [p.c.take(ld), q.c.take(ld)], half, energy);
        self.add_statistics(tile, weight, [half, energy], out);

        let strata = tile.patch.strata.start + tile.strata.start..tile.patch.strata.start + tile.strata.end;
        let weights = &self.pair.side(self.form.strata()).weights[strata.clone()];
        let heaviest = weights.iter().copied().fold(0.0, f64::max);
        let shares: Vec<f32> = weights.iter().map(|w| (w / heaviest) as f32).collect();
        tile.project(&sides[0], p, a);
        let m = sides[0].m;
        let (h, u) = (h.take(tile.ldz * m), &*p.x.take(ld * m));
        let (e, factor, c) = (p.e.take(ld * m), p.inverse.take(ld), p.c.take(ld));
        scale(tile.strips(), tile.rows, weight, &shares, factor);
        if self.form == Form::ScoreFunction {
            c.iter_mut().zip(&*half).for_each(|(c, half)| *c -= half);
        }
        let mut sums = vec![0.0; m * shares.len()];
        for (t, sums) in sums.chunks_exact_mut(m).enumerate() {
            weigh(tile.strips_of(t), factor, c, u, ld, e, h, tile.ldz, sums);
        }
        let mut rows = vec![0.0; m * rank];
        tile.transposed_products([e, a, h, z], &mut rows);
        sums.iter_mut().for_each(|sum| *sum *= heaviest);
        let centres: Vec<f64> = sides[0].centre[tile.strata.start * rank..tile.strata.end * rank].iter().map(|e| f64::from(*e)).collect();
        let list = tile.patch.lists[0].as_deref();
        add_rows(heaviest, &rows, &sides[0].epsilon, &sums, &centres, list, rank, &mut out.gradient);

        if self.form == Form::Pathwise {
            tile.project(&sides[1], q, a);
            let columns = tile.columns(&sides[1], q);
            let mut of_teacher = vec![0.0; columns.kept.len()];
            for (t, (i, sums)) in strata.zip(sums.chunks_exact(m)).enumerate() {
                coefficients::of_covariance(&columns, tile.strips_of(t), weight, &mut of_teacher);
                let of_teacher: Vec<f64> = of_teacher.iter().map(|b| -weights[t] * f64::from(*b)).collect();
                let row = &mut out.gradient[i * rank..(i + 1) * rank];
                add_combination(sums, &sides[0].epsilon, row);
                add_combination(&of_teacher, &sides[1].epsilon, row);
            }
        }
    }

    /// Adds the statistics of each stratum.
    fn add_statistics(&self, tile: &Tile, weight: &[f32], values: [&[f32]; 2], out: &mut Block) {
        for t in 0..tile.strata.len() {
            let rows = t * tile.rows..(t + 1) * tile.rows;
            let sum = |values: &[f32]| rows.clone().map(|row| f64::from(weight[row]) * f64::from(values[row])).sum::<f64>();
            out.statistics.push(values.map(sum));
        }
    }
}

vector_fn! {
    /// w (ld × rank) becomes a = w − v; c are ⟨centre − v, a⟩ and ⟨centre − w, a⟩; half is ½|a|², energy ½(|w|² − |v|²).
    fn residual(
        v: &[f32],
        w: &mut [f32],
        ld: usize,
        rank: usize,
        strips: &[Strip],
        centres: [&[f32]; 2],
        c: [&mut [f32]; 2],
        half: &mut [f32],
        energy: &mut [f32],
    ) {
        let [c_p, c_q] = c;
        for strip in strips {
            let [e_p, e_q] = centres.map(|centre| &centre[strip.stratum * rank..][..rank]);
            let (mut along_p, mut along_q, mut square, mut difference) = ([0.0; STRIP], [0.0; STRIP], [0.0; STRIP], [0.0; STRIP]);
            for axis in 0..rank {
                let (v, w) = (lanes::<STRIP>(v, axis * ld + strip.row), lanes_mut(w, axis * ld + strip.row));
                for i in 0..STRIP {
                    let a: f32 = w[i] - v[i];
                    along_p[i] = (e_p[axis] - v[i]).mul_add(a, along_p[i]);
                    along_q[i] = (e_q[axis] - w[i]).mul_add(a, along_q[i]);
                    square[i] = a.mul_add(a, square[i]);
                    difference[i] = (w[i] + v[i]).mul_add(a, difference[i]);
                    w[i] = a;
                }
            }
            *lanes_mut(c_p, strip.row) = along_p;
            *lanes_mut(c_q, strip.row) = along_q;
            *lanes_mut(half, strip.row) = square.map(|v| 0.5 * v);
            *lanes_mut(energy, strip.row) = difference.map(|v| 0.5 * v);
        }
    }
}

/// inverse (ld) becomes weight·factor/Σe, with a factor for each stratum.
fn scale(strips: &[Strip], rows: usize, weight: &[f32], shares: &[f32], inverse: &mut [f32]) {
    for strip in strips {
        let share = shares[strip.row / rows];
        let (weight, inverse) = (lanes::<STRIP>(weight, strip.row), lanes_mut(inverse, strip.row));
        for i in 0..STRIP {
            inverse[i] *= share * weight[i];
        }
    }
}

vector_fn! {
    /// For the rows of one stratum: e (ld × m) becomes R = e·factor, and h (ldz × m) becomes H = R∘(u − c); for antithetic pairs it is the
    /// H of the draw less that of its negative. The column sums of H are taken before that difference.
    fn weigh(
        strips: &[Strip],
        factor: &[f32],
        c: &[f32],
        u: &[f32],
        ld: usize,
        e: &mut [f32],
        h: &mut [f32],
        ldz: usize,
        sums: &mut [f64],
    ) {
        for (l, sum) in sums.iter_mut().enumerate() {
            let mut total = [0.0f64; STRIP];
            for strip in strips {
                let (factor, c) = (lanes::<STRIP>(factor, strip.row), lanes::<STRIP>(c, strip.row));
                let (u, e) = (lanes::<STRIP>(u, l * ld + strip.row), lanes_mut(e, l * ld + strip.row));
                let mut all = [0.0f32; STRIP];
                for i in 0..STRIP {
                    e[i] *= factor[i];
                    all[i] = e[i] * (u[i] - c[i]);
                    total[i] += f64::from(all[i]);
                }
                let column = &mut h[l * ldz..][..ldz];
                put(column, strip.low, lanes::<8>(&all, 0));
                put(column, strip.high, lanes::<8>(&all, 8));
            }
            *sum = total.iter().sum();
        }
    }
}

/// Writes the numbers of drawn rows; those of their negatives, which come later, are subtracted.
#[inline(always)]
fn put(column: &mut [f32], (row, sign): (usize, f32), values: &[f32; 8]) {
    let out: &mut [f32] = &mut column[row..row + 8];
    for i in 0..8 {
        out[i] = if sign > 0.0 { values[i] } else { out[i] - values[i] };
    }
}

vector_fn! {
    /// Row l of the gradient += heaviest·rows_l + Σ h_l(e − ε_l) over the strata, for sums h (strata, m) and centres e (strata, rank);
    /// `list` maps table rows to gradient rows.
    fn add_rows(
        heaviest: f64,
        rows: &[f32],
        epsilon: &[f32],
        sums: &[f64],
        centres: &[f64],
        list: Option<&[u32]>,
        rank: usize,
        gradient: &mut [f64],
    ) {
        let m = rows.len() / rank;
        for l in 0..m {
            let component = list.map_or(l, |list| list[l] as usize);
            let (out, rows, epsilon) = (&mut gradient[component * rank..][..rank], &rows[l * rank..][..rank], &epsilon[l * rank..][..rank]);
            let total: f64 = sums.iter().skip(l).step_by(m).sum();
            for c in 0..rank {
                out[c] += heaviest * f64::from(rows[c]) - total * f64::from(epsilon[c]);
            }
            for (sums, centre) in sums.chunks_exact(m).zip(centres.chunks_exact(rank)) {
                for c in 0..rank {
                    out[c] += sums[l] * centre[c];
                }
            }
        }
    }
}
