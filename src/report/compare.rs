//! Runs side by side: the differences of their configs, their final metrics with differences in units of the error, and their curves on the
//! same axes.

use std::collections::BTreeMap;
use std::path::Path;

use maud::{Markup, html};

use super::axis::Axis;
use super::chart::{Chart, Ink};
use super::curves::{add_curve, logarithmic_axis};
use super::finding::BLIND;
use super::html::{self, Figure, Table};
use super::interval::mean_and_error;
use super::paths::paths;
use super::run_folder::Run;
use crate::error::{Error, Result};
use crate::metrics::Metric;
use crate::mixture::files::write_atomically;
use crate::number::{plus_minus, short};

/// At most as many runs as a chart has colours.
const INKS: [Ink; 5] = [Ink::Blue, Ink::Vermillion, Ink::Green, Ink::Text, Ink::Grey];

/// The most keys on a page, and a chart's margin.
const MOST_KEYS: usize = 200;
const MOST_LETTERS: usize = 120;
const MOST_LABEL: usize = 13;
const MOST_SENTENCE: usize = 500;

const DIFFERENCES: &str = "What the configs differ in";

/// Runs, called A, B, C, … in the given order.
pub struct Comparison {
    runs: Vec<Run>,
    /// Key and its value in each run, for the keys in which they differ.
    pub config: Vec<(String, Vec<String>)>,
    pub metrics: Vec<Line>,
}

/// A metric at the end of each run.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    pub metric: Metric,
    /// Value and standard error, which is NaN if unknown; for replicates their mean, and its error from their spread.
    pub values: Vec<Option<(f64, f64)>>,
}

impl Line {
    /// Run `at` less the first, in units of their combined standard error; `None` if an error is unknown or both are zero.
    pub fn in_errors(&self, at: usize) -> Option<f64> {
        let ((first, first_error), (value, error)) = (self.values[0]?, self.values[at]?);
        let combined = first_error.hypot(error);
        (combined > 0.0 && combined.is_finite() && at > 0).then(|| (value - first) / combined)
    }
}

/// Reads the runs and compares them.
///
/// # Errors
/// [`Error::BadChoice`] for fewer than two runs or more than five; [`Error::BadFile`] for a folder that is not a run's.
pub fn compare(folders: &[impl AsRef<Path>]) -> Result<Comparison> {
    if !(2..=INKS.len()).contains(&folders.len()) {
        return Err(Error::BadChoice {
            what: format!("{} run folder{} cannot be compared", folders.len(), if folders.len() == 1 { "" } else { "s" }),
            remedy: format!("Give 2 to {}", INKS.len()),
        });
    }
    let runs = folders.iter().map(|folder| read(folder.as_ref())).collect::<Result<Vec<Run>>>()?;
    let line = |metric| Line { metric, values: runs.iter().map(|run| at_end(run, metric)).collect() };
    let metrics = Metric::ALL.into_iter().map(line).filter(|line| line.values.iter().any(Option::is_some)).collect();
    Ok(Comparison { config: differences(&runs), metrics, runs })
}

fn read(folder: &Path) -> Result<Run> {
    if !folder.is_dir() {
        return Err(Error::bad_file(folder, "there is no such folder", "Give the folder that a run wrote"));
    }
    if folder.join("sweep.toml").exists() {
        return Err(Error::bad_file(
            folder,
            "this is a sweep's folder, not a run's",
            "Give run folders of its cells/, or see all cells on the sweep's own page",
        ));
    }
    Run::read(folder)
}

/// The value at the end of the run, if it is finite in every replicate.
fn at_end(run: &Run, metric: Metric) -> Option<(f64, f64)> {
    let replicates = run.metrics.column(metric)?;
    let last = run.end().filter(|t| replicates.iter().all(|r| r[*t].is_finite()))?;
    match replicates {
        [one] => Some((one[last], run.metrics.standard_error(metric, last).unwrap_or(f64::NAN))),
        many => mean_and_error(&many.iter().map(|r| r[last]).collect::<Vec<f64>>()),
    }
}

/// The keys in which the configs differ, with the values of each; – if one does not have the key.
fn differences(runs: &[Run]) -> Vec<(String, Vec<String>)> {
    let mut keys: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (at, run) in runs.iter().enumerate() {
        let mut add = |key: String, value: &toml::Value| {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_string);
            keys.entry(key).or_insert_with(|| vec!["–".into(); runs.len()])[at] = clipped(&text, MOST_LETTERS);
        };
        for (key, value) in run.config.iter().flatten() {
            flatten(key, value, &mut add);
        }
    }
    keys.into_iter().filter(|(_, values)| values.iter().any(|v| *v != values[0])).take(MOST_KEYS).collect()
}

