//! Learning a mixture from points: the diffusion-model learner of Gatmiry, Kelner and Lee (2024), and two others beside it.
//!
//! Points x ~ Q₀ * N(0, σ₀²I) are noised to y = x + √t·ξ at a ladder of noise levels ([`schedule`]); at each level the posterior mean of
//! the centre, f(y) = y + σ²∇ln p(y) with σ² = σ₀² + t, is learned by least squares on Hermite polynomials, one polynomial for each
//! Voronoi cell of the current warm starts ([`regression`], [`crate::objective::hermite`]); warm starts are a set cover of denoised points
//! ([`warm_start`]); and the reverse diffusion draws new points ([`sampler`]). Only the principal directions matter ([`projection`]).
//! [`parametric`] turns the last warm starts into means and weights, by denoising score matching ([`score_matching`]).
//! [`ddpm`] is the two-stage learner of Shah, Chen and Klivans (2023), [`em`] the method that everyone knows.
//!
//! Everything inside works in the units of [`data::Data`]: centred, and σ₀ = 1 where the variance is known.

pub mod compare;
pub mod data;
pub mod ddpm;
pub mod em;
pub mod islands;
pub mod ladder;
pub mod learn;
pub mod misfit;
pub mod noised;
pub mod options;
pub mod parametric;
pub mod pass;
pub mod presets;
pub mod projection;
pub mod regression;
pub mod sampler;
pub mod schedule;
pub mod score_matching;
pub mod search;
pub mod seeding;
pub mod tiles;
pub mod warm_start;
pub mod watch;
