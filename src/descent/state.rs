//! The state of a descent: everything that resuming needs, as plain data.

use super::monitor::Monitor;
use super::stop::Stop;
use crate::error::Result;
use crate::problem::fit::Fit;
use crate::problem::gaps::Gaps;

/// The state after some step.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    /// Steps made.
    pub step: u64,
    /// The device's coordinates of the means, shape (R, k, ϱ).
    pub coordinates: Vec<f64>,
    /// The unit of length of the coordinates: √(σ² + t).
    pub unit: f64,
    /// The gaps shortened in them, for each replicate; empty if there are none.
    pub gaps: Vec<Gaps>,
    /// The newest logged step, if any, and the coordinates it had.
    pub logged: Option<(u64, Vec<f64>)>,
    /// The newest logged step at which nothing was worse than at the start, and the coordinates it had.
    pub good: Option<(u64, Vec<f64>)>,
    /// Whether the descent diverges.
    pub monitor: Monitor,
    /// Wall-clock seconds since the start, summed over every launch of the program.
    pub seconds: f64,
    /// The seconds spent in steps.
    pub descent_seconds: f64,
    /// Set once the descent has ended for good.
    pub stop: Option<Stop>,
}

impl State {
    /// The state before the first step.
    pub fn start(fit: &mut Fit) -> Result<State> {
        Ok(State {
            step: 0,
            coordinates: fit.coordinates()?,
            unit: fit.unit(),
            gaps: fit.gaps(),
            logged: None,
            good: None,
            monitor: Monitor::default(),
            seconds: 0.0,
            descent_seconds: 0.0,
            stop: None,
        })
    }

    /// Sets the device to this state. Coordinates of another unit of length (another noise level) or with other shortened gaps are
    /// converted first.
    pub fn load_into(&mut self, fit: &mut Fit) -> Result<()> {
        let gaps = fit.gaps();
        if self.gaps != gaps {
            for coordinates in [&mut self.coordinates].into_iter().chain(self.logged.iter_mut().chain(&mut self.good).map(|(_, y)| y)) {
                *coordinates = fit.from_other_gaps(coordinates, &self.gaps);
            }
            self.gaps = gaps;
        }
        if self.unit != fit.unit() {
            let factor = self.unit / fit.unit();
            let others = self.logged.iter_mut().chain(&mut self.good).flat_map(|(_, coordinates)| coordinates);
            self.coordinates.iter_mut().chain(others).for_each(|y| *y *= factor);
            self.unit = fit.unit();
        }
        fit.set_coordinates(&self.coordinates)
    }

    /// Whether the present step has been logged.
    pub(super) fn is_logged(&self) -> bool {
        self.logged.as_ref().is_some_and(|(step, _)| *step == self.step)
    }
}
