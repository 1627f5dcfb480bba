//! What the loop calls: measures logged steps, writes them down, decides the stop rules and keeps checkpoints.

use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::descent::checkpoint::{self, Record};
use crate::descent::gradient_descent::{Keeper, State};
use crate::descent::journal::Journal;
use crate::descent::stop::Stop;
use crate::error::Result;
use crate::metrics::{self, Metric};
use crate::mixture::squared_distance;
use crate::problem::fit::Fit;

use super::config::Config;
use super::nearest::at_nearest_of_start;
use super::row::Row;
use super::run::Event;
use super::setting::Setting;

/// The journals of a run folder, and the problem's files that a checkpoint vouches for.
pub const PROBLEM_FILES: [&str; 3] = ["config.toml", "teacher.npz", "initial.npz"];
pub const METRICS: &str = "metrics.csv";
pub const TRAJECTORY: &str = "checkpoints/trajectory.f64";

/// The names in a checkpoint's manifest after its state.
pub const RECORDED: [&str; 5] = [PROBLEM_FILES[0], PROBLEM_FILES[1], PROBLEM_FILES[2], METRICS, TRAJECTORY];

/// The keeper of a run folder.
pub struct Watch<'a> {
    pub config: &'a Config,
    pub setting: &'a Setting,
    pub book: Book,
    pub tell: &'a mut dyn FnMut(&Event),
    /// What is measured, where that is another problem than the one at hand: under a schedule, its end.
    pub measured: Option<Fit>,
}

/// What grows on the disk: journals and checkpoints.
pub struct Book {
    pub run: PathBuf,
    pub metrics: Journal,
    /// Records of the step (u64) and the means (R, k, d), all little-endian.
    pub trajectory: Journal,
    /// Of [`PROBLEM_FILES`].
    pub problem: Vec<Record>,
    /// The number of the newest checkpoint.
    pub number: u64,
    pub saved: Instant,
}

impl Book {
    /// Puts everything on the disk and writes the next checkpoint.
    ///
    /// # Errors
    /// [`crate::Error::Io`].
    pub fn save(&mut self, state: &State) -> Result<()> {
        let mut files = self.problem.clone();
        for (name, journal) in [(METRICS, &mut self.metrics), (TRAJECTORY, &mut self.trajectory)] {
            let (length, hash) = journal.settle()?;
            files.push(Record::new(name, length, hash));
        }
        checkpoint::write(&self.run, self.number + 1, state, &files)?;
        self.number += 1;
        self.saved = Instant::now();
        Ok(())
    }
}

/// The records of the problem's files.
///
/// # Errors
/// [`crate::Error::Io`].
pub fn problem_records(run: &Path) -> Result<Vec<Record>> {
    PROBLEM_FILES.iter().map(|name| Record::of(run, name)).collect()
}

impl Keeper for Watch<'_> {
    fn log(&mut self, fit: &mut Fit, state: &State) -> Result<Option<Stop>> {
        let means = fit.lift(&state.coordinates);
        let before = state.logged.as_ref().map(|(step, coordinates)| (state.step - step, fit.lift(coordinates)));
        let measured = match &mut self.measured {
            None => fit.measure(self.config.log.samples, state.step)?,
            Some(other) => {
                state.clone().enter(other)?;
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
                row.set(Metric::Movement, farthest_move(&before[part.clone()], &means[part], self.setting.n_features()) / *steps as f64);
            }
            rows.push(row);
        }
        if self.config.descent.gradient_tolerance > 0.0 {
            for (row, gradient) in rows.iter_mut().zip(fit.gradient(state.step)?) {
                row.set(Metric::GradientNorm, gradient.gradient.iter().map(|g| g * g).sum::<f64>().sqrt());
            }
        }
        self.write(state.step, &means, &rows)?;
        (self.tell)(&Event::Logged { rows: &rows });
        let regular = state.step.is_multiple_of(self.config.log.every) || state.step == self.config.descent.steps;
        let settled = regular && state.step >= self.config.objective.noise.steps();
        Ok(if settled { self.decide(state.step, &rows) } else { None })
    }

    fn passed(&mut self, state: &State, logged: bool) -> Result<()> {
        (self.tell)(&Event::Stepped { step: state.step, steps: self.config.descent.steps });
        let every = self.config.checkpoint.every_seconds;
        let due = if every == 0.0 { logged } else { self.book.saved.elapsed().as_secs_f64() >= every };
        if due { self.book.save(state) } else { Ok(()) }
    }
}

impl Watch<'_> {
    /// The cells that means alone tell.
    fn describe(&self, row: &mut Row, means: &[f64], start: &[f64]) {
        let (teacher, weights) = (self.setting.teacher(row.replicate), &self.setting.weights);
        row.set(Metric::Coverage, metrics::coverage(teacher, means, weights).share);
        row.set(Metric::MatchedDistance, metrics::matched_distance(teacher, means, weights));
        let by_weight = self.config.descent.divide_by_weight.then_some(weights.as_slice());
        match metrics::lyapunov(teacher, means, by_weight) {
            Some(sum) => row.set(Metric::Lyapunov, sum),
            None => row.set(Metric::NearestAtStart, at_nearest_of_start(teacher, start, means) as f64 / weights.len() as f64),
        }
    }

    fn write(&mut self, step: u64, means: &[f64], rows: &[Row]) -> Result<()> {
        let lines: String = rows.iter().map(|row| row.line(self.config.replicates > 1)).collect();
        self.book.metrics.append(lines.as_bytes())?;
        if self.config.log.trajectory {
            let mut record = step.to_le_bytes().to_vec();
            record.extend(means.iter().flat_map(|v| v.to_le_bytes()));
            self.book.trajectory.append(&record)?;
        }
        Ok(())
    }

    /// The first rule that holds for every replicate.
    fn decide(&self, step: u64, rows: &[Row]) -> Option<Stop> {
        let descent = &self.config.descent;
        if let Some(value) = at_most(rows, Metric::of(self.config.objective.divergence), descent.divergence_tolerance) {
            return Some(Stop::DivergenceBelow { step, value, tolerance: descent.divergence_tolerance });
        }
        if let Some(value) = at_most(rows, Metric::GradientNorm, descent.gradient_tolerance) {
            return Some(Stop::GradientBelow { step, value, tolerance: descent.gradient_tolerance });
        }
        at_most(rows, Metric::Movement, descent.movement_tolerance).map(|value| Stop::MovementBelow {
            step,
            value,
            tolerance: descent.movement_tolerance,
        })
    }
}

/// The largest value of a metric, if the tolerance is on and no replicate is above it. A blank cell is above everything.
fn at_most(rows: &[Row], metric: Metric, tolerance: f64) -> Option<f64> {
    if tolerance <= 0.0 {
        return None;
    }
    let values: Option<Vec<f64>> = rows.iter().map(|row| row.get(metric).filter(|v| *v <= tolerance)).collect();
    values.map(|values| values.into_iter().fold(f64::NEG_INFINITY, f64::max))
}

fn farthest_move(before: &[f64], after: &[f64], d: usize) -> f64 {
    before.chunks_exact(d).zip(after.chunks_exact(d)).map(|(a, b)| squared_distance(a, b)).fold(0.0, f64::max).sqrt()
}
