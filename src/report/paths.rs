//! The paths of the students' means: over the teacher's density contours, or against the step in one dimension.

use super::axis::{Axis, drawable};
use super::chart::{Chart, Ink, Mark};
use super::contours::contours;
use super::plane::Plane;
use super::run_folder::{Run, Students, Trajectory};
use super::view::{View, clipped};
use crate::mixture::GaussianMixture;
use crate::number::short;
use crate::random::rows;

/// The most students, and the most points per path.
const MOST_PATHS: usize = 200;
/// The most components of the teacher that are drawn (a teacher may have one component per point of a file).
const MOST_MEANS: usize = 2000;
const MOST_POINTS: usize = 120;

/// The levels of the contours, as fractions of the largest density.
const LEVELS: [f64; 5] = [0.8, 0.4, 0.1, 1e-2, 1e-3];

/// The paths of one replicate: for each student its positions (T, d), and the steps (T).
struct Paths<'a> {
    steps: Vec<f64>,
    students: Vec<Vec<&'a [f64]>>,
    /// False if only the start and the end are known.
    whole: bool,
}

/// The chart and its caption.
pub(super) fn paths(run: &Run) -> Option<(Chart, String)> {
    let all_of_it = run.teacher.as_ref()?;
    let teacher = &thinned(all_of_it);
    let paths = match (&run.trajectory, &run.initial, &run.student) {
        (Some(trajectory), ..) => of_trajectory(trajectory),
        (None, Some(start), Some(end)) if start.means.len() == end.means.len() => of_ends(start, end),
        _ => return None,
    };
    let view = View::new(teacher, paths.students.iter().filter_map(|p| p.first().copied()));
    let seen: Vec<f64> = paths.students.iter().flatten().filter(|p| view.holds(p)).flat_map(|p| p.iter().copied()).collect();
    let mut caption = caption(run, &paths) + &beyond(&view, &paths);
    if teacher.n_components() < all_of_it.n_components() {
        caption += &format!(" Shown are {} of the teacher’s {} components.", teacher.n_components(), all_of_it.n_components());
    }
    let chart = match Plane::new(teacher, &seen) {
        None => against_step(teacher, &paths, &view)?,
        Some(plane) => {
            if plane.principal {
                caption += " The plane is that of the first two principal directions of the means.";
            }
            over_density(teacher, &plane, &paths, &view)?
        }
    };
    Some((chart, caption))
}

/// At most [`MOST_MEANS`] of a teacher's components, chosen by a hash, because points of a file may come in a pattern.
fn thinned(teacher: &GaussianMixture) -> GaussianMixture {
    let (n, d) = (teacher.n_components(), teacher.n_features());
    if n <= MOST_MEANS {
        return teacher.clone();
    }
    let chosen = rows::chosen(n, MOST_MEANS, 0);
    let means = chosen.iter().flat_map(|j| teacher.mean(*j)).copied().collect();
    let weights: Vec<f64> = chosen.iter().map(|j| teacher.weights()[*j]).collect();
    let total: f64 = weights.iter().sum();
    let weights = weights.iter().map(|w| w / total).collect();
    GaussianMixture::new(weights, means, d, teacher.variance()).unwrap_or_else(|_| teacher.clone())
}

/// The paths of the first replicate along the trajectory.
fn of_trajectory(trajectory: &Trajectory) -> Paths<'_> {
    let Trajectory { steps, means, n_replicates, n_components: k, n_features: d } = trajectory;
    let stride = steps.len().div_ceil(MOST_POINTS);
    let times: Vec<usize> = (0..steps.len()).filter(|t| t % stride == 0 || *t == steps.len() - 1).collect();
    let position = |t: usize, i: usize| &means[(t * n_replicates * k + i) * d..][..*d];
    let students = (0..(*k).min(MOST_PATHS)).map(|i| times.iter().map(|t| position(*t, i)).collect()).collect();
    Paths { steps: times.iter().map(|t| steps[*t]).collect(), students, whole: true }
}

/// Straight paths from the first replicate's start to its end.
fn of_ends<'a>(start: &'a Students, end: &'a Students) -> Paths<'a> {
    let (d, k) = (start.n_features, start.weights.len());
    let row = |s: &'a Students, i: usize| &s.means[i * d..(i + 1) * d];
    Paths { steps: vec![0.0, 1.0], students: (0..k.min(MOST_PATHS)).map(|i| vec![row(start, i), row(end, i)]).collect(), whole: false }
}

