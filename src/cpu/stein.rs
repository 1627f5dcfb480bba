//! Gradients in which every row depends on its own stratum alone: Stein's form, or its blend with the score-function form.
//!
//! ```text
//! ∂L/∂μᵢ = wᵢ( Σ_l A_l μ_l − Σ_j B_j m_j )        A_l = Eᵢ[ r_l(1 + ⟨μ_l − M, μᵢ − M⟩) ],  Σ A_l = 1
//! ```
//!
//! Samples accumulate coefficients, not gradients.

use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;

use super::coefficients;
use super::gram::Gram;
use super::lists::List;
use super::pair::{Pair, Samples};
use super::patch::{Patch, Plan, plan};
use super::strips::{STRIP, Strip};
use super::table::{InnerProducts, Table};
use super::tile::{Scratch, Tile, Work, rows_of, rows_per_tile, with_scratch};
use crate::objective::divergence::Side;
use crate::vector::Buffer;

/// Tiles that one task works through before it returns its sums, and tasks whose sums wait to be added in order.
const TILES_PER_TASK: usize = 8;
const TASKS_PER_BATCH: usize = 16;

/// The sums of one stratum's rows in one tile for one group: coefficients and statistics.
struct Block {
    stratum: usize,
    group: usize,
    sides: Vec<Part>,
    /// In the score-function form Σ (½|μᵢ−N|² − ½|μᵢ−M|² − level)·z; empty if rows are not blended.
    z: Vec<f32>,
    /// Σ ½|a|² and Σ ½|μᵢ−N|² − ½|μᵢ−M|².
    statistics: [f32; 2],
}

/// Coefficients of one side.
struct Part {
    /// The components whose columns were kept.
    kept: Arc<[u32]>,
    /// Σ r_l(1 + ⟨μ_l − M, μᵢ − M⟩).
    stein: Vec<f32>,
    /// Σ r_l; empty if rows are not blended.
    score: Vec<f32>,
}

/// The sums of a stratum's samples, without its weight; G′ = G, or 1 if merged.
pub(super) struct StratumSums {
    /// (G′, rank)
    pub rows: Vec<f64>,
    /// ½|a|² and ½|μᵢ−N|² − ½|μᵢ−M|², each (G′); zero if groups are merged.
    pub statistics: [Vec<f64>; 2],
}

/// Rows of all strata, each of which uses its own of `lists` (empty: all).
///
/// `merged`: one sum over all groups, without statistics, instead of one sum for each. `blended`: rows blend both forms.
pub(super) fn rows(pair: &Pair, samples: &Samples, lists: &[[List; 2]], merged: bool, blended: bool) -> Vec<StratumSums> {
    let n = samples.groups.n_samples;
    let rows = if samples.weights().is_some() { usize::MAX } else { rows_of(n, samples.mirrored()) };
    // The statistics need posterior means.
    let gram = merged.then(|| Gram::new(pair, lists, n));
    let products = |side: Side, list: &List| gram.as_ref().map_or(InnerProducts::FromMeans, |gram| gram.inner_products(pair, side, list));
    let pass = Pass { samples, rank: pair.rank, merged };
    let run = |plan: &Plan| {
        let patch = Patch::new(pair, Side::Student, plan, lists, products);
        pass.run(&if blended { patch.blended(pair, n) } else { patch })
    };
    plan(pair, Side::Student, rows, lists, gram.as_ref().is_some_and(Gram::is_wide)).par_iter().flat_map_iter(run).collect()
}

/// The fixed inputs of a step: how its samples become sums.
struct Pass<'a> {
    samples: &'a Samples,
    rank: usize,
    merged: bool,
}

/// Sums over all samples of a patch; each has a row for every stratum and group.
struct Sums {
    /// Coefficients of both sides (rows, m) for Stein's form.
    stein: [Vec<f64>; 2],
    score: [Vec<f64>; 2],
    /// (rows, rank) if rows are blended.
    z: Vec<f64>,
    statistics: [Vec<f64>; 2],
}

impl Sums {
    fn zero(patch: &Patch, n_rows: usize, rank: usize) -> Self {
        let zeros = || [0, 1].map(|s| vec![0.0; n_rows * patch.sides[s].m]);
        let blended = patch.is_blended();
        Self {
            stein: zeros(),
            score: if blended { zeros() } else { Default::default() },
            z: vec![0.0; if blended { n_rows * rank } else { 0 }],
            statistics: [0, 1].map(|_| vec![0.0; n_rows]),
        }
    }

