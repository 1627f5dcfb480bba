//! Piecewise polynomial regression: one polynomial for each Voronoi cell, by ridge least squares on Gram matrices.
//!
//! A device computes the Gram matrices ([`Polynomials`]); the fitted polynomials are evaluated on the CPU.

use faer::linalg::solvers::Solve;
use faer::{Mat, MatRef, Side};
use rayon::prelude::*;

use super::noised::Noised;
use crate::backend::polynomials::{Cells, Gram, Polynomials};
use crate::cpu::polynomials::{nearest_of_all, posterior_means, posterior_means_within};
use crate::error::{Error, Result};
use crate::objective::hermite::Basis;

/// The ridges to choose from, as fractions of the rows of a cell: the last leaves hardly more than a constant.
pub(crate) const RIDGES: [f64; 6] = [1e-5, 1e-3, 1e-2, 0.1, 1.0, 30.0];

/// f̂(y): the posterior mean of the centre, a polynomial on each cell.
#[derive(Debug, Clone)]
pub struct Piecewise {
    pub basis: Basis,
    /// (C, rank)
    pub centres: Vec<f32>,
    /// σ = √(1 + t): the unit of the polynomials' arguments and values.
    pub sigma: f64,
    /// (C, rank, features): f̂ = centre + σ Σ coefficient·feature.
    pub coefficients: Vec<f32>,
}

impl Piecewise {
    /// Least squares on `noised`; each cell uses the one of [`RIDGES`] with the smallest error on `check`.
    ///
    /// # Errors
    /// [`Error::NonFiniteResult`] if the sums overflow.
    pub fn fit(noised: &Noised, check: &Noised, centres: Vec<f32>, sigma: f64, basis: Basis, device: &mut dyn Polynomials) -> Result<Self> {
        let rank = noised.rank;
        let cells = Cells { basis: &basis, centres: &centres, sigma: sigma as f32 };
        let grams = device.grams(&cells, &noised.y, &noised.target)?;
        let cell_of = nearest_of_all(&check.y, &centres, rank);
        let mut best: Vec<(f64, Vec<f32>)> = vec![(f64::INFINITY, Vec::new()); grams.len()];
        for ridge in RIDGES {
            let solved: Vec<Vec<f32>> = grams.par_iter().map(|gram| solve_from(gram, basis.len(), rank, ridge)).collect::<Result<_>>()?;
            let trial = Self { basis: basis.clone(), centres: centres.clone(), sigma, coefficients: solved.concat() };
            let errors = trial.errors(check, &cell_of);
            for ((best, error), solved) in best.iter_mut().zip(errors).zip(solved) {
                if best.1.is_empty() || error < best.0 {
                    *best = (error, solved);
                }
            }
        }
        Ok(Self { basis, centres, sigma, coefficients: best.into_iter().flat_map(|(_, solved)| solved).collect() })
    }

    /// The cells without the coefficients.
    pub fn cells(&self) -> Cells<'_> {
        Cells { basis: &self.basis, centres: &self.centres, sigma: self.sigma as f32 }
    }

    /// Σ|f̂ − u|² over the points of each cell; `cell_of` is each point's.
    fn errors(&self, check: &Noised, cell_of: &[u32]) -> Vec<f64> {
        let rank = check.rank;
        let means = posterior_means_within(&self.cells(), &self.coefficients, &check.y, cell_of);
        let mut errors = vec![0.0; self.centres.len() / rank];
        for ((cell, f), u) in cell_of.iter().zip(means.chunks_exact(rank)).zip(check.target.chunks_exact(rank)) {
            errors[*cell as usize] += f.iter().zip(u).map(|(f, u)| f64::from(f - u).powi(2)).sum::<f64>();
        }
        errors
    }

    /// f̂ at points `y` (m, rank), shape (m, rank).
    pub fn posterior_mean(&self, y: &[f32]) -> Vec<f32> {
        posterior_means(&self.cells(), &self.coefficients, y)
    }
}

/// As [`solve`], with the first ridge from `ridge` on that makes the matrix solvable: Gram matrices in single precision may need a larger
/// one.
fn solve_from(gram: &Gram, features: usize, rank: usize, ridge: f64) -> Result<Vec<f32>> {
    let heavier = || RIDGES.iter().filter(|other| **other > ridge).find_map(|other| solve(gram, features, rank, *other).ok());
    solve(gram, features, rank, ridge).or_else(|error| heavier().ok_or(error))
}

/// (FᵀF + ridge)⁻¹ FᵀY, shape (rank, features).
fn solve(gram: &Gram, features: usize, rank: usize, ridge: f64) -> Result<Vec<f32>> {
    let ridge = (ridge * gram.n as f64).max(1.0);
    let matrix = Mat::from_fn(features, features, |a, b| {
        let (row, column) = (a.max(b), a.min(b));
        let own = if a == b { if a == 0 { 1.0 } else { ridge } } else { 0.0 };
        gram.gram[column * features + row] + own
    });
    let factor = matrix.llt(Side::Lower).map_err(|_| Error::NonFiniteResult {
        what: format!("the normal equations of a cell of {} points cannot be solved", gram.n),
        remedy: "Use polynomials of a lower degree".into(),
    })?;
    let solution = factor.solve(MatRef::from_column_major_slice(&gram.moment, features, rank));
    Ok((0..rank).flat_map(|c| (0..features).map(move |f| (f, c))).map(|at| solution[at] as f32).collect())
}