fn caption(run: &Run, paths: &Paths) -> String {
    let (k, n_replicates) = match (&run.trajectory, &run.initial) {
        (Some(t), _) => (t.n_components, t.n_replicates),
        (None, Some(s)) => (s.weights.len(), s.n_replicates),
        _ => (paths.students.len(), 1),
    };
    let path = if paths.whole { "paths" } else { "straight lines from start to end (no trajectory was kept)" };
    let flat = run.teacher.as_ref().is_some_and(|t| t.n_features() > 1);
    let (marks, teacher) = if flat { ("open circles at the start, dots at the end, ", "crosses") } else { ("", "dashed lines") };
    let mut text = format!("The students’ means: {marks}blue {path}. Orange {teacher}: the teacher’s means.");
    if flat {
        text += " Grey: contours of the teacher’s density at 0.8, 0.4, 0.1, 0.01 and 0.001 of its peak.";
    }
    if n_replicates > 1 {
        text += &format!(" Shown is the first of {n_replicates} replicates.");
    }
    if k > paths.students.len() {
        text += &format!(" Shown are the first {} of {k} students.", paths.students.len());
    }
    text
}

/// What the picture leaves out, in a sentence.
fn beyond(view: &View, paths: &Paths) -> String {
    let leaving = paths.students.iter().filter(|p| p.iter().any(|x| !view.holds(x))).count();
    if leaving == 0 {
        return String::new();
    }
    let farthest = paths.students.iter().flatten().map(|x| view.distance(x)).fold(0.0, f64::max);
    let how_far = if drawable(farthest) { format!(", as far as {} from the teacher’s middle", short(farthest)) } else { String::new() };
    format!(" {leaving} of the {} paths leave the picture{how_far}; they are drawn until then.", paths.students.len())
}

/// The paths in a plane, over the contours of the teacher's density.
fn over_density(teacher: &GaussianMixture, plane: &Plane, paths: &Paths, view: &View) -> Option<Chart> {
    let flat: Vec<Vec<(f64, f64)>> = paths.students.iter().map(|p| p.iter().map(|x| plane.project(x)).collect()).collect();
    let seen = paths.students.iter().flatten().filter(|x| view.holds(x)).map(|x| plane.project(x));
    let centres: Vec<(f64, f64)> = (0..teacher.n_components()).map(|j| plane.project(teacher.mean(j))).collect();
    // The outermost contour lies within this distance: K components at one place have K times the density of one at its edge.
    let reach = (2.0 * (1e3 * teacher.n_components() as f64).ln() * teacher.variance()).sqrt();
    let around = centres.iter().flat_map(|c| [(c.0 - reach, c.1 - reach), (c.0 + reach, c.1 + reach)]);
    let points: Vec<(f64, f64)> = around.chain(seen).collect();
    let (x, y) = plane.axes(points.iter().copied())?;
    let weighted: Vec<_> = centres.iter().copied().zip(teacher.weights().iter().copied()).collect();
    let lines = contours(&weighted, teacher.variance(), (x.low, x.high), (y.low, y.high), &LEVELS);
    let mut marks: Vec<Mark> = lines.into_iter().map(|points| Mark::Line { points, ink: Ink::Grey, width: 2, opacity: 0.7 }).collect();
    for points in &flat {
        let pieces = clipped(points, &x, &y).into_iter().take(1);
        marks.extend(pieces.map(|points| Mark::Line { points, ink: Ink::Blue, width: 2, opacity: 0.65 }));
    }
    marks.extend(flat.iter().filter_map(|p| p.first()).map(|at| Mark::Ring { at: *at, ink: Ink::Blue }));
    marks.extend(centres.iter().map(|at| Mark::Cross { at: *at, ink: Ink::Vermillion }));
    marks.extend(flat.iter().filter_map(|p| p.last()).map(|at| Mark::Dot { at: *at, ink: Ink::Blue }));
    marks.retain(
        |m| !matches!(m, Mark::Ring { at, .. } | Mark::Cross { at, .. } | Mark::Dot { at, .. } if !(x.holds(at.0) && y.holds(at.1))),
    );
    Some(Chart { description: "Paths of the students' means over the contours of the teacher's density", x, y, marks })
}

/// The paths in one dimension, against the step.
fn against_step(teacher: &GaussianMixture, paths: &Paths, view: &View) -> Option<Chart> {
    let (first, last) = (*paths.steps.first()?, *paths.steps.last()?);
    let x = Axis::steps(first, last)?;
    let positions = paths.students.iter().flatten().filter(|p| view.holds(p)).map(|p| p[0]);
    let y = Axis::linear("x (unit)", positions.chain(teacher.means().iter().copied()))?;
    let mut marks = Vec::new();
    for mean in teacher.means().iter().filter(|m| drawable(**m)) {
        marks.push(Mark::Dashed { points: vec![(x.low, *mean), (x.high, *mean)], ink: Ink::Vermillion });
    }
    for student in &paths.students {
        let points: Vec<(f64, f64)> = paths.steps.iter().zip(student).map(|(t, p)| (*t, p[0])).collect();
        let pieces = clipped(&points, &x, &y).into_iter().take(1);
        marks.extend(pieces.map(|points| Mark::Line { points, ink: Ink::Blue, width: 3, opacity: 0.7 }));
    }
    Some(Chart { description: "The students' means against the step, and the teacher's means", x, y, marks })
}
