//! Log-density, score and responsibilities at given points.
//!
//! Large quantities are computed as differences, in double precision. Squared distances are sums of squared differences, never
//! |x|² − 2x·μ + |μ|². Logits are relative to the component b that dominates at the point,
//!
//! ```text
//! ln w_l/w_b − ½(|x−μ_l|² − |x−μ_b|²)/σ² = ln w_l/w_b − ½⟨μ_b − μ_l, (x − μ_l) + (x − μ_b)⟩/σ²
//! ```
//!
//! and the right side is used if the squares are so large that their rounding shows. The score is (μ_b − x + Σ r_l (μ_l − μ_b))/σ².
//! Exponentials are in single precision: responsibilities have a relative error of 1e-7.

use rayon::prelude::*;

use crate::backend::{Evaluation, Points};
use crate::mixture::GaussianMixture;
use crate::objective::groups::BLOCK;
use crate::vector::double::inner_of_differences;
use crate::vector::lanes;
use crate::vector::vector_fn;

/// Coordinates that are transposed together, so that a tile's columns stay in cache in any number of dimensions.
const COORDINATES: usize = 64;

/// Squared distances below this many σ², whose rounding is 1e-11 of a logit, are as good as the difference.
pub(super) const PLAIN: f64 = 1e4;

/// A component this far below the dominant one has responsibility zero, even after the rounding of plain squares (1e-13 of them).
const NO_SHARE: f64 = 90.0;
const ROUNDING: f64 = 1e-13;

/// Times that another component is found to dominate a point: each time rounding hides less.
pub(super) const MOST_TURNS: usize = 8;

/// See [`Backend::evaluate`](crate::Backend::evaluate).
pub(super) fn evaluate(mixture: &GaussianMixture, points: Points, responsibilities: bool) -> Evaluation {
    let d = mixture.n_features();
    let log_weights: Vec<f64> = mixture.weights().iter().map(|w| w.ln()).collect();
    let tiles: Vec<Evaluation> = (0..points.len())
        .into_par_iter()
        .step_by(BLOCK * d)
        .map(|first| points.range(first..points.len().min(first + BLOCK * d)).to_f64())
        .map(|tile| evaluate_tile(mixture, &log_weights, &tile, responsibilities))
        .collect();
    let mut out = Evaluation { log_density: Vec::new(), score: Vec::new(), responsibilities: Vec::new() };
    for tile in tiles {
        out.log_density.extend(tile.log_density);
        out.score.extend(tile.score);
        out.responsibilities.extend(tile.responsibilities);
    }
    out
}

fn evaluate_tile(mixture: &GaussianMixture, log_weights: &[f64], points: &[f64], responsibilities: bool) -> Evaluation {
    let (k, d, variance) = (mixture.n_components(), mixture.n_features(), mixture.variance());
    let n = points.len() / d;
    let mut logits = squared_distances(mixture.means(), points, n, d); // (k, n), like every matrix of a tile
    let (mut peak, mut dominant) = (vec![0.0; n], vec![0; n]);
    relative_logits(&mut logits, log_weights, 0.5 / variance, &mut peak, &mut dominant);
    for (s, x) in points.chunks_exact(d).enumerate() {
        if !(peak[s].abs() > 0.5 * PLAIN) {
            continue;
        }
        dominant[s] = refine(mixture, log_weights, x, peak[s], dominant[s], &mut logits[s..], n);
        peak[s] = log_weights[dominant[s]] - 0.5 * square(x, mixture.mean(dominant[s])) / variance;
    }
    let mut r = vec![0.0f32; k * n];
    let mut mass = vec![0.0; n];
    softmax(&logits, &mut r, &mut mass);
    let constant = 0.5 * d as f64 * (2.0 * std::f64::consts::PI * variance).ln();
    let mut out = Evaluation { log_density: vec![0.0; n], score: vec![0.0; n * d], responsibilities: Vec::new() };
    for (s, (x, score)) in points.chunks_exact(d).zip(out.score.chunks_exact_mut(d)).enumerate() {
        out.log_density[s] = peak[s] + mass[s].ln() - constant;
        posterior_difference(mixture.means(), x, dominant[s], &r[s..], n, score);
        score.iter_mut().for_each(|v| *v /= variance);
        if responsibilities {
            out.responsibilities.extend(r[s..].iter().step_by(n).map(|r| f64::from(*r)));
        }
    }
    out
}

/// |x − μ_l|² of a tile's points, shape (k, n).
fn squared_distances(means: &[f64], points: &[f64], n: usize, d: usize) -> Vec<f64> {
    let mut squares = vec![0.0; means.len() / d * n];
    let mut x = vec![0.0; n * COORDINATES.min(d)];
    for first in (0..d).step_by(COORDINATES) {
        let m = COORDINATES.min(d - first);
        for (c, column) in x.chunks_exact_mut(n).take(m).enumerate() {
            column.iter_mut().zip(points.chunks_exact(d)).for_each(|(x, point)| *x = point[first + c]);
        }
        add_squares(&x[..n * m], &means[first..], d, n, &mut squares);
    }
    squares
}

