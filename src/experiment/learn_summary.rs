//! `summary.json` of a folder from `mixscore learn`: written when it is complete, read by its page and by sweeps.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::learn_task::Task;
use super::standardise::Standardisation;
use crate::diffusion::compare::{self, Sampled};
use crate::diffusion::divergence::kullback_leibler;
use crate::diffusion::draws::Draws;
use crate::diffusion::ladder::Row;
use crate::diffusion::learned::Learned;
use crate::diffusion::options::{Method, Options, Variance};
use crate::diffusion::search::Tried;
use crate::error::Result;
use crate::mixture::{CovarianceKind, GaussianMixture};
use crate::number::or_nan;
use crate::objective::groups::Estimate;
use crate::random::streams::RNG_VERSION;

pub const SCHEMA: &str = "mixscore.learn/1";
pub const SWEEP_SCHEMA: &str = "mixscore.learn-sweep/1";

/// The result of learning, in numbers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LearnSummary {
    pub schema: String,
    pub data: String,
    pub points: usize,
    /// d
    pub features: usize,
    pub method: Method,
    pub degree: usize,
    pub pairs: usize,
    pub seed: u64,
    pub rng_version: u32,
    pub components: usize,
    pub components_why: String,
    pub weights_why: String,
    /// The common variance; of other covariances the mean variance of a coordinate about its component's mean.
    pub variance: f64,
    #[serde(default = "common")]
    pub covariance_type: CovarianceKind,
    pub variance_was_given: bool,
    pub trained_on: usize,
    /// The number of points held out.
    pub held_out: usize,
    /// `None` if no points were held out.
    pub held_out_log_likelihood: Option<Estimate>,
    #[serde(deserialize_with = "or_nan")]
    pub train_log_likelihood: f64,
    pub principal_directions: usize,
    /// The number of points drawn.
    pub samples: usize,
    pub samples_from: String,
    /// Comparison of the drawn points with the data; `None` if none were drawn.
    #[serde(default)]
    pub draws: Option<Draws>,
    pub em_iterations: Option<usize>,
    pub em_seconds_per_iteration: Option<f64>,
    /// The gain of EM's last step, in nats per point.
    #[serde(default)]
    pub em_last_gain: Option<f64>,
    /// Every tried number of components, with its Bayesian information criterion.
    #[serde(default)]
    pub tried: Vec<Tried>,
    pub levels: Vec<Row>,
    pub seconds: f64,
    /// Seconds of each stage.
    pub stages: BTreeMap<String, f64>,
    pub notes: Vec<String>,
    /// Units of the columns if they were standardised; `variance` and the criteria are in these units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standardised: Option<Standardisation>,
    pub asked: Choices,
    #[serde(flatten)]
    pub against_truth: Option<AgainstTruth>,
}

/// Distances from the truth, if it is known.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AgainstTruth {
    /// KL(truth ‖ mixture) in nats.
    pub divergence: Estimate,
    /// The mixture's.
    pub total_variation: Estimate,
    /// `None` if no points were drawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sampler: Option<Sampled>,
    pub truth_held_out_log_likelihood: Option<Estimate>,
}

/// Everything that the result depends on, except the points themselves.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Choices {
    pub data: String,
    pub truth: Option<PathBuf>,
    /// The number of points.
    pub points: usize,
    #[serde(flatten)]
    pub options: Options,
}

/// `summary.json` of several numbers of points or degrees.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LearnSweepSummary {
    pub schema: String,
    pub data: String,
    pub finding: String,
    pub cells: Vec<LearnSummary>,
}

impl Choices {
    /// The choices of a task with this many points.
    pub fn of(task: &Task, points: usize) -> Choices {
        // A path that is not valid text is kept in part.
        let text = |path: &PathBuf| path.to_string_lossy().into_owned();
        Choices { data: text(&task.data), truth: task.truth.as_ref().map(|path| text(path).into()), points, options: task.options.clone() }
    }
}

impl LearnSummary {
    /// The summary of what was learned from `n` points in this many seconds.
    ///
    /// # Errors
    /// A truth of another dimension than the points.
    pub fn of(task: &Task, n: usize, learned: &Learned, truth: Option<&GaussianMixture>, seconds: f64) -> Result<LearnSummary> {
        let (options, d) = (&task.options, learned.mixture.n_features());
        Ok(LearnSummary {
            schema: SCHEMA.into(),
            data: task.data.to_string_lossy().into_owned(),
            points: n,
            features: d,
            method: options.method,
            degree: options.degree,
            pairs: options.pairs,
            seed: options.seed,
            rng_version: RNG_VERSION,
            components: learned.mixture.n_components(),
            components_why: learned.why.clone(),
            weights_why: "weights are mean responsibilities of the points: score matching hardly sees them where modes are separated"
                .into(),
            variance: learned.mixture.variance(),
            covariance_type: options.covariance,
            variance_was_given: matches!(options.variance, Variance::Known(_)),
            trained_on: learned.n_train,
            held_out: learned.held_out_points.len() / d,
            held_out_log_likelihood: known(learned.held_out),
            train_log_likelihood: learned.train_log_likelihood,
            principal_directions: learned.rank,
            samples: learned.samples.len() / d,
            samples_from: learned.samples_from.into(),
            draws: learned.draws.clone(),
            em_iterations: learned.em.map(|em| em.iterations),
            em_seconds_per_iteration: learned.em.map(|em| em.seconds / em.iterations as f64),
            em_last_gain: learned.em.map(|em| em.last_gain),
            tried: learned.tried.clone(),
            levels: learned.levels.clone(),
            seconds,
            stages: learned.seconds.iter().map(|(stage, seconds)| ((*stage).into(), *seconds)).collect(),
            notes: learned.notes.clone(),
            standardised: None,
            asked: Choices::of(task, n),
            against_truth: truth.map(|truth| AgainstTruth::of(learned, truth, options.seed)).transpose()?,
        })
    }

    /// The drawn points against the truth.
    pub fn sampled(&self) -> Option<&Sampled> {
        self.against_truth.as_ref()?.sampler.as_ref()
    }
}

impl AgainstTruth {
    fn of(learned: &Learned, truth: &GaussianMixture, seed: u64) -> Result<AgainstTruth> {
        let drawn = Some(&learned.samples).filter(|samples| !samples.is_empty());
        let own = learned.held_out_points.chunks_exact(truth.n_features()).map(|x| compare::log_density(truth, x));
        Ok(AgainstTruth {
            divergence: kullback_leibler(truth, &learned.mixture, seed)?,
            total_variation: compare::total_variation(&learned.mixture, truth, seed)?,
            sampler: drawn.map(|samples| compare::sampled(samples, truth, seed)).transpose()?,
            truth_held_out_log_likelihood: known(Estimate::of_mean(&own.collect::<Vec<f64>>())),
        })
    }
}

/// Of summaries that do not say it.
fn common() -> CovarianceKind {
    CovarianceKind::Common
}

fn known(estimate: Estimate) -> Option<Estimate> {
    Some(estimate).filter(|estimate| estimate.value.is_finite())
}
