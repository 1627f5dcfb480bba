//! From a config with a `[sweep]` table to the sweep's cells: grids, bundles of keys that move together, and explicit cells.
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
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::{Table, Value};

use super::cost;
use super::table::{MOST_CELLS, STATE};
use super::text::with_absolute_paths;
use crate::error::{Error, Result};
use crate::experiment::config::{Checkpoint, Config};
use crate::experiment::reading::{assignment, config_of, set, table_from};
use crate::objective::estimator::AUTO_VERSION;
use crate::random::streams::RNG_VERSION;

/// Everything that a sweep is to do.
#[derive(Debug)]
pub struct Plan {
    pub name: String,
    /// What `sweep.toml` says: the base config with every default, and the sweep as it stands after `--set`.
    pub text: String,
    /// Keys and names of bundles.
    pub axes: Vec<String>,
    /// The last axis varies fastest; explicit cells come after the grid.
    pub cells: Vec<Planned>,
}

/// A cell that is to be run.
#[derive(Debug)]
pub struct Planned {
    /// The name of its folder: 16 hexadecimal digits of the BLAKE3 of the resolved config and of the files that it names.
    pub hash: String,
    /// By axis, as people read them.
    pub values: Vec<String>,
    pub config: Config,
    /// About how much work it is, in units that only compare cells.
    pub cost: f64,
}

/// The `[sweep]` table.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Sweep {
    name: Option<String>,
    grid: Table,
    bundles: toml::map::Map<String, Value>,
    cells: Vec<Table>,
}

/// One axis.
struct Dimension {
    key: String,
    points: Vec<Point>,
}

/// One value of an axis: how it is called, and which keys it sets.
#[derive(Clone)]
struct Point {
    label: String,
    settings: Vec<(String, Value)>,
}

