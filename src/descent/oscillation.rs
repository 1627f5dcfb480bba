//! Steps that go to and fro: too long for the curvature, and not so long that anything runs off.
//!
//! What tells is A = |Σ(−1)ᵗdₜ|/Σ|dₜ| over the steps dₜ of a mean. Where it goes to and fro, A is nearly 1 however long one looks. On a noise
//! floor neighbouring steps turn around as well (their correlation is −c/2, for a step of c in units of the curvature), but lose the beat:
//! there E A² = π/((2 − c)T) after T steps of a mean in one dimension, less in more. So A is large by chance in a few steps, and not in many.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::backend::Rule;
use crate::error::Result;
use crate::problem::fit::Fit;

/// After so many steps it is asked whether any mean still goes to and fro, and no more are tried where none does: of most problems none does
/// after the first sixteen.
const ASKED: [u64; 3] = [16, 64, 256];

/// The least length of a step, in σ, that is worth a word.
const LEAST: f64 = 0.2;

/// The least A. After 256 steps at c = 1.5 in one dimension that is five standard deviations of a noise floor: of a thousand means one in
/// three thousand problems has one.
const TO_AND_FRO: f64 = 0.8;

/// A replicate whose means go to and fro from here.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Oscillation {
    pub replicate: usize,
    pub component: usize,
    /// The mean length of its steps, in units of σ.
    pub length: f64,
}

/// Tries steps from where `fit` stands, with the draws of `step` and after, and puts it back. `None` where `interrupted`.
///
/// # Errors
/// The device's.
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

/// What the steps of each mean add up to, rows being (R, k).
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

    /// The row, and the mean length of its steps, that goes to and fro the farthest.
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

    /// How often ten means are said to go to and fro that follow y ← (1 − c)y + c·noise·N(0, 1), from `start` on.
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
                (0..100).for_each(|_| next(&mut y)); // onto the floor
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
