//! The numbers of a cell that a sweep's maps show: the fraction at the nearest teacher component, coverage, total variation, the
//! divergence.

use super::interval::Interval;
use crate::experiment::summary::Summary;
use crate::metrics::{COVERAGE_RADIUS, Metric};
use crate::number::{short, superscript};

/// One number of a cell's summary, with its interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quantity {
    Nearest,
    Coverage,
    /// For sweeps with one teacher component, for which coverage says little.
    WeightAtTeacher,
    TotalVariation,
    /// Reverse or forward; its maps are of log₁₀.
    Divergence {
        forward: bool,
    },
}

impl Quantity {
    pub(super) fn title(self) -> &'static str {
        match self {
            Quantity::Nearest => "Share at the nearest teacher",
            Quantity::Coverage => "Coverage",
            Quantity::WeightAtTeacher => "Student weight at the teacher",
            Quantity::TotalVariation => "Total variation",
            Quantity::Divergence { forward: false } => "log₁₀ of the reverse Fisher divergence L",
            Quantity::Divergence { forward: true } => "log₁₀ of the forward Fisher divergence L",
        }
    }

    /// What the number is, and what its interval covers.
    pub(super) fn caption(self) -> String {
        match self {
            Quantity::Nearest => format!(
                "The share of students that end within {COVERAGE_RADIUS}σ of the teacher mean that was nearest at their start; 95 % Wilson \
                 intervals, whose trials are the students of all replicates, taken as independent."
            ),
            Quantity::Coverage => format!(
                "The share of teacher components with a student within {COVERAGE_RADIUS}σ; 95 % Wilson intervals, whose trials are the \
                 teacher components of all replicates, or fewer where replicates differ by more than such trials would."
            ),
            Quantity::WeightAtTeacher => format!(
                "The student weight that ends within {COVERAGE_RADIUS}σ of the teacher’s one mean: 1 where all students do. The mean over \
                 replicates with its 95 % interval from their spread; without one where all replicates agree or there is one only."
            ),
            Quantity::TotalVariation => {
                "Between student and teacher; the mean over replicates with its 95 % interval from their spread, or, \
                                         of a single replicate, from its samples."
                    .into()
            }
            Quantity::Divergence { .. } => {
                "The median over replicates with its 95 % interval by order statistics (their whole range where \
                                            they are fewer than six), or, of a single replicate, from its samples. Unit of L: 1/unit²."
                    .into()
            }
        }
    }

    /// The number in a cell's summary; `None` if it is missing or not finite in one replicate.
    pub(super) fn of(self, summary: &Summary) -> Option<Interval> {
        match self {
            Quantity::Nearest => nearest(summary),
            Quantity::Coverage => coverage(summary),
            Quantity::WeightAtTeacher => weight_at_teacher(summary),
            Quantity::TotalVariation => Some(estimate(summary, Metric::TotalVariation, Interval::of_mean)?.within(0.0, 1.0)),
            Quantity::Divergence { forward } => {
                let metric = if forward { Metric::ForwardFisher } else { Metric::ReverseFisher };
                Some(estimate(summary, metric, Interval::of_median)?.within(0.0, f64::INFINITY))
            }
        }
    }

    /// Whether numbers are shown by their logarithm.
    pub(super) fn is_logarithmic(self) -> bool {
        matches!(self, Quantity::Divergence { .. })
    }

    /// The number as shown in its map.
    pub(super) fn text(self, v: f64) -> String {
        match self {
            Quantity::Divergence { .. } if v > 0.0 => format!("{:.1}", v.log10()).replace('-', "−"),
            Quantity::Divergence { .. } => "−∞".into(),
            _ if v != 0.0 && v.abs() < 5e-4 => {
                let text = format!("{v:.0e}");
                let (digit, exponent) = text.split_once('e').unwrap_or((&text, "0"));
                format!("{digit}·10{}", superscript(exponent.parse().unwrap_or(0)))
            }
            _ => format!("{v:.3}"),
        }
    }

    /// The ends of the interval as shown in the map.
    pub(super) fn ends(self, interval: &Interval) -> String {
        if interval.low == interval.high && self == Quantity::WeightAtTeacher {
            return String::new();
        }
        let between = if self.is_logarithmic() { " to " } else { "–" };
        format!("{}{between}{}", self.text(interval.low), self.text(interval.high))
    }

    /// The number and its interval in a sentence.
    pub(super) fn words(self, interval: &Interval) -> String {
        if interval.low == interval.high && self == Quantity::WeightAtTeacher {
            return self.word(interval.value);
        }
        format!("{} (95 % interval {} to {})", self.word(interval.value), self.word(interval.low), self.word(interval.high))
    }

    /// One number in a sentence.
    pub(super) fn word(self, v: f64) -> String {
        if self.is_logarithmic() { power(v) } else { self.text(v) }
    }
}

/// Two digits and a power of ten.
fn power(v: f64) -> String {
    if v == 0.0 || !v.is_finite() {
        return short(v);
    }
    let exponent = v.abs().log10().floor() as i32;
    if (-2..4).contains(&exponent) { short(v) } else { format!("{:.1}·10{}", v / 10f64.powi(exponent), superscript(exponent)) }
}

