//! Exact reduction to the subspace of the means ([`crate::math`]), and the change of units to σ = 1.
//!
//! With a common variance everything depends on x only through inner products with the means, and gradients lie in their span. So a descent
//! in d dimensions is one in ϱ ≤ min(d, k+K−1) coordinates: y = Uᵀ(μ − c)/s, with c the teacher's centroid and the columns of U an
//! orthonormal basis of the span, ordered by singular value. ϱ is the rank of the means up to the rounding of the type in which they were
//! stored (`problem::rank`); for several replicates it is the largest.

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatMut, MatRef, Par};

use super::gaps::{Gaps, Margin};
use super::rank::{Span, one_thread};
use crate::mixture::{self, GaussianMixture};

/// The part of the means that a reduction drops as rounding.
#[derive(Debug, Clone, Copy, PartialEq, Default, serde::Serialize, serde::Deserialize)]
pub struct LeftOut {
    /// The largest singular value that was dropped, for all means about the teacher's centroid, in their units; 0 if none was.
    pub largest: f64,
    /// An upper bound from rounding: `largest` is no more.
    pub tolerance: f64,
}

/// Coordinates for one replicate. Its student's start and the teacher lie in the subspace, and descent stays there.
#[derive(Debug, Clone)]
pub struct Subspace {
    centre: Vec<f64>,        // (d)
    basis: Option<Vec<f64>>, // (rank, d), one basis vector a row; None: all of space
    scale: f64,
    rank: usize,
    /// Gaps of the coordinates, or of the means themselves if the coordinates are all of space.
    gaps: Gaps,
    left_out: LeftOut,
}

impl Subspace {
    /// All of space, centred at the teacher's centroid and divided by `scale`.
    pub fn full(teacher: &GaussianMixture, scale: f64) -> Self {
        let (centre, rank) = (teacher.centroid(), teacher.n_features());
        Self { centre, basis: None, scale, rank, gaps: Gaps::default(), left_out: LeftOut::default() }
    }

    /// The span of the teacher's means and the student's `start` (k, d).
    pub fn of_means(teacher: &GaussianMixture, start: &[f64], scale: f64) -> Self {
        Self::of_each([(teacher, start)], scale).remove(0)
    }

