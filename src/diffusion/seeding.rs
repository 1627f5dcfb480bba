//! Greedy k-means++ (Arthur and Vassilvitskii 2007): starts that are distributed like the points.

use std::collections::HashSet;

use rand::{Rng, RngExt};

use super::tiles::{TILE, Tiles};
use crate::random::categorical::Categorical;
use crate::vector::lanes::vectorised;

/// Candidates for each start.
const TRIALS: usize = 8;

/// The best of several sets of starts: the one with the smallest distances of the points. One set in a few leaves a far mode without a
/// mean, which later descent does not repair. `None` if there are fewer than `k` different points.
pub fn best_starts(tiles: &Tiles, k: usize, rng: &mut impl Rng) -> Option<Vec<f64>> {
    let trials = (0..TRIALS).map(|_| extended(tiles, Vec::new(), k, rng));
    let (_, means) = trials.min_by(|a, b| a.0.total_cmp(&b.0))?;
    (means.len() == k * tiles.d).then_some(means)
}

/// `chosen` means (c, d), extended by samples of `tiles` to `k` of them, or fewer if there are not enough different points; and the sum of
/// squared distances from the nearest. Each new one is the best of a few candidates, drawn with probability proportional to the squared
/// distance from those chosen before.
pub(crate) fn extended(tiles: &Tiles, mut chosen: Vec<f64>, k: usize, rng: &mut impl Rng) -> (f64, Vec<f64>) {
    let trials = 2 + (k as f64).ln() as usize;
    if chosen.is_empty() {
        chosen.extend(tiles.row(rng.random_range(0..tiles.n)).map(f64::from));
    }
    let mut nearest: Option<Vec<f32>> = None;
    for mean in chosen.chunks_exact(tiles.d) {
        nearest = Some(distances(tiles, mean, nearest.as_deref()).1);
    }
    let mut nearest = nearest.unwrap_or_default();
    while chosen.len() < k * tiles.d {
        let Some(far) = Categorical::new(nearest.iter().map(|v| f64::from(*v))) else { break };
        let drawn = (0..trials).map(|_| {
            let row: Vec<f64> = tiles.row(far.at(rng.random())).map(f64::from).collect();
            let (sum, distances) = distances(tiles, &row, Some(&nearest));
            (sum, row, distances)
        });
        let Some(best) = drawn.min_by(|a, b| a.0.total_cmp(&b.0)) else { break };
        chosen.extend(best.1);
        nearest = best.2;
    }
    (nearest.iter().map(|v| f64::from(*v)).sum(), chosen)
}

/// The number of different points; −0 and 0 are the same.
pub(crate) fn different(tiles: &Tiles) -> usize {
    (0..tiles.n).map(|i| tiles.row(i).map(|v| (v + 0.0).to_bits()).collect::<Vec<u32>>()).collect::<HashSet<_>>().len()
}

/// The squared distance of every sample (n) from `centre`, or the entry of `nearest` if it is smaller, and their sum.
fn distances(tiles: &Tiles, centre: &[f64], nearest: Option<&[f32]>) -> (f64, Vec<f32>) {
    let mut out = vec![0.0f32; tiles.n];
    for (i, out) in out.chunks_mut(TILE).enumerate() {
        let mut sum = [0.0f32; TILE];
        vectorised(
            #[inline(always)]
            || {
                for (x, centre) in tiles.tile(i).chunks_exact(TILE).zip(centre) {
                    let centre = *centre as f32;
                    for s in 0..TILE {
                        sum[s] += (x[s] - centre) * (x[s] - centre);
                    }
                }
            },
        );
        out.copy_from_slice(&sum[..out.len()]);
    }
    if let Some(nearest) = nearest {
        out.iter_mut().zip(nearest).for_each(|(o, n)| *o = o.min(*n));
    }
    (out.iter().map(|v| f64::from(*v)).sum(), out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_zeros_are_one_point() {
        assert_eq!(different(&Tiles::of_rows(&[0.0, 1.0, -0.0, 1.0, 0.0, -1.0], 2)), 2);
    }
}
