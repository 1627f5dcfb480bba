//! Moves clusters that are very far apart closer together, so that single precision can distinguish their points.
//!
//! If the points of a coordinate form islands with gaps many times wider than any island, each gap is shortened by a translation of
//! everything above it. Differences within an island do not change, and islands overlap neither before nor after: the likelihood of a
//! mixture whose components stay within islands is the same.

/// A gap this many times wider than the widest island is shortened to this many widths.
const FAR: f64 = 100.0;
/// The most gaps of a coordinate.
const MOST_GAPS: usize = 63;
/// Points in the first search for gaps.
const MOST_LOOKED_AT: usize = 10_001;

/// The gaps of each coordinate; empty if there are none.
#[derive(Debug, Clone, Default)]
pub struct Islands {
    gaps: Vec<Vec<Gap>>,
    /// The width of the widest island.
    width: f64,
}

/// A gap of a coordinate.
#[derive(Debug, Clone, Copy)]
struct Gap {
    low: f64,
    high: f64,
}

impl Islands {
    /// The islands of points (n, d); none if there would be more than `most`.
    pub fn of(points: &[f64], d: usize, most: usize) -> Islands {
        let mut gaps: Vec<(Vec<Gap>, f64)> = (0..d).map(|c| exact(points, d, c, widest_gaps(coordinate(points, d, c)))).collect();
        // An island that is narrow in one coordinate may be wide in another, and a gap must be wide relative to both.
        loop {
            let width = gaps.iter().map(|(_, width)| *width).fold(0.0, f64::max); // the widest over all coordinates
            let is_narrow = |gap: &Gap| !(gap.high - gap.low > FAR * width);
            match gaps.iter_mut().find(|(gaps, _)| gaps.iter().any(is_narrow)) {
                Some((gaps, own)) => {
                    let (first, last) = (gaps[0].low, gaps[gaps.len() - 1].high);
                    *own = own.max(last - first);
                    gaps.clear();
                }
                None => {
                    let found = Islands { gaps: gaps.into_iter().map(|(gaps, _)| gaps).collect(), width };
                    return if width > 0.0 && found.has_gaps() && found.count(points, d) <= most { found } else { Islands::default() };
                }
            }
        }
    }

    /// Whether there is a gap.
    pub fn has_gaps(&self) -> bool {
        self.gaps.iter().any(|gaps| !gaps.is_empty())
    }

    fn count(&self, points: &[f64], d: usize) -> usize {
        let place = |row: &[f64]| -> Vec<usize> {
            row.iter().zip(&self.gaps).map(|(x, gaps)| gaps.partition_point(|gap| gap.high <= *x)).collect()
        };
        points.chunks_exact(d).map(place).collect::<std::collections::HashSet<_>>().len()
    }

    /// Coordinate `c` of a point after moving the islands together.
    pub fn inside(&self, c: usize, x: f64) -> f64 {
        let Some(gaps) = self.gaps.get(c) else { return x };
        let shift: f64 = gaps.iter().take_while(|gap| gap.high <= x).map(|gap| self.shift(gap)).sum();
        x - shift
    }

    /// The inverse of [`Islands::inside`]; a point in a gap belongs to the nearer island.
    pub fn outside(&self, c: usize, y: f64) -> f64 {
        let Some(gaps) = self.gaps.get(c) else { return y };
        let mut shift = 0.0;
        for gap in gaps {
            if y + shift < gap.low + 0.5 * FAR * self.width {
                break;
            }
            shift += self.shift(gap);
        }
        y + shift
    }

    /// Whether a coordinate of a point, in original units, is farther from the islands than they are wide.
    pub fn is_between(&self, point: &[f64]) -> bool {
        let is_inside = |x: &f64, gap: &Gap| *x > gap.low + self.width && *x < gap.high - self.width;
        point.iter().zip(&self.gaps).any(|(x, gaps)| gaps.iter().any(|gap| is_inside(x, gap)))
    }

    fn shift(&self, gap: &Gap) -> f64 {
        gap.high - gap.low - FAR * self.width
    }
}

/// Values of coordinate `c`, sorted: those of some points, and all that lie beyond them or in a gap between them.
fn coordinate(points: &[f64], d: usize, c: usize) -> Vec<f64> {
    let n = points.len() / d;
    let every = n.div_ceil(MOST_LOOKED_AT);
    let mut values: Vec<f64> = (0..n).step_by(every).map(|i| points[i * d + c]).collect();
    values.sort_by(f64::total_cmp);
    if every > 1 {
        let (gaps, _) = widest_gaps(values.clone());
        let (low, high) = (values[0], values[values.len() - 1]);
        let is_new = |x: &f64| *x < low || *x > high || gaps.iter().any(|gap| *x > gap.low && *x < gap.high);
        values.extend((0..n).map(|i| points[i * d + c]).filter(is_new));
        values.sort_by(f64::total_cmp);
    }
    values
}

