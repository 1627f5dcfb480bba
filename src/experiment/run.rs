//! The life of a run: prepare a folder, descend in it, write the results. A resumed run starts at the second part.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use super::checkpoint::{self, Found};
use super::config::Config;
use super::environment::{self, Launch};
use super::events::Event;
use super::explain::with_name;
use super::extend::extend;
use super::levels::Levels;
use super::logger::Logger;
use super::meter::Meter;
use super::notes;
use super::reading;
use super::records::Records;
use super::repair;
use super::results;
use super::run_folder::{self, METRICS, Output, StagedFolder};
use super::setting::Setting;
use super::summary::Summary;
use super::teacher::rename_old_bandwidth;
use crate::backend::Kind;
use crate::check::self_check;
use crate::descent::state::State;
use crate::descent::stop::Stop;
use crate::device::{self, Device, Opened};
use crate::error::{Error, Result};
use crate::objective::divergence::Estimator;
use crate::problem::fit::Fit;

/// Draws `report.html` in a run folder whose other files are written.
pub type Draw<'a> = &'a dyn Fn(&Path) -> Result<()>;

/// How a run is made: everything but the experiment itself.
pub struct Request<'a> {
    pub device: Device,
    pub command_line: Vec<String>,
    /// Set by Ctrl-C: the current steps are finished, and everything is written.
    pub interrupted: &'a AtomicBool,
    pub on_event: &'a mut dyn FnMut(&Event),
    /// `None`: no page is drawn.
    pub draw: Option<Draw<'a>>,
}

/// A run that has stopped, for good or for now.
#[derive(Debug)]
pub struct Outcome {
    pub folder: PathBuf,
    pub stop: Stop,
    /// `summary.json`.
    pub summary: Summary,
    /// There was nothing left to do, and nothing was changed.
    pub was_finished: bool,
}

/// Runs `config` into a new folder. Relative paths of the config start at `base`.
///
/// # Errors
/// Bad input, no device, a lost device, files that cannot be written. An error before the descent begins leaves no folder behind.
pub fn run(config: &Config, base: &Path, output: &Output, request: Request) -> Result<Outcome> {
    output.check()?;
    let setting = Setting::of(config, base)?;
    let mut opened = open(request.device, request.on_event)?;
    begin(config, &setting, base, output, &mut opened, request)
}

/// As [`run`], on a device that is open and checked.
pub fn begin(config: &Config, setting: &Setting, base: &Path, output: &Output, opened: &mut Opened, request: Request) -> Result<Outcome> {
    let staged = StagedFolder::new(output)?;
    if let Some(text) = setting.workload(config).sentence(opened.backend.describe().kind == Kind::Cpu) {
        (request.on_event)(&Event::Note { text: &text });
    }
    let mut config = config.with_absolute_paths(base);
    // The resolved sampler is written, so that a resumed run draws the same.
    config.objective.sampler = setting.chosen_sampler(&config);
    let launch = launch(&request, opened);
    let (setting, fit) = prepare(&config, setting, staged.path(), opened, &launch)?;
    let folder = staged.publish(output)?;
    let _lock = run_folder::lock(&folder)?;
    let levels = Levels { config: &config, setting: &setting, opened, device: request.device };
    descend_and_finish(&folder, levels, fit, request).map_err(|error| with_resume_hint(error, &folder))
}

/// Continues the run in `folder` from its newest good checkpoint. `Device::Auto` stands for the device that it began with. `steps` sets a
/// new last step, even if the run was finished.
///
/// # Errors
/// [`Error::Checkpoint`] if no checkpoint can be used; those of [`run`].
pub fn resume(folder: &Path, steps: Option<u64>, mut request: Request) -> Result<Outcome> {
    run_folder::small_file(&folder.join("config.toml"))?; // is this a run folder at all?
    if let Some(steps) = steps {
        let _lock = run_folder::lock(folder)?;
        let (config, setting) = problem_of(folder)?;
        extend(folder, &config, steps, setting.n_components(), setting.n_features())?;
    }
    let found = checkpoint::newest(folder)?;
    if let Some(stop) = found.state.stop.filter(|_| results::are_complete(folder, request.draw.is_some()) && folder.join(METRICS).is_file())
    {
        return Ok(Outcome { folder: folder.into(), stop, summary: Summary::read(folder)?, was_finished: true });
    }
    if request.device == Device::Auto {
        request.device = environment::first_choice(folder).unwrap_or_default();
    }
    let lock = run_folder::lock(folder)?; // before a device is opened
    let (config, setting) = problem_of(folder)?;
    let mut opened = open(request.device, request.on_event)?;
    continue_in(folder, &config, &setting, &mut opened, request, lock)
}

