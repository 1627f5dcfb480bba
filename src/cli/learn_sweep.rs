//! `mixscore learn` for several numbers of points or degrees: a folder for each, and a page of how the error falls.

use std::io::ErrorKind;
use std::path::Path;

use serde_json::{Value, json};

use super::learn::{Arguments, asked, learned, options, polynomials};
use super::learn_source::{preset, source};
use super::{Common, progress};
use crate::diffusion::watch::Watch;
use crate::error::{Error, Result};
use crate::experiment::run_folder::{Output, small_file, write_json};
use crate::report::learn_sweep::{finding, write_learn_sweep};

/// One place of the sweep.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cell {
    /// `None`: all that are there.
    pub points: Option<usize>,
    pub degree: usize,
}

/// Every number of points with every degree.
pub fn cells(points: &[usize], degrees: &[usize]) -> Vec<Cell> {
    let numbers: Vec<Option<usize>> = if points.is_empty() { vec![None] } else { points.iter().copied().map(Some).collect() };
    numbers.iter().flat_map(|points| degrees.iter().map(|degree| Cell { points: *points, degree: *degree })).collect()
}

impl Cell {
    fn name(&self) -> String {
        let points = self.points.map_or("all".into(), |n| n.to_string());
        format!("points-{points}-degree-{}", self.degree)
    }
}

/// Learns every cell that is not there yet, then writes the sweep's summary and page.
pub fn run(common: &Common, arguments: &Arguments, cells: &[Cell]) -> Result<()> {
    if preset(&arguments.data).is_none() && arguments.truth.is_none() {
        return Err(Error::Usage {
            what: "a sweep shows how far from the truth one is".into(),
            remedy: "Give the truth by --truth, or one number of points and one degree".into(),
        });
    }
    let folder = &arguments.output;
    check(folder, cells)?;
    std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
    let interrupted = progress::interruption();
    let mut summaries = Vec::with_capacity(cells.len());
    for (at, cell) in cells.iter().enumerate() {
        let options = options(common, arguments, *cell);
        let place = folder.join(cell.name());
        if let Some(summary) = finished(&place, |points| asked(arguments, &options, points))? {
            summaries.push(summary);
            continue;
        }
        common.say(&format!("cell {} of {}: {}", at + 1, cells.len(), cell.name()));
        let source = source(&arguments.data, arguments.truth.as_deref(), cell.points, options.seed)?;
        let mut line = progress::Stages::new(common);
        let mut watch = Watch { interrupted, tell: &mut |stage, done| line.show(stage, done) };
        let mut polynomials = polynomials(common, &options)?;
        let (_, summary) = learned(arguments, &source, &options, &Output::At(place), &mut *polynomials, &mut watch)?;
        line.finish();
        summaries.push(summary);
    }
    let summary = json!({"schema": "mixscore.learn-sweep/1", "data": &arguments.data, "finding": finding(&summaries), "cells": summaries});
    write_json(&folder.join("summary.json"), &summary)?;
    write_learn_sweep(&folder.join("report.html"), &summary)?;
    if common.json {
        return common.print_json(&json!({"schema": "mixscore.learn-sweep/1", "folder": folder, "summary": summary}));
    }
    let said = summary["finding"].as_str().unwrap_or_default();
    common.print(&format!("{said}\nResults: {}\nReport:  {}", folder.display(), folder.join("report.html").display()))
}

/// Refuses a folder that holds anything but this sweep.
fn check(folder: &Path, cells: &[Cell]) -> Result<()> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(|e| Error::bad_file(folder, e.to_string(), "Choose another --output"))?,
    };
    for entry in entries {
        let name = entry.map_err(|e| Error::io(folder, e))?.file_name().to_string_lossy().into_owned();
        let ours = ["summary.json", "report.html"].contains(&name.as_str())
            || name.starts_with(".new-")
            || name.starts_with("points-")
            || cells.iter().any(|cell| cell.name() == name);
        if !ours {
            return Err(Error::bad_file(
                folder,
                format!("this folder holds {name}, which is no part of a sweep"),
                "Choose another --output",
            ));
        }
    }
    Ok(())
}

/// The summary of a cell that was learned before, as it is `asked` for now.
fn finished(place: &Path, asked: impl Fn(usize) -> Value) -> Result<Option<Value>> {
    let path = place.join("summary.json");
    if path.symlink_metadata().is_err() {
        return Ok(None);
    }
    let bad = |what: String| Error::bad_file(place, what, "Move this folder away, or choose another --output");
    let summary: Value = serde_json::from_slice(&small_file(&path)?).map_err(|e| bad(e.to_string()))?;
    let asked = asked(summary["points"].as_u64().unwrap_or(0) as usize);
    for (key, value) in asked.as_object().into_iter().flatten() {
        let before = &summary["asked"][key];
        if before != value {
            return Err(bad(format!("this cell was learned with {key} {before}, and {value} is asked for")));
        }
    }
    Ok(Some(summary))
}
