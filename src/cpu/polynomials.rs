//! Piecewise polynomials: the cells of points, Gram matrices of features, and the step of the reverse diffusion.
//!
//! Features are computed for [`BLOCK`] rows at a time. Sums of products are in single precision over [`JOB`] rows and in double precision
//! beyond.

use faer::linalg::matmul::{self, triangular};
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;

use crate::backend::polynomials::{CLIP, Cells, Gram, Polynomials, Step};
use crate::error::Result;
use crate::objective::hermite::Basis;
use crate::random::normal::normal_f32;
use crate::vector::lanes::vectorised;

/// Rows whose products are summed in single precision, and rows of one product.
const JOB: usize = 8192;
const BLOCK: usize = 256;

/// Polynomials on the CPU: single precision on all cores.
#[derive(Debug, Clone, Copy, Default)]
pub struct CpuPolynomials;

impl Polynomials for CpuPolynomials {
    fn grams(&mut self, cells: &Cells, y: &[f32], target: &[f32]) -> Result<Vec<Gram>> {
        Ok(grams(cells, y, target))
    }

    fn reverse(&mut self, step: &Step, y: &mut [f32]) -> Result<()> {
        let means = posterior_means(&step.cells, step.coefficients, y);
        let rank = step.cells.rank();
        y.par_chunks_exact_mut(rank).zip(means.par_chunks_exact(rank)).enumerate().for_each(|(i, (y, f))| {
            for (block, (y, f)) in y.chunks_mut(4).zip(f.chunks(4)).enumerate() {
                for ((y, f), word) in y.iter_mut().zip(f).zip(step.words(i, block)) {
                    *y += step.pull * (f - *y) + step.spread * normal_f32(word);
                }
            }
        });
        Ok(())
    }
}

/// f̂ at points `y` (m, rank), shape (m, rank), for coefficients (C, rank, features).
pub(crate) fn posterior_means(cells: &Cells, coefficients: &[f32], y: &[f32]) -> Vec<f32> {
    let rank = cells.rank();
    let mut out = vec![0.0f32; y.len()];
    y.par_chunks(JOB * rank).zip(out.par_chunks_mut(JOB * rank)).for_each(|(y, out)| {
        for (cell, rows) in by_cell(y, cells.centres, rank).iter().enumerate() {
            for rows in rows.chunks(BLOCK) {
                evaluate_block(cells, coefficients, cell, y, rows, out);
            }
        }
    });
    out
}

/// f̂ at a block of rows of one cell.
fn evaluate_block(cells: &Cells, coefficients: &[f32], cell: usize, y: &[f32], rows: &[u32], out: &mut [f32]) {
    let (rank, features, m) = (cells.rank(), cells.basis.len(), rows.len());
    let centre = &cells.centres[cell * rank..(cell + 1) * rank];
    let f = feature_columns(cells.basis, y, rows, centre, cells.sigma);
    let coefficients = &coefficients[cell * rank * features..(cell + 1) * rank * features];
    let mut values = vec![0.0f32; m * rank];
    matmul::matmul(
        MatMut::from_column_major_slice_mut(&mut values, m, rank),
        Accum::Replace,
        MatRef::from_column_major_slice(&f, m, features),
        MatRef::from_column_major_slice(coefficients, features, rank),
        cells.sigma,
        Par::Seq,
    );
    for (s, row) in rows.iter().enumerate() {
        for c in 0..rank {
            out[*row as usize * rank + c] = centre[c] + values[c * m + s];
        }
    }
}

