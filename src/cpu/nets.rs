//! Sobol points for a tile: columns of normals, net by net, and their rotation into the axes of a stratum.

use crate::random::sobol::{self, COORDINATES, DIGITS, Scramble};
use crate::vector::normals::normals;
use crate::vector::vector_fn;

/// Points that are computed together.
const LANES: usize = 16;

/// Rows whose inner products are kept at the same time.
const RUN: usize = 256;

/// The nets of one stratum at one step, of `size` points each.
pub(super) struct Nets {
    pub key: [u32; 2],
    pub step: u32,
    pub stratum: u32,
    pub size: usize,
}

/// Normals of `rows` samples from `first` on, in the coordinates that have direction numbers; columns of `z` lie `ld` apart.
pub(super) fn fill(nets: &Nets, first: usize, rows: usize, z: &mut [f32], ld: usize) {
    let directions = sobol::directions();
    let mut s = 0;
    while s < rows {
        let (net, index) = ((first + s) / nets.size, (first + s) % nets.size);
        let end = rows.min(s + nets.size - index);
        for (pair, columns) in z.chunks_mut(2 * ld).take(COORDINATES / 2).enumerate() {
            let scrambles = sobol::scrambles(nets.key, nets.step, nets.stratum, net as u32, pair as u32);
            for (half, column) in columns.chunks_mut(ld).enumerate() {
                points(&directions[2 * pair + half], index as u32, scrambles[half], &mut column[s..end]);
            }
        }
        s = end;
    }
}

vector_fn! {
    /// One coordinate of the points from `index` on.
    fn points(directions: &[u32; DIGITS], index: u32, scramble: Scramble, out: &mut [f32]) {
        // The exclusive or of the directions at the ones of the index: for its last four digits in every lane, for the others once.
        let mut low = [0u32; LANES];
        for j in 0..4 {
            for lane in 0..LANES {
                low[lane] ^= directions[j] & 0u32.wrapping_sub(lane as u32 >> j & 1);
            }
        }
        let mut done = 0;
        while done < out.len() {
            // A run is sixteen indices that differ only in their last four digits; the first run may begin inside one.
            let skip = (index as usize + done) % LANES;
            let (mut high, mut rest, mut j) = (0, (index as usize + done) / LANES, 4);
            while rest > 0 {
                high ^= directions[j] & 0u32.wrapping_sub(rest as u32 & 1);
                (rest, j) = (rest >> 1, j + 1);
            }
            let (mut words, mut z) = ([0; LANES], [0.0; LANES]);
            for lane in 0..LANES {
                words[lane] = sobol::scrambled(high ^ low[lane], scramble);
            }
            normals(&words, &mut z);
            let n = (LANES - skip).min(out.len() - done);
            out[done..done + n].copy_from_slice(&z[skip..skip + n]);
            done += n;
        }
    }
}

vector_fn! {
    /// The first `rows` rows of columns y, which lie `ld` apart, become z = H₁ ⋯ H_m y, for reflections (m, rank).
    pub(super) fn turn(reflections: &[f32], rows: usize, z: &mut [f32], ld: usize) {
        let rank = z.len().div_ceil(ld);
        for first in (0..rows).step_by(RUN) {
            let n = RUN.min(rows - first);
            for h in reflections.chunks_exact(rank).rev() {
                let mut along = [0.0f32; RUN];
                for (c, h) in h.iter().enumerate() {
                    for (along, z) in along.iter_mut().zip(&z[c * ld + first..][..n]) {
                        *along = h.mul_add(*z, *along);
                    }
                }
                for (c, h) in h.iter().enumerate() {
                    for (along, z) in along.iter().zip(&mut z[c * ld + first..][..n]) {
                        *z = (-h).mul_add(*along, *z);
                    }
                }
            }
        }
    }
}
