//! A problem open on the CPU: strata in parallel, tiles in order.

use rayon::prelude::*;

use super::lanes;
use super::scatter;
use super::shifted::Shifted;
use super::tile::{Draws, Tile};
use crate::backend::{GradientSums, MeasureSums, Session, UnitProblem};
use crate::error::Result;
use crate::objective::divergence::{Estimator, Sampler, Side};
use crate::objective::grid::grid;
use crate::objective::groups::{BLOCK, Groups};
use crate::random::streams::{Purpose, key};

/// Tiles that one task works through before it hands its sums back.
const TILES_PER_RUN: usize = 8;

pub struct CpuSession {
    problem: UnitProblem,
    means: Vec<f64>, // (R, k, rank); double, so that steps smaller than a float's spacing are not lost
}

/// The samples of one replicate's step.
pub(super) struct Samples {
    pub groups: Groups,
    pub key: [u32; 2],
    pub sampler: Sampler,
    pub step: u32,
    pub table: Option<(Vec<f32>, Vec<f32>)>,
}

impl Samples {
    pub(super) fn draws(&self, stratum: usize) -> Draws<'_> {
        let table = self.table.as_ref().map(|(nodes, weights)| (&nodes[..], &weights[..]));
        Draws { key: self.key, sampler: self.sampler, step: self.step, stratum: stratum as u32, table }
    }

    /// What sums over group g are divided by.
    pub(super) fn mass(&self, g: usize) -> f64 {
        if self.table.is_some() { 1.0 } else { self.groups.range(g).len() as f64 }
    }
}

/// One replicate's student and teacher.
#[derive(Clone, Copy)]
pub(super) struct Pair<'a> {
    pub rank: usize,
    pub p: (&'a [f64], &'a [f64]), // weights (k), means (k, rank)
    pub q: (&'a [f64], &'a [f64]),
}

impl<'a> Pair<'a> {
    pub(super) fn side(&self, side: Side) -> (&'a [f64], &'a [f64]) {
        if side == Side::Student { self.p } else { self.q }
    }

    /// Both mixtures as stratum i of `from` sees them.
    pub(super) fn shifted(&self, from: Side, i: usize) -> [Shifted; 2] {
        let centre = &self.side(from).1[i * self.rank..(i + 1) * self.rank];
        [Shifted::new(self.p.0, self.p.1, centre), Shifted::new(self.q.0, self.q.1, centre)]
    }

    pub(super) fn tile(&self) -> Tile {
        Tile::new(self.p.0.len(), self.q.0.len(), self.rank)
    }
}

/// What a stratum's samples gave, by blocks: coefficients A (k) and B (K), and ½|a|².
struct Block {
    a: Vec<f32>,
    b: Vec<f32>,
    half_square: f32,
}

impl CpuSession {
    pub fn new(problem: &UnitProblem) -> Self {
        let n = problem.n_replicates * problem.n_components() * problem.rank;
        Self { problem: problem.clone(), means: vec![0.0; n] }
    }

