//! The life of a sweep: one cell after another, on a device that is opened and checked once. Finished cells are skipped; the errors of
//! failed cells are kept.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::design::{Design, PlannedCell};
use super::folder;
use super::results;
use super::shard::Shard;
use super::table::{CellState, failure, state};
use crate::descent::stop::Stop;
use crate::device::{Device, Opened};
use crate::error::{Error, Result};
use crate::experiment::events::Event as RunEvent;
use crate::experiment::run::{self, Draw, Outcome};
use crate::experiment::run_folder::{self, Output};
use crate::experiment::setting::Setting;

/// The events of a sweep, for display.
#[derive(Debug)]
pub enum Event<'a> {
    /// A sentence that people should see.
    Note { text: &'a str },
    /// The folder exists.
    Begun { folder: &'a Path, tally: &'a Tally },
    /// Steps were made, or a cell ended.
    Passed { tally: &'a Tally },
    /// All cells are over and the results are being written.
    Finishing,
}

/// The progress of this process.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// The cells of this process's shard.
    pub cells: usize,
    pub done: usize,
    /// Those of `done` that were done before.
    pub skipped: usize,
    pub failed: usize,
    /// Cells on which another process works.
    pub busy: usize,
    /// The fraction of the cost that is done, from 0 to 1.
    pub progress: f64,
    /// Estimated seconds for the rest; `None` until there is an estimate.
    pub seconds_left: Option<f64>,
}

/// How a sweep is made: everything but its design.
pub struct Request<'a> {
    pub device: Device,
    pub shard: Shard,
    pub command_line: Vec<String>,
    /// Set by Ctrl-C: the current steps are finished, and everything is written.
    pub interrupted: &'a AtomicBool,
    pub on_event: &'a mut dyn FnMut(&Event),
    /// Called for each finished cell; `None`: cells have no pages.
    pub draw: Option<Draw<'a>>,
}

/// A sweep that has stopped, for good or for now.
#[derive(Debug)]
pub struct SweepOutcome {
    pub folder: PathBuf,
    pub tally: Tally,
    /// Hash and error of each failed cell of this process.
    pub failures: Vec<(String, Error)>,
    pub interrupted: bool,
    pub seconds: f64,
}

/// Runs the unfinished cells of this shard of `design` into `folder`. Relative paths of the config start at `base`.
///
/// # Errors
/// A folder with other contents, no device, files that cannot be written. A failure of a cell is no error here.
pub fn sweep(design: &Design, base: &Path, folder: &Path, request: Request) -> Result<SweepOutcome> {
    let changed = folder::prepare(folder, design)?;
    let mut sweep = Sweep {
        design,
        base,
        folder,
        request,
        tally: Tally::default(),
        failures: Vec::new(),
        busy: Vec::new(),
        begun: Instant::now(),
        spent: 0.0,
        work: 0.0,
    };
    if changed {
        (sweep.request.on_event)(&Event::Note { text: "the sweep in this folder was another one: cells that both have are kept" });
    }
    let todo = sweep.todo()?;
    results::write(folder, design)?;
    (sweep.request.on_event)(&Event::Begun { folder, tally: &sweep.tally });
    if !todo.is_empty() {
        sweep.run_cells(&todo)?;
        sweep.look_again_at_busy_cells()?;
    }
    (sweep.request.on_event)(&Event::Finishing);
    results::write(folder, design)?;
    let interrupted = sweep.request.interrupted.load(Ordering::SeqCst) && sweep.tally.done + sweep.tally.failed < sweep.tally.cells;
    Ok(SweepOutcome {
        folder: folder.into(),
        tally: sweep.tally,
        failures: sweep.failures,
        interrupted,
        seconds: sweep.begun.elapsed().as_secs_f64(),
    })
}

struct Sweep<'a, 'b> {
    design: &'a Design,
    base: &'a Path,
    folder: &'a Path,
    request: Request<'b>,
    tally: Tally,
    failures: Vec<(String, Error)>,
    /// The hashes of cells on which another process was working.
    busy: Vec<String>,
    begun: Instant,
    /// The cost of the cells that this process has done, and of all its cells.
    spent: f64,
    work: f64,
}

impl Sweep<'_, '_> {
    /// The unfinished cells of this process.
    fn todo(&mut self) -> Result<Vec<usize>> {
        let costs: Vec<f64> = self.design.cells.iter().map(|cell| cell.cost).collect();
        let mine = self.request.shard.cells(&costs);
        self.tally.cells = mine.len();
        let mut todo = Vec::new();
        for cell in mine {
            if state(self.folder, &self.design.cells[cell].hash, &mut 0)?.0 == CellState::Done {
                self.tally.done += 1;
                self.tally.skipped += 1;
                self.draw(&self.design.cells[cell].hash)?;
            } else {
                self.work += costs[cell];
                todo.push(cell);
            }
        }
        Ok(todo)
    }

    /// Draws the page of a finished cell, if one is asked for and missing.
    fn draw(&self, hash: &str) -> Result<()> {
        let cell = self.folder.join("cells").join(hash);
        match self.request.draw {
            Some(draw) if !cell.join("report.html").exists() => draw(&cell),
            _ => Ok(()),
        }
    }

    fn run_cells(&mut self, todo: &[usize]) -> Result<()> {
        let on_event = &mut *self.request.on_event;
        let mut opened = run::open(self.request.device, &mut |event| note(event, on_event))?;
        folder::write_environment(self.folder, &opened, self.request.device, &self.request.command_line)?;
        let mut written = Instant::now();
        for (at, cell) in todo.iter().map(|cell| &self.design.cells[*cell]).enumerate() {
            if self.request.interrupted.load(Ordering::SeqCst) {
                break;
            }
            self.run_cell(cell, &mut opened)?;
            self.spent += cell.cost;
            self.pass(0.0);
            // Writing the table reads every summary, so it is done once a minute at most.
            if at + 1 < todo.len() && written.elapsed().as_secs() >= 60 {
                results::write(self.folder, self.design)?;
                written = Instant::now();
            }
        }
        Ok(())
    }

