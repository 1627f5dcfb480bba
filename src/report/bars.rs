//! Final coverage: the student weight that sits at each teacher component, beside that component's own weight.

use super::axis::Axis;
use super::chart::{Chart, Ink, Mark};
use super::run_folder::{Run, Students};
use crate::metrics;
use crate::mixture::GaussianMixture;

/// Comparisons of a student with a teacher component, times d, above which the chart is left out.
const MOST_WORK: f64 = 2e9;

/// The student weight within the coverage radius of each teacher component, averaged over replicates, and how many cover all.
pub struct Covered {
    pub student_weight: Vec<f64>,
    pub complete: usize,
    /// Mean over replicates of the share of components covered.
    pub share: f64,
    pub n_replicates: usize,
}

/// Coverage at the end of the run.
pub fn covered(run: &Run) -> Option<Covered> {
    let (teacher, students) = (run.teacher.as_ref()?, run.student.as_ref()?);
    if students.means.len() as f64 * teacher.n_components() as f64 > MOST_WORK {
        return None;
    }
    let Students { weights, means, n_replicates, n_features } = students;
    let mut sum = Covered { student_weight: vec![0.0; teacher.n_components()], complete: 0, share: 0.0, n_replicates: *n_replicates };
    for (r, replicate) in means.chunks_exact(weights.len() * n_features).enumerate() {
        let coverage = metrics::coverage(&run.teachers[r % run.teachers.len()], replicate, weights);
        sum.complete += usize::from(coverage.covered == coverage.n_teacher_components);
        sum.share += coverage.share / *n_replicates as f64;
        for (total, w) in sum.student_weight.iter_mut().zip(&coverage.student_weight) {
            *total += w / *n_replicates as f64;
        }
    }
    Some(sum)
}

/// Components that have a bar each; of more none could be told from the next.
const MOST_BARS: usize = 4096;

/// Bars for the students, black lines for the teacher; `None` for one component, where a sentence says it all, and for too many.
pub fn chart(teacher: &GaussianMixture, covered: &Covered) -> Option<Chart> {
    let heights = covered.student_weight.iter().chain(teacher.weights()).copied();
    let top = heights.filter(|h| h.is_finite()).fold(0.0, f64::max) * 1.08;
    let x = Axis::counting("teacher component, from 0", teacher.n_components());
    let y = Axis::between("weight", 0.0, top.max(1e-6));
    let mut marks = Vec::new();
    for (j, weight) in covered.student_weight.iter().enumerate() {
        let j = j as f64;
        let outline = vec![(j - 0.38, 0.0), (j - 0.38, *weight), (j + 0.38, *weight), (j + 0.38, 0.0)];
        marks.push(Mark::Area { outline, ink: Ink::Blue, opacity: 0.75 });
    }
    for (j, weight) in teacher.weights().iter().enumerate() {
        let j = j as f64;
        let points = vec![(j - 0.45, *weight), (j + 0.45, *weight)];
        marks.push(Mark::Line { points, ink: Ink::Text, width: 5, opacity: 1.0 });
    }
    (2..=MOST_BARS).contains(&teacher.n_components()).then_some(Chart {
        description: "Student weight at each teacher component beside the teacher's weight".into(),
        x,
        y,
        marks,
    })
}
