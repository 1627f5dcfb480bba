//! How many dimensions the means of a problem span, up to the rounding of the type in which they were stored.
//!
//! Means that were computed in a plane and stored lie beside it by the rounding of the storage. Taken literally they span as many dimensions
//! as there are means, and every dimension costs the same in a step. So the span is the smallest one from which no stored number is further
//! away than rounding explains. Three things must hold before a direction is dropped:
//!
//! 1. **Rounding explains it.** Every coordinate of every mean is within [`ROUNDINGS`] units of rounding of the span, where a unit is that of
//!    the type times the coordinate's largest number among all means. Deviations that are no rounding, such as a start scattered by 1e-7,
//!    stay. A side whose numbers are all exact in float16, or in float32, was stored in that type; any other in float64.
//! 2. **Distances stay.** No difference of two means turns by more than [`MOST_TURN`] of its length, or [`SMALLEST`]·σ: with a common
//!    variance L and its gradient depend on distances alone, and a squared distance changes by at most 1e-4 of itself. Two means that are
//!    equal stay equal.
//! 3. **It is small relative to σ**: no mean is further from the span than [`FURTHEST`]·σ, so that logits, which are half the squares of
//!    distances, move by at most 1e-4.
//!
//! 2 and 3 are tolerances by which two devices may differ (tests/parity). With offsets so large that rounding exceeds the differences of
//! means, as at 1e15σ in float64, rule 1 alone would drop differences that matter; with 2 and 3 nothing is dropped there.
//!
//! The rank is computed in units of rounding: with o the most precise of the means, B_cl = (μ_l − o)_c/(s_c u_l), s_c the largest number
//! of coordinate c and u_l the unit of mean l, has errors of at most two everywhere, for any units of coordinates and types of the two
//! files. The residual of its first r right singular vectors is exact row by row; that of left ones is not.

use faer::linalg::matmul::matmul;
use faer::linalg::triangular_inverse::invert_upper_triangular;
use faer::{Accum, Mat, Par};
use half::f16;

use crate::mixture::{GaussianMixture, squared_distance};

/// Units of rounding that an entry may be off the span: two come from storing a difference, others from arithmetic in the type itself.
const ROUNDINGS: f64 = 8.0;

/// The part of a difference, and the length in σ for short ones, that may lie outside the span.
const MOST_TURN: f64 = 1e-2;
const SMALLEST: f64 = 1e-8;

/// The distance, in σ, that a mean may be off the span.
const FURTHEST: f64 = 1e-2;

/// The type in which numbers were stored.
#[derive(Clone, Copy)]
struct Stored {
    /// Half the distance between neighbouring numbers, relative to the upper one.
    unit: f64,
    /// Below this size that distance no longer shrinks.
    least: f64,
}

impl Stored {
    fn of(values: &[f64]) -> Self {
        if values.iter().all(|v| f16::from_f64(*v).to_f64() == *v) {
            Stored { unit: 2f64.powi(-11), least: 2f64.powi(-14) }
        } else if values.iter().all(|v| f64::from(*v as f32) == *v) {
            Stored { unit: 2f64.powi(-24), least: 2f64.powi(-126) }
        } else {
            // 64 roundings of float64: the means were computed in this type, with a rounding at every operation.
            Stored { unit: 2f64.powi(-47), least: 0.0 }
        }
    }
}

/// The span of the means of a teacher and of a student's start.
pub(super) struct Span {
    /// At least one.
    pub rank: usize,
    /// If directions were dropped: the means without them, one per column, relative to one of them that is left out, shape (d, k+K−1).
    pub cleaned: Option<Mat<f64>>,
    /// An upper bound on the singular values that were dropped, in units of the means.
    pub tolerance: f64,
}

impl Span {
    /// The span of the teacher's means and of `start` (k, d).
    pub(super) fn of(teacher: &GaussianMixture, start: &[f64]) -> Self {
        let means = Means::of(teacher, start);
        let most = teacher.n_features().min(means.rows.len() - 1);
        let search = || if most == 1 || means.plainly_span_all() { None } else { means.least_span(teacher.variance().sqrt()) };
        one_thread(search).unwrap_or(Span { rank: most, cleaned: None, tolerance: 0.0 })
    }
}

/// All means of a problem.
struct Means<'a> {
    rows: Vec<&'a [f64]>,
    /// u, shape (k+K).
    units: Vec<f64>,
    /// s, shape (d).
    largest: Vec<f64>,
    /// o: the row that is subtracted from the others.
    origin: usize,
}

impl<'a> Means<'a> {
    fn of(teacher: &'a GaussianMixture, start: &'a [f64]) -> Self {
        let d = teacher.n_features();
        let types = [Stored::of(start), Stored::of(teacher.means())];
        let rows: Vec<&[f64]> = start.chunks_exact(d).chain(teacher.means().chunks_exact(d)).collect();
        let k = start.len() / d;
        let units = (0..rows.len()).map(|l| types[usize::from(l >= k)].unit).collect();
        let mut largest = vec![types[0].least.max(types[1].least); d];
        for row in &rows {
            largest.iter_mut().zip(*row).for_each(|(s, v)| *s = s.max(v.abs()));
        }
        largest.iter_mut().filter(|s| **s == 0.0).for_each(|s| *s = 1.0); // no mean has this coordinate
        Self { rows, units, largest, origin: if types[0].unit < types[1].unit { 0 } else { k } }
    }

