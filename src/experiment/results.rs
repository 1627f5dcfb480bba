//! What a stopped run leaves: the students, the trajectory, and the summary with its finding.

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::descent::gradient_descent::State;
use crate::descent::stop::Stop;
use crate::error::{Error, Result};
use crate::metrics;
use crate::mixture::files::{Values, write_npz};
use crate::objective::divergence::{Divergence, Sampler};
use crate::problem::fit::Fit;

use super::config::Config;
use super::environment;
use super::nearest::AtNearest;
use super::row::{COLUMNS, ESTIMATES, Row, first_and_last};
use super::run_folder;
use super::setting::Setting;
use super::watch::{METRICS, TRAJECTORY};

const SUMMARY: &str = "summary.json";
const REPORT: &str = "report.html";

/// Writes all results of a run that stands at `state`; returns the summary and its finding.
///
/// # Errors
/// [`Error::Io`]; those of the device.
pub fn write(run: &Path, config: &Config, setting: &Setting, state: &State, stop: &Stop, fit: &mut Fit) -> Result<(Value, String)> {
    fit.set_coordinates(&state.coordinates)?;
    let means = fit.lift(&state.coordinates);
    setting.write_students(&run.join("student.npz"), &means)?;
    if config.log.trajectory {
        write_trajectory(run, config.replicates, setting)?;
    }
    let (first, last) = first_and_last(&run.join(METRICS))?;
    let finding = finding(config, setting, &first, &last, state);
    let mut summary = summary(run, config, setting, &means, [&first, &last], state, stop, &finding);
    // Of the gradient's rows at the end, from components that steps leave out: objective.neighbours bounds it.
    summary["certified_bias"] = json!(fit.certified_bias()?);
    summary["subspace_dimensions"] = json!(fit.rank());
    summary["subspace_left_out"] = json!(fit.left_out());
    run_folder::write_json(&run.join(SUMMARY), &summary)?;
    Ok((summary, finding))
}

/// Whether the results of a finished run are all there.
pub fn are_complete(run: &Path) -> bool {
    let finished = read(run).is_ok_and(|(summary, _)| summary.pointer("/stop/kind").is_some_and(|kind| kind != "interrupted"));
    finished && ["student.npz", REPORT].iter().all(|name| run.join(name).is_file())
}

/// The summary of a run and its finding.
///
/// # Errors
/// [`Error::BadFile`].
pub fn read(run: &Path) -> Result<(Value, String)> {
    let path = run.join(SUMMARY);
    let summary: Value = serde_json::from_slice(&run_folder::small_file(&path)?)
        .map_err(|e| Error::bad_file(&path, format!("this is no JSON ({e})"), "Remove it and resume the run, which writes it again"))?;
    let finding = summary.get("finding").and_then(Value::as_str).unwrap_or_default().to_string();
    Ok((summary, finding))
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

#[allow(clippy::too_many_arguments)] // all that there is to say of a run, once
fn summary(
    run: &Path,
    config: &Config,
    setting: &Setting,
    means: &[f64],
    rows: [&[Row]; 2],
    state: &State,
    stop: &Stop,
    finding: &str,
) -> Value {
    let mut object = Map::new();
    let mut put = |key: &str, value: Value| object.insert(key.into(), value);
    put("schema", json!("mixscore.summary/1"));
    let mut reason = serde_json::to_value(stop).unwrap_or_default();
    reason["sentence"] = json!(stop.to_string());
    put("stop", reason);
    put("finding", json!(finding));
    put("steps", json!(state.step));
    put("device", json!(environment::last_device(run)));
    put("seed", json!(config.seed));
    // Divergences and total variation are of both densities after heat flow of this time; coverage is of the means.
    put("noise", json!(config.objective.noise.measured()));
    // What was asked for, and what `auto` stands for.
    let sampler = config.objective.sampler; // a run's config.toml has no `auto`
    put("estimator", json!(config.objective.estimator));
    put("estimator_used", json!(config.objective.estimator.used(config.objective.divergence, sampler)));
    put("sampler_used", json!(sampler));
    put("replicates", json!(config.replicates));
    put("seconds", json!(state.seconds));
    put("samples_per_second", json!(samples_per_second(config, setting, state)));
    // The newest logged step, which an interrupted run has left behind.
    put("metrics_step", json!(rows[1].first().map(|row| row.step)));
    for (key, value) in metrics_of(rows[1]) {
        put(&key, value);
    }
    put("first", Value::Object(metrics_of(rows[0])));
    if setting.n_teacher_components() <= MOST_LISTED {
        put("student_weight_at_teachers", student_weight(setting, means));
    }
    if setting.n_teacher_components() > 1 {
        let all = replicates(setting, means).map(|(r, start, means)| (setting.teacher(r), start, means));
        put("nearest_at_start", json!(AtNearest::of(all)));
    }
    Value::Object(object)
}

/// Each metric of the rows: of the one replicate, or a list with one entry per replicate.
fn metrics_of(rows: &[Row]) -> Map<String, Value> {
    let listed = |cell: &dyn Fn(&Row) -> Value| match rows {
        [row] => cell(row),
        rows => Value::Array(rows.iter().map(cell).collect()),
    };
    let mut object = Map::new();
    for name in ESTIMATES {
        let error = format!("{name}_se");
        object.insert(name.into(), listed(&|row| json!({"value": row.get(name), "standard_error": row.get(&error)})));
    }
    for name in COLUMNS.iter().skip(2 * ESTIMATES.len()).filter(|name| **name != "nearest_at_start") {
        object.insert((*name).into(), listed(&|row| json!(row.get(name))));
    }
    object
}

/// The number of each replicate, its start (k, d) and its means (k, d).
fn replicates<'a>(setting: &'a Setting, means: &'a [f64]) -> impl Iterator<Item = (usize, &'a [f64], &'a [f64])> {
    let row = setting.n_components() * setting.n_features();
    let pairs = setting.starts.chunks_exact(row).zip(means.chunks_exact(row));
    pairs.enumerate().map(|(r, (start, means))| (r, start, means))
}

