//! Log-density and responsibilities of a unit-variance mixture at one point.
//!
//! ```text
//! ln p(x) = logsumexpᵢ( ln wᵢ − ½|x−μᵢ|² ) − (d/2) ln 2π        r = softmaxᵢ( ln wᵢ − ½|x−μᵢ|² )
//! ```
//!
//! Logits are taken relative to that of the component b that dominates at x, by a difference of means instead of one of large squares:
//! ln wᵢ − ln w_b − ½⟨μ_b − μᵢ, (x − μᵢ) + (x − μ_b)⟩.
//!
//! GPU twins: `shaders/distance.wgsl`, `shaders/softmax.wgsl`.

use super::Components;
use crate::mixture::squared_distance;

/// At most this many changes of the dominant component: each one reduces the rounding.
const MOST_TURNS: usize = 8;

/// ln p(x), with the normalising constant.
pub(crate) fn log_density(p: &Components, x: &[f64]) -> f64 {
    let mut logits = vec![0.0; p.len()];
    let b = relative_logits(p, x, &mut logits);
    let mass: f64 = logits.iter().map(|logit| logit.exp()).sum();
    logit(p, b, x) + mass.ln() - 0.5 * x.len() as f64 * (2.0 * std::f64::consts::PI).ln()
}

/// r(x), shape (k).
pub(crate) fn responsibilities(p: &Components, x: &[f64], r: &mut [f64]) {
    relative_logits(p, x, r);
    r.iter_mut().for_each(|r| *r = r.exp());
    let mass: f64 = r.iter().sum();
    r.iter_mut().for_each(|r| *r /= mass);
}

/// Returns the component b that dominates at x, and writes all logits less that of b, shape (k).
fn relative_logits(p: &Components, x: &[f64], out: &mut [f64]) -> usize {
    let mut b = largest(&(0..p.len()).map(|i| logit(p, i, x)).collect::<Vec<f64>>());
    for _ in 0..MOST_TURNS {
        for (i, out) in out.iter_mut().enumerate() {
            let (mu, at) = (p.mean(i), p.mean(b));
            let squares: f64 = (0..p.rank).map(|c| (at[c] - mu[c]) * ((x[c] - mu[c]) + (x[c] - at[c]))).sum();
            *out = p.weights[i].ln() - p.weights[b].ln() - 0.5 * squares;
        }
        let next = largest(out);
        if !(out[next] > 0.0) {
            break;
        }
        b = next;
    }
    b
}

fn logit(p: &Components, i: usize, x: &[f64]) -> f64 {
    p.weights[i].ln() - 0.5 * squared_distance(x, p.mean(i))
}

/// The index of the largest number.
fn largest(values: &[f64]) -> usize {
    (0..values.len()).fold(0, |a, i| if values[i] > values[a] { i } else { a })
}
