//! A config: everything that defines an experiment, with every default; unknown keys are refused.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::descent::initial::Scheme;
use crate::error::{Error, Result};
use crate::objective::divergence::{Divergence, Estimator, Sampler, Storage};
use crate::objective::neighbours::Neighbours;

use super::noise::Noise;
use super::teacher::Teacher;

/// One experiment, as its TOML file says it. [`super::reading::config_from`] makes one and checks its numbers.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Of all random numbers.
    #[serde(default, with = "super::seed")]
    pub seed: u64,
    /// R: independent starts, descended together.
    #[serde(default = "one")]
    pub replicates: usize,
    pub teacher: Teacher,
    pub student: Student,
    #[serde(default)]
    pub objective: Objective,
    #[serde(default)]
    pub descent: Descent,
    #[serde(default)]
    pub checkpoint: Checkpoint,
    #[serde(default)]
    pub log: Log,
}

/// Where the student begins: a file of means, or a number of components and a scheme that places them.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Student {
    /// Means (k, d), used for every replicate, or (R, k, d).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// k.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub components: Option<usize>,
    /// w, shape (k); left out: those of the file, or equal ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<Vec<f64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<Scheme>,
}

/// What is minimised, and how it is estimated.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Objective {
    pub divergence: Divergence,
    pub estimator: Estimator,
    pub sampler: Sampler,
    /// Per component; left out with the grid sampler: as many nodes as 1e-10 takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub samples: Option<usize>,
    /// Heat-flow time t, added to both variances, or a schedule.
    pub noise: Noise,
    /// Work in the subspace of the means, which is exact.
    pub reduce: bool,
    pub storage: Storage,
    /// "auto", "exact", or a number: the bias that a gradient row may have, per weight and in units of σ.
    pub neighbours: Neighbours,
}

/// Gradient descent and when it stops. A tolerance of zero is off; all are looked at on logged steps, for all replicates.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Descent {
    pub step_size: f64,
    /// Step on ∂L/∂μᵢ / wᵢ.
    pub divide_by_weight: bool,
    pub steps: u64,
    /// On the Euclidean norm of ∂L/∂μ.
    pub gradient_tolerance: f64,
    /// On the measured divergence that is minimised.
    pub divergence_tolerance: f64,
    /// On the largest distance that a mean moves per step.
    pub movement_tolerance: f64,
}

/// How much work a killed run may lose.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Checkpoint {
    /// 0: at every logged step.
    pub every_seconds: f64,
}

/// What is written down on the way.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// Steps between rows of metrics.csv.
    pub every: u64,
    /// Rows for steps 1, 2, 3, 5, 8, … below `every`, too, for curves on logarithmic axes. Stop rules do not look at them.
    pub early: bool,
    /// Per component of each side, for the metrics alone.
    pub samples: usize,
    /// Write trajectory.npz.
    pub trajectory: bool,
}

impl Default for Objective {
    fn default() -> Self {
        Self {
            divergence: Divergence::default(),
            estimator: Estimator::default(),
            sampler: Sampler::default(),
            samples: None,
            noise: Noise::Fixed(0.0),
            reduce: true,
            storage: Storage::default(),
            neighbours: Neighbours::default(),
        }
    }
}

impl Default for Descent {
    fn default() -> Self {
        Self {
            step_size: 0.5,
            divide_by_weight: true,
            steps: 1000,
            gradient_tolerance: 0.0,
            divergence_tolerance: 0.0,
            movement_tolerance: 0.0,
        }
    }
}

impl Default for Checkpoint {
    fn default() -> Self {
        Self { every_seconds: 60.0 }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { every: 10, early: false, samples: 1024, trajectory: true }
    }
}

fn one() -> usize {
    1
}

impl Config {
    /// The TOML text with every default.
    ///
    /// # Errors
    /// [`Error::BadConfig`] for a number that TOML cannot say.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string_pretty(self).map_err(|e| Error::bad_config(format!("this cannot be written as TOML ({e})"), "Use smaller numbers"))
    }

    /// The same config with paths that start at the root instead of at `base`.
    pub fn with_absolute_paths(&self, base: &Path) -> Config {
        let mut config = self.clone();
        if let Some(file) = &mut config.student.file {
            *file = absolute(base, file);
        }
        if let Some(file) = config.teacher.file_mut() {
            *file = absolute(base, file);
        }
        config
    }
}

/// A path that starts at the root instead of at `base`.
pub(super) fn absolute(base: &Path, file: &str) -> String {
    let path = base.join(file);
    std::path::absolute(&path).unwrap_or(path).to_string_lossy().into_owned()
}
