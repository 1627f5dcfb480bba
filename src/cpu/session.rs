//! A problem open on the CPU; replicates and strata run in parallel.

use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use super::distances::exact_squares;
use super::lists::{Candidates, Lists};
use super::measure::measure_stratum;
use super::pair::{Mixture, Pair, Samples};
use super::scatter::scatter;
use super::stein;
use crate::backend::share::total;
use crate::backend::{GradientSums, MeasureSums, Rule, Session, UnitProblem};
use crate::error::Result;
use crate::objective::divergence::Side;
use crate::objective::form::Form;
use crate::objective::groups::Groups;

/// A session keeps the squared distances of at most this many teacher components. (This may not depend on the number of replicates that run
/// together, because the results' bits depend on it.)
const MOST_TEACHERS: usize = 256;

pub(super) struct CpuSession {
    problem: UnitProblem,
    means: Vec<f64>, // (R, k, rank); double, so that steps smaller than a float's spacing are not lost
    /// The candidates of each replicate. Lists do not depend on when they were gathered.
    candidates: Vec<Mutex<Candidates>>,
    /// ln w and ln v.
    log_weights: [Vec<f64>; 2],
    /// Squared distances between the teacher's means, shape (R, K, K); empty if there are too many.
    squares: Vec<f64>,
}

impl CpuSession {
    pub(super) fn new(problem: &UnitProblem) -> Self {
        let n = problem.n_replicates * problem.n_components() * problem.rank;
        let candidates = (0..problem.n_replicates).map(|_| Mutex::default()).collect();
        let log_weights = [Side::Student, Side::Teacher].map(|side| problem.weights(side).iter().map(|w| w.ln()).collect());
        let few = problem.form.rows_own_strata() && problem.n_teacher_components() <= MOST_TEACHERS;
        let teacher = problem.n_teacher_components() * problem.rank;
        let squares = if few {
            problem.teacher_means.par_chunks(teacher).flat_map_iter(|means| exact_squares(means, problem.rank)).collect()
        } else {
            Vec::new()
        };
        Self { problem: problem.clone(), means: vec![0.0; n], candidates, log_weights, squares }
    }

    /// One side of replicate r.
    fn mixture<'a>(&'a self, side: Side, r: usize, means: &'a [f64], squares: Option<&'a [f64]>) -> Mixture<'a> {
        let (weights, rank) = (self.problem.weights(side), self.problem.rank);
        let row = weights.len() * rank;
        Mixture { rank, weights, log_weights: &self.log_weights[side as usize], means: &means[r * row..(r + 1) * row], squares }
    }

    /// Both mixtures of replicate r.
    fn pair(&self, r: usize) -> Pair<'_> {
        let student = self.mixture(Side::Student, r, &self.means, None);
        let squares = self.squares.chunks_exact(self.problem.n_teacher_components().pow(2)).nth(r);
        let teacher = self.mixture(Side::Teacher, r, &self.problem.teacher_means, squares);
        Pair { rank: self.problem.rank, sides: [student, teacher] }
    }

    /// The neighbour lists of one replicate at the current means.
    fn lists(&self, r: usize, n_samples: usize) -> Lists {
        match self.problem.neighbours.budget(n_samples) {
            Some(budget) if self.problem.form.rows_own_strata() && !self.problem.draws.is_grid() => {
                let mut candidates = self.candidates[r].lock().unwrap_or_else(PoisonError::into_inner);
                candidates.lists(&self.pair(r), budget)
            }
            _ => Lists::default(),
        }
    }

    /// The gradient of replicate r. `merged`: one sum over all groups, without statistics.
    fn replicate(&self, r: usize, step: u64, merged: bool) -> Result<ReplicateSums> {
        let pair = self.pair(r);
        let samples = Samples::of_step(&self.problem, &pair, r, step)?;
        let groups = samples.groups;
        if !self.problem.form.rows_own_strata() {
            let sums = scatter(&pair, &samples, self.problem.form);
            let gradients = if merged { merge(&groups, sums.gradients) } else { sums.gradients };
            return Ok(ReplicateSums { groups, gradients, statistics: sums.statistics });
        }
        let lists = self.lists(r, groups.n_samples).lists;
        let strata = stein::rows(&pair, &samples, &lists, merged, self.problem.form == Form::Mixed);
        let (rank, n_groups) = (pair.rank, if merged { 1 } else { groups.n_groups });
        let mut gradients = Vec::with_capacity(n_groups * strata.len() * rank);
        for g in 0..n_groups {
            for (sums, weight) in strata.iter().zip(&self.problem.student_weights) {
                gradients.extend(sums.rows[g * rank..(g + 1) * rank].iter().map(|v| weight * v));
            }
        }
        let statistics = [0, 1].map(|s| strata.iter().flat_map(|sums| sums.statistics[s].iter().copied()).collect());
        Ok(ReplicateSums { groups, gradients, statistics })
    }

    /// The measurement of these strata of `from`.
    fn measured(&self, from: Side, strata: &[u32], n_samples: usize, step: u64) -> MeasureSums {
        let sums: Vec<Vec<[f64; 3]>> = (0..self.problem.n_replicates * strata.len())
            .into_par_iter()
            .map(|at| {
                let (r, place) = (at / strata.len(), at % strata.len());
                if self.problem.interrupt.is_set() {
                    return Vec::new(); // the caller sees the flag and drops this
                }
                let samples = Samples::of_measure(&self.problem, from, r, n_samples, step);
                measure_stratum(&self.pair(r), from, strata[place] as usize, place, &samples)
            })
            .collect();
        let pick = |c: usize| sums.iter().flatten().map(|v| v[c]).collect();
        MeasureSums { groups: Groups::new(n_samples, false, 1), half_square: pick(0), log_ratio: pick(1), excess: pick(2) }
    }
}

