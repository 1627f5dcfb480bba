//! Log-density, score and responsibilities of a mixture with covariances of any kind, at one point.
//!
//! ```text
//! w_l = R_l (x − μ_l)        ln p(x) = logsumexp_l( c_l − ½|w_l|² ) − (d/2) ln 2π        c_l = ln w_l − ½ ln|Σ_l|
//! r = softmax_l( c_l − ½|w_l|² )        ∇ln p(x) = −Σ r_l R_lᵀ w_l
//! ```
//!
//! Differences come first: x − μ_l before it is whitened, and logits relative to that of the component b that dominates at x,
//! c_l − c_b − ½⟨w_l − w_b, w_l + w_b⟩ with w_l − w_b = (R_l − R_b)(x − μ_b) + R_l(μ_b − μ_l), in which nothing large cancels where two
//! components have one covariance.

use crate::mixture::Mixture;

/// Times that another component is found to dominate: each time rounding hides less.
const MOST_TURNS: usize = 8;

/// What a mixture says of one point.
pub(crate) struct Point {
    /// ln p(x).
    pub log_density: f64,
    /// ∇ln p(x), shape (d).
    pub score: Vec<f64>,
    /// r(x), shape (k).
    pub responsibilities: Vec<f64>,
}

/// At `x` (d).
pub(crate) fn at(p: &Mixture, x: &[f64]) -> Point {
    let (k, d, peaks) = (p.n_components(), p.n_features(), p.log_peaks());
    let whitened: Vec<Vec<f64>> = (0..k).map(|l| whitened(p, l, &difference(x, p.mean(l)))).collect();
    let square = |w: &[f64]| w.iter().map(|w| w * w).sum::<f64>();
    let mut b = largest(&(0..k).map(|l| peaks[l] - 0.5 * square(&whitened[l])).collect::<Vec<f64>>());
    let mut logits = vec![0.0; k];
    for turn in 0..MOST_TURNS {
        for l in 0..k {
            logits[l] = peaks[l] - peaks[b] - 0.5 * difference_of_squares(p, l, b, x, &whitened);
        }
        let next = largest(&logits);
        if !(logits[next] > 0.0) || turn + 1 == MOST_TURNS {
            break; // by rounding each of some may dominate the next: the logits are then those beside b
        }
        b = next;
    }
    let peak = logits[largest(&logits)];
    let mass: f64 = logits.iter().map(|logit| (logit - peak).exp()).sum();
    let responsibilities: Vec<f64> = logits.iter().map(|logit| (logit - peak).exp() / mass).collect();
    let constant = 0.5 * d as f64 * (2.0 * std::f64::consts::PI).ln();
    let log_density = peaks[b] - 0.5 * square(&whitened[b]) + peak + mass.ln() - constant;
    let (mut score, mut pull) = (vec![0.0; d], vec![0.0; d]);
    for l in 0..k {
        p.factor(l).whiten_transposed(&whitened[l], &mut pull);
        if responsibilities[l] > 0.0 {
            score.iter_mut().zip(&pull).for_each(|(s, u)| *s -= responsibilities[l] * u);
        }
    }
    Point { log_density, score, responsibilities }
}

/// |w_l|² − |w_b|².
fn difference_of_squares(p: &Mixture, l: usize, b: usize, x: &[f64], whitened: &[Vec<f64>]) -> f64 {
    if l == b {
        return 0.0;
    }
    let turned = self::whitened(p, l, &difference(x, p.mean(b)));
    let moved = self::whitened(p, l, &difference(p.mean(b), p.mean(l)));
    (0..x.len()).map(|a| ((turned[a] - whitened[b][a]) + moved[a]) * (whitened[l][a] + whitened[b][a])).sum()
}

fn whitened(p: &Mixture, l: usize, e: &[f64]) -> Vec<f64> {
    let mut w = vec![0.0; e.len()];
    p.factor(l).whiten(e, &mut w);
    w
}

fn difference(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

/// The index of the largest number.
fn largest(values: &[f64]) -> usize {
    (0..values.len()).fold(0, |a, i| if values[i] > values[a] { i } else { a })
}
