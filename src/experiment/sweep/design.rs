//! The design of a sweep, made of a config with a `[sweep]` table: grids, bundles of keys that change together, and explicit cells.
//!
//! ```toml
//! [sweep.grid]                                  # every combination of these
//! "teacher.separation" = [2, 4, 6]
//!
//! [[sweep.bundles.start]]                       # an axis "start" whose every value sets several keys
//! label = "shell"
//! "student.start" = { scheme = "shell", radius = 1.5 }
//!
//! [[sweep.cells]]                               # and these besides
//! label = "far"                                 # its name on an axis "cell"; left out, the keys it sets are axes
//! "teacher.separation" = 20
//! ```
//!
//! A value takes the place of what the config says at its key, tables included.

use std::collections::HashMap;
use std::path::Path;

use toml::{Table, Value};

use super::axes::{CELL, Point, Section, override_axis, plain, product};
use super::cost::cost;
use super::hash::{Files, hash};
use super::text::with_absolute_paths;
use crate::error::{Error, Result};
use crate::experiment::config::Config;
use crate::experiment::reading::{assignment, config_of, set, table_from};

/// Everything that a sweep is to do.
#[derive(Debug)]
pub struct Design {
    pub name: String,
    /// The text of `sweep.toml`: the base config with every default, and the sweep after `--set`.
    pub text: String,
    /// Keys and names of bundles.
    pub axes: Vec<String>,
    /// The last axis varies fastest; explicit cells come after the grid.
    pub cells: Vec<PlannedCell>,
}

/// A cell to run.
#[derive(Debug)]
pub struct PlannedCell {
    /// The name of its folder: 16 hexadecimal digits of the BLAKE3 of the resolved config and of the files that it names.
    pub hash: String,
    /// By axis, for people.
    pub values: Vec<String>,
    pub config: Config,
    /// The approximate cost, in units that only compare cells.
    pub cost: f64,
}

/// The cells of the sweep in `text`, with `overrides` and `seed` applied. An override of an axis replaces its values by one, or by an
/// array; for a bundle it gives the labels to keep. Relative paths start at `base`.
///
/// # Errors
/// [`Error::BadConfig`] if there is no sweep, or if the base config or that of a cell is invalid.
pub fn design(text: &str, overrides: &[String], seed: Option<u64>, name: &str, base: &Path) -> Result<Design> {
    let mut table = table_from(text)?;
    let Some(mut sweep) = table.remove("sweep") else {
        return Err(Error::bad_config(
            "there is no [sweep] table",
            "Give one, as the config of the preset random-start has it, or run a single experiment",
        ));
    };
    for text in overrides {
        let (key, value) = assignment(text)?;
        if !override_axis(&mut sweep, &key, &value)? {
            set(&mut table, &key, value)?;
        }
    }
    // A sweep has many cells, so by default they write no trajectories.
    if let Value::Table(log) = table.entry("log").or_insert_with(|| Value::Table(Table::new())) {
        log.entry("trajectory").or_insert(Value::Boolean(false));
    }
    let resolved = config_of(table.clone(), seed)?;
    let mut sweep = match sweep {
        Value::Table(sweep) => sweep,
        other => return Err(Error::bad_config(format!("sweep is a {}", other.type_str()), "Make it a table, [sweep.grid]")),
    };
    sweep.entry("name").or_insert_with(|| name.into());
    let section = Section::of(&sweep)?;
    let (axes, cells) = cells(&section, &Base { table, seed, folder: base })?;
    with_absolute_paths(&mut sweep, base);
    let text = format!("{}\n{}", resolved.with_absolute_paths(base).to_toml()?, sweep_text(sweep)?);
    Ok(Design { name: section.name.unwrap_or_else(|| name.into()), text, axes, cells })
}

/// The common part of all cells.
struct Base<'a> {
    table: Table,
    seed: Option<u64>,
    /// The base of relative paths.
    folder: &'a Path,
}