/// The sums of one replicate's samples.
struct ReplicateSums {
    groups: Groups,
    /// (G′, k, rank), with G′ = G, or 1 if merged.
    gradients: Vec<f64>,
    /// ½|a|² and the energy, each (C, G).
    statistics: [Vec<f64>; 2],
}

/// The mean over groups of values (G, row), by the tree of groups.
fn merge(groups: &Groups, mut values: Vec<f64>) -> Vec<f64> {
    let row = values.len() / groups.n_groups;
    values.chunks_exact_mut(row).enumerate().for_each(|(g, values)| values.iter_mut().for_each(|v| *v *= groups.fraction(g)));
    total(&values.chunks_exact(row).map(Some).collect::<Vec<_>>())
}

impl Session for CpuSession {
    fn certified_bias(&mut self) -> Result<f64> {
        let Some(n) = self.problem.draws.n_samples() else { return Ok(0.0) };
        let weights = &self.problem.student_weights;
        let rows = (0..self.problem.n_replicates).flat_map(|r| {
            let certified = self.lists(r, n).certified;
            certified.into_iter().zip(weights).map(|(bias, weight)| bias * weight).collect::<Vec<f64>>()
        });
        Ok(rows.fold(0.0, f64::max))
    }

    fn set(&mut self, parameters: &[f64]) -> Result<()> {
        self.means.copy_from_slice(parameters);
        Ok(())
    }

    fn parameters(&mut self) -> Result<Vec<f64>> {
        Ok(self.means.clone())
    }

    fn gradient(&mut self, step: u64) -> Result<GradientSums> {
        let replicates: Vec<ReplicateSums> =
            (0..self.problem.n_replicates).into_par_iter().map(|r| self.replicate(r, step, false)).collect::<Result<_>>()?;
        Ok(GradientSums {
            groups: replicates.iter().map(|r| r.groups).collect(),
            group_gradients: replicates.iter().flat_map(|r| r.gradients.iter().copied()).collect(),
            half_square: replicates.iter().flat_map(|r| r.statistics[0].iter().copied()).collect(),
            energy: match self.problem.strata() {
                Side::Student => replicates.iter().flat_map(|r| r.statistics[1].iter().copied()).collect(),
                Side::Teacher => Vec::new(),
            },
        })
    }

    fn descend(&mut self, first_step: u64, n_steps: u64, rule: &Rule) -> Result<()> {
        let (rank, rates) = (self.problem.rank, rule.rates(&self.problem.student_weights));
        for step in first_step..first_step + n_steps {
            let gradients: Vec<Vec<f64>> = (0..self.problem.n_replicates)
                .into_par_iter()
                .map(|r| Ok(self.replicate(r, step, true)?.gradients))
                .collect::<Result<_>>()?;
            for (means, gradient) in self.means.chunks_exact_mut(rates.len() * rank).zip(&gradients) {
                for (e, (mean, g)) in means.iter_mut().zip(gradient).enumerate() {
                    *mean -= rates[e / rank] * g;
                }
            }
        }
        Ok(())
    }

    fn measure(&mut self, from: Side, strata: Option<&[u32]>, n_samples: usize, step: u64) -> Result<MeasureSums> {
        let all: Vec<u32> = (0..self.problem.weights(from).len() as u32).collect();
        let sums = self.measured(from, strata.unwrap_or(&all), n_samples, step);
        self.problem.interrupt.check("a measurement")?;
        Ok(sums)
    }
}
