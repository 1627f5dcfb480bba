//! `mixscore sweep`: a grid of experiments; finished cells are kept and skipped.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::exit::{Failure, Result};
use super::output::refuse_inputs;
use super::run::{Experiment, source};
use super::signals::interruption;
use super::{Common, complain, progress};
use crate::device::Device;
use crate::experiment::config::Config;
use crate::experiment::environment::first_choice;
use crate::experiment::explain::with_name;
use crate::experiment::reading::text_of;
use crate::experiment::sweep::design::{Design, design};
use crate::experiment::sweep::folder::turn;
use crate::experiment::sweep::run::{Event, Request, SweepOutcome, Tally, sweep};
use crate::experiment::sweep::shard::Shard;

/// The shortest time between two lines without a terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// The length of a bar.
const PARTS: u64 = 1000;

#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    pub experiment: Experiment,
    /// The sweep's folder; left out: runs/NAME. Cells that are done in it are kept and skipped.
    #[arg(long, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// Run the I-th of N shares of the cells; left out in a job array: this task's, by SLURM_ARRAY_TASK_ID and SLURM_ARRAY_TASK_COUNT.
    #[arg(long, value_name = "I/N")]
    pub shard: Option<Shard>,
    /// Write a report for every cell, too, those that are done already among them.
    #[arg(long)]
    pub reports: bool,
    /// Say which cells there are, and run none.
    #[arg(long)]
    pub dry_run: bool,
}

pub(super) fn run(common: &Common, arguments: &Arguments) -> Result<()> {
    let Experiment { config, overrides } = &arguments.experiment;
    let source = source(config)?;
    let design =
        design(&source.text, overrides, common.seed, &source.name, &source.base).map_err(|error| with_name(error, &source.label))?;
    if arguments.dry_run {
        return list(common, &design);
    }
    let folder = arguments.output.clone().unwrap_or_else(|| PathBuf::from("runs").join(&source.name));
    let own = folder.join("sweep.toml");
    if std::fs::read(&own).is_ok_and(|before| before != design.text.as_bytes()) {
        refuse_inputs(&own, &[("the config", config.as_path())])?;
    }
    let read = files_of(&design, &source.base);
    for name in ["results.csv", "environment.json"] {
        refuse_inputs(&folder.join(name), &read.iter().map(|path| ("the config's", path.as_path())).collect::<Vec<_>>())?;
    }
    sweep_into(common, &design, &source.base, &folder, Wishes { device: common.device, shard: arguments.shard, reports: arguments.reports })
}

/// The files named in the cells' configs.
fn files_of(design: &Design, base: &Path) -> BTreeSet<PathBuf> {
    let of_cell = |config: &Config| {
        let mut config = config.clone();
        let teacher = config.teacher.file_mut().map(|file| file.clone());
        [teacher, config.student.file].into_iter().flatten().map(|file| base.join(file)).collect::<Vec<_>>()
    };
    design.cells.iter().flat_map(|cell| of_cell(&cell.config)).collect()
}

/// Whether a folder is a sweep's.
pub(super) fn is_sweep(folder: &Path) -> bool {
    folder.join("sweep.toml").is_file()
}

/// Continues the sweep in `folder`: the unfinished cells, on the device that it began with unless another is asked for.
pub(super) fn resume(common: &Common, folder: &Path) -> Result<()> {
    let text = text_of(&folder.join("sweep.toml"))?;
    let design = design(&text, &[], None, "sweep", folder)?;
    let device = if common.device == Device::Auto { first_choice(folder).unwrap_or_default() } else { common.device };
    sweep_into(common, &design, folder, folder, Wishes { device, shard: None, reports: false })
}

/// The options besides the design.
struct Wishes {
    device: Device,
    shard: Option<Shard>,
    /// A report for every cell.
    reports: bool,
}

fn sweep_into(common: &Common, design: &Design, base: &Path, folder: &Path, wishes: Wishes) -> Result<()> {
    let mut show = Show::new(common);
    let request = Request {
        device: wishes.device,
        shard: wishes.shard.map_or_else(|| Shard::of_job_array(|name| std::env::var(name).ok()), Ok)?,
        command_line: progress::command_line(),
        interrupted: interruption(),
        on_event: &mut |event: &Event| show.event(event),
        draw: if wishes.reports { Some(&crate::report::write_run) } else { None },
    };
    let outcome = sweep(design, base, folder, request)?;
    let finding = {
        let _turn = turn(folder);
        crate::report::write_sweep(folder)?
    };
    conclude(common, outcome, &finding)
}

