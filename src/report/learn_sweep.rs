//! The page of learning from ever more points, at several degrees: how the error falls, and how fast.

use std::path::Path;

use serde_json::Value;

use super::axis::Axis;
use super::chart::{Chart, Ink, Mark};
use super::html::{Figure, Page};
use crate::error::Result;
use crate::mixture::files::write_atomically;
use crate::number::short;

/// Colours of lines, in order; labels name them.
const INKS: [Ink; 5] = [Ink::Blue, Ink::Vermillion, Ink::Green, Ink::Text, Ink::Grey];

/// Reads a number from a cell's summary.
type Reading = fn(&Value) -> Option<f64>;

/// An error that a cell has.
#[derive(Clone, Copy)]
struct Quantity {
    title: &'static str,
    axis: &'static str,
    caption: &'static str,
    floor_caption: &'static str,
    of: Reading,
    /// What the best learner would have.
    floor: Option<(&'static str, Reading)>,
}

const DRAWN: Quantity = Quantity {
    title: "Drawn points",
    axis: "total variation of the drawn points",
    caption: "Total variation to the truth of a histogram of the points that the sampler drew.",
    floor_caption: " Dashed: what as many points of the truth itself have, by chance.",
    of: |cell| cell["sampler"]["total_variation"]["value"].as_f64(),
    floor: Some(("chance", |cell| cell["sampler"]["by_chance"].as_f64())),
};

const MIXTURE: Quantity = Quantity {
    title: "Mixture",
    axis: "KL(truth ‖ mixture) (nat)",
    caption: "By how much the mixture’s mean log-density of fresh points falls short of the truth’s.",
    floor_caption: " Dashed: parameters/(2n), which an efficient estimate with the right number of components has on average.",
    of: |cell| cell["divergence"]["value"].as_f64(),
    floor: Some(("efficient", |cell| {
        let (k, d) = (cell["components"].as_f64()?, cell["features"].as_f64()?);
        Some((k * (d + 1.0) - 1.0) / (2.0 * cell["trained_on"].as_f64()?))
    })),
};

/// Writes the page of a sweep's `summary.json` to `path`.
///
/// # Errors
/// [`crate::Error::Io`] where it cannot be written.
pub fn write_learn_sweep(path: &Path, summary: &Value) -> Result<()> {
    let page = page(summary)?.html();
    write_atomically(path, |out| out.write_all(page.as_bytes()))
}

fn cells(summary: &Value) -> Vec<Value> {
    summary["cells"].as_array().cloned().unwrap_or_default()
}

fn page(summary: &Value) -> Result<Page> {
    let cells = cells(summary);
    let mut figures = Vec::new();
    // The mixture comes from the points, whatever the degree.
    for (quantity, key, other) in [(DRAWN, "points", "degree"), (DRAWN, "degree", "points"), (MIXTURE, "points", "degree")] {
        if let Some(chart) = chart(&cells, quantity, key, other) {
            let floor = if key == "points" { quantity.floor_caption } else { "" };
            figures.push(Figure {
                title: format!("{} against {key}", quantity.title),
                svg: chart.svg()?,
                caption: format!("{}{floor}", quantity.caption),
            });
        }
    }
    Ok(Page {
        title: format!("mixscore learn {}: error against points and degree", summary["data"].as_str().unwrap_or_default()),
        finding: finding(&cells),
        warning: "Slopes are of straight lines through the logarithms, over all numbers of points: near the floor of chance, and where a degree’s bias is all that is left, errors fall no more."
            .into(),
        facts: [facts(&cells), slopes(&cells)].concat(),
        figures,
        table: table(&cells),
        ..Page::default()
    })
}

/// The numbers of a key in the cells, in order.
fn values(cells: &[Value], key: &str) -> Vec<f64> {
    let mut values: Vec<f64> = cells.iter().filter_map(|cell| cell[key].as_f64()).collect();
    values.sort_by(f64::total_cmp);
    values.dedup();
    values
}

/// `quantity` along `key` where `other` is `at`.
fn curve(cells: &[Value], of: Reading, key: &str, (other, at): (&str, f64)) -> Vec<(f64, f64)> {
    let own = cells.iter().filter(|cell| cell[other].as_f64() == Some(at));
    let mut points: Vec<(f64, f64)> = own.filter_map(|cell| Some((cell[key].as_f64()?, of(cell)?))).filter(|p| p.1 > 0.0).collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    points
}

/// `None` where there are not two values along the axis.
fn chart(cells: &[Value], quantity: Quantity, key: &str, other: &str) -> Option<Chart> {
    if values(cells, key).len() < 2 {
        return None;
    }
    let lines: Vec<(f64, Vec<(f64, f64)>)> =
        values(cells, other).into_iter().map(|at| (at, curve(cells, quantity.of, key, (other, at)))).collect();
    let floor = match quantity.floor {
        Some((name, of)) if key == "points" => lines.first().map(|line| (name, curve(cells, of, key, (other, line.0)))),
        _ => None,
    };
    let all = || lines.iter().map(|line| &line.1).chain(floor.iter().map(|floor| &floor.1)).flatten();
    let places = all().map(|p| p.0);
    let x = if key == "points" { Axis::logarithmic("points n", places)? } else { Axis::linear("degree", places)? };
    let y = Axis::logarithmic(quantity.axis, all().map(|p| p.1))?;
    let mut marks = Vec::new();
    if let Some((name, points)) = floor.filter(|floor| !floor.1.is_empty()) {
        marks.push(Mark::Label { y: points[points.len() - 1].1, text: name.into(), ink: Ink::Grey });
        marks.push(Mark::Dashed { points, ink: Ink::Grey });
    }
    for ((at, points), ink) in lines.into_iter().zip(INKS.into_iter().cycle()) {
        let Some(last) = points.last() else { continue };
        let text = if key == "points" { format!("degree {at}") } else { format!("n = {}", short(at)) };
        marks.push(Mark::Label { y: last.1, text, ink });
        marks.push(Mark::Dots { points: points.clone(), ink });
        marks.push(Mark::Line { points, ink, width: 4, opacity: 1.0 });
    }
    Some(Chart { description: "Error of what was learned".into(), x, y, marks })
}

/// The slope of ln y against ln x by least squares, and its standard error from the residuals; `None` from fewer than three points.
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

/// What all cells share.
fn facts(cells: &[Value]) -> Vec<(String, String)> {
    let names =
        [("data", "Data"), ("features", "Dimensions"), ("method", "Method"), ("samples", "Points drawn in each cell"), ("seed", "Seed")];
    let first = cells.first().unwrap_or(&Value::Null);
    names.iter().filter_map(|(key, name)| super::finding::plain(&first[*key]).map(|text| ((*name).to_string(), text))).collect()
}

fn slopes(cells: &[Value]) -> Vec<(String, String)> {
    let mut out = Vec::new();
    for quantity in [DRAWN, MIXTURE] {
        for degree in values(cells, "degree") {
            if let Some((slope, error)) = slope(&curve(cells, quantity.of, "points", ("degree", degree))) {
                out.push((
                    format!("{}, degree {degree}: slope in n", quantity.title),
                    format!("{slope:.2} ± {error:.2}").replace('-', "−"),
                ));
            }
        }
    }
    out
}

/// One sentence: from the fewest to the most points at the best degree, with slopes.
pub fn finding(cells: &[Value]) -> String {
    let last = |degree: f64| curve(cells, DRAWN.of, "points", ("degree", degree)).last().map_or(f64::INFINITY, |p| p.1);
    let Some(best) = values(cells, "degree").into_iter().min_by(|a, b| last(*a).total_cmp(&last(*b))) else {
        return "No cell is there.".into();
    };
    let falls = |quantity: Quantity| {
        let points = curve(cells, quantity.of, "points", ("degree", best));
        let (first, last) = (points.first()?, points.last()?);
        let slope = slope(&points).map_or(String::new(), |(s, e)| format!(" (slope {s:.2} ± {e:.2})").replace('-', "−"));
        Some(format!("from {} to {}{slope}", short(first.1), short(last.1)))
    };
    let numbers = values(cells, "points");
    let (Some(few), Some(many)) = (numbers.first(), numbers.last()) else { return "No cell is there.".into() };
    let mut parts = Vec::new();
    if let Some(drawn) = falls(DRAWN) {
        parts.push(format!("the drawn points’ total variation to the truth goes {drawn}"));
    }
    if let Some(mixture) = falls(MIXTURE) {
        parts.push(format!("the mixture’s divergence {mixture} nats"));
    }
    format!("From {} to {} points, at degree {best}, {}.", short(*few), short(*many), parts.join(" and "))
}

fn table(cells: &[Value]) -> super::html::Table {
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
    let row = |cell: &Value| {
        let sampler = &cell["sampler"];
        let values = [
            &cell["points"],
            &cell["degree"],
            &cell["components"],
            &sampler["total_variation"]["value"],
            &sampler["by_chance"],
            &sampler["mode_mass_error"],
            &sampler["stray"],
            &cell["total_variation"]["value"],
            &cell["divergence"]["value"],
            &cell["divergence"]["standard_error"],
            &cell["seconds"],
        ];
        values.iter().map(|v| v.as_f64().map_or("–".into(), short)).collect()
    };
    ("Cells".into(), header.map(String::from).to_vec(), cells.iter().map(row).collect())
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
