//! Log-density and responsibilities of a unit-variance mixture at one point.
//!
//! ```text
//! ln p(x) = logsumexpᵢ( ln wᵢ − ½|x−μᵢ|² ) − (d/2) ln 2π        r = softmaxᵢ( ln wᵢ − ½|x−μᵢ|² )
//! ```
//!
//! GPU twins: `shaders/distance.wgsl`, `shaders/softmax.wgsl`.

use super::Components;
use crate::mixture::squared_distance;

fn logit(p: &Components, i: usize, x: &[f64]) -> f64 {
    p.weights[i].ln() - 0.5 * squared_distance(x, p.mean(i))
}

/// ln p(x), with the normalising constant.
pub fn log_density(p: &Components, x: &[f64]) -> f64 {
    let peak = (0..p.len()).map(|i| logit(p, i, x)).fold(f64::NEG_INFINITY, f64::max);
    let mass: f64 = (0..p.len()).map(|i| (logit(p, i, x) - peak).exp()).sum();
    peak + mass.ln() - 0.5 * x.len() as f64 * (2.0 * std::f64::consts::PI).ln()
}

/// r(x), shape (k).
pub fn responsibilities(p: &Components, x: &[f64], r: &mut [f64]) {
    for (i, r) in r.iter_mut().enumerate() {
        *r = logit(p, i, x);
    }
    let peak = r.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut mass = 0.0;
    for r in r.iter_mut() {
        *r = (*r - peak).exp();
        mass += *r;
    }
    r.iter_mut().for_each(|r| *r /= mass);
}
