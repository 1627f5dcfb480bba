//! The test problems for comparing devices, and the distance between two answers.

use crate::backend::UnitProblem;
use crate::objective::form::{Draws, Form};
use crate::random::philox::Philox;
use crate::random::streams::{Purpose, stream};

/// Numbers in (−1, 1), exact in single precision.
pub(super) fn scattered(rng: &mut Philox, n: usize) -> Vec<f64> {
    use rand::TryRng;
    let mut next = || match rng.try_next_u32() {
        Ok(word) => f64::from(word >> 8) / f64::from(1u32 << 23) - 1.0,
        Err(never) => match never {},
    };
    (0..n).map(|_| next()).collect()
}

/// A problem of one replicate, and the student's means.
pub(super) fn problem(rank: usize, k: usize, n_teachers: usize, n_samples: usize) -> (UnitProblem, Vec<f64>) {
    let mut rng = stream(0, Purpose::Check, 0, (rank + k) as u32);
    // Neighbours overlap in any dimension: |μ − m|² grows with the spread squared times the rank.
    let spread = (4.0 / (rank as f64).sqrt()).min(2.0) as f32;
    let mut means = |n: usize| scattered(&mut rng, n * rank).iter().map(|v| f64::from(*v as f32 * spread)).collect::<Vec<f64>>();
    let (student, teacher_means) = (means(k), means(n_teachers));
    let problem = UnitProblem::with_equal_weights(rank, k, teacher_means, Form::Stein, Draws::Independent(n_samples));
    (problem, student)
}

/// ‖got − want‖ / ‖want‖.
pub(super) fn normwise(got: &[f64], want: &[f64]) -> f64 {
    let error: f64 = got.iter().zip(want).map(|(g, w)| (g - w).powi(2)).sum();
    let scale: f64 = want.iter().map(|w| w * w).sum();
    if got.len() == want.len() { (error / scale).sqrt() } else { f64::NAN }
}
