//! Steps that go to and fro: too long for the curvature, and not so long that anything runs off.

use crate::backend::Rule;
use crate::error::Result;
use crate::problem::fit::Fit;

/// Steps that are tried.
const TRIED: u64 = 16;

/// The least length of a step, in σ, that is worth a word.
const LEAST: f64 = 0.2;

/// Of the way gone altogether, the share that turned around at every step: of independent errors about a half.
const TO_AND_FRO: f64 = 0.7;

/// A replicate whose means go to and fro from here.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Oscillation {
    pub replicate: usize,
    pub component: usize,
    /// The mean length of its steps, in units of σ.
    pub length: f64,
}

/// Tries a few steps from where `fit` stands, with the draws of `step` and after, and puts it back. A mean goes to and fro where
/// |Σ(−1)ᵗdₜ| is nearly Σ|dₜ|, its steps being dₜ.
///
/// # Errors
/// The device's.
pub fn oscillation(fit: &mut Fit, rule: &Rule, step: u64) -> Result<Option<Oscillation>> {
    let start = fit.coordinates()?;
    let (rank, k) = (fit.rank(), fit.n_components());
    let (mut before, mut turned, mut gone) = (start.clone(), vec![0.0; start.len()], vec![0.0; start.len() / rank]);
    for t in 0..TRIED {
        fit.descend(step + t, 1, rule)?;
        let after = fit.coordinates()?;
        let sign = if t % 2 == 0 { 1.0 } else { -1.0 };
        for (row, gone) in gone.iter_mut().enumerate() {
            let at = row * rank..(row + 1) * rank;
            let moved: Vec<f64> = after[at.clone()].iter().zip(&before[at.clone()]).map(|(a, b)| a - b).collect();
            *gone += length(&moved);
            turned[at].iter_mut().zip(&moved).for_each(|(sum, v)| *sum += sign * v);
        }
        before = after;
    }
    fit.set_coordinates(&start)?;
    let found = gone.iter().zip(turned.chunks_exact(rank)).enumerate().filter_map(|(row, (gone, turned))| {
        let long = gone / TRIED as f64;
        let oscillates = long.is_finite() && long >= LEAST && length(turned) >= TO_AND_FRO * gone;
        oscillates.then_some(Oscillation { replicate: row / k, component: row % k, length: long })
    });
    Ok(found.max_by(|a, b| a.length.total_cmp(&b.length)))
}

fn length(v: &[f64]) -> f64 {
    v.iter().map(|v| v * v).sum::<f64>().sqrt()
}