/// The names of the axes, and the cells: those of the grid, then explicit ones, without duplicates.
fn cells(section: &Section, base: &Base) -> Result<(Vec<String>, Vec<PlannedCell>)> {
    let axes = section.axes()?;
    let names = section.axis_names(&axes)?;
    let gridded = product(&axes)?;
    let n_gridded = gridded.len();
    let all: Vec<Vec<Point>> = gridded.into_iter().chain(section.explicit_cells()).collect();
    if base.seed.is_some() && all.iter().flatten().flat_map(|point| &point.settings).any(|(key, _)| key == "seed") {
        return Err(Error::bad_config(
            "the sweep has an axis seed, and a seed is given besides",
            "Leave the seed out, or pin the axis by an override seed=N",
        ));
    }
    let mut seen: HashMap<String, Vec<String>> = HashMap::new();
    let mut cells = Vec::with_capacity(all.len());
    let mut files = Files::at(base.folder);
    for (at, points) in all.iter().enumerate() {
        let n_labels = if at < n_gridded { axes.len() } else { 0 };
        let cell = planned(base, points, &names, n_labels, &mut files)?;
        match seen.insert(cell.hash.clone(), cell.values.clone()) {
            None => cells.push(cell),
            Some(other) if other == cell.values => {}
            Some(other) => {
                return Err(Error::bad_config(
                    format!("the cells {} and {} are the same experiment", other.join(", "), cell.values.join(", ")),
                    "Leave out the axis that has no effect: another one sets its key, or a table that holds it",
                ));
            }
        }
    }
    if cells.is_empty() {
        return Err(Error::bad_config("the sweep has no cell", "Give [sweep.grid], [[sweep.bundles.NAME]] or [[sweep.cells]]"));
    }
    Ok((names, cells))
}

/// The cell of these points, the first `n_labels` of which are values on the first axes; without labels it is an explicit cell.
fn planned(base: &Base, points: &[Point], axes: &[String], n_labels: usize, files: &mut Files) -> Result<PlannedCell> {
    let mut table = base.table.clone();
    let settings = || points.iter().flat_map(|point| &point.settings);
    let with_settings = settings().try_for_each(|(key, value)| set(&mut table, key, value.clone()));
    let config = with_settings.and_then(|()| config_of(table, base.seed)).map_err(|error| match error {
        Error::BadConfig { place, what, remedy } => {
            let values: Vec<String> = settings().map(|(key, value)| format!("{key} = {}", plain(value))).collect();
            Error::BadConfig { place, what: format!("the cell with {}: {what}", values.join(", ")), remedy }
        }
        other => other,
    })?;
    let resolved = Table::try_from(&config).unwrap_or_default();
    let value = |(at, key): (usize, &String)| match points.get(at) {
        Some(point) if at < n_labels && !point.label.is_empty() => point.label.clone(),
        _ if n_labels == 0 && key == CELL => points[0].label.clone(),
        _ => plain_at(&resolved, key),
    };
    let values = axes.iter().enumerate().map(value).collect();
    Ok(PlannedCell { hash: hash(&config, files)?, values, cost: cost(&config), config })
}

/// The value of the resolved config at a key; empty for the name of a bundle.
fn plain_at(table: &Table, key: &str) -> String {
    let (head, last) = key.rsplit_once('.').unwrap_or(("", key));
    let inner = head.split('.').filter(|part| !part.is_empty()).try_fold(table, |t, part| t.get(part)?.as_table());
    inner.and_then(|t| t.get(last)).map_or(String::new(), plain)
}

fn sweep_text(sweep: Table) -> Result<String> {
    toml::to_string_pretty(&Table::from_iter([("sweep".to_string(), Value::Table(sweep))]))
        .map_err(|e| Error::bad_config(format!("the sweep cannot be written as TOML ({e})"), "Use smaller numbers"))
}

#[cfg(test)]
#[path = "design_tests.rs"]
mod tests;
