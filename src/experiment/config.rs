//! A config: everything that defines an experiment, with every default; unknown keys are refused.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::descent::initial::Scheme;
use crate::error::{Error, Result};
use crate::objective::divergence::{Divergence, Estimator, Sampler, Storage};
use crate::objective::neighbours::Neighbours;

use super::noise::Noise;
use super::teacher::Teacher;

/// One experiment, as in its TOML file. `reading::config_from` makes one and checks its numbers.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The seed of all random numbers.
    #[serde(default, with = "super::seed")]
    pub seed: u64,
    /// R: independent starts that are descended together.
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

/// The student's start: a file of means, or a number of components and a scheme that places them.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Student {
    /// Means (k, d), used for every replicate, or (R, k, d).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// k.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub components: Option<usize>,
    /// w, shape (k); if left out, the file's weights, or equal ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<Vec<f64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<Scheme>,
}

/// The divergence that is minimised, and its estimator.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Objective {
    pub divergence: Divergence,
    pub estimator: Estimator,
    pub sampler: Sampler,
    /// Samples per component; if left out with the grid sampler, as many nodes as an error of 1e-10 needs.
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

/// Gradient descent and its stop rules. A tolerance of zero turns a rule off; all are tested at logged steps, for all replicates.
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

/// What a run logs.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// Steps between rows of metrics.csv.
    pub every: u64,
    /// Also log steps 1, 2, 3, 5, 8, … below `every`, for curves on logarithmic axes. Stop rules ignore these rows.
    pub early: bool,
    /// Samples per component of each side, for the metrics alone.
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
    /// [`Error::BadConfig`] for a number that TOML cannot hold.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string_pretty(self).map_err(|e| Error::bad_config(format!("this cannot be written as TOML ({e})"), "Use smaller numbers"))
    }

    /// The same config with absolute paths instead of paths relative to `base`.
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

/// The absolute path of `file`, which may be relative to `base`.
pub(super) fn absolute(base: &Path, file: &str) -> String {
    let path = base.join(file);
    std::path::absolute(&path).unwrap_or(path).to_string_lossy().into_owned()
}
