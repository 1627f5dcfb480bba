//! The results of a stopped run: the students, the trajectory, and the summary with its finding.

use std::path::Path;

use crate::descent::state::State;
use crate::descent::stop::Stop;
use crate::error::{Error, Result};
use crate::metrics::{self, Metric};
use crate::mixture::files::{Values, write_npz};
use crate::objective::divergence::{Divergence, Sampler};
use crate::objective::form::Form;
use crate::problem::fit::Fit;

use super::config::Config;
use super::environment;
use super::nearest::AtNearest;
use super::row::{Row, first_and_last};
use super::run_folder::{METRICS, TRAJECTORY};
use super::setting::Setting;
use super::summary::{Measured, PerReplicate, SCHEMA, Summary};

const REPORT: &str = "report.html";

/// Writes the results of a run at `state`, where it leaves `fit`, and returns the summary to be written. Its notes are still missing,
/// because they are looked for last.
pub(crate) fn write(run: &Path, config: &Config, setting: &Setting, state: &State, stop: &Stop, fit: &mut Fit) -> Result<Summary> {
    fit.set_coordinates(&state.coordinates)?;
    let means = &fit.lift(&state.coordinates)?[..];
    setting.write_students(&run.join("student.npz"), means)?;
    if config.log.trajectory {
        write_trajectory(run, config.replicates, setting)?;
    }
    let (first, last) = first_and_last(&run.join(METRICS), state.step)?;
    let sampler = config.objective.sampler; // config.toml of a run never says `auto`
    Ok(Summary {
        schema: SCHEMA.into(),
        stop: stop.clone().into(),
        finding: finding(config, setting, &first, &last, state, stop),
        steps: state.step,
        notes: Vec::new(),
        device: environment::last_device(run),
        seed: config.seed,
        noise: config.objective.noise.measured(),
        estimator: config.objective.estimator,
        estimator_used: Form::of(config.objective.divergence, config.objective.estimator, sampler).name().into(),
        sampler_used: sampler,
        replicates: config.replicates,
        seconds: state.seconds,
        samples_per_second: samples_per_second(config, setting, state, stop),
        metrics_step: last.first().map(|row| row.step),
        last: Measured::of(&last),
        first: Measured::of(&first),
        student_weight_at_teachers: (setting.n_teacher_components() <= MOST_LISTED).then(|| student_weight(setting, means)).transpose()?,
        nearest_at_start: (setting.n_teacher_components() > 1)
            .then(|| AtNearest::of(replicates(setting, means).map(|(r, start, means)| (setting.teacher(r), start, means)))),
        certified_bias: fit.certified_bias()?,
        subspace_dimensions: fit.rank(),
        subspace_left_out: fit.left_out(),
    })
}

/// Whether all results of a finished run are there, including the page if one `is_drawn`.
pub(crate) fn are_complete(run: &Path, is_drawn: bool) -> bool {
    let finished = Summary::read(run).is_ok_and(|summary| summary.stop.stop.is_final());
    finished && run.join("student.npz").is_file() && (!is_drawn || run.join(REPORT).is_file())
}

/// `trajectory.npz` from the journal: `step` (T) and `means` (T, k, d), or (T, R, k, d).
fn write_trajectory(run: &Path, replicates: usize, setting: &Setting) -> Result<()> {
    let path = run.join(TRAJECTORY);
    let bytes = std::fs::read(&path).map_err(|e| Error::io(&path, e))?;
    let (k, d) = (setting.n_components(), setting.n_features());
    let (mut steps, mut means) = (Vec::new(), Vec::new());
    for record in bytes.chunks_exact(8 * (1 + replicates * k * d)) {
        let (words, _) = record.as_chunks::<8>();
        steps.push(i64::from_le_bytes(words[0]));
        means.extend(words[1..].iter().map(|word| f64::from_le_bytes(*word)));
    }
    let shape = [steps.len(), replicates, k, d];
    let shape = if replicates == 1 { vec![shape[0], k, d] } else { shape.to_vec() };
    write_npz(&run.join("trajectory.npz"), &[("step", &[steps.len()], Values::I64(&steps)), ("means", &shape, Values::F64(&means))])
}