/// As [`resume`] of a run that is not finished, on a device that is open and checked.
pub fn resume_on(folder: &Path, opened: &mut Opened, request: Request) -> Result<Outcome> {
    let lock = run_folder::lock(folder)?;
    let (config, setting) = problem_of(folder)?;
    continue_in(folder, &config, &setting, opened, request, lock)
}

/// Opens a device, says which one, and checks it.
pub fn open(device: Device, on_event: &mut dyn FnMut(&Event)) -> Result<Opened> {
    let mut opened = device::open(device)?;
    on_event(&Event::Opened { why: &opened.why });
    self_check(opened.backend.as_mut())?;
    Ok(opened)
}

/// The problem of a run folder.
fn problem_of(folder: &Path) -> Result<(Config, Setting)> {
    let path = folder.join("config.toml");
    let text = String::from_utf8(run_folder::small_file(&path)?).map_err(|e| Error::bad_file(&path, e.to_string(), "Restore the file"))?;
    let read = |text: &str| {
        let mut table = reading::table_from(text)?;
        rename_old_bandwidth(&mut table);
        reading::config_of(table, None)
    };
    let config = read(&text).map_err(|error| with_name(error, &path.display().to_string()))?;
    Ok((config, Setting::read(folder)?))
}

/// `_lock` is the folder's lock, held until the end.
fn continue_in(folder: &Path, config: &Config, setting: &Setting, opened: &mut Opened, request: Request, _lock: File) -> Result<Outcome> {
    let Found { state, versions, .. } = checkpoint::newest(folder)?;
    // The folder's config has the resolved sampler, but not the resolved estimator.
    versions.check(folder, config.objective.estimator == Estimator::Auto)?;
    let launch = launch(&request, opened);
    note_another_device(folder, &launch, request.on_event);
    // A finished descent stands at the noise of its last step.
    let mut levels = Levels { config, setting, opened, device: request.device };
    let fit = levels.open(if state.stop.is_some() { state.step.saturating_sub(1) } else { state.step }, Some(&state.gaps))?;
    environment::add_launch(folder, &launch, state.step)?;
    descend_and_finish(folder, levels, fit, request).map_err(|error| with_resume_hint(error, folder))
}

/// Prepares everything that a run needs before its first step, including a checkpoint. Files are written and read back, and the numbers
/// read are used.
fn prepare(config: &Config, setting: &Setting, folder: &Path, opened: &mut Opened, launch: &Launch) -> Result<(Setting, Fit)> {
    run_folder::write_text(&folder.join("config.toml"), &config.to_toml()?)?;
    run_folder::write_json(&folder.join("environment.json"), &environment::new(launch))?;
    setting.write(folder)?;
    let setting = Setting::read(folder)?;
    let mut fit = Levels { config, setting: &setting, opened, device: launch.choice }.open(0, None)?;
    Records::create(folder, config.replicates)?.save(&State::start(&mut fit)?)?;
    Ok((setting, fit))
}

/// From the newest good checkpoint to the end. The caller holds the folder's lock.
fn descend_and_finish(folder: &Path, mut levels: Levels, mut fit: Fit, request: Request) -> Result<Outcome> {
    let (config, setting) = (levels.config, levels.setting);
    let mut found = pick_up(folder, &fit, setting, request.on_event)?;
    found.state.load_into(&mut fit)?;
    let notes = [fit.coarse_grid()?, fit.drawn_strata()];
    notes.iter().flatten().for_each(|text| (request.on_event)(&Event::Note { text }));
    let mut meter = Meter { config, setting, measured: levels.measured()?, rare: None };
    let records = reopen_records(folder, &mut levels, &mut meter, &mut fit, &mut found, request.on_event)?;
    let mut state = found.state;
    (request.on_event)(&Event::Begun { folder, step: state.step, steps: config.descent.steps });
    let mut logger = Logger { meter, records, on_event: request.on_event };
    let stop = match state.stop.clone() {
        Some(stop) => stop,
        None => levels.descend(&mut fit, &mut state, &mut logger, request.interrupted)?,
    };
    state.stop = stop.is_final().then(|| stop.clone());
    logger.records.save(&state)?;
    (logger.on_event)(&Event::Finishing);
    let mut summary = results::write(folder, config, setting, &state, &stop, &mut fit)?;
    let rule = levels.rule(state.step);
    summary.notes = notes::of(folder, &mut logger.meter, &state, &stop, &mut fit, &rule, request.interrupted)?;
    summary.write(folder)?;
    summary.notes.iter().for_each(|text| (logger.on_event)(&Event::Note { text }));
    if let Some(draw) = request.draw {
        draw(folder)?;
    }
    Ok(Outcome { folder: folder.into(), stop, summary, was_finished: false })
}

