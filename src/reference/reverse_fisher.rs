//! The contribution of one sample x = μᵢ + z of stratum i to the gradient of the reverse Fisher divergence L = ½ E_{x~p} |M − N|².
//!
//! ```text
//! Stein           ∂L/∂μᵢ = wᵢEᵢ[ M + C_p(μᵢ−M) ] − wᵢEᵢ[ N + C_q(μᵢ−N) ]
//! pathwise        ∂L/∂μᵢ = wᵢEᵢ[ (C_p−C_q) a ]  +  E_p[ rᵢ( a + ⟨μᵢ−M, a⟩(x−μᵢ) ) ]
//! score function  ∂L/∂μᵢ = E_p[ rᵢ( ½|a|²(x−μᵢ) + a + ⟨μᵢ−M, a⟩(x−μᵢ) ) ]
//! ```
//!
//! GPU twins: `shaders/coefficients.wgsl` (Stein, in coefficient form), `shaders/scatter.wgsl` (the expectations under p).

use super::Components;
use super::forward_fisher::add_model_score_part;
use super::posterior::{Point, add_covariance_times};
use crate::mixture::squared_distance;

/// gradient (rank) of row i += weight · [ M + C_p(μᵢ−M) − N − C_q(μᵢ−N) ].
pub fn add_stein(p: &Components, q: &Components, i: usize, at: &Point, weight: f64, row: &mut [f64]) {
    let from_m: Vec<f64> = p.mean(i).iter().zip(&at.m).map(|(mu, m)| mu - m).collect();
    let from_n: Vec<f64> = p.mean(i).iter().zip(&at.n).map(|(mu, n)| mu - n).collect();
    // One vector for both sides, so that p = q gives exactly zero.
    let (mut student, mut teacher) = (at.m.clone(), at.n.clone());
    add_covariance_times(p, &at.r, &at.m, &from_m, 1.0, &mut student);
    add_covariance_times(q, &at.rho, &at.n, &from_n, 1.0, &mut teacher);
    for ((o, s), t) in row.iter_mut().zip(&student).zip(&teacher) {
        *o += weight * (s - t);
    }
}

/// eᵢ = ½|μᵢ−N|² − ½|μᵢ−M|², whose mean under stratum i is ℓᵢ, with L = Σ wᵢℓᵢ.
pub fn energy(mu: &[f64], at: &Point) -> f64 {
    0.5 * (squared_distance(mu, &at.n) - squared_distance(mu, &at.m))
}

/// gradient (rank) of row i += weight · [ a + ( ½|μᵢ−N|² − ½|μᵢ−M|² − level ) (x−μᵢ) ]: the score-function form under the row's own
/// stratum, for any constant `level`.
pub fn add_own_score_function(p: &Components, i: usize, x: &[f64], at: &Point, level: f64, weight: f64, row: &mut [f64]) {
    let mu = p.mean(i);
    let energy = energy(mu, at) - level;
    for (c, o) in row.iter_mut().enumerate() {
        *o += weight * (at.a[c] + energy * (x[c] - mu[c]));
    }
}

/// gradient (k, rank) += weight · { (C_p−C_q)a in row i, and rₗ( a + ⟨μₗ−M, a⟩(x−μₗ) ) in every row l }.
pub fn add_pathwise(p: &Components, q: &Components, i: usize, x: &[f64], at: &Point, weight: f64, gradient: &mut [f64]) {
    let row = &mut gradient[i * p.rank..(i + 1) * p.rank];
    let (mut student, mut teacher) = (vec![0.0; p.rank], vec![0.0; p.rank]);
    add_covariance_times(p, &at.r, &at.m, &at.a, 1.0, &mut student);
    add_covariance_times(q, &at.rho, &at.n, &at.a, 1.0, &mut teacher);
    for ((o, s), t) in row.iter_mut().zip(&student).zip(&teacher) {
        *o += weight * (s - t);
    }
    add_model_score_part(p, x, at, 0.0, weight, gradient);
}

/// gradient (k, rank) += weight · rₗ( ½|a|²(x−μₗ) + a + ⟨μₗ−M, a⟩(x−μₗ) ) in every row l.
pub fn add_score_function(p: &Components, x: &[f64], at: &Point, weight: f64, gradient: &mut [f64]) {
    add_model_score_part(p, x, at, at.half_square(), weight, gradient);
}
