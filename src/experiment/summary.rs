//! `summary.json`: the results of a run, written when it stops, read by reports, sweeps and resumed runs.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::descent::stop::Stop;
use crate::error::{Error, Result};
use crate::metrics::Metric;
use crate::objective::divergence::{Estimator, Sampler};
use crate::problem::reduction::LeftOut;

use super::nearest::AtNearest;
use super::row::{Measurement, Row};
use super::run_folder;

pub const FILE: &str = "summary.json";
pub const SCHEMA: &str = "mixscore.summary/1";

/// The results of a run; by default one of no steps.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    pub schema: String,
    pub stop: Stopped,
    /// One sentence with the numbers.
    pub finding: String,
    /// The steps behind `student.npz`; a run that diverged made more ([`Stop`]).
    pub steps: u64,
    /// Further sentences for people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    pub device: Option<String>,
    pub seed: u64,
    /// Divergences and total variation are of both densities after heat flow of this time; coverage is of the means.
    pub noise: f64,
    pub estimator: Estimator,
    /// The resolved estimator.
    pub estimator_used: String,
    pub sampler_used: Sampler,
    pub replicates: usize,
    pub seconds: f64,
    /// `None` for grids, which draw no samples.
    pub samples_per_second: Option<f64>,
    /// The logged step of all metrics: the newest that is no later than `steps`.
    pub metrics_step: Option<u64>,
    #[serde(flatten)]
    pub last: Measured,
    pub first: Measured,
    /// The student's weight within 0.75 σ of each teacher component, shape (K), in each replicate. `None` for very many components.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub student_weight_at_teachers: Option<PerReplicate<Vec<f64>>>,
    /// `None` for one teacher component.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nearest_at_start: Option<AtNearest>,
    /// The bound on the bias of the gradient's rows at the end, from components that steps leave out; limited by `objective.neighbours`.
    pub certified_bias: f64,
    /// ϱ: the number of coordinates of the descent; 0 in summaries without it.
    #[serde(default)]
    pub subspace_dimensions: usize,
    /// The part of the means that the coordinates drop as rounding.
    #[serde(default)]
    pub subspace_left_out: LeftOut,
}

/// Why it stopped, with the sentence for people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stopped {
    #[serde(flatten)]
    pub stop: Stop,
    pub sentence: String,
}

impl Default for Stopped {
    fn default() -> Stopped {
        Stop::MaxSteps { steps: 0 }.into()
    }
}

impl From<Stop> for Stopped {
    fn from(stop: Stop) -> Stopped {
        Stopped { sentence: stop.to_string(), stop }
    }
}

/// The entries of all replicates; for one replicate the file has the entry itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum PerReplicate<T> {
    // A list is tried first, because a list of two numbers could be read as a measurement.
    Many(Vec<T>),
    One(T),
}

impl<T> PerReplicate<T> {
    pub fn of(mut entries: Vec<T>) -> Self {
        if entries.len() == 1 { Self::One(entries.remove(0)) } else { Self::Many(entries) }
    }

    /// By replicate.
    pub fn all(&self) -> &[T] {
        match self {
            Self::Many(entries) => entries,
            Self::One(entry) => std::slice::from_ref(entry),
        }
    }
}

/// All metrics at one logged step, except [`Metric::NearestAtStart`], for which the summary has more detail.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Measured(BTreeMap<Metric, PerReplicate<Measurement>>);

impl Measured {
    /// From the rows of a logged step, one per replicate.
    pub fn of(rows: &[Row]) -> Measured {
        let metrics = Metric::ALL.into_iter().filter(|metric| *metric != Metric::NearestAtStart);
        let entry = |metric| (metric, PerReplicate::of(rows.iter().map(|row| row.measurement(metric)).collect()));
        Measured(metrics.map(entry).collect())
    }

    /// The measurements of a metric, by replicate; empty if it was not measured.
    pub fn get(&self, metric: Metric) -> &[Measurement] {
        self.0.get(&metric).map_or(&[], PerReplicate::all)
    }

    /// The values of all replicates; `None` if one is unknown.
    pub fn values(&self, metric: Metric) -> Option<Vec<f64>> {
        self.get(metric).iter().map(Measurement::value).collect::<Option<Vec<f64>>>().filter(|values| !values.is_empty())
    }
}

impl Summary {
    /// The summary of the run in this folder.
    pub fn read(run: &Path) -> Result<Summary> {
        let path = run.join(FILE);
        serde_json::from_slice(&run_folder::small_file(&path)?)
            .map_err(|e| Error::bad_file(&path, format!("this is no summary ({e})"), "Remove it and resume the run, which writes it again"))
    }

    pub fn write(&self, run: &Path) -> Result<()> {
        run_folder::write_json(&run.join(FILE), &serde_json::json!(self))
    }
}
