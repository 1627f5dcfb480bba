//! Covariances of the components of a mixture: one form for all components, as scikit-learn has them, beside the common variance.

use faer::{Mat, Side};

use crate::error::{Error, Result};

/// How far a matrix may be from symmetric, relative to √(Σ_aa·Σ_bb): what single precision rounds.
const ASYMMETRY: f64 = 1e-6;

/// The covariances Σᵢ of a mixture's k components in d dimensions.
#[derive(Debug, Clone, PartialEq)]
pub enum Covariance {
    /// Σᵢ = σ²I for all components.
    Common(f64),
    /// Σᵢ = σᵢ²I: the variances σᵢ², shape (k).
    Spherical(Vec<f64>),
    /// Σᵢ is diagonal: the variances of the coordinates, shape (k, d).
    Diagonal(Vec<f64>),
    /// Σᵢ = Σ for all components, shape (d, d).
    Tied(Vec<f64>),
    /// Shape (k, d, d).
    Full(Vec<f64>),
}

/// Which form covariances have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "lowercase")]
pub enum CovarianceKind {
    /// One variance for all components and coordinates.
    Common,
    /// A variance for each component.
    Spherical,
    /// A variance for each coordinate of each component.
    #[serde(rename = "diag")]
    #[cfg_attr(feature = "cli", value(name = "diag"))]
    Diagonal,
    /// One matrix for all components.
    Tied,
    /// A matrix for each component.
    Full,
}

impl CovarianceKind {
    /// From the simplest to the most general.
    pub const ALL: [CovarianceKind; 5] = [Self::Common, Self::Spherical, Self::Diagonal, Self::Tied, Self::Full];

    /// scikit-learn's word, or `common`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Common => "common",
            Self::Spherical => "spherical",
            Self::Diagonal => "diag",
            Self::Tied => "tied",
            Self::Full => "full",
        }
    }

    /// The shape of the numbers of k components in d dimensions.
    pub fn shape(self, k: usize, d: usize) -> Vec<usize> {
        match self {
            Self::Common => vec![],
            Self::Spherical => vec![k],
            Self::Diagonal => vec![k, d],
            Self::Tied => vec![d, d],
            Self::Full => vec![k, d, d],
        }
    }

    /// Free numbers in the covariances of k components in d dimensions.
    pub fn n_parameters(self, k: usize, d: usize) -> usize {
        match self {
            Self::Common => 1,
            Self::Spherical => k,
            Self::Diagonal => k * d,
            Self::Tied => d * (d + 1) / 2,
            Self::Full => k * (d * (d + 1) / 2),
        }
    }
}

impl std::fmt::Display for CovarianceKind {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl Covariance {
    /// Covariances of this kind from their numbers, row-major in [`CovarianceKind::shape`]; nothing is checked.
    pub fn of_kind(kind: CovarianceKind, values: Vec<f64>) -> Covariance {
        match kind {
            CovarianceKind::Common => Covariance::Common(values.first().copied().unwrap_or(f64::NAN)),
            CovarianceKind::Spherical => Covariance::Spherical(values),
            CovarianceKind::Diagonal => Covariance::Diagonal(values),
            CovarianceKind::Tied => Covariance::Tied(values),
            CovarianceKind::Full => Covariance::Full(values),
        }
    }

    /// Its kind.
    pub fn kind(&self) -> CovarianceKind {
        match self {
            Covariance::Common(_) => CovarianceKind::Common,
            Covariance::Spherical(_) => CovarianceKind::Spherical,
            Covariance::Diagonal(_) => CovarianceKind::Diagonal,
            Covariance::Tied(_) => CovarianceKind::Tied,
            Covariance::Full(_) => CovarianceKind::Full,
        }
    }

    /// Its numbers, row-major in [`CovarianceKind::shape`].
    pub fn values(&self) -> &[f64] {
        match self {
            Covariance::Common(variance) => std::slice::from_ref(variance),
            Covariance::Spherical(values) | Covariance::Diagonal(values) | Covariance::Tied(values) | Covariance::Full(values) => values,
        }
    }

    /// Σᵢ, shape (d, d).
    pub fn matrix(&self, i: usize, d: usize) -> Vec<f64> {
        let diagonal = |variance: &dyn Fn(usize) -> f64| {
            let mut matrix = vec![0.0; d * d];
            (0..d).for_each(|a| matrix[a * d + a] = variance(a));
            matrix
        };
        match self {
            Covariance::Common(variance) => diagonal(&|_| *variance),
            Covariance::Spherical(variances) => diagonal(&|_| variances[i]),
            Covariance::Diagonal(variances) => diagonal(&|a| variances[i * d + a]),
            Covariance::Tied(matrix) => matrix.clone(),
            Covariance::Full(matrices) => matrices[i * d * d..][..d * d].to_vec(),
        }
    }

    /// The same covariances in a more general form; `None` where `kind` does not contain theirs.
    pub fn widened(&self, kind: CovarianceKind, k: usize, d: usize) -> Option<Covariance> {
        let diagonal = |variance: &dyn Fn(usize, usize) -> f64| (0..k * d).map(|at| variance(at / d, at % d)).collect();
        Some(match (self, kind) {
            (own, kind) if own.kind() == kind => own.clone(),
            (Covariance::Common(variance), CovarianceKind::Spherical) => Covariance::Spherical(vec![*variance; k]),
            (Covariance::Common(variance), CovarianceKind::Diagonal) => Covariance::Diagonal(vec![*variance; k * d]),
            (Covariance::Common(_), CovarianceKind::Tied) => Covariance::Tied(self.matrix(0, d)),
            (Covariance::Spherical(variances), CovarianceKind::Diagonal) => Covariance::Diagonal(diagonal(&|i, _| variances[i])),
            (own, CovarianceKind::Full) => Covariance::Full((0..k).flat_map(|i| own.matrix(i, d)).collect()),
            _ => return None,
        })
    }

