//! The measurements at a logged step: one row of metrics per replicate.

use super::config::Config;
use super::nearest::at_nearest_of_start;
use super::row::Row;
use super::setting::Setting;
use crate::descent::state::State;
use crate::error::Result;
use crate::metrics::{self, Metric};
use crate::mixture::squared_distance;
use crate::problem::fit::{Divergences, Fit};
use crate::problem::rare::RareDraws;

/// Measures a run.
pub(crate) struct Meter<'a> {
    pub config: &'a Config,
    pub setting: &'a Setting,
    /// The problem that is measured, if it differs from that of the descent: under a noise schedule it is the last one.
    pub measured: Option<Fit>,
    /// Whether the last measurement rests on a few rare draws, for all replicates together, and its step.
    pub rare: Option<(u64, RareDraws)>,
}

impl Meter<'_> {
    /// One row per replicate, from the draws of the state's step. The device stands at `state`, whose means are `means` (R, k, d).
    pub(crate) fn rows(&mut self, fit: &mut Fit, state: &State, means: &[f64]) -> Result<Vec<Row>> {
        let before = match &state.logged {
            None => None,
            Some((step, coordinates)) => Some((state.step - step, fit.lift(coordinates)?)),
        };
        let measured = self.divergences(fit, state)?;
        let row_length = self.setting.n_components() * self.setting.n_features();
        let mut rows = Vec::with_capacity(measured.len());
        for (r, divergences) in measured.iter().enumerate() {
            let part = r * row_length..(r + 1) * row_length;
            let mut row = Row::new(state.step, state.seconds, r);
            row.set_divergences(divergences);
            self.describe(&mut row, &means[part.clone()], &self.setting.starts[part.clone()])?;
            if let Some((steps, before)) = &before {
                row.set(Metric::Movement, farthest_move(&before[part.clone()], &means[part], self.setting.n_features()) / *steps as f64);
            }
            rows.push(row);
        }
        if self.config.descent.gradient_tolerance > 0.0 {
            for (row, gradient) in rows.iter_mut().zip(fit.gradient(state.step)?) {
                row.set(Metric::GradientNorm, gradient.gradient.iter().map(|g| g * g).sum::<f64>().sqrt());
            }
        }
        Ok(rows)
    }

    /// The divergences of each replicate, from the draws of the state's step.
    fn divergences(&mut self, fit: &mut Fit, state: &State) -> Result<Vec<Divergences>> {
        let measured = match &mut self.measured {
            None => fit.measure(self.config.log.samples, state.step)?,
            Some(other) => {
                state.clone().load_into(other)?;
                other.measure(self.config.log.samples, state.step)?
            }
        };
        self.rare = Some((state.step, measured.iter().fold(RareDraws::None, |worst, of| worst.worse(of.rare))));
        Ok(measured)
    }

    /// Whether the measurement at `state` rests on a few rare draws: known from its row if that was the last one.
    pub(crate) fn rare_draws(&mut self, fit: &mut Fit, state: &State) -> Result<RareDraws> {
        if let Some((step, rare)) = self.rare
            && step == state.step
        {
            return Ok(rare);
        }
        Ok(self.divergences(fit, state)?.iter().fold(RareDraws::None, |worst, of| worst.worse(of.rare)))
    }

    /// The metrics of the means (k, d) that need no samples.
    fn describe(&self, row: &mut Row, means: &[f64], start: &[f64]) -> Result<()> {
        let (teacher, weights) = (self.setting.teacher(row.replicate), &self.setting.weights);
        row.set(Metric::Coverage, metrics::coverage(teacher, means, weights)?.share);
        row.set(Metric::MatchedDistance, metrics::matched_distance(teacher, means, weights)?);
        let by_weight = self.config.descent.divide_by_weight.then_some(weights.as_slice());
        match metrics::lyapunov(teacher, means, by_weight)? {
            Some(sum) => row.set(Metric::Lyapunov, sum),
            None => row.set(Metric::NearestAtStart, at_nearest_of_start(teacher, start, means) as f64 / weights.len() as f64),
        }
        Ok(())
    }
}

/// The largest distance that a mean (d) moved.
fn farthest_move(before: &[f64], after: &[f64], d: usize) -> f64 {
    before.chunks_exact(d).zip(after.chunks_exact(d)).map(|(a, b)| squared_distance(a, b)).fold(0.0, f64::max).sqrt()
}
