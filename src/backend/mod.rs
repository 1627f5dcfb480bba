//! The seam: what a device can do, at the size of a step or more.
//!
//! A backend works on a [`UnitProblem`]: unit variance, coordinates of the problem's own subspace, R replicates at once.
//! `problem::reduction` translates between it and what users see.

pub mod polynomials;
pub mod share;
pub mod split;

use crate::error::Result;
use crate::mixture::GaussianMixture;
use crate::objective::divergence::{Divergence, Estimator, Sampler, Side, Storage};
use crate::objective::groups::Groups;
use crate::objective::neighbours::Neighbours;

/// A problem as a device sees it: σ = 1, `rank` coordinates, R replicates with k student and K teacher components each.
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
    pub divergence: Divergence,
    pub estimator: Estimator,
    /// Never `Auto`.
    pub sampler: Sampler,
    /// Samples per stratum; for a grid the most nodes, where `None` means as many as 1e-10 takes.
    pub n_samples: Option<usize>,
    pub storage: Storage,
    /// What a row may leave out; a device that leaves nothing out may ignore it.
    pub neighbours: Neighbours,
    pub seed: u64,
}

impl UnitProblem {
    /// k.
    pub fn n_components(&self) -> usize {
        self.student_weights.len()
    }

    /// K.
    pub fn n_teacher_components(&self) -> usize {
        self.teacher_weights.len()
    }

    /// Which mixture's components are the strata of the gradient.
    pub fn strata(&self) -> Side {
        match self.divergence {
            Divergence::Reverse => Side::Student,
            Divergence::Forward => Side::Teacher,
        }
    }

    /// The weights of a side's components.
    pub fn weights(&self, side: Side) -> &[f64] {
        match side {
            Side::Student => &self.student_weights,
            Side::Teacher => &self.teacher_weights,
        }
    }

    /// True where each gradient row is the work of its own stratum (Stein), false where every stratum adds to every row.
    pub fn rows_own_strata(&self) -> bool {
        self.divergence == Divergence::Reverse && matches!(self.estimator, Estimator::Stein | Estimator::Auto)
    }

    /// True where rows may blend Stein's and the score-function form (`objective::estimator`); on a grid there is no noise to lessen.
    pub fn is_blended(&self) -> bool {
        self.divergence == Divergence::Reverse && self.estimator == Estimator::Auto && self.sampler != Sampler::Grid
    }

    /// How the samples of a gradient are grouped (Monte Carlo samplers only: a grid is one group of all its nodes).
    pub fn groups(&self) -> Groups {
        let n = self.n_samples.unwrap_or(0);
        if self.sampler == Sampler::Sobol {
            return Groups::nets(n);
        }
        let (k, sum) = (self.n_components(), self.n_components() + self.n_teacher_components());
        // Of one replicate: the grouping must not depend on how many run together.
        Groups::new(n, self.sampler == Sampler::Antithetic, k * sum.max(self.rank))
    }
}

/// A gradient as its groups saw it, so that standard errors can be had in any coordinates.
#[derive(Debug, Clone)]
pub struct GradientSums {
    /// One for each replicate, common to its strata, and with as many groups in each. One group: a deterministic rule.
    pub groups: Vec<Groups>,
    /// ∂L/∂μ from each group's samples alone, shape (R, G, k, rank).
    pub group_gradients: Vec<f64>,
    /// ½|a|² averaged over each group of each stratum, shape (R, C, G), C strata.
    pub half_square: Vec<f64>,
}

/// Averages over each group of each stratum of what the metrics need, each of shape (R, C, G).
#[derive(Debug, Clone)]
pub struct MeasureSums {
    pub groups: Groups,
    /// ½|a|².
    pub half_square: Vec<f64>,
    /// ln p(x) − ln q(x).
    pub log_ratio: Vec<f64>,
    /// (1 − q/p)₊ for x ~ student, (1 − p/q)₊ for x ~ teacher.
    pub excess: Vec<f64>,
}

/// What `score` computes at points.
#[derive(Debug, Clone)]
pub struct Evaluation {
    /// ln p(x), shape (n).
    pub log_density: Vec<f64>,
    /// ∇ln p(x), shape (n, d).
    pub score: Vec<f64>,
    /// r(x), shape (n, k); empty unless asked for.
    pub responsibilities: Vec<f64>,
}

/// Something that can evaluate mixtures and work on problems.
pub trait Backend: Send {
    /// For people and `summary.json`, as "cpu: 2 threads, f32".
    fn describe(&self) -> String;

    /// What tells a device from others of its kind, name and value: of a GPU its adapter, type, API and driver. Empty where nothing does.
    fn details(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// Log-density and score of `mixture` at `points` (n, d), and responsibilities if asked.
    ///
    /// # Errors
    /// Those of the device.
    fn evaluate(&mut self, mixture: &GaussianMixture, points: &[f64], responsibilities: bool) -> Result<Evaluation>;

    /// This device's way with the piecewise polynomials of `mixscore learn`.
    fn polynomials(&self) -> Box<dyn polynomials::Polynomials>;

    /// A session on a problem: everything the loop needs is allocated here.
    ///
    /// # Errors
    /// A problem that this device cannot hold.
    fn open(&mut self, problem: &UnitProblem) -> Result<Box<dyn Session>>;
}

/// A problem that lies on a device, with the student's current means.
pub trait Session {
    /// Puts the student at `means` (R, k, rank).
    ///
    /// # Errors
    /// Those of the device.
    fn set_means(&mut self, means: &[f64]) -> Result<()>;

    /// The student's means, shape (R, k, rank), exactly as the device holds them: `set_means` of them changes no bit.
    ///
    /// # Errors
    /// Those of the device.
    fn means(&mut self) -> Result<Vec<f64>>;

    /// The gradient at the current means from the draws of `step`.
    ///
    /// # Errors
    /// Those of the device.
    fn gradient(&mut self, step: u64) -> Result<GradientSums>;

    /// `n_steps` times μᵢ ← μᵢ − rateᵢ ∂L/∂μᵢ with the draws of steps `first_step`, `first_step` + 1, …; `rates` has shape (k).
    ///
    /// The result does not depend on how steps are cut into calls.
    ///
    /// # Errors
    /// Those of the device. Means that became non-finite are no error here: the caller looks.
    fn descend(&mut self, first_step: u64, n_steps: u64, rates: &[f64]) -> Result<()>;

    /// The largest certified bias of a row of ∂L/∂μ from components that a step at the current means leaves out (Euclidean norm).
    ///
    /// # Errors
    /// Those of the device.
    fn certified_bias(&mut self) -> Result<f64> {
        Ok(0.0)
    }

    /// What the metrics need, at `n_samples` points per component of `from`, drawn for `step` independently of the steps' draws.
    ///
    /// # Errors
    /// Those of the device.
    fn measure(&mut self, from: Side, n_samples: usize, step: u64) -> Result<MeasureSums>;

    /// Whether this device can leave strata out of a measure.
    fn can_measure_some(&self) -> bool {
        false
    }

    /// As [`Session::measure`], of these strata of every replicate alone, in this order, shapes (R, strata, G). Draws go by the place in
    /// `strata`: one that is named twice is measured twice, independently. Only where [`Session::can_measure_some`].
    ///
    /// # Errors
    /// Those of the device.
    fn measure_some(&mut self, from: Side, strata: &[u32], n_samples: usize, step: u64) -> Result<MeasureSums> {
        unreachable!("{} strata of {from:?} at step {step}, {n_samples} samples each, of a device that measures all", strata.len())
    }
}
