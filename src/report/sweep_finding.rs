//! The finding of a sweep in one sentence with its interval: from which separation on the share stays high, or the best and the worst cell.

use super::interval::Interval;
use super::layout::{Side, clipped, sides};
use super::quantity::Quantity;
use crate::experiment::sweep::table::{CellState, SweepTable};

/// The share that is asked for.
const ENOUGH: f64 = 0.95;

/// Groups that one sentence can bear.
const MOST_GROUPS: usize = 6;

/// A cell that is done, with its number.
type Known<'a> = (usize, &'a Interval);

/// The number of each done cell; `None` for the others.
pub fn numbers(table: &SweepTable, quantity: Quantity) -> Vec<Option<Interval>> {
    table.cells.iter().map(|cell| if cell.state == CellState::Done { quantity.of(&cell.summary) } else { None }).collect()
}

/// The sentence: of the share at the nearest teacher, or, where there is one teacher only, of the divergence.
pub fn sentence(table: &SweepTable, quantities: &[(Quantity, Vec<Option<Interval>>)]) -> String {
    let asked = |(quantity, _): &&(Quantity, _)| *quantity == Quantity::Nearest || quantity.is_logarithmic();
    let Some((quantity, numbers)) = quantities.iter().find(asked).or(quantities.first()) else {
        return "No cell is done yet.".into();
    };
    let sides = sides(table);
    let named = |key: &str| sides.iter().find(|side| table.axes[side.at].key == key);
    let separation = named("teacher.separation").filter(|side| side.is_numeric && side.values.len() > 2);
    match separation.filter(|_| *quantity == Quantity::Nearest) {
        Some(separation) => thresholds(table, numbers, &sides, separation, named("teacher.features")),
        None => extremes(table, *quantity, numbers, &sides),
    }
}

/// For each value of `group`: the separation from which on the share stays enough in every cell.
fn thresholds(table: &SweepTable, numbers: &[Option<Interval>], sides: &[Side], separation: &Side, group: Option<&Side>) -> String {
    let values: Vec<Option<&String>> = group.map_or(vec![None], |side| side.values.iter().take(MOST_GROUPS).map(Some).collect());
    let clauses: Vec<String> = values
        .into_iter()
        .map(|value| {
            let in_group = |cell: &usize| group.zip(value).is_none_or(|(side, value)| table.cells[*cell].values[side.at] == *value);
            let cells: Vec<Known> = known(numbers).filter(|(cell, _)| in_group(cell)).collect();
            let with = group.zip(value).map_or(String::new(), |(side, value)| format!("with {} = {} ", side.name, clipped(value)));
            format!("{with}{}", threshold(table, &cells, sides, separation, group))
        })
        .collect();
    let undone = table.cells.iter().filter(|cell| cell.state != CellState::Done).count();
    let of = if undone == 0 { String::new() } else { format!(" that is done ({undone} failed or are not run)") };
    format!(
        "The share of students that end at the teacher mean nearest at their start reaches {ENOUGH} in every cell{of} {} (in brackets the \
         lowest share there, with its 95 % interval).",
        clauses.join("; ")
    )
}

fn threshold(table: &SweepTable, cells: &[Known], sides: &[Side], separation: &Side, group: Option<&Side>) -> String {
    let mut from: Option<(&str, Known)> = None;
    for value in separation.values.iter().rev() {
        let here = cells.iter().filter(|(cell, _)| table.cells[*cell].values[separation.at] == *value).copied();
        let Some(lowest) = here.min_by(|a, b| a.1.value.total_cmp(&b.1.value)) else { continue };
        if !(lowest.1.value >= ENOUGH) {
            return match from {
                Some((value, lowest)) => from_on(table, value, lowest, sides, separation, group),
                None => {
                    let place = place(table, lowest.0, sides, &[Some(separation), group]);
                    format!("at no separation up to {} ({}{place})", clipped(value), share(lowest.1))
                }
            };
        }
        from = Some(match from {
            Some((_, worst)) if worst.1.value <= lowest.1.value => (value.as_str(), worst),
            _ => (value.as_str(), lowest),
        });
    }
    from.map_or("from a separation on that is not known yet, as no cell is done".into(), |(value, lowest)| {
        from_on(table, value, lowest, sides, separation, group)
    })
}

fn from_on(table: &SweepTable, value: &str, lowest: Known, sides: &[Side], separation: &Side, group: Option<&Side>) -> String {
    let smallest = if separation.values[0] == value { ", the smallest tried," } else { "" };
    let place = place(table, lowest.0, sides, &[group]);
    format!("from separation {}{smallest} on ({}{place})", clipped(value), share(lowest.1))
}

fn share(interval: &Interval) -> String {
    let text = |v| Quantity::Nearest.text(v);
    format!("{}, {} to {}", text(interval.value), text(interval.low), text(interval.high))
}

/// The highest and the lowest cell.
fn extremes(table: &SweepTable, quantity: Quantity, numbers: &[Option<Interval>], sides: &[Side]) -> String {
    let by_value = |a: &Known, b: &Known| a.1.value.total_cmp(&b.1.value);
    let (Some(low), Some(high)) = (known(numbers).min_by(by_value), known(numbers).max_by(by_value)) else {
        return "No cell is done yet.".into();
    };
    let what = match quantity {
        Quantity::Nearest => "share of students that end at the teacher mean nearest at their start",
        Quantity::Coverage => "share of teacher components with a student near them",
        Quantity::TotalVariation => "total variation between student and teacher",
        Quantity::Divergence { forward: false } => "reverse Fisher divergence at the end",
        Quantity::Divergence { forward: true } => "forward Fisher divergence at the end",
    };
    let words = |cell: Known| format!("{}{}", quantity.words(cell.1), place(table, cell.0, sides, &[]));
    if low.1.value == high.1.value {
        return format!("The {what} is {} in every cell that is done.", quantity.words(low.1));
    }
    format!("The {what} goes from {} to {}.", words(low), words(high))
}

fn known(numbers: &[Option<Interval>]) -> impl Iterator<Item = Known<'_>> {
    numbers.iter().enumerate().filter_map(|(cell, number)| Some((cell, number.as_ref()?)))
}

/// ", at k = 5, start = wide": a cell's values on all axes but some.
fn place(table: &SweepTable, cell: usize, sides: &[Side], but: &[Option<&Side>]) -> String {
    let named = sides.iter().filter(|side| but.iter().flatten().all(|other| other.at != side.at));
    let parts: Vec<String> = named.map(|side| format!("{} = {}", side.name, clipped(&table.cells[cell].values[side.at]))).collect();
    if parts.is_empty() { String::new() } else { format!(", at {}", parts.join(", ")) }
}