    /// Those of the components that stay.
    pub fn of_components(&self, d: usize, stays: impl Fn(usize) -> bool) -> Covariance {
        let size = match self.kind() {
            CovarianceKind::Common | CovarianceKind::Tied => return self.clone(),
            CovarianceKind::Spherical => 1,
            CovarianceKind::Diagonal => d,
            CovarianceKind::Full => d * d,
        };
        let parts = self.values().chunks_exact(size).enumerate().filter(|(i, _)| stays(*i));
        Covariance::of_kind(self.kind(), parts.flat_map(|(_, part)| part.to_vec()).collect())
    }

    /// Σᵢ + `variance`·I in the same form.
    pub fn plus(&self, variance: f64, d: usize) -> Covariance {
        let mut values = self.values().to_vec();
        match self.kind() {
            CovarianceKind::Tied | CovarianceKind::Full => {
                values.chunks_exact_mut(d * d).for_each(|matrix| (0..d).for_each(|a| matrix[a * d + a] += variance));
            }
            _ => values.iter_mut().for_each(|v| *v += variance),
        }
        Covariance::of_kind(self.kind(), values)
    }

    /// Checked for k components in d dimensions: the right number of finite numbers, variances positive, matrices symmetric (what single
    /// precision rounds is mended) and positive definite.
    ///
    /// # Errors
    /// [`Error::BadInput`] with the component and, of a matrix, its smallest eigenvalue.
    pub(super) fn checked(mut self, k: usize, d: usize) -> Result<Covariance> {
        let (kind, shape) = (self.kind(), self.kind().shape(k, d));
        if self.values().len() != shape.iter().product::<usize>() {
            return Err(Error::bad_input(
                format!("{} numbers are no {kind} covariances of {k} components in {d} dimensions", self.values().len()),
                format!("Give {kind} covariances of shape {shape:?}"),
            ));
        }
        let name = if kind == CovarianceKind::Common { "variance" } else { "covariances" };
        if let Some(at) = self.values().iter().position(|v| !v.is_finite()) {
            return Err(Error::bad_input(format!("{name}{} is {}", index(at, &shape), self.values()[at]), "Replace it by a finite number"));
        }
        match &mut self {
            Covariance::Common(_) | Covariance::Spherical(_) | Covariance::Diagonal(_) => {
                if let Some(at) = self.values().iter().position(|v| !(*v > 0.0)) {
                    return Err(Error::bad_input(
                        format!("{name}{} is {}", index(at, &shape), self.values()[at]),
                        "Give positive variances (σ², not its logarithm)",
                    ));
                }
            }
            Covariance::Tied(matrix) => symmetric(matrix, d, "covariances")?,
            Covariance::Full(matrices) => {
                for (i, matrix) in matrices.chunks_exact_mut(d * d).enumerate() {
                    symmetric(matrix, d, &format!("covariances[{i}]"))?;
                }
            }
        }
        Ok(self)
    }
}

/// `[2, 0]`, or nothing for a scalar.
fn index(mut at: usize, shape: &[usize]) -> String {
    let mut parts = Vec::new();
    for n in shape.iter().rev() {
        parts.push((at % n).to_string());
        at /= n;
    }
    parts.reverse();
    if parts.is_empty() { String::new() } else { format!("[{}]", parts.join(", ")) }
}

/// Makes a matrix (d, d) exactly symmetric, if rounding explains what it lacks; refuses one that has a variance that is not positive.
fn symmetric(matrix: &mut [f64], d: usize, name: &str) -> Result<()> {
    if (0..d).any(|a| !(matrix[a * d + a] > 0.0)) {
        return Err(not_definite(matrix, d, name));
    }
    for a in 0..d {
        for b in 0..a {
            let (below, above) = (matrix[a * d + b], matrix[b * d + a]);
            if !((below - above).abs() <= ASYMMETRY * matrix[a * d + a].sqrt() * matrix[b * d + b].sqrt()) {
                return Err(Error::bad_input(
                    format!("{name} is not symmetric: [{a}, {b}] is {below} and [{b}, {a}] is {above}"),
                    "Give the covariance matrix Σ, not its Cholesky factor; ½(Σ + Σᵀ) is symmetric",
                ));
            }
            let mean = 0.5 * (below + above);
            (matrix[a * d + b], matrix[b * d + a]) = (mean, mean);
        }
    }
    Ok(())
}

/// The refusal of a matrix (d, d) that is not positive definite in double precision.
pub(super) fn not_definite(matrix: &[f64], d: usize, name: &str) -> Error {
    let eigenvalues = Mat::from_fn(d, d, |a, b| matrix[a * d + b]).self_adjoint_eigenvalues(Side::Lower);
    let (least, largest) = match &eigenvalues {
        Ok(values) => (values.iter().copied().fold(f64::INFINITY, f64::min), values.iter().copied().fold(f64::NEG_INFINITY, f64::max)),
        Err(_) => (f64::NAN, f64::NAN),
    };
    // Half as much again as what makes it definite beyond rounding: two digits are printed.
    let ridge = 1.5 * ((-least).max(0.0) + 1e-9 * largest.abs().max(least.abs()));
    Error::bad_input(
        format!("{name} is not positive definite: its smallest eigenvalue is {least:.3e}, its largest {largest:.3e}"),
        if ridge.is_finite() {
            format!("Add {ridge:.1e} to its diagonal, or leave out directions without spread")
        } else {
            "Leave out directions without spread".into()
        },
    )
}