fn is_share(v: f64) -> bool {
    (0.0..=1.0 + 1e-6).contains(&v)
}

/// The fraction of students at the teacher component nearest at their start.
fn nearest(summary: &Summary) -> Option<Interval> {
    let share = summary.nearest_at_start.map(|at| at.all).filter(|s| [s.share, s.low, s.high].into_iter().all(is_share))?;
    Some(Interval { value: share.share, low: share.low, high: share.high }.within(0.0, 1.0))
}

/// Coverage, with as many trials per replicate as there are teacher components.
fn coverage(summary: &Summary) -> Option<Interval> {
    let n_teachers = summary.student_weight_at_teachers.as_ref()?.all().first()?.len();
    Interval::of_shares(&summary.last.values(Metric::Coverage)?, n_teachers)
}

/// The student weight at the one teacher component in each replicate; `None` for several components.
pub(super) fn weights_at_teacher(summary: &Summary) -> Option<Vec<f64>> {
    let weight = |weights: &Vec<f64>| match weights[..] {
        [weight] if is_share(weight) => Some(weight),
        _ => None,
    };
    summary.student_weight_at_teachers.as_ref()?.all().iter().map(weight).collect::<Option<Vec<f64>>>().filter(|all| !all.is_empty())
}

fn weight_at_teacher(summary: &Summary) -> Option<Interval> {
    let weights = weights_at_teacher(summary)?;
    let alone = Interval { value: weights[0], low: weights[0], high: weights[0] };
    Some(Interval::of_mean(&weights).unwrap_or(alone).within(0.0, 1.0))
}

/// From the values of all replicates, or from a single one with its standard error.
fn estimate(summary: &Summary, metric: Metric, over_replicates: fn(&[f64]) -> Option<Interval>) -> Option<Interval> {
    match summary.last.get(metric) {
        [one] => Interval::of_estimate(one.value()?, one.standard_error()?),
        _ => over_replicates(&summary.last.values(metric)?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::nearest::{AtNearest, Proportion};
    use crate::experiment::summary::PerReplicate;
    use serde_json::{Value, json};

    fn summary(last: Value, weights: Vec<Vec<f64>>) -> Summary {
        let share = Proportion { share: 0.9, low: 0.8, high: 0.95, successes: 9, trials: 10 };
        let nearest = (weights[0].len() > 1).then_some(AtNearest { all: share, near_wall: None, elsewhere: None });
        Summary {
            last: serde_json::from_value(last).unwrap(),
            student_weight_at_teachers: Some(PerReplicate::of(weights)),
            nearest_at_start: nearest,
            ..Summary::default()
        }
    }

    #[test]
    fn summaries_of_one_and_of_many_replicates() {
        let one = json!({"coverage": 0.5, "total_variation": {"value": 0.1, "standard_error": 0.1},
            "reverse_fisher": {"value": 1e-3, "standard_error": 1e-4}});
        let one = summary(one, vec![vec![0.4, 0.0]]);
        let tv = Quantity::TotalVariation.of(&one).unwrap();
        assert!((tv.high - 0.295_996_4).abs() <= 1e-7 && tv.low == 0.0, "{tv:?}"); // digits of the quantile
        assert_eq!(Quantity::Nearest.of(&one), Some(Interval { value: 0.9, low: 0.8, high: 0.95 }));
        assert_eq!(Quantity::Coverage.of(&one).unwrap().value, 0.5);
        let loss = Quantity::Divergence { forward: false };
        assert_eq!(loss.text(loss.of(&one).unwrap().value), "−3.0");
        let estimates = |a: f64, b: f64| json!([{"value": a, "standard_error": 0.1}, {"value": b, "standard_error": 0.1}]);
        let many = json!({"coverage": [1.0, 0.5], "total_variation": estimates(0.1, f64::NAN), "reverse_fisher": estimates(1.0, 3.0)});
        let many = summary(many, vec![vec![0.4, 0.6], vec![1.0, 0.0]]);
        assert_eq!(Quantity::Coverage.of(&many).unwrap().value, 0.75);
        assert_eq!(Quantity::TotalVariation.of(&many), None);
        assert_eq!(loss.of(&many), Some(Interval { value: 2.0, low: 1.0, high: 3.0 }));
        assert_eq!(Quantity::WeightAtTeacher.of(&many), None, "two teachers");
        let alone = summary(json!({}), vec![vec![0.2]]);
        assert_eq!(Quantity::WeightAtTeacher.of(&alone), Some(Interval { value: 0.2, low: 0.2, high: 0.2 }));
        assert_eq!(weights_at_teacher(&summary(json!({}), vec![vec![0.2], vec![1.0]])), Some(vec![0.2, 1.0]));
        assert_eq!(Quantity::TotalVariation.text(9.7e-6), "1·10⁻⁵");
        let hostile = summary(json!({"coverage": [7.0, 1.0]}), vec![vec![1e300], vec![f64::NAN]]);
        for quantity in [Quantity::Nearest, Quantity::Coverage, Quantity::WeightAtTeacher, Quantity::TotalVariation, loss] {
            assert_eq!(quantity.of(&hostile), None);
            assert_eq!(quantity.of(&Summary::default()), None);
        }
    }
}
