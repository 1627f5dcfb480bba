//! Points about half-way between far components, in double precision on the host.
//!
//! At such a point the responsibilities of two components depend on digits that single precision does not hold: a logit is the distance
//! between the components times the distance from the middle. Logits are relative to that of the component b that dominates,
//!
//! ```text
//! ln w_l/w_b − ½⟨μ_b − μ_l, (x − μ_l) + (x − μ_b)⟩/σ²
//! ```

use crate::backend::Evaluation;
use crate::mixture::{GaussianMixture, squared_distance};

/// A point closer than this, in σ, to its nearest component is resolved on the device.
const NEAR: f64 = 16.0;

/// Half-way between components twice this far apart, in σ, a logit has an error of 1e-4.
const FAR: f64 = 24.0;

/// A component this many nats below the dominant one has responsibility zero even after single-precision errors: a logit is the product of
/// two distances, and has an error of 5e-7 of the larger square.
const NO_SHARE: f64 = 90.0;
const ROUNDING: f64 = 2e-6;

/// At most this many changes of the dominant component: each one reduces the rounding.
const MOST_TURNS: usize = 8;

/// The component with the largest posterior at x, and whether single precision cannot distinguish it from another far one.
pub(super) fn dominant(mixture: &GaussianMixture, x: &[f64]) -> (u32, bool) {
    let deficit = |l: usize| 0.5 * squared_distance(x, mixture.mean(l)) / mixture.variance() - mixture.weights()[l].ln();
    let ((best, least), second) =
        (0..mixture.n_components()).map(|l| (l, deficit(l))).fold(((0, f64::INFINITY), f64::INFINITY), |(best, second), next| {
            if next.1 < best.1 { (next, best.1) } else { (best, second.min(next.1)) }
        });
    let is_halfway = least > 0.5 * NEAR * NEAR && second - least < NO_SHARE + ROUNDING * second;
    (best as u32, is_halfway)
}

/// The same if `nearest` was found on the device: only a point far from it is examined. In d dimensions a point of a component is about √d
/// from it.
pub(super) fn is_halfway(mixture: &GaussianMixture, x: &[f64], nearest: u32) -> bool {
    let d = x.len() as f64;
    let square = squared_distance(x, mixture.mean(nearest as usize)) / mixture.variance();
    square > FAR * FAR + d + 5.0 * (2.0 * d).sqrt() && dominant(mixture, x).1
}

/// Writes log-density, score and responsibilities of x into row `i` of `out`.
pub(super) fn evaluate(mixture: &GaussianMixture, x: &[f64], nearest: u32, i: usize, out: &mut Evaluation) {
    let (k, d, variance) = (mixture.n_components(), x.len(), mixture.variance());
    let (b, logits) = relative_logits(mixture, x, nearest as usize);
    let weights: Vec<f64> = logits.iter().map(|logit| logit.exp()).collect();
    let mass: f64 = weights.iter().sum();
    let own = mixture.weights()[b].ln() - 0.5 * squared_distance(x, mixture.mean(b)) / variance;
    out.log_density[i] = own + mass.ln() - 0.5 * d as f64 * (2.0 * std::f64::consts::PI * variance).ln();
    for (c, score) in out.score[i * d..(i + 1) * d].iter_mut().enumerate() {
        let origin = mixture.mean(b)[c];
        let pull: f64 = (0..k).map(|l| weights[l] / mass * (mixture.mean(l)[c] - origin)).sum();
        *score = (origin - x[c] + pull) / variance;
    }
    if !out.responsibilities.is_empty() {
        out.responsibilities[i * k..(i + 1) * k].iter_mut().zip(&weights).for_each(|(r, weight)| *r = weight / mass);
    }
}

/// The component that dominates at x, starting the search from `b`, and all logits less its own.
fn relative_logits(mixture: &GaussianMixture, x: &[f64], mut b: usize) -> (usize, Vec<f64>) {
    let of = |b: usize, l: usize| {
        let (mu, at) = (mixture.mean(l), mixture.mean(b));
        let squares: f64 = (0..x.len()).map(|c| (at[c] - mu[c]) * ((x[c] - mu[c]) + (x[c] - at[c]))).sum();
        mixture.weights()[l].ln() - mixture.weights()[b].ln() - 0.5 * squares / mixture.variance()
    };
    for _ in 0..MOST_TURNS {
        let largest = (0..mixture.n_components()).fold(b, |a, l| if of(b, l) > of(b, a) { l } else { a });
        if !(of(b, largest) > 0.0) {
            break;
        }
        b = largest;
    }
    (b, (0..mixture.n_components()).map(|l| of(b, l)).collect())
}
