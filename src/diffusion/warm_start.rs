//! Warm starts: a greedy set cover of denoised points by balls.

use rayon::prelude::*;

/// The radius of a ball in `rank` directions, in σ of the level: the published 2.5 for many directions, and less for few.
///
/// Denoised points scatter by the regression's error in every direction, so balls must grow with √rank. In the plane, balls of 0.7 instead
/// of 2.5 reduce the sampler's total variation from 0.15 to 0.04 (`learn-demo`): there are more cells, whose polynomials fit better.
pub(crate) fn radius(rank: usize) -> f64 {
    (0.5 * (rank as f64).sqrt()).min(2.5)
}

/// The fewest rows of a cell for each feature of its polynomial.
pub(crate) const LEAST_ROWS: usize = 4;
/// A ball with a smaller fraction of the points makes no cell and no component.
const SMALLEST_CELL: f64 = 5e-4;
pub(crate) const SMALLEST_COMPONENT: f64 = 0.005;

/// The fraction of `rows` that a cell needs for polynomials of this many features. Modes of half a per cent, and the places between them
/// and others, are cells of their own only if few points suffice.
pub(crate) fn smallest_cell(features: usize, rows: usize) -> f64 {
    ((LEAST_ROWS * features) as f64 / rows as f64).max(SMALLEST_CELL)
}
/// The most balls.
const MOST_BALLS: usize = 200;

/// Centres (C, rank) of balls of `radius` that cover `points` (m, rank): repeatedly the ball around the point that holds most of those not
/// covered yet, until it would hold less than the fraction `smallest`. A centre is the mean of the points that its ball covers first.
pub(crate) fn set_cover(points: &[f32], rank: usize, radius: f64, smallest: f64) -> Vec<f32> {
    let m = points.len() / rank;
    let square = (radius * radius) as f32;
    let words = m.div_ceil(64);
    // Row i has a bit for every point within the radius of point i.
    let near: Vec<u64> = (0..m)
        .into_par_iter()
        .flat_map_iter(|i| {
            let centre = &points[i * rank..(i + 1) * rank];
            let is_near =
                move |j: usize| points[j * rank..(j + 1) * rank].iter().zip(centre).map(|(a, b)| (a - b) * (a - b)).sum::<f32>() <= square;
            (0..words).map(move |w| (64 * w..m.min(64 * w + 64)).fold(0u64, |bits, j| bits | u64::from(is_near(j)) << (j % 64)))
        })
        .collect();
    let mut open = vec![u64::MAX; words];
    if !m.is_multiple_of(64) {
        open[words - 1] = (1 << (m % 64)) - 1;
    }
    let least = ((smallest * m as f64) as u32).max(1);
    let mut centres = Vec::new();
    while centres.len() < MOST_BALLS * rank {
        let held = |i: usize| near[i * words..(i + 1) * words].iter().zip(&open).map(|(a, b)| (a & b).count_ones()).sum::<u32>();
        let counts: Vec<u32> = (0..m).into_par_iter().map(held).collect();
        // The first of the largest, so that the choice is unique.
        let Some(best) = (0..m).max_by_key(|i| (counts[*i], m - i)).filter(|i| counts[*i] >= least) else { break };
        let mut centre = vec![0.0f64; rank];
        for j in (0..m).filter(|j| near[best * words + j / 64] & open[j / 64] & (1 << (j % 64)) != 0) {
            centre.iter_mut().zip(&points[j * rank..]).for_each(|(c, p)| *c += f64::from(*p));
        }
        centres.extend(centre.iter().map(|c| (c / f64::from(counts[best])) as f32));
        open.iter_mut().zip(&near[best * words..]).for_each(|(open, near)| *open &= !near);
    }
    centres
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_clumps_are_three_balls_and_a_stray_point_is_none() {
        let mut points = Vec::new();
        for i in 0..900 {
            let wobble = (i as f32 * 0.37).sin() * 0.5;
            points.extend([(i % 3) as f32 * 10.0 + wobble, wobble]);
        }
        points.extend([500.0, 500.0]);
        let mut centres = set_cover(&points, 2, 2.0, SMALLEST_COMPONENT);
        assert_eq!(centres.len(), 6, "{centres:?}");
        centres = vec![centres[0], centres[2], centres[4]];
        centres.sort_by(f32::total_cmp);
        for (got, want) in centres.iter().zip([0.0, 10.0, 20.0]) {
            assert!((got - want).abs() <= 0.05, "{got}: the mean of 300 wobbles of ½");
        }
    }
}
