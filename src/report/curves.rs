//! Metrics against steps: the divergences with their predicted tail, KL, total variation and coverage, the Lyapunov sum.

use super::axis::{Axis, drawable};
use super::band::band;
use super::chart::{Chart, Ink, Mark};
use super::interval::Interval;
use super::run_folder::{Run, Students};
use crate::metrics::Metric;
use crate::mixture::squared_distance;

/// The most rows that are drawn, evenly on the logarithmic axis.
const MOST_ROWS: usize = 300;

/// The most replicates that are drawn one by one.
const MOST_THIN_LINES: usize = 24;

/// The most bars along one curve, for bands that contain zero.
const MOST_BOUNDS: usize = 16;

/// Up to this many rows are shown as points.
const MOST_POINTS: usize = 40;

/// A metric of a chart, its label and its colour.
type Curve = (Metric, &'static str, Ink);

/// Both Fisher divergences, with the predicted tail if it applies.
pub(super) fn divergences(run: &Run) -> Option<Chart> {
    let curves = [(Metric::ReverseFisher, "reverse", Ink::Blue), (Metric::ForwardFisher, "forward", Ink::Vermillion)];
    let mut chart = logarithmic(run, &curves, "Fisher divergence (1/unit²)", "The Fisher divergences against the step, logarithmic")?;
    if let Some(tail) = tail(run) {
        add_tail(&mut chart, run, |t| tail.divergence(t));
    }
    Some(chart)
}

/// Both Kullback–Leibler divergences.
pub(super) fn kl(run: &Run) -> Option<Chart> {
    let curves = [(Metric::KlStudentTeacher, "KL(p‖q)", Ink::Blue), (Metric::KlTeacherStudent, "KL(q‖p)", Ink::Vermillion)];
    logarithmic(run, &curves, "Kullback–Leibler divergence (nat)", "Both KL divergences against the step, logarithmic")
}

/// Total variation and coverage, both between 0 and 1.
pub(super) fn shares(run: &Run) -> Option<Chart> {
    let curves = [(Metric::TotalVariation, "total variation", Ink::Blue), (Metric::Coverage, "coverage", Ink::Green)];
    let y = Axis::between("share, 0 to 1", -0.03, 1.05);
    chart(run, &curves, y, "Total variation and coverage against the step")
}

/// The Lyapunov sum of runs with one Gaussian teacher, with its predicted tail if it applies.
pub(super) fn lyapunov(run: &Run) -> Option<Chart> {
    let curves = [(Metric::Lyapunov, "", Ink::Blue)];
    let mut chart = logarithmic(run, &curves, "Lyapunov sum (unit²)", "The Lyapunov sum against the step, logarithmic")?;
    if let Some(tail) = tail(run) {
        add_tail(&mut chart, run, |t| tail.lyapunov(t));
    }
    Some(chart)
}

fn logarithmic(run: &Run, curves: &[Curve], title: &str, description: &'static str) -> Option<Chart> {
    let y = logarithmic_axis(title, curves.iter().map(|curve| (run, curve.0)))?;
    chart(run, curves, y, description)
}

/// An axis that covers the numbers whose bands lie above zero, and the upper ends of the other bands.
pub(super) fn logarithmic_axis<'a>(title: &str, curves: impl Iterator<Item = (&'a Run, Metric)>) -> Option<Axis> {
    let bands = curves.flat_map(|(run, metric)| (0..run.metrics.steps.len()).filter_map(move |t| band(run, metric, t)));
    Axis::logarithmic(title, bands.flat_map(|b| if is_bound(&b) { [b.high; 2] } else { [b.value, b.high] }))
}

/// Whether a band reaches zero or below, so that a logarithmic axis can show its upper end only.
fn is_bound(band: &Interval) -> bool {
    !(band.low > 0.0)
}

fn chart(run: &Run, curves: &[Curve], y: Axis, description: &'static str) -> Option<Chart> {
    let steps = &run.metrics.steps;
    let x = Axis::steps(*steps.first()?, *steps.last()?)?;
    let present: Vec<&Curve> = curves.iter().filter(|c| run.metrics.column(c.0).is_some()).collect();
    let mut chart = Chart { description, x, y, marks: Vec::new() };
    for (metric, label, ink) in present.iter().copied() {
        add_curve(&mut chart, run, *metric, *ink, label, MOST_THIN_LINES);
    }
    (!present.is_empty()).then_some(chart)
}

