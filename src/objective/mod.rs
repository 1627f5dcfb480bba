//! What is minimised: the divergences, how they are estimated, and the problem that a descent works on.

pub(crate) mod axes;
pub(crate) mod divergence;
pub(crate) mod estimator;
pub(crate) mod form;
pub(crate) mod general;
pub(crate) mod grid;
pub(crate) mod groups;
pub(crate) mod hermite;
pub(crate) mod neighbours;

pub use divergence::{Divergence, Estimator, Sampler, Side, Storage};
pub use form::{Draws, Form};
pub use general::{Objective, Parameters};
pub use groups::Estimate;
pub use neighbours::Neighbours;
