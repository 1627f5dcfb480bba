//! The observer of a descent in a run folder: it measures and writes logged steps, applies the stop rules and keeps checkpoints.

use super::events::Event;
use super::meter::Meter;
use super::records::Records;
use super::row::Row;
use crate::descent::gradient_descent::{Logged, Observer};
use crate::descent::state::State;
use crate::descent::stop::{Measured, Stop, Tolerances};
use crate::error::Result;
use crate::metrics::Metric;
use crate::problem::fit::Fit;

/// Logs a run.
pub(crate) struct Logger<'a> {
    pub meter: Meter<'a>,
    pub records: Records,
    pub on_event: &'a mut dyn FnMut(&Event),
}

impl Observer for Logger<'_> {
    fn log(&mut self, fit: &mut Fit, state: &State) -> Result<Logged> {
        let config = self.meter.config;
        let means = fit.lift(&state.coordinates)?;
        let rows = self.meter.rows(fit, state, &means)?;
        self.records.add_rows(&rows)?;
        if config.log.trajectory {
            self.records.add_means(state.step, &means)?;
        }
        (self.on_event)(&Event::Logged { rows: &rows });
        let regular = state.step.is_multiple_of(config.log.every) || state.step == config.descent.steps;
        let noise_is_final = state.step >= config.objective.noise.steps();
        let stop = if regular && noise_is_final { self.apply_stop_rules(state.step, &rows) } else { None };
        // Under a noise schedule the measured divergence is not the one that is minimised.
        let objective = if self.meter.measured.is_none() { self.objective(&rows) } else { Vec::new() };
        Ok(Logged { stop, objective })
    }

    fn advanced(&mut self, state: &State, logged: bool) -> Result<()> {
        let config = self.meter.config;
        (self.on_event)(&Event::Stepped { step: state.step, steps: config.descent.steps });
        let every = config.checkpoint.every_seconds;
        let due = if every == 0.0 { logged } else { self.records.age() >= every };
        if due { self.records.save(state) } else { Ok(()) }
    }
}

impl Logger<'_> {
    /// The minimised divergence of each replicate.
    fn objective(&self, rows: &[Row]) -> Vec<Option<f64>> {
        rows.iter().map(|row| row.get(Metric::of(self.meter.config.objective.divergence))).collect()
    }

    fn apply_stop_rules(&self, step: u64, rows: &[Row]) -> Option<Stop> {
        let descent = &self.meter.config.descent;
        let tolerances = Tolerances {
            divergence: descent.divergence_tolerance,
            gradient: descent.gradient_tolerance,
            movement: descent.movement_tolerance,
        };
        let objective = Metric::of(self.meter.config.objective.divergence);
        let measured = |row: &Row| Measured {
            divergence: row.get(objective),
            gradient: row.get(Metric::GradientNorm),
            movement: row.get(Metric::Movement),
        };
        tolerances.reached(step, &rows.iter().map(measured).collect::<Vec<_>>())
    }
}
