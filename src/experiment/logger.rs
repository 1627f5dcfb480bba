//! The observer of a descent in a run folder: measures logged steps, writes them down, applies the stop rules and keeps checkpoints.

use super::config::Config;
use super::events::Event;
use super::nearest::at_nearest_of_start;
use super::records::Records;
use super::row::Row;
use super::setting::Setting;
use crate::descent::gradient_descent::Observer;
use crate::descent::state::State;
use crate::descent::stop::{Measured, Stop, Tolerances};
use crate::error::Result;
use crate::metrics;
use crate::mixture::squared_distance;
use crate::objective::divergence::Divergence;
use crate::problem::fit::Fit;

/// Logs a run.
pub struct Logger<'a> {
    pub config: &'a Config,
    pub setting: &'a Setting,
    pub records: Records,
    pub on_event: &'a mut dyn FnMut(&Event),
    /// The problem that is measured, where it is another one than the descent's: under a noise schedule, that of its end.
    pub measured: Option<Fit>,
}

impl Observer for Logger<'_> {
    fn log(&mut self, fit: &mut Fit, state: &State) -> Result<Option<Stop>> {
        let means = fit.lift(&state.coordinates);
        let rows = self.measure(fit, state, &means)?;
        self.records.add_rows(&rows)?;
        if self.config.log.trajectory {
            self.records.add_means(state.step, &means)?;
        }
        (self.on_event)(&Event::Logged { rows: &rows });
        let regular = state.step.is_multiple_of(self.config.log.every) || state.step == self.config.descent.steps;
        let noise_is_final = state.step >= self.config.objective.noise.steps();
        Ok(if regular && noise_is_final { self.apply_stop_rules(state.step, &rows) } else { None })
    }

    fn advanced(&mut self, state: &State, logged: bool) -> Result<()> {
        (self.on_event)(&Event::Stepped { step: state.step, steps: self.config.descent.steps });
        let every = self.config.checkpoint.every_seconds;
        let due = if every == 0.0 { logged } else { self.records.age() >= every };
        if due { self.records.save(state) } else { Ok(()) }
    }
}

impl Logger<'_> {
    /// One row per replicate; `means` (R, k, d) are those of the state.
    fn measure(&mut self, fit: &mut Fit, state: &State, means: &[f64]) -> Result<Vec<Row>> {
        let before = state.logged.as_ref().map(|(step, coordinates)| (state.step - step, fit.lift(coordinates)));
        let measured = match &mut self.measured {
            None => fit.measure(self.config.log.samples, state.step)?,
            Some(other) => {
                state.clone().load_into(other)?;
                other.measure(self.config.log.samples, state.step)?
            }
        };
        let row_length = self.setting.n_components() * self.setting.n_features();
        let mut rows = Vec::with_capacity(measured.len());
        for (r, divergences) in measured.iter().enumerate() {
            let part = r * row_length..(r + 1) * row_length;
            let mut row = Row::new(state.step, state.seconds, r);
            row.set_divergences(divergences);
            self.describe(&mut row, &means[part.clone()], &self.setting.starts[part.clone()]);
            if let Some((steps, before)) = &before {
                row.set("movement", farthest_move(&before[part.clone()], &means[part], self.setting.n_features()) / *steps as f64);
            }
            rows.push(row);
        }
        if self.config.descent.gradient_tolerance > 0.0 {
            for (row, gradient) in rows.iter_mut().zip(fit.gradient(state.step)?) {
                row.set("gradient_norm", gradient.gradient.iter().map(|g| g * g).sum::<f64>().sqrt());
            }
        }
        Ok(rows)
    }

    /// The metrics of the means (k, d) alone, without a sample.
    fn describe(&self, row: &mut Row, means: &[f64], start: &[f64]) {
        let (teacher, weights) = (self.setting.teacher(row.replicate), &self.setting.weights);
        row.set("coverage", metrics::coverage(teacher, means, weights).share);
        row.set("matched_distance", metrics::matched_distance(teacher, means, weights));
        let by_weight = self.config.descent.divide_by_weight.then_some(weights.as_slice());
        match metrics::lyapunov(teacher, means, by_weight) {
            Some(sum) => row.set("lyapunov", sum),
            None => row.set("nearest_at_start", at_nearest_of_start(teacher, start, means) as f64 / weights.len() as f64),
        }
    }

    fn apply_stop_rules(&self, step: u64, rows: &[Row]) -> Option<Stop> {
        let descent = &self.config.descent;
        let tolerances = Tolerances {
            divergence: descent.divergence_tolerance,
            gradient: descent.gradient_tolerance,
            movement: descent.movement_tolerance,
        };
        let divergence = match self.config.objective.divergence {
            Divergence::Reverse => "reverse_fisher",
            Divergence::Forward => "forward_fisher",
        };
        let measured =
            |row: &Row| Measured { divergence: row.get(divergence), gradient: row.get("gradient_norm"), movement: row.get("movement") };
        tolerances.reached(step, &rows.iter().map(measured).collect::<Vec<_>>())
    }
}

fn farthest_move(before: &[f64], after: &[f64], d: usize) -> f64 {
    before.chunks_exact(d).zip(after.chunks_exact(d)).map(|(a, b)| squared_distance(a, b)).fold(0.0, f64::max).sqrt()
}
