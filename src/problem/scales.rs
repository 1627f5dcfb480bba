//! What steps of descent are judged by: how far means reach, and how long a step is beside the curvature there.

use crate::backend::Rule;
use crate::objective::divergence::Side;
use crate::objective::form::Form;
use crate::problem::fit::Fit;

/// Of a problem and a rule, in the device's coordinates, whose origin is the teacher's centroid.
#[derive(Debug, Clone, PartialEq)]
pub struct Scales {
    /// How far from the origin the farthest student's mean began, and how far the teacher's lie: of each replicate.
    pub begun: Vec<f64>,
    pub teacher: Vec<f64>,
    /// The step in units of the curvature that a component has far from all others; of the forward divergence, what it has where all the
    /// responsibility is its own. Shape (k).
    pub rates: Vec<f64>,
    /// The slowest relaxation per step: the least of them, with the component's weight for its responsibility.
    pub slowest: f64,
    /// True where a far mean's distance is multiplied by 1 − rate, noise apart.
    pub is_linear: bool,
    /// What brings the objective to units of σ.
    pub of_objective: f64,
}

impl Scales {
    /// Whether the steps are known to be too long: a mean that is far enough out is thrown farther.
    pub fn throws_out(&self) -> bool {
        self.is_linear && self.is_steep()
    }

    /// Whether some step is more than twice what its curvature brings back.
    pub fn is_steep(&self) -> bool {
        self.rates.iter().any(|c| *c > 2.0)
    }
}

impl Fit {
    /// What a descent by `rule` is judged by.
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