    fn pair(&self, r: usize) -> Pair<'_> {
        let rank = self.problem.rank;
        let (k, n_teachers) = (self.problem.n_components() * rank, self.problem.n_teacher_components() * rank);
        Pair {
            rank,
            p: (&self.problem.student_weights, &self.means[r * k..(r + 1) * k]),
            q: (&self.problem.teacher_weights, &self.problem.teacher_means[r * n_teachers..(r + 1) * n_teachers]),
        }
    }

    fn samples(&self, r: usize, step: u64) -> Result<Samples> {
        let (problem, pair) = (&self.problem, self.pair(r));
        let key = key(problem.seed, Purpose::Step, problem.first_replicate + r as u32);
        let (mut groups, mut table) = (problem.groups(), None);
        if problem.sampler == Sampler::Grid {
            let grid = grid(problem.rank, problem.n_samples, pair.side(problem.strata()).1, [pair.p, pair.q])?;
            let narrow = |v: &[f64]| v.iter().map(|v| *v as f32).collect();
            groups = Groups::single(grid.weights.len());
            table = Some((narrow(&grid.nodes), narrow(&grid.weights)));
        }
        Ok(Samples { groups, key, sampler: problem.sampler, step: step as u32, table })
    }

    /// Stein rows of one replicate: gradients (k, G′, rank) and ½|a|² (k, G), with G′ = G or, merged, 1.
    fn own_rows(&self, r: usize, samples: &Samples, merged: bool) -> (Vec<f64>, Vec<f64>) {
        let rows: Vec<(Vec<f64>, Vec<f64>)> = (0..self.problem.n_components())
            .into_par_iter()
            .map(|i| {
                let [p, q] = self.pair(r).shifted(Side::Student, i);
                let blocks = self.blocks(r, samples, i, &p, &q, false);
                row_of_blocks(&samples.groups, &blocks, &p, &q, merged, self.problem.student_weights[i], |g| samples.mass(g))
            })
            .collect();
        (rows.iter().flat_map(|row| row.0.iter().copied()).collect(), rows.iter().flat_map(|row| row.1.iter().copied()).collect())
    }

    /// The coefficient sums of stratum i, block after block.
    fn blocks(&self, r: usize, samples: &Samples, i: usize, p: &Shifted, q: &Shifted, pathwise: bool) -> Vec<Block> {
        let (n, run) = (samples.groups.n_samples, TILES_PER_RUN * BLOCK);
        let draws = samples.draws(i);
        let runs: Vec<Vec<Block>> = (0..n.div_ceil(run))
            .into_par_iter()
            .map(|t| {
                let mut tile = self.pair(r).tile();
                let mut blocks = Vec::new();
                for first in (t * run..n.min((t + 1) * run)).step_by(BLOCK) {
                    tile.fill(&draws, first, BLOCK.min(n - first), p, q);
                    tile.project(p, q, pathwise);
                    sum_blocks(&tile, samples.groups.block_size(), if pathwise { 0.0 } else { 1.0 }, &mut blocks);
                }
                blocks
            })
            .collect();
        runs.into_iter().flatten().collect()
    }

    /// One replicate's gradient, (G′, k, rank), and ½|a|² (C, G).
    fn replicate(&self, r: usize, step: u64, merged: bool) -> Result<(Samples, Vec<f64>, Vec<f64>)> {
        let samples = self.samples(r, step)?;
        let (k, rank) = (self.problem.n_components(), self.problem.rank);
        if self.problem.rows_own_strata() {
            let (rows, half_square) = self.own_rows(r, &samples, merged);
            let n_groups = rows.len() / (k * rank);
            let by_group = (0..n_groups).flat_map(|g| (0..k).flat_map(move |i| (0..rank).map(move |c| (i * n_groups + g) * rank + c)));
            let gradients = by_group.map(|at| rows[at]).collect();
            return Ok((samples, gradients, half_square));
        }
        let (mut gradients, half_square) = scatter::scatter(&self.problem, &self.pair(r), &samples);
        if self.problem.estimator == Estimator::Pathwise && self.problem.strata() == Side::Student {
            self.add_covariance_rows(r, &samples, &mut gradients);
        }
        if merged {
            let row = k * rank;
            let mean = |e: usize| (0..samples.groups.n_groups).map(|g| samples.groups.share(g) * gradients[g * row + e]).sum();
            gradients = (0..row).map(mean).collect();
        }
        Ok((samples, gradients, half_square))
    }

    /// The stratum's own part of the pathwise form: wᵢEᵢ[(C_p−C_q)a] in row i of `gradients` (G, k, rank).
    fn add_covariance_rows(&self, r: usize, samples: &Samples, gradients: &mut [f64]) {
        let (k, rank, n_groups) = (self.problem.n_components(), self.problem.rank, samples.groups.n_groups);
        let rows: Vec<Vec<f64>> = (0..k)
            .into_par_iter()
            .map(|i| {
                let [mut p, mut q] = self.pair(r).shifted(Side::Student, i);
                let blocks = self.blocks(r, samples, i, &p, &q, true);
                // These coefficients sum to zero: the origins drop out.
                (p.origin, q.origin) = (vec![0.0; rank], vec![0.0; rank]);
                row_of_blocks(&samples.groups, &blocks, &p, &q, false, self.problem.student_weights[i], |g| samples.mass(g)).0
            })
            .collect();
        for (i, row) in rows.iter().enumerate() {
            for g in 0..n_groups {
                let out = &mut gradients[(g * k + i) * rank..][..rank];
                out.iter_mut().zip(&row[g * rank..]).for_each(|(o, v)| *o += v);
            }
        }
    }

    fn measure_stratum(&self, r: usize, from: Side, i: usize, samples: &Samples) -> Vec<[f64; 3]> {
        let pair = self.pair(r);
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

fn sum_blocks(tile: &Tile, block_size: usize, base: f32, blocks: &mut Vec<Block>) {
    let (ld, side) = (tile.ld, [&tile.student, &tile.teacher]);
    for first in (0..tile.m).step_by(block_size) {
        let run = first..tile.m.min(first + block_size);
        let weight = &tile.weight[run.clone()];
        let [a, b] = side.map(|side| {
            let columns = side.r.chunks_exact(ld).zip(side.u.chunks_exact(ld)).take(side.r.len() / BLOCK);
            lanes::vectorised(
                #[inline(always)]
                || columns.map(|(r, u)| lanes::coefficient(weight, &r[run.clone()], &u[run.clone()], &side.c[run.clone()], base)).collect(),
            )
        });
        blocks.push(Block { a, b, half_square: lanes::weighted_sum(weight, &tile.half_square[run]) });
    }
}

/// ∂L/∂μᵢ = wᵢ( Σ A_l ε_l + o_p − Σ B_j ε_j − o_q ) for every group (G, rank), or for all samples (1, rank); and ½|a|² (G).
fn row_of_blocks(
    groups: &Groups,
    blocks: &[Block],
    p: &Shifted,
    q: &Shifted,
    merged: bool,
    weight: f64,
    mass: impl Fn(usize) -> f64,
) -> (Vec<f64>, Vec<f64>) {
    let rank = p.origin.len();
    let per_group = groups.group_size / groups.block_size();
    let mut half_square = Vec::with_capacity(groups.n_groups);
    let mut rows: Vec<f64> = Vec::new();
    let (mut a, mut b) = (vec![0.0; p.k], vec![0.0; q.k]);
    for (g, blocks) in blocks.chunks(per_group).enumerate() {
        let share = if merged { groups.share(g) } else { 1.0 } / mass(g);
        for block in blocks {
            a.iter_mut().zip(&block.a).for_each(|(o, v)| *o += share * f64::from(*v));
            b.iter_mut().zip(&block.b).for_each(|(o, v)| *o += share * f64::from(*v));
        }
        half_square.push(blocks.iter().map(|block| f64::from(block.half_square)).sum::<f64>() / mass(g));
        if !merged || g + 1 == groups.n_groups {
            let mut row: Vec<f64> = p.origin.iter().zip(&q.origin).map(|(o_p, o_q)| o_p - o_q).collect();
            add_combination(&a, &p.epsilon, 1.0, &mut row);
            add_combination(&b, &q.epsilon, -1.0, &mut row);
            rows.extend(row.iter().map(|v| weight * v));
            a.fill(0.0);
            b.fill(0.0);
        }
    }
    debug_assert_eq!(rows.len() % rank, 0);
    (rows, half_square)
}

/// row += sign · Σ coefficient_l ε_l.
fn add_combination(coefficients: &[f64], epsilon: &[f32], sign: f64, row: &mut [f64]) {
    for (a, epsilon) in coefficients.iter().zip(epsilon.chunks_exact(row.len())) {
        row.iter_mut().zip(epsilon).for_each(|(o, e)| *o += sign * a * f64::from(*e));
    }
}

impl Session for CpuSession {
    fn set_means(&mut self, means: &[f64]) -> Result<()> {
        self.means.copy_from_slice(means);
        Ok(())
    }

    fn means(&mut self) -> Result<Vec<f64>> {
        Ok(self.means.clone())
    }

    fn gradient(&mut self, step: u64) -> Result<GradientSums> {
        let replicates: Vec<_> =
            (0..self.problem.n_replicates).into_par_iter().map(|r| self.replicate(r, step, false)).collect::<Result<_>>()?;
        Ok(GradientSums {
            groups: replicates.iter().map(|r| r.0.groups).collect(),
            group_gradients: replicates.iter().flat_map(|r| r.1.iter().copied()).collect(),
            half_square: replicates.iter().flat_map(|r| r.2.iter().copied()).collect(),
        })
    }

    fn descend(&mut self, first_step: u64, n_steps: u64, rates: &[f64]) -> Result<()> {
        let rank = self.problem.rank;
        for step in first_step..first_step + n_steps {
            let gradients: Vec<Vec<f64>> =
                (0..self.problem.n_replicates).into_par_iter().map(|r| Ok(self.replicate(r, step, true)?.1)).collect::<Result<_>>()?;
            for (means, gradient) in self.means.chunks_exact_mut(rates.len() * rank).zip(&gradients) {
                for (e, (mean, g)) in means.iter_mut().zip(gradient).enumerate() {
                    *mean -= rates[e / rank] * g;
                }
            }
        }
        Ok(())
    }

    fn measure(&mut self, from: Side, n_samples: usize, step: u64) -> Result<MeasureSums> {
        let groups = Groups::new(n_samples, false, 1);
        let purpose = if from == Side::Student { Purpose::MeasureStudent } else { Purpose::MeasureTeacher };
        let n_strata = self.problem.weights(from).len();
        let strata: Vec<Vec<[f64; 3]>> = (0..self.problem.n_replicates * n_strata)
            .into_par_iter()
            .map(|at| {
                let (r, i) = (at / n_strata, at % n_strata);
                let key = key(self.problem.seed, purpose, self.problem.first_replicate + r as u32);
                let samples = Samples { groups, key, sampler: Sampler::Philox, step: step as u32, table: None };
                self.measure_stratum(r, from, i, &samples)
            })
            .collect();
        let pick = |c: usize| strata.iter().flatten().map(|v| v[c]).collect();
        Ok(MeasureSums { groups, half_square: pick(0), log_ratio: pick(1), excess: pick(2) })
    }
}
