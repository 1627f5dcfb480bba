//! A plane for showing means: the coordinates themselves for d = 2, else the first two principal directions.

use faer::Mat;

use super::axis::Axis;
use super::chart::plotting_size;
use crate::mixture::GaussianMixture;
use crate::problem::reduction::principal_directions;

/// An orthonormal frame in d ≥ 2 dimensions.
#[derive(Debug, Clone)]
pub(super) struct Plane {
    origin: Vec<f64>,
    axes: [Vec<f64>; 2],
    /// False if the axes are the coordinates themselves.
    pub principal: bool,
}

impl Plane {
    /// The plane for a teacher and for students whose means are the rows of `students` (…, d). The students are used only if the teacher's
    /// means do not span a plane. `None` for d = 1.
    pub(super) fn new(teacher: &GaussianMixture, students: &[f64]) -> Option<Plane> {
        let d = teacher.n_features();
        match d {
            0 | 1 => None,
            2 => Some(Plane { origin: vec![0.0; 2], axes: [vec![1.0, 0.0], vec![0.0, 1.0]], principal: false }),
            _ => {
                let mut means = teacher.means().to_vec();
                if teacher.n_components() < 3 {
                    means.extend_from_slice(students);
                }
                Some(Self::principal(&means, d))
            }
        }
    }

    fn principal(means: &[f64], d: usize) -> Plane {
        let n = means.len() / d;
        let mut origin = vec![0.0; d];
        for row in means.chunks_exact(d) {
            origin.iter_mut().zip(row).for_each(|(o, v)| *o += v / n as f64);
        }
        // At least two columns: a single mean spans nothing, and any two directions will do.
        let spread = Mat::from_fn(d, n.max(2), |c, l| if l < n { means[l * d + c] - origin[c] } else { 0.0 });
        let directions = principal_directions(&spread, 2);
        let (first, second) = directions.split_at(d);
        Plane { origin, axes: [first.to_vec(), second.to_vec()], principal: true }
    }

    /// Axes around `points` of the plane with the same length for a unit in both directions; `None` if none can be drawn.
    pub(super) fn axes(&self, points: impl Iterator<Item = (f64, f64)> + Clone) -> Option<(Axis, Axis)> {
        let titles = if self.principal {
            ["first principal direction (unit)", "second principal direction (unit)"]
        } else {
            ["x₁ (unit)", "x₂ (unit)"]
        };
        let x = Axis::linear(titles[0], points.clone().map(|p| p.0))?;
        let y = Axis::linear(titles[1], points.map(|p| p.1))?;
        let (width, height) = plotting_size();
        let unit = ((x.high - x.low) / width).max((y.high - y.low) / height);
        let widened = |axis: &Axis, pixels: f64| {
            let middle = 0.5 * (axis.low + axis.high);
            Axis::between(&axis.title, middle - 0.5 * unit * pixels, middle + 0.5 * unit * pixels)
        };
        Some((widened(&x, width), widened(&y, height)))
    }

    /// A covariance (d, d) in the plane: its two variances with the covariance between them.
    pub(super) fn covariance(&self, matrix: &[f64]) -> [f64; 3] {
        let d = self.origin.len();
        let product = |u: &[f64], v: &[f64]| -> f64 {
            matrix.chunks_exact(d).zip(u).map(|(row, u)| u * row.iter().zip(v).map(|(m, v)| m * v).sum::<f64>()).sum()
        };
        let [u, v] = &self.axes;
        [product(u, u), product(u, v), product(v, v)]
    }

    /// The coordinates of a point (d) in the plane.
    pub(super) fn project(&self, point: &[f64]) -> (f64, f64) {
        let along = |axis: &[f64]| point.iter().zip(&self.origin).zip(axis).map(|((p, o), a)| (p - o) * a).sum();
        (along(&self.axes[0]), along(&self.axes[1]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Means in a plane of five dimensions keep their distances in it.
    #[test]
    fn finds_a_plane() {
        let (u, v) = ([0.5, 0.5, 0.5, 0.5, 0.0], [0.5, -0.5, 0.5, -0.5, 0.0]);
        let flat = [(3.0, 0.0), (-2.0, 1.0), (0.0, -1.5), (1.0, 1.0)];
        let means: Vec<f64> = flat.iter().flat_map(|(a, b)| (0..5).map(|c| 7.0 + a * u[c] + b * v[c]).collect::<Vec<_>>()).collect();
        let teacher = GaussianMixture::uniform(means.clone(), 5).unwrap();
        let plane = Plane::new(&teacher, &[]).unwrap();
        let shown: Vec<(f64, f64)> = means.chunks_exact(5).map(|m| plane.project(m)).collect();
        let distance = |a: (f64, f64), b: (f64, f64)| (a.0 - b.0).hypot(a.1 - b.1);
        for i in 0..4 {
            for j in 0..i {
                // The rounding of a singular value decomposition.
                assert!((distance(shown[i], shown[j]) - distance(flat[i], flat[j])).abs() <= 1e-9);
            }
        }
    }

    #[test]
    fn means_that_coincide_are_no_trouble() {
        let teacher = GaussianMixture::uniform(vec![1.0, 2.0, 3.0], 3).unwrap();
        let (x, y) = Plane::new(&teacher, &[1.0, 2.0, 3.0]).unwrap().project(&[2.0, 2.0, 3.0]);
        assert!(x.is_finite() && y.is_finite());
    }
}
