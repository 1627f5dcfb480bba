//! Steps that oscillate: too long for the curvature, but not long enough to diverge.
//!
//! The measure is A = |Σ(−1)ᵗdₜ|/Σ|dₜ| over the steps dₜ of a mean. For an oscillating mean A stays near 1 for any number of steps. On a
//! noise floor neighbouring steps are negatively correlated too (−c/2, for a step of c in units of the curvature), but the alternation is
//! lost with time: E A² = π/((2 − c)T) after T steps of a mean in one dimension, less in more. So A may be large by chance after a few
//! steps, but not after many.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::backend::Rule;
use crate::error::Result;
use crate::problem::fit::Fit;

/// After these numbers of steps the trial ends if no mean oscillates any more, which for most problems is after the first sixteen.
const ASKED: [u64; 3] = [16, 64, 256];

/// The shortest step, in σ, that is worth a message.
const LEAST: f64 = 0.2;

/// The least A that counts as oscillation. After 256 steps at c = 1.5 in one dimension that is five standard deviations of a noise floor:
/// of a thousand means it happens by chance in one of three thousand problems.
const TO_AND_FRO: f64 = 0.8;

/// A replicate whose means oscillate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Oscillation {
    pub replicate: usize,
    pub component: usize,
    /// The mean length of its steps, in units of σ.
    pub length: f64,
}

/// Tries steps from where `fit` stands, with the draws of `step` and after, and restores `fit`. `None` if `interrupted`.
pub(crate) fn oscillation(fit: &mut Fit, rule: &Rule, step: u64, interrupted: &AtomicBool) -> Result<Option<Oscillation>> {
    let start = fit.coordinates()?;
    let mut beat = Beat::new(&start, fit.rank());
    let mut found = None;
    for asked in ASKED {
        while beat.n_steps < asked {
            fit.descend(step + beat.n_steps, 1, rule)?;
            beat.add(&fit.coordinates()?);
        }
        found = beat.longest().filter(|_| !interrupted.load(Ordering::SeqCst));
        if found.is_none() {
            break;
        }
    }
    fit.set_coordinates(&start)?;
    let k = fit.n_components();
    Ok(found.map(|(row, length)| Oscillation { replicate: row / k, component: row % k, length }))
}

/// Sums over the steps of each mean; rows are (R, k).
struct Beat {
    rank: usize,
    n_steps: u64,
    before: Vec<f64>,
    /// Σ(−1)ᵗdₜ (R, k, ϱ), and Σ|dₜ| (R, k).
    turned: Vec<f64>,
    gone: Vec<f64>,
}

impl Beat {
    fn new(start: &[f64], rank: usize) -> Beat {
        Beat { rank, n_steps: 0, before: start.to_vec(), turned: vec![0.0; start.len()], gone: vec![0.0; start.len() / rank] }
    }

    fn add(&mut self, coordinates: &[f64]) {
        let sign = if self.n_steps.is_multiple_of(2) { 1.0 } else { -1.0 };
        let moved: Vec<f64> = coordinates.iter().zip(&self.before).map(|(a, b)| a - b).collect();
        self.turned.iter_mut().zip(&moved).for_each(|(sum, v)| *sum += sign * v);
        self.gone.iter_mut().zip(moved.chunks_exact(self.rank)).for_each(|(sum, d)| *sum += length(d));
        self.before.copy_from_slice(coordinates);
        self.n_steps += 1;
    }

    /// The row that oscillates with the longest steps, and their mean length.
    fn longest(&self) -> Option<(usize, f64)> {
        let rows = self.gone.iter().zip(self.turned.chunks_exact(self.rank)).enumerate();
        let found = rows.filter_map(|(row, (gone, turned))| {
            let mean = gone / self.n_steps as f64;
            (mean.is_finite() && mean >= LEAST && length(turned) >= TO_AND_FRO * gone).then_some((row, mean))
        });
        found.max_by(|a, b| a.1.total_cmp(&b.1))
    }
}

fn length(v: &[f64]) -> f64 {
    v.iter().map(|v| v * v).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use rand_distr::{Distribution, StandardNormal};

    use super::*;
    use crate::random::streams::{Purpose, stream};

    /// How many of `trials` report an oscillation of ten means under y ← (1 − c)y + c·noise·N(0, 1), from `start`.
    fn told(c: f64, noise: f64, start: f64, rank: usize, trials: u64) -> u64 {
        let one = |seed: u64| {
            let mut rng = stream(seed, Purpose::MeasureStudent, 0, 0);
            let mut y = vec![start; 10 * rank];
            let mut next = |y: &mut Vec<f64>| {
                y.iter_mut().for_each(|y| {
                    let draw: f64 = StandardNormal.sample(&mut rng);
                    *y = (1.0 - c) * *y + c * noise * draw;
                });
            };
            if start == 0.0 {
                (0..100).for_each(|_| next(&mut y)); // until the noise floor
            }
            let mut beat = Beat::new(&y, rank);
            ASKED.iter().all(|asked| {
                while beat.n_steps < *asked {
                    next(&mut y);
                    beat.add(&y);
                }
                beat.longest().is_some()
            })
        };
        (0..trials).filter(|seed| one(1000 * rank as u64 + seed)).count() as u64
    }

    #[test]
    fn a_noise_floor_does_not_go_to_and_fro() {
        for rank in [1, 2, 5] {
            for c in [0.5, 1.0, 1.5] {
                assert!(told(c, 1.0, 0.0, rank, 200) < 2, "c = {c} in {rank} dimensions");
            }
        }
    }

    #[test]
    fn what_goes_to_and_fro_is_told_in_noise_too() {
        for (c, noise) in [(2.0, 0.0), (2.0, 0.2), (1.999, 0.1)] {
            assert_eq!(told(c, noise, 10.0, 2, 50), 50, "c = {c}, noise {noise}");
        }
    }
}
