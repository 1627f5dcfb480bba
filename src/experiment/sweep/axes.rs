//! The `[sweep]` table: axes with their values, and every combination of them.

use std::collections::HashSet;

use serde::Deserialize;
use toml::{Table, Value};

use super::table::{MOST_CELLS, STATE};
use crate::error::{Error, Result};

/// The `[sweep]` table.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Section {
    pub name: Option<String>,
    grid: Table,
    bundles: toml::map::Map<String, Value>,
    pub cells: Vec<Table>,
}

/// A swept key, or the name of a bundle of keys, and its values.
pub(crate) struct Axis {
    pub key: String,
    pub points: Vec<Point>,
}

/// One value of an axis: its label, and the keys that it sets.
#[derive(Clone)]
pub(crate) struct Point {
    pub label: String,
    pub settings: Vec<(String, Value)>,
}

/// The axis of explicit cells' labels.
pub(crate) const CELL: &str = "cell";

impl Section {
    pub(crate) fn of(sweep: &Table) -> Result<Section> {
        sweep.clone().try_into().map_err(|e: toml::de::Error| {
            Error::bad_config(
                format!("sweep: {}", e.message().trim_end_matches('.')),
                "A sweep has [sweep.grid], [[sweep.bundles.NAME]] and [[sweep.cells]]",
            )
        })
    }

    /// The axes of the grid, then those of the bundles.
    pub(crate) fn axes(&self) -> Result<Vec<Axis>> {
        let grid = self.grid.iter().map(|(key, values)| {
            let point = |value: &Value| Point { label: plain(value), settings: vec![(key.clone(), value.clone())] };
            Ok(Axis { key: key.clone(), points: values_at(key, values)?.iter().map(point).collect() })
        });
        let bundles = self.bundles.iter().map(|(key, values)| {
            let point = |value: &Value| match value {
                Value::Table(settings) => Ok(Point { label: label(value), settings: settings_of(settings) }),
                other => Err(Error::bad_config(
                    format!("sweep.bundles.{key} holds a {}", other.type_str()),
                    "Write each bundle as a table of keys",
                )),
            };
            Ok(Axis { key: key.clone(), points: values_at(key, values)?.iter().map(point).collect::<Result<_>>()? })
        });
        grid.chain(bundles).collect()
    }

    /// The cells beside the grid, each a combination of single values.
    pub(crate) fn explicit_cells(&self) -> impl Iterator<Item = Vec<Point>> {
        self.cells.iter().map(|cell| vec![Point { label: cell.get("label").map_or(String::new(), plain), settings: settings_of(cell) }])
    }

    /// The names of all axes: those of `axes`, then that of explicit cells with labels, then the keys that cells without labels set.
    pub(crate) fn axis_names(&self, axes: &[Axis]) -> Result<Vec<String>> {
        let mut names: Vec<String> = axes.iter().map(|axis| axis.key.clone()).collect();
        let (named, bare): (Vec<&Table>, Vec<&Table>) = self.cells.iter().partition(|cell| cell.contains_key("label"));
        if !named.is_empty() {
            names.push(CELL.into());
        }
        for key in bare.into_iter().flat_map(Table::keys) {
            if !names.contains(key) {
                names.push(key.clone());
            }
        }
        refuse_names(&names)?;
        Ok(names)
    }
}

/// Refuses the names of other columns of results.csv, and two axes with one name.
fn refuse_names(names: &[String]) -> Result<()> {
    let mut seen = HashSet::new();
    match names.iter().find(|name| ["hash", STATE].contains(&name.as_str()) || !seen.insert(name.as_str())) {
        Some(name) => Err(Error::bad_config(
            format!("an axis of the sweep is called {name}, as another column of results.csv is"),
            "Give the bundle another name",
        )),
        None => Ok(()),
    }
}

fn values_at<'a>(key: &str, values: &'a Value) -> Result<&'a [Value]> {
    match values {
        Value::Array(values) if !values.is_empty() => Ok(values),
        Value::Table(_) => Err(Error::bad_config(
            format!("sweep: {key} is a table"),
            "Put a key with dots into quotes, as \"teacher.separation\" = [2, 3]",
        )),
        _ => Err(Error::bad_config(format!("sweep: {key} has no values"), "Give an array of them, as [2, 3]")),
    }
}

/// The keys that a bundle or an explicit cell sets.
fn settings_of(table: &Table) -> Vec<(String, Value)> {
    table.iter().filter(|(key, _)| *key != "label").map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// Every combination of values; the last axis varies fastest. Without axes there are no cells.
pub(crate) fn product(axes: &[Axis]) -> Result<Vec<Vec<Point>>> {
    let n = axes.iter().fold(1usize, |n, axis| n.saturating_mul(axis.points.len()));
    if n > MOST_CELLS {
        return Err(Error::bad_config(
            format!("the sweep has {n} cells"),
            format!("At most {MOST_CELLS}: give fewer values, or several sweeps"),
        ));
    }
    let mut all: Vec<Vec<Point>> = if axes.is_empty() { Vec::new() } else { vec![Vec::new()] };
    for axis in axes {
        all = all.iter().flat_map(|head| axis.points.iter().map(|p| [&head[..], std::slice::from_ref(p)].concat())).collect();
    }
    Ok(all)
}

/// If `key` is an axis of the `[sweep]` table, replaces its values by `value`, or by those of an array. For a bundle `value` is the label
/// to keep, or an array of labels. Returns whether it is an axis.
pub(crate) fn override_axis(sweep: &mut Value, key: &str, value: &Value) -> Result<bool> {
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

fn label(point: &Value) -> String {
    plain(point.get("label").unwrap_or(point))
}

/// A value for people: strings bare, 2.0 as 2, tables as their entries.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Float(number) => number.to_string(),
        Value::Array(values) => format!("[{}]", values.iter().map(plain).collect::<Vec<_>>().join(", ")),
        Value::Table(table) => table.iter().map(|(key, value)| format!("{key} {}", plain(value))).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}
