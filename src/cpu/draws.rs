//! The samples of a stratum: counter-based draws, with or without their negatives, or a table of nodes.

use std::ops::Range;

use super::nets::{self, Nets};
use crate::objective::form;
use crate::random::philox::philox;
use crate::random::sobol::COORDINATES;
use crate::vector::lanes::LANES;
use crate::vector::normals::normals;
use crate::vector::vector_fn;

/// Counters that are turned into normals together.
const CHUNK: usize = 64;

/// How the samples of one stratum are made.
#[derive(Clone, Copy)]
pub(super) struct Draws<'a> {
    pub key: [u32; 2],
    pub kind: form::Draws,
    pub step: u32,
    pub stratum: u32,
    /// Samples in a group; for Sobol points a group is a net.
    pub group_size: usize,
    /// Reflections (m, rank) that turn Sobol points into the axes of this stratum.
    pub axes: &'a [f32],
    /// Nodes (n, rank) of a grid.
    pub nodes: Option<&'a [f32]>,
}

impl Draws<'_> {
    /// z of `rows` samples (a multiple of eight) from `first` on. For antithetic draws these are the first of each pair, and `first` counts
    /// pairs. Columns of `z` lie `ld` apart.
    pub(super) fn distinct(&self, first: usize, rows: usize, z: &mut [f32], ld: usize) {
        let rank = z.len().div_ceil(ld);
        match self.nodes {
            None if self.kind.is_nets() => {
                if rank > COORDINATES {
                    self.draw(first, rows, COORDINATES..rank, z, ld); // coordinates without direction numbers
                }
                let nets = Nets { key: self.key, step: self.step, stratum: self.stratum, size: self.group_size };
                nets::fill(&nets, first, rows, z, ld);
                nets::turn(self.axes, rows, z, ld);
            }
            None => self.draw(first, rows, 0..rank, z, ld),
            Some(nodes) => look_up(nodes, first, rows, rank, z, ld),
        }
    }

    fn draw(&self, first: usize, rows: usize, coordinates: Range<usize>, z: &mut [f32], ld: usize) {
        // For few samples several coordinate blocks are drawn together.
        let run = rows.next_power_of_two().min(CHUNK);
        let mut normals = [[0.0; CHUNK]; 4];
        let together = CHUNK / run;
        for s in (0..rows).step_by(run) {
            for b in (coordinates.start / 4..coordinates.end.div_ceil(4)).step_by(together) {
                draw_chunk(self.key, self.step, self.stratum, (first + s) as u32, b as u32, run.trailing_zeros(), &mut normals);
                for c in 4 * b..coordinates.end.min(4 * (b + together)) {
                    let from = &normals[c % 4][(c / 4 - b) * run..][..run.min(rows - s)];
                    z[c * ld + s..][..from.len()].copy_from_slice(from);
                }
            }
        }
    }
}

vector_fn! {
    /// Normals of the four coordinates of each block: 2^log_run samples from `first` on for `block`, the same for the next block, ….
    fn draw_chunk(key: [u32; 2], step: u32, stratum: u32, first: u32, block: u32, log_run: u32, out: &mut [[f32; CHUNK]; 4]) {
        let mut words = [[0u32; CHUNK]; 4];
        let [w0, w1, w2, w3] = &mut words;
        let mask = (1 << log_run) - 1;
        for i in 0..CHUNK {
            let at = i as u32;
            [w0[i], w1[i], w2[i], w3[i]] = philox([block + (at >> log_run), first.wrapping_add(at & mask), stratum, step], key);
        }
        for (out, words) in out.iter_mut().zip(&words) {
            normals(words, out);
        }
    }
}

/// Copies nodes of a grid into the columns of `z`.
fn look_up(nodes: &[f32], first: usize, rows: usize, rank: usize, z: &mut [f32], ld: usize) {
    let rest = nodes.len() / rank - first;
    for c in 0..rank {
        for s in 0..rows {
            z[c * ld + s] = if s < rest { nodes[(first + s) * rank + c] } else { 0.0 };
        }
    }
}

const _: () = assert!(CHUNK.is_multiple_of(LANES), "a chunk is whole vectors");
