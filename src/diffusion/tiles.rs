//! Points in single precision, in tiles of 64 samples with one column per coordinate: the layout of every fast loop here.

use rayon::prelude::*;

use crate::random::rows;

/// Samples of a tile: four vectors of 16 lanes. A tile of 50 coordinates fits the first-level cache.
pub(crate) const TILE: usize = 64;

/// n points of d coordinates. Sample s of tile i has coordinate c at `values[(i·d + c)·64 + s]`; samples past n are zero.
#[derive(Debug, Clone)]
pub struct Tiles {
    pub n: usize,
    pub d: usize,
    values: Vec<f32>,
}

impl Tiles {
    /// `value(i, c)` for sample i and coordinate c.
    pub fn new(n: usize, d: usize, value: impl Fn(usize, usize) -> f32 + Sync) -> Self {
        let mut values = vec![0.0; n.div_ceil(TILE) * TILE * d];
        values.par_chunks_exact_mut(TILE * d).enumerate().for_each(|(i, tile)| {
            for s in 0..TILE.min(n - i * TILE) {
                for c in 0..d {
                    tile[c * TILE + s] = value(i * TILE + s, c);
                }
            }
        });
        Self { n, d, values }
    }

    /// From rows (n, d).
    pub fn of_rows(rows: &[f32], d: usize) -> Self {
        Self::new(rows.len() / d, d, |i, c| rows[i * d + c])
    }

    pub fn n_tiles(&self) -> usize {
        self.n.div_ceil(TILE)
    }

    /// Tile i, (d, 64).
    pub fn tile(&self, i: usize) -> &[f32] {
        &self.values[i * TILE * self.d..(i + 1) * TILE * self.d]
    }

    /// The number of samples of tile i; less than 64 only for the last.
    pub fn count(&self, i: usize) -> usize {
        TILE.min(self.n - i * TILE)
    }

    /// Sample i, (d).
    pub fn row(&self, i: usize) -> impl Iterator<Item = f32> + '_ {
        let tile = self.tile(i / TILE);
        (0..self.d).map(move |c| tile[c * TILE + i % TILE])
    }

    /// At most `most` samples, chosen by a hash of their indices. (The user's seed decides the order of a learner's samples.)
    pub fn thinned(&self, most: usize) -> Self {
        let rows = rows::chosen(self.n, most, 0);
        Self::new(rows.len(), self.d, |i, c| self.tile(rows[i] / TILE)[c * TILE + rows[i] % TILE])
    }

    /// Rows (n, d).
    pub fn rows(&self) -> Vec<f32> {
        (0..self.n).flat_map(|i| self.row(i)).collect()
    }
}
