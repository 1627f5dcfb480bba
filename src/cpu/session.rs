//! A problem open on the CPU: strata in parallel, tiles in order.

use std::sync::{Arc, Mutex, PoisonError};

use rayon::prelude::*;

use super::distances::{exact_squares, gathered, of_list, squared_distances};
use super::lists::{Candidates, List, Lists};
use super::measure::measure_stratum;
use super::pair::{Pair, Samples};
use super::patch::{Patch, plan};
use super::rows::{Block, RowSums, sum_blocks};
use super::scatter;
use super::shifted::Shifted;
use super::stein::{Pass, StratumSums, rows_of};
use super::table::Form;
use crate::backend::{GradientSums, MeasureSums, Session, UnitProblem};
use crate::error::Result;
use crate::objective::divergence::{Estimator, Sampler, Side};
use crate::objective::grid::grid;
use crate::objective::groups::{BLOCK, Groups};
use crate::random::streams::{Purpose, key};

/// Tiles that one task works through before it hands its sums back.
const TILES_PER_RUN: usize = 8;

/// Runs of a stratum whose sums wait in memory for their turn.
const RUNS_PER_BATCH: usize = 16;

/// Teachers whose squared distances a session keeps, at the most. (Their number alone decides: bits hang on it, and must not hang on
/// the number of replicates that run together.)
const MOST_TEACHERS: usize = 256;

pub struct CpuSession {
    problem: UnitProblem,
    means: Vec<f64>, // (R, k, rank); double, so that steps smaller than a float's spacing are not lost
    /// Of each replicate. What is found in them does not depend on when they were gathered.
    candidates: Vec<Mutex<Candidates>>,
    /// ln w and ln v.
    log_weights: [Vec<f64>; 2],
    /// Squared distances between the teacher's means, shape (R, K, K); empty where there are too many.
    squares: Vec<f64>,
}

impl CpuSession {
    pub fn new(problem: &UnitProblem) -> Self {
        let n = problem.n_replicates * problem.n_components() * problem.rank;
        let candidates = (0..problem.n_replicates).map(|_| Mutex::default()).collect();
        let log_weights = [Side::Student, Side::Teacher].map(|side| problem.weights(side).iter().map(|w| w.ln()).collect());
        let few = problem.rows_own_strata() && problem.n_teacher_components() <= MOST_TEACHERS;
        let teacher = problem.n_teacher_components() * problem.rank;
        let squares = if few {
            problem.teacher_means.par_chunks(teacher).flat_map_iter(|means| exact_squares(means, problem.rank)).collect()
        } else {
            Vec::new()
        };
        Self { problem: problem.clone(), means: vec![0.0; n], candidates, log_weights, squares }
    }

    fn pair(&self, r: usize) -> Pair<'_> {
        let rank = self.problem.rank;
        let (k, n_teachers) = (self.problem.n_components() * rank, self.problem.n_teacher_components() * rank);
        Pair {
            rank,
            p: (&self.problem.student_weights, &self.means[r * k..(r + 1) * k]),
            q: (&self.problem.teacher_weights, &self.problem.teacher_means[r * n_teachers..(r + 1) * n_teachers]),
            log_weights: self.log_weights.each_ref().map(Vec::as_slice),
            squares: self.squares.chunks_exact(self.problem.n_teacher_components().pow(2)).nth(r),
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
        let centres = pair.side(problem.strata()).1;
        let axes = if problem.sampler == Sampler::Sobol { pair.axes(centres) } else { Vec::new() };
        let n_strata = centres.len() / pair.rank;
        Ok(Samples { groups, key, sampler: problem.sampler, step: step as u32, axes, table, n_strata })
    }

    /// Stein or mixed rows of one replicate: gradients (k, G′, rank) and ½|a|² (k, G′), with G′ = G or, merged, 1 and no ½|a|².
    fn own_rows(&self, r: usize, samples: &Samples, merged: bool) -> (Vec<f64>, Vec<f64>) {
        let pair = self.pair(r);
        let lists = self.lists(r, samples.groups.n_samples).lists;
        let pass = Pass { samples, rank: pair.rank, merged, with_square: !merged };
        let n = samples.groups.n_samples;
        let rows = if samples.table.is_some() { usize::MAX } else { rows_of(n, pass.mirrored()) };
        let shared = [Side::Student, Side::Teacher].map(|side| {
            let (weights, means) = pair.side(side);
            let anywhere = lists.is_empty() || lists.iter().any(|lists| lists[side as usize].is_none());
            (merged && anywhere && weights.len() <= 2 * pair.rank).then(|| match (side, pair.squares) {
                (Side::Teacher, Some(squares)) => Arc::new(squares.iter().map(|v| *v as f32).collect()),
                _ => squared_distances(means, pair.rank),
            })
        });
        let wide = shared.iter().all(Option::is_some);
        let form = |side: Side, list: &List| match (list, &shared[side as usize]) {
            (None, Some(squares)) => Form::Gram(squares.clone()),
            (Some(list), _) if merged && list.len() <= 2 * pair.rank => match (side, pair.squares) {
                (Side::Teacher, Some(squares)) => Form::Gram(Arc::new(of_list(squares, list))),
                // Its own distances are worth their making where they serve enough samples; and patches as wide as the Gram form bears have no other.
                _ if wide || list.len() < n => Form::Gram(squared_distances(&gathered(pair.side(side).1, list, pair.rank), pair.rank)),
                _ => Form::Products,
            },
            _ => Form::Products,
        };
        let plans = plan(&pair, rows, &lists, wide);
        let blended = self.problem.is_blended().then_some(n);
        let rows: Vec<StratumSums> =
            plans.par_iter().flat_map_iter(|plan| pass.run(&Patch::new(&pair, plan, &lists, form, blended))).collect();
        let weighted = |(sums, weight): (&StratumSums, &f64)| -> Vec<f64> { sums.rows.iter().map(|v| weight * v).collect() };
        let gradients = rows.iter().zip(&self.problem.student_weights).flat_map(weighted).collect();
        (gradients, rows.iter().flat_map(|row| row.half_square.iter().copied()).collect())
    }

