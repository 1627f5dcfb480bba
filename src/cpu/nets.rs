//! Sobol points for a tile: columns of normals, net by net, and their rotation into a stratum's axes.

use super::draws::Draws;
use super::vector::vector_fn;
use crate::random::normal::normal_f32;
use crate::random::sobol::{self, COORDINATES, DIGITS, Scramble};

/// Points that are worked on at a time.
const LANES: usize = 16;

/// Rows whose inner products are kept at a time.
const RUN: usize = 256;

/// Normals of `rows` samples from `first` on, in the coordinates that have direction numbers; columns lie `ld` apart.
pub fn fill(draws: &Draws, first: usize, rows: usize, z: &mut [f32], ld: usize) {
    for (c, column) in z.chunks_mut(ld).take(COORDINATES).enumerate() {
        let mut s = 0;
        while s < rows {
            let (net, index) = ((first + s) / draws.group_size, (first + s) % draws.group_size);
            let end = rows.min(s + draws.group_size - index);
            let scramble = sobol::scrambles(draws.key, draws.step, draws.stratum, net as u32, c as u32 / 2)[c % 2];
            points(&sobol::directions()[c], index as u32, scramble, &mut column[s..end]);
            s = end;
        }
    }
}

vector_fn! {
    /// One coordinate of the points from `index` on.
    fn points(directions: &[u32; DIGITS], index: u32, scramble: Scramble, out: &mut [f32]) {
        let place = |index: u32| (0..DIGITS).fold(0, |x, j| x ^ if index >> j & 1 == 1 { directions[j] } else { 0 });
        let low: [u32; LANES] = std::array::from_fn(|lane| place(lane as u32));
        let mut done = 0;
        while done < out.len() {
            // Sixteen indices that differ in their last four digits alone; the first run may begin within them.
            let skip = (index as usize + done) % LANES;
            let high = place(index + done as u32 - skip as u32);
            let mut normals = [0.0; LANES];
            for lane in 0..LANES {
                normals[lane] = normal_f32(sobol::scrambled(high ^ low[lane], scramble));
            }
            let n = (LANES - skip).min(out.len() - done);
            out[done..done + n].copy_from_slice(&normals[skip..skip + n]);
            done += n;
        }
    }
}

vector_fn! {
    /// Columns y, `ld` apart, become z = H₁ ⋯ H_m y in their first `rows` rows, for reflections (m, rank).
    pub fn turn(reflections: &[f32], rows: usize, z: &mut [f32], ld: usize) {
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
