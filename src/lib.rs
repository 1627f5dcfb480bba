#![doc = include_str!("../README.md")]
//!
//! # Notation
//!
//! | symbol | in code | meaning |
//! |---|---|---|
//! | d | `n_features` | dimensions of space |
//! | ϱ | `rank` | dimensions that a device works in: the span of the means |
//! | k, K | `n_components`, `n_teacher_components` | components of student and teacher |
//! | R | `n_replicates` | independent starts that run together |
//! | n, G | `n_samples`, `n_groups` | samples of a stratum, and the groups they are averaged in |
//! | p = Σ wᵢN(μᵢ, σ²I) | student | weights fixed, means trained |
//! | q = Σ vⱼN(mⱼ, σ²I) | teacher | the target |
//! | r, ρ | responsibilities | softmax of the component log-densities under p, q |
//! | M, N | posterior means | Σ rᵢμᵢ, Σ ρⱼmⱼ |
//! | a = M − N | score residual | σ²(∇log p − ∇log q) |
//! | stratum i | Eᵢ | expectation over x = μᵢ + σz, z ~ N(0, I) |
//!
//! Arrays are row-major, and every one says its shape. "Gradient" is always ∂/∂parameters; the gradient in x is the *score*.
//!
//! # Rooms, from the ground up
//!
//! [`error`], `memory`, `number`, `random`, `vector` (loops compiled for the machine's vector instructions) → [`mixture`] → [`objective`] (what is
//! minimised) → [`backend`] (the seam: problems, sums, how work is shared) → [`reference`](mod@reference), [`cpu`], [`gpu`] (the three
//! devices, which never name each other) and [`problem`] (users' coordinates) → [`device`] (the choice among devices); [`descent`] and
//! [`metrics`] use only problems; [`diffusion`] learns mixtures from points; [`check`] compares devices and measures them; [`experiment`]
//! runs and keeps; [`report`] draws; [`cli`] talks. [`math`] has the formulas.

// Parts that only the program, the pages or the GPUs use are compiled, though unused, in a library without them.
#![cfg_attr(not(all(feature = "cli", feature = "gpu")), allow(dead_code, unused_imports))]

pub mod backend;
pub mod check;
#[cfg(feature = "cli")]
pub mod cli;
pub mod cpu;
pub mod descent;
pub mod device;
pub mod diffusion;
pub mod engine;
pub mod error;
pub mod experiment;
#[cfg(feature = "gpu")]
pub mod gpu;
pub mod guide;
#[doc(hidden)]
pub mod internals;
pub mod math;
mod memory;
pub mod metrics;
pub mod mixture;
mod number;
pub mod objective;
pub mod problem;
mod random;
pub mod reference;
#[cfg(feature = "report")]
pub mod report;
mod vector;

pub use backend::{Backend, Rule, Session};
pub use device::Device;
pub use error::{Error, Result};
pub use mixture::GaussianMixture;
pub use problem::{Divergences, Fit, Gradient, Problem, Rare, RareDraws};
