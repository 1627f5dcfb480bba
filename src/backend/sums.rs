//! What devices hand back: plain sums, from which every standard error can be had.

use crate::objective::groups::Groups;

/// A gradient as its groups saw it, so that standard errors can be had in any coordinates.
#[derive(Debug, Clone)]
pub struct GradientSums {
    /// One for each replicate, common to its strata, and with as many groups in each. One group: a deterministic rule.
    pub groups: Vec<Groups>,
    /// ∂L/∂(parameters) from each group's samples alone, shape (R, G, layout).
    pub group_gradients: Vec<f64>,
    /// ½|a|² averaged over each group of each stratum, shape (R, C, G), C strata.
    pub half_square: Vec<f64>,
    /// eᵢ = ½|μᵢ−N|² − ½|μᵢ−M|² averaged over each group of each student stratum, shape (R, k, G): `ℓᵢ = Eᵢ[eᵢ]` is what
    /// ∂L/∂logitᵢ = wᵢ(ℓᵢ − L) and the score-only form are made of. Empty where the strata are the teacher's.
    pub energy: Vec<f64>,
}

/// Averages over each group of each stratum of what the metrics need, each of shape (R, strata, G).
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
