//! The parts of a run folder that a report needs. The folder may come from a stranger: sizes are limited, and missing parts are `None`.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::bounded;
use super::table::Table;
use crate::descent::stop::Stop;
use crate::error::{Error, Result};
use crate::experiment::setting::read_teachers;
use crate::experiment::summary::{self, Summary};
use crate::mixture::GaussianMixture;
use crate::mixture::files::{Array, read_mixture, read_npz};

const MOST_TEXT: u64 = 1 << 20;
const MOST_ARRAYS: u64 = 1 << 30;

/// A run as read from its folder.
pub(super) struct Run {
    pub name: String,
    /// The text of `config.toml`.
    pub config_text: Option<String>,
    pub config: Option<toml::Table>,
    pub environment: Environment,
    pub summary: Option<Summary>,
    pub metrics: Table,
    /// The first replicate's teacher.
    pub teacher: Option<GaussianMixture>,
    /// One, or one for each replicate; empty if there is none.
    pub teachers: Vec<GaussianMixture>,
    /// (R, k, d) at the start and at the end.
    pub initial: Option<Students>,
    pub student: Option<Students>,
    pub trajectory: Option<Trajectory>,
    /// Files that exist but could not be used, with the reason.
    pub notes: Vec<String>,
}

/// The parts of `environment.json` that a page shows.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Environment {
    pub version: String,
    pub build: String,
    pub os: String,
    pub architecture: String,
    pub cpu_count: usize,
    pub device_why: String,
    pub command_line: Vec<String>,
}

/// The students of all replicates.
pub(super) struct Students {
    /// (k)
    pub weights: Vec<f64>,
    /// (R, k, d)
    pub means: Vec<f64>,
    pub n_replicates: usize,
    pub n_features: usize,
}

/// The means along the descent.
pub(super) struct Trajectory {
    /// (T)
    pub steps: Vec<f64>,
    /// (T, R, k, d)
    pub means: Vec<f64>,
    pub n_replicates: usize,
    pub n_components: usize,
    pub n_features: usize,
}

impl Run {
    /// Reads the folder. Only `metrics.csv` must be there.
    ///
    /// # Errors
    /// No folder, no metrics, or metrics that cannot be read.
    pub(super) fn read(folder: &Path) -> Result<Run> {
        let metrics_path = folder.join("metrics.csv");
        if !metrics_path.exists() {
            return Err(Error::bad_file(
                folder,
                if folder.exists() { "there is no metrics.csv: this is no run folder" } else { "there is no such folder" },
                "Give the folder that a run wrote",
            ));
        }
        let mut notes = Vec::new();
        let metrics = Table::read(&metrics_path)?;
        let config_text = optional(&mut notes, folder.join("config.toml"), text);
        let config = config_text.as_deref().and_then(|t| t.parse::<toml::Table>().ok());
        let teachers = optional(&mut notes, folder.join("teacher.npz"), teachers).unwrap_or_default();
        let mut run = Run {
            name: name_of(folder),
            config_text,
            config,
            environment: optional(&mut notes, folder.join("environment.json"), json).unwrap_or_default(),
            summary: optional(&mut notes, folder.join(summary::FILE), json),
            metrics,
            initial: optional(&mut notes, folder.join("initial.npz"), students),
            student: optional(&mut notes, folder.join("student.npz"), students),
            trajectory: optional(&mut notes, folder.join("trajectory.npz"), trajectory),
            teacher: teachers.first().cloned(),
            teachers,
            notes,
        };
        run.drop_misfits();
        Ok(run)
    }

    /// The row of the metrics at which the run ended: the last one, or that of the last good state if the run diverged.
    pub(super) fn end(&self) -> Option<usize> {
        let steps = &self.metrics.steps;
        let diverged = self.summary.as_ref().filter(|summary| matches!(summary.stop.stop, Stop::Diverged { .. }));
        let good = diverged.and_then(|summary| summary.metrics_step).and_then(|good| steps.iter().position(|step| *step == good as f64));
        good.or(steps.len().checked_sub(1))
    }

    /// A value in the config, such as `descent.step_size`.
    pub(super) fn setting(&self, section: &str, key: &str) -> Option<&toml::Value> {
        self.config.as_ref()?.get(section)?.get(key)
    }