    /// The rows other than the origin.
    fn others(&self) -> Vec<usize> {
        (0..self.rows.len()).filter(|l| *l != self.origin).collect()
    }

    /// B of these rows, shape (d, rows).
    fn in_units(&self, of: &[usize]) -> Mat<f64> {
        let origin = self.rows[self.origin];
        Mat::from_fn(self.largest.len(), of.len(), |c, l| {
            (self.rows[of[l]][c] / self.largest[c] - origin[c] / self.largest[c]) / self.units[of[l]]
        })
    }

    /// A quick proof, from as many rows as needed, that no direction can be dropped. A matrix of smaller rank is σ_min ≥ 1/‖R⁻¹‖ away from
    /// B = QR, so some entry is σ_min/√(entries) away.
    fn plainly_span_all(&self) -> bool {
        let (d, others) = (self.largest.len(), self.others());
        let some: Vec<usize> = others.iter().copied().step_by((others.len() / (d + 8)).max(1)).take(d + 8).collect();
        let b = self.in_units(if others.len() > d { &some } else { &others });
        let entries = b.nrows() * b.ncols();
        let tall = if b.nrows() < b.ncols() { b.transpose() } else { b.as_ref() };
        let qr = tall.qr();
        let mut inverse = Mat::zeros(tall.ncols(), tall.ncols());
        invert_upper_triangular(inverse.as_mut(), qr.thin_R(), Par::Seq);
        1.0 / inverse.norm_l2() > ROUNDINGS * (entries as f64).sqrt()
    }

    /// The smallest span that the rules allow; `None` if nothing can be dropped.
    fn least_span(&self, sigma: f64) -> Option<Span> {
        let others = self.others();
        let b = self.in_units(&others);
        let svd = b.thin_svd().expect("the singular value decomposition of finite numbers converges");
        let mut rest = b.clone();
        for r in 0..b.nrows().min(b.ncols()) {
            if rest.norm_max() <= ROUNDINGS {
                let in_means =
                    |b: &Mat<f64>| Mat::from_fn(b.nrows(), b.ncols(), |c, l| b[(c, l)] * self.largest[c] * self.units[others[l]]);
                if self.keeps_distances(&in_means(&rest), &others, sigma) {
                    return Some(Span { rank: r.max(1), cleaned: Some(in_means(&(&b - &rest))), tolerance: self.tolerance() });
                }
            }
            let direction = svd.V().subcols(r, 1);
            let along = &b * direction;
            matmul(rest.as_mut(), Accum::Add, along.as_ref(), direction.transpose(), -1.0, Par::Seq);
        }
        None
    }

    /// Rules 2 and 3, if the means of `others` lose `dropped` (d, `others`) and the origin loses nothing.
    fn keeps_distances(&self, dropped: &Mat<f64>, others: &[usize], sigma: f64) -> bool {
        let mut off = vec![0.0; self.rows.len()];
        for (l, column) in others.iter().zip(dropped.col_iter()) {
            off[*l] = column.norm_l2();
        }
        let furthest = off.iter().copied().fold(0.0, f64::max);
        if furthest > FURTHEST * sigma {
            return false;
        }
        if 2.0 * furthest <= SMALLEST * sigma {
            return true;
        }
        // Only means this close to each other can violate rule 2, and in the widest coordinate they are at least as close.
        let reach = 2.0 * furthest / MOST_TURN;
        let width = |c: usize| {
            self.rows.iter().map(|row| row[c]).fold(f64::MIN, f64::max) - self.rows.iter().map(|row| row[c]).fold(f64::MAX, f64::min)
        };
        let widest = (0..self.largest.len()).max_by(|a, b| width(*a).total_cmp(&width(*b))).unwrap_or(0);
        let mut sorted: Vec<usize> = (0..self.rows.len()).collect();
        sorted.sort_by(|a, b| self.rows[*a][widest].total_cmp(&self.rows[*b][widest]));
        sorted.iter().enumerate().all(|(at, a)| {
            let near = sorted[at + 1..].iter().take_while(|b| self.rows[**b][widest] - self.rows[*a][widest] <= reach);
            near.filter(|b| self.rows[*a] != self.rows[**b]).all(|b| {
                let distance = squared_distance(self.rows[*a], self.rows[*b]).sqrt();
                off[*a] + off[*b] <= (MOST_TURN * distance).max(SMALLEST * sigma)
            })
        })
    }

    /// Rule 1 as a bound on the singular values of all means about the centroid: each entry, and the centroid, is off by at most its
    /// rounding.
    fn tolerance(&self) -> f64 {
        let [coordinates, rows] = [&self.largest, &self.units].map(|v| v.iter().map(|v| v * v).sum::<f64>());
        let coarsest = self.units.iter().copied().fold(0.0, f64::max);
        ROUNDINGS * coordinates.sqrt() * (rows.sqrt() + coarsest * (self.rows.len() as f64).sqrt())
    }
}

/// Runs `work` with faer on one thread, because the last bits would depend on the number of threads.
pub(super) fn one_thread<R>(work: impl FnOnce() -> R) -> R {
    let before = faer::get_global_parallelism();
    faer::set_global_parallelism(Par::Seq);
    let result = work();
    faer::set_global_parallelism(before);
    result
}
