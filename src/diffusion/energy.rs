//! A two-sample test: whether two sets of points come from the same density.
//!
//! The energy distance 2E|X − Y| − E|X − X'| − E|Y − Y'| (Székely and Rizzo 2004) is zero if and only if the densities are equal. It is
//! estimated without bias in each of [`BLOCKS`] blocks that share no point; their spread gives its standard error, and Student's t gives p.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::objective::groups::Estimate;
use crate::random::rows;

/// The number of blocks, and the most points of one set in a block and the fewest in all.
const BLOCKS: usize = 32;
const MOST_OF_BLOCK: usize = 512;
pub(crate) const LEAST: usize = 128;

/// The result of the test.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TwoSample {
    /// In σ.
    pub energy_distance: Estimate,
    /// The probability of a distance at least this large if both sets come from the same density.
    pub p: f64,
    /// Points in each set.
    pub points: usize,
    /// What the draws are compared with.
    pub against: String,
}

/// Tests points `a` (m, d) against `b` (n, d), in units of `sigma`; `None` if either has fewer than [`LEAST`].
pub(crate) fn test(a: &[f32], b: &[f32], d: usize, sigma: f64, seed: u64) -> Option<TwoSample> {
    let least = (a.len() / d).min(b.len() / d);
    if least < LEAST {
        return None;
    }
    let of_block = (least / BLOCKS).min(MOST_OF_BLOCK);
    // Rows are dealt to the blocks in turn, in the order of a hash, so that no block gets one end of a file.
    let deal = |side: &[f32], seed: u64| -> Vec<Vec<f32>> {
        let chosen = rows::chosen(side.len() / d, of_block * BLOCKS, seed);
        (0..BLOCKS).map(|block| chosen[block..].iter().step_by(BLOCKS).flat_map(|i| side[i * d..(i + 1) * d].to_vec()).collect()).collect()
    };
    let (a, b) = (deal(a, seed ^ 0xE4E1), deal(b, seed ^ 0xE4E2));
    let blocks: Vec<f64> = a.par_iter().zip(&b).map(|(a, b)| distance(a, b, d) / sigma).collect();
    let energy_distance = Estimate::of_mean(&blocks);
    // Points that are all the same have no spread.
    let t = energy_distance.value / energy_distance.standard_error.max(f64::MIN_POSITIVE);
    Some(TwoSample { energy_distance, p: upper_tail(t, BLOCKS - 1), points: of_block * BLOCKS, against: String::new() })
}

/// The unbiased estimate of the energy distance between equally many points.
fn distance(a: &[f32], b: &[f32], d: usize) -> f64 {
    let n = (a.len() / d) as f64;
    let mean = |x: &[f32], y: &[f32], pairs: f64| {
        let sum = |x: &[f32]| -> f64 { y.chunks_exact(d).map(|y| f64::from(euclidean(x, y))).sum() };
        x.chunks_exact(d).map(sum).sum::<f64>() / pairs
    };
    2.0 * mean(a, b, n * n) - mean(a, a, n * (n - 1.0)) - mean(b, b, n * (n - 1.0))
}

fn euclidean(x: &[f32], y: &[f32]) -> f32 {
    x.iter().zip(y).map(|(x, y)| (x - y) * (x - y)).sum::<f32>().sqrt()
}

