//! The arrangement of a sweep's cells on its page: the two longest numeric axes make a map, the others make several maps; with one numeric
//! axis and few curves, lines.

use std::collections::{BTreeSet, HashMap};

use crate::experiment::sweep::table::SweepTable;
use crate::number::swept;

/// The most rows on a page.
const MOST_ROWS: usize = 40;
const MOST_COLUMNS: usize = 12;
const MOST_PANELS: usize = 12;

/// At most as many curves as a chart has colours.
pub(super) const MOST_CURVES: usize = 5;

/// An axis with at least two values.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Side {
    /// Its index among the sweep's axes.
    pub at: usize,
    /// Its name in charts.
    pub name: String,
    /// Numbers in ascending order; other values in the sweep's order.
    pub values: Vec<String>,
    pub is_numeric: bool,
}

/// One map or one curve: its values on the other axes, and its cells by place; `None` if the sweep has no such cell.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Panel {
    pub name: String,
    /// By row, then by column; a curve has one column.
    pub cells: Vec<Vec<Option<usize>>>,
}

/// The arrangement of all cells.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Layout {
    pub rows: Option<Side>,
    pub columns: Option<Side>,
    pub panels: Vec<Panel>,
    pub are_lines: bool,
    /// What the page leaves out, in sentences.
    pub left_out: Vec<String>,
}

/// The axes of a sweep that vary.
pub(super) fn sides(table: &SweepTable) -> Vec<Side> {
    let varying = table.axes.iter().enumerate().filter(|(_, axis)| axis.values.len() > 1);
    varying
        .map(|(at, axis)| {
            let mut values = axis.values.clone();
            let is_numeric = values.iter().all(|v| number(v).is_some());
            if is_numeric {
                values.sort_by(|a, b| number(a).unwrap_or(0.0).total_cmp(&number(b).unwrap_or(0.0)));
            }
            Side { at, name: name(&axis.key).into(), values, is_numeric }
        })
        .collect()
}

/// The value of a numeric axis.
pub(super) fn number(value: &str) -> Option<f64> {
    value.parse().ok().filter(|v: &f64| v.is_finite())
}

/// The name of a key in charts.
pub(super) fn name(key: &str) -> &str {
    match key {
        "teacher.separation" => "separation",
        "teacher.features" => "d",
        "teacher.components" => "K",
        "student.components" => "k",
        "student.start" => "start",
        "descent.step_size" => "step size",
        "objective.noise" => "noise",
        "objective.samples" => "samples",
        "objective.divergence" => "divergence",
        other => other,
    }
}

/// Arranges the cells.
pub(super) fn layout(table: &SweepTable) -> Layout {
    let mut others = sides(table);
    // The longest first; among equals the sweep's order.
    others.sort_by_key(|side| (!side.is_numeric, std::cmp::Reverse(side.values.len())));
    let n_numeric = others.iter().filter(|side| side.is_numeric).count();
    let lines = n_numeric == 1 && combinations(table, &others[1..]).len() <= MOST_CURVES && others[0].values.len() > 2;
    let first = (!others.is_empty()).then(|| others.remove(0));
    let second = (!lines && !others.is_empty()).then(|| others.remove(0));
    let (mut rows, mut columns) = match (first, second) {
        // The longer one is vertical, because pages scroll that way.
        (Some(a), Some(b)) if b.values.len() > a.values.len() => (Some(b), Some(a)),
        pair => pair,
    };
    let mut left_out = Vec::new();
    for (side, most) in [(&mut rows, if lines { usize::MAX } else { MOST_ROWS }), (&mut columns, MOST_COLUMNS)] {
        if let Some(side) = side.as_mut().filter(|side| side.values.len() > most) {
            left_out.push(format!("The maps show {most} of {} values of {}", side.values.len(), side.name));
            side.values = thinned(std::mem::take(&mut side.values), most);
        }
    }
    others.sort_by_key(|side| side.at);
    let mut names = combinations(table, &others);
    if names.len() > MOST_PANELS {
        left_out.push(format!("There are maps of {MOST_PANELS} of {} combinations of the other axes", names.len()));
        names = thinned(names, MOST_PANELS);
    }
    let panels = panels(table, &rows, &columns, &others, &names);
    Layout { rows, columns, panels, are_lines: lines, left_out }
}

/// The combinations of values on these axes that the sweep has, by the values' indices, in order. There are at most as many as cells.
fn combinations(table: &SweepTable, sides: &[Side]) -> Vec<Vec<usize>> {
    let places: Vec<HashMap<&str, usize>> = sides.iter().map(places).collect();
    let of = |values: &[String]| sides.iter().zip(&places).map(|(side, places)| places[values[side.at].as_str()]).collect::<Vec<_>>();
    table.cells.iter().map(|cell| of(&cell.values)).collect::<BTreeSet<_>>().into_iter().collect()
}

/// The index of each value of an axis.
fn places(side: &Side) -> HashMap<&str, usize> {
    side.values.iter().enumerate().map(|(i, value)| (value.as_str(), i)).collect()
}

