//! The results of devices: plain sums, from which every standard error can be computed.

use crate::objective::groups::Groups;

/// A gradient by groups of samples, so that standard errors can be computed in any coordinates.
#[derive(Debug, Clone)]
pub struct GradientSums {
    /// The groups of each replicate, which all its strata share; the number of groups is the same in all replicates. One group means a
    /// deterministic rule.
    pub groups: Vec<Groups>,
    /// ∂L/∂(parameters) from the samples of each group alone, shape (R, G, layout).
    pub group_gradients: Vec<f64>,
    /// ½|a|² averaged over each group of each stratum, shape (R, C, G), C strata.
    pub half_square: Vec<f64>,
    /// eᵢ = ½|μᵢ−N|² − ½|μᵢ−M|² averaged over each group of each student stratum, shape (R, k, G). With `ℓᵢ = Eᵢ[eᵢ]`, ∂L/∂logitᵢ = wᵢ(ℓᵢ −
    /// L). Empty if the strata are the teacher's.
    pub energy: Vec<f64>,
}

/// Averages of what the metrics need over each group of each stratum, each of shape (R, strata, G).
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

/// Log-density, score and responsibilities at points.
#[derive(Debug, Clone)]
pub struct Evaluation {
    /// ln p(x), shape (n).
    pub log_density: Vec<f64>,
    /// ∇ln p(x), shape (n, d).
    pub score: Vec<f64>,
    /// r(x), shape (n, k); empty if not asked for.
    pub responsibilities: Vec<f64>,
}
