//! Objectives of mixtures with covariances of any kind, and where the gradient with respect to their parameters lies.
//!
//! Every objective F(p) has a first variation W, and with component i's x = μᵢ + Lᵢε (Bonnet, Price)
//!
//! ```text
//! ∂F/∂μᵢ = wᵢ Eᵢ[∇W]      ∂F/∂Σᵢ = ½ wᵢ Eᵢ[∇²W]      ∂F/∂logitᵢ = wᵢ (Eᵢ[W] − Σ w_l E_l[W])
//! reverse KL      W = log p − log q
//! reverse Fisher  W = V_q − V_p,   V = Δlog(·) + ½|∇log(·)|²
//! ```

use serde::{Deserialize, Serialize};

use super::divergence::Side;
use crate::mixture::CovarianceKind;

/// What is minimised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum Objective {
    /// ½ E_{x~student} |∇log p − ∇log q|².
    #[default]
    Reverse,
    /// ½ E_{x~teacher} |∇log p − ∇log q|².
    Forward,
    /// KL(student ‖ teacher).
    ReverseKl,
    /// KL(teacher ‖ student).
    ForwardKl,
}

impl Objective {
    pub const ALL: [Objective; 4] = [Objective::Reverse, Objective::Forward, Objective::ReverseKl, Objective::ForwardKl];

    /// Under which density its expectation is.
    pub fn side(self) -> Side {
        match self {
            Objective::Reverse | Objective::ReverseKl => Side::Student,
            Objective::Forward | Objective::ForwardKl => Side::Teacher,
        }
    }

    /// In words.
    pub fn title(self) -> &'static str {
        match self {
            Objective::Reverse => "reverse Fisher divergence",
            Objective::Forward => "forward Fisher divergence",
            Objective::ReverseKl => "KL(student ‖ teacher)",
            Objective::ForwardKl => "KL(teacher ‖ student)",
        }
    }
}

/// The parameters of a mixture of k components in d dimensions, one after the other: means (k, d), covariances in the shape of their kind,
/// and logits (k) of the weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameters {
    pub k: usize,
    pub d: usize,
    pub kind: CovarianceKind,
}

impl Parameters {
    /// Numbers of the covariances.
    pub fn n_covariances(self) -> usize {
        self.kind.shape(self.k, self.d).iter().product()
    }

    /// All numbers.
    pub fn len(self) -> usize {
        self.k * self.d + self.n_covariances() + self.k
    }

    /// True for a mixture of nothing.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Where the covariances begin.
    pub fn covariances(self) -> usize {
        self.k * self.d
    }

    /// Where the logits begin.
    pub fn logits(self) -> usize {
        self.covariances() + self.n_covariances()
    }

    /// gradient (of all parameters) += weight·matrix in the numbers of Σᵢ; `matrix` (d, d), symmetric, is the derivative with respect to
    /// the whole of Σᵢ.
    pub fn add_covariance(self, i: usize, matrix: &[f64], weight: f64, gradient: &mut [f64]) {
        let (d, own) = (self.d, &mut gradient[self.covariances()..self.logits()]);
        let trace = || (0..d).map(|a| matrix[a * d + a]).sum::<f64>();
        match self.kind {
            CovarianceKind::Common => own[0] += weight * trace(),
            CovarianceKind::Spherical => own[i] += weight * trace(),
            CovarianceKind::Diagonal => (0..d).for_each(|a| own[i * d + a] += weight * matrix[a * d + a]),
            CovarianceKind::Tied => own.iter_mut().zip(matrix).for_each(|(own, m)| *own += weight * m),
            CovarianceKind::Full => own[i * d * d..].iter_mut().zip(matrix).for_each(|(own, m)| *own += weight * m),
        }
    }
}