/// A panel for each combination of values on the other axes.
fn panels(table: &SweepTable, rows: &Option<Side>, columns: &Option<Side>, others: &[Side], names: &[Vec<usize>]) -> Vec<Panel> {
    let count = |side: &Option<Side>| side.as_ref().map_or(1, |side| side.values.len());
    let title = |name: &Vec<usize>| {
        let parts = others.iter().zip(name).map(|(side, i)| format!("{} = {}", side.name, clipped(&swept(&side.values[*i]))));
        parts.collect::<Vec<_>>().join(", ").chars().take(160).collect::<String>()
    };
    let mut panels: Vec<Panel> =
        names.iter().map(|name| Panel { name: title(name), cells: vec![vec![None; count(columns)]; count(rows)] }).collect();
    let numbers: HashMap<&[usize], usize> = names.iter().enumerate().map(|(i, name)| (name.as_slice(), i)).collect();
    let other_places: Vec<HashMap<&str, usize>> = others.iter().map(places).collect();
    let [row_places, column_places] = [rows, columns].map(|side| side.as_ref().map(places));
    let along = |side: &Option<Side>, places: &Option<HashMap<&str, usize>>, values: &[String]| match (side, places) {
        (Some(side), Some(places)) => places.get(values[side.at].as_str()).copied(),
        _ => Some(0),
    };
    for (at, cell) in table.cells.iter().enumerate() {
        let name: Vec<usize> = others.iter().zip(&other_places).map(|(side, places)| places[cell.values[side.at].as_str()]).collect();
        let panel = numbers.get(name.as_slice());
        let (row, column) = (along(rows, &row_places, &cell.values), along(columns, &column_places, &cell.values));
        if let (Some(panel), Some(row), Some(column)) = (panel, row, column) {
            // If cells have the same labels, the first is shown; the table lists all.
            panels[*panel].cells[row][column].get_or_insert(at);
        }
    }
    panels
}

/// `most` of the items, evenly spaced, including the first and the last.
fn thinned<T: Clone>(things: Vec<T>, most: usize) -> Vec<T> {
    (0..most).map(|i| things[i * (things.len() - 1) / (most - 1)].clone()).collect()
}

/// A label cut to fit its place.
pub(super) fn clipped(text: &str) -> String {
    let text = if text.is_empty() { "–" } else { text };
    if text.chars().count() <= 40 { text.into() } else { text.chars().take(39).chain(['…']).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::sweep::table::{Axis, Cell, CellState};

    /// Every combination of the axes; the last one varies fastest.
    fn table(axes: &[(&str, &[&str])]) -> SweepTable {
        let mut rows: Vec<Vec<String>> = vec![Vec::new()];
        for (_, values) in axes {
            rows = rows.iter().flat_map(|head| values.iter().map(move |v| [&head[..], &[v.to_string()]].concat())).collect();
        }
        let cell = |values| Cell { hash: "0".repeat(16), values, state: CellState::Missing };
        let axis =
            |(key, values): &(&str, &[&str])| Axis { key: key.to_string(), values: values.iter().map(ToString::to_string).collect() };
        SweepTable {
            name: "s".into(),
            axes: axes.iter().map(axis).collect(),
            cells: rows.into_iter().map(cell).collect(),
            config: toml::Table::new(),
        }
    }

    #[test]
    fn numbers_ascend_and_the_longest_axes_make_the_map() {
        let axes: [(&str, &[&str]); 4] =
            [("teacher.features", &["50", "2"]), ("start", &["wide", "shell"]), ("k", &["10", "5", "20"]), ("sep", &["10", "9", "1", "2"])];
        let table = table(&axes);
        let layout = layout(&table);
        let (rows, columns) = (layout.rows.unwrap(), layout.columns.unwrap());
        assert_eq!((rows.values, columns.values), (vec!["1", "2", "9", "10"].map_into(), vec!["5", "10", "20"].map_into()));
        let names: Vec<&str> = layout.panels.iter().map(|p| p.name.as_str()).collect();
        assert_eq!(names, ["d = 2, start = wide", "d = 2, start = shell", "d = 50, start = wide", "d = 50, start = shell"]);
        let cell = &table.cells[layout.panels[2].cells[3][0].unwrap()];
        assert_eq!(cell.values, ["50", "wide", "5", "10"]);
        assert!(layout.left_out.is_empty() && !layout.are_lines);
    }

    trait MapInto {
        fn map_into(self) -> Vec<String>;
    }
    impl MapInto for Vec<&str> {
        fn map_into(self) -> Vec<String> {
            self.into_iter().map(String::from).collect()
        }
    }

    #[test]
    fn one_numeric_axis_makes_lines_where_colours_suffice() {
        let few: &[&str] = &["a", "b", "c"];
        let many: &[&str] = &["a", "b", "c", "d", "e", "f"];
        assert!(layout(&table(&[("start", few), ("sep", &["1", "2", "3"])])).are_lines);
        let map = layout(&table(&[("start", many), ("sep", &["1", "2", "3"])]));
        assert!(!map.are_lines && map.rows.unwrap().name == "start");
        assert_eq!(layout(&table(&[("start", few)])).rows.unwrap().values, few);
        assert_eq!(layout(&table(&[("start", &["a"])])).panels.len(), 1);
    }

    #[test]
    fn huge_sweeps_are_thinned() {
        let values: Vec<String> = (0..100).map(|i| i.to_string()).collect();
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        let layout = layout(&table(&[("a", &values), ("b", &values[..50]), ("c", &values[..15])]));
        let (rows, columns) = (layout.rows.unwrap(), layout.columns.unwrap());
        assert_eq!((rows.values.len(), columns.values.len(), layout.panels.len(), layout.left_out.len()), (40, 12, 12, 3));
        assert_eq!((rows.values[0].as_str(), rows.values[39].as_str(), columns.values[11].as_str()), ("0", "99", "49"));
    }
}