    /// row `at` += share·block.
    fn add(&mut self, patch: &Patch, at: usize, share: f64, block: &Block) {
        for (s, part) in block.sides.iter().enumerate() {
            let first = at * patch.sides[s].m;
            let add = |sums: &mut [f64], values: &[f32]| {
                part.kept.iter().zip(values).for_each(|(l, v)| sums[first + *l as usize] += share * f64::from(*v));
            };
            add(&mut self.stein[s], &part.stein);
            add(&mut self.score[s], &part.score);
        }
        self.z[at * block.z.len()..].iter_mut().zip(&block.z).for_each(|(o, v)| *o += share * f64::from(*v));
        self.statistics.iter_mut().zip(block.statistics).for_each(|(sums, v)| sums[at] += share * f64::from(v));
    }

    /// The rows of all strata, with `n_groups` each.
    fn finish(self, patch: &Patch, n_groups: usize, rank: usize) -> Vec<StratumSums> {
        let mut rows = combined(patch, &self.stein);
        if patch.is_blended() {
            let mut score_rows = combined(patch, &self.score);
            score_rows.iter_mut().zip(&self.z).for_each(|(v, z)| *v += z);
            let pairs = rows.chunks_exact_mut(rank).zip(score_rows.chunks_exact(rank));
            for (at, (row, score)) in pairs.enumerate() {
                patch.blends[at / n_groups].iter().for_each(|blend| blend.apply(row, score));
            }
        }
        rows.chunks_exact(n_groups * rank)
            .enumerate()
            .map(|(i, rows)| StratumSums {
                rows: rows.to_vec(),
                statistics: self.statistics.each_ref().map(|sums| sums[i * n_groups..(i + 1) * n_groups].to_vec()),
            })
            .collect()
    }
}

