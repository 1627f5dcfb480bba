//! Metrics against steps: the divergences with their predicted tail, KL, total variation and coverage, the Lyapunov sum.

use super::axis::{Axis, drawable};
use super::chart::{Chart, Ink, Mark};
use super::run_folder::{Run, Students};
use super::table::Table;
use crate::mixture::squared_distance;

/// Steps are drawn from 1 on, so that the start has a place on a logarithmic axis.
pub const STEP_TITLE: &str = "step + 1";

/// Rows that are drawn, evenly on the logarithmic axis.
const MOST_ROWS: usize = 300;

/// Replicates that are drawn one by one.
const MOST_THIN_LINES: usize = 24;

/// Half-widths of a band around a single run, in standard errors.
const BAND: f64 = 2.0;

/// How far below the lowest upper edge of a band a logarithmic axis reaches.
const BELOW_THE_BAND: f64 = 30.0;

/// Rows are shown as points where there are no more of them.
const MOST_POINTS: usize = 40;

/// One metric of a chart: its column, its name in the chart, its colour.
type Curve = (&'static str, &'static str, Ink);

/// Both Fisher divergences, with the predicted tail where it applies.
pub fn divergences(run: &Run) -> Option<Chart> {
    let curves = [("reverse_fisher", "reverse", Ink::Blue), ("forward_fisher", "forward", Ink::Vermillion)];
    let mut chart =
        logarithmic(&run.metrics, &curves, "Fisher divergence (1/unit²)", "The Fisher divergences against the step, logarithmic")?;
    if let Some(tail) = tail(run) {
        add_tail(&mut chart, &run.metrics, |t| tail.divergence(t));
    }
    Some(chart)
}

/// Both Kullback–Leibler divergences.
pub fn kl(run: &Run) -> Option<Chart> {
    let curves = [("kl_student_teacher", "KL(p‖q)", Ink::Blue), ("kl_teacher_student", "KL(q‖p)", Ink::Vermillion)];
    logarithmic(&run.metrics, &curves, "Kullback–Leibler divergence (nat)", "Both KL divergences against the step, logarithmic")
}

/// Total variation and coverage, both between 0 and 1.
pub fn shares(run: &Run) -> Option<Chart> {
    let curves = [("total_variation", "total variation", Ink::Blue), ("coverage", "coverage", Ink::Green)];
    let y = Axis::between("share, 0 to 1", -0.03, 1.05);
    chart(&run.metrics, &curves, y, "Total variation and coverage against the step")
}

/// The Lyapunov sum of runs with one Gaussian teacher, with its predicted tail where it applies.
pub fn lyapunov(run: &Run) -> Option<Chart> {
    let curves = [("lyapunov", "", Ink::Blue)];
    let mut chart = logarithmic(&run.metrics, &curves, "Lyapunov sum (unit²)", "The Lyapunov sum against the step, logarithmic")?;
    if let Some(tail) = tail(run) {
        add_tail(&mut chart, &run.metrics, |t| tail.lyapunov(t));
    }
    Some(chart)
}

/// A logarithmic chart reaches down to the smallest upper edge of a band, or a little below: what lies deeper is noise around zero.
fn logarithmic(metrics: &Table, curves: &[Curve], title: &str, description: &str) -> Option<Chart> {
    let positive = |v: &f64| *v > 0.0 && drawable(*v);
    let values: Vec<f64> = curves.iter().filter_map(|c| metrics.column(c.0)).flatten().flatten().copied().filter(positive).collect();
    let edges = curves.iter().flat_map(|c| (0..metrics.steps.len()).filter_map(|t| edge(metrics, c.0, t, 1.0)));
    let floor = edges.filter(positive).fold(f64::INFINITY, f64::min) / BELOW_THE_BAND;
    let y = Axis::logarithmic(title, values.into_iter().filter(|v| !(*v < floor)))?;
    chart(metrics, curves, y, description)
}

fn chart(metrics: &Table, curves: &[Curve], y: Axis, description: &str) -> Option<Chart> {
    let rows = rows(&metrics.steps);
    let last = *metrics.steps.last()? + 1.0;
    let x = Axis::logarithmic(STEP_TITLE, [metrics.steps.first()? + 1.0, last])?;
    let present: Vec<&Curve> = curves.iter().filter(|c| metrics.column(c.0).is_some()).collect();
    let mut chart = Chart { description: description.into(), x, y, marks: Vec::new() };
    for (name, label, ink) in present.iter().copied() {
        add_curve(&mut chart, metrics, &rows, name, *ink);
        let end = rows.iter().rev().find_map(|t| metrics.quantile(name, *t, 0.5).filter(|v| drawable(*v)));
        if let Some(end) = end.filter(|_| !label.is_empty()) {
            let y = end.clamp(chart.y.low, chart.y.high);
            chart.marks.push(Mark::Label { y, text: (*label).into(), ink: *ink });
        }
    }
    (!present.is_empty()).then_some(chart)
}