/// The newest good checkpoint, which must belong to the problem of `fit`. Later ones are removed.
fn pick_up(folder: &Path, fit: &Fit, setting: &Setting, on_event: &mut dyn FnMut(&Event)) -> Result<Found> {
    let found = checkpoint::newest(folder)?;
    found.skipped.iter().for_each(|text| on_event(&Event::Note { text }));
    if found.state.coordinates.len() != fit.n_replicates() * setting.n_components() * fit.rank() {
        return Err(Error::Checkpoint {
            path: folder.into(),
            what: format!("the checkpoint's {} coordinates are not those of the problem", found.state.coordinates.len()),
            remedy: "Start the run again, into another folder".into(),
        });
    }
    checkpoint::forget_after(folder, found.number)?;
    Ok(found)
}

/// The journals as they were at the checkpoint, where `fit` stands. Damaged ones are mended, and events say what was lost.
fn reopen_records(
    folder: &Path,
    levels: &mut Levels,
    meter: &mut Meter,
    fit: &mut Fit,
    found: &mut Found,
    on_event: &mut dyn FnMut(&Event),
) -> Result<Records> {
    let faults: Vec<Option<String>> = found.journals.iter().map(|journal| journal.verify(folder).err()).collect();
    if faults.iter().all(Option::is_none) {
        return Records::reopen(folder, found.number, &found.journals);
    }
    let logged = repair::measured_again(levels, meter, fit, &found.state)?;
    let losses = repair::repair(folder, &mut found.journals, &faults, &logged, &levels.whole_schedule(), levels.config)?;
    environment::add_notes(folder, &losses)?;
    losses.iter().for_each(|text| on_event(&Event::Loss { text }));
    let mut records = Records::reopen(folder, found.number, &found.journals)?;
    records.save(&found.state)?; // the new checkpoint records the mended journals
    Ok(records)
}

/// If the device was lost for good, adds that the run can be resumed from the last checkpoint.
fn with_resume_hint(error: Error, folder: &Path) -> Error {
    match error {
        Error::DeviceLost { what } => {
            Error::DeviceLost { what: format!("{what}. The last checkpoint is good, and resuming {} goes on from it", folder.display()) }
        }
        other => other,
    }
}

/// The bits are the same only on the same device under the same driver, so a change is reported.
fn note_another_device(folder: &Path, launch: &Launch, on_event: &mut dyn FnMut(&Event)) {
    let (before, now) = (environment::last_computed_on(folder).unwrap_or_default(), launch.computes_on());
    if before != now {
        on_event(&Event::Note {
            text: &format!("this run was on {before} before: on {now}, its last digits will differ from an unbroken run's"),
        });
    }
}

fn launch(request: &Request, opened: &Opened) -> Launch {
    Launch {
        choice: request.device,
        device: opened.backend.describe().to_string(),
        details: opened.backend.describe().details(),
        why: opened.why.clone(),
        command_line: request.command_line.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_run_whose_device_was_lost_speaks_of_its_checkpoint() {
        let lost = || Error::DeviceLost { what: "gpu: it went away".into() };
        let said = with_resume_hint(lost(), Path::new("runs/a-1")).to_string();
        assert!(said.contains("resuming runs/a-1") && said.contains("Use the CPU"), "{said}");
        assert!(!lost().to_string().contains("checkpoint"));
        let other = with_resume_hint(Error::bad_input("a", "b"), Path::new("runs/a-1"));
        assert_eq!(other.to_string(), "a. b.");
    }
}
