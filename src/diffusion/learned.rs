//! What is learned, and how long each stage took.

use std::time::Instant;

use super::draws::Draws;
use super::ladder::Row;
use super::options::Options;
use super::search::{Found, Tried};
use crate::mixture::{GaussianMixture, Mixture};
use crate::objective::groups::Estimate;

/// The result of learning.
#[derive(Debug, Clone)]
pub struct Learned {
    /// Of one common variance. Where covariances are of another kind: the same weights and means beside their mean variance.
    pub mixture: GaussianMixture,
    /// What was learned, where its covariances are of another kind.
    pub general: Option<Mixture>,
    /// Why it has so many components.
    pub why: String,
    /// Drawn points (samples, d), and what they were drawn from.
    pub samples: Vec<f64>,
    /// The component of each (samples), where they were drawn from the mixture; else empty.
    pub labels: Vec<i64>,
    pub samples_from: &'static str,
    /// Comparison of the drawn points with the data; `None` if none were drawn.
    pub draws: Option<Draws>,
    /// Mean ln p of the held-out points, in nats; NaN if there are none.
    pub held_out: Estimate,
    pub train_log_likelihood: f64,
    /// The held-out points (m, d).
    pub held_out_points: Vec<f64>,
    pub n_train: usize,
    /// The number of principal directions used; d if none were sought.
    pub rank: usize,
    pub levels: Vec<Row>,
    /// The end of EM on all points, if EM was the method.
    pub em: Option<EmEnd>,
    /// The numbers of components that the search tried.
    pub tried: Vec<Tried>,
    pub notes: Vec<String>,
    /// Stage and seconds, in order.
    pub seconds: Vec<(&'static str, f64)>,
}

impl Learned {
    /// Adds the results of the search for K, if K was not given.
    pub(super) fn counted(mut self, found: Found, options: &Options) -> Learned {
        if options.components.is_none() {
            self.why = found.why();
            self.notes.extend(found.notes());
            self.tried = found.tried;
        }
        self
    }
}

/// How EM ended.
#[derive(Debug, Clone, Copy)]
pub struct EmEnd {
    pub iterations: usize,
    pub seconds: f64,
    /// The gain of the last step, in nats per point.
    pub last_gain: f64,
}

/// Seconds of the stages.
pub(crate) struct Clock {
    began: Instant,
    pub(super) seconds: Vec<(&'static str, f64)>,
}

impl Clock {
    pub(super) fn start() -> Clock {
        Clock { began: Instant::now(), seconds: Vec::new() }
    }

    pub(super) fn lap(&mut self, stage: &'static str) {
        self.seconds.push((stage, self.began.elapsed().as_secs_f64()));
        self.began = Instant::now();
    }
}
