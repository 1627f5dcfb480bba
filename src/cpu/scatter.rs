//! Expectations that reach every row from every sample: the forward gradient, and the reverse one in its score-function and
//! pathwise forms.
//!
//! ```text
//! row l += weight · rₗ( a + (⟨μₗ−M, a⟩ + extra)(x−μₗ) )        x = centre + z, extra = ½|a|² or 0
//! ```
//!
//! For a block of samples these are two products, Rᵀa + Hᵀz with H = r∘(…), and column sums of H times (centre − μₗ).

use faer::{Accum, MatMut, MatRef};
use rayon::prelude::*;

use super::pair::{Pair, Samples};
use super::product;
use super::shifted::Shifted;
use super::tile::Tile;
use crate::backend::UnitProblem;
use crate::objective::divergence::{Divergence, Estimator};
use crate::vector::lanes;

/// Blocks whose results wait in memory for their turn in the sum.
const BATCH: usize = 64;

/// Gradient (G, k, rank) and ½|a|² (C, G) of one replicate.
pub fn scatter(problem: &UnitProblem, pair: &Pair, samples: &Samples) -> (Vec<f64>, Vec<f64>) {
    let groups = samples.groups;
    let (n_strata, row) = (problem.weights(problem.strata()).len(), problem.n_components() * problem.rank);
    let (mut gradients, mut half_square) = (vec![0.0; groups.n_groups * row], vec![0.0; n_strata * groups.n_groups]);
    let blocks: Vec<usize> = (0..groups.n_samples).step_by(groups.block_size()).collect();
    for batch in blocks.chunks(BATCH) {
        let parts: Vec<(Vec<f64>, Vec<f64>)> = batch.into_par_iter().map(|first| block(problem, pair, samples, *first)).collect();
        for (first, (gradient, squares)) in batch.iter().zip(&parts) {
            let g = first / groups.group_size;
            gradients[g * row..(g + 1) * row].iter_mut().zip(gradient).for_each(|(o, v)| *o += v / samples.mass(g));
            squares.iter().enumerate().for_each(|(j, v)| half_square[j * groups.n_groups + g] += v / samples.mass(g));
        }
    }
    (gradients, half_square)
}

/// The sums of one block of samples over all strata.
fn block(problem: &UnitProblem, pair: &Pair, samples: &Samples, first: usize) -> (Vec<f64>, Vec<f64>) {
    let (from, rank, k) = (problem.strata(), problem.rank, problem.n_components());
    let m = samples.groups.block_size().min(samples.groups.n_samples - first);
    let with_square = problem.divergence == Divergence::Reverse && problem.estimator == Estimator::ScoreFunction;
    let mut gradient = vec![0.0; k * rank];
    let mut squares = Vec::new();
    let mut tile = pair.tile();
    let mut rows = vec![0.0; k * rank];
    for (j, weight) in problem.weights(from).iter().enumerate() {
        let [p, q] = pair.shifted(from, j);
        tile.fill(&samples.draws(j), first, m, &p, &q);
        tile.project(&p, &q, true);
        squares.push(f64::from(lanes::weighted_sum(&tile.weight[..m], &tile.half_square[..m])));
        let sums = weigh(&mut tile, k, with_square);
        transposed_products(&tile, k, &mut rows);
        add_rows(&p, &sums, &rows, *weight, &mut gradient);
    }
    (gradient, squares)
}

/// R becomes weight·r, U becomes H = weight·r∘(u − c + extra); the sums of H's columns (k).
fn weigh(tile: &mut Tile, k: usize, with_square: bool) -> Vec<f64> {
    let (ld, student) = (tile.ld, &mut tile.student);
    let mut sums = vec![0.0; k];
    let extra = with_square.then_some(&tile.half_square[..ld]);
    lanes::weigh(&tile.weight[..tile.m], extra, &student.c, ld, &mut student.r[..ld * k], &mut student.u[..ld * k], &mut sums);
    sums
}

/// rows (k, rank) = Rᵀa + Hᵀz.
fn transposed_products(tile: &Tile, k: usize, rows: &mut [f32]) {
    let (ld, rank) = (tile.ld, tile.rank);
    let view = |values| MatRef::from_column_major_slice(values, ld, rank);
    let weights = |values| MatRef::from_column_major_slice(values, ld, k).transpose();
    let (r, h) = (weights(&tile.student.r[..ld * k]), weights(&tile.student.u[..ld * k]));
    product(MatMut::from_row_major_slice_mut(&mut *rows, k, rank), Accum::Replace, r, view(&tile.a[..ld * rank]));
    product(MatMut::from_row_major_slice_mut(rows, k, rank), Accum::Add, h, view(&tile.z[..ld * rank]));
}

/// gradient += weight · ( rows + sumsₗ (centre − μₗ) ), where centre − μₗ = e − ε_l.
fn add_rows(p: &Shifted, sums: &[f64], rows: &[f32], weight: f64, gradient: &mut [f64]) {
    let rank = p.e.len();
    for (l, sum) in sums.iter().enumerate() {
        for c in 0..rank {
            let away = f64::from(p.e[c]) - f64::from(p.epsilon[l * rank + c]);
            gradient[l * rank + c] += weight * (f64::from(rows[l * rank + c]) + sum * away);
        }
    }
}
