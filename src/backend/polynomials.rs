//! The interface for learning from points: what a device does with piecewise polynomials.

use crate::error::Result;
use crate::objective::hermite::Basis;
use crate::random::streams::words;

/// Arguments of polynomials are clipped to ± this many σ from the cell's centre.
pub(crate) const CLIP: f32 = 5.0;

/// The Voronoi cells of `centres`, each with a polynomial basis in (y − centre)/σ around its centre.
#[derive(Debug, Clone, Copy)]
pub struct Cells<'a> {
    pub basis: &'a Basis,
    /// (C, rank)
    pub centres: &'a [f32],
    pub sigma: f32,
}

impl Cells<'_> {
    /// The number of coordinates of a point.
    pub fn rank(&self) -> usize {
        self.basis.n_features
    }

    /// C.
    pub fn len(&self) -> usize {
        self.centres.len() / self.rank()
    }

    /// Always false: there is at least one centre.
    pub fn is_empty(&self) -> bool {
        self.centres.is_empty()
    }
}

/// Gram matrices of one cell: FᵀF (features, features), lower half, and FᵀU (features, rank), column-major; n rows. U holds the
/// targets in the cell's units, (target − centre)/σ.
#[derive(Debug, Clone, PartialEq)]
pub struct Gram {
    pub n: usize,
    pub gram: Vec<f64>,
    pub moment: Vec<f64>,
}

impl Gram {
    /// The matrices of no rows.
    pub fn zero(features: usize, rank: usize) -> Self {
        Self { n: 0, gram: vec![0.0; features * features], moment: vec![0.0; features * rank] }
    }
}

/// One step of the reverse diffusion: y ← y + pull·(f̂(y) − y) + spread·ξ, with f̂ = centre + σ Σ coefficient·feature.
#[derive(Debug, Clone, Copy)]
pub struct Step<'a> {
    pub cells: Cells<'a>,
    /// (C, rank, features)
    pub coefficients: &'a [f32],
    pub pull: f32,
    pub spread: f32,
    /// ξ of coordinates 4b to 4b + 3 of point i is made of the words at (`key`, `step`, 0, i, b).
    pub key: [u32; 2],
    pub step: u32,
}

impl Step<'_> {
    /// The random words that ξ is made of.
    pub fn words(&self, point: usize, block: usize) -> [u32; 4] {
        words(self.key, self.step, 0, point as u32, block as u32)
    }
}

/// A device that works with piecewise polynomials.
pub trait Polynomials: Send {
    /// The Gram matrices of each cell's rows of `y` (n, rank), whose targets are `target` (n, rank).
    fn grams(&mut self, cells: &Cells, y: &[f32], target: &[f32]) -> Result<Vec<Gram>>;

    /// Moves the points `y` (n, rank) down by one noise level.
    fn reverse(&mut self, step: &Step, y: &mut [f32]) -> Result<()>;
}