/// Teacher components that are listed one by one: of a teacher made of points the list would be all that anyone sees.
const MOST_LISTED: usize = 4096;

/// Where the student's weight sits: within 0.75 σ of each teacher, shape (K), or (R, K).
fn student_weight(setting: &Setting, means: &[f64]) -> Value {
    let of = |(r, _, means): (usize, &[f64], &[f64])| metrics::coverage(setting.teacher(r), means, &setting.weights).student_weight;
    let mut all: Vec<Vec<f64>> = replicates(setting, means).map(of).collect();
    if all.len() == 1 { json!(all.pop()) } else { json!(all) }
}

/// Points that the steps drew, per second of stepping; a grid draws none.
fn samples_per_second(config: &Config, setting: &Setting, state: &State) -> Option<f64> {
    let strata = match config.objective.divergence {
        Divergence::Reverse => setting.n_components(),
        Divergence::Forward => setting.n_teacher_components(),
    };
    let drawn = config.replicates as f64 * strata as f64 * config.objective.samples? as f64 * state.step as f64;
    (config.objective.sampler != Sampler::Grid && state.descent_seconds > 0.0).then(|| drawn / state.descent_seconds)
}

/// One sentence: the loss from first to last, coverage, total variation, steps and time. Of several replicates, the medians.
fn finding(config: &Config, setting: &Setting, first: &[Row], last: &[Row], state: &State) -> String {
    let (name, title) = match config.objective.divergence {
        Divergence::Reverse => ("reverse_fisher", "reverse Fisher divergence"),
        Divergence::Forward => ("forward_fisher", "forward Fisher divergence"),
    };
    let error = format!("{name}_se");
    let number = |value: Option<f64>| value.map_or("(no finite value)".to_string(), crate::number::short);
    let whose = match config.replicates {
        1 => String::new(),
        n => format!("median of {n} replicates: "),
    };
    let n_teachers = setting.n_teacher_components();
    let of = match config.objective.noise.measured() {
        0.0 => String::new(),
        noise => format!(". {}", metrics::smoothed(noise)),
    };
    let covered = median(last, "coverage").map_or(0.0, |share| share * n_teachers as f64);
    format!(
        "{whose}{title} from {} to {} (± {} standard error) in {} steps and {:.1} s; students at {covered:.0} of {n_teachers} teacher component{}; total variation {} ± {}{of}",
        number(median(first, name)),
        number(median(last, name)),
        number(median(last, &error)),
        state.step,
        state.seconds,
        if n_teachers == 1 { "" } else { "s" },
        number(median(last, "total_variation")),
        number(median(last, "total_variation_se")),
    )
}

fn median(rows: &[Row], column: &str) -> Option<f64> {
    let mut values: Vec<f64> = rows.iter().filter_map(|row| row.get(column)).collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        n if n % 2 == 1 => Some(values[middle]),
        _ => Some((values[middle - 1] + values[middle]) / 2.0),
    }
}