    /// The neighbour lists of one replicate at the current means.
    fn lists(&self, r: usize, n_samples: usize) -> Lists {
        match self.problem.neighbours.budget(n_samples) {
            Some(budget) if self.problem.rows_own_strata() && self.problem.sampler != Sampler::Grid => {
                let mut candidates = self.candidates[r].lock().unwrap_or_else(PoisonError::into_inner);
                candidates.lists(&self.pair(r), budget)
            }
            _ => Lists::default(),
        }
    }

    /// The row of stratum i: runs of tiles in parallel, a batch of them at a time, their blocks added in order.
    fn add_blocks(
        &self,
        r: usize,
        samples: &Samples,
        i: usize,
        [p, q]: [&Shifted; 2],
        pathwise: bool,
        mut row: RowSums,
    ) -> (Vec<f64>, Vec<f64>) {
        let (n, length) = (samples.groups.n_samples, TILES_PER_RUN * BLOCK);
        let draws = samples.draws(i);
        let run = |first: usize| {
            let mut tile = self.pair(r).tile();
            let mut blocks = Vec::new();
            for first in (first..n.min(first + length)).step_by(BLOCK) {
                tile.fill(&draws, first, BLOCK.min(n - first), p, q);
                tile.project(p, q, pathwise);
                sum_blocks(&tile, samples.groups.block_size(), if pathwise { 0.0 } else { 1.0 }, &mut blocks);
            }
            blocks
        };
        for batch in (0..n).step_by(length * RUNS_PER_BATCH) {
            let runs: Vec<usize> = (batch..n.min(batch + length * RUNS_PER_BATCH)).step_by(length).collect();
            let blocks: Vec<Vec<Block>> = runs.into_par_iter().map(run).collect();
            blocks.iter().flatten().for_each(|block| row.add(block));
        }
        (row.rows, row.half_square)
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
            gradients = merge(&samples.groups, &gradients);
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
                // These coefficients sum to zero: the origins drop out.
                (p.origin, q.origin) = (vec![0.0; rank], vec![0.0; rank]);
                let row = RowSums::new(samples, &p, &q, self.problem.student_weights[i], false);
                self.add_blocks(r, samples, i, [&p, &q], true, row).0
            })
            .collect();
        for (i, row) in rows.iter().enumerate() {
            for g in 0..n_groups {
                let out = &mut gradients[(g * k + i) * rank..][..rank];
                out.iter_mut().zip(&row[g * rank..]).for_each(|(o, v)| *o += v);
            }
        }
    }
}

/// The mean over groups of (G, row).
fn merge(groups: &Groups, values: &[f64]) -> Vec<f64> {
    let row = values.len() / groups.n_groups;
    (0..row).map(|e| (0..groups.n_groups).map(|g| groups.share(g) * values[g * row + e]).sum()).collect()
}

impl Session for CpuSession {
    fn certified_bias(&mut self) -> Result<f64> {
        let Some(n) = self.problem.n_samples else { return Ok(0.0) };
        let weights = &self.problem.student_weights;
        let rows = (0..self.problem.n_replicates).flat_map(|r| {
            let certified = self.lists(r, n).certified;
            certified.into_iter().zip(weights).map(|(bias, weight)| bias * weight).collect::<Vec<f64>>()
        });
        Ok(rows.fold(0.0, f64::max))
    }

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
        let all: Vec<u32> = (0..self.problem.weights(from).len() as u32).collect();
        Ok(self.measured(from, &all, n_samples, step))
    }

    fn can_measure_some(&self) -> bool {
        true
    }

    fn measure_some(&mut self, from: Side, strata: &[u32], n_samples: usize, step: u64) -> Result<MeasureSums> {
        Ok(self.measured(from, strata, n_samples, step))
    }
}

impl CpuSession {
    fn measured(&self, from: Side, strata: &[u32], n_samples: usize, step: u64) -> MeasureSums {
        let groups = Groups::new(n_samples, false, 1);
        let purpose = if from == Side::Student { Purpose::MeasureStudent } else { Purpose::MeasureTeacher };
        let n_strata = self.problem.weights(from).len();
        let sums: Vec<Vec<[f64; 3]>> = (0..self.problem.n_replicates * strata.len())
            .into_par_iter()
            .map(|at| {
                let (r, i) = (at / strata.len(), strata[at % strata.len()] as usize);
                let key = key(self.problem.seed, purpose, self.problem.first_replicate + r as u32);
                let samples = Samples { groups, key, sampler: Sampler::Philox, step: step as u32, axes: Vec::new(), table: None, n_strata };
                measure_stratum(&self.pair(r), from, i, at % strata.len(), &samples)
            })
            .collect();
        let pick = |c: usize| sums.iter().flatten().map(|v| v[c]).collect();
        MeasureSums { groups, half_square: pick(0), log_ratio: pick(1), excess: pick(2) }
    }
}
