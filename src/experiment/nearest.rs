//! Does a student end at the teacher that was nearest at its start? Shares, with their Wilson interval.

use serde::Serialize;

use crate::metrics::{COVERAGE_RADIUS, nearest};
use crate::mixture::{GaussianMixture, squared_distance};

/// A share of trials with its interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Share {
    pub share: f64,
    /// The ends of the 95 % Wilson interval, which takes trials as independent; students of one replicate are only nearly so.
    pub low: f64,
    pub high: f64,
    pub successes: usize,
    pub trials: usize,
}

impl Share {
    /// Wilson's score interval: stays inside [0, 1] and is right near its ends, where shares of runs lie.
    pub fn wilson(successes: usize, trials: usize) -> Share {
        let share = successes as f64 / trials as f64;
        let (low, high) = wilson_ends(share, trials as f64);
        Share { share, low, high, successes, trials }
    }
}

/// The ends of Wilson's 95 % interval around a share; `trials` need not be whole, where they stand for fewer independent ones.
pub fn wilson_ends(share: f64, trials: f64) -> (f64, f64) {
    // The 97.5 % quantile of the standard normal.
    const Z: f64 = 1.959_963_984_540_054;
    let centre = (share + Z * Z / (2.0 * trials)) / (1.0 + Z * Z / trials);
    let half = Z / (1.0 + Z * Z / trials) * (share * (1.0 - share) / trials + Z * Z / (4.0 * trials * trials)).sqrt();
    ((centre - half).max(0.0).min(share), (centre + half).min(1.0).max(share))
}

/// Students at `now` (k, d) within 0.75 σ of the teacher mean that was nearest to them at `start` (k, d).
pub fn at_nearest_of_start(teacher: &GaussianMixture, start: &[f64], now: &[f64]) -> usize {
    let d = teacher.n_features();
    let radius = COVERAGE_RADIUS * COVERAGE_RADIUS * teacher.variance();
    let pairs = start.chunks_exact(d).zip(now.chunks_exact(d));
    pairs.filter(|(start, now)| squared_distance(teacher.mean(nearest(teacher, start).0), now) <= radius).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wilson_intervals_agree_with_published_ones() {
        // Newcombe 1998, table I: 81/263 → 0.2553 to 0.3662; 0/20 → 0 to 0.1611; 15/148 → 0.0624 to 0.1605.
        for (successes, trials, low, high) in [(81, 263, 0.2553, 0.3662), (0, 20, 0.0, 0.1611), (15, 148, 0.0624, 0.1605)] {
            let share = Share::wilson(successes, trials);
            assert!((share.low - low).abs() <= 5e-5 && (share.high - high).abs() <= 5e-5, "{share:?}");
        }
    }

    #[test]
    fn a_student_counts_for_the_teacher_it_started_at_alone() {
        let teacher = GaussianMixture::uniform(vec![0.0, 6.0], 1).unwrap();
        assert_eq!(at_nearest_of_start(&teacher, &[1.0, 5.0, 1.0], &[0.5, 6.7, 6.0]), 2);
    }
}