    /// Drops arrays of another dimension than the teacher's, or with other components than the students'.
    fn drop_misfits(&mut self) {
        let Some(d) = self.teacher.as_ref().map(GaussianMixture::n_features) else { return };
        let mut note =
            |name: &str, other: usize| self.notes.push(format!("{name} has {other} dimensions and the teacher {d}; it is left out"));
        for (name, students) in [("initial.npz", &mut self.initial), ("student.npz", &mut self.student)] {
            if let Some(other) = students.as_ref().map(|s| s.n_features).filter(|other| *other != d) {
                note(name, other);
                *students = None;
            }
        }
        if let Some(other) = self.trajectory.as_ref().map(|t| t.n_features).filter(|other| *other != d) {
            note("trajectory.npz", other);
            self.trajectory = None;
        }
    }
}

/// A mixture file, or the teachers of all replicates.
fn teachers(path: &Path) -> Result<Vec<GaussianMixture>> {
    bounded::check(path, MOST_ARRAYS)?;
    read_mixture(path).map(|teacher| vec![teacher]).or_else(|error| read_teachers(path).map_err(|_| error))
}

fn name_of(folder: &Path) -> String {
    let absolute = folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf());
    absolute.file_name().unwrap_or(absolute.as_os_str()).to_string_lossy().into_owned()
}

/// `None` and a note if the file exists but cannot be used; only `None` if it does not exist.
fn optional<T>(notes: &mut Vec<String>, path: PathBuf, read: impl Fn(&Path) -> Result<T>) -> Option<T> {
    if !path.exists() {
        return None;
    }
    read(&path).map_err(|error| notes.push(format!("left out: {error}"))).ok()
}

fn text(path: &Path) -> Result<String> {
    String::from_utf8(bounded::read_bytes(path, MOST_TEXT)?).map_err(|_| Error::bad_file(path, "this is not UTF-8 text", "Restore it"))
}

fn json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    serde_json::from_slice(&bounded::read_bytes(path, MOST_TEXT)?)
        .map_err(|e| Error::bad_file(path, format!("this is not as a run writes it ({e})"), "Restore it"))
}

fn take(path: &Path, arrays: &mut Vec<(String, Array)>, name: &str) -> Result<Array> {
    let at = arrays.iter().position(|(n, _)| n == name);
    at.map(|i| arrays.swap_remove(i).1).ok_or_else(|| Error::bad_file(path, format!("there is no array {name}"), "Restore it"))
}

fn misshapen(path: &Path, array: &Array) -> Error {
    Error::bad_file(path, format!("means of shape {:?} are none of a run", array.shape), "Restore it")
}

fn students(path: &Path) -> Result<Students> {
    bounded::check(path, MOST_ARRAYS)?;
    let mut arrays = read_npz(path)?;
    let means = take(path, &mut arrays, "means")?;
    let (n_replicates, k, d) = match means.shape[..] {
        [k, d] => (1, k, d),
        [r, k, d] => (r, k, d),
        _ => return Err(misshapen(path, &means)),
    };
    if n_replicates * k * d == 0 {
        return Err(misshapen(path, &means));
    }
    // Weights may be (k), or (R, k) with the same row R times.
    let weights = take(path, &mut arrays, "weights").ok().filter(|w| w.values.len() >= k && w.values.len() % k == 0);
    let weights = weights.map_or_else(|| vec![1.0 / k as f64; k], |w| w.values[..k].to_vec());
    Ok(Students { weights, means: means.values, n_replicates, n_features: d })
}

fn trajectory(path: &Path) -> Result<Trajectory> {
    bounded::check(path, MOST_ARRAYS)?;
    let mut arrays = read_npz(path)?;
    let (steps, means) = (take(path, &mut arrays, "step")?, take(path, &mut arrays, "means")?);
    let (t, n_replicates, n_components, n_features) = match means.shape[..] {
        [t, k, d] => (t, 1, k, d),
        [t, r, k, d] => (t, r, k, d),
        _ => return Err(misshapen(path, &means)),
    };
    if steps.values.len() != t || t * n_replicates * n_components * n_features == 0 {
        return Err(misshapen(path, &means));
    }
    Ok(Trajectory { steps: steps.values, means: means.values, n_replicates, n_components, n_features })
}
