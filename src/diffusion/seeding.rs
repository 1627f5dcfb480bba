//! Greedy k-means++ (Arthur and Vassilvitskii 2007): starts that are spread like the points.

use rand::{Rng, RngExt};

use super::tiles::{TILE, Tiles};
use crate::vector::lanes::vectorised;

/// Starts that are drawn for one.
const TRIALS: usize = 8;

/// The best of several `starts`: that from which the points are nearest. One start in a few leaves a far mode without a mean, which
/// no descent mends.
pub fn best_starts(tiles: &Tiles, k: usize, rng: &mut impl Rng) -> Option<Vec<f64>> {
    let trials: Option<Vec<(f64, Vec<f64>)>> = (0..TRIALS).map(|_| starts(tiles, k, rng)).collect();
    trials?.into_iter().min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, means)| means)
}

/// `k` samples of `tiles`, (k, d), after the sum of squared distances from the nearest: each the best of a few that are drawn with probability proportional to the squared distance from
/// those chosen before. `None` where there are fewer than `k` different points.
fn starts(tiles: &Tiles, k: usize, rng: &mut impl Rng) -> Option<(f64, Vec<f64>)> {
    let trials = 2 + (k as f64).ln() as usize;
    let mut chosen: Vec<f64> = tiles.row(rng.random_range(0..tiles.n)).map(f64::from).collect();
    let mut nearest = distances(tiles, &chosen, None).1;
    while chosen.len() < k * tiles.d {
        let cumulative: Vec<f64> = nearest
            .iter()
            .scan(0.0, |sum, v| {
                *sum += f64::from(*v);
                Some(*sum)
            })
            .collect();
        let total = *cumulative.last()?;
        if !(total > 0.0) {
            return None;
        }
        let best = (0..trials)
            .map(|_| {
                let u = rng.random::<f64>() * total;
                let at = cumulative.partition_point(|c| *c <= u).min(tiles.n - 1);
                let row: Vec<f64> = tiles.row(at).map(f64::from).collect();
                let (sum, distances) = distances(tiles, &row, Some(&nearest));
                (sum, row, distances)
            })
            .min_by(|a, b| a.0.total_cmp(&b.0))?;
        chosen.extend(best.1);
        nearest = best.2;
    }
    Some((nearest.iter().map(|v| f64::from(*v)).sum(), chosen))
}

/// |x − centre|², or what is smaller in `nearest`, for every sample (n), and their sum.
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