/// For each replicate its number, its start (k, d) and its means (k, d).
fn replicates<'a>(setting: &'a Setting, means: &'a [f64]) -> impl Iterator<Item = (usize, &'a [f64], &'a [f64])> {
    let row = setting.n_components() * setting.n_features();
    let pairs = setting.starts.chunks_exact(row).zip(means.chunks_exact(row));
    pairs.enumerate().map(|(r, (start, means))| (r, start, means))
}

/// The most teacher components that are listed one by one (a teacher may have one component per point of a file).
const MOST_LISTED: usize = 4096;

/// The student's weight within 0.75 σ of each teacher component, shape (K), by replicate.
fn student_weight(setting: &Setting, means: &[f64]) -> Result<PerReplicate<Vec<f64>>> {
    let of = |(r, _, means): (usize, &[f64], &[f64])| Ok(metrics::coverage(setting.teacher(r), means, &setting.weights)?.student_weight);
    Ok(PerReplicate::of(replicates(setting, means).map(of).collect::<Result<_>>()?))
}

/// Points that the steps drew, per second of stepping; `None` for a grid.
fn samples_per_second(config: &Config, setting: &Setting, state: &State, stop: &Stop) -> Option<f64> {
    let strata = match config.objective.divergence {
        Divergence::Reverse => setting.n_components(),
        Divergence::Forward => setting.n_teacher_components(),
    };
    let drawn =
        config.replicates as f64 * strata as f64 * config.objective.samples? as f64 * stop.steps_made().unwrap_or(state.step) as f64;
    (config.objective.sampler != Sampler::Grid && state.descent_seconds > 0.0).then(|| drawn / state.descent_seconds)
}

/// One sentence: the loss from first to last, coverage, total variation, steps and time; medians over replicates.
fn finding(config: &Config, setting: &Setting, first: &[Row], last: &[Row], state: &State, stop: &Stop) -> String {
    let (metric, title) = match config.objective.divergence {
        Divergence::Reverse => (Metric::ReverseFisher, "reverse Fisher divergence"),
        Divergence::Forward => (Metric::ForwardFisher, "forward Fisher divergence"),
    };
    let value = |metric| move |row: &Row| row.get(metric);
    let error = |metric| move |row: &Row| row.measurement(metric).standard_error();
    let number = |value: Option<f64>| value.map_or("(no finite value)".to_string(), crate::number::short);
    let mut whose = match config.replicates {
        1 => String::new(),
        n => format!("median of {n} replicates: "),
    };
    if let Stop::Diverged { step, good, .. } = stop {
        whose = format!("diverged by step {step}; up to step {good}, the last good one that was logged: {whose}");
    }
    let n_teachers = setting.n_teacher_components();
    let of = match config.objective.noise.measured() {
        0.0 => String::new(),
        noise => format!(". {}", metrics::smoothed(noise)),
    };
    let covered = median(last, value(Metric::Coverage)).map_or(0.0, |share| share * n_teachers as f64);
    format!(
        "{whose}{title} from {} to {} (± {} standard error) in {} steps and {:.1} s; students at {covered:.0} of {n_teachers} teacher component{}; total variation {} ± {}{of}",
        number(median(first, value(metric))),
        number(median(last, value(metric))),
        number(median(last, error(metric))),
        state.step,
        state.seconds,
        if n_teachers == 1 { "" } else { "s" },
        number(median(last, value(Metric::TotalVariation))),
        number(median(last, error(Metric::TotalVariation))),
    )
}

fn median(rows: &[Row], of: impl Fn(&Row) -> Option<f64>) -> Option<f64> {
    let mut values: Vec<f64> = rows.iter().filter_map(of).collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        n if n % 2 == 1 => Some(values[middle]),
        _ => Some((values[middle - 1] + values[middle]) / 2.0),
    }
}
