//!  q adds to the gradient~ q adds to the gradient of the forward Fisher divergence L = ½ E_{x~q} |M − N|².
//!
//! ```text
//! ∂L/∂μₗ = E_q[ rₗ( a + ⟨μₗ−M, a⟩(x−μₗ) ) ]
//! ```
//!
//! GPU twin: `shaders/scatter.wgsl`.

use super::Components;
use super::posterior::Point;

/// gradient (k, rank) += weight · rₗ( a + (⟨μₗ−M, a⟩ + extra)(x−μₗ) ) in every row l.
///
/// `extra` is 0 for the forward and pathwise forms and ½|a|² for the score-function form of the reverse divergence.
pub(crate) fn add_model_score_part(p: &Components, x: &[f64], at: &Point, extra: f64, weight: f64, gradient: &mut [f64]) {
    for (l, r) in at.r.iter().enumerate() {
        let mu = p.mean(l);
        let along: f64 = mu.iter().zip(&at.m).zip(&at.a).map(|((mu, m), a)| (mu - m) * a).sum();
        for (c, o) in gradient[l * p.rank..(l + 1) * p.rank].iter_mut().enumerate() {
            *o += weight * r * (at.a[c] + (along + extra) * (x[c] - mu[c]));
        }
    }
}
