//! Log-density, score and responsibilities at given points.
//!
//! Points and means are centred in double precision; squared distances are sums of squared differences, never |x|² − 2x·μ + |μ|².

use faer::{Accum, MatMut, MatRef};
use rayon::prelude::*;

use super::product;
use crate::backend::{Evaluation, Points};
use crate::mixture::GaussianMixture;
use crate::objective::groups::BLOCK;
use crate::vector::lanes::{self, LANES};

/// Coordinates that are turned at a time, so that a tile's columns stay in cache for any number of dimensions.
const COORDINATES: usize = 256;

/// The mixture with unit variance, centred.
struct Centred {
    k: usize,
    d: usize,
    centre: Vec<f64>,
    sigma: f64,
    means: Vec<f32>,    // (k, d)
    constant: Vec<f32>, // ln w
}

/// What `Backend::evaluate` promises, in single precision.
pub fn evaluate(mixture: &GaussianMixture, points: Points, responsibilities: bool) -> Evaluation {
    let centre = mixture.centroid();
    let (k, d, sigma) = (mixture.n_components(), mixture.n_features(), mixture.variance().sqrt());
    let means = mixture.means().chunks_exact(d).flat_map(|mean| mean.iter().zip(&centre).map(|(m, c)| ((m - c) / sigma) as f32)).collect();
    let constant = mixture.weights().iter().map(|w| w.ln() as f32).collect();
    let centred = Centred { k, d, centre, sigma, means, constant };
    let tiles: Vec<Evaluation> = (0..points.len())
        .into_par_iter()
        .step_by(BLOCK * d)
        .map(|first| centred.tile(&points.range(first..points.len().min(first + BLOCK * d)).to_f64(), responsibilities))
        .collect();
    let mut out = Evaluation { log_density: Vec::new(), score: Vec::new(), responsibilities: Vec::new() };
    for tile in tiles {
        out.log_density.extend(tile.log_density);
        out.score.extend(tile.score);
        out.responsibilities.extend(tile.responsibilities);
    }
    out
}

impl Centred {
    fn tile(&self, points: &[f64], responsibilities: bool) -> Evaluation {
        let (k, d) = (self.k, self.d);
        let m = points.len() / d;
        let ld = m.next_multiple_of(LANES);
        let mut squares = vec![0.0f32; ld * k]; // column-major, like every matrix of a tile
        let mut x = vec![0.0f32; ld * COORDINATES.min(d)];
        for first in (0..d).step_by(COORDINATES) {
            let coordinates = first..d.min(first + COORDINATES);
            self.columns(points, coordinates.clone(), ld, &mut x);
            lanes::add_squares(&x[..ld * coordinates.len()], &self.means[coordinates.start..], d, ld, &mut squares);
        }
        let mut log_density = vec![0.0; m];
        let mut r = squares;
        r.iter_mut().for_each(|v| *v *= -0.5);
        let (mut peak, mut mass) = (vec![0.0; ld], vec![0.0; ld]);
        lanes::softmax(&mut r, &self.constant, ld, &mut peak, &mut mass);
        let constant = 0.5 * d as f64 * (2.0 * std::f64::consts::PI).ln() + d as f64 * self.sigma.ln();
        for (s, out) in log_density.iter_mut().enumerate() {
            *out = f64::from(peak[s]) + mass[s].ln() - constant;
        }
        let transposed = |s: usize| (0..k).map(move |l| (s, l));
        let rows = if responsibilities { (0..m).flat_map(transposed).map(|(s, l)| f64::from(r[l * ld + s])).collect() } else { Vec::new() };
        Evaluation { log_density, score: self.score(points, &r, m, ld), responsibilities: rows }
    }

    /// Columns of centred unit coordinates; samples beyond the tile are zero.
    fn columns(&self, points: &[f64], coordinates: std::ops::Range<usize>, ld: usize, x: &mut [f32]) {
        for (at, c) in coordinates.enumerate() {
            for (s, point) in points.chunks_exact(self.d).enumerate() {
                x[at * ld + s] = ((point[c] - self.centre[c]) / self.sigma) as f32;
            }
        }
    }

    /// (Σ r μ − x)/σ, shape (m, d).
    fn score(&self, points: &[f64], r: &[f32], m: usize, ld: usize) -> Vec<f64> {
        let (k, d) = (self.k, self.d);
        let mut posterior = vec![0.0f32; m * d];
        let means = MatRef::from_row_major_slice(&self.means, k, d);
        let r = MatRef::from_column_major_slice(r, ld, k).subrows(0, m);
        product(MatMut::from_row_major_slice_mut(&mut posterior, m, d), Accum::Replace, r, means);
        let rows = points.chunks_exact(d).zip(posterior.chunks_exact(d));
        rows.flat_map(|(x, mean)| (0..d).map(|c| (f64::from(mean[c]) - (x[c] - self.centre[c]) / self.sigma) / self.sigma)).collect()
    }
}
