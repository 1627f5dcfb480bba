//! The part of space that a picture of paths shows, because a diverging path would shrink everything else to a point.

use super::axis::Axis;
use crate::mixture::{GaussianMixture, squared_distance};

/// Paths are shown up to this multiple of the distance of the teacher and the starts.
const FARTHER: f64 = 4.0;

/// A ball around the middle of the teacher's means.
pub(super) struct View {
    centre: Vec<f64>,
    radius: f64,
}

impl View {
    /// Large enough for the teacher and for students that start at `starts` (each of shape d).
    pub(super) fn new<'a>(teacher: &'a GaussianMixture, starts: impl Iterator<Item = &'a [f64]>) -> View {
        let (d, n) = (teacher.n_features(), teacher.n_components() as f64);
        let mut centre = vec![0.0; d];
        for mean in teacher.means().chunks_exact(d) {
            centre.iter_mut().zip(mean).for_each(|(c, v)| *c += v / n);
        }
        let reach = teacher.means().chunks_exact(d).chain(starts).map(|x| squared_distance(x, &centre).sqrt());
        let reach = reach.filter(|r| r.is_finite()).fold(teacher.variance().sqrt(), f64::max);
        View { centre, radius: FARTHER * reach }
    }

    /// Whether a point (d) is in view.
    pub(super) fn holds(&self, point: &[f64]) -> bool {
        self.distance(point) <= self.radius
    }

    /// The distance from the middle.
    pub(super) fn distance(&self, point: &[f64]) -> f64 {
        squared_distance(point, &self.centre).sqrt()
    }
}

/// The pieces of a polyline within the axes, cut at the ends of the axes.
pub(super) fn clipped(points: &[(f64, f64)], x: &Axis, y: &Axis) -> Vec<Vec<(f64, f64)>> {
    let mut pieces: Vec<Vec<(f64, f64)>> = Vec::new();
    for pair in points.windows(2) {
        let Some((from, to)) = inside(pair[0], pair[1], x, y) else { continue };
        match pieces.last_mut() {
            Some(piece) if piece.last() == Some(&from) => piece.push(to),
            _ => pieces.push(vec![from, to]),
        }
    }
    pieces
}

/// The part of a segment within the axes (Liang and Barsky).
fn inside(a: (f64, f64), b: (f64, f64), x: &Axis, y: &Axis) -> Option<((f64, f64), (f64, f64))> {
    let (dx, dy) = (b.0 - a.0, b.1 - a.1);
    if !(dx.is_finite() && dy.is_finite()) {
        return None;
    }
    let (mut from, mut to) = (0.0f64, 1.0f64);
    for (step, room) in [(-dx, a.0 - x.low), (dx, x.high - a.0), (-dy, a.1 - y.low), (dy, y.high - a.1)] {
        match step {
            0.0 if room < 0.0 => return None,
            0.0 => {}
            _ if step < 0.0 => from = from.max(room / step),
            _ => to = to.min(room / step),
        }
    }
    let at = |u: f64| match u {
        0.0 => a,
        1.0 => b,
        _ => ((a.0 + u * dx).clamp(x.low, x.high), (a.1 + u * dy).clamp(y.low, y.high)),
    };
    (from < to).then(|| (at(from), at(to)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_at_the_ends_of_the_axes() {
        let (x, y) = (Axis::between("", 0.0, 10.0), Axis::between("", 0.0, 10.0));
        let there_and_back = [(5.0, 5.0), (15.0, 5.0), (1e35, 1e35), (5.0, 20.0), (5.0, 8.0)];
        assert_eq!(clipped(&there_and_back, &x, &y), [vec![(5.0, 5.0), (10.0, 5.0)], vec![(5.0, 10.0), (5.0, 8.0)]]);
        assert_eq!(clipped(&[(1.0, 1.0), (2.0, 2.0), (2.0, 3.0)], &x, &y), [vec![(1.0, 1.0), (2.0, 2.0), (2.0, 3.0)]]);
        assert!(clipped(&[(-5.0, 6.0), (4.0, 16.1)], &x, &y).is_empty()); // passes by the corner
        assert_eq!(clipped(&[(-5.0, 5.0), (15.0, 5.0)], &x, &y), [vec![(0.0, 5.0), (10.0, 5.0)]]);
        assert!(clipped(&[(f64::NAN, 5.0), (1.0, 5.0)], &x, &y).is_empty());
    }

    #[test]
    fn a_view_holds_what_begins_and_not_what_flies_away() {
        let teacher = GaussianMixture::uniform(vec![0.0, 0.0, 4.0, 0.0], 2).unwrap();
        let view = View::new(&teacher, [&[2.0, 5.0][..]].into_iter());
        assert!(view.holds(&[2.0, 19.9]) && !view.holds(&[2.0, 20.1]) && !view.holds(&[f64::NAN, 0.0]) && !view.holds(&[1e200, 0.0]));
    }
}