/// The gaps and the width of the widest island for all points, given the middle of each gap.
fn exact(points: &[f64], d: usize, c: usize, (gaps, width): (Vec<Gap>, f64)) -> (Vec<Gap>, f64) {
    if gaps.is_empty() {
        return (gaps, width);
    }
    let mut islands = vec![(f64::INFINITY, f64::NEG_INFINITY); gaps.len() + 1];
    for x in points.iter().skip(c).step_by(d) {
        let (low, high) = &mut islands[gaps.partition_point(|gap| 0.5 * (gap.low + gap.high) <= *x)];
        (*low, *high) = (low.min(*x), high.max(*x));
    }
    let width = islands.iter().map(|(low, high)| high - low).fold(0.0, f64::max);
    (islands.windows(2).map(|pair| Gap { low: pair[0].1, high: pair[1].0 }).collect(), width)
}

/// As many as possible of the widest gaps between sorted values such that each is [`FAR`] times wider than the widest piece between them,
/// and the width of that piece.
fn widest_gaps(values: Vec<f64>) -> (Vec<Gap>, f64) {
    let mut by_width: Vec<usize> = (1..values.len()).collect();
    by_width.sort_by(|a, b| (values[*b] - values[b - 1]).total_cmp(&(values[*a] - values[a - 1])));
    let (mut best, mut width) = (Vec::new(), values[values.len() - 1] - values[0]);
    for m in 1..=by_width.len().min(MOST_GAPS) {
        let mut cuts = by_width[..m].to_vec();
        cuts.sort_unstable();
        let ends = cuts.iter().map(|cut| cut - 1).chain([values.len() - 1]);
        let widest =
            [0].into_iter().chain(cuts.iter().copied()).zip(ends).map(|(first, last)| values[last] - values[first]).fold(0.0, f64::max);
        let narrowest = values[by_width[m - 1]] - values[by_width[m - 1] - 1];
        if narrowest > FAR * widest {
            (best, width) = (cuts.iter().map(|cut| Gap { low: values[cut - 1], high: values[*cut] }).collect(), widest);
        }
    }
    (best, width)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mixture::GaussianMixture;
    use crate::mixture::sample::sample;

    #[test]
    fn far_islands_come_near_and_go_back() {
        let x: Vec<f64> = (0..300).flat_map(|i| [[0.0, 1e8, 1e12][i % 3] + (i as f64 * 0.37).sin(), (i as f64 * 0.71).cos()]).collect();
        let islands = Islands::of(&x, 2, 10);
        assert!(islands.has_gaps());
        for point in x.chunks_exact(2) {
            let inside = islands.inside(0, point[0]);
            assert!((-1.0..=410.0).contains(&inside) && islands.inside(1, point[1]) == point[1], "{inside}");
            assert!((islands.outside(0, inside) - point[0]).abs() <= 1e-3, "single steps of 1e12 in double precision are 1e-4");
        }
        assert!(islands.is_between(&[5e7, 0.0]) && !islands.is_between(&[1e8 + 1.0, 0.0]));
        assert!(!Islands::of(&x, 2, 2).has_gaps(), "three islands for two components");
    }

    /// More points than the first search uses, in random order: the others belong to the same islands.
    #[test]
    fn no_point_is_left_outside_its_island() {
        let truth = GaussianMixture::new(vec![0.5, 0.5], vec![0.0, 0.0, 1e8, 0.0], 2, 1.0).unwrap();
        for seed in 0..3 {
            let x = sample(&(&truth).into(), 50_000, seed).unwrap();
            let islands = Islands::of(&x, 2, 2);
            assert!(islands.has_gaps());
            for point in x.chunks_exact(2) {
                let inside = islands.inside(0, point[0]);
                assert!((-10.0..=1500.0).contains(&inside), "{} came to {inside}", point[0]);
                assert!((islands.outside(0, inside) - point[0]).abs() <= 1e-6);
            }
        }
    }

    #[test]
    fn what_is_narrow_beside_another_coordinate_stays() {
        let x: Vec<f64> = (0..300).flat_map(|i| [(i % 2) as f64 + 1e-5 * (i as f64 * 0.37).sin(), (i as f64 * 0.71).cos()]).collect();
        assert!(!Islands::of(&x, 2, 10).has_gaps(), "a gap of 1 beside a spread of 2");
        assert!(!Islands::of(&[0.0, 1.0, 0.0, 1.0], 1, 10).has_gaps(), "values without any width");
    }
}
