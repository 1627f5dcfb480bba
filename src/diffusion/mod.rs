//! Learning a mixture from points: the diffusion-model learner of Gatmiry, Kelner and Lee (2024), and two others.
//!
//! Points x ~ Q₀ * N(0, σ₀²I) are noised to y = x + √t·ξ at a ladder of noise levels (`schedule`). At each level the posterior mean of the
//! centre, f(y) = y + σ²∇ln p(y) with σ² = σ₀² + t, is learned by least squares on Hermite polynomials, one polynomial for each Voronoi
//! cell of the current warm starts and of places between them (`cells`, `regression`, `objective::hermite`). Warm starts are a set cover of
//! denoised points (`warm_start`), and the reverse diffusion draws new points (`sampler`). Only the principal directions matter
//! (`projection`). `parametric` turns the last warm starts into means and weights, by denoising score matching (`score_matching`). `ddpm`
//! is the two-stage learner of Shah, Chen and Klivans (2023), and `em` is expectation–maximisation.
//!
//! All computations are in the units of [`data::Data`]: centred, and σ₀ = 1 if the variance is known.

pub(crate) mod cells;
pub(crate) mod compare;
pub(crate) mod data;
pub(crate) mod ddpm;
pub(crate) mod divergence;
pub(crate) mod draws;
pub(crate) mod em;
pub(crate) mod em_general;
pub(crate) mod energy;
pub(crate) mod islands;
pub(crate) mod ladder;
pub(crate) mod learn;
mod learn_general;
pub(crate) mod learned;
pub(crate) mod mergers;
pub(crate) mod misfit;
mod moment_sums;
pub(crate) mod moments;
mod moments_kernel;
mod moments_loops;
pub(crate) mod noised;
pub(crate) mod options;
pub(crate) mod parametric;
pub(crate) mod pass;
pub(crate) mod points_of;
pub(crate) mod presets;
pub(crate) mod projection;
pub(crate) mod regression;
pub(crate) mod sampler;
pub(crate) mod schedule;
pub(crate) mod score_matching;
pub(crate) mod search;
pub(crate) mod search_general;
pub(crate) mod seeding;
pub(crate) mod tiles;
pub(crate) mod warm_start;
pub(crate) mod watch;

pub use learn::learn;
pub use learned::Learned;
pub use options::{Method, Options, Variance};
pub use watch::Watch;
