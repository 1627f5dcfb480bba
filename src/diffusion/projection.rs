//! The principal directions, which contain the centres up to sampling error; in all other directions the points are plain noise.

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatMut, MatRef, Par, Side};
use rayon::prelude::*;

use super::tiles::Tiles;
use crate::error::{Error, Result};

/// Points that the covariance is estimated from.
const MOST_FOR_COVARIANCE: usize = 1 << 17;
/// Rows of one product.
const BLOCK: usize = 4096;
/// More dimensions than this would need a covariance of gigabytes.
const MOST_FEATURES: usize = 8192;

/// With more dimensions than this, points are assumed to span all.
const MOST_FOR_SPAN: usize = 512;
/// A variance this small relative to the largest counts as zero: rounding in single precision makes less than 1e-13.
const NO_SPREAD: f64 = 1e-10;

/// Orthonormal directions around a mean.
#[derive(Debug, Clone)]
pub(crate) struct Projection {
    /// (d)
    pub mean: Vec<f64>,
    /// (rank, d), one direction a row, by falling variance.
    pub basis: Vec<f64>,
    /// The points' variances along them (rank).
    pub variances: Vec<f64>,
}

impl Projection {
    /// The directions whose variance exceeds that of noise with variance 1, at least one and at most `most`.
    ///
    /// In pure noise the largest of d eigenvalues from n points is (1 + √(d/n))² (Marchenko and Pastur 1967), here with two more standard
    /// errors. A direction below that changes the log-likelihood by less than d/n nats.
    ///
    /// # Errors
    /// [`Error::BadInput`] for more dimensions than a covariance can have.
    pub(crate) fn principal(tiles: &Tiles, most: usize) -> Result<Self> {
        let (mean, values, vectors) = principal_axes(tiles)?;
        let (n, d) = (tiles.n.min(MOST_FOR_COVARIANCE) as f64, tiles.d);
        let edge = (1.0 + (d as f64 / n).sqrt() + 2.0 / n.sqrt()).powi(2);
        let rank = values.iter().filter(|v| **v > edge).count().clamp(1, most.clamp(1, d));
        Ok(Self { mean, basis: vectors[..rank * d].to_vec(), variances: values[..rank].to_vec() })
    }

    /// The directions that points span; `None` if they span all dimensions, or if there are too many to compute.
    pub(crate) fn span(parts: &[&Tiles]) -> Result<Option<Self>> {
        let (n, d) = (parts[0].n, parts[0].d);
        if d > MOST_FOR_SPAN || n < 2 * d {
            return Ok(None);
        }
        let (mean, values, vectors) = principal_axes(parts[0])?;
        let rank = values.iter().filter(|v| **v > NO_SPREAD * values[0]).count();
        let span = Self { mean, basis: vectors[..rank * d].to_vec(), variances: values[..rank].to_vec() };
        let reach = 100.0 * NO_SPREAD * values[0];
        let is_held = |tiles: &Tiles| (0..tiles.n).into_par_iter().all(|i| span.remainder(tiles.row(i)) <= reach);
        Ok((0 < rank && rank < d && parts.iter().all(|tiles| is_held(tiles))).then_some(span))
    }

    /// The squared length of x − mean outside the directions.
    fn remainder(&self, row: impl Iterator<Item = f32>) -> f64 {
        let mut rest: Vec<f64> = row.zip(&self.mean).map(|(x, m)| f64::from(x) - m).collect();
        self.complement(&mut rest);
        rest.iter().map(|v| v * v).sum()
    }

    pub(crate) fn rank(&self) -> usize {
        self.variances.len()
    }

    fn d(&self) -> usize {
        self.mean.len()
    }

    /// Coordinates (n, rank) of all points.
    pub(crate) fn reduce(&self, tiles: &Tiles) -> Vec<f32> {
        let (d, rank) = (self.d(), self.rank());
        let mut out = vec![0.0; tiles.n * rank];
        out.par_chunks_mut(rank).enumerate().for_each(|(i, out)| {
            let row: Vec<f64> = tiles.row(i).zip(&self.mean).map(|(x, m)| f64::from(x) - m).collect();
            for (out, u) in out.iter_mut().zip(self.basis.chunks_exact(d)) {
                *out = row.iter().zip(u).map(|(x, u)| x * u).sum::<f64>() as f32;
            }
        });
        out
    }

    /// Coordinates (m, rank) of points (m, d).
    pub(crate) fn coordinates(&self, points: &[f64]) -> Vec<f64> {
        let d = self.d();
        let along = |point: &[f64], u: &[f64]| point.iter().zip(&self.mean).zip(u).map(|((x, m), u)| (x - m) * u).sum::<f64>();
        points.chunks_exact(d).flat_map(|point| self.basis.chunks_exact(d).map(move |u| along(point, u))).collect()
    }

    /// Points (n, d) from coordinates (n, rank), with the mean in all other directions.
    pub(crate) fn lift(&self, coordinates: &[f64]) -> Vec<f64> {
        let (d, rank) = (self.d(), self.rank());
        coordinates
            .chunks_exact(rank)
            .flat_map(|y| {
                let mut point = self.mean.clone();
                for (y, u) in y.iter().zip(self.basis.chunks_exact(d)) {
                    point.iter_mut().zip(u).for_each(|(p, u)| *p += y * u);
                }
                point
            })
            .collect()
    }

    /// Removes from `vector` (d) its part in the directions.
    pub(crate) fn complement(&self, vector: &mut [f64]) {
        for u in self.basis.chunks_exact(self.d()) {
            let share: f64 = vector.iter().zip(u).map(|(v, u)| v * u).sum();
            vector.iter_mut().zip(u).for_each(|(v, u)| *v -= share * u);
        }
    }
}

/// Mean (d), eigenvalues (d) falling, and eigenvectors (d, d), one a row, of the covariance.
fn principal_axes(tiles: &Tiles) -> Result<(Vec<f64>, Vec<f64>, Vec<f64>)> {
    let d = tiles.d;
    if d > MOST_FEATURES {
        return Err(Error::bad_input(
            format!("{d} dimensions are more than the {MOST_FEATURES} that a covariance is computed for"),
            "Project the points first, as on random directions",
        ));
    }
    let few = tiles.thinned(MOST_FOR_COVARIANCE);
    let rows = few.rows();
    let n = few.n as f64;
    let mut mean = vec![0.0; d];
    for row in rows.chunks_exact(d) {
        mean.iter_mut().zip(row).for_each(|(m, x)| *m += f64::from(*x) / n);
    }
    let mut covariance = vec![0.0f64; d * d];
    for block in rows.chunks(BLOCK * d) {
        let centred: Vec<f64> = block.chunks_exact(d).flat_map(|row| row.iter().zip(&mean).map(|(x, m)| f64::from(*x) - m)).collect();
        let x = MatRef::from_row_major_slice(&centred, block.len() / d, d);
        matmul(MatMut::from_row_major_slice_mut(&mut covariance, d, d), Accum::Add, x.transpose(), x, 1.0 / n, Par::Seq);
    }
    let matrix = Mat::from_fn(d, d, |a, b| covariance[a * d + b]);
    let eigen = matrix.self_adjoint_eigen(Side::Lower).map_err(|_| {
        Error::bad_input("the covariance of the points has no eigenvectors in double precision", "Give points of a moderate size")
    })?;
    let (values, vectors) = (eigen.S(), eigen.U());
    let falling = (0..d).rev();
    Ok((mean, falling.clone().map(|c| values[c]).collect(), falling.flat_map(|c| (0..d).map(move |row| vectors[(row, c)])).collect()))
}
