//! Gradient descent: starts, stop rules, the loop and its checkpoints.

pub mod checkpoint;
pub mod gradient_descent;
pub mod initial;
pub mod journal;
pub mod recovery;
pub mod stop;
