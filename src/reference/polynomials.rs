//! Piecewise polynomials in double precision, in the order of the formulas.
//!
//! Twins: `cpu/polynomials.rs`; `shaders/cells.wgsl`, `shaders/hermite.wgsl`, `shaders/gram.wgsl`, `shaders/reverse.wgsl`.

use crate::backend::polynomials::{CLIP, Cells, Gram, Polynomials, Step};
use crate::error::Result;
use crate::random::normal::normal_f64;

/// Polynomials on the reference device.
#[derive(Debug, Clone, Copy, Default)]
pub struct ReferencePolynomials;

impl Polynomials for ReferencePolynomials {
    fn grams(&mut self, cells: &Cells, y: &[f32], target: &[f32]) -> Result<Vec<Gram>> {
        let (rank, features) = (cells.rank(), cells.basis.len());
        let mut grams = vec![Gram::zero(features, rank); cells.len()];
        for (y, target) in y.chunks_exact(rank).zip(target.chunks_exact(rank)) {
            let cell = nearest(y, cells.centres);
            let (f, u) = (features_of(cells, cell, y), in_units(cells, cell, target));
            let sum = &mut grams[cell];
            sum.n += 1;
            for column in 0..features {
                for row in column..features {
                    sum.gram[column * features + row] += f[row] * f[column];
                }
            }
            for c in 0..rank {
                for row in 0..features {
                    sum.moment[c * features + row] += f[row] * u[c];
                }
            }
        }
        Ok(grams)
    }

    fn reverse(&mut self, step: &Step, y: &mut [f32]) -> Result<()> {
        let Step { cells, coefficients, pull, spread, .. } = *step;
        let (rank, features) = (cells.rank(), cells.basis.len());
        for (i, y) in y.chunks_exact_mut(rank).enumerate() {
            let cell = nearest(y, cells.centres);
            let f = features_of(&cells, cell, y);
            for (c, y) in y.iter_mut().enumerate() {
                let coefficients = &coefficients[(cell * rank + c) * features..][..features];
                let sum: f64 = coefficients.iter().zip(&f).map(|(a, f)| f64::from(*a) * f).sum();
                let mean = f64::from(cells.centres[cell * rank + c]) + f64::from(cells.sigma) * sum;
                let noise = normal_f64(step.words(i, c / 4)[c % 4]);
                let moved = f64::from(*y) + f64::from(pull) * (mean - f64::from(*y)) + f64::from(spread) * noise;
                *y = moved as f32;
            }
        }
        Ok(())
    }
}

/// A point in units of a cell: (point − centre)/σ.
fn in_units(cells: &Cells, cell: usize, point: &[f32]) -> Vec<f64> {
    let centre = &cells.centres[cell * cells.rank()..];
    point.iter().zip(centre).map(|(v, c)| (f64::from(*v) - f64::from(*c)) / f64::from(cells.sigma)).collect()
}

/// The features of a point in a cell, with its coordinates clipped.
fn features_of(cells: &Cells, cell: usize, y: &[f32]) -> Vec<f64> {
    let z: Vec<f64> = in_units(cells, cell, y).iter().map(|z| z.clamp(-f64::from(CLIP), f64::from(CLIP))).collect();
    cells.basis.features(&z)
}

/// The index of the centre nearest to `y`.
fn nearest(y: &[f32], centres: &[f32]) -> usize {
    let mut best = (0, f64::INFINITY);
    for (i, centre) in centres.chunks_exact(y.len()).enumerate() {
        let mut square = 0.0;
        for (y, c) in y.iter().zip(centre) {
            square += (f64::from(*y) - f64::from(*c)).powi(2);
        }
        if square < best.1 {
            best = (i, square);
        }
    }
    best.0
}
