//! The metrics of a student at a logged step, each defined once: its name in files, its title, its unit.

use serde::{Deserialize, Serialize};

use crate::objective::divergence::Divergence;
use crate::objective::groups::Estimate;
use crate::problem::fit::Divergences;

/// A metric. The order is that of the columns of `metrics.csv` and of every table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    ReverseFisher,
    ForwardFisher,
    KlStudentTeacher,
    KlTeacherStudent,
    TotalVariation,
    /// The fraction of teacher components with a student within 0.75 σ.
    Coverage,
    /// Σ wᵢ |μᵢ − nearest teacher mean|.
    MatchedDistance,
    /// For one Gaussian teacher: Σ|μᵢ−m|², or Σ wᵢ|μᵢ−m|² with `divide_by_weight`.
    Lyapunov,
    /// The largest movement of a mean per step, since the previous logged step.
    Movement,
    /// Measured if `descent.gradient_tolerance` needs it.
    GradientNorm,
    /// The fraction of students within 0.75 σ of the teacher mean that was nearest at their start.
    NearestAtStart,
}

impl Metric {
    pub const ALL: [Metric; 11] = [
        Metric::ReverseFisher,
        Metric::ForwardFisher,
        Metric::KlStudentTeacher,
        Metric::KlTeacherStudent,
        Metric::TotalVariation,
        Metric::Coverage,
        Metric::MatchedDistance,
        Metric::Lyapunov,
        Metric::Movement,
        Metric::GradientNorm,
        Metric::NearestAtStart,
    ];

    /// Name in files, title in tables, unit.
    fn words(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Metric::ReverseFisher => ("reverse_fisher", "Reverse Fisher divergence", "1/unit²"),
            Metric::ForwardFisher => ("forward_fisher", "Forward Fisher divergence", "1/unit²"),
            Metric::KlStudentTeacher => ("kl_student_teacher", "KL(student ‖ teacher)", "nat"),
            Metric::KlTeacherStudent => ("kl_teacher_student", "KL(teacher ‖ student)", "nat"),
            Metric::TotalVariation => ("total_variation", "Total variation", "share"),
            Metric::Coverage => ("coverage", "Coverage", "share"),
            Metric::MatchedDistance => ("matched_distance", "Distance of matched means", "unit"),
            Metric::Lyapunov => ("lyapunov", "Lyapunov sum", "unit²"),
            Metric::Movement => ("movement", "Movement per step", "unit"),
            Metric::GradientNorm => ("gradient_norm", "Gradient norm", "1/unit³"),
            Metric::NearestAtStart => ("nearest_at_start", "Ended at the teacher nearest at the start", "share"),
        }
    }

    /// Its column in `metrics.csv`, its key in `summary.json`.
    pub fn name(self) -> &'static str {
        self.words().0
    }

    /// The title in tables and charts.
    pub fn title(self) -> &'static str {
        self.words().1
    }

    pub fn unit(self) -> &'static str {
        self.words().2
    }

    /// Whether it is estimated from samples. The column of its standard error follows its own, with `_se` appended to the name.
    pub fn has_standard_error(self) -> bool {
        self <= Metric::TotalVariation
    }

    /// Whether a better student has a higher value.
    pub fn is_better_higher(self) -> bool {
        matches!(self, Metric::Coverage | Metric::NearestAtStart)
    }

    /// Whether it is a fraction between 0 and 1.
    pub fn is_share(self) -> bool {
        self.unit() == "share"
    }

    /// Its columns in `metrics.csv`.
    pub fn columns(self) -> impl Iterator<Item = String> {
        let error = self.has_standard_error().then(|| format!("{}_se", self.name()));
        [self.name().to_string()].into_iter().chain(error)
    }

    /// The metric of the minimised divergence.
    pub fn of(divergence: Divergence) -> Metric {
        match divergence {
            Divergence::Reverse => Metric::ReverseFisher,
            Divergence::Forward => Metric::ForwardFisher,
        }
    }

    /// Its estimate in `all`; `None` if it is not estimated from samples.
    pub fn estimate(self, all: &Divergences) -> Option<Estimate> {
        Some(match self {
            Metric::ReverseFisher => all.reverse_fisher,
            Metric::ForwardFisher => all.forward_fisher,
            Metric::KlStudentTeacher => all.kl_student_teacher,
            Metric::KlTeacherStudent => all.kl_teacher_student,
            Metric::TotalVariation => all.total_variation,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_serdes_and_the_order_is_that_of_the_list() {
        for (at, metric) in Metric::ALL.into_iter().enumerate() {
            assert_eq!(serde_json::to_value(metric).unwrap(), metric.name());
            assert_eq!(metric as usize, at);
        }
    }
}