/// The cells of the sweep in `text`, with `overrides` and `seed` put over it. An override of an axis gives it another value, or, as an
/// array, other values; of a bundle, the labels that are kept. Relative paths start at `base`.
///
/// # Errors
/// [`Error::BadConfig`] where there is no sweep, where the config alone is none, or where a cell's is none.
pub fn plan(text: &str, overrides: &[String], seed: Option<u64>, name: &str, base: &Path) -> Result<Plan> {
    let mut table = table_from(text)?;
    let Some(mut sweep) = table.remove("sweep") else {
        return Err(Error::bad_config("there is no [sweep] table", "Give one, as the preset random-start has it, or run the config alone"));
    };
    for text in overrides {
        let (key, value) = assignment(text)?;
        if !override_axis(&mut sweep, &key, &value)? {
            set(&mut table, &key, value)?;
        }
    }
    // A cell is one of many: its path of means is written where the config asks for it, not by default.
    if let Value::Table(log) = table.entry("log").or_insert_with(|| Value::Table(Table::new())) {
        log.entry("trajectory").or_insert(Value::Boolean(false));
    }
    let resolved = config_of(table.clone(), seed)?;
    let mut sweep = match sweep {
        Value::Table(mut sweep) => {
            sweep.entry("name").or_insert_with(|| name.into());
            sweep
        }
        other => return Err(Error::bad_config(format!("sweep is a {}", other.type_str()), "Make it a table, [sweep.grid]")),
    };
    let spec: Sweep = sweep.clone().try_into().map_err(|e: toml::de::Error| {
        Error::bad_config(
            format!("sweep: {}", e.message().trim_end_matches('.')),
            "A sweep has [sweep.grid], [[sweep.bundles.NAME]] and [[sweep.cells]]",
        )
    })?;
    let dimensions = dimensions(&spec)?;
    let mut all = product(&dimensions)?;
    let n_gridded = all.len();
    for cell in &spec.cells {
        let settings = cell.iter().filter(|(key, _)| *key != "label").map(|(key, value)| (key.clone(), value.clone())).collect();
        all.push(vec![Point { label: cell.get("label").map_or(String::new(), plain), settings }]);
    }
    let axes = axes(&dimensions, &spec.cells);
    refuse_axes(&axes)?;
    if seed.is_some() && all.iter().flatten().flat_map(|point| &point.settings).any(|(key, _)| key == "seed") {
        return Err(Error::bad_config(
            "the sweep sets seed, and a seed is given beside it",
            "Leave it out, or pin the axis by an override, seed=N",
        ));
    }
    let mut seen: HashMap<String, Vec<String>> = HashMap::new();
    let mut cells = Vec::with_capacity(all.len());
    let mut files = Files { base, hashes: HashMap::new() };
    for (at, points) in all.iter().enumerate() {
        let n_labels = if at < n_gridded { dimensions.len() } else { 0 };
        let cell = planned(&table, seed, points, &axes, n_labels, &mut files)?;
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
    with_absolute_paths(&mut sweep, base);
    let text = format!("{}\n{}", resolved.with_absolute_paths(base).to_toml()?, sweep_text(sweep)?);
    Ok(Plan { name: spec.name.unwrap_or_else(|| name.into()), text, axes, cells })
}

fn sweep_text(sweep: Table) -> Result<String> {
    toml::to_string_pretty(&Table::from_iter([("sweep".to_string(), Value::Table(sweep))]))
        .map_err(|e| Error::bad_config(format!("the sweep cannot be written as TOML ({e})"), "Use smaller numbers"))
}

/// Whether `key` is an axis; then it gets `value`, or an array of them.
fn override_axis(sweep: &mut Value, key: &str, value: &Value) -> Result<bool> {
    if let Some(values) = sweep.get_mut("grid").and_then(|grid| grid.get_mut(key)) {
        let of_arrays = values.get(0).is_some_and(Value::is_array);
        let many = value.as_array().is_some_and(|given| !of_arrays || given.first().is_some_and(Value::is_array));
        *values = if many { value.clone() } else { Value::Array(vec![value.clone()]) };
        return Ok(true);
    }
    let Some(Value::Array(points)) = sweep.get_mut("bundles").and_then(|bundles| bundles.get_mut(key)) else { return Ok(false) };
    let wanted: Vec<String> = value.as_array().map_or_else(|| vec![plain(value)], |values| values.iter().map(plain).collect());
    let labels: Vec<String> = points.iter().map(label).collect();
    if let Some(unknown) = wanted.iter().find(|wanted| !labels.contains(wanted)) {
        return Err(Error::bad_config(format!("override {key}: there is no {unknown}"), format!("Choose among {}", labels.join(", "))));
    }
    points.retain(|point| wanted.contains(&label(point)));
    Ok(true)
}

fn dimensions(spec: &Sweep) -> Result<Vec<Dimension>> {
    let list = |key: &str, value: &Value| match value {
        Value::Array(values) if !values.is_empty() => Ok(values.clone()),
        Value::Table(_) => Err(Error::bad_config(
            format!("sweep: {key} is a table"),
            "Put a key with dots into quotes, as \"teacher.separation\" = [2, 3]",
        )),
        _ => Err(Error::bad_config(format!("sweep: {key} has no values"), "Give an array of them, as [2, 3]")),
    };
    let grid = spec.grid.iter().map(|(key, values)| {
        let point = |value: Value| Point { label: plain(&value), settings: vec![(key.clone(), value)] };
        Ok(Dimension { key: key.clone(), points: list(key, values)?.into_iter().map(point).collect() })
    });
    let bundles = spec.bundles.iter().map(|(key, values)| {
        let point = |value: Value| match &value {
            Value::Table(settings) => {
                let settings = settings.iter().filter(|(key, _)| *key != "label").map(|(key, value)| (key.clone(), value.clone()));
                Ok(Point { label: label(&value), settings: settings.collect() })
            }
            other => {
                Err(Error::bad_config(format!("sweep.bundles.{key} holds a {}", other.type_str()), "Write each bundle as a table of keys"))
            }
        };
        Ok(Dimension { key: key.clone(), points: list(key, values)?.into_iter().map(point).collect::<Result<_>>()? })
    });
    grid.chain(bundles).collect()
}

/// Every combination, the last dimension fastest. No dimension: no cell.
fn product(dimensions: &[Dimension]) -> Result<Vec<Vec<Point>>> {
    let n = dimensions.iter().fold(1usize, |n, d| n.saturating_mul(d.points.len()));
    if n > MOST_CELLS {
        return Err(Error::bad_config(
            format!("the sweep has {n} cells"),
            format!("At most {MOST_CELLS}: give fewer values, or several sweeps"),
        ));
    }
    let mut all: Vec<Vec<Point>> = if dimensions.is_empty() { Vec::new() } else { vec![Vec::new()] };
    for dimension in dimensions {
        all = all.iter().flat_map(|head| dimension.points.iter().map(|p| [&head[..], std::slice::from_ref(p)].concat())).collect();
    }
    Ok(all)
}

/// The axis of explicit cells' labels.
const CELL: &str = "cell";

/// Those of the grid and of the bundles, then that of explicit cells with labels, then the keys that cells without one set.
fn axes(dimensions: &[Dimension], cells: &[Table]) -> Vec<String> {
    let mut axes: Vec<String> = dimensions.iter().map(|d| d.key.clone()).collect();
    let (named, bare): (Vec<&Table>, Vec<&Table>) = cells.iter().partition(|cell| cell.contains_key("label"));
    if !named.is_empty() {
        axes.push(CELL.into());
    }
    for key in bare.into_iter().flat_map(Table::keys) {
        if !axes.contains(key) {
            axes.push(key.clone());
        }
    }
    axes
}

/// Columns of results.csv that no axis may be called, and two axes of one name.
fn refuse_axes(axes: &[String]) -> Result<()> {
    let mut seen = std::collections::HashSet::new();
    match axes.iter().find(|axis| ["hash", STATE].contains(&axis.as_str()) || !seen.insert(axis.as_str())) {
        Some(axis) => Err(Error::bad_config(
            format!("an axis of the sweep is called {axis}, as another column of results.csv is"),
            "Give the bundle another name",
        )),
        None => Ok(()),
    }
}

/// The cell of these points, the first `n_labels` of which are values on the first axes; without any it is an explicit cell.
fn planned(table: &Table, seed: Option<u64>, points: &[Point], axes: &[String], n_labels: usize, files: &mut Files) -> Result<Planned> {
    let mut table = table.clone();
    let settings = || points.iter().flat_map(|point| &point.settings);
    let settled = settings().try_for_each(|(key, value)| set(&mut table, key, value.clone())).and_then(|()| config_of(table, seed));
    let config = settled.map_err(|error| match error {
        Error::BadConfig { what, remedy } => {
            let values: Vec<String> = settings().map(|(key, value)| format!("{key} = {}", plain(value))).collect();
            Error::BadConfig { what: format!("the cell with {}: {what}", values.join(", ")), remedy }
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
    Ok(Planned { hash: hash(&config, files)?, values, cost: cost::cost(&config), config })
}

/// What the resolved config says at a key; nothing at the name of a bundle.
fn plain_at(table: &Table, key: &str) -> String {
    let (head, last) = key.rsplit_once('.').unwrap_or(("", key));
    let inner = head.split('.').filter(|part| !part.is_empty()).try_fold(table, |t, part| t.get(part)?.as_table());
    inner.and_then(|t| t.get(last)).map_or(String::new(), plain)
}

/// Of the config, where the bytes of the files that it names stand for their paths: a changed file is another cell, a moved one is not.
fn hash(config: &Config, files: &mut Files) -> Result<String> {
    let mut config = config.clone();
    config.checkpoint = Checkpoint::default(); // it changes no number
    let descent = &config.descent;
    if [descent.gradient_tolerance, descent.divergence_tolerance, descent.movement_tolerance] == [0.0; 3] {
        config.log.early = false; // it adds rows on the way, and nothing is decided at rows
    }
    for file in config.student.file.iter_mut().chain(config.teacher.file_mut()) {
        // A file that cannot be read fails when its cell is run.
        if let Some(hash) = files.hash(file) {
            *file = hash;
        }
    }
    let text = format!("rng {RNG_VERSION}, auto {AUTO_VERSION}\n{}", config.to_toml()?);
    Ok(blake3::hash(text.as_bytes()).to_hex()[..16].to_string())
}

/// The hashes of data files, each read once for all cells.
struct Files<'a> {
    base: &'a Path,
    hashes: HashMap<PathBuf, Option<String>>,
}

impl Files<'_> {
    /// Of a plain file's bytes.
    fn hash(&mut self, file: &str) -> Option<String> {
        let path = self.base.join(file);
        let read = |path: &Path| {
            let file = path.is_file().then(|| std::fs::File::open(path).ok()).flatten()?;
            let mut hasher = blake3::Hasher::new();
            hasher.update_reader(file).ok()?;
            Some(hasher.finalize().to_hex().to_string())
        };
        self.hashes.entry(path).or_insert_with_key(|path| read(path)).clone()
    }
}

fn label(point: &Value) -> String {
    match point.get("label") {
        Some(label) => plain(label),
        None => plain(point),
    }
}

/// A value as people read it: strings bare, 2.0 as 2, tables as their entries.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Float(number) => number.to_string(),
        Value::Array(values) => format!("[{}]", values.iter().map(plain).collect::<Vec<_>>().join(", ")),
        Value::Table(table) => table.iter().map(|(key, value)| format!("{key} {}", plain(value))).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
