//! What is minimised: the divergences, how they are estimated, and the problem that a descent works on.

pub mod axes;
pub mod divergence;
pub mod estimator;
pub mod form;
pub mod grid;
pub mod groups;
pub mod hermite;
pub mod neighbours;