/// P(T > t) for Student's t with an odd number of degrees of freedom (Abramowitz and Stegun 26.7.3).
fn upper_tail(t: f64, degrees: usize) -> f64 {
    let theta = (t / (degrees as f64).sqrt()).atan();
    let (sine, cosine) = theta.sin_cos();
    let (mut term, mut sum) = (cosine, 0.0);
    for i in (1..degrees.saturating_sub(1)).step_by(2) {
        sum += term;
        term *= cosine * cosine * (i + 1) as f64 / (i + 2) as f64;
    }
    (0.5 - (theta + sine * sum) / std::f64::consts::PI).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diffusion::points_of::draw;
    use crate::mixture::GaussianMixture;

    #[test]
    fn students_tail() {
        // Tables: 31 degrees, and 1.
        for (t, degrees, want) in
            [(0.0, 31, 0.5), (1.6955, 31, 0.05), (2.4528, 31, 0.01), (-1.6955, 31, 0.95), (1.0, 1, 0.25), (6.3138, 1, 0.05)]
        {
            let err = (upper_tail(t, degrees) - want).abs();
            assert!(err <= 2e-5, "{t} {degrees}: {}", upper_tail(t, degrees));
        }
    }

    fn points(weight: f64, shift: f64, n: usize, seed: u64) -> Vec<f32> {
        let mixture = GaussianMixture::new(vec![1.0 - weight, weight], vec![0.0, 0.0, 6.0, shift], 2, 1.0).unwrap();
        draw(&mixture, n, seed).iter().map(|v| *v as f32).collect()
    }

    /// p is uniform if there is no difference, and small if a tenth of the points has moved by two standard deviations.
    #[test]
    fn p_is_calibrated_and_has_power() {
        let mut small = [0usize; 2];
        for seed in 0..200 {
            let p = test(&points(0.1, 0.0, 1500, 1000 + seed), &points(0.1, 0.0, 1200, 5000 + seed), 2, 1.0, seed).unwrap().p;
            [0.05, 0.5].iter().zip(&mut small).for_each(|(level, count)| *count += usize::from(p < *level));
        }
        // 10 and 100 of 200 are expected, with standard deviations of 3 and 7.
        assert!((1..=22).contains(&small[0]) && (70..=130).contains(&small[1]), "{small:?}");
        let found = test(&points(0.1, 2.0, 20_000, 1), &points(0.1, 0.0, 20_000, 2), 2, 1.0, 3).unwrap();
        assert!(found.p < 1e-3 && found.energy_distance.value > 0.0, "{found:?}");
        assert!(test(&points(0.1, 0.0, 100, 1), &points(0.1, 0.0, 20_000, 2), 2, 1.0, 3).is_none());
    }

    /// At the level of the notes, and with the fewest points, for which blocks have four: false alarms are no more frequent than p says.
    /// (Distances are skewed to the right, which makes Student's t conservative.)
    #[test]
    fn p_is_calibrated_where_it_is_acted_on() {
        let trials = 20_000;
        let alarms = |moved: f64, trials: u64| {
            let p = |seed: u64| {
                let (a, b) = (points(0.3, moved, LEAST, 3 * seed + 1_000_000), points(0.3, 0.0, LEAST, 3 * seed + 1_000_001));
                test(&a, &b, 2, 1.0, seed).unwrap().p
            };
            (0..trials).into_par_iter().filter(|seed| p(*seed) < 1e-3).count()
        };
        // 20 are expected at the most, with a standard deviation of 4.5.
        assert!(alarms(0.0, trials) <= 34, "{}", alarms(0.0, trials));
        // 0.2 are expected by chance without a difference.
        assert!(alarms(12.0, 200) > 40, "power: {}", alarms(12.0, 200));
    }

    /// The same points in another unit, with σ in that unit, have the same distance.
    #[test]
    fn the_distance_is_in_sigma() {
        let (a, b) = (points(0.1, 2.0, 4000, 1), points(0.1, 0.0, 4000, 2));
        let in_unit = |unit: f32| {
            let of = |side: &[f32]| side.iter().map(|x| unit * x).collect::<Vec<f32>>();
            test(&of(&a), &of(&b), 2, f64::from(unit), 3).unwrap().energy_distance
        };
        let (one, sixteen) = (in_unit(1.0), in_unit(0.0625));
        assert_eq!((one.value, one.standard_error), (sixteen.value, sixteen.standard_error), "a power of two rounds nothing");
        assert!(one.value > 0.0);
    }
}
