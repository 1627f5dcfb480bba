//! A gradient row from the coefficients that its stratum's samples accumulate, block after block.

use super::pair::Samples;
use super::shifted::Shifted;
use super::tile::Tile;
use crate::objective::groups::BLOCK;
use crate::vector::lanes;

/// What a stratum's samples gave, by blocks: coefficients A (k) and B (K), and ½|a|².
pub struct Block {
    a: Vec<f32>,
    b: Vec<f32>,
    half_square: f32,
}

/// ∂L/∂μᵢ = wᵢ( Σ A_l ε_l + o_p − Σ B_j ε_j − o_q ), growing as blocks are added in the order of their samples.
pub struct RowSums<'a> {
    samples: &'a Samples,
    p: &'a Shifted,
    q: &'a Shifted,
    weight: f64,
    merged: bool,
    a: Vec<f64>,
    b: Vec<f64>,
    n_blocks: usize,
    /// (G, rank), or merged (1, rank).
    pub rows: Vec<f64>,
    /// ½|a|² (G).
    pub half_square: Vec<f64>,
}

impl<'a> RowSums<'a> {
    pub fn new(samples: &'a Samples, p: &'a Shifted, q: &'a Shifted, weight: f64, merged: bool) -> Self {
        let (a, b, half_square) = (vec![0.0; p.k], vec![0.0; q.k], vec![0.0; samples.groups.n_groups]);
        Self { samples, p, q, weight, merged, a, b, n_blocks: 0, rows: Vec::new(), half_square }
    }

    /// The next block.
    pub fn add(&mut self, block: &Block) {
        let groups = &self.samples.groups;
        let per_group = groups.group_size / groups.block_size();
        let g = self.n_blocks / per_group;
        let mass = self.samples.mass(g);
        let share = if self.merged { groups.share(g) } else { 1.0 } / mass;
        self.a.iter_mut().zip(&block.a).for_each(|(o, v)| *o += share * f64::from(*v));
        self.b.iter_mut().zip(&block.b).for_each(|(o, v)| *o += share * f64::from(*v));
        self.half_square[g] += f64::from(block.half_square) / mass;
        self.n_blocks += 1;
        let last = self.n_blocks == groups.n_samples.div_ceil(groups.block_size());
        if last || (!self.merged && self.n_blocks.is_multiple_of(per_group)) {
            self.finish();
        }
    }

    /// Turns the coefficients so far into a row.
    fn finish(&mut self) {
        let mut row: Vec<f64> = self.p.origin.iter().zip(&self.q.origin).map(|(o_p, o_q)| o_p - o_q).collect();
        add_combination(&self.a, &self.p.epsilon, 1.0, &mut row);
        add_combination(&self.b, &self.q.epsilon, -1.0, &mut row);
        self.rows.extend(row.iter().map(|v| self.weight * v));
        self.a.fill(0.0);
        self.b.fill(0.0);
    }
}

/// The sums of a tile's blocks, with `base` 1 (Stein) or 0 (the part of the pathwise form).
pub fn sum_blocks(tile: &Tile, block_size: usize, base: f32, blocks: &mut Vec<Block>) {
    let (ld, side) = (tile.ld, [&tile.student, &tile.teacher]);
    for first in (0..tile.m).step_by(block_size) {
        let run = first..tile.m.min(first + block_size);
        let weight = &tile.weight[run.clone()];
        let [a, b] = side.map(|side| {
            let mut out = vec![0.0; side.r.len() / BLOCK];
            lanes::coefficients(weight, &side.r, &side.u, &side.c, ld, run.start, base, &mut out);
            out
        });
        blocks.push(Block { a, b, half_square: lanes::weighted_sum(weight, &tile.half_square[run]) });
    }
}

/// row += sign · Σ coefficient_l ε_l.
fn add_combination(coefficients: &[f64], epsilon: &[f32], sign: f64, row: &mut [f64]) {
    for (a, epsilon) in coefficients.iter().zip(epsilon.chunks_exact(row.len())) {
        row.iter_mut().zip(epsilon).for_each(|(o, e)| *o += sign * a * f64::from(*e));
    }
}
