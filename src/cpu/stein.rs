//! The Stein gradient: draws → products → softmax → coefficients, tile by tile through the strata of a patch.
//!
//! ```text
//! ∂L/∂μᵢ = wᵢ( Σ_l A_l μ_l − Σ_j B_j m_j )        A_l = Eᵢ[ r_l(1 + ⟨μ_l − M, μᵢ − M⟩) ],  Σ A_l = 1
//! ```
//!
//! Samples accumulate coefficients, not gradients. Of antithetic pairs one half is drawn and multiplied: the logits of −z are
//! those of z with the sign of the product turned.

use std::cell::RefCell;
use std::ops::Range;
use std::sync::Arc;

use faer::{Accum, MatMut, MatRef};
use rayon::prelude::*;

use super::pair::Samples;
use super::patch::Patch;
use super::product;
use super::strips::{self, Columns, STRIP, Strip};
use super::table::{Form, Table};
use crate::objective::divergence::Sampler;
use crate::vector::Buffer;

/// Tiles that one task works through before it hands its sums back, and tasks whose sums wait for their turn.
const TILES_PER_TASK: usize = 8;
const TASKS_PER_BATCH: usize = 16;

/// Most rows of a tile: sums in single precision have at most so many terms.
const MOST_ROWS: usize = 256;

/// What the rows of one stratum in one tile gave to one group: coefficients and ½|a|².
struct Block {
    stratum: usize,
    group: usize,
    sides: Vec<Part>,
    /// In the score-function form Σ (½|μᵢ−N|² − ½|μᵢ−M|² − level)·z; empty where rows are not blended.
    z: Vec<f32>,
    half_square: f32,
}

/// Coefficients of one side.
struct Part {
    /// The components that have any.
    kept: Arc<[u32]>,
    /// Σ r_l(1 + ⟨μ_l − M, μᵢ − M⟩).
    stein: Vec<f32>,
    /// Σ r_l; empty where rows are not blended.
    score: Vec<f32>,
}

/// What a stratum's samples gave, without its weight; G′ = G or, merged, 1.
pub struct StratumSums {
    /// (G′, rank)
    pub rows: Vec<f64>,
    /// ½|a|² (G′)
    pub half_square: Vec<f64>,
}

/// How the samples of a step become sums.
#[derive(Clone, Copy)]
pub struct Pass<'a> {
    pub samples: &'a Samples,
    pub rank: usize,
    /// One sum of all groups, instead of one for each.
    pub merged: bool,
    /// ½|a|² too, which only the two-product form can give.
    pub with_square: bool,
}

/// Buffers of a thread, kept from tile to tile.
#[derive(Default)]
struct Scratch {
    z: Buffer,
    x: Buffer,
    e: Buffer,
    v: [Buffer; 2],
    inverse: Buffer,
    c: Buffer,
    energy: [Buffer; 2],
    weight: Buffer,
    masked: Buffer,
    kept: Vec<u32>,
    /// ε, inner and squares of the components that a tile keeps.
    tables: [Buffer; 3],
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Rows of one stratum for `n` samples: whole strips, where each half of antithetic pairs is whole eights.
pub fn rows_of(n: usize, mirrored: bool) -> usize {
    if mirrored { 2 * (n / 2).next_multiple_of(STRIP / 2) } else { n.next_multiple_of(STRIP) }
}

impl Pass<'_> {
    pub fn mirrored(&self) -> bool {
        self.samples.sampler == Sampler::Antithetic
    }

    /// Samples that go through together: few enough for a tile's numbers to stay in cache, unless products outweigh the loops.
    fn rows_per_tile(&self, patch: &Patch) -> usize {
        let components = patch.sides[0].m + patch.sides[1].m;
        let cached = (1usize << 17) * (self.rank / 64).max(1) / components;
        let most = if cached == 0 { 1 } else { 1 << cached.ilog2() };
        most.clamp(64, MOST_ROWS)
    }