    /// The span of each replicate's teacher and start (k, d), all with the largest rank among them.
    pub fn of_each<'a>(replicates: impl IntoIterator<Item = (&'a GaussianMixture, &'a [f64])>, scale: f64) -> Vec<Self> {
        let spans: Vec<_> = replicates.into_iter().map(|(teacher, start)| (teacher, start, Span::of(teacher, start))).collect();
        let rank = spans.iter().map(|(.., span)| span.rank).max().unwrap_or(1);
        spans.into_iter().map(|(teacher, start, span)| Self::of_span(teacher, start, span, rank, scale)).collect()
    }

    /// The first `rank` dimensions of a span.
    fn of_span(teacher: &GaussianMixture, start: &[f64], span: Span, rank: usize, scale: f64) -> Self {
        if rank == teacher.n_features() {
            return Self::full(teacher, scale);
        }
        let basis = principal_directions(&span.cleaned.unwrap_or_else(|| spread(teacher, start)), rank);
        let mut subspace = Self { basis: Some(basis), rank, ..Self::full(teacher, scale) };
        if span.tolerance > 0.0 {
            subspace.left_out = LeftOut { largest: subspace.largest_left_out(teacher, start), tolerance: span.tolerance };
        }
        subspace
    }

    /// Shortens the gaps between far groups of means (`problem::gaps`).
    pub fn shorten_gaps(&mut self, teacher: &GaussianMixture, start: &[f64]) {
        let gaps = self.gaps_of(teacher.weights(), teacher.means(), start, Margin::Close);
        self.take_gaps(gaps);
    }

    /// The gaps between far groups of means, for a teacher with `weights` (K) and `teacher` (K, d) and students (k, d). No gaps may have
    /// been taken yet.
    pub fn gaps_of(&self, weights: &[f64], teacher: &[f64], student: &[f64], margin: Margin) -> Gaps {
        if self.basis.is_some() {
            return self.of_rows(weights, &self.reduce(teacher), &self.reduce(student), margin);
        }
        // Before anything is subtracted, so that no digits are lost.
        self.of_rows(weights, teacher, student, margin)
    }

    /// The gaps among these rows: coordinates, or means if the coordinates are all of space.
    fn of_rows(&self, weights: &[f64], teacher: &[f64], student: &[f64], margin: Margin) -> Gaps {
        let mut gaps = Gaps::of(student, teacher, self.rank, self.sigma_of_rows(), margin);
        if !gaps.are_none() {
            let mut rows = teacher.to_vec();
            gaps.shorten(&mut rows);
            gaps.centre = Some(mixture::centroid(weights, &rows, self.rank));
        }
        gaps
    }

    /// σ in the units of the rows among which gaps are sought.
    fn sigma_of_rows(&self) -> f64 {
        if self.basis.is_some() { 1.0 } else { self.scale }
    }

    /// Replaces the gaps.
    pub fn take_gaps(&mut self, gaps: Gaps) {
        self.gaps = gaps;
    }

    /// The shortened gaps.
    pub fn gaps(&self) -> &Gaps {
        &self.gaps
    }

    /// The gaps that suit moving students at coordinates (k, ϱ), for a teacher with `weights` (K) at (K, ϱ): the current ones as long as
    /// they do.
    pub fn suitable_gaps(&self, student: &[f64], weights: &[f64], teacher: &[f64]) -> Gaps {
        if !self.gaps.are_none() && self.gaps.suit(student, teacher, self.rank, self.sigma_of_rows()) {
            return self.gaps.clone();
        }
        if self.basis.is_some() {
            return self.of_rows(weights, &self.lengthened(teacher), &self.lengthened(student), Margin::Wide);
        }
        let bare = Self { gaps: Gaps::default(), ..self.clone() };
        bare.gaps_of(weights, &self.lift(teacher), &self.lift(student), Margin::Wide)
    }

    /// The origin of the device's coordinates, as a mean, if the coordinates are all of space.
    fn centre(&self) -> &[f64] {
        self.gaps.centre.as_deref().filter(|_| self.basis.is_none()).unwrap_or(&self.centre)
    }

    /// Coordinates in the subspace (n, ϱ), from the device's.
    fn lengthened(&self, coordinates: &[f64]) -> Vec<f64> {
        let mut rows = coordinates.to_vec();
        if let Some(centre) = &self.gaps.centre {
            rows.chunks_exact_mut(self.rank).for_each(|row| row.iter_mut().zip(centre).for_each(|(y, c)| *y += c));
            self.gaps.lengthen(&mut rows);
        }
        rows
    }

    /// The largest singular value of the part of the means that the coordinates drop.
    fn largest_left_out(&self, teacher: &GaussianMixture, start: &[f64]) -> f64 {
        let d = self.centre.len();
        let left =
            |means: &[f64]| -> Vec<f64> { self.lift(&self.reduce(means)).iter().zip(means).map(|(lifted, mean)| mean - lifted).collect() };
        let left = [left(start), left(teacher.means())].concat();
        let left = MatRef::from_row_major_slice(&left, left.len() / d, d);
        one_thread(|| left.singular_values()).ok().and_then(|values| values.first().copied()).unwrap_or(f64::NAN)
    }

    /// ϱ.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// The part that was dropped as rounding.
    pub fn left_out(&self) -> LeftOut {
        self.left_out
    }

    /// Unit coordinates (n, ϱ) of `means` (n, d).
    pub fn reduce(&self, means: &[f64]) -> Vec<f64> {
        let d = self.centre.len();
        let shifted = |mean: &[f64]| -> Vec<f64> { mean.iter().zip(self.centre()).map(|(m, c)| (m - c) / self.scale).collect() };
        let Some(basis) = &self.basis else {
            let mut means = means.to_vec();
            self.gaps.shorten(&mut means);
            return means.chunks_exact(d).flat_map(shifted).collect();
        };
        let coordinates = |mean: &[f64]| -> Vec<f64> {
            let shifted = shifted(mean);
            basis.chunks_exact(d).map(|u| dot(u, &shifted)).collect()
        };
        let mut out: Vec<f64> = means.chunks_exact(d).flat_map(coordinates).collect();
        if let Some(centre) = &self.gaps.centre {
            self.gaps.shorten(&mut out);
            out.chunks_exact_mut(self.rank).for_each(|row| row.iter_mut().zip(centre).for_each(|(y, c)| *y -= c));
        }
        out
    }

    /// Means (n, d) from unit coordinates (n, ϱ).
    pub fn lift(&self, coordinates: &[f64]) -> Vec<f64> {
        let mut out = match self.basis {
            Some(_) => self.lift_vectors(&self.lengthened(coordinates), self.scale),
            None => self.lift_vectors(coordinates, self.scale),
        };
        for mean in out.chunks_exact_mut(self.centre.len()) {
            mean.iter_mut().zip(self.centre()).for_each(|(m, c)| *m += c);
        }
        if self.basis.is_none() {
            self.gaps.lengthen(&mut out);
        }
        out
    }

    /// Vectors (n, d) from `factor` times vectors (n, ϱ): for gradients, not points.
    pub fn lift_vectors(&self, vectors: &[f64], factor: f64) -> Vec<f64> {
        let Some(basis) = &self.basis else { return vectors.iter().map(|v| v * factor).collect() };
        let (n, d) = (vectors.len() / self.rank, self.centre.len());
        let mut out = vec![0.0; n * d];
        let (vectors, basis) = (MatRef::from_row_major_slice(vectors, n, self.rank), MatRef::from_row_major_slice(basis, self.rank, d));
        matmul(MatMut::from_row_major_slice_mut(&mut out, n, d), Accum::Replace, vectors, basis, factor, Par::Seq);
        out
    }
}

