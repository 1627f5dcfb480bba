//! Sobol points for a tile: columns of normals, net by net, sixteen points at a time.

use super::draws::Draws;
use super::lanes::{self, LANES, vectorised};
use crate::objective::groups::BLOCK;
use crate::random::normal::normal_f32;
use crate::random::sobol::{self, COORDINATES, DIGITS, Scramble};

/// Normals of samples first … first + ld, column-major (ld × rank); `first` is a multiple of the net or of the tile.
pub fn fill(draws: &Draws, first: usize, ld: usize, z: &mut [f32]) {
    vectorised(
        #[inline(always)]
        || {
            for (c, column) in z.chunks_exact_mut(ld).take(COORDINATES).enumerate() {
                let directions = &sobol::directions()[c];
                let mut s = 0;
                while s < ld {
                    let (net, index) = ((first + s) / draws.group_size, (first + s) % draws.group_size);
                    let end = ld.min(s + draws.group_size - index);
                    let scramble = sobol::scrambles(draws.key, draws.step, draws.stratum, net as u32, c as u32 / 2)[c % 2];
                    points(directions, index as u32, scramble, &mut column[s..end]);
                    s = end;
                }
            }
            beyond(draws, first, ld, z);
        },
    );
}

/// One coordinate of the points from `index` on, which is a multiple of [`LANES`] or 0.
#[inline(always)]
fn points(directions: &[u32; DIGITS], index: u32, scramble: Scramble, out: &mut [f32]) {
    let place = |index: u32| (0..DIGITS).fold(0, |x, j| x ^ if index >> j & 1 == 1 { directions[j] } else { 0 });
    let low: [u32; LANES] = std::array::from_fn(|lane| place(lane as u32));
    for (at, out) in out.chunks_mut(LANES).enumerate() {
        let high = place(index + (at * LANES) as u32);
        let mut normals = [0.0; LANES];
        for lane in 0..LANES {
            normals[lane] = normal_f32(sobol::scrambled(high ^ low[lane], scramble));
        }
        out.copy_from_slice(&normals[..out.len()]);
    }
}

/// Coordinates that have no direction numbers are independent draws.
#[inline(always)]
fn beyond(draws: &Draws, first: usize, ld: usize, z: &mut [f32]) {
    let mut normals = [[0.0; LANES]; 4];
    for (block, columns) in z.chunks_mut(4 * ld).enumerate().skip(COORDINATES / 4) {
        for s in (0..ld).step_by(LANES) {
            lanes::draw(draws.key, draws.step, draws.stratum, (first + s) as u32, block as u32, &mut normals);
            for (column, normals) in columns.chunks_exact_mut(ld).zip(&normals) {
                column[s..s + LANES].copy_from_slice(normals);
            }
        }
    }
}

/// Columns y (ld × rank) become z = H₁ ⋯ H_m y, for reflections (m, rank).
pub fn turn(reflections: &[f32], ld: usize, z: &mut [f32]) {
    vectorised(
        #[inline(always)]
        || {
            let mut along = [0.0f32; BLOCK];
            for h in reflections.chunks_exact(z.len() / ld).rev() {
                along.fill(0.0);
                for (column, h) in z.chunks_exact(ld).zip(h) {
                    column.iter().zip(&mut along).for_each(|(z, along)| *along += h * z);
                }
                for (column, h) in z.chunks_exact_mut(ld).zip(h) {
                    column.iter_mut().zip(&along).for_each(|(z, along)| *z -= h * along);
                }
            }
        },
    );
}