    /// What each stratum's samples give.
    pub fn run(&self, patch: &Patch) -> Vec<StratumSums> {
        let n = self.samples.groups.n_samples;
        let n_groups = if self.merged { 1 } else { self.samples.groups.n_groups };
        let tiles = self.tiles(patch);
        let n_rows = patch.strata.len() * n_groups;
        let zeros = || [patch.sides[0].m, patch.sides[1].m].map(|m| vec![0.0; n_rows * m]);
        let (mut sums, mut score_sums) = (zeros(), if patch.is_blended() { zeros() } else { Default::default() });
        let mut energies = vec![0.0; if patch.is_blended() { n_rows * self.rank } else { 0 }];
        let mut squares = vec![0.0; n_rows];
        for batch in tiles.chunks(TILES_PER_TASK * TASKS_PER_BATCH) {
            let work = |tiles: &[(Range<usize>, Range<usize>)]| -> Vec<Block> {
                SCRATCH.with_borrow_mut(|scratch| {
                    tiles.iter().flat_map(|(strata, run)| self.tile(patch, strata.clone(), run.clone(), scratch)).collect()
                })
            };
            let blocks: Vec<Vec<Block>> =
                if batch.len() <= TILES_PER_TASK { vec![work(batch)] } else { batch.par_chunks(TILES_PER_TASK).map(work).collect() };
            for block in blocks.iter().flatten() {
                let at = block.stratum * n_groups + block.group;
                let mass = match (&self.samples.table, self.merged) {
                    (Some(_), _) => 1.0,
                    (None, true) => n as f64,
                    (None, false) => self.samples.mass(block.group),
                };
                let share = 1.0 / mass;
                for (s, part) in block.sides.iter().enumerate() {
                    let first = at * patch.sides[s].m;
                    let add = |sums: &mut [f64], values: &[f32]| {
                        part.kept.iter().zip(values).for_each(|(l, v)| sums[first + *l as usize] += share * f64::from(*v));
                    };
                    add(&mut sums[s], &part.stein);
                    add(&mut score_sums[s], &part.score);
                }
                energies[at * block.z.len()..].iter_mut().zip(&block.z).for_each(|(o, v)| *o += share * f64::from(*v));
                squares[at] += share * f64::from(block.half_square);
            }
        }
        let mut rows = combined(patch, &sums);
        if patch.is_blended() {
            let mut score_rows = combined(patch, &score_sums);
            score_rows.iter_mut().zip(&energies).for_each(|(v, z)| *v += z);
            let pairs = rows.chunks_exact_mut(self.rank).zip(score_rows.chunks_exact(self.rank));
            for (at, (row, score)) in pairs.enumerate() {
                patch.blends[at / n_groups].iter().for_each(|blend| blend.apply(row, score));
            }
        }
        rows.chunks_exact(n_groups * self.rank)
            .zip(squares.chunks_exact(n_groups))
            .map(|(rows, squares)| StratumSums { rows: rows.to_vec(), half_square: squares.to_vec() })
            .collect()
    }

    /// The patch cut into tiles: a run of samples of one stratum, or all samples of several strata.
    fn tiles(&self, patch: &Patch) -> Vec<(Range<usize>, Range<usize>)> {
        let (n, most) = (self.samples.groups.n_samples, self.rows_per_tile(patch));
        let rows = rows_of(n, self.mirrored());
        if rows < most {
            let together = most / rows;
            let strata = patch.strata.len();
            return (0..strata).step_by(together).map(|first| (first..strata.min(first + together), 0..n)).collect();
        }
        let runs = |stratum: usize| (0..n).step_by(most).map(move |first| (stratum..stratum + 1, first..n.min(first + most)));
        (0..patch.strata.len()).flat_map(runs).collect()
    }