vector_fn! {
    /// squares (k, n) += Σ (x − μ)² over the rows of x (coordinates, n), for rows μ of `means` that lie `row` apart.
    fn add_squares(x: &[f64], means: &[f64], row: usize, n: usize, squares: &mut [f64]) {
        for (l, sums) in squares.chunks_exact_mut(n).enumerate() {
            for (x, mu) in x.chunks_exact(n).zip(&means[l * row..]) {
                for (sum, x) in sums.iter_mut().zip(x) {
                    *sum += (x - mu) * (x - mu);
                }
            }
        }
    }
}

vector_fn! {
    /// Squared distances (k, n) become logits less the largest one of each point, `peak` (n), which is that of component `dominant` (n).
    pub(super) fn relative_logits(squares: &mut [f64], log_weights: &[f64], half: f64, peak: &mut [f64], dominant: &mut [usize]) {
        let n = peak.len();
        peak.fill(f64::NEG_INFINITY);
        for (l, row) in squares.chunks_exact_mut(n).enumerate() {
            for ((logit, peak), dominant) in row.iter_mut().zip(peak.iter_mut()).zip(dominant.iter_mut()) {
                *logit = log_weights[l] - half * *logit;
                if *logit > *peak {
                    (*peak, *dominant) = (*logit, l);
                }
            }
        }
        for row in squares.chunks_exact_mut(n) {
            row.iter_mut().zip(peak.iter()).for_each(|(logit, peak)| *logit -= peak);
        }
    }
}

/// Computes the relative logits of one point, which lie `stride` apart, from differences of means. Returns the component that dominates.
fn refine(
    mixture: &GaussianMixture,
    log_weights: &[f64],
    x: &[f64],
    peak: f64,
    dominant: usize,
    logits: &mut [f64],
    stride: usize,
) -> usize {
    let (k, mut b) = (mixture.n_components(), dominant);
    let least = -NO_SHARE - ROUNDING * peak.abs();
    let near: Vec<usize> = (0..k).filter(|l| logits[l * stride] >= least).collect();
    for _ in 0..MOST_TURNS {
        let mut next = b;
        logits[b * stride] = 0.0;
        for &l in &near {
            logits[l * stride] =
                log_weights[l] - log_weights[b] - 0.5 * difference_of_squares(x, mixture.mean(l), mixture.mean(b)) / mixture.variance();
            if logits[l * stride] > logits[next * stride] {
                next = l;
            }
        }
        if next == b {
            break;
        }
        b = next;
    }
    b
}

vector_fn! {
    /// |x − a|² − |x − b|² = ⟨b − a, (x − a) + (x − b)⟩.
    fn difference_of_squares(x: &[f64], a: &[f64], b: &[f64]) -> f64 {
        inner_of_differences(b, a, x, a) + inner_of_differences(b, a, x, b)
    }
}

/// |a − b|².
fn square(a: &[f64], b: &[f64]) -> f64 {
    crate::vector::double::squared_distance(a, b)
}

vector_fn! {
    /// Responsibilities (k, n) of relative logits (k, n), and the sums (n) of what they are shares of.
    pub(super) fn softmax(logits: &[f64], r: &mut [f32], mass: &mut [f64]) {
        let n = mass.len();
        mass.fill(0.0);
        for (logits, r) in logits.chunks_exact(n).zip(r.chunks_exact_mut(n)) {
            for ((logit, r), mass) in logits.iter().zip(r).zip(mass.iter_mut()) {
                let share = lanes::exp(*logit as f32);
                *r = if *logit > -87.0 { share } else { 0.0 };
                *mass += f64::from(*r);
            }
        }
        for r in r.chunks_exact_mut(n) {
            for (r, mass) in r.iter_mut().zip(mass.iter()) {
                *r = (f64::from(*r) / mass) as f32;
            }
        }
    }
}

vector_fn! {
    /// out (d) = μ_b − x + Σ r_l (μ_l − μ_b) for one point, whose r_l lie `stride` apart.
    fn posterior_difference(means: &[f64], x: &[f64], dominant: usize, r: &[f32], stride: usize, out: &mut [f64]) {
        let d = x.len();
        let b = &means[dominant * d..][..d];
        for ((out, b), x) in out.iter_mut().zip(b).zip(x) {
            *out = b - x;
        }
        for (mean, r) in means.chunks_exact(d).zip(r.iter().step_by(stride)) {
            let r = f64::from(*r);
            if r > 0.0 {
                for ((out, mean), b) in out.iter_mut().zip(mean).zip(b) {
                    *out += r * (mean - b);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In single precision a sum of a thousand equal terms is a few millionths too low, which is more than nearly equal mixtures differ by.
    #[test]
    fn the_mass_of_many_components_is_not_rounded_to_one_side() {
        let (k, logit) = (1024, -0.7f32);
        let mut logits = vec![f64::from(logit); k];
        logits[0] = 0.0;
        let (mut r, mut mass) = (vec![0.0; k], [0.0]);
        softmax(&logits, &mut r, &mut mass);
        let exact = 1.0 + (k - 1) as f64 * f64::from(lanes::exp(logit));
        assert!((mass[0] - exact).abs() <= 1e-12 * exact, "{} for {exact}", mass[0]);
        let single = (1..k).fold(1.0f32, |sum, _| sum + lanes::exp(logit));
        assert!((f64::from(single) - exact).abs() > 1e-7 * exact, "single precision would do: {single}");
    }
}