/// Calls `add` with the full name and value of every key in `value`.
fn flatten(key: &str, value: &toml::Value, add: &mut dyn FnMut(String, &toml::Value)) {
    match value {
        toml::Value::Table(table) => table.iter().for_each(|(inner, value)| flatten(&format!("{key}.{inner}"), value, add)),
        value => add(clipped(key, MOST_LETTERS), value),
    }
}

impl Comparison {
    /// A, B, C, … and the name of its folder.
    pub fn names(&self) -> Vec<(char, String)> {
        ('A'..).zip(&self.runs).map(|(letter, run)| (letter, clipped(&run.name, MOST_LETTERS))).collect()
    }

    /// A sentence for each run that failed: its numbers are those of its last good state.
    pub fn failures(&self) -> Vec<String> {
        let of = |((letter, _), run): ((char, String), &Run)| failure(run).map(|why| format!("{letter} failed: {why}."));
        self.names().into_iter().zip(&self.runs).filter_map(of).collect()
    }

    /// One sentence: the reverse Fisher divergence at the end.
    pub fn finding(&self) -> String {
        let Some(line) = self.metrics.first() else { return "There is no metric that can be compared.".into() };
        let parts = self.names().into_iter().enumerate().map(|(at, (letter, _))| {
            let value = line.values[at].map_or("unknown".into(), |(v, e)| plus_minus(v, e));
            let away = line.in_errors(at).map_or(String::new(), |n| format!(" ({} standard errors from A)", signed(n)));
            format!("{value} in {letter}{away}")
        });
        let parts: Vec<String> = parts.collect();
        let failed: String = self.failures().iter().map(|failure| format!(" {failure}")).collect();
        format!("At the end the {} is {}.{failed}", line.metric.title().to_lowercase().replace("fisher", "Fisher"), parts.join(", "))
    }

    /// The header and the rows of the table of metrics.
    pub fn table(&self) -> (Vec<String>, Vec<Vec<String>>) {
        let mut header = vec!["Metric".to_string()];
        for (at, (letter, _)) in self.names().iter().enumerate() {
            header.push(letter.to_string());
            header.extend((at > 0).then(|| format!("({letter} − A) / error")));
        }
        header.push("Unit".into());
        let row = |line: &Line| {
            let mut row = vec![line.metric.title().to_string()];
            for (at, value) in line.values.iter().enumerate() {
                row.push(value.map_or("–".into(), |(v, e)| plus_minus(v, e)));
                row.extend((at > 0).then(|| line.in_errors(at).map_or("–".into(), signed)));
            }
            row.push(line.metric.unit().into());
            row
        };
        (header, self.metrics.iter().map(row).collect())
    }

    /// Writes the page.
    pub fn write(&self, output: &Path) -> Result<()> {
        let page = self.page()?;
        write_atomically(output, |out| out.write_all(page.as_bytes()))
    }

    fn page(&self) -> Result<String> {
        let names: Vec<String> = self.names().into_iter().map(|(letter, name)| format!("{letter}: {name}")).collect();
        let body = html! {
            p.finding { (self.finding()) }
            p.warning { (BLIND) }
            h2 { "Where the runs ended" }
            (self.metrics_table())
            p.note {
                "± is one standard error, of replicates that of their mean. The differences below the values are in units of the two runs’ \
                 combined error, the root of the sum of squares, which takes the runs as independent; beyond ± 3 they are hardly chance."
            }
            @if self.config.is_empty() {
                h2 { (DIFFERENCES) }
                p { "Nothing." }
            } @else {
                (html::table(&self.config_table()))
            }
            (html::figures(&self.figures()?))
            (html::facts(&self.facts()))
        };
        Ok(html::document(&format!("mixscore compare: {}", names.join(", ")), "", &body))
    }

    /// The differences are below the values, so that five runs fit on paper.
    fn metrics_table(&self) -> Markup {
        let value = |line: &Line, at: usize| line.values[at].map_or("–".into(), |(v, e)| plus_minus(v, e));
        html! {
            div.wide {
                table {
                    thead {
                        tr {
                            th scope="col" { "Metric" }
                            @for (at, (letter, _)) in self.names().into_iter().enumerate() {
                                th scope="col" { (letter) @if at > 0 { small { "(" (letter) " − A) / error" } } }
                            }
                            th scope="col" { "Unit" }
                        }
                    }
                    tbody {
                        @for line in &self.metrics {
                            tr {
                                td { (line.metric.title()) }
                                @for at in 0..self.runs.len() {
                                    td { (value(line, at)) @if let Some(n) = line.in_errors(at) { small { (signed(n)) } } }
                                }
                                td { (line.metric.unit()) }
                            }
                        }
                    }
                }
            }
        }
    }

