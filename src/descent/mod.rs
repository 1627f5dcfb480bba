//! Gradient descent on the means: starts, schedule, the loop, stop rules, and recovery from a lost device. No files.

pub(crate) mod gradient_descent;
pub(crate) mod initial;
pub(crate) mod monitor;
pub(crate) mod oscillation;
pub(crate) mod recovery;
pub(crate) mod schedule;
pub(crate) mod state;
pub(crate) mod stop;

pub use gradient_descent::{Logged, Observer, descend};
pub use initial::{Scheme, start};
pub use schedule::Schedule;
pub use state::State;
pub use stop::{Measured, Stop, Tolerances};
