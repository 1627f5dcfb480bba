//! Empty space between far groups of means, shortened.
//!
//! If means are 10⁷σ apart, single precision has no digits left for differences of a σ. But if a stretch of a coordinate axis holds no
//! mean, and every component has one of the other mixture near, nothing acts across the stretch: responsibilities are zero there, and L,
//! its gradient and all other measures depend only on differences within the groups on either side. So the length of such a stretch does
//! not matter, and it is made as short as possible: means on the far side move closer.
//!
//! "Near" is the largest distance R from a component to the nearest of the other mixture, either way. A stretch is kept at 2R + [`MARGIN`]
//! units of σ: a sample lies within 9σ of its own component, so within R + 9 of one of the other mixture, and at least 2R + 31 from the
//! components across. That is a factor below e^(−400) for any two weights. If some component has nothing near, R is as large as the
//! stretches, and nothing is shortened.
//!
//! In a descent the means move, and R with them: there a stretch is kept at 4R + 200, which suffices until R has become 2R + 80. This is
//! checked whenever a step is logged, and then new stretches are chosen ([`Gaps::suit`]).

use serde::{Deserialize, Serialize};

use crate::mixture::squared_distance;

/// Means that extend no further than this along every axis, in σ, stay as they are: single precision then resolves 6e-5 σ.
const NARROW: f64 = 1e3;

/// The length of a shortened stretch beyond 2R, in σ.
const MARGIN: f64 = 40.0;

/// How much of a stretch remains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Margin {
    /// For means that stay.
    Close,
    /// For means that move.
    Wide,
}

impl Margin {
    /// The remaining length, in the unit of `nearness` (R), if one σ is `unit`.
    fn kept(self, nearness: f64, unit: f64) -> f64 {
        match self {
            Margin::Close => 2.0 * nearness + MARGIN * unit,
            Margin::Wide => 4.0 * nearness + 200.0 * unit,
        }
    }
}

/// The shortened stretches along each axis.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gaps {
    axes: Vec<Axis>,
    /// The remaining length of each.
    kept: f64,
    /// The teacher's centroid after shortening, shape (rank): the origin of the device's coordinates, so that no digits are spent on what
    /// all means have in common.
    pub(super) centre: Option<Vec<f64>>,
}

/// The stretches of one axis. The mean nearest to zero stays and the others come nearer, so that no move loses digits. Stretches are listed
/// outwards: those above, and those below with the axis mirrored.
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
    /// The gaps between the means (k, rank) and (K, rank) of both mixtures, if one σ is `unit`.
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

    /// Whether nothing is shortened.
    pub fn are_none(&self) -> bool {
        self.axes.is_empty()
    }

    /// Whether these gaps still suit means that have moved to (k, rank) and (K, rank), in units of σ: groups are near enough to each other,
    /// and not so near that far shorter stretches would do. One σ was `unit` when the gaps were chosen.
    pub fn suit(&self, student: &[f64], teacher: &[f64], rank: usize, unit: f64) -> bool {
        let nearness = nearness(student, teacher, rank);
        let is_loose = self.kept > NARROW * unit && self.kept > 8.0 * unit * Margin::Wide.kept(nearness, 1.0);
        self.are_none() || !is_loose && unit * Margin::Close.kept(nearness, 1.0) <= self.kept
    }

    /// Moves `rows` (n, rank) to their places with short gaps.
    pub fn shorten(&self, rows: &mut [f64]) {
        let toward = |gaps: &[Gap], v: f64| v - less_beyond(gaps, |gap| v > gap.before);
        self.map_entries(rows, toward);
    }

    /// The inverse of [`Gaps::shorten`].
    pub fn lengthen(&self, rows: &mut [f64]) {
        let away = |gaps: &[Gap], v: f64| v + less_beyond(gaps, |gap| v > gap.after);
        self.map_entries(rows, away);
    }

    fn map_entries(&self, rows: &mut [f64], moved: impl Fn(&[Gap], f64) -> f64) {
        if self.axes.is_empty() {
            return;
        }
        for row in rows.chunks_exact_mut(self.axes.len()) {
            row.iter_mut().zip(&self.axes).for_each(|(v, axis)| *v = -moved(&axis.lower, -moved(&axis.upper, *v)));
        }
    }
}

impl Axis {
    /// For all values on an axis; stretches longer than `kept` become about that long.
    fn new(mut values: Vec<f64>, kept: f64) -> Self {
        values.sort_by(f64::total_cmp);
        let nearest = (0..values.len()).fold(0, |a, i| if values[i].abs() < values[a].abs() { i } else { a });
        // Moves are whole multiples of the last digit of the largest value.
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

/// The total length that the gaps for which `is_beyond` holds take away.
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
