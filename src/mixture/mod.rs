//! Gaussian mixtures, with one common variance or covariances of any kind: the types, files, and generators of teachers.

pub(crate) mod covariance;
pub(crate) mod factors;
pub mod files;
pub(crate) mod general;
pub mod generate;
pub(crate) mod sample;

pub use covariance::{Covariance, CovarianceKind};
pub use factors::Factor;
pub use general::Mixture;
pub use sample::{labels, sample, sample_f32};

use crate::error::{Error, Result};

/// A mixture Σ wᵢ N(μᵢ, σ²I), checked when it is made: all numbers are finite, weights are positive and sum to one. [`Mixture`] has
/// covariances of any kind.
#[derive(Debug, Clone, PartialEq)]
pub struct GaussianMixture {
    weights: Vec<f64>,
    means: Vec<f64>, // (k, d) row-major
    n_features: usize,
    variance: f64,
}

impl GaussianMixture {
    /// A mixture from `means` (k, d) row-major, `weights` (k) and the common variance σ².
    ///
    /// Weights must be positive and sum to 1 within 1e-6; they are then normalised.
    ///
    /// # Errors
    /// [`Error::BadInput`] with the row and column of the first number that cannot be used.
    pub fn new(weights: Vec<f64>, means: Vec<f64>, n_features: usize, variance: f64) -> Result<Self> {
        check_means(weights.len(), &means, n_features)?;
        if !(variance.is_finite() && variance > 0.0) {
            return Err(Error::bad_input(format!("variance is {variance}"), "Give a positive finite number"));
        }
        let weights = normalised(weights)?;
        Ok(Self { weights, means, n_features, variance })
    }

    /// Equal weights and unit variance.
    ///
    /// # Errors
    /// As [`GaussianMixture::new`].
    pub fn uniform(means: Vec<f64>, n_features: usize) -> Result<Self> {
        let k = means.len() / n_features.max(1);
        Self::new(vec![1.0 / k.max(1) as f64; k], means, n_features, 1.0)
    }

    /// The same mixture with other means (k, d).
    ///
    /// # Errors
    /// As [`GaussianMixture::new`].
    pub fn with_means(&self, means: Vec<f64>) -> Result<Self> {
        Self::new(self.weights.clone(), means, self.n_features, self.variance)
    }

    /// k.
    pub fn n_components(&self) -> usize {
        self.weights.len()
    }

    /// d.
    pub fn n_features(&self) -> usize {
        self.n_features
    }

    /// wᵢ, shape (k).
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// μ, shape (k, d) row-major.
    pub fn means(&self) -> &[f64] {
        &self.means
    }

    /// μᵢ, shape (d).
    pub fn mean(&self, i: usize) -> &[f64] {
        &self.means[i * self.n_features..(i + 1) * self.n_features]
    }

    /// σ².
    pub fn variance(&self) -> f64 {
        self.variance
    }

    /// The mean of the whole mixture Σ wᵢμᵢ, shape (d).
    pub fn centroid(&self) -> Vec<f64> {
        centroid(&self.weights, &self.means, self.n_features)
    }

    /// Root-mean-square distance of the component means from the centroid, divided by √d: the teachers' radius per coordinate.
    pub fn rms_radius(&self) -> f64 {
        let c = self.centroid();
        let total: f64 = self.means.chunks_exact(self.n_features).zip(&self.weights).map(|(mean, w)| w * squared_distance(mean, &c)).sum();
        (total / self.n_features as f64).sqrt()
    }
}

/// Refuses means that are not k ≥ 1 rows of d ≥ 1 finite numbers.
fn check_means(k: usize, means: &[f64], n_features: usize) -> Result<()> {
    if k == 0 || n_features == 0 {
        return Err(Error::bad_input(
            format!("a mixture of {k} components in {n_features} dimensions is empty"),
            "Give at least one component and one dimension",
        ));
    }
    if Some(means.len()) != k.checked_mul(n_features) {
        return Err(Error::bad_input(
            format!("{} numbers in means do not make {k} rows of {n_features}", means.len()),
            "Give means of shape (k, d) and weights of shape (k)",
        ));
    }
    if let Some(at) = means.iter().position(|v| !v.is_finite()) {
        let (row, column) = (at / n_features, at % n_features);
        return Err(Error::bad_input(format!("means[{row}, {column}] is {}", means[at]), "Replace it by a finite number or drop that row"));
    }
    Ok(())
}

/// Σ wᵢμᵢ of means (k, d).
pub(crate) fn centroid(weights: &[f64], means: &[f64], d: usize) -> Vec<f64> {
    let mut c = vec![0.0; d];
    for (w, mean) in weights.iter().zip(means.chunks_exact(d)) {
        for (c, m) in c.iter_mut().zip(mean) {
            *c += w * m;
        }
    }
    c
}

/// |a − b|², difference first.
pub fn squared_distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

/// Whether two files mean the same σ²: they may differ by 1e-6 of it, as one in single precision does from one in double.
pub fn is_same_variance(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-6 * a.max(b)
}

/// What the sum of weights may miss 1 by; six nines, as written in decimal, are within.
pub(crate) const SUM_WITHIN: f64 = 1.000_001e-6;

/// Weights that are positive and sum to 1 within 1e-6, divided by their sum.
pub fn normalised(mut weights: Vec<f64>) -> Result<Vec<f64>> {
    if let Some(i) = weights.iter().position(|w| !(w.is_finite() && *w > 0.0)) {
        return Err(Error::bad_input(
            format!("weights[{i}] is {}", weights[i]),
            "Weights must be positive: drop components that have none",
        ));
    }
    let sum: f64 = weights.iter().sum();
    if !((sum - 1.0).abs() <= SUM_WITHIN) {
        return Err(Error::bad_input(format!("weights sum to {sum}, not to 1 within 1e-6"), "Divide them by their sum"));
    }
    weights.iter_mut().for_each(|w| *w /= sum);
    Ok(weights)
}
