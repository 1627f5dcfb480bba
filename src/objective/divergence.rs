//! The formulas, and the user's choices among them.
//!
//! With student p = Σ wᵢN(μᵢ, I), teacher q = Σ vⱼN(mⱼ, I), posterior means M = Σ rᵢμᵢ, N = Σ ρⱼmⱼ and the score residual a = ∇log p − ∇log
//! q = M − N ([`crate::math`]):
//!
//! ```text
//! reverse  L = ½ E_{x~p} |a|²        ∂L/∂μᵢ = wᵢEᵢ[ M + C_p(μᵢ−M) ] − wᵢEᵢ[ N + C_q(μᵢ−N) ]              (Stein)
//! forward  L = ½ E_{x~q} |a|²        ∂L/∂μᵢ = E_q[ rᵢ( a + ⟨μᵢ−M, a⟩(x−μᵢ) ) ]
//! ```
//!
//! where Eᵢ is the expectation over x = μᵢ + z, z ~ N(0, I), and C_p, C_q the posterior covariances of the component means. A common
//! variance σ² is a change of units: means in units of σ, L times 1/σ², ∂L/∂μ times 1/σ³.

use serde::{Deserialize, Serialize};

/// Which density the expectation is under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum Divergence {
    /// ½ E_{x~student} |∇log p − ∇log q|²: the objective of Tyurin 2026.
    #[default]
    Reverse,
    /// ½ E_{x~teacher} |∇log p − ∇log q|²: the baseline of Zhang et al. 2025.
    Forward,
}

/// Which unbiased estimator of the reverse gradient ([`crate::math`]). The forward gradient has one form, and ignores this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum Estimator {
    /// The engine's choice: `stein`, blended with `score-function` across steep walls between components (`objective::estimator`); on
    /// grids, `stein`.
    #[default]
    Auto,
    /// wᵢEᵢ[M + C_p(μᵢ−M) − N − C_q(μᵢ−N)]: each row depends on its own stratum alone.
    Stein,
    /// wᵢEᵢ[(C_p−C_q)a] + E_p[rᵢ(a + ⟨μᵢ−M, a⟩(x−μᵢ))]: what automatic differentiation of a reparameterised loss gives.
    Pathwise,
    /// E_p[rᵢ(½|a|²(x−μᵢ) + a + ⟨μᵢ−M, a⟩(x−μᵢ))].
    ScoreFunction,
}

/// How the points of the expectation are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum Sampler {
    /// The engine's choice: `sobol` in up to 16 subspace dimensions if the samples make whole nets, else `antithetic` (`philox` for odd
    /// numbers of samples).
    #[default]
    Auto,
    /// Independent draws.
    Philox,
    /// Pairs z, −z of independent draws.
    Antithetic,
    /// Scrambled Sobol points: each group of samples is a net with its own scrambling. Powers of two are the best numbers of samples.
    Sobol,
    /// An equispaced grid per stratum, for at most three subspace dimensions: no noise.
    Grid,
}

/// How draws are stored on a GPU. Means, vectors and sums are always single precision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum Storage {
    #[default]
    F32,
    /// Half precision if the adapter supports it: less memory traffic, errors of about 1e-3.
    F16,
}

/// One side of a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Student,
    Teacher,
}
