//! The state of a descent: all that resuming needs, as plain data.

use super::stop::Stop;
use crate::error::Result;
use crate::problem::fit::Fit;

/// Where a descent stands.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    /// Steps made.
    pub step: u64,
    /// The device's coordinates of the means, shape (R, k, ϱ).
    pub coordinates: Vec<f64>,
    /// The length that is 1 in them: √(σ² + t).
    pub unit: f64,
    /// The newest logged step, if any, and the coordinates it had.
    pub logged: Option<(u64, Vec<f64>)>,
    /// Wall-clock seconds since the start, summed over every launch of the program.
    pub seconds: f64,
    /// The part of them spent in steps.
    pub descent_seconds: f64,
    /// Set once the descent has ended for good.
    pub stop: Option<Stop>,
}

impl State {
    /// Before the first step.
    pub fn start(fit: &mut Fit) -> Result<State> {
        Ok(State {
            step: 0,
            coordinates: fit.coordinates()?,
            unit: fit.unit(),
            logged: None,
            seconds: 0.0,
            descent_seconds: 0.0,
            stop: None,
        })
    }

    /// Puts the device at this state. Coordinates in another unit of length, as another level of noise has, are first converted.
    pub fn load_into(&mut self, fit: &mut Fit) -> Result<()> {
        if self.unit != fit.unit() {
            let factor = self.unit / fit.unit();
            let logged = self.logged.iter_mut().flat_map(|(_, coordinates)| coordinates);
            self.coordinates.iter_mut().chain(logged).for_each(|y| *y *= factor);
            self.unit = fit.unit();
        }
        fit.set_coordinates(&self.coordinates)
    }

    /// Whether the present step has been logged.
    pub(super) fn is_logged(&self) -> bool {
        self.logged.as_ref().is_some_and(|(step, _)| *step == self.step)
    }
}
