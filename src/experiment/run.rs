//! The life of a run: prepare a folder, descend in it, finish it; a resumed run enters at the second part.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use serde_json::Value;

use crate::check::self_check;
use crate::descent::checkpoint;
use crate::descent::gradient_descent::State;
use crate::descent::journal::Journal;
use crate::descent::stop::Stop;
use crate::device::{self, Device, Opened};
use crate::error::{Error, Result};
use crate::objective::divergence::Estimator;
use crate::problem::fit::Fit;

use super::config::Config;
use super::environment::{self, Sitting};
use super::levels::Levels;
use super::reading;
use super::results;
use super::row::{self, Row};
use super::run_folder::{self, Output, Unborn};
use super::setting::Setting;
use super::watch::{Book, METRICS, RECORDED, TRAJECTORY, Watch, problem_records};

/// What happens on the way, for whoever shows it.
#[derive(Debug)]
pub enum Event<'a> {
    /// The device is open; the sentence says which one and why.
    Opened { why: &'a str },
    /// A sentence that people should see: a checkpoint that could not be used, another device than before.
    Note { text: &'a str },
    /// The folder stands, and the descent goes on from `step` of `steps`.
    Begun { folder: &'a Path, step: u64, steps: u64 },
    /// A logged step, one row per replicate.
    Logged { rows: &'a [Row] },
    /// Steps made so far.
    Stepped { step: u64, steps: u64 },
    /// The descent is over and the results are being written.
    Finishing,
}

/// Who asks for a run, and with what.
pub struct Asked<'a> {
    pub device: Device,
    pub command_line: Vec<String>,
    /// Set by Ctrl-C: the piece of steps at hand is finished, and everything is written.
    pub interrupted: &'a AtomicBool,
    pub tell: &'a mut dyn FnMut(&Event),
    /// Write report.html at the end.
    pub report: bool,
}

/// A run that has stopped, for good or for now.
#[derive(Debug)]
pub struct Outcome {
    pub folder: PathBuf,
    pub stop: Stop,
    /// `summary.json`.
    pub summary: Value,
    /// One sentence with the numbers.
    pub finding: String,
    /// There was nothing left to do, and nothing was changed.
    pub was_finished: bool,
}

/// Runs `config` into a new folder. Relative paths of the config start at `base`.
///
/// # Errors
/// Bad input, no device, a device lost, files that cannot be written. Before the descent begins, no folder is left behind.
pub fn run(config: &Config, base: &Path, output: &Output, asked: Asked) -> Result<Outcome> {
    output.check()?;
    let setting = Setting::of(config, base)?;
    let mut opened = open(asked.device, asked.tell)?;
    begin(config, &setting, base, output, &mut opened, asked)
}

/// As [`run`], on a device that is open and checked.
///
/// # Errors
/// As [`run`].
pub fn begin(config: &Config, setting: &Setting, base: &Path, output: &Output, opened: &mut Opened, asked: Asked) -> Result<Outcome> {
    let unborn = Unborn::new(output)?;
    if let Some(text) = setting.plan(config).sentence(opened.backend.describe().starts_with("cpu")) {
        (asked.tell)(&Event::Note { text: &text });
    }
    let mut config = config.with_absolute_paths(base);
    // Written down, so that a resumed run draws the same.
    config.objective.sampler = setting.problem(&config, 0.0).chosen_sampler();
    let sitting = sitting(&asked, opened);
    let (setting, fit) = prepare(&config, setting, unborn.path(), opened, &sitting)?;
    let folder = unborn.publish(output)?;
    let _lock = run_folder::lock(&folder)?;
    let levels = Levels { config: &config, setting: &setting, opened, device: asked.device };
    go_on(&folder, levels, fit, asked).map_err(|error| with_way_back(error, &folder))
}

/// Goes on with the run in `folder`, from its newest good checkpoint and on the device that it began with, unless another is asked for.
///
/// # Errors
/// [`Error::Checkpoint`] where no checkpoint can be used; those of [`run`].
pub fn resume(folder: &Path, mut asked: Asked) -> Result<Outcome> {
    run_folder::small_file(&folder.join("config.toml"))?; // is this a run folder at all?
    let found = checkpoint::newest(folder, &RECORDED)?;
    if let Some(stop) = found.state.stop.filter(|_| results::are_complete(folder)) {
        let (summary, finding) = results::read(folder)?;
        return Ok(Outcome { folder: folder.into(), stop, summary, finding, was_finished: true });
    }
    if asked.device == Device::Auto {
        asked.device = environment::first_choice(folder).unwrap_or_default();
    }
    let lock = run_folder::lock(folder)?; // before a device is looked for
    let (config, setting) = problem_of(folder)?;
    let mut opened = open(asked.device, asked.tell)?;
    continue_in(folder, &config, &setting, &mut opened, asked, lock)
}

/// As [`resume`] of a run that is not finished, on a device that is open and checked.
///
/// # Errors
/// As [`resume`].
pub fn resume_on(folder: &Path, opened: &mut Opened, asked: Asked) -> Result<Outcome> {
    let lock = run_folder::lock(folder)?;
    let (config, setting) = problem_of(folder)?;
    continue_in(folder, &config, &setting, opened, asked, lock)
}

/// Opens a device, says which one, and checks it.
///
/// # Errors
/// [`Error::NoDevice`], [`Error::SelfCheck`].
pub fn open(device: Device, tell: &mut dyn FnMut(&Event)) -> Result<Opened> {
    let mut opened = device::open(device)?;
    tell(&Event::Opened { why: &opened.why });
    self_check(opened.backend.as_mut())?;
    Ok(opened)
}

/// What a run folder says that its problem is.
fn problem_of(folder: &Path) -> Result<(Config, Setting)> {
    let path = folder.join("config.toml");
    let text = String::from_utf8(run_folder::small_file(&path)?).map_err(|e| Error::bad_file(&path, e.to_string(), "Restore the file"))?;
    Ok((reading::config_from(&text, &[], None)?, Setting::read(folder)?))
}

/// `_lock` is the folder's, held until the end.
fn continue_in(folder: &Path, config: &Config, setting: &Setting, opened: &mut Opened, asked: Asked, _lock: File) -> Result<Outcome> {
    let checkpoint::Found { state, versions, .. } = checkpoint::newest(folder, &RECORDED)?;
    // What `auto` stood for as a sampler is written in the folder.
    versions.check(folder, config.objective.estimator == Estimator::Auto)?;
    let sitting = sitting(&asked, opened);
    note_another_device(folder, &sitting, asked.tell);
    // A descent that has ended is lifted from the level that its last step was on.
    let mut levels = Levels { config, setting, opened, device: asked.device };
    let fit = levels.open(if state.stop.is_some() { state.step.saturating_sub(1) } else { state.step })?;
    environment::add_sitting(folder, &sitting, state.step)?;
    go_on(folder, levels, fit, asked).map_err(|error| with_way_back(error, folder))
}

/// Everything that a run needs before its first step, including a checkpoint. What was written is read back, and used from there.
fn prepare(config: &Config, setting: &Setting, folder: &Path, opened: &mut Opened, sitting: &Sitting) -> Result<(Setting, Fit)> {
    run_folder::write_text(&folder.join("config.toml"), &config.to_toml()?)?;
    run_folder::write_json(&folder.join("environment.json"), &environment::new(sitting))?;
    setting.write(folder)?;
    let setting = Setting::read(folder)?;
    let mut fit = Levels { config, setting: &setting, opened, device: sitting.choice }.open(0)?;
    let checkpoints = folder.join(checkpoint::FOLDER);
    std::fs::create_dir(&checkpoints).map_err(|e| Error::io(&checkpoints, e))?;
    let mut metrics = Journal::create(&folder.join(METRICS))?;
    metrics.append(row::header(config.replicates > 1).as_bytes())?;
    let trajectory = Journal::create(&folder.join(TRAJECTORY))?;
    let problem = problem_records(folder)?;
    let mut book = Book { run: folder.into(), metrics, trajectory, problem, number: 0, saved: Instant::now() };
    book.save(&State::start(&mut fit)?)?;
    Ok((setting, fit))
}

/// From the newest good checkpoint to the end. The caller holds the folder's lock.
fn go_on(folder: &Path, mut levels: Levels, mut fit: Fit, asked: Asked) -> Result<Outcome> {
    let (config, setting) = (levels.config, levels.setting);
    let found = checkpoint::newest(folder, &RECORDED)?;
    for why in &found.skipped {
        (asked.tell)(&Event::Note { text: why });
    }
    let mut state = found.state;
    if state.coordinates.len() != fit.n_replicates() * setting.n_components() * fit.rank() {
        return Err(Error::Checkpoint {
            path: folder.into(),
            what: format!("the checkpoint's {} coordinates are not those of the problem", state.coordinates.len()),
            remedy: "Start the run again, into another folder".into(),
        });
    }
    checkpoint::forget_after(folder, found.number)?;
    // The manifest's records end with the two journals.
    let [.., metrics, trajectory] = &found.files[..] else { unreachable!("a checkpoint that verified has all records") };
    let metrics = Journal::cut(&folder.join(METRICS), metrics.length)?;
    let trajectory = Journal::cut(&folder.join(TRAJECTORY), trajectory.length)?;
    let problem = problem_records(folder)?;
    let book = Book { run: folder.into(), metrics, trajectory, problem, number: found.number, saved: Instant::now() };
    state.enter(&mut fit)?;
    if let Some(coarse) = fit.coarse_grid()? {
        (asked.tell)(&Event::Note { text: &coarse });
    }
    if let Some(drawn) = fit.drawn_strata() {
        (asked.tell)(&Event::Note { text: &drawn });
    }
    (asked.tell)(&Event::Begun { folder, step: state.step, steps: config.descent.steps });
    let mut watch = Watch { config, setting, book, tell: asked.tell, measured: levels.measured()? };
    let stop = match state.stop.clone() {
        Some(stop) => stop,
        None => levels.descend(&mut fit, &mut state, &mut watch, asked.interrupted)?,
    };
    state.stop = stop.is_final().then(|| stop.clone());
    watch.book.save(&state)?;
    (watch.tell)(&Event::Finishing);
    fit.set_coordinates(&state.coordinates)?;
    let certified_bias = fit.certified_bias()?;
    let (summary, finding) = results::write(folder, config, setting, &fit.lift(&state.coordinates), &state, &stop, certified_bias)?;
    #[cfg(feature = "report")]
    if asked.report {
        crate::report::write_run(folder)?;
    }
    Ok(Outcome { folder: folder.into(), stop, summary, finding, was_finished: false })
}

/// A run whose device was lost for good has its last checkpoint to go on from.
fn with_way_back(error: Error, folder: &Path) -> Error {
    match error {
        Error::DeviceLost { what } => {
            Error::DeviceLost { what: format!("{what}. The last checkpoint is good, and resuming {} goes on from it", folder.display()) }
        }
        other => other,
    }
}

/// Bits are the same on the same device alone, under the same driver.
fn note_another_device(folder: &Path, sitting: &Sitting, tell: &mut dyn FnMut(&Event)) {
    let (before, now) = (environment::last_computed_on(folder).unwrap_or_default(), sitting.computes_on());
    if before != now {
        tell(&Event::Note {
            text: &format!("this run was on {before} before: on {now}, its last digits will differ from an unbroken run's"),
        });
    }
}

fn sitting(asked: &Asked, opened: &Opened) -> Sitting {
    Sitting {
        choice: asked.device,
        device: opened.backend.describe(),
        details: opened.backend.details(),
        why: opened.why.clone(),
        command_line: asked.command_line.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_run_whose_device_was_lost_speaks_of_its_checkpoint() {
        let lost = || Error::DeviceLost { what: "gpu: it went away".into() };
        let said = with_way_back(lost(), Path::new("runs/a-1")).to_string();
        assert!(said.contains("resuming runs/a-1") && said.contains("Use the CPU"), "{said}");
        assert!(!lost().to_string().contains("checkpoint"));
        let other = with_way_back(Error::bad_input("a", "b"), Path::new("runs/a-1"));
        assert_eq!(other.to_string(), "a. b.");
    }
}
