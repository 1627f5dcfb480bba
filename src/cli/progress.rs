//! Progress of a run on stderr: a bar on a terminal, a line now and then elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::exit::{Failure, Result};
use super::signals::interruption;
use super::{Common, complain};
use crate::descent::stop::Stop;
use crate::experiment::events::Event;
use crate::experiment::row::Row;
use crate::experiment::run::{Outcome, Request};
use crate::number::short;

/// The shortest time between two lines without a terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Whether stderr can show a bar: a terminal that can move its cursor.
pub(super) fn has_bar(common: &Common) -> bool {
    let goes_back = std::env::var_os("TERM").map_or(cfg!(windows), |name| name != "dumb" && !name.is_empty());
    !common.quiet && goes_back && std::io::stderr().is_terminal()
}

/// The command line, for `environment.json`.
pub(super) fn command_line() -> Vec<String> {
    std::env::args_os().map(|argument| argument.to_string_lossy().into_owned()).collect()
}

/// Shows the events of a run.
pub(super) struct Progress {
    quiet: bool,
    bar: Option<ProgressBar>,
    /// The loss at the last logged step.
    loss: String,
    shown: Instant,
}

impl Progress {
    pub(super) fn new(common: &Common) -> Progress {
        let bar = has_bar(common).then(|| {
            let bar = ProgressBar::no_length();
            let style = ProgressStyle::with_template("{bar:30} step {pos}/{len}  {msg}  {elapsed} elapsed, {eta} left");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        });
        Progress { quiet: common.quiet, bar, loss: String::new(), shown: Instant::now() }
    }

    /// Shows one event.
    pub(super) fn show(&mut self, event: &Event) {
        if self.quiet {
            if let Event::Loss { text } = event {
                complain(text);
            }
            return;
        }
        match event {
            Event::Opened { why } => self.line(&format!("device: {why}")),
            Event::Note { text } | Event::Loss { text } => self.line(text),
            Event::Begun { folder, step, steps } => {
                let verb = if *step == 0 { "run" } else { "resumed" };
                self.line(&format!("{verb}: {}, step {step} of {steps}", folder.display()));
                if let Some(bar) = &self.bar {
                    bar.set_length(*steps);
                    bar.set_position(*step);
                    bar.reset_eta();
                }
            }
            Event::Logged { rows } => {
                self.loss = loss(rows);
                if let Some(bar) = &self.bar {
                    bar.set_message(self.loss.clone());
                }
            }
            Event::Stepped { step, steps } => match &self.bar {
                Some(bar) => bar.set_position(*step),
                None if self.shown.elapsed() >= LINE_EVERY => {
                    self.shown = Instant::now();
                    complain(&format!("step {step} of {steps}  {}", self.loss));
                }
                None => {}
            },
            Event::Finishing => {
                if let Some(bar) = &self.bar {
                    bar.finish_and_clear();
                }
            }
        }
    }

    fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None => complain(text),
        }
    }
}

/// The newest reverse Fisher divergence of the first replicate, with its step.
fn loss(rows: &[Row]) -> String {
    let Some(row) = rows.first() else { return String::new() };
    let whose = if rows.len() > 1 { ", replicate 0" } else { "" };
    row.get(crate::metrics::Metric::ReverseFisher)
        .map_or(String::new(), |v| format!("reverse Fisher {} (at step {}{whose})", short(v), row.step))
}

/// Makes or resumes a run with its progress on stderr, and prints its result.
pub(super) fn with_progress(common: &Common, work: impl FnOnce(Request) -> crate::Result<Outcome>) -> Result<()> {
    let mut progress = Progress::new(common);
    let outcome = work(Request {
        device: common.device,
        command_line: command_line(),
        interrupted: interruption(),
        on_event: &mut |event: &Event| progress.show(event),
        draw: Some(&crate::report::write_run),
    })?;
    conclude(common, &outcome)
}

/// Prints the result of a run: one JSON object, or a sentence and the folder. Returns an error with the exit code if the run was cut short.
fn conclude(common: &Common, outcome: &Outcome) -> Result<()> {
    let folder = &outcome.folder;
    let said = if common.json {
        common.print_json(&serde_json::json!({
            "schema": "mixscore.run/1",
            "folder": folder.to_string_lossy(),
            "was_finished": outcome.was_finished,
            "summary": outcome.summary,
        }))
    } else {
        let already = if outcome.was_finished { "This run was finished before; nothing was changed.\n" } else { "" };
        let mut finding = outcome.summary.finding.clone();
        if let Some(first) = finding.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        common.print(&format!(
            "{already}{finding}.\nStopped because {}.\nResults: {}\nReport:  {}",
            because(&outcome.stop.to_string()),
            folder.display(),
            folder.join("report.html").display(),
        ))
    };
    if matches!(outcome.stop, Stop::Diverged { .. }) {
        complain(&go_on(folder, &outcome.stop));
    }
    match (&outcome.stop, outcome.stop.failure()) {
        (Stop::Interrupted { step }, _) => Err(Failure::Interrupted { step: *step, folder: folder.clone() }),
        (_, Some(error)) => Err(error.into()),
        _ => said,
    }
}

/// The command that continues from the last good state of a run that diverged.
fn go_on(folder: &std::path::Path, stop: &Stop) -> String {
    let Stop::Diverged { safe, .. } = stop else { return String::new() };
    let folder = folder.display();
    format!(
        "From the last good state on: mixscore run {folder}/config.toml --set 'student={{file=\"student.npz\"}}' --set descent.step_size={safe}"
    )
}

/// A stop's sentence as the continuation of "the run stopped".
fn because(sentence: &str) -> String {
    match sentence.strip_prefix("interrupted") {
        Some(rest) => format!("it was interrupted{rest}"),
        None => sentence.into(),
    }
}

/// Shows stages of a computation without steps: a bar on a terminal, otherwise a line at the start of each stage.
pub(super) struct Stages {
    quiet: bool,
    bar: Option<ProgressBar>,
    stage: String,
}

impl Stages {
    pub(super) fn new(common: &Common) -> Stages {
        let bar = has_bar(common).then(|| {
            let bar = ProgressBar::new(1000);
            let style = ProgressStyle::with_template("{bar:30} {msg}  {elapsed} elapsed");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        });
        Stages { quiet: common.quiet, bar, stage: String::new() }
    }

    /// Shows that `done` (0 to 1) of `stage` is done.
    pub(super) fn show(&mut self, stage: &str, done: f64) {
        let is_new = self.stage != stage;
        if is_new {
            self.stage = stage.into();
        }
        match &self.bar {
            Some(bar) => {
                bar.set_message(self.stage.clone());
                bar.set_position((1000.0 * done) as u64);
            }
            None if is_new && !self.quiet => complain(stage),
            None => {}
        }
    }

    /// Removes the bar.
    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
