//! Exact reduction to the subspace of the means ([`crate::math`]), and the change of units to σ = 1.
//!
//! With a common variance everything depends on x only through inner products with the means, and gradients lie in their span.
//! So a descent in d dimensions is one in ϱ ≤ min(d, k+K−1) coordinates: y = Uᵀ(μ − c)/s, with c the teacher's centroid and the
//! columns of U an orthonormal basis of the span, ordered by singular value.

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatMut, MatRef, Par};

use crate::mixture::GaussianMixture;

/// Coordinates for one replicate: its student's start and the teacher lie in the subspace, and descent stays there.
#[derive(Debug, Clone)]
pub struct Subspace {
    centre: Vec<f64>,        // (d)
    basis: Option<Vec<f64>>, // (rank, d), one basis vector a row; None: all of space
    scale: f64,
    rank: usize,
}

impl Subspace {
    /// All of space: only centred at the teacher's centroid and divided by `scale`.
    pub fn full(teacher: &GaussianMixture, scale: f64) -> Self {
        Self { centre: teacher.centroid(), basis: None, scale, rank: teacher.n_features() }
    }

    /// The span of the teacher's means and the student's `start` (k, d).
    ///
    /// ϱ = min(d, k+K−1) whatever the data, so that every replicate of a run has as many coordinates.
    pub fn of_means(teacher: &GaussianMixture, start: &[f64], scale: f64) -> Self {
        let d = teacher.n_features();
        let (k, n_teachers) = (start.len() / d, teacher.n_components());
        let rank = d.min(k + n_teachers - 1);
        if rank == d {
            return Self::full(teacher, scale);
        }
        // Differences to one teacher mean span the same affine space as all means, with one vector fewer. The heaviest one is
        // taken because the centroid then is a well-conditioned combination of the rest.
        let heaviest = (0..n_teachers).fold(0, |a, j| if teacher.weights()[j] > teacher.weights()[a] { j } else { a });
        let origin = teacher.mean(heaviest);
        let rows: Vec<&[f64]> = start.chunks_exact(d).chain((0..n_teachers).filter(|j| *j != heaviest).map(|j| teacher.mean(j))).collect();
        let spread = Mat::from_fn(d, rows.len(), |c, l| rows[l][c] - origin[c]);
        Self { centre: teacher.centroid(), basis: Some(principal_directions(&spread, rank)), scale, rank }
    }

    /// ϱ.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// Unit coordinates (n, ϱ) of `means` (n, d).
    pub fn reduce(&self, means: &[f64]) -> Vec<f64> {
        let d = self.centre.len();
        let mut out = Vec::with_capacity(means.len() / d * self.rank);
        for mean in means.chunks_exact(d) {
            let shifted: Vec<f64> = mean.iter().zip(&self.centre).map(|(m, c)| (m - c) / self.scale).collect();
            match &self.basis {
                None => out.extend(shifted),
                Some(basis) => out.extend(basis.chunks_exact(d).map(|u| dot(u, &shifted))),
            }
        }
        out
    }

    /// Means (n, d) of unit coordinates (n, ϱ).
    pub fn lift(&self, coordinates: &[f64]) -> Vec<f64> {
        let mut out = self.lift_vectors(coordinates, self.scale);
        for mean in out.chunks_exact_mut(self.centre.len()) {
            mean.iter_mut().zip(&self.centre).for_each(|(m, c)| *m += c);
        }
        out
    }

    /// Vectors (n, d), times `factor`, of vectors (n, ϱ): gradients, not points.
    pub fn lift_vectors(&self, vectors: &[f64], factor: f64) -> Vec<f64> {
        let Some(basis) = &self.basis else { return vectors.iter().map(|v| v * factor).collect() };
        let (n, d) = (vectors.len() / self.rank, self.centre.len());
        let mut out = vec![0.0; n * d];
        let (vectors, basis) = (MatRef::from_row_major_slice(vectors, n, self.rank), MatRef::from_row_major_slice(basis, self.rank, d));
        matmul(MatMut::from_row_major_slice_mut(&mut out, n, d), Accum::Replace, vectors, basis, factor, Par::Seq);
        out
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The first `rank` left singular vectors of `columns` (d, n ≥ rank), one a row: QR first, so that the decomposition itself is small.
pub fn principal_directions(columns: &Mat<f64>, rank: usize) -> Vec<f64> {
    // The largest entry becomes 1, so that no square overflows.
    let largest = columns.norm_max();
    let scaled = if largest > 0.0 { columns * faer::Scale(1.0 / largest) } else { columns.clone() };
    // One thread: with several, the last bits would depend on their number.
    let before = faer::get_global_parallelism();
    faer::set_global_parallelism(Par::Seq);
    let qr = scaled.qr();
    let svd = qr.thin_R().thin_svd().expect("the singular value decomposition of finite numbers converges");
    let u = qr.compute_thin_Q() * svd.U();
    faer::set_global_parallelism(before);
    (0..rank).flat_map(|c| (0..columns.nrows()).map(move |row| (row, c))).map(|at| u[at]).collect()
}
