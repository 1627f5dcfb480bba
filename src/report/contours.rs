//! Contour lines of a planar mixture's density: values on a lattice, then marching squares, then chains of segments.

use std::collections::{BTreeMap, BTreeSet};

/// Lattice points per direction.
const POINTS: usize = 221;

/// Component densities are dropped beyond this many standard deviations.
const REACH: f64 = 5.5;

type Point = (f64, f64);

/// An edge of the lattice: its lower left point, and whether it points up (else right).
type Edge = (usize, usize, bool);

/// Contours of Σ vⱼ N(mⱼ, variance·I) in the rectangle, at each of `levels` as fractions of the largest density. Empty if the lattice is
/// too coarse for the components.
pub(super) fn contours(components: &[(Point, f64)], variance: f64, x: (f64, f64), y: (f64, f64), levels: &[f64]) -> Vec<Vec<Point>> {
    let lattice = Lattice { origin: (x.0, y.0), step: ((x.1 - x.0) / (POINTS - 1) as f64, (y.1 - y.0) / (POINTS - 1) as f64) };
    let scale = variance.sqrt();
    let fine_enough = lattice.step.0.max(lattice.step.1) <= 0.8 * scale;
    if !fine_enough {
        return Vec::new();
    }
    let values = density(&lattice, components, scale);
    let peak = values.iter().copied().fold(0.0, f64::max);
    levels.iter().flat_map(|share| chains(&lattice, &values, share * peak)).collect()
}

struct Lattice {
    origin: Point,
    step: Point,
}

impl Lattice {
    fn point(&self, i: f64, j: f64) -> Point {
        (self.origin.0 + i * self.step.0, self.origin.1 + j * self.step.1)
    }

    /// The indices of lattice points within `reach` of a coordinate.
    fn near(origin: f64, step: f64, at: f64, reach: f64) -> std::ops::Range<usize> {
        let index = |v: f64| ((v - origin) / step).clamp(0.0, (POINTS - 1) as f64);
        index(at - reach).ceil() as usize..index(at + reach).floor() as usize + 1
    }
}

/// Densities up to a factor, shape (POINTS, POINTS), row j at height j.
fn density(lattice: &Lattice, components: &[(Point, f64)], scale: f64) -> Vec<f64> {
    let mut values = vec![0.0; POINTS * POINTS];
    for (centre, weight) in components {
        for j in Lattice::near(lattice.origin.1, lattice.step.1, centre.1, REACH * scale) {
            for i in Lattice::near(lattice.origin.0, lattice.step.0, centre.0, REACH * scale) {
                let (x, y) = lattice.point(i as f64, j as f64);
                let square = ((x - centre.0) / scale).powi(2) + ((y - centre.1) / scale).powi(2);
                values[j * POINTS + i] += weight * (-0.5 * square).exp();
            }
        }
    }
    values
}

/// The lines at which the density equals `level`.
fn chains(lattice: &Lattice, values: &[f64], level: f64) -> Vec<Vec<Point>> {
    let mut links: BTreeMap<Edge, Vec<Edge>> = BTreeMap::new();
    for j in 0..POINTS - 1 {
        for i in 0..POINTS - 1 {
            for (a, b) in segments(values, level, i, j) {
                links.entry(a).or_default().push(b);
                links.entry(b).or_default().push(a);
            }
        }
    }
    // Open chains start at the border, where an edge has one link; the remaining ones are closed.
    let starts: Vec<Edge> = links.iter().filter(|(_, l)| l.len() == 1).map(|(e, _)| *e).chain(links.keys().copied()).collect();
    let mut seen = BTreeSet::new();
    starts
        .into_iter()
        .filter_map(|start| walk(start, &links, &mut seen))
        .map(|c| c.into_iter().map(|e| cross(lattice, values, level, e)).collect())
        .collect()
}

/// The edges that the line crosses in the cell at (i, j), in pairs.
fn segments(values: &[f64], level: f64, i: usize, j: usize) -> Vec<(Edge, Edge)> {
    let above = |i: usize, j: usize| values[j * POINTS + i] >= level;
    let corners = [above(i, j), above(i + 1, j), above(i + 1, j + 1), above(i, j + 1)];
    let edges = [(i, j, false), (i + 1, j, true), (i, j + 1, false), (i, j, true)];
    let passed: Vec<Edge> = (0..4).filter(|c| corners[*c] != corners[(c + 1) % 4]).map(|c| edges[c]).collect();
    passed.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect()
}

/// The chain of edges from `start`, unless it was walked before.
fn walk(start: Edge, links: &BTreeMap<Edge, Vec<Edge>>, seen: &mut BTreeSet<Edge>) -> Option<Vec<Edge>> {
    if !seen.insert(start) {
        return None;
    }
    let mut chain = vec![start];
    let mut at = start;
    while let Some(next) = links[&at].iter().find(|e| seen.insert(**e)) {
        chain.push(*next);
        at = *next;
    }
    if chain.len() > 2 && links[&at].contains(&start) {
        chain.push(start);
    }
    Some(chain)
}

/// The point at which the line crosses an edge, interpolated in the logarithm of the density, which is smooth.
fn cross(lattice: &Lattice, values: &[f64], level: f64, (i, j, up): Edge) -> Point {
    let (a, b) = (values[j * POINTS + i], values[if up { (j + 1) * POINTS + i } else { j * POINTS + i + 1 }]);
    let log = |v: f64| v.max(level * 1e-3).ln();
    let share = ((level.ln() - log(a)) / (log(b) - log(a))).clamp(0.0, 1.0);
    if up { lattice.point(i as f64, j as f64 + share) } else { lattice.point(i as f64 + share, j as f64) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// For one Gaussian the contour at fraction s of the peak is the circle of radius σ√(2 ln 1/s).
    #[test]
    fn one_gaussian_has_circles() {
        let (variance, centre) = (2.0, (1.0, -2.0));
        let shares = [0.5, 0.01];
        let lines = contours(&[(centre, 1.0)], variance, (-8.0, 10.0), (-11.0, 7.0), &shares);
        assert_eq!(lines.len(), 2);
        for (line, share) in lines.iter().zip(shares) {
            let radius = (2.0 * variance * (1.0 / share).ln()).sqrt();
            assert_eq!(line.first(), line.last(), "closed");
            for (x, y) in line {
                let r = ((x - centre.0).powi(2) + (y - centre.1).powi(2)).sqrt();
                // Linear interpolation of the logarithm across a cell of 0.08.
                assert!((r - radius).abs() <= 0.01, "{r} for {radius}");
            }
        }
        assert!(contours(&[(centre, 1.0)], 1e-6, (-8.0, 10.0), (-11.0, 7.0), &shares).is_empty());
    }
}
