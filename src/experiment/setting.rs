//! The problem that a config names, and the files of a run folder that hold it.
//!
//! A fresh run writes its problem and reads it back before it starts, so a resumed one begins from the very same bits.

use std::path::Path;

use crate::descent::initial;
use crate::descent::problem::Problem;
use crate::error::{Error, Result};
use crate::mixture::files::{Array, Values, read_means, read_mixture, read_npz, read_variance, read_weights, write_mixture, write_npz};
use crate::mixture::{GaussianMixture, is_same_variance, normalised};

use super::config::Config;
use super::limits;

/// A teacher, and where the students begin.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    pub teacher: GaussianMixture,
    /// w, shape (k).
    pub weights: Vec<f64>,
    /// Shape (R, k, d).
    pub starts: Vec<f64>,
}

impl Setting {
    /// Reads or generates the teacher and the starts; relative paths begin at `base`.
    ///
    /// # Errors
    /// [`Error::BadFile`], [`Error::BadInput`] and [`Error::BadConfig`], all exit 4.
    pub fn of(config: &Config, base: &Path) -> Result<Setting> {
        let teacher = config.teacher.mixture(base, config.seed)?;
        match &config.student.file {
            Some(file) => from_file(config, teacher, &base.join(file)),
            None => from_scheme(config, teacher),
        }
    }

    /// k.
    pub fn n_components(&self) -> usize {
        self.weights.len()
    }

    /// The problem on which these students descend.
    pub fn problem(&self, config: &Config) -> Problem {
        Problem {
            student_weights: self.weights.clone(),
            teacher: self.teacher.clone(),
            divergence: config.objective.divergence,
            estimator: config.objective.estimator,
            sampler: config.objective.sampler,
            n_samples: config.objective.samples,
            noise: config.objective.noise,
            reduce: config.objective.reduce,
            storage: config.objective.storage,
            neighbours: config.objective.neighbours,
            seed: config.seed,
            first_replicate: 0,
        }
    }

    /// Writes `teacher.npz` and `initial.npz`.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write(&self, run: &Path) -> Result<()> {
        write_mixture(&run.join("teacher.npz"), &self.teacher)?;
        self.write_students(&run.join("initial.npz"), &self.starts)
    }

    /// Writes means (R, k, d), or (k, d) for one replicate, with weights and variance.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write_students(&self, path: &Path, means: &[f64]) -> Result<()> {
        let (k, d) = (self.n_components(), self.teacher.n_features());
        let shape = [means.len() / (k * d), k, d];
        let shape = if shape[0] == 1 { &shape[1..] } else { &shape[..] };
        let variance = [self.teacher.variance()];
        write_npz(
            path,
            &[
                ("weights", &[k], Values::F64(&self.weights)),
                ("means", shape, Values::F64(means)),
                ("variance", &[], Values::F64(&variance)),
            ],
        )
    }

    /// Reads what [`Setting::write`] wrote.
    ///
    /// # Errors
    /// [`Error::BadFile`].
    pub fn read(run: &Path) -> Result<Setting> {
        let teacher = read_mixture(&run.join("teacher.npz"))?;
        let path = run.join("initial.npz");
        let mut arrays = read_npz(&path)?;
        let mut take = |name: &str| arrays.iter().position(|(other, _)| other == name).map(|at| arrays.swap_remove(at).1.values);
        let (Some(starts), Some(weights)) = (take("means"), take("weights")) else {
            return Err(Error::bad_file(path, "there are no means and weights in it", "Restore the file as the run wrote it"));
        };
        Ok(Setting { teacher, weights, starts })
    }
}

fn from_scheme(config: &Config, teacher: GaussianMixture) -> Result<Setting> {
    let (Some(k), Some(scheme)) = (config.student.components, &config.student.start) else {
        return Err(Error::bad_config("[student] has no start", "Give components and a scheme under [student.start]"));
    };
    limits::check_size(config, k, teacher.n_features())?;
    let mut starts = Vec::with_capacity(config.replicates * k * teacher.n_features());
    for replicate in 0..config.replicates {
        starts.extend(initial::start(scheme, k, &teacher, config.seed, replicate as u32)?);
    }
    let weights = normalised(config.student.weights.clone().unwrap_or_else(|| vec![1.0 / k as f64; k]))?;
    Ok(Setting { teacher, weights, starts })
}

fn from_file(config: &Config, teacher: GaussianMixture, path: &Path) -> Result<Setting> {
    let Array { shape, values } = read_means(path)?;
    let (replicates, k, d) = match shape[..] {
        [k, d] => (1, k, d),
        [r, k, d] => (r, k, d),
        _ => return Err(Error::bad_file(path, format!("means has shape {shape:?}"), "Give (k, d) or (R, k, d)")),
    };
    if d != teacher.n_features() {
        return Err(Error::bad_file(
            path,
            format!("the means have {d} dimensions and the teacher's {}", teacher.n_features()),
            "Give student and teacher the same number of dimensions",
        ));
    }
    if replicates != 1 && replicates != config.replicates {
        return Err(Error::bad_file(
            path,
            format!("the starts are for {replicates} replicates and the config's replicates is {}", config.replicates),
            format!("Set replicates = {replicates}, or give starts of shape (k, d) for all"),
        ));
    }
    limits::check_size(config, k, d)?;
    same_variance(path, &teacher)?;
    let starts = if replicates == config.replicates { values } else { values.repeat(config.replicates) };
    Ok(Setting { weights: weights_of(config, path, k)?, teacher, starts })
}

/// Those of the config, else those of the file, else equal ones.
fn weights_of(config: &Config, path: &Path, k: usize) -> Result<Vec<f64>> {
    let weights = match &config.student.weights {
        Some(weights) => normalised(weights.clone())?,
        None => read_weights(path)?.unwrap_or_else(|| vec![1.0 / k as f64; k]),
    };
    if weights.len() != k {
        return Err(Error::bad_config(format!("{} student weights for {k} means", weights.len()), "Give one weight per component"));
    }
    Ok(weights)
}

/// A file that says a variance must say the teacher's: other covariances are not available yet.
fn same_variance(path: &Path, teacher: &GaussianMixture) -> Result<()> {
    match read_variance(path)? {
        Some(variance) if !is_same_variance(variance, teacher.variance()) => Err(Error::bad_file(
            path,
            format!("the student's variance is {variance} and the teacher's {}", teacher.variance()),
            "Give both the same variance",
        )),
        _ => Ok(()),
    }
}
