//! The interface to the devices: what a device can do, in units of a step or more.
//!
//! A backend works on a [`UnitProblem`]: unit variance, coordinates of the problem's own subspace, R replicates at once.
//! `problem::reduction` translates between it and what users see.

mod description;
pub(crate) mod exchange;
mod interrupt;
mod parameters;
mod points;
pub(crate) mod polynomials;
mod problem;
pub(crate) mod share;
pub(crate) mod split;
mod sums;

pub use description::{AdapterInfo, Description, Kind};
pub use interrupt::Interrupt;
pub use parameters::{Layout, Rule};
pub use points::{Points, whole_points};
pub use polynomials::{Cells, Gram, Polynomials, Step};
pub use problem::UnitProblem;
pub use sums::{Evaluation, GradientSums, MeasureSums};

use crate::error::Result;
use crate::mixture::Mixture;
use crate::objective::divergence::Side;

/// A device that evaluates mixtures and opens problems. Every error is the device's unless the method says otherwise.
pub trait Backend: Send {
    /// What the device is.
    fn describe(&self) -> Description;

    /// Log-density and score of `mixture` at `points` (n, d), and responsibilities if asked.
    ///
    /// # Errors
    /// Those of [`whole_points`] and of the device, which may know one common variance alone.
    fn evaluate(&mut self, mixture: &Mixture, points: Points, responsibilities: bool) -> Result<Evaluation>;

    /// The piecewise polynomials of `mixscore learn` on this device.
    fn polynomials(&self) -> Box<dyn polynomials::Polynomials>;

    /// Opens a session on a problem and allocates everything that its steps need.
    ///
    /// # Errors
    /// The problem does not fit the device.
    fn open(&mut self, problem: &UnitProblem) -> Result<Box<dyn Session>>;
}

/// A problem in a device's memory, with the student's current parameters.
pub trait Session: Send {
    /// Sets the student's parameters, shape (R, [`Layout`]).
    fn set(&mut self, parameters: &[f64]) -> Result<()>;

    /// The student's parameters, shape (R, [`Layout`]), exactly as the device holds them: [`Session::set`] of them changes no bit.
    fn parameters(&mut self) -> Result<Vec<f64>>;

    /// The gradient at the current parameters from the draws of `step`.
    fn gradient(&mut self, step: u64) -> Result<GradientSums>;

    /// `n_steps` steps by `rule`, with the draws of steps `first_step`, `first_step` + 1, …. The result does not depend on how the steps
    /// are divided into calls. Non-finite parameters are no error here: the caller checks them.
    fn descend(&mut self, first_step: u64, n_steps: u64, rule: &Rule) -> Result<()>;

    /// The largest certified bias of a row of ∂L/∂μ from components that a step at the current means leaves out (Euclidean norm).
    fn certified_bias(&mut self) -> Result<f64> {
        Ok(0.0)
    }

    /// What the metrics need, at `n_samples` points per stratum, drawn for `step` independently of the draws of the steps. The strata are
    /// the components of `from`: all of them, or the listed ones in this order, in every replicate. Draws depend on the place in `strata`,
    /// so a component that is listed twice is measured twice, independently.
    fn measure(&mut self, from: Side, strata: Option<&[u32]>, n_samples: usize, step: u64) -> Result<MeasureSums>;
}