    fn tile(&self, patch: &Patch, strata: Range<usize>, run: Range<usize>, scratch: &mut Scratch) -> Vec<Block> {
        let mirrored = self.mirrored();
        let rows = rows_of(run.len(), mirrored);
        let drawn = if mirrored { rows / 2 } else { rows };
        let (ld, ldz) = (padded(strata.len() * rows), padded(strata.len() * drawn));
        let Scratch { z, x, e, v, inverse, c, energy, weight, masked, kept, tables } = scratch;
        let z = z.take(ldz * self.rank);
        for (t, stratum) in strata.clone().enumerate() {
            let first = if mirrored { run.start / 2 } else { run.start };
            self.samples.draws(patch.strata.start + stratum).distinct(first, drawn, &mut z[t * drawn..], ldz);
        }
        let strips = cut(&strata, rows, drawn);
        let weight = weight.take(ld);
        weight.fill(0.0);
        for t in 0..strata.len() {
            self.weigh(&run, drawn, &mut weight[t * rows..(t + 1) * rows]);
        }
        let parts = self.parts(&run, drawn, rows);
        let mut blocks: Vec<Block> = strata
            .clone()
            .flat_map(|stratum| {
                parts.iter().map(move |part| Block { stratum, group: part.0, sides: Vec::new(), z: Vec::new(), half_square: 0.0 })
            })
            .collect();
        let tile = Rows { ld, ldz, n: strata.len() * drawn, rank: self.rank, strips: &strips };
        for (s, side) in patch.sides.iter().enumerate() {
            let buffers = [&mut *x, &mut *e, &mut *inverse, &mut *c, &mut energy[s]];
            let columns = tile.side(side, self.with_square, z, buffers, &mut v[s], kept, tables);
            let m = columns.kept.len();
            for (t, stratum) in strata.clone().enumerate() {
                for (part, (_, range)) in parts.iter().enumerate() {
                    let (strips, weight) = select(&strips, rows, t, range, weight, masked);
                    let (mut stein, mut score) = (vec![0.0; m], vec![0.0; if patch.blends[stratum].is_some() { m } else { 0 }]);
                    let mass = patch.blends[stratum].is_some().then_some(&mut score[..]);
                    match side.form {
                        Form::Gram(_) if !self.with_square => strips::gram_coefficients(&columns, &strips, weight, &mut stein, mass),
                        _ => strips::product_coefficients(&columns, &strips, weight, &mut stein, mass),
                    }
                    blocks[t * parts.len() + part].sides.push(Part { kept: columns.kept.clone(), stein, score });
                }
            }
        }
        if self.with_square || patch.is_blended() {
            let energies = energy.each_mut().map(|energy| &*energy.take(ld));
            for t in 0..strata.len() {
                for (part, (_, range)) in parts.iter().enumerate() {
                    let (strips, weight) = select(&strips, rows, t, range, weight, masked);
                    let block = &mut blocks[t * parts.len() + part];
                    if self.with_square {
                        let [v, w] = v.each_mut().map(|v| &*v.take(ld * self.rank));
                        block.half_square = strips::half_square(v, w, ld, self.rank, &strips, weight);
                    }
                    if patch.blends[block.stratum].is_some() {
                        block.z = vec![0.0; self.rank];
                        strips::energy_sums(energies, &strips, weight, z, ldz, &mut block.z);
                    }
                }
            }
        }
        blocks
    }

    /// The weights of a stratum's rows; zero where there is no sample.
    fn weigh(&self, run: &Range<usize>, drawn: usize, weight: &mut [f32]) {
        if let Some((_, weights)) = &self.samples.table {
            weight[..run.len()].copy_from_slice(&weights[run.clone()]);
        } else if self.mirrored() {
            weight.chunks_exact_mut(drawn).for_each(|half| half[..run.len() / 2].fill(1.0));
        } else {
            weight[..run.len()].fill(1.0);
        }
    }

    /// The groups that a run of samples falls in, each with the rows (in a stratum's own) that are its samples.
    fn parts(&self, run: &Range<usize>, drawn: usize, rows: usize) -> Vec<(usize, Option<[Range<usize>; 2]>)> {
        let size = self.samples.groups.group_size;
        if self.merged {
            return vec![(0, None)];
        }
        if run.start / size == (run.end - 1) / size {
            return vec![(run.start / size, None)];
        }
        let mirrored = self.mirrored();
        (run.start / size..=(run.end - 1) / size)
            .map(|g| {
                let samples = (g * size).max(run.start) - run.start..((g + 1) * size).min(run.end) - run.start;
                let rows = if mirrored {
                    let pairs = samples.start / 2..samples.end / 2;
                    [pairs.clone(), drawn + pairs.start..drawn + pairs.end]
                } else {
                    [samples, rows..rows]
                };
                (g, Some(rows))
            })
            .collect()
    }
}

/// Σ A_l μ_l − Σ B_j m_j of each row of coefficients.
fn combined(patch: &Patch, sums: &[Vec<f64>; 2]) -> Vec<f64> {
    let [mut rows, q] = [0, 1].map(|s| patch.sides[s].combine(&sums[s]));
    rows.iter_mut().zip(&q).for_each(|(p, q)| *p -= q);
    rows
}

/// The rows of a tile.
struct Rows<'a> {
    ld: usize,
    ldz: usize,
    n: usize,
    rank: usize,
    strips: &'a [Strip],
}

