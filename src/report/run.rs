//! The page of a run: its finding, its charts and its numbers.

use std::path::Path;

use super::bars::{self, Covered};
use super::chart::Chart;
use super::finding::{self, BLIND};
use super::html::{Figure, Page, Table};
use super::run_folder::{Environment, Run};
use super::{band, curves, paths};
use crate::descent::stop::Stop;
use crate::error::Result;
use crate::experiment::summary::{Stopped, Summary};
use crate::mixture::files::write_atomically;

/// Writes `folder/report.html` from the other files of the run folder. Only `metrics.csv` is required: a part of the page whose file is
/// missing or unusable is left out, and the page says which.
///
/// # Errors
/// [`crate::Error::BadFile`] if the folder is not a run folder.
pub fn write_run(folder: &Path) -> Result<()> {
    let run = Run::read(folder)?;
    let page = page(&run)?.html();
    write_atomically(&folder.join("report.html"), |out| out.write_all(page.as_bytes()))
}

fn page(run: &Run) -> Result<Page> {
    let covered = bars::covered(run);
    let of_many = if run.metrics.n_replicates > 1 { ": median (5–95 %)" } else { "" };
    let end = match &run.summary {
        Some(Summary { stop: Stopped { stop: Stop::Diverged { good, .. }, .. }, .. }) => format!("At step {good}, the last good one"),
        _ => "At the end".into(),
    };
    let table = Table {
        name: "Metrics with their standard errors".into(),
        header: ["Metric".into(), format!("At the start{of_many}"), format!("{end}{of_many}"), "Unit".into()].into(),
        rows: finding::table(run).into_iter().map(|r| vec![r.name, r.first, r.last, r.unit.into()]).collect(),
    };
    Ok(Page {
        title: format!("mixscore run {}", run.name),
        finding: finding::sentence(run, covered.as_ref()),
        warning: BLIND.into(),
        facts: finding::facts(run).into_iter().chain(machine(&run.environment)).collect(),
        figures: figures(run, covered.as_ref())?,
        table,
        notes: run.notes.clone(),
        listings: run.config_text.iter().map(|text| ("config.toml".to_string(), text.clone())).collect(),
    })
}

/// The chart, if it could be made, with its title.
fn figure(title: &'static str, chart: Option<Chart>, caption: impl Into<String>) -> Result<Option<Figure>> {
    chart.map(|chart| Ok(Figure { title: title.into(), svg: chart.svg()?, caption: caption.into() })).transpose()
}

fn figures(run: &Run, covered: Option<&Covered>) -> Result<Vec<Figure>> {
    let band = band::words(run);
    let bounded =
        |chart: &Option<Chart>| format!("{band}{}", chart.as_ref().filter(|c| c.has_bounds()).map_or("", |_| band::bound_words(run)));
    let tail = curves::tail(run);
    let prediction = |law: &str| match &tail {
        Some(t) => format!(" Dashed: the predicted tail {law}, with ϱ = {} and c = {}.", t.rank, crate::number::short(t.step_size)),
        None => String::new(),
    };
    let (paths, path_caption) = paths::paths(run).unzip();
    let weights = run.teacher.as_ref().zip(covered).and_then(|(teacher, covered)| bars::chart(teacher, covered));
    let (divergences, kl, lyapunov) = (curves::divergences(run), curves::kl(run), curves::lyapunov(run));
    let of_shares = match run.metrics.n_replicates {
        1 => "",
        _ => " Coverage: the mean over replicates, its band the 95 % Wilson interval.",
    };
    let [of_divergences, of_kl, of_lyapunov] = [&divergences, &kl, &lyapunov].map(bounded);
    let figures = [
        figure("Fisher divergences", divergences, format!("{of_divergences}{}", prediction("ϱσ⁶/(32c²t²)")))?,
        figure("Paths of the means", paths, path_caption.unwrap_or_default())?,
        figure("Total variation and coverage", curves::shares(run), format!("{band}{of_shares}"))?,
        figure("Weights at the end", weights, covered.map_or(String::new(), bars::caption))?,
        figure("Kullback–Leibler divergences", kl, format!("p: student, q: teacher. {of_kl}"))?,
        figure(
            "Lyapunov sum",
            lyapunov,
            format!(
                "The sum of squared distances from the teacher’s one mean, weighted by wᵢ where steps are divided by weights; it should fall at every step. {of_lyapunov}{}",
                prediction("ϱσ⁶/(4ct)")
            ),
        )?,
    ];
    Ok(figures.into_iter().flatten().collect())
}

/// Version, machine, device and command line, as far as `environment.json` has them.
fn machine(environment: &Environment) -> Vec<(String, String)> {
    let clipped = |text: &str, letters: usize| text.chars().take(letters).collect::<String>();
    let Environment { version, build, os, architecture, cpu_count, device_why, command_line } = environment;
    // The path of the program is left out.
    let words: Vec<&str> = command_line.iter().skip(1).take(100).map(String::as_str).collect();
    let lines = [
        ("Chosen because", clipped(device_why, 300)),
        ("Machine", clipped(&format!("{os}, {architecture}, {cpu_count} threads"), 300)),
        ("mixscore", clipped(&format!("{version}, {build}"), 300)),
        ("Command", clipped(&format!("mixscore {}", words.join(" ")), 1000)),
    ];
    lines.into_iter().filter(|_| !version.is_empty()).map(|(name, value)| (name.to_string(), value)).collect()
}