    fn config_table(&self) -> Table {
        let letters = self.names().into_iter().map(|(letter, _)| letter.to_string());
        let rows = self.config.iter().map(|(key, values)| [std::slice::from_ref(key), values].concat()).collect();
        Table { name: DIFFERENCES.into(), header: ["Key".to_string()].into_iter().chain(letters).collect(), rows }
    }

    fn facts(&self) -> Vec<(String, String)> {
        let of = |(run, (letter, name)): (&Run, (char, String))| {
            let steps = run.end().map_or(0.0, |end| run.metrics.steps[end]);
            let seconds = run.summary.as_ref().map_or(String::new(), |s| format!(" in {} s", short(s.seconds)));
            let device = run.summary.as_ref().and_then(|summary| summary.device.as_ref());
            let device = device.map_or(String::new(), |device| format!(", {}", clipped(device, MOST_LETTERS)));
            let replicates = match run.metrics.n_replicates {
                1 => String::new(),
                r => format!(", {r} replicates"),
            };
            let failed = failure(run).map_or(String::new(), |sentence| format!("; {sentence}"));
            (letter.to_string(), format!("{name}: {steps} steps{seconds}{replicates}{device}{failed}"))
        };
        self.runs.iter().zip(self.names()).map(of).collect()
    }

    fn figures(&self) -> Result<Vec<Figure>> {
        let band = "A line is a run, or the median of its replicates; a band is ± 2 standard errors, or the 5th to 95th percentiles of replicates.";
        let of_shares = "A line is a run, or the mean of its replicates with the 95 % Wilson interval.";
        let bounds = " A bar with an arrow down: the band holds zero, and the bar is its upper end.";
        let mut figures = Vec::new();
        for metric in Metric::ALL.into_iter().filter(|metric| *metric <= Metric::Coverage) {
            if let Some(chart) = self.overlay(metric, &format!("{} ({})", metric.title().replace("KL(", "KL ("), metric.unit())) {
                let caption = if metric == Metric::Coverage { of_shares } else { band };
                let bounds = if chart.has_bounds() { bounds } else { "" };
                figures.push(Figure { title: metric.title().into(), svg: chart.svg()?, caption: format!("{caption}{bounds}") });
            }
        }
        for (run, (letter, name)) in self.runs.iter().zip(self.names()) {
            if let Some((chart, caption)) = paths(run) {
                figures.push(Figure { title: format!("{letter}: {name}, paths of the means"), svg: chart.svg()?, caption });
            }
        }
        Ok(figures)
    }

    /// One metric of all runs on the same axes; linear for fractions, else logarithmic.
    fn overlay(&self, metric: Metric, title: &str) -> Option<Chart> {
        let present = || self.runs.iter().filter(|run| run.metrics.column(metric).is_some());
        present().next()?;
        let y = if metric.is_share() {
            Axis::between(title, -0.03, 1.05)
        } else {
            logarithmic_axis(title, present().map(|run| (run, metric)))?
        };
        let ends = self.runs.iter().filter_map(|run| Some((run.metrics.steps.first()?, run.metrics.steps.last()?)));
        let (first, last) = ends.fold((f64::INFINITY, 0.0f64), |(low, high), (first, last)| (low.min(*first), high.max(*last)));
        let x = Axis::steps(first, last)?;
        let mut chart = Chart { description: "A metric of several runs against the step", x, y, marks: Vec::new() };
        for ((run, (letter, name)), ink) in self.runs.iter().zip(self.names()).zip(INKS) {
            add_curve(&mut chart, run, metric, ink, &clipped(&format!("{letter} {name}"), MOST_LABEL), 0);
        }
        Some(chart)
    }
}

/// "+2.1", "−13".
fn signed(v: f64) -> String {
    let text = if v.abs() < 99.95 {
        format!("{v:+.1}")
    } else if v.abs() < 1e6 {
        format!("{v:+.0}")
    } else {
        format!("{v:+.1e}")
    };
    text.replace('-', "−")
}

/// Why a run failed; its numbers are then those of its last good state.
fn failure(run: &Run) -> Option<String> {
    let stopped = &run.summary.as_ref()?.stop;
    stopped.stop.failure().map(|_| clipped(&stopped.sentence, MOST_SENTENCE))
}

fn clipped(text: &str, letters: usize) -> String {
    if text.chars().count() <= letters { text.into() } else { text.chars().take(letters - 1).chain(['…']).collect() }
}
