//! Metrics that depend on the means alone: coverage, distances, the Lyapunov sum. Divergences come from `Fit::measure`.

pub(crate) mod annealed;
pub mod general;
pub(crate) mod metric;
pub(crate) mod quadrature;

pub use annealed::{Annealed, annealed_kl};
pub use metric::Metric;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::mixture::{GaussianMixture, squared_distance};

/// A teacher component counts as covered by a student within this many standard deviations.
pub const COVERAGE_RADIUS: f64 = 0.75;

/// Which teacher components have a student near them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Coverage {
    /// Teacher components with at least one student within [`COVERAGE_RADIUS`]·σ.
    pub covered: usize,
    pub n_teacher_components: usize,
    /// covered / n_teacher_components.
    pub share: f64,
    /// The student weight within that radius of each teacher component, shape (K). A student counts for its nearest teacher component.
    pub student_weight: Vec<f64>,
}

/// What densities the measures of a problem with heat-flow time `noise` > 0 refer to, as a sentence without its full stop.
pub fn smoothed(noise: f64) -> String {
    format!("Divergences and total variation are of both densities after heat flow of time {noise}; coverage is of the means")
}

/// Refuses student means that are not (k, d), for the teacher's d and k weights.
fn check_shapes(teacher: &GaussianMixture, means: &[f64], k: usize) -> Result<()> {
    let d = teacher.n_features();
    if k > 0 && means.len() == k * d {
        return Ok(());
    }
    Err(Error::bad_input(
        format!("{} numbers are no means of {k} students in the teacher's {d} dimensions", means.len()),
        "Give means of shape (k, d) and weights of shape (k)",
    ))
}

/// Coverage of `teacher` by students at `means` (k, d) with `weights` (k).
///
/// # Errors
/// [`Error::BadInput`] for wrong shapes, as in all functions here.
pub fn coverage(teacher: &GaussianMixture, means: &[f64], weights: &[f64]) -> Result<Coverage> {
    check_shapes(teacher, means, weights.len())?;
    let radius = COVERAGE_RADIUS * COVERAGE_RADIUS * teacher.variance();
    let mut student_weight = vec![0.0; teacher.n_components()];
    for (mean, w) in means.chunks_exact(teacher.n_features()).zip(weights) {
        let (j, distance) = nearest(teacher, mean);
        if distance <= radius {
            student_weight[j] += w;
        }
    }
    let covered = student_weight.iter().filter(|w| **w > 0.0).count();
    Ok(Coverage {
        covered,
        n_teacher_components: teacher.n_components(),
        share: covered as f64 / teacher.n_components() as f64,
        student_weight,
    })
}

/// The teacher component nearest to `mean`, and the squared distance to it.
pub fn nearest(teacher: &GaussianMixture, mean: &[f64]) -> (usize, f64) {
    (0..teacher.n_components())
        .map(|j| (j, squared_distance(teacher.mean(j), mean)))
        .fold((0, f64::INFINITY), |best, next| if next.1 < best.1 { next } else { best })
}

/// Σ wᵢ |μᵢ − nearest teacher mean|, the distance of matched means.
pub fn matched_distance(teacher: &GaussianMixture, means: &[f64], weights: &[f64]) -> Result<f64> {
    check_shapes(teacher, means, weights.len())?;
    Ok(means.chunks_exact(teacher.n_features()).zip(weights).map(|(mean, w)| w * nearest(teacher, mean).1.sqrt()).sum())
}

/// The Lyapunov sum about the one Gaussian teacher's mean m: Σ|μᵢ−m|² falls along the gradient flow, Σ wᵢ|μᵢ−m|² along the flow of
/// gradients divided by weights, since Σᵢ⟨μᵢ−m, ∂L/∂μᵢ⟩ ≥ 0. `None` for a teacher of several components.
pub fn lyapunov(teacher: &GaussianMixture, means: &[f64], weights: Option<&[f64]>) -> Result<Option<f64>> {
    check_shapes(teacher, means, weights.map_or(means.len() / teacher.n_features(), <[f64]>::len))?;
    let rows = means.chunks_exact(teacher.n_features());
    Ok((teacher.n_components() == 1)
        .then(|| rows.enumerate().map(|(i, mean)| weights.map_or(1.0, |w| w[i]) * squared_distance(mean, teacher.mean(0))).sum()))
}
