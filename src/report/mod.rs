//! Reports: a run folder as one self-contained HTML page with its finding, its charts and its numbers.

mod axis;
mod bars;
mod chart;
mod contours;
mod curves;
mod finding;
mod html;
pub mod number;
mod paths;
mod plane;
mod run_folder;
mod table;

use std::path::Path;

use serde_json::Value;

use crate::error::Result;
use crate::metrics::COVERAGE_RADIUS;
use crate::mixture::files::write_atomically;
use bars::Covered;
use chart::Chart;
pub use finding::BLIND;
use html::{Figure, Page};
use run_folder::Run;

/// Writes `folder/report.html` from the other files of the run folder. Of these only `metrics.csv` must be there: a part of the
/// page whose file is missing or cannot be used is left out, and the page says which.
///
/// # Errors
/// [`crate::Error::BadFile`] where the folder is no run folder; [`crate::Error::Io`] where the page cannot be written.
pub fn write_run(folder: &Path) -> Result<()> {
    let run = Run::read(folder)?;
    let page = page(&run)?.html();
    write_atomically(&folder.join("report.html"), |out| out.write_all(page.as_bytes()))
}

fn page(run: &Run) -> Result<Page> {
    let covered = bars::covered(run);
    let (first, last) = if run.metrics.n_replicates > 1 {
        ("At the start: median (5–95 %)", "At the end: median (5–95 %)")
    } else {
        ("At the start", "At the end")
    };
    let rows = finding::table(run).into_iter().map(|r| vec![r.name.into(), r.first, r.last, r.unit.into()]).collect();
    Ok(Page {
        title: format!("mixscore run {}", run.name),
        finding: finding::sentence(run, covered.as_ref()),
        warning: BLIND.into(),
        facts: finding::facts(run).into_iter().chain(versions(&run.environment)).collect(),
        figures: figures(run, covered.as_ref())?,
        table: ("Metrics with their standard errors".into(), ["Metric", first, last, "Unit"].map(String::from).into(), rows),
        notes: run.notes.clone(),
        listings: run.config_text.iter().map(|text| ("config.toml".to_string(), text.clone())).collect(),
    })
}

/// The chart, if it could be made, under its title.
fn figure(title: &'static str, chart: Option<Chart>, caption: impl Into<String>) -> Result<Option<Figure>> {
    chart.map(|chart| Ok(Figure { title, svg: chart.svg()?, caption: caption.into() })).transpose()
}

fn figures(run: &Run, covered: Option<&Covered>) -> Result<Vec<Figure>> {
    let band = match run.metrics.n_replicates {
        1 => "Bands: ± 2 standard errors.".to_string(),
        r => format!("Thick lines: medians of {r} replicates; bands: their 5th to 95th percentiles; thin lines: single replicates."),
    };
    let tail = curves::tail(run);
    let prediction = |law: &str| match &tail {
        Some(t) => format!(" Dashed: the predicted tail {law}, with ϱ = {} and c = {}.", t.rank, number::short(t.step_size)),
        None => String::new(),
    };
    let (paths, path_caption) = paths::paths(run).unzip();
    let coverage = run.teacher.as_ref().zip(covered).and_then(|(teacher, covered)| bars::chart(teacher, covered));
    let mean = if run.metrics.n_replicates > 1 { ", averaged over replicates" } else { "" };
    let figures = [
        figure("Fisher divergences", curves::divergences(run), format!("{band}{}", prediction("ϱσ⁶/(32c²t²)")))?,
        figure("Paths of the means", paths, path_caption.unwrap_or_default())?,
        figure("Total variation and coverage", curves::shares(run), band.clone())?,
        figure(
            "Final coverage",
            coverage,
            format!(
                "Blue: the student weight within {COVERAGE_RADIUS}σ of each teacher component{mean}. Lines across: the teacher’s weights. \
                 A bar that misses its line is a wrong weight, and no bar a missing mode."
            ),
        )?,
        figure("Kullback–Leibler divergences", curves::kl(run), format!("p: student, q: teacher. {band}"))?,
        figure(
            "Lyapunov sum",
            curves::lyapunov(run),
            format!(
                "The sum of squared distances from the teacher’s one mean, weighted by wᵢ where steps are divided by weights; it should fall at every step. {band}{}",
                prediction("ϱσ⁶/(4ct)")
            ),
        )?,
    ];
    Ok(figures.into_iter().flatten().collect())
}

/// The scalars of `environment.json`, one level deep, and not more of them than a page can bear.
fn versions(environment: &Value) -> Vec<(String, String)> {
    let short = |name: &str, v: &Value| finding::plain(v).map(|text| (name.to_string(), text.chars().take(300).collect()));
    let Some(object) = environment.as_object() else { return Vec::new() };
    let lines = object.iter().flat_map(|(name, v)| match v.as_object() {
        Some(inner) => inner.iter().filter_map(|(key, v)| short(&format!("{name}: {key}"), v)).collect::<Vec<_>>(),
        None => short(name, v).into_iter().collect(),
    });
    lines.take(60).collect()
}
