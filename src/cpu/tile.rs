//! Up to 256 samples of one stratum on their way through the pipeline: draw → logits → softmax → posterior → coefficients.

use faer::{Accum, MatMut, MatRef};

use super::draws::Draws;
use super::product;
use super::shifted::Shifted;
use crate::objective::groups::BLOCK;
use crate::vector::lanes::{self, LANES};

/// One mixture's columns; matrices are column-major with the tile's leading dimension.
pub struct SideColumns {
    /// Responsibilities, ld × k.
    pub r: Vec<f32>,
    /// centre − posterior mean, ld × rank.
    pub v: Vec<f32>,
    /// ⟨ε_l, v⟩ or ⟨ε_l, a⟩, ld × k.
    pub u: Vec<f32>,
    /// Σ_l r_l u_l, ld.
    pub c: Vec<f32>,
    /// The softmax's peak and mass, ld.
    pub peak: Vec<f32>,
    pub mass: Vec<f64>,
}

/// Scratch for one tile, allocated once per run of tiles.
pub struct Tile {
    pub rank: usize,
    /// Samples, and samples padded to whole vectors: the leading dimension.
    pub m: usize,
    pub ld: usize,
    pub weight: Vec<f32>,
    /// ld × rank.
    pub z: Vec<f32>,
    /// Score residual M − N, ld × rank.
    pub a: Vec<f32>,
    /// ½|a|², ld.
    pub half_square: Vec<f32>,
    pub student: SideColumns,
    pub teacher: SideColumns,
}

impl SideColumns {
    fn new(k: usize, rank: usize) -> Self {
        let column = |n: usize| vec![0.0; n * BLOCK];
        Self { r: column(k), v: column(rank), u: column(k), c: column(1), peak: column(1), mass: vec![0.0; BLOCK] }
    }

    /// Responsibilities and centre − posterior mean, from z.
    fn posterior(&mut self, side: &Shifted, z: &[f32], ld: usize, rank: usize) {
        let epsilon = MatRef::from_column_major_slice(&side.epsilon, rank, side.k); // rank × k
        let r = &mut self.r[..ld * side.k];
        product(MatMut::from_column_major_slice_mut(r, ld, side.k), Accum::Replace, matrix(z, ld, rank), epsilon);
        lanes::softmax(r, &side.offset, ld, &mut self.peak[..ld], &mut self.mass[..ld]);
        let v = &mut self.v[..ld * rank];
        product(MatMut::from_column_major_slice_mut(v, ld, rank), Accum::Replace, matrix(r, ld, side.k), epsilon.transpose());
        lanes::subtract_from(&side.e, v, ld);
    }

    /// u_l = ⟨ε_l, b⟩ and c = Σ r_l u_l = ⟨e − v, b⟩, for b = v (`None`) or another ld × rank matrix.
    fn project(&mut self, side: &Shifted, b: Option<&[f32]>, ld: usize, rank: usize) {
        let b = b.unwrap_or(&self.v);
        let epsilon = MatRef::from_column_major_slice(&side.epsilon, rank, side.k);
        let u = MatMut::from_column_major_slice_mut(&mut self.u[..ld * side.k], ld, side.k);
        product(u, Accum::Replace, matrix(b, ld, rank), epsilon);
        let (v, c) = (&self.v[..ld * rank], &mut self.c[..ld]);
        lanes::inner_from(&side.e, v, &b[..ld * rank], ld, c);
    }

    /// ln of the sum of exponentials of sample s.
    pub fn log_sum(&self, s: usize) -> f64 {
        f64::from(self.peak[s]) + self.mass[s].ln()
    }
}

fn matrix(values: &[f32], ld: usize, columns: usize) -> MatRef<'_, f32> {
    MatRef::from_column_major_slice(&values[..ld * columns], ld, columns)
}

impl Tile {
    pub fn new(k: usize, n_teachers: usize, rank: usize) -> Self {
        Self {
            rank,
            m: 0,
            ld: 0,
            weight: vec![0.0; BLOCK],
            z: vec![0.0; BLOCK * rank],
            a: vec![0.0; BLOCK * rank],
            half_square: vec![0.0; BLOCK],
            student: SideColumns::new(k, rank),
            teacher: SideColumns::new(n_teachers, rank),
        }
    }

    /// Samples first … first + m of a stratum, their responsibilities, posterior means and score residuals.
    pub fn fill(&mut self, draws: &Draws, first: usize, m: usize, p: &Shifted, q: &Shifted) {
        (self.m, self.ld) = (m, m.next_multiple_of(LANES));
        let (ld, rank) = (self.ld, self.rank);
        draws.fill(first, &mut self.weight[..m], &mut self.z[..ld * rank], ld);
        self.student.posterior(p, &self.z, ld, rank);
        self.teacher.posterior(q, &self.z, ld, rank);
        let (v, w) = (&self.student.v[..ld * rank], &self.teacher.v[..ld * rank]);
        let (a, half) = (&mut self.a[..ld * rank], &mut self.half_square[..ld]);
        lanes::residual(w, v, a, ld, half);
    }

    /// u and c of both sides against their own v (Stein) or against the score residual (`pathwise`).
    pub fn project(&mut self, p: &Shifted, q: &Shifted, pathwise: bool) {
        let b = pathwise.then_some(&self.a[..]);
        self.student.project(p, b, self.ld, self.rank);
        self.teacher.project(q, b, self.ld, self.rank);
    }
}
