//! A problem as a device sees it.

use super::interrupt::Interrupt;
use super::parameters::Layout;
use crate::objective::divergence::{Side, Storage};
use crate::objective::form::{Draws, Form};
use crate::objective::groups::Groups;
use crate::objective::neighbours::Neighbours;

/// A problem as a device sees it: σ = 1, `rank` coordinates, R replicates with k student and K teacher components each, and all choices
/// made.
#[derive(Debug, Clone)]
pub struct UnitProblem {
    /// R.
    pub n_replicates: usize,
    /// The index of the first replicate: replicate r of this problem draws as replicate `first_replicate + r`.
    pub first_replicate: u32,
    /// ϱ.
    pub rank: usize,
    /// w, shape (k).
    pub student_weights: Vec<f64>,
    /// v, shape (K).
    pub teacher_weights: Vec<f64>,
    /// m, shape (R, K, rank): every replicate has its own subspace.
    pub teacher_means: Vec<f64>,
    pub form: Form,
    pub draws: Draws,
    pub storage: Storage,
    /// The bias that leaving out components may cause; a device that leaves none out may ignore it.
    pub neighbours: Neighbours,
    pub seed: u64,
    /// Stops gradients and measurements.
    pub interrupt: Interrupt,
}

impl UnitProblem {
    /// One replicate with k student components and teachers at `teacher_means` (K, rank), equal weights, exact neighbours and seed 0.
    pub(crate) fn with_equal_weights(rank: usize, k: usize, teacher_means: Vec<f64>, form: Form, draws: Draws) -> Self {
        let n_teachers = teacher_means.len() / rank;
        Self {
            n_replicates: 1,
            first_replicate: 0,
            rank,
            student_weights: vec![1.0 / k as f64; k],
            teacher_weights: vec![1.0 / n_teachers as f64; n_teachers],
            teacher_means,
            form,
            draws,
            storage: Storage::F32,
            neighbours: Neighbours::Exact,
            seed: 0,
            interrupt: Interrupt::none(),
        }
    }

    /// k.
    pub fn n_components(&self) -> usize {
        self.student_weights.len()
    }

    /// K.
    pub fn n_teacher_components(&self) -> usize {
        self.teacher_weights.len()
    }

    /// The layout of one replicate's parameters.
    pub fn layout(&self) -> Layout {
        Layout { means: [self.n_components(), self.rank] }
    }

    /// Which mixture's components are the strata of the gradient.
    pub fn strata(&self) -> Side {
        self.form.strata()
    }

    /// The weights of a side's components.
    pub fn weights(&self, side: Side) -> &[f64] {
        match side {
            Side::Student => &self.student_weights,
            Side::Teacher => &self.teacher_weights,
        }
    }

    /// How the samples of a gradient are grouped. A grid is one group of all its nodes, which the session counts.
    pub fn groups(&self) -> Groups {
        let n = self.draws.n_samples().unwrap_or(0);
        if self.draws.is_nets() {
            return Groups::nets(n);
        }
        let (k, sum) = (self.n_components(), self.n_components() + self.n_teacher_components());
        // The sizes of one replicate: the grouping must not depend on how many run together.
        Groups::new(n, self.draws.is_antithetic(), k * sum.max(self.rank))
    }
}