impl Pass<'_> {
    /// The sums of each stratum's samples.
    fn run(&self, patch: &Patch) -> Vec<StratumSums> {
        let n_groups = if self.merged { 1 } else { self.samples.groups.n_groups };
        let mut sums = Sums::zero(patch, patch.strata.len() * n_groups, self.rank);
        for batch in self.tiles(patch).chunks(TILES_PER_TASK * TASKS_PER_BATCH) {
            let work = |tiles: &[(Range<usize>, Range<usize>)]| -> Vec<Block> {
                let tile = |scratch: &mut Scratch, (strata, run): &(Range<usize>, Range<usize>)| {
                    self.tile(&Tile::new(patch, self.samples, strata.clone(), run.clone()), scratch)
                };
                with_scratch(|scratch| tiles.iter().flat_map(|cut| tile(scratch, cut)).collect())
            };
            let blocks: Vec<Vec<Block>> =
                if batch.len() <= TILES_PER_TASK { vec![work(batch)] } else { batch.par_chunks(TILES_PER_TASK).map(work).collect() };
            for block in blocks.iter().flatten() {
                let mass = if self.merged { self.samples.total_mass() } else { self.samples.mass(block.group) };
                sums.add(patch, block.stratum * n_groups + block.group, 1.0 / mass, block);
            }
        }
        sums.finish(patch, n_groups, self.rank)
    }

    /// The tiles of a patch: a run of samples of one stratum, or all samples of several strata.
    fn tiles(&self, patch: &Patch) -> Vec<(Range<usize>, Range<usize>)> {
        let (n, most) = (self.samples.groups.n_samples, rows_per_tile(patch, self.rank));
        let rows = rows_of(n, self.samples.mirrored());
        if rows < most {
            let together = most / rows;
            let strata = patch.strata.len();
            return (0..strata).step_by(together).map(|first| (first..strata.min(first + together), 0..n)).collect();
        }
        let runs = |stratum: usize| (0..n).step_by(most).map(move |first| (stratum..stratum + 1, first..n.min(first + most)));
        (0..patch.strata.len()).flat_map(runs).collect()
    }

    /// The sums of one tile, a block for each stratum and group.
    fn tile(&self, tile: &Tile, scratch: &mut Scratch) -> Vec<Block> {
        let (patch, parts) = (tile.patch, self.parts(tile));
        let Scratch { z, weight, masked, work: [work, _], v, energy, .. } = scratch;
        let (z, weight) = (tile.draw(z), tile.weigh(weight));
        let block = |stratum: usize, group: usize| Block { stratum, group, sides: Vec::new(), z: Vec::new(), statistics: [0.0; 2] };
        let mut blocks: Vec<Block> = tile.strata.clone().flat_map(|stratum| parts.iter().map(move |part| block(stratum, part.0))).collect();
        for (s, side) in patch.sides.iter().enumerate() {
            tile.exponentials(side, side.faint, z, work);
            self.products(tile, side, work, &mut v[s], &mut energy[s]);
            self.add_coefficients(tile, side, work, &parts, weight, masked, &mut blocks);
        }
        if self.merged && !patch.is_blended() {
            return blocks;
        }
        let energies = energy.each_mut().map(|energy| &*energy.take(tile.ld));
        let [v, w] = v.each_mut().map(|v| if self.merged { &[][..] } else { &*v.take(tile.ld * self.rank) });
        for (at, block) in blocks.iter_mut().enumerate() {
            let (strips, weight) = select(tile, at / parts.len(), &parts[at % parts.len()].1, weight, masked);
            if !self.merged {
                block.statistics = coefficients::statistics(v, w, tile.ld, self.rank, &strips, weight);
            }
            if patch.blends[block.stratum].is_some() {
                block.z = vec![0.0; self.rank];
                coefficients::energy_sums(energies, &strips, weight, z, tile.ldz, &mut block.z);
            }
        }
        blocks
    }

    /// The products that coefficients of one side need, from its exponentials.
    fn products(&self, tile: &Tile, side: &Table, work: &mut Work, v: &mut Buffer, energy: &mut Buffer) {
        match &side.products {
            InnerProducts::FromDistances(distances) => tile.gram(side, distances, work, energy),
            InnerProducts::FromMeans => {
                tile.posterior(side, work, v, energy);
                tile.project(side, work, v.take(tile.ld * self.rank));
            }
        }
    }

    /// Adds the coefficients of one side to every block.
    #[allow(clippy::too_many_arguments)] // a tile's numbers, and the sums to which they are added
    fn add_coefficients(
        &self,
        tile: &Tile,
        side: &Table,
        work: &mut Work,
        parts: &[(usize, Rows)],
        weight: &[f32],
        masked: &mut Buffer,
        blocks: &mut [Block],
    ) {
        let columns = tile.columns(side, work);
        let (m, kept) = (columns.kept.len(), Arc::<[u32]>::from(columns.kept));
        for (at, block) in blocks.iter_mut().enumerate() {
            let (strips, weight) = select(tile, at / parts.len(), &parts[at % parts.len()].1, weight, masked);
            let blended = tile.patch.blends[block.stratum].is_some();
            let (mut stein, mut score) = (vec![0.0; m], vec![0.0; if blended { m } else { 0 }]);
            let mass = blended.then_some(&mut score[..]);
            match side.products {
                InnerProducts::FromDistances(_) => coefficients::by_distances(&columns, &strips, weight, &mut stein, mass),
                InnerProducts::FromMeans => coefficients::by_means(&columns, &strips, weight, &mut stein, mass),
            }
            block.sides.push(Part { kept: kept.clone(), stein, score });
        }
    }

    /// The groups of a tile's samples, each with its rows.
    fn parts(&self, tile: &Tile) -> Vec<(usize, Rows)> {
        let (size, run) = (self.samples.groups.group_size, &tile.run);
        if self.merged {
            return vec![(0, None)];
        }
        let (first, last) = (run.start / size, (run.end - 1) / size);
        if first == last {
            return vec![(first, None)];
        }
        let rows_of_group = |g: usize| {
            let samples = (g * size).max(run.start) - run.start..((g + 1) * size).min(run.end) - run.start;
            if !self.samples.mirrored() {
                return [samples, tile.rows..tile.rows];
            }
            let pairs = samples.start / 2..samples.end / 2;
            [pairs.clone(), tile.drawn + pairs.start..tile.drawn + pairs.end]
        };
        (first..=last).map(|g| (g, Some(rows_of_group(g)))).collect()
    }
}

/// Some rows of a stratum: `None` for all.
type Rows = Option<[Range<usize>; 2]>;

/// Σ A_l μ_l − Σ B_j m_j of each row of coefficients.
fn combined(patch: &Patch, sums: &[Vec<f64>; 2]) -> Vec<f64> {
    let [mut rows, q] = [0, 1].map(|s| patch.sides[s].combine(&sums[s]));
    rows.iter_mut().zip(&q).for_each(|(p, q)| *p -= q);
    rows
}

/// The strips of the t-th stratum that hold the rows of `range`, and weights that are zero in other rows.
fn select<'a>(tile: &Tile, t: usize, range: &Rows, weight: &'a [f32], masked: &'a mut Buffer) -> (Vec<Strip>, &'a [f32]) {
    let own = tile.strips_of(t);
    let Some(ranges) = range else { return (own.to_vec(), weight) };
    let masked = masked.take(weight.len());
    let mut chosen = Vec::new();
    for strip in own {
        let local = strip.row - t * tile.rows;
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
