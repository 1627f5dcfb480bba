//! The scales for judging a descent: how far means reach, and how long a step is relative to the curvature there.

use crate::backend::Rule;
use crate::objective::divergence::Side;
use crate::objective::form::Form;
use crate::problem::fit::Fit;

/// The scales of a problem and a rule, in the device's coordinates, whose origin is the teacher's centroid.
#[derive(Debug, Clone, PartialEq)]
pub struct Scales {
    /// For each replicate, the distance from the origin of the farthest student mean at the start, and of the farthest teacher mean.
    pub begun: Vec<f64>,
    pub teacher: Vec<f64>,
    /// The step in units of the curvature of a component that is far from all others; for the forward divergence, of one that has all the
    /// responsibility. Shape (k).
    pub rates: Vec<f64>,
    /// The slowest relaxation per step: the least of `rates`, with the component's weight as its responsibility.
    pub slowest: f64,
    /// Whether a far mean's distance is multiplied by 1 − rate, apart from noise.
    pub is_linear: bool,
    /// The factor that brings the objective to units of σ.
    pub of_objective: f64,
}

impl Scales {
    /// Whether the steps are known to be too long: a mean that is far enough out is thrown farther.
    pub fn throws_out(&self) -> bool {
        self.is_linear && self.is_steep()
    }

    /// Whether some step is more than twice the inverse of its curvature.
    pub fn is_steep(&self) -> bool {
        self.rates.iter().any(|c| *c > 2.0)
    }
}

impl Fit {
    /// The scales of a descent by `rule`.
    pub fn scales(&self, rule: &Rule) -> Scales {
        let weights = &self.unit.student_weights;
        let rates = Rule { unit: self.scale, ..*rule }.rates(weights);
        let weighted: Vec<f64> = rates.iter().zip(weights).map(|(rate, w)| rate * w).collect();
        let is_reverse = self.unit.strata() == Side::Student;
        let teachers = self.unit.teacher_means.chunks_exact(self.unit.n_teacher_components() * self.unit.rank);
        Scales {
            begun: self.begun.clone(),
            teacher: teachers.map(|means| farthest(means, self.unit.rank)).collect(),
            slowest: weighted.iter().copied().fold(f64::INFINITY, f64::min),
            rates: if is_reverse { weighted } else { rates },
            // The noise of the score-function form grows with the square of the distance.
            is_linear: is_reverse && self.unit.form != Form::ScoreFunction,
            of_objective: self.scale.powi(2),
        }
    }
}

/// The length of the longest of `rows` (n, rank).
pub(super) fn farthest(rows: &[f64], rank: usize) -> f64 {
    rows.chunks_exact(rank).map(|row| row.iter().map(|v| v * v).sum::<f64>()).fold(0.0, f64::max).sqrt()
}
