//! Empty space between far groups of means, shortened.
//!
//! Means that are 10⁷σ apart leave single precision no digits for what happens within a σ of each. But where a stretch of a coordinate
//! axis holds no mean, and every component has one of the other mixture near, nothing reaches across: responsibilities there are zero,
//! and L, its gradient and all other measures depend on differences within the groups on either side alone. So such stretches may be of
//! any length, and are made as short as they may be: a mean on the far side moves by what was taken away.
//!
//! "Near" is the largest distance R from a component to the nearest of the other mixture, either way. A stretch is kept at 2R + [`MARGIN`]
//! units of σ: a sample lies within 9σ of its own component, so within R + 9 of one of the other mixture, and at least 2R + 31 from what is
//! across. That is a factor below e^(−400) for any two weights. Where some component has nothing near, R is as large as the stretches, and
//! all is left as it is.
//!
//! In a descent the means move, and R with them: there a stretch is kept at 4R + 200, which serves until R has become 2R + 80. That is
//! looked at wherever a step is logged, and then stretches are taken anew ([`Gaps::suit`]).

use serde::{Deserialize, Serialize};

use crate::mixture::squared_distance;

/// Means that extend no further than this along every axis, in σ, are left as they are: single precision then resolves 6e-5 σ.
const NARROW: f64 = 1e3;

/// What is left of a stretch beyond 2R, in σ.
const MARGIN: f64 = 40.0;

/// How much of a stretch is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Margin {
    /// For means that stay where they are.
    Close,
    /// For means that move.
    Wide,
}

impl Margin {
    /// In the lengths of `nearness`, R, of which `unit` is one σ.
    fn kept(self, nearness: f64, unit: f64) -> f64 {
        match self {
            Margin::Close => 2.0 * nearness + MARGIN * unit,
            Margin::Wide => 4.0 * nearness + 200.0 * unit,
        }
    }
}

/// Stretches that were shortened, along each axis.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gaps {
    axes: Vec<Axis>,
    /// What is left of each.
    kept: f64,
    /// Where the teacher's centroid lies then, shape (rank): the origin of the device's coordinates, so that no digit goes into what all
    /// means have in common.
    pub(super) centre: Option<Vec<f64>>,
}

/// The mean nearest to zero stays where it is, and the others come nearer, so that no move costs a digit: stretches on its upper side,
/// and on its lower one as seen with the axis turned around, outwards.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Axis {
    upper: Vec<Gap>,
    lower: Vec<Gap>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Gap {
    /// Its middle before and after, and how much shorter the axis is behind it.
    before: f64,
    after: f64,
    less: f64,
}

impl Gaps {
    /// Of both mixtures' means (k, rank) and (K, rank), where `unit` is one σ.
    pub fn of(student: &[f64], teacher: &[f64], rank: usize, unit: f64, margin: Margin) -> Self {
        let on_axis = |c: usize| student.iter().skip(c).step_by(rank).chain(teacher.iter().skip(c).step_by(rank)).copied();
        let is_wide = |c: usize| on_axis(c).fold(f64::MIN, f64::max) - on_axis(c).fold(f64::MAX, f64::min) > NARROW * unit;
        if !(0..rank).any(is_wide) {
            return Self::default();
        }
        let kept = margin.kept(nearness(student, teacher, rank), unit);
        let axes: Vec<Axis> = (0..rank).map(|c| Axis::new(on_axis(c).collect(), kept)).collect();
        if axes.iter().all(|axis| axis.upper.is_empty() && axis.lower.is_empty()) {
            return Self::default();
        }
        Self { axes, kept, centre: None }
    }

    /// True where nothing is shortened.
    pub fn are_none(&self) -> bool {
        self.axes.is_empty()
    }

    /// Whether these are good for means that have moved to (k, rank) and (K, rank), in units of σ: near enough to each other still, and not
    /// so near that far shorter stretches would do. One σ was `unit` when the stretches were taken.
    pub fn suit(&self, student: &[f64], teacher: &[f64], rank: usize, unit: f64) -> bool {
        let nearness = nearness(student, teacher, rank);
        let is_loose = self.kept > NARROW * unit && self.kept > 8.0 * unit * Margin::Wide.kept(nearness, 1.0);
        self.are_none() || !is_loose && unit * Margin::Close.kept(nearness, 1.0) <= self.kept
    }

    /// Moves `rows` (n, rank) to where they lie with short gaps.
    pub fn shorten(&self, rows: &mut [f64]) {
        let toward = |gaps: &[Gap], v: f64| v - less_beyond(gaps, |gap| v > gap.before);
        self.each(rows, toward);
    }

    /// Moves them back.
    pub fn lengthen(&self, rows: &mut [f64]) {
        let away = |gaps: &[Gap], v: f64| v + less_beyond(gaps, |gap| v > gap.after);
        self.each(rows, away);
    }

    fn each(&self, rows: &mut [f64], moved: impl Fn(&[Gap], f64) -> f64) {
        if self.axes.is_empty() {
            return;
        }
        for row in rows.chunks_exact_mut(self.axes.len()) {
            row.iter_mut().zip(&self.axes).for_each(|(v, axis)| *v = -moved(&axis.lower, -moved(&axis.upper, *v)));
        }
    }
}

impl Axis {
    /// Of all values on it, where stretches longer than `kept` become about that.
    fn new(mut values: Vec<f64>, kept: f64) -> Self {
        values.sort_by(f64::total_cmp);
        let nearest = (0..values.len()).fold(0, |a, i| if values[i].abs() < values[a].abs() { i } else { a });
        // Moves are whole numbers of the last digit that the largest value has.
        let largest = values.iter().fold(0.0, |a: f64, v| a.max(v.abs()));
        let digit = largest.next_up() - largest;
        let outwards = |values: &[f64]| {
            let mut less = 0.0;
            let wide = values.windows(2).filter(|pair| pair[1] - pair[0] > kept + 2.0 * digit);
            wide.map(|pair| {
                let start = pair[0] - less;
                less += ((pair[1] - pair[0] - kept) / digit).floor() * digit;
                Gap { before: 0.5 * pair[0] + 0.5 * pair[1], after: 0.5 * start + 0.5 * (pair[1] - less), less }
            })
            .collect()
        };
        let turned: Vec<f64> = values[..=nearest].iter().rev().map(|v| -v).collect();
        Self { upper: outwards(&values[nearest..]), lower: outwards(&turned) }
    }
}

/// What all gaps that a value `is_beyond` take away.
fn less_beyond(gaps: &[Gap], is_beyond: impl Fn(&Gap) -> bool) -> f64 {
    gaps.iter().take_while(|gap| is_beyond(gap)).last().map_or(0.0, |gap| gap.less)
}

/// R.
fn nearness(student: &[f64], teacher: &[f64], rank: usize) -> f64 {
    furthest(student, teacher, rank).max(furthest(teacher, student, rank))
}

/// The largest distance from one of `rows` to the nearest of `others`.
fn furthest(rows: &[f64], others: &[f64], rank: usize) -> f64 {
    let nearest = |row: &[f64]| others.chunks_exact(rank).map(|other| squared_distance(row, other)).fold(f64::INFINITY, f64::min);
    rows.chunks_exact(rank).map(nearest).fold(0.0, f64::max).sqrt()
}
