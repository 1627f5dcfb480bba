//! The sums of one step of EM for a mixture with covariances of any kind, in plain loops: log-likelihood, Σr, Σr e and Σr e eᵀ.

use crate::mixture::{Covariance, Mixture};

/// Σ over points (n, d): ln p; r, shape (k); r e with e = x − μ, shape (k, d); and r|e|², r e_a² or r e eᵀ in the shape of the
/// covariances, summed over the components where they share one.
pub fn moments(mixture: &Mixture, points: &[f64]) -> (f64, Vec<f64>, Vec<f64>, Vec<f64>) {
    let (k, d) = (mixture.n_components(), mixture.n_features());
    let shape = mixture.covariance_kind().shape(k, d);
    let (mut log_likelihood, mut mass, mut first) = (0.0, vec![0.0; k], vec![0.0; k * d]);
    let mut second = vec![0.0; shape.iter().product()];
    let (log_peaks, mut w) = (mixture.log_peaks(), vec![0.0; d]);
    for x in points.chunks_exact(d) {
        let difference = |i: usize| -> Vec<f64> { x.iter().zip(mixture.mean(i)).map(|(x, m)| x - m).collect() };
        let logits: Vec<f64> = (0..k)
            .map(|i| {
                mixture.factor(i).whiten(&difference(i), &mut w);
                log_peaks[i] - 0.5 * w.iter().map(|w| w * w).sum::<f64>()
            })
            .collect();
        let peak = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let total: f64 = logits.iter().map(|v| (v - peak).exp()).sum();
        log_likelihood += peak + total.ln() - 0.5 * d as f64 * (2.0 * std::f64::consts::PI).ln();
        for i in 0..k {
            let (r, e) = ((logits[i] - peak).exp() / total, difference(i));
            mass[i] += r;
            for a in 0..d {
                first[i * d + a] += r * e[a];
                match mixture.covariance() {
                    Covariance::Common(_) => second[0] += r * e[a] * e[a],
                    Covariance::Spherical(_) => second[i] += r * e[a] * e[a],
                    Covariance::Diagonal(_) => second[i * d + a] += r * e[a] * e[a],
                    Covariance::Tied(_) => (0..d).for_each(|b| second[a * d + b] += r * e[a] * e[b]),
                    Covariance::Full(_) => (0..d).for_each(|b| second[(i * d + a) * d + b] += r * e[a] * e[b]),
                }
            }
        }
    }
    (log_likelihood, mass, first, second)
}