/// Adds a metric with its band, its label, and at most `thin` of its replicates one by one. On a logarithmic axis, bars with an arrow down
/// replace line and band where the band contains zero.
pub(super) fn add_curve(chart: &mut Chart, run: &Run, metric: Metric, ink: Ink, label: &str, thin: usize) {
    let (low, high, is_logarithmic) = (chart.y.low, chart.y.high, chart.y.is_logarithmic());
    let rows = rows(&run.metrics.steps);
    let bands: Vec<(f64, usize, Option<Interval>)> = rows.iter().map(|t| (run.metrics.steps[*t], *t, band(run, metric, *t))).collect();
    let shown = |b: &Interval| drawable(b.value) && drawable(b.high) && !(is_logarithmic && is_bound(b));
    let few = rows.len() <= MOST_POINTS;
    for piece in bands.split(|(_, _, b)| !b.as_ref().is_some_and(shown)).filter(|piece| !piece.is_empty()) {
        let edge = |of: &dyn Fn(&Interval) -> f64| -> Vec<(f64, f64)> {
            piece.iter().filter_map(|(x, _, b)| Some((*x, of(b.as_ref()?).clamp(low, high)))).collect()
        };
        let mut outline = edge(&|b| b.high);
        outline.extend(edge(&|b| b.low).into_iter().rev());
        chart.marks.push(Mark::Area { outline, ink, opacity: 0.2 });
        for replicate in run.metrics.column(metric).unwrap_or_default().iter().take(if run.metrics.n_replicates > 1 { thin } else { 0 }) {
            let points: Vec<Option<(f64, f64)>> =
                piece.iter().map(|(x, t, _)| Some((*x, replicate[*t])).filter(|p| chart.y.holds(p.1))).collect();
            let lines = points.split(Option::is_none).map(|line| line.iter().copied().flatten().collect());
            chart.marks.extend(lines.map(|points| Mark::Line { points, ink, width: 1, opacity: 0.35 }));
        }
        let points = edge(&|b| b.value);
        if few || points.len() == 1 {
            chart.marks.push(Mark::Dots { points: points.clone(), ink });
        }
        chart.marks.push(Mark::Line { points, ink, width: 4, opacity: 1.0 });
    }
    if is_logarithmic {
        add_bounds(chart, &bands, ink);
    }
    let end = bands.iter().rev().find_map(|(_, _, b)| b.as_ref().map(|b| if shown(b) { b.value } else { b.high }).filter(|v| drawable(*v)));
    if let Some(end) = end.filter(|_| !label.is_empty()) {
        chart.marks.push(Mark::Label { y: end.clamp(low, high), text: label.into(), ink });
    }
}

/// Adds the upper ends of bands that contain zero, far enough apart to be told from each other.
fn add_bounds(chart: &mut Chart, bands: &[(f64, usize, Option<Interval>)], ink: Ink) {
    let (first, last) = (chart.x.low.ln_1p(), chart.x.high.ln_1p());
    let mut taken = f64::NEG_INFINITY;
    for (x, _, b) in bands {
        let place = x.ln_1p();
        match b.filter(|b| is_bound(b) && chart.y.holds(b.high)) {
            Some(b) if place - taken >= (last - first) / MOST_BOUNDS as f64 => {
                chart.marks.push(Mark::Bound { at: (*x, b.high), ink });
                taken = place;
            }
            _ => {}
        }
    }
}

/// At most [`MOST_ROWS`] rows, evenly in the logarithm of the step; always the first and the last.
fn rows(steps: &[f64]) -> Vec<usize> {
    let (Some(first), Some(last)) = (steps.first(), steps.last()) else { return Vec::new() };
    let span = ((last + 1.0) / (first + 1.0)).ln();
    let mut rows: Vec<usize> = Vec::new();
    let mut taken = f64::NEG_INFINITY;
    for (t, step) in steps.iter().enumerate() {
        let place = ((step + 1.0) / (first + 1.0)).ln();
        if t == 0 || t == steps.len() - 1 || place - taken >= span / MOST_ROWS as f64 {
            rows.push(t);
            taken = place;
        }
    }
    rows
}

