//! Gradient descent on the means: starts, schedule, the loop, stop rules, and what it does when a device is lost. No files.

pub mod gradient_descent;
pub mod initial;
pub mod oscillation;
pub mod recovery;
pub mod schedule;
pub mod state;
pub mod stop;
pub mod watch;