/// The upper (`side` 1) or lower (−1) edge of a metric's band at row t.
fn edge(metrics: &Table, name: &str, t: usize, side: f64) -> Option<f64> {
    match metrics.n_replicates {
        1 => Some(metrics.quantile(name, t, 0.5)? + side * BAND * metrics.quantile(&format!("{name}_se"), t, 0.5)?),
        _ => metrics.quantile(name, t, 0.5 + 0.45 * side),
    }
}

fn add_curve(chart: &mut Chart, metrics: &Table, rows: &[usize], name: &str, ink: Ink) {
    let x = |t: usize| metrics.steps[t] + 1.0;
    let (low, high) = (chart.y.low, chart.y.high);
    let shown = |v: f64| drawable(v) && (!chart.y.is_logarithmic() || v >= low);
    let band = |side: f64| -> Vec<(f64, f64)> {
        rows.iter().filter_map(|t| Some((x(*t), edge(metrics, name, *t, side).filter(|v| drawable(*v))?.clamp(low, high)))).collect()
    };
    let mut outline = band(1.0);
    outline.extend(band(-1.0).into_iter().rev());
    // A line breaks where its value cannot be shown.
    let pieces = |value: &dyn Fn(usize) -> Option<f64>| -> Vec<Vec<(f64, f64)>> {
        let points: Vec<Option<(f64, f64)>> = rows.iter().map(|t| Some((x(*t), value(*t).filter(|v| shown(*v))?))).collect();
        points.split(Option::is_none).map(|piece| piece.iter().copied().flatten().collect()).filter(|p: &Vec<_>| !p.is_empty()).collect()
    };
    let median = pieces(&|t| metrics.quantile(name, t, 0.5));
    chart.marks.push(Mark::Area { outline, ink, opacity: 0.2 });
    if metrics.n_replicates > 1 {
        for replicate in metrics.column(name).unwrap_or_default().iter().take(MOST_THIN_LINES) {
            let thin = pieces(&|t| Some(replicate[t]));
            chart.marks.extend(thin.into_iter().map(|points| Mark::Line { points, ink, width: 1, opacity: 0.35 }));
        }
    }
    let few = rows.len() <= MOST_POINTS;
    for points in median {
        if few || points.len() == 1 {
            chart.marks.push(Mark::Dots { points: points.clone(), ink });
        }
        chart.marks.push(Mark::Line { points, ink, width: 4, opacity: 1.0 });
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

/// What gradient descent with step c on ∂L/∂μᵢ / wᵢ tends to for one Gaussian teacher: L → ϱσ⁶/(32c²t²), Lyapunov sum → ϱσ⁶/(4ct).
pub struct Tail {
    pub rank: usize,
    pub step_size: f64,
    pub variance: f64,
}

impl Tail {
    fn divergence(&self, t: f64) -> f64 {
        self.rank as f64 * self.variance.powi(3) / (32.0 * (self.step_size * t).powi(2))
    }

    fn lyapunov(&self, t: f64) -> f64 {
        self.rank as f64 * self.variance.powi(3) / (4.0 * self.step_size * t)
    }
}

/// The tail, where the run is one that it describes.
pub fn tail(run: &Run) -> Option<Tail> {
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

/// ϱ: the dimensions that the first replicate's means span around their first mean, by Gram–Schmidt with the farthest first.
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
    // Work bounded for very large students, whose rank is not of interest here.
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

fn add_tail(chart: &mut Chart, metrics: &Table, predicted: impl Fn(f64) -> f64) {
    let Some(last) = metrics.steps.last().copied().filter(|t| *t >= 1.0) else { return };
    let points: Vec<(f64, f64)> = (0..=100)
        .map(|i| last.powf(f64::from(i) / 100.0))
        .map(|t| (t + 1.0, predicted(t)))
        .filter(|(x, y)| chart.x.holds(*x) && chart.y.holds(*y))
        .collect();
    if let Some((_, y)) = points.last().copied().filter(|_| points.len() > 1) {
        chart.marks.push(Mark::Dashed { points, ink: Ink::Text });
        chart.marks.push(Mark::Label { y, text: "predicted tail".into(), ink: Ink::Text });
    }
}
