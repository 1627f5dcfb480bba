//! Weights at the end: the student weight at each teacher component, beside that component's own weight.

use super::axis::Axis;
use super::chart::{Chart, Ink, Mark};
use super::run_folder::{Run, Students};
use crate::metrics::{self, COVERAGE_RADIUS};
use crate::mixture::GaussianMixture;

/// The most comparisons of a student with a teacher component, times d; above this the chart is left out.
const MOST_WORK: f64 = 2e9;

/// The teacher components that students cover at the end.
pub(super) struct Covered {
    /// The student weight within the coverage radius of each teacher component: shape (K) for each replicate, in ascending order.
    pub student_weight: Vec<Vec<f64>>,
    /// The number of replicates with a student at each component.
    pub complete: usize,
    /// The fraction of covered components in each replicate.
    pub shares: Vec<f64>,
}

/// Coverage at the end of the run.
pub(super) fn covered(run: &Run) -> Option<Covered> {
    let (teacher, students) = (run.teacher.as_ref()?, run.student.as_ref()?);
    if students.means.len() as f64 * teacher.n_components() as f64 > MOST_WORK {
        return None;
    }
    let Students { weights, means, n_replicates, n_features } = students;
    let mut covered = Covered { student_weight: vec![Vec::new(); teacher.n_components()], complete: 0, shares: Vec::new() };
    for (r, replicate) in means.chunks_exact(weights.len() * n_features).take(*n_replicates).enumerate() {
        let coverage = metrics::coverage(&run.teachers[r % run.teachers.len()], replicate, weights).ok()?;
        covered.complete += usize::from(coverage.covered == coverage.n_teacher_components);
        covered.shares.push(coverage.share);
        covered.student_weight.iter_mut().zip(&coverage.student_weight).for_each(|(all, w)| all.push(*w));
    }
    covered.student_weight.iter_mut().for_each(|all| all.sort_by(f64::total_cmp));
    Some(covered)
}

/// The words under the chart.
pub(super) fn caption(covered: &Covered) -> String {
    let over_replicates = match covered.shares.len() {
        1 => "",
        _ => ", the mean over replicates; grey: their 5th to 95th percentiles",
    };
    format!(
        "Blue: the student weight within {COVERAGE_RADIUS}σ of each teacher component{over_replicates}. Lines across: the teacher’s weights. \
         A bar that misses its line is a wrong weight, and no bar a missing mode."
    )
}

/// The most components with a bar each; more could not be told apart.
const MOST_BARS: usize = 4096;

/// Bars for the students, black lines for the teacher; `None` for one component, for which a sentence suffices, and for too many.
pub(super) fn chart(teacher: &GaussianMixture, covered: &Covered) -> Option<Chart> {
    let mean = |all: &Vec<f64>| all.iter().sum::<f64>() / all.len() as f64;
    let quantile = |all: &Vec<f64>, share: f64| all[(share * (all.len() - 1) as f64).round() as usize];
    let whiskers: Vec<(f64, f64)> = covered.student_weight.iter().map(|all| (quantile(all, 0.05), quantile(all, 0.95))).collect();
    let heights = covered.student_weight.iter().map(mean).chain(whiskers.iter().map(|w| w.1)).chain(teacher.weights().iter().copied());
    let top = heights.filter(|h| h.is_finite()).fold(0.0, f64::max) * 1.08;
    let x = Axis::counting("teacher component, from 0", teacher.n_components());
    let y = Axis::between("weight", 0.0, top.max(1e-6));
    let mut marks = Vec::new();
    for (j, weight) in covered.student_weight.iter().map(mean).enumerate() {
        let j = j as f64;
        let outline = vec![(j - 0.38, 0.0), (j - 0.38, weight), (j + 0.38, weight), (j + 0.38, 0.0)];
        marks.push(Mark::Area { outline, ink: Ink::Blue, opacity: 0.75 });
    }
    let width = if teacher.n_components() > 15 { 3 } else { 6 };
    for (j, (low, high)) in whiskers.iter().enumerate().filter(|(_, (low, high))| high > low) {
        let j = j as f64;
        marks.push(Mark::Line { points: vec![(j, *low), (j, *high)], ink: Ink::Grey, width, opacity: 1.0 });
    }
    for (j, weight) in teacher.weights().iter().enumerate() {
        let j = j as f64;
        let points = vec![(j - 0.45, *weight), (j + 0.45, *weight)];
        marks.push(Mark::Line { points, ink: Ink::Text, width: 5, opacity: 1.0 });
    }
    (2..=MOST_BARS).contains(&teacher.n_components()).then_some(Chart {
        description: "Student weight at each teacher component beside the teacher's weight",
        x,
        y,
        marks,
    })
}
