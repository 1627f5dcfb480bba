//! One replicate's two mixtures, and the samples of one of its steps.

use rayon::prelude::*;

use super::draws::Draws;
use super::shifted::Shifted;
use super::tile::Tile;
use crate::objective::axes::reflections;
use crate::objective::divergence::{Sampler, Side};
use crate::objective::groups::Groups;

/// The samples of one replicate's step.
pub struct Samples {
    pub groups: Groups,
    pub key: [u32; 2],
    pub sampler: Sampler,
    pub step: u32,
    /// Reflections of every stratum (C, m, rank), for Sobol points; else empty.
    pub axes: Vec<f32>,
    pub table: Option<(Vec<f32>, Vec<f32>)>,
    pub n_strata: usize,
}

impl Samples {
    pub fn draws(&self, stratum: usize) -> Draws<'_> {
        let table = self.table.as_ref().map(|(nodes, weights)| (&nodes[..], &weights[..]));
        let each = self.axes.len() / self.n_strata;
        Draws {
            key: self.key,
            sampler: self.sampler,
            step: self.step,
            stratum: stratum as u32,
            group_size: self.groups.group_size,
            axes: &self.axes[stratum * each..(stratum + 1) * each],
            table,
        }
    }

    /// What sums over group g are divided by.
    pub fn mass(&self, g: usize) -> f64 {
        if self.table.is_some() { 1.0 } else { self.groups.range(g).len() as f64 }
    }
}

/// One replicate's student and teacher.
#[derive(Clone, Copy)]
pub struct Pair<'a> {
    pub rank: usize,
    pub p: (&'a [f64], &'a [f64]), // weights (k), means (k, rank)
    pub q: (&'a [f64], &'a [f64]),
    /// ln w and ln v.
    pub log_weights: [&'a [f64]; 2],
    /// Squared distances between the teacher's means (K, K), where they are kept.
    pub squares: Option<&'a [f64]>,
}

impl<'a> Pair<'a> {
    pub fn side(&self, side: Side) -> (&'a [f64], &'a [f64]) {
        if side == Side::Student { self.p } else { self.q }
    }

    /// Both mixtures as stratum i of `from` sees them.
    pub fn shifted(&self, from: Side, i: usize) -> [Shifted; 2] {
        let centre = &self.side(from).1[i * self.rank..(i + 1) * self.rank];
        [Shifted::new(self.p.0, self.p.1, centre), Shifted::new(self.q.0, self.q.1, centre)]
    }

    /// What turns the draws of the strata at `centres` (C, rank), shape (C, m, rank).
    pub fn axes(&self, centres: &[f64]) -> Vec<f32> {
        let of = |centre: &[f64]| -> Vec<f32> { reflections(centre, [self.p, self.q]).iter().map(|h| *h as f32).collect() };
        let axes: Vec<Vec<f32>> = centres.par_chunks_exact(self.rank).map(of).collect();
        axes.concat()
    }

    pub fn tile(&self) -> Tile {
        Tile::new(self.p.0.len(), self.q.0.len(), self.rank)
    }
}
