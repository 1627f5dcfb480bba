//! One replicate's two mixtures, and the samples of one of its steps.

use rayon::prelude::*;

use super::draws::Draws;
use crate::backend::UnitProblem;
use crate::error::Result;
use crate::objective::axes::reflections;
use crate::objective::divergence::Side;
use crate::objective::form;
use crate::objective::grid::grid;
use crate::objective::groups::Groups;
use crate::random::streams::{Purpose, key};

/// A mixture of unit variance.
#[derive(Clone, Copy)]
pub(super) struct Mixture<'a> {
    pub rank: usize,
    /// Shape (k).
    pub weights: &'a [f64],
    /// ln w, shape (k).
    pub log_weights: &'a [f64],
    /// Shape (k, rank).
    pub means: &'a [f64],
    /// Squared distances between the means (k, k), if they are kept.
    pub squares: Option<&'a [f64]>,
}

impl<'a> Mixture<'a> {
    /// k.
    pub(super) fn len(&self) -> usize {
        self.weights.len()
    }

    /// μ of component l, shape (rank).
    pub(super) fn mean(&self, l: usize) -> &'a [f64] {
        &self.means[l * self.rank..(l + 1) * self.rank]
    }
}

/// One replicate's student and teacher.
#[derive(Clone, Copy)]
pub(super) struct Pair<'a> {
    pub rank: usize,
    /// Indexed by [`Side`].
    pub sides: [Mixture<'a>; 2],
}

impl<'a> Pair<'a> {
    pub(super) fn side(&self, side: Side) -> &Mixture<'a> {
        &self.sides[side as usize]
    }

    /// The reflections that turn the draws of each component of `from`, shape (C, m, rank).
    fn axes(&self, from: Side) -> Vec<f32> {
        let mixtures = self.sides.map(|side| (side.weights, side.means));
        let of = |centre: &[f64]| -> Vec<f32> { reflections(centre, mixtures).iter().map(|h| *h as f32).collect() };
        let axes: Vec<Vec<f32>> = self.side(from).means.par_chunks_exact(self.rank).map(of).collect();
        axes.concat()
    }
}

/// The samples of one replicate's step, or of a measurement.
pub(super) struct Samples {
    pub groups: Groups,
    key: [u32; 2],
    kind: form::Draws,
    step: u32,
    /// Reflections of every stratum (C, m, rank) for Sobol points; else empty.
    axes: Vec<f32>,
    n_strata: usize,
    /// Nodes (n, rank) and weights (n) of a grid.
    table: Option<(Vec<f32>, Vec<f32>)>,
}

impl Samples {
    /// The samples of replicate `r` for the gradient of `step`.
    pub(super) fn of_step(problem: &UnitProblem, pair: &Pair, r: usize, step: u64) -> Result<Self> {
        let strata = pair.side(problem.strata());
        let (mut groups, mut table) = (problem.groups(), None);
        if let form::Draws::Grid(cap) = problem.draws {
            let mixtures = pair.sides.map(|side| (side.weights, side.means));
            let grid = grid(problem.rank, cap, strata.means, mixtures)?;
            let narrow = |v: &[f64]| v.iter().map(|v| *v as f32).collect();
            groups = Groups::single(grid.weights.len());
            table = Some((narrow(&grid.nodes), narrow(&grid.weights)));
        }
        let axes = if problem.draws.is_nets() { pair.axes(problem.strata()) } else { Vec::new() };
        let key = key(problem.seed, Purpose::Step, problem.first_replicate + r as u32);
        Ok(Self { groups, key, kind: problem.draws, step: step as u32, axes, n_strata: strata.len(), table })
    }

    /// The samples of replicate `r` for a measurement at `n_samples` points of `from`, independent of all steps.
    pub(super) fn of_measure(problem: &UnitProblem, from: Side, r: usize, n_samples: usize, step: u64) -> Self {
        let purpose = if from == Side::Student { Purpose::MeasureStudent } else { Purpose::MeasureTeacher };
        let key = key(problem.seed, purpose, problem.first_replicate + r as u32);
        let groups = Groups::new(n_samples, false, 1);
        Self { groups, key, kind: form::Draws::Independent(n_samples), step: step as u32, axes: Vec::new(), n_strata: 1, table: None }
    }

    /// How the samples of one stratum are made.
    pub(super) fn draws(&self, stratum: usize) -> Draws<'_> {
        let each = self.axes.len() / self.n_strata;
        Draws {
            key: self.key,
            kind: self.kind,
            step: self.step,
            stratum: stratum as u32,
            group_size: self.groups.group_size,
            axes: if each == 0 { &[] } else { &self.axes[stratum * each..(stratum + 1) * each] },
            nodes: self.table.as_ref().map(|(nodes, _)| &nodes[..]),
        }
    }

    /// The weights of a grid's nodes, which sum to one; `None` for draws, whose weights are one.
    pub(super) fn weights(&self) -> Option<&[f32]> {
        self.table.as_ref().map(|(_, weights)| &weights[..])
    }

    /// Whether samples 2j and 2j + 1 are a draw and its negative.
    pub(super) fn mirrored(&self) -> bool {
        self.kind.is_antithetic()
    }

    /// The divisor of sums over group g.
    pub(super) fn mass(&self, g: usize) -> f64 {
        if self.table.is_some() { 1.0 } else { self.groups.range(g).len() as f64 }
    }

    /// The divisor of sums over all samples.
    pub(super) fn total_mass(&self) -> f64 {
        if self.table.is_some() { 1.0 } else { self.groups.n_samples as f64 }
    }
}
