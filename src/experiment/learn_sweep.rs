//! Learning from several numbers of points or at several degrees: a folder for each, and the summary of all.

use std::io::ErrorKind;
use std::path::Path;

use serde_json::json;

use super::learn::{self, Event, Request};
use super::learn_summary::{Choices, LearnSummary, LearnSweepSummary, SWEEP_SCHEMA};
use super::learn_task::Task;
use super::run_folder::{Output, small_file, write_json};
use crate::error::{Error, Result};

/// One cell of the sweep.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Cell {
    /// `None`: all points.
    pub points: Option<usize>,
    pub degree: usize,
}

/// Every number of points with every degree.
pub(crate) fn cells(points: &[usize], degrees: &[usize]) -> Vec<Cell> {
    let numbers: Vec<Option<usize>> = if points.is_empty() { vec![None] } else { points.iter().copied().map(Some).collect() };
    numbers.iter().flat_map(|points| degrees.iter().map(|degree| Cell { points: *points, degree: *degree })).collect()
}

impl Cell {
    /// `task` for this cell.
    pub(crate) fn task(&self, task: &Task) -> Task {
        let mut own = task.clone();
        own.points = self.points;
        own.options.degree = self.degree;
        own
    }

    fn name(&self) -> String {
        let points = self.points.map_or("all".into(), |n| n.to_string());
        format!("points-{points}-degree-{}", self.degree)
    }
}

/// Learns every cell that is not in `folder` yet. Returns the summaries of all.
///
/// # Errors
/// A folder with other contents, a cell that was learned with other choices, those of [`learn::run`].
pub(crate) fn run(task: &Task, cells: &[Cell], folder: &Path, asked: &mut Request) -> Result<Vec<LearnSummary>> {
    check(folder, cells)?;
    std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
    let mut summaries = Vec::with_capacity(cells.len());
    for (at, cell) in cells.iter().enumerate() {
        let (task, name) = (cell.task(task), cell.name());
        let place = folder.join(&name);
        if let Some(summary) = finished(&place, &task)? {
            summaries.push(summary);
            continue;
        }
        (asked.tell)(&Event::Cell { at: at + 1, of: cells.len(), name: &name });
        summaries.push(learn::run(&task, &Output::At(place), asked)?.1);
    }
    Ok(summaries)
}

/// Writes `summary.json` of the sweep and returns it.
pub(crate) fn write_summary(folder: &Path, data: &str, finding: &str, cells: Vec<LearnSummary>) -> Result<LearnSweepSummary> {
    let summary = LearnSweepSummary { schema: SWEEP_SCHEMA.into(), data: data.into(), finding: finding.into(), cells };
    write_json(&folder.join("summary.json"), &json!(summary))?;
    Ok(summary)
}

/// Refuses a folder that holds anything but this sweep.
fn check(folder: &Path, cells: &[Cell]) -> Result<()> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(|e| Error::bad_file(folder, e.to_string(), "Choose another folder"))?,
    };
    for entry in entries {
        let name = entry.map_err(|e| Error::io(folder, e))?.file_name().to_string_lossy().into_owned();
        let ours = ["summary.json", "report.html"].contains(&name.as_str())
            || name.starts_with(".new-")
            || name.starts_with("points-")
            || cells.iter().any(|cell| cell.name() == name);
        if !ours {
            return Err(Error::bad_file(folder, format!("this folder holds {name}, which is no part of a sweep"), "Choose another folder"));
        }
    }
    Ok(())
}

/// The summary of a cell that was learned before, with the present choices.
fn finished(place: &Path, task: &Task) -> Result<Option<LearnSummary>> {
    let path = place.join("summary.json");
    if path.symlink_metadata().is_err() {
        return Ok(None);
    }
    let bad = |what: String| Error::bad_file(place, what, "Move this folder away, or choose another folder");
    let summary: LearnSummary = serde_json::from_slice(&small_file(&path)?).map_err(|e| bad(e.to_string()))?;
    let (asked, learned) = (json!(Choices::of(task, summary.points)), json!(summary.asked));
    for (key, value) in asked.as_object().into_iter().flatten() {
        let before = &learned[key];
        if before != value {
            return Err(bad(format!("this cell was learned with {key} {before}, and {value} is asked for")));
        }
    }
    Ok(Some(summary))
}
