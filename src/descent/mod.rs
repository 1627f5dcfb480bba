//! Gradient descent: problems in users' coordinates, starts, stop rules, the loop and its checkpoints.

pub mod checkpoint;
pub mod fit;
pub mod gradient_descent;
pub mod initial;
pub mod journal;
pub mod problem;
pub mod recovery;
pub mod stop;
