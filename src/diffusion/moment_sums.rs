//! The sums over samples that EM needs, for covariances of any kind.

use crate::mixture::{Covariance, CovarianceKind, Mixture};

/// Σ over samples, with responsibilities r and differences e = x − μ from the mixture's means.
#[derive(Debug, Clone, PartialEq)]
pub struct Moments {
    /// ln p(x).
    pub log_likelihood: f64,
    /// r, shape (k).
    pub mass: Vec<f64>,
    /// r e, shape (k, d).
    pub first: Vec<f64>,
    /// r|e|², r e_a² or r e eᵀ in the shape of the covariances; summed over the components where they share one.
    pub second: Vec<f64>,
}

impl Moments {
    pub(super) fn zero(kind: CovarianceKind, k: usize, d: usize) -> Self {
        let second = vec![0.0; kind.shape(k, d).iter().product()];
        Self { log_likelihood: 0.0, mass: vec![0.0; k], first: vec![0.0; k * d], second }
    }

    pub(super) fn add(mut self, other: &Moments) -> Moments {
        let add = |a: &mut [f64], b: &[f64]| a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
        self.log_likelihood += other.log_likelihood;
        add(&mut self.mass, &other.mass);
        add(&mut self.first, &other.first);
        add(&mut self.second, &other.second);
        self
    }

    /// From scatter about the mixture's centroid to scatter about the components' means, where these share one matrix; and the upper
    /// triangles, which the kernel leaves out.
    pub(super) fn completed(mut self, mixture: &Mixture) -> Moments {
        let d = mixture.n_features();
        if mixture.covariance_kind() == CovarianceKind::Tied {
            let centroid = mixture.centroid();
            for (l, (mass, first)) in self.mass.iter().zip(self.first.chunks_exact(d)).enumerate() {
                let shift: Vec<f64> = mixture.mean(l).iter().zip(&centroid).map(|(m, c)| m - c).collect();
                for a in 0..d {
                    for b in 0..=a {
                        self.second[a * d + b] -= first[a] * shift[b] + shift[a] * first[b] + mass * shift[a] * shift[b];
                    }
                }
            }
        }
        if matches!(mixture.covariance(), Covariance::Tied(_) | Covariance::Full(_)) {
            for matrix in self.second.chunks_exact_mut(d * d) {
                (0..d).for_each(|a| (0..a).for_each(|b| matrix[b * d + a] = matrix[a * d + b]));
            }
        }
        self
    }
}
