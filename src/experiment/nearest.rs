//! Whether students end at the teacher component that was nearest at their start, and whether a start near a wall between Voronoi cells
//! matters. Fractions come with their Wilson interval.

use serde::{Deserialize, Serialize};

use crate::metrics::{COVERAGE_RADIUS, nearest};
use crate::mixture::{GaussianMixture, squared_distance};

/// A fraction of trials with its interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Proportion {
    pub share: f64,
    /// The ends of the 95 % Wilson interval, which assumes independent trials; students of one replicate are only nearly independent.
    pub low: f64,
    pub high: f64,
    pub successes: usize,
    pub trials: usize,
}

impl Proportion {
    /// Wilson's score interval: it stays inside [0, 1] and is accurate near the ends, where most of these fractions are.
    pub fn wilson(successes: usize, trials: usize) -> Proportion {
        let share = successes as f64 / trials as f64;
        let (low, high) = wilson_ends(share, trials as f64);
        Proportion { share, low, high, successes, trials }
    }
}

/// The ends of Wilson's 95 % interval around a fraction; `trials` need not be whole, if they stand for fewer independent ones.
pub(crate) fn wilson_ends(share: f64, trials: f64) -> (f64, f64) {
    // The 97.5 % quantile of the standard normal.
    const Z: f64 = 1.959_963_984_540_054;
    let centre = (share + Z * Z / (2.0 * trials)) / (1.0 + Z * Z / trials);
    let half = Z / (1.0 + Z * Z / trials) * (share * (1.0 - share) / trials + Z * Z / (4.0 * trials * trials)).sqrt();
    ((centre - half).max(0.0).min(share), (centre + half).min(1.0).max(share))
}

/// The number of students at `now` (k, d) within 0.75 σ of the teacher mean that was nearest to them at `start` (k, d).
pub(crate) fn at_nearest_of_start(teacher: &GaussianMixture, start: &[f64], now: &[f64]) -> usize {
    let d = teacher.n_features();
    let radius = COVERAGE_RADIUS * COVERAGE_RADIUS * teacher.variance();
    let pairs = start.chunks_exact(d).zip(now.chunks_exact(d));
    pairs.filter(|(start, now)| squared_distance(teacher.mean(nearest(teacher, start).0), now) <= radius).count()
}

/// A start counts as near a wall between the Voronoi cells of two teacher means up to this distance, in units of σ.
pub(crate) const NEAR_WALL: f64 = 0.5;

/// [`at_nearest_of_start`] over replicates, and separately for starts near a wall and others; `None` if there are none.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AtNearest {
    #[serde(flatten)]
    pub all: Proportion,
    pub near_wall: Option<Proportion>,
    pub elsewhere: Option<Proportion>,
}

impl AtNearest {
    /// Over replicates, each with its teacher, its start and its means (k, d).
    pub fn of<'a>(replicates: impl Iterator<Item = (&'a GaussianMixture, &'a [f64], &'a [f64])>) -> AtNearest {
        let mut counts = [[0; 2]; 2]; // hits and trials, elsewhere and near a wall
        for (teacher, start, now) in replicates {
            let d = teacher.n_features();
            for (start, now) in start.chunks_exact(d).zip(now.chunks_exact(d)) {
                let [hits, trials] = &mut counts[usize::from(wall_distance(teacher, start) < NEAR_WALL)];
                *hits += at_nearest_of_start(teacher, start, now);
                *trials += 1;
            }
        }
        let share = |[hits, trials]: [usize; 2]| (trials > 0).then(|| Proportion::wilson(hits, trials));
        let all = Proportion::wilson(counts[0][0] + counts[1][0], counts[0][1] + counts[1][1]);
        AtNearest { all, near_wall: share(counts[1]), elsewhere: share(counts[0]) }
    }
}

/// The distance from x (d) to the nearest wall of the Voronoi cell of its nearest teacher mean m, in units of σ: (|x−m_j|² −
/// |x−m|²)/(2|m_j−m|), the least over the other means m_j; infinite if there are none.
pub(crate) fn wall_distance(teacher: &GaussianMixture, x: &[f64]) -> f64 {
    let (at, least) = nearest(teacher, x);
    let wall = |j: usize| {
        let between = squared_distance(teacher.mean(j), teacher.mean(at)).sqrt();
        (squared_distance(teacher.mean(j), x) - least) / (2.0 * between)
    };
    (0..teacher.n_components()).filter(|j| *j != at).map(wall).fold(f64::INFINITY, f64::min) / teacher.variance().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wilson_intervals_agree_with_published_ones() {
        // Newcombe 1998, table I: 81/263 → 0.2553 to 0.3662; 0/20 → 0 to 0.1611; 15/148 → 0.0624 to 0.1605.
        for (successes, trials, low, high) in [(81, 263, 0.2553, 0.3662), (0, 20, 0.0, 0.1611), (15, 148, 0.0624, 0.1605)] {
            let share = Proportion::wilson(successes, trials);
            assert!((share.low - low).abs() <= 5e-5 && (share.high - high).abs() <= 5e-5, "{share:?}");
        }
    }

    #[test]
    fn a_student_counts_for_the_teacher_it_started_at_alone() {
        let teacher = GaussianMixture::uniform(vec![0.0, 6.0], 1).unwrap();
        assert_eq!(at_nearest_of_start(&teacher, &[1.0, 5.0, 1.0], &[0.5, 6.7, 6.0]), 2);
    }

    #[test]
    fn starts_near_a_wall_are_told_apart() {
        // σ = 2, the wall at 3: the distance is two thirds of σ at 5/3, and a quarter at 2.5 and 3.5.
        let teacher = GaussianMixture::new(vec![0.5, 0.5], vec![0.0, 6.0], 1, 4.0).unwrap();
        for (x, distance) in [(5.0 / 3.0, 2.0 / 3.0), (2.5, 0.25), (3.5, 0.25), (-1.0, 2.0), (9.0, 3.0)] {
            assert!((wall_distance(&teacher, &[x]) - distance).abs() <= 1e-12, "{x}"); // a few roundings
        }
        let got = AtNearest::of([(&teacher, &[1.0, 2.5, 3.5, 9.0][..], &[0.5, 6.0, 6.0, 6.5][..])].into_iter());
        assert_eq!((got.all.successes, got.all.trials), (3, 4));
        assert_eq!(got.near_wall, Some(Proportion::wilson(1, 2)));
        assert_eq!(got.elsewhere, Some(Proportion::wilson(2, 2)));
        let one = GaussianMixture::uniform(vec![0.0], 1).unwrap();
        assert_eq!(wall_distance(&one, &[1.0]), f64::INFINITY);
    }
}