fn list(common: &Common, design: &Design) -> Result<()> {
    if common.json {
        let cells: Vec<_> = design.cells.iter().map(|cell| json!({"hash": cell.hash, "values": cell.values})).collect();
        return common.print_json(&json!({"schema": "mixscore.sweep-plan/1", "name": design.name, "axes": design.axes, "cells": cells}));
    }
    let lines = design.cells.iter().map(|cell| {
        let named: Vec<String> = design.axes.iter().zip(&cell.values).map(|(axis, value)| format!("{axis} = {value}")).collect();
        format!("{}  {}", cell.hash, named.join(", "))
    });
    common.print(&lines.collect::<Vec<_>>().join("\n"))
}

/// Prints how the sweep ended. Returns an error with the exit code if it was cut short or a cell failed.
fn conclude(common: &Common, outcome: SweepOutcome, finding: &str) -> Result<()> {
    let SweepOutcome { folder, tally, failures, .. } = &outcome;
    let said = if common.json {
        let failures: Vec<_> = failures.iter().map(|(hash, error)| json!({"hash": hash, "error": error.to_string()})).collect();
        common.print_json(&json!({
            "schema": "mixscore.sweep/1",
            "folder": folder.to_string_lossy(),
            "cells": tally.cells,
            "done": tally.done,
            "skipped": tally.skipped,
            "failed": failures,
            "busy": tally.busy,
            "interrupted": outcome.interrupted,
            "seconds": outcome.seconds,
            "finding": finding,
            "report": folder.join("report.html").to_string_lossy(),
        }))
    } else {
        common.print(&format!(
            "{finding}\n{} in {}.\nResults: {}\nReport:  {}",
            counts(tally),
            spell(outcome.seconds),
            folder.join("results.csv").display(),
            folder.join("report.html").display(),
        ))
    };
    if outcome.interrupted {
        return Err(Failure::SweepInterrupted { done: tally.done, cells: tally.cells });
    }
    let (failed, cells) = (failures.len(), tally.cells);
    match outcome.failures.into_iter().next() {
        Some((_, first)) => Err(Failure::CellsFailed { failed, cells, first }),
        None => said,
    }
}

/// "94 of 96 cells done (90 before), 2 failed".
fn counts(tally: &Tally) -> String {
    let mut text = format!("{} of {} cell{} done", tally.done, tally.cells, if tally.cells == 1 { "" } else { "s" });
    if tally.skipped > 0 {
        text += &format!(" ({} before)", tally.skipped);
    }
    if tally.failed > 0 {
        text += &format!(", {} failed", tally.failed);
    }
    if tally.busy > 0 {
        text += &format!(", {} left to another process", tally.busy);
    }
    text
}

/// A duration in words.
fn spell(seconds: f64) -> String {
    match seconds {
        s if s < 100.0 => format!("{s:.0} s"),
        s if s < 6000.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}

/// Shows a bar on a terminal, otherwise a line from time to time.
struct Show {
    quiet: bool,
    bar: Option<ProgressBar>,
    shown: Instant,
}

impl Show {
    fn new(common: &Common) -> Show {
        let bar = progress::has_bar(common).then(|| {
            let bar = ProgressBar::new(PARTS);
            let style = ProgressStyle::with_template("{bar:30} {percent}%  {msg}  {elapsed} elapsed");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        });
        Show { quiet: common.quiet, bar, shown: Instant::now() }
    }

    fn event(&mut self, event: &Event) {
        match (event, &self.bar) {
            _ if self.quiet => {}
            (Event::Note { text }, Some(bar)) => bar.println(text),
            (Event::Note { text }, None) => complain(text),
            (Event::Begun { folder, tally }, _) => {
                let text = format!("sweep: {}, {}", folder.display(), counts(tally));
                self.bar.as_ref().map_or_else(|| complain(&text), |bar| bar.println(&text));
            }
            (Event::Passed { tally }, Some(bar)) => {
                bar.set_position((tally.progress * PARTS as f64) as u64);
                bar.set_message(progress_text(tally));
            }
            (Event::Passed { tally }, None) if self.shown.elapsed() >= LINE_EVERY => {
                self.shown = Instant::now();
                complain(&progress_text(tally));
            }
            (Event::Passed { .. }, None) => {}
            (Event::Finishing, bar) => bar.iter().for_each(ProgressBar::finish_and_clear),
        }
    }
}

fn progress_text(tally: &Tally) -> String {
    let left = tally.cells - tally.done - tally.failed - tally.busy;
    let time = tally.seconds_left.map_or(String::new(), |seconds| format!(", about {}", spell(seconds)));
    format!("{}, {left} left{time}", counts(tally))
}
