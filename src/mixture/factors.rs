//! Factors of covariances: Σᵢ = LᵢLᵢᵀ with Lᵢ lower triangular, and Rᵢ = Lᵢ⁻¹, so that differences are whitened before they are squared.

use super::covariance::{Covariance, not_definite};
use crate::error::Result;

/// Factors of all components; those that components share lie here once.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Factors {
    d: usize,
    form: Form,
}

#[derive(Debug, Clone, PartialEq)]
enum Form {
    /// Standard deviations (k), or one of all components.
    Spherical(Vec<f64>),
    /// Standard deviations (k, d).
    Diagonal(Vec<f64>),
    /// L and R, each (k, d, d), or (d, d) of all components.
    Lower { l: Vec<f64>, r: Vec<f64> },
}

/// The factor of one component.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Factor<'a> {
    /// L = σI.
    Spherical(f64),
    /// L is diagonal: standard deviations (d).
    Diagonal(&'a [f64]),
    /// L and R, row-major (d, d), zero above their diagonals.
    Lower { l: &'a [f64], r: &'a [f64] },
}

impl Factors {
    /// Of checked covariances in d dimensions.
    ///
    /// # Errors
    /// [`crate::Error::BadInput`] for a matrix that is not positive definite.
    pub(super) fn of(covariance: &Covariance, d: usize) -> Result<Factors> {
        let roots = |variances: &[f64]| variances.iter().map(|v| v.sqrt()).collect();
        let form = match covariance {
            Covariance::Common(variance) => Form::Spherical(vec![variance.sqrt()]),
            Covariance::Spherical(variances) => Form::Spherical(roots(variances)),
            Covariance::Diagonal(variances) => Form::Diagonal(roots(variances)),
            Covariance::Tied(matrices) | Covariance::Full(matrices) => {
                let (mut l, mut r) = (matrices.clone(), vec![0.0; matrices.len()]);
                for (i, (l, r)) in l.chunks_exact_mut(d * d).zip(r.chunks_exact_mut(d * d)).enumerate() {
                    if !cholesky(l, d) {
                        let is_tied = matches!(covariance, Covariance::Tied(_));
                        let name = if is_tied { "covariances".to_string() } else { format!("covariances[{i}]") };
                        return Err(not_definite(&matrices[i * d * d..][..d * d], d, &name));
                    }
                    invert(l, r, d);
                }
                Form::Lower { l, r }
            }
        };
        Ok(Factors { d, form })
    }

    /// Of component i.
    pub(crate) fn of_component(&self, i: usize) -> Factor<'_> {
        let size = self.d * self.d;
        match &self.form {
            Form::Spherical(deviations) => Factor::Spherical(deviations[i.min(deviations.len() - 1)]),
            Form::Diagonal(deviations) => Factor::Diagonal(&deviations[i * self.d..][..self.d]),
            Form::Lower { l, r } => {
                let first = if l.len() == size { 0 } else { i * size };
                Factor::Lower { l: &l[first..][..size], r: &r[first..][..size] }
            }
        }
    }
}

impl Factor<'_> {
    /// w = R e, shape (d): |w|² is e's squared Mahalanobis length.
    pub fn whiten(&self, e: &[f64], w: &mut [f64]) {
        match self {
            Factor::Spherical(deviation) => w.iter_mut().zip(e).for_each(|(w, e)| *w = e / deviation),
            Factor::Diagonal(deviations) => w.iter_mut().zip(e).zip(*deviations).for_each(|((w, e), s)| *w = e / s),
            Factor::Lower { r, .. } => {
                for (a, w) in w.iter_mut().enumerate() {
                    *w = r[a * e.len()..][..=a].iter().zip(e).map(|(r, e)| r * e).sum();
                }
            }
        }
    }

    /// out = Rᵀw, shape (d): of w = R e this is Σ⁻¹e.
    pub fn whiten_transposed(&self, w: &[f64], out: &mut [f64]) {
        match self {
            Factor::Spherical(deviation) => out.iter_mut().zip(w).for_each(|(out, w)| *out = w / deviation),
            Factor::Diagonal(deviations) => out.iter_mut().zip(w).zip(*deviations).for_each(|((out, w), s)| *out = w / s),
            Factor::Lower { r, .. } => {
                let d = w.len();
                for (b, out) in out.iter_mut().enumerate() {
                    *out = (b..d).map(|a| r[a * d + b] * w[a]).sum();
                }
            }
        }
    }

    /// Coordinate `a` of L z, z of shape (d).
    pub fn coloured(&self, z: &[f64], a: usize) -> f64 {
        match self {
            Factor::Spherical(deviation) => deviation * z[a],
            Factor::Diagonal(deviations) => deviations[a] * z[a],
            Factor::Lower { l, .. } => l[a * z.len()..][..=a].iter().zip(z).map(|(l, z)| l * z).sum(),
        }
    }

    /// ½ ln|Σ| in d dimensions.
    pub fn half_log_determinant(&self, d: usize) -> f64 {
        match self {
            Factor::Spherical(deviation) => d as f64 * deviation.ln(),
            Factor::Diagonal(deviations) => deviations.iter().map(|s| s.ln()).sum(),
            Factor::Lower { l, .. } => (0..d).map(|a| l[a * d + a].ln()).sum(),
        }
    }

    /// The smallest standard deviation of a coordinate given those before it, and the largest of any coordinate.
    pub fn deviations(&self, d: usize) -> [f64; 2] {
        match self {
            Factor::Spherical(deviation) => [*deviation; 2],
            Factor::Diagonal(deviations) => deviations.iter().fold([f64::INFINITY, 0.0], |[a, b], s| [a.min(*s), b.max(*s)]),
            Factor::Lower { l, .. } => (0..d).fold([f64::INFINITY, 0.0], |[least, largest], a| {
                let row = &l[a * d..][..=a];
                [least.min(row[a]), largest.max(row.iter().map(|l| l * l).sum::<f64>().sqrt())]
            }),
        }
    }
}

/// Replaces a symmetric matrix (d, d) by its lower factor; false where a pivot is lost in the rounding of its row.
fn cholesky(matrix: &mut [f64], d: usize) -> bool {
    for a in 0..d {
        let variance = matrix[a * d + a];
        for b in 0..=a {
            let inner: f64 = (0..b).map(|c| matrix[a * d + c] * matrix[b * d + c]).sum();
            let rest = matrix[a * d + b] - inner;
            if a != b {
                matrix[a * d + b] = rest / matrix[b * d + b];
            } else if rest > d as f64 * f64::EPSILON * variance {
                matrix[a * d + a] = rest.sqrt();
            } else {
                return false;
            }
        }
        matrix[a * d + a + 1..(a + 1) * d].fill(0.0);
    }
    true
}

/// r = l⁻¹ of a lower factor (d, d).
fn invert(l: &[f64], r: &mut [f64], d: usize) {
    for b in 0..d {
        r[b * d + b] = 1.0 / l[b * d + b];
        for a in b + 1..d {
            let inner: f64 = (b..a).map(|c| l[a * d + c] * r[c * d + b]).sum();
            r[a * d + b] = -inner / l[a * d + a];
        }
    }
}