/// The limit of gradient descent with step c on ∂L/∂μᵢ / wᵢ for one Gaussian teacher: L → ϱσ⁶/(32c²t²), Lyapunov sum → ϱσ⁶/(4ct).
pub(super) struct Tail {
    pub rank: usize,
    pub step_size: f64,
    pub variance: f64,
}

impl Tail {
    /// L after t steps.
    pub(super) fn divergence(&self, t: f64) -> f64 {
        self.rank as f64 * self.variance.powi(3) / (32.0 * (self.step_size * t).powi(2))
    }

    fn lyapunov(&self, t: f64) -> f64 {
        self.rank as f64 * self.variance.powi(3) / (4.0 * self.step_size * t)
    }
}

/// The tail, if it describes the run.
pub(super) fn tail(run: &Run) -> Option<Tail> {
    let teacher = run.teacher.as_ref().filter(|t| t.n_components() == 1)?;
    let reverse = run.setting("objective", "divergence").is_none_or(|v| v.as_str() == Some("reverse"));
    let by_weight = run.setting("descent", "divide_by_weight").is_none_or(|v| v.as_bool() == Some(true));
    let number = |v: &toml::Value| v.as_float().or(v.as_integer().map(|i| i as f64));
    let noise = run.setting("objective", "noise").map_or(Some(0.0), number)?;
    let step_size = run.setting("descent", "step_size").and_then(number)?;
    let rank = spread_rank(run.initial.as_ref()?);
    let variance = teacher.variance() + noise;
    (reverse && by_weight && rank > 0 && step_size > 0.0 && noise >= 0.0).then_some(Tail { rank, step_size, variance })
}

/// ϱ: the dimensions that the first replicate's means span around their first mean, by Gram–Schmidt from the farthest on.
fn spread_rank(students: &Students) -> usize {
    let (d, k) = (students.n_features, students.weights.len());
    let mut rows: Vec<Vec<f64>> = students.means[..k * d]
        .chunks_exact(d)
        .skip(1)
        .map(|row| row.iter().zip(&students.means[..d]).map(|(a, b)| a - b).collect())
        .collect();
    let zero = vec![0.0; d];
    let square = |row: &[f64]| squared_distance(row, &zero);
    let largest = rows.iter().map(|r| square(r)).fold(0.0, f64::max);
    // The limit bounds the work for very large students, whose exact rank is not needed here.
    for rank in 0..rows.len().min(d).min(64) {
        let Some(far) = rows.iter().enumerate().max_by(|a, b| square(a.1).total_cmp(&square(b.1))).map(|(i, _)| i) else { return rank };
        let axis = rows.swap_remove(far);
        let length = square(&axis);
        let spreads = length > 1e-18 * largest;
        if !spreads {
            return rank;
        }
        for row in &mut rows {
            let share = row.iter().zip(&axis).map(|(a, b)| a * b).sum::<f64>() / length;
            row.iter_mut().zip(&axis).for_each(|(a, b)| *a -= share * b);
        }
    }
    (k - 1).min(d)
}

fn add_tail(chart: &mut Chart, run: &Run, predicted: impl Fn(f64) -> f64) {
    let Some(last) = run.metrics.steps.last().copied().filter(|t| *t >= 1.0) else { return };
    let points: Vec<(f64, f64)> = (0..=100)
        .map(|i| last.powf(f64::from(i) / 100.0))
        .map(|t| (t, predicted(t)))
        .filter(|(x, y)| chart.x.holds(*x) && chart.y.holds(*y))
        .collect();
    if let Some((_, y)) = points.last().copied().filter(|_| points.len() > 1) {
        chart.marks.push(Mark::Dashed { points, ink: Ink::Text });
        chart.marks.push(Mark::Label { y, text: "predicted tail".into(), ink: Ink::Text });
    }
}
