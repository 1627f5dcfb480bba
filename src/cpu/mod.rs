//! The CPU backend: float32 on all cores, vector instructions chosen at run time, matrix products by faer.
//!
//! Work is divided by the sample index alone and added in a fixed order, so results have the same bits for any number of threads. Tiles
//! store samples contiguously (one column per coordinate or component), so that every loop over samples vectorises even with few
//! components.

mod coefficients;
mod distances;
mod draws;
mod evaluate;
mod general;
mod gram;
mod lists;
mod measure;
mod nets;
mod pair;
mod patch;
pub(crate) mod polynomials;
mod scatter;
mod session;
mod stein;
mod strips;
mod table;
mod tile;

use faer::{Accum, MatMut, MatRef, Par, linalg::matmul::matmul};

pub use polynomials::CpuPolynomials;

use crate::backend::polynomials::Polynomials;
use crate::backend::{Backend, Description, Evaluation, Kind, Points, Session, UnitProblem, whole_points};
use crate::error::Result;
use crate::mixture::Mixture;

/// The CPU device.
#[derive(Default)]
pub struct Cpu;

impl Cpu {
    /// A device on all cores of this process (`RAYON_NUM_THREADS` limits them).
    pub fn new() -> Self {
        Self
    }
}

impl Backend for Cpu {
    fn describe(&self) -> Description {
        Description { kind: Kind::Cpu, n_threads: rayon::current_num_threads(), adapter: None }
    }

    fn evaluate(&mut self, mixture: &Mixture, points: Points, responsibilities: bool) -> Result<Evaluation> {
        whole_points(mixture, points)?;
        Ok(match mixture.common() {
            Some(common) => evaluate::evaluate(&common, points, responsibilities),
            None => general::evaluate(mixture, points, responsibilities),
        })
    }

    fn polynomials(&self) -> Box<dyn Polynomials> {
        Box::new(CpuPolynomials)
    }

    fn open(&mut self, problem: &UnitProblem) -> Result<Box<dyn Session>> {
        Ok(Box::new(session::CpuSession::new(problem)))
    }
}

/// out = a·b or out += a·b for column-major matrices, on one thread.
fn product(out: MatMut<f32>, accumulate: Accum, a: MatRef<f32>, b: MatRef<f32>) {
    matmul(out, accumulate, a, b, 1.0, Par::Seq);
}
