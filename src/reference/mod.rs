//! The reference device: float64, plain loops in formula order, one file per kernel. Every other device is checked against it.

pub(crate) mod density;
pub(crate) mod draw;
pub(crate) mod forward_fisher;
pub(crate) mod general;
pub(crate) mod general_gradient;
pub(crate) mod measure;
pub(crate) mod moments;
mod polynomials;
pub(crate) mod posterior;
pub(crate) mod reverse_fisher;
mod session;

pub use polynomials::ReferencePolynomials;

use crate::backend::polynomials::Polynomials;
use crate::backend::{Backend, Description, Evaluation, Kind, Points, Session, UnitProblem, whole_points};
use crate::error::Result;
use crate::mixture::{Covariance, Mixture, squared_distance};

/// A mixture with unit variance as the kernels read it. Nothing is checked, because descent may have made numbers non-finite.
#[derive(Debug, Clone, Copy)]
pub struct Components<'a> {
    /// (k)
    pub weights: &'a [f64],
    /// (k, rank) row-major
    pub means: &'a [f64],
    /// Number of coordinates.
    pub rank: usize,
}

impl<'a> Components<'a> {
    /// k.
    pub fn len(&self) -> usize {
        self.weights.len()
    }

    /// Whether there are no components.
    pub fn is_empty(&self) -> bool {
        self.weights.is_empty()
    }

    /// μᵢ, shape (rank).
    pub fn mean(&self, i: usize) -> &'a [f64] {
        &self.means[i * self.rank..(i + 1) * self.rank]
    }
}

/// The reference device.
pub struct Reference;

impl Backend for Reference {
    fn describe(&self) -> Description {
        Description { kind: Kind::Reference, n_threads: 1, adapter: None }
    }

    fn evaluate(&mut self, mixture: &Mixture, points: Points, responsibilities: bool) -> Result<Evaluation> {
        let (k, d) = (mixture.n_components(), mixture.n_features());
        let n = whole_points(mixture, points)?;
        let mut out = Evaluation { log_density: Vec::with_capacity(n), score: Vec::with_capacity(n * d), responsibilities: Vec::new() };
        let Covariance::Common(variance) = *mixture.covariance() else {
            for point in points.chunks(d).map(Points::to_f64) {
                let point = general::at(mixture, &point);
                out.log_density.push(point.log_density);
                out.score.extend(point.score);
                out.responsibilities.extend(point.responsibilities.iter().filter(|_| responsibilities));
            }
            return Ok(out);
        };
        let sigma = variance.sqrt();
        let (mut r, mut mean, mut means) = (vec![0.0; k], vec![0.0; d], vec![0.0; k * d]);
        for point in points.chunks(d).map(Points::to_f64) {
            // Relative to the nearest mean, so that no large squares cancel.
            let square = |i: usize| squared_distance(&point, mixture.mean(i));
            let origin = (0..k).min_by(|a, b| square(*a).total_cmp(&square(*b))).unwrap_or(0);
            let seen = |v: &[f64]| -> Vec<f64> { v.iter().zip(mixture.mean(origin)).map(|(v, o)| (v - o) / sigma).collect() };
            means.chunks_exact_mut(d).enumerate().for_each(|(i, mean)| mean.copy_from_slice(&seen(mixture.mean(i))));
            let (unit, x) = (Components { weights: mixture.weights(), means: &means, rank: d }, seen(&point));
            out.log_density.push(density::log_density(&unit, &x) - d as f64 * sigma.ln());
            density::responsibilities(&unit, &x, &mut r);
            posterior::mean(&unit, &r, &mut mean);
            out.score.extend(mean.iter().zip(&x).map(|(m, x)| (m - x) / sigma));
            if responsibilities {
                out.responsibilities.extend_from_slice(&r);
            }
        }
        Ok(out)
    }

    fn polynomials(&self) -> Box<dyn Polynomials> {
        Box::new(ReferencePolynomials)
    }

    fn open(&mut self, problem: &UnitProblem) -> Result<Box<dyn Session>> {
        Ok(Box::new(session::ReferenceSession::new(problem)))
    }
}