impl Rows<'_> {
    /// Exponentials and what the coefficients need besides, of one mixture.
    #[allow(clippy::too_many_arguments)] // buffers of different lengths
    fn side<'b>(
        &self,
        side: &'b Table,
        products: bool,
        z: &[f32],
        [x, e, inverse, c, energy]: [&'b mut Buffer; 5],
        v: &mut Buffer,
        kept: &mut Vec<u32>,
        tables: &'b mut [Buffer; 3],
    ) -> Columns<'b> {
        let (ld, rank) = (self.ld, self.rank);
        let rows = self.strips.len() * STRIP;
        let matrix = |values, ld, rows, columns| MatRef::from_column_major_slice(values, ld, columns).subrows(0, rows);
        fn target(values: &mut [f32], ld: usize, rows: usize, columns: usize) -> MatMut<'_, f32> {
            MatMut::from_column_major_slice_mut(values, ld, columns).subrows_mut(0, rows)
        }
        let (inverse, c, energy, e) = (inverse.take(ld), c.take(ld), energy.take(ld), e.take(ld * side.m));
        let x = x.take(ld * side.m);
        product(
            target(&mut x[..self.ldz * side.m], self.ldz, self.n, side.m),
            Accum::Replace,
            matrix(&z[..self.ldz * rank], self.ldz, self.n, rank),
            MatRef::from_column_major_slice(&side.epsilon, rank, side.m),
        );
        strips::softmax(x, self.ldz, self.strips, &side.offset, side.m, side.faint, e, ld, c, inverse, kept);
        let (m, [epsilon, inner, squares]) = (kept.len(), tables);
        let (x, e) = (&mut x[..ld * m], &e[..ld * m]);
        let inner = side.inner_of(kept, inner);
        match &side.form {
            Form::Gram(table) if !products => {
                let squares = MatRef::from_column_major_slice(side.squares_of(table, kept, squares), m, m);
                product(target(x, ld, rows, m), Accum::Replace, matrix(e, ld, rows, m), squares);
                strips::gram_offsets(e, x, ld, self.strips, inner, m, inverse, c, energy);
            }
            _ => {
                let v = v.take(ld * rank);
                let epsilon = MatRef::from_column_major_slice(side.epsilon_of(kept, epsilon), rank, m); // rank × m
                product(target(v, ld, rows, rank), Accum::Replace, matrix(e, ld, rows, m), epsilon.transpose());
                strips::turn_to_centre(v, ld, self.strips, &side.centre, &side.level, rank, inverse, c, energy);
                product(target(x, ld, rows, m), Accum::Replace, matrix(v, ld, rows, rank), epsilon);
            }
        }
        Columns { ld, kept: kept.as_slice().into(), inner, e, u: x, inverse, c }
    }
}

/// Rows between columns: whole cache lines, and an odd number of them, so that columns do not fall on the same places of a cache.
fn padded(rows: usize) -> usize {
    rows.next_multiple_of(2 * STRIP) + STRIP
}

/// The strips of some strata with `rows` rows each, of which `drawn` are drawn and the rest are their negatives.
fn cut(strata: &Range<usize>, rows: usize, drawn: usize) -> Vec<Strip> {
    let source = |t: usize, row: usize| if row < drawn { (t * drawn + row, 1.0) } else { (t * drawn + row - drawn, -1.0) };
    strata
        .clone()
        .enumerate()
        .flat_map(|(t, stratum)| {
            (0..rows).step_by(STRIP).map(move |row| Strip {
                row: t * rows + row,
                stratum,
                low: source(t, row),
                high: source(t, row + STRIP / 2),
            })
        })
        .collect()
}

/// The strips of stratum t that hold the rows of `range`, and weights that are zero elsewhere; all of them for `None`.
fn select<'a>(
    strips: &[Strip],
    rows: usize,
    t: usize,
    range: &Option<[Range<usize>; 2]>,
    weight: &'a [f32],
    masked: &'a mut Buffer,
) -> (Vec<Strip>, &'a [f32]) {
    let own = &strips[t * rows / STRIP..(t + 1) * rows / STRIP];
    let Some(ranges) = range else { return (own.to_vec(), weight) };
    let masked = masked.take(weight.len());
    let mut chosen = Vec::new();
    for strip in own {
        let local = strip.row - t * rows;
        if ranges.iter().any(|range| range.start < local + STRIP && local < range.end) {
            for i in 0..STRIP {
                let inside = ranges.iter().any(|range| range.contains(&(local + i)));
                masked[strip.row + i] = if inside { weight[strip.row + i] } else { 0.0 };
            }
            chosen.push(*strip);
        }
    }
    (chosen, masked)
}
