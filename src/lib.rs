//! The problem on one page comes here with the README.

pub mod backend;
pub mod cli;
pub mod cpu;
pub mod descent;
pub mod error;
pub mod experiment;
pub mod gpu;
pub mod metrics;
pub mod mixture;
pub mod objective;
pub mod random;
pub mod reference;
pub mod report;

pub use backend::device::Device;
pub use backend::{Backend, Session};
pub use descent::problem::{Divergences, Fit, Gradient, Problem};
pub use error::{Error, Result};
pub use mixture::GaussianMixture;
