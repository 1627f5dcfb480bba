//! The page of learning from several numbers of points, at several degrees: how fast the error falls.

use std::path::Path;

use super::axis::Axis;
use super::chart::{Chart, Ink, Mark};
use super::html::{Figure, Page, Table};
use crate::error::Result;
use crate::experiment::learn_summary::{LearnSummary, LearnSweepSummary};
use crate::mixture::files::write_atomically;
use crate::number::{minus, short, word};

/// Colours of lines, in order; labels name them.
const INKS: [Ink; 5] = [Ink::Blue, Ink::Vermillion, Ink::Green, Ink::Text, Ink::Grey];

/// Reads a number of a cell.
type Reading = fn(&LearnSummary) -> Option<f64>;

/// A parameter in which cells differ.
#[derive(Clone, Copy)]
struct Key {
    name: &'static str,
    of: fn(&LearnSummary) -> f64,
}

const POINTS: Key = Key { name: "points", of: |cell| cell.points as f64 };
const DEGREE: Key = Key { name: "degree", of: |cell| cell.degree as f64 };

/// An error of a cell.
#[derive(Clone, Copy)]
struct Quantity {
    title: &'static str,
    axis: &'static str,
    caption: &'static str,
    floor_caption: &'static str,
    of: Reading,
    /// The error of the best possible learner.
    floor: (&'static str, Reading),
}

const DRAWN: Quantity = Quantity {
    title: "Drawn points",
    axis: "total variation of the drawn points",
    caption: "Total variation to the truth of a histogram of the points that the sampler drew.",
    floor_caption: " Dashed: what as many points of the truth itself have, by chance.",
    of: |cell| cell.sampled().map(|sampled| sampled.total_variation.value),
    floor: ("chance", |cell| cell.sampled().map(|sampled| sampled.by_chance)),
};

const MIXTURE: Quantity = Quantity {
    title: "Mixture",
    axis: "KL(truth ‖ mixture) (nat)",
    caption: "By how much the mixture’s mean log-density of fresh points falls short of the truth’s.",
    floor_caption: " Dashed: parameters/(2n), which an efficient estimate with the right number of components has on average.",
    of: |cell| cell.against_truth.as_ref().map(|truth| truth.divergence.value),
    floor: ("efficient", |cell| {
        let (k, d) = (cell.components as f64, cell.features as f64);
        Some((k * (d + 1.0) - 1.0) / (2.0 * cell.trained_on as f64))
    }),
};

/// Writes the page of a sweep's `summary.json` to `path`.
pub(crate) fn write_learn_sweep(path: &Path, summary: &LearnSweepSummary) -> Result<()> {
    let cells = &summary.cells;
    let mut figures = Vec::new();
    // The mixture does not depend on the degree.
    for (quantity, key, other) in [(DRAWN, POINTS, DEGREE), (DRAWN, DEGREE, POINTS), (MIXTURE, POINTS, DEGREE)] {
        if let Some(chart) = chart(cells, quantity, key, other) {
            let floor = if key.name == POINTS.name { quantity.floor_caption } else { "" };
            figures.push(Figure {
                title: format!("{} against {}", quantity.title, key.name),
                svg: chart.svg()?,
                caption: format!("{}{floor}", quantity.caption),
            });
        }
    }
    let page = Page {
        title: format!("mixscore learn {}: error against points and degree", summary.data),
        finding: summary.finding.clone(),
        warning: "Slopes are of straight lines through the logarithms, over all numbers of points: near the floor of chance, and where a degree’s bias is all that is left, errors fall no more."
            .into(),
        facts: [facts(cells), slopes(cells)].concat(),
        figures,
        table: table(cells),
        ..Page::default()
    };
    write_atomically(path, |out| out.write_all(page.html().as_bytes()))
}

/// The values of a key in the cells, in order.
fn values(cells: &[LearnSummary], key: Key) -> Vec<f64> {
    let mut values: Vec<f64> = cells.iter().map(key.of).collect();
    values.sort_by(f64::total_cmp);
    values.dedup();
    values
}

/// A number as a function of `key`, for `other` equal to `at`.
fn curve(cells: &[LearnSummary], of: Reading, key: Key, (other, at): (Key, f64)) -> Vec<(f64, f64)> {
    let own = cells.iter().filter(|cell| (other.of)(cell) == at);
    let mut points: Vec<(f64, f64)> = own.filter_map(|cell| Some(((key.of)(cell), of(cell).filter(|v| *v > 0.0)?))).collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    points
}

/// `None` with fewer than two values along the axis.
fn chart(cells: &[LearnSummary], quantity: Quantity, key: Key, other: Key) -> Option<Chart> {
    let along_points = key.name == POINTS.name;
    if values(cells, key).len() < 2 {
        return None;
    }
    let lines: Vec<(f64, Vec<(f64, f64)>)> =
        values(cells, other).into_iter().map(|at| (at, curve(cells, quantity.of, key, (other, at)))).collect();
    let (floor_name, of_floor) = quantity.floor;
    let floor = lines.first().filter(|_| along_points).map_or(Vec::new(), |line| curve(cells, of_floor, key, (other, line.0)));
    let all = || lines.iter().flat_map(|line| &line.1).chain(&floor);
    let places = all().map(|p| p.0);
    let x = if along_points { Axis::logarithmic("points n", places)? } else { Axis::linear("degree", places)? };
    let y = Axis::logarithmic(quantity.axis, all().map(|p| p.1))?;
    let mut marks = Vec::new();
    if let Some(end) = floor.last() {
        marks.push(Mark::Label { y: end.1, text: floor_name.into(), ink: Ink::Grey });
        marks.push(Mark::Dashed { points: floor, ink: Ink::Grey });
    }
    for ((at, points), ink) in lines.into_iter().zip(INKS.into_iter().cycle()) {
        let Some(last) = points.last() else { continue };
        let text = if along_points { format!("degree {at}") } else { format!("n = {}", short(at)) };
        marks.push(Mark::Label { y: last.1, text, ink });
        marks.push(Mark::Dots { points: points.clone(), ink });
        marks.push(Mark::Line { points, ink, width: 4, opacity: 1.0 });
    }
    Some(Chart { description: "Error of what was learned", x, y, marks })
}

/// The slope of ln y against ln x by least squares, and its standard error from the residuals; `None` for fewer than three points.
fn slope(points: &[(f64, f64)]) -> Option<(f64, f64)> {
    let n = points.len() as f64;
    if points.len() < 3 {
        return None;
    }
    let logs: Vec<(f64, f64)> = points.iter().map(|p| (p.0.ln(), p.1.ln())).collect();
    let (mx, my) = logs.iter().fold((0.0, 0.0), |m, p| (m.0 + p.0 / n, m.1 + p.1 / n));
    let xx: f64 = logs.iter().map(|p| (p.0 - mx).powi(2)).sum();
    let slope = logs.iter().map(|p| (p.0 - mx) * (p.1 - my)).sum::<f64>() / xx;
    let rest: f64 = logs.iter().map(|p| (p.1 - my - slope * (p.0 - mx)).powi(2)).sum();
    Some((slope, (rest / (n - 2.0) / xx).sqrt()))
}

/// The facts that all cells share.
fn facts(cells: &[LearnSummary]) -> Vec<(String, String)> {
    let Some(first) = cells.first() else { return Vec::new() };
    let facts = [
        ("Data", first.data.clone()),
        ("Dimensions", first.features.to_string()),
        ("Method", word(first.method)),
        ("Points drawn in each cell", first.samples.to_string()),
        ("Seed", first.seed.to_string()),
    ];
    facts.map(|(name, value)| (name.to_string(), value)).to_vec()
}

fn slopes(cells: &[LearnSummary]) -> Vec<(String, String)> {
    let mut out = Vec::new();
    for quantity in [DRAWN, MIXTURE] {
        for degree in values(cells, DEGREE) {
            if let Some((slope, error)) = slope(&curve(cells, quantity.of, POINTS, (DEGREE, degree))) {
                out.push((format!("{}, degree {degree}: slope in n", quantity.title), format!("{} ± {error:.2}", minus(slope, 2))));
            }
        }
    }
    out
}

/// One sentence: from the fewest to the most points at the best degree, with slopes.
pub(crate) fn finding(cells: &[LearnSummary]) -> String {
    let last = |degree: f64| curve(cells, DRAWN.of, POINTS, (DEGREE, degree)).last().map_or(f64::INFINITY, |p| p.1);
    let Some(best) = values(cells, DEGREE).into_iter().min_by(|a, b| last(*a).total_cmp(&last(*b))) else {
        return "No cell is there.".into();
    };
    let falls = |quantity: Quantity| {
        let points = curve(cells, quantity.of, POINTS, (DEGREE, best));
        let (first, last) = (points.first()?, points.last()?);
        let slope = slope(&points).map_or(String::new(), |(slope, error)| format!(" (slope {} ± {error:.2})", minus(slope, 2)));
        Some(format!("from {} to {}{slope}", short(first.1), short(last.1)))
    };
    let numbers = values(cells, POINTS);
    let mut parts = Vec::new();
    if let Some(drawn) = falls(DRAWN) {
        parts.push(format!("the drawn points’ total variation to the truth goes {drawn}"));
    }
    if let Some(mixture) = falls(MIXTURE) {
        parts.push(format!("the mixture’s divergence {mixture} nats"));
    }
    let [few, many] = [numbers[0], numbers[numbers.len() - 1]].map(short);
    format!("From {few} to {many} points, at degree {best}, {}.", parts.join(" and "))
}

fn table(cells: &[LearnSummary]) -> Table {
    let header = [
        "Points",
        "Degree",
        "Components",
        "TV of drawn points",
        "By chance",
        "Largest error of a mode’s mass",
        "Stray share",
        "TV of the mixture",
        "KL(truth ‖ mixture) (nat)",
        "± ",
        "Seconds",
    ];
    let row = |cell: &LearnSummary| {
        let (sampled, truth) = (cell.sampled(), cell.against_truth.as_ref());
        let values = [
            Some(cell.points as f64),
            Some(cell.degree as f64),
            Some(cell.components as f64),
            sampled.map(|s| s.total_variation.value),
            sampled.map(|s| s.by_chance),
            sampled.and_then(|s| s.mode_mass_error),
            sampled.map(|s| s.stray),
            truth.map(|t| t.total_variation.value),
            truth.map(|t| t.divergence.value),
            truth.map(|t| t.divergence.standard_error),
            Some(cell.seconds),
        ];
        values.map(|v| v.filter(|v| v.is_finite()).map_or("–".into(), short)).to_vec()
    };
    Table { name: "Cells".into(), header: header.map(String::from).to_vec(), rows: cells.iter().map(row).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_power_law_has_its_slope() {
        let points: Vec<(f64, f64)> = [1e3, 1e4, 1e5, 1e6].map(|n: f64| (n, 3.0 * n.powf(-0.5))).to_vec();
        let (s, e) = slope(&points).unwrap();
        assert!((s + 0.5).abs() <= 1e-12 && e <= 1e-12, "{s} ± {e}");
        assert!(slope(&points[..2]).is_none());
    }
}