/// Differences to one teacher mean (d, k+K−1): they span the same affine space as all means, with one vector fewer. The heaviest mean is
/// used, because the centroid then is a well-conditioned combination of the rest.
fn spread(teacher: &GaussianMixture, start: &[f64]) -> Mat<f64> {
    let (d, n_teachers) = (teacher.n_features(), teacher.n_components());
    let heaviest = (0..n_teachers).fold(0, |a, j| if teacher.weights()[j] > teacher.weights()[a] { j } else { a });
    let origin = teacher.mean(heaviest);
    let rows: Vec<&[f64]> = start.chunks_exact(d).chain((0..n_teachers).filter(|j| *j != heaviest).map(|j| teacher.mean(j))).collect();
    Mat::from_fn(d, rows.len(), |c, l| rows[l][c] - origin[c])
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The first `rank` left singular vectors of `columns` (d, n ≥ rank), one a row: QR first, so that the decomposition itself is small.
pub(crate) fn principal_directions(columns: &Mat<f64>, rank: usize) -> Vec<f64> {
    // Scaled so that the largest entry is 1 and no square overflows.
    let largest = columns.norm_max();
    let scaled = if largest > 0.0 { columns * faer::Scale(1.0 / largest) } else { columns.clone() };
    one_thread(|| {
        let qr = scaled.qr();
        let svd = qr.thin_R().thin_svd().expect("the singular value decomposition of finite numbers converges");
        let u = qr.compute_thin_Q() * svd.U();
        (0..rank).flat_map(|c| (0..columns.nrows()).map(move |row| (row, c))).map(|at| u[at]).collect()
    })
}