/// The Gram matrices of all cells.
fn grams(cells: &Cells, y: &[f32], target: &[f32]) -> Vec<Gram> {
    let (rank, features) = (cells.rank(), cells.basis.len());
    let rows_of = by_cell(y, cells.centres, rank);
    let jobs: Vec<(usize, &[u32])> =
        rows_of.iter().enumerate().flat_map(|(cell, rows)| rows.chunks(JOB).map(move |rows| (cell, rows))).collect();
    let parts: Vec<(Vec<f32>, Vec<f32>)> = jobs.par_iter().map(|(cell, rows)| part(cells, *cell, y, target, rows)).collect();
    let mut grams = vec![Gram::zero(features, rank); rows_of.len()];
    for ((cell, rows), (gram, moment)) in jobs.iter().zip(&parts) {
        let sum = &mut grams[*cell];
        sum.n += rows.len();
        sum.gram.iter_mut().zip(gram).for_each(|(sum, part)| *sum += f64::from(*part));
        sum.moment.iter_mut().zip(moment).for_each(|(sum, part)| *sum += f64::from(*part));
    }
    grams
}

/// FᵀF and FᵀY of some rows of one cell.
fn part(cells: &Cells, cell: usize, y: &[f32], targets: &[f32], rows: &[u32]) -> (Vec<f32>, Vec<f32>) {
    let (rank, features) = (cells.rank(), cells.basis.len());
    let centre = &cells.centres[cell * rank..(cell + 1) * rank];
    let (mut gram, mut moment) = (vec![0.0f32; features * features], vec![0.0f32; features * rank]);
    for rows in rows.chunks(BLOCK) {
        let m = rows.len();
        let f = feature_columns(cells.basis, y, rows, centre, cells.sigma);
        let mut target = vec![0.0f32; m * rank];
        for (s, row) in rows.iter().enumerate() {
            for c in 0..rank {
                target[c * m + s] = (targets[*row as usize * rank + c] - centre[c]) / cells.sigma;
            }
        }
        let f = MatRef::from_column_major_slice(&f, m, features);
        triangular::matmul(
            MatMut::from_column_major_slice_mut(&mut gram, features, features),
            triangular::BlockStructure::TriangularLower,
            Accum::Add,
            f.transpose(),
            triangular::BlockStructure::Rectangular,
            f,
            triangular::BlockStructure::Rectangular,
            1.0,
            Par::Seq,
        );
        let target = MatRef::from_column_major_slice(&target, m, rank);
        matmul::matmul(MatMut::from_column_major_slice_mut(&mut moment, features, rank), Accum::Add, f.transpose(), target, 1.0, Par::Seq);
    }
    (gram, moment)
}

/// Features (features, m) of some rows of `y` around a cell's centre.
fn feature_columns(basis: &Basis, y: &[f32], rows: &[u32], centre: &[f32], sigma: f32) -> Vec<f32> {
    let (rank, m) = (basis.n_features, rows.len());
    let mut z = vec![0.0f32; m * rank];
    for (s, row) in rows.iter().enumerate() {
        for c in 0..rank {
            z[c * m + s] = ((y[*row as usize * rank + c] - centre[c]) / sigma).clamp(-CLIP, CLIP);
        }
    }
    let (mut out, mut factors) = (vec![0.0f32; m * basis.len()], Vec::new());
    vectorised(
        #[inline(always)]
        || basis.columns(&z, m, &mut factors, &mut out),
    );
    out
}

/// For each of `centres`, the rows of `y` (m, rank) that are nearest to it, in order.
fn by_cell(y: &[f32], centres: &[f32], rank: usize) -> Vec<Vec<u32>> {
    let nearest: Vec<u32> = y.par_chunks_exact(rank).map(|y| nearest(y, centres)).collect();
    let mut cells = vec![Vec::new(); centres.len() / rank];
    nearest.iter().enumerate().for_each(|(i, cell)| cells[*cell as usize].push(i as u32));
    cells
}

/// The index of the centre nearest to `y`.
pub(crate) fn nearest(y: &[f32], centres: &[f32]) -> u32 {
    let squares = centres.chunks_exact(y.len()).map(|c| y.iter().zip(c).map(|(y, c)| (y - c) * (y - c)).sum::<f32>());
    squares.enumerate().fold((0, f32::INFINITY), |best, (i, s)| if s < best.1 { (i as u32, s) } else { best }).0
}
