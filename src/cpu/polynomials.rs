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
use crate::vector::lanes::{LANES, vectorised};

/// Rows whose products are summed in single precision, and rows of one product.
const JOB: usize = 8192;
const BLOCK: usize = 256;
/// Rows whose cells one thread looks up at a time.
const ROWS_OF_JOB: usize = 1024;

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
    posterior_means_within(cells, coefficients, y, &nearest_of_all(y, cells.centres, cells.rank()))
}

/// The same where the index of each point's cell (m) is known.
pub(crate) fn posterior_means_within(cells: &Cells, coefficients: &[f32], y: &[f32], cell_of: &[u32]) -> Vec<f32> {
    let rank = cells.rank();
    let mut out = vec![0.0f32; y.len()];
    let jobs = y.par_chunks(JOB * rank).zip(cell_of.par_chunks(JOB)).zip(out.par_chunks_mut(JOB * rank));
    jobs.for_each(|((y, cell_of), out)| {
        for (cell, rows) in by_cell(cell_of, cells.centres.len() / rank).iter().enumerate() {
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
    let rows_of = by_cell(&nearest_of_all(y, cells.centres, rank), cells.centres.len() / rank);
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

/// The rows of each of `n` cells, in order.
fn by_cell(cell_of: &[u32], n: usize) -> Vec<Vec<u32>> {
    let mut cells = vec![Vec::new(); n];
    cell_of.iter().enumerate().for_each(|(i, cell)| cells[*cell as usize].push(i as u32));
    cells
}

/// The index of the centre nearest to each row of `y` (m, rank), shape (m); the first of equally near ones.
pub(crate) fn nearest_of_all(y: &[f32], centres: &[f32], rank: usize) -> Vec<u32> {
    let mut out = vec![0u32; y.len() / rank];
    out.par_chunks_mut(ROWS_OF_JOB).zip(y.par_chunks(ROWS_OF_JOB * rank)).for_each(|(out, y)| {
        let mut columns = vec![0.0f32; rank * LANES];
        for (out, y) in out.chunks_mut(LANES).zip(y.chunks(LANES * rank)) {
            for (lane, row) in y.chunks_exact(rank).enumerate() {
                row.iter().enumerate().for_each(|(c, y)| columns[c * LANES + lane] = *y);
            }
            let nearest = vectorised(
                #[inline(always)]
                || nearest_in_lanes(&columns, centres, rank),
            );
            out.copy_from_slice(&nearest[..out.len()]);
        }
    });
    out
}

/// The index of the centre nearest to `y`.
pub(crate) fn nearest(y: &[f32], centres: &[f32]) -> u32 {
    let squares = centres.chunks_exact(y.len()).map(|c| y.iter().zip(c).map(|(y, c)| (y - c) * (y - c)).sum::<f32>());
    squares.enumerate().fold((0, f32::INFINITY), |best, (i, s)| if s < best.1 { (i as u32, s) } else { best }).0
}

/// The same of 16 points in columns (rank, 16).
#[inline(always)]
fn nearest_in_lanes(columns: &[f32], centres: &[f32], rank: usize) -> [u32; LANES] {
    let (mut nearest, mut least) = ([0u32; LANES], [f32::INFINITY; LANES]);
    for (cell, centre) in centres.chunks_exact(rank).enumerate() {
        let mut square = [0.0f32; LANES];
        for (y, centre) in columns.chunks_exact(LANES).zip(centre) {
            for lane in 0..LANES {
                square[lane] += (y[lane] - centre) * (y[lane] - centre);
            }
        }
        for lane in 0..LANES {
            let is_nearer = square[lane] < least[lane];
            nearest[lane] = if is_nearer { cell as u32 } else { nearest[lane] };
            least[lane] = if is_nearer { square[lane] } else { least[lane] };
        }
    }
    nearest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_centre_is_the_first_of_the_nearest_for_any_number_of_rows() {
        let value = |i: usize| ((i * 7919) % 23) as f32 - 11.0; // small integers: many ties
        for (rank, m, k) in [(1, 1, 1), (1, 17, 3), (2, 16, 9), (3, 2100, 30), (5, 33, 64)] {
            let y: Vec<f32> = (0..m * rank).map(value).collect();
            let centres: Vec<f32> = (0..k * rank).map(|i| value(i + 5)).collect();
            let found = nearest_of_all(&y, &centres, rank);
            for (row, found) in y.chunks_exact(rank).zip(&found) {
                let squares: Vec<f32> =
                    centres.chunks_exact(rank).map(|c| row.iter().zip(c).map(|(y, c)| (y - c) * (y - c)).sum()).collect();
                let least = squares.iter().copied().fold(f32::INFINITY, f32::min);
                assert_eq!(Some(*found as usize), squares.iter().position(|s| *s == least), "{rank} {m} {k}");
            }
            assert_eq!(found.len(), m);
        }
    }
}