    /// Cells on which another process was working may be done by now.
    fn look_again_at_busy_cells(&mut self) -> Result<()> {
        for hash in std::mem::take(&mut self.busy) {
            if state(self.folder, &hash, &mut 0)?.0 == CellState::Done {
                self.tally.busy -= 1;
                self.tally.done += 1;
                self.draw(&hash)?;
            }
        }
        Ok(())
    }

    /// Runs one cell unless another process has it. A failure of the cell is written down; it is an error only if that cannot be written.
    fn run_cell(&mut self, cell: &PlannedCell, opened: &mut Opened) -> Result<()> {
        let lock = claim(self.folder, &cell.hash)?;
        // The cell may have been resumed as a run of its own.
        let place = self.folder.join("cells").join(&cell.hash);
        let Some(_lock) = lock.filter(|_| !run_folder::is_locked(&place)) else {
            self.tally.busy += 1;
            self.busy.push(cell.hash.clone());
            return Ok(());
        };
        if state(self.folder, &cell.hash, &mut 0)?.0 == CellState::Done {
            self.tally.done += 1; // by another process, meanwhile
            return self.draw(&cell.hash);
        }
        let failed = failure(self.folder, &cell.hash);
        let outcome = match self.attempt(cell, opened) {
            Err(Error::DeviceLost { .. }) => {
                *opened = run::open(self.request.device, &mut |_| ())?;
                self.attempt(cell, opened)
            }
            first => first,
        };
        let error = match outcome {
            Ok(Outcome { stop: Stop::Interrupted { .. }, .. }) => return Ok(()),
            Ok(outcome) => match outcome.stop.failure() {
                Some(error) => error,
                None => {
                    self.tally.done += 1;
                    let _ = std::fs::remove_file(&failed);
                    return Ok(());
                }
            },
            Err(error) => error,
        };
        run_folder::write_text(&failed, &format!("{error}\n"))?;
        self.tally.failed += 1;
        let named: Vec<String> = self.design.axes.iter().zip(&cell.values).map(|(axis, value)| format!("{axis} = {value}")).collect();
        (self.request.on_event)(&Event::Note { text: &format!("cell {} ({}) failed: {error}", cell.hash, named.join(", ")) });
        self.failures.push((cell.hash.clone(), error));
        Ok(())
    }

    /// Starts a run, or resumes one that was cut short. If its checkpoints are unusable, it starts again.
    fn attempt(&mut self, cell: &PlannedCell, opened: &mut Opened) -> Result<Outcome> {
        let place = self.folder.join("cells").join(&cell.hash);
        let output = Output::At(place.clone());
        folder::remove_leftovers(&self.folder.join("cells"), &output.hidden_prefix());
        if place.exists() {
            match self.on(cell, |request| run::resume_on(&place, opened, request)) {
                Err(Error::Checkpoint { .. }) => std::fs::remove_dir_all(&place).map_err(|e| Error::io(&place, e))?,
                outcome => return outcome,
            }
        }
        let setting = Setting::of(&cell.config, self.base)?;
        let base = self.base;
        self.on(cell, |request| run::begin(&cell.config, &setting, base, &output, opened, request))
    }

    /// Calls `run` with the requests of this sweep, and passes on its progress.
    fn on(&mut self, cell: &PlannedCell, run: impl FnOnce(run::Request) -> Result<Outcome>) -> Result<Outcome> {
        let (device, command_line) = (self.request.device, self.request.command_line.clone());
        let (interrupted, draw) = (self.request.interrupted, self.request.draw);
        let on_event = &mut |event: &RunEvent| match event {
            RunEvent::Stepped { step, steps } => self.pass(cell.cost * *step as f64 / (*steps).max(1) as f64),
            other => note(other, self.request.on_event),
        };
        run(run::Request { device, command_line, interrupted, on_event, draw })
    }

    /// Reports the progress, with `part` of the present cell's cost done.
    fn pass(&mut self, part: f64) {
        let behind = self.spent + part;
        self.tally.progress = if self.work > 0.0 { behind / self.work } else { 1.0 };
        self.tally.seconds_left = (behind > 0.0).then(|| self.begun.elapsed().as_secs_f64() * (self.work - behind) / behind);
        (self.request.on_event)(&Event::Passed { tally: &self.tally });
    }
}

/// Of the events of a cell, a sweep passes on the device and the notes.
fn note(event: &RunEvent, on_event: &mut dyn FnMut(&Event)) {
    match event {
        RunEvent::Opened { why } => on_event(&Event::Note { text: &format!("device: {why}") }),
        RunEvent::Note { text } | RunEvent::Loss { text } => on_event(&Event::Note { text }),
        _ => {}
    }
}

/// The lock of a cell, which lasts as long as the file is held and ends with the process; `None` if another process holds it.
fn claim(folder: &Path, hash: &str) -> Result<Option<File>> {
    let path = folder.join("locks").join(hash);
    let _turn = folder::turn(folder); // whoever looks whether a cell is claimed holds its lock for a moment
    let file = File::options().write(true).create(true).truncate(false).open(&path).map_err(|e| Error::io(&path, e))?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Ok(None),
        // A file system without locks: continue without one.
        Ok(()) | Err(TryLockError::Error(_)) => Ok(Some(file)),
    }
}
