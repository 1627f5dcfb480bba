//! The finding of a sweep in a sentence or two with intervals: the separation above which the fraction stays high; or in how many
//! replicates all students arrive at the one teacher component; or the results of each of a few cells; or the best and the worst cell.

use std::collections::HashMap;

use super::interval::Interval;
use super::layout::{Side, clipped, sides};
use super::measured::Measured;
use super::quantity::Quantity;
use crate::experiment::nearest::{NEAR_WALL, Proportion};
use crate::experiment::sweep::table::{CellState, SweepTable};
use crate::experiment::sweep::text::values_of;
use crate::metrics::COVERAGE_RADIUS;
use crate::objective::groups::Estimate;

/// The fraction that counts as high.
const ENOUGH: f64 = 0.95;

/// The most groups, or failed cells, in one sentence.
const MOST_GROUPS: usize = 6;

/// Schemes that do not place students at random.
const PLACED: [&str; 4] = ["point", "given", "coincident", "around-teacher"];

/// Up to this many cells are named one by one.
const FEW_CELLS: usize = 4;

/// A finished cell with its number.
type Known<'a> = (usize, &'a Interval);

/// The finding, and for several teacher components the total variation.
pub(super) fn sentence(table: &SweepTable, measured: &Measured) -> String {
    let quantities = &measured.quantities;
    let of = |quantity: Quantity| quantities.iter().find(|(other, _)| *other == quantity).map(|(_, numbers)| numbers);
    let divergence = quantities.iter().find(|(quantity, _)| quantity.is_logarithmic());
    let sides = sides(table);
    let named = |key: &str| sides.iter().find(|side| table.axes[side.at].key == key);
    let separation = named("teacher.separation").filter(|side| side.is_numeric && side.values.len() > 2);
    let variation = || of(Quantity::TotalVariation).map(|numbers| extremes(table, Quantity::TotalVariation, numbers, &sides));
    let best_and_worst = |quantity: Quantity, numbers: &[Option<Interval>]| {
        [extremes(table, quantity, numbers, &sides)].into_iter().chain(blame(table, quantity, numbers, &sides)).collect::<Vec<String>>()
    };
    let all: Vec<String> = match (of(Quantity::Nearest), divergence) {
        _ if measured.arrived.iter().any(Option::is_some) => vec![arrivals(table, measured, &sides)],
        (Some(numbers), _) if separation.is_some() => separation
            .map(|side| thresholds(table, numbers, &sides, side, named("teacher.features")))
            .into_iter()
            .chain(variation())
            .collect(),
        _ if (2..=FEW_CELLS).contains(&table.cells.len()) && sides.len() == 1 => vec![one_by_one(table, measured, &sides)],
        (Some(numbers), _) => best_and_worst(Quantity::Nearest, numbers),
        (None, Some((quantity, numbers))) => best_and_worst(*quantity, numbers),
        (None, None) => vec!["No cell is done yet.".into()],
    };
    let walls = of(Quantity::Nearest).filter(|_| !is_placed(table)).and_then(|_| at_walls(measured));
    all.into_iter().chain(walls).collect::<Vec<_>>().join(" ")
}

/// The effect of starting near a wall between two teacher components, over all cells.
fn at_walls(measured: &Measured) -> Option<String> {
    let [near, elsewhere] = measured.walls.map(|(hits, trials)| (trials > 0).then(|| Proportion::wilson(hits, trials)));
    let words = |share: Proportion| {
        let missed = share.trials - share.successes;
        format!("{:.4} ({:.4} to {:.4}; {missed} of {} do not)", share.share, share.low, share.high, share.trials)
    };
    Some(format!(
        "Of the students that started within {NEAR_WALL}σ of a wall between the cells of two teacher means, a share of {} ends at the \
         nearest; of those that started elsewhere, {}.",
        words(near?),
        words(elsewhere?)
    ))
}

/// In how many replicates every student ends at the teacher's one mean, and which cells have exceptions.
fn arrivals(table: &SweepTable, measured: &Measured, sides: &[Side]) -> String {
    let (arrived, replicates) = measured.arrived.iter().flatten().fold((0, 0), |sum, cell| (sum.0 + cell.0, sum.1 + cell.1));
    let interval = Interval::of_shares(&[arrived as f64 / replicates as f64], replicates);
    let interval = interval.map_or(String::new(), |i| format!(" (a share of {})", share(&i).replacen(", ", ", 95 % interval ", 1)));
    let what = format!("In {arrived} of {replicates} runs all students end within {COVERAGE_RADIUS}σ of the teacher’s one mean{interval}.");
    let weights = measured.quantities.iter().find(|(quantity, _)| *quantity == Quantity::WeightAtTeacher).map(|(_, numbers)| numbers);
    let short: Vec<String> = measured
        .arrived
        .iter()
        .enumerate()
        .filter_map(|(cell, counts)| Some((cell, counts.filter(|(n, of)| n < of)?)))
        .map(|(cell, (n, of))| {
            let runs = if of == 1 { String::new() } else { format!(" in {} of {of} runs", of - n) };
            let weight = weights
                .and_then(|numbers| numbers[cell])
                .map_or(String::new(), |i| format!(" ({} of the student weight is there)", Quantity::WeightAtTeacher.text(i.value)));
            format!("{}{runs}{weight}", place(table, cell, sides, &[]).trim_start_matches(", "))
        })
        .collect();
    match short.len() {
        0 => what,
        _ => format!("{what} They do not {}.", listed(&short)),
    }
}

/// The first few items, and how many more there are.
fn listed(things: &[String]) -> String {
    let mut text = things[..things.len().min(MOST_GROUPS)].join("; ");
    if things.len() > MOST_GROUPS {
        text += &format!("; and {} more", things.len() - MOST_GROUPS);
    }
    text
}

fn is_placed(table: &SweepTable) -> bool {
    let is_placed = |start: &&toml::Value| start.get("scheme").and_then(toml::Value::as_str).is_some_and(|scheme| PLACED.contains(&scheme));
    values_of(&table.config, "student", "start").iter().any(is_placed)
}

/// Every cell with its numbers. If students begin at chosen places, the fraction of them that ends somewhere means nothing and is left out.
fn one_by_one(table: &SweepTable, measured: &Measured, sides: &[Side]) -> String {
    let is_placed = is_placed(table);
    let words = |cell: usize| {
        let number = |(quantity, numbers): &(Quantity, Vec<Option<Interval>>)| {
            let name = match quantity {
                Quantity::Nearest if !is_placed => "share of students at the teacher nearest at their start",
                Quantity::TotalVariation => "total variation",
                Quantity::Coverage => "coverage",
                Quantity::Divergence { .. } => "L",
                _ => return None,
            };
            let i = numbers[cell].as_ref()?;
            let [value, low, high] = [i.value, i.low, i.high].map(|v| quantity.word(v));
            let interval = if low == high { String::new() } else { format!(" ({low} to {high})") };
            Some(format!("{name} {value}{interval}"))
        };
        let numbers: Vec<String> = measured.quantities.iter().filter_map(number).collect();
        let numbers = match &table.cells[cell].state {
            CellState::Failed(_) => "failed".into(),
            _ if numbers.is_empty() => "not known yet".into(),
            _ => numbers.join(", "),
        };
        format!("with {}: {numbers}", place(table, cell, sides, &[]).trim_start_matches(", at "))
    };
    let all = (0..table.cells.len()).map(words).collect::<Vec<_>>().join("; ");
    format!("W{} (in brackets 95 % intervals).", &all[1..])
}

/// For each value of `group`: the separation above which the fraction stays high in every cell.
fn thresholds(table: &SweepTable, numbers: &[Option<Interval>], sides: &[Side], separation: &Side, group: Option<&Side>) -> String {
    let values: Vec<Option<&String>> = group.map_or(vec![None], |side| side.values.iter().map(Some).collect());
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
    let of = if undone == 0 { String::new() } else { format!(" that is done ({undone} failed or are not done)") };
    format!(
        "The share of students that end at the teacher mean nearest at their start reaches {ENOUGH} in every cell{of} {} (in brackets the \
         lowest share there, with its 95 % interval).",
        listed(&clauses)
    )
}

/// The smallest separation from which on all these cells are high, in words.
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

/// "from separation 4 on (0.97, 0.95 to 0.99, at k = 5)".
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
        Quantity::WeightAtTeacher => "student weight near the teacher’s mean",
        Quantity::TotalVariation => "total variation between student and teacher",
        Quantity::Divergence { forward: false } => "reverse Fisher divergence at the end",
        Quantity::Divergence { forward: true } => "forward Fisher divergence at the end",
    };
    let words = |cell: Known| format!("{}{}", quantity.words(cell.1), place(table, cell.0, sides, &[]));
    if low.1.value == high.1.value {
        return format!("The {what} is {} in every cell that is done.", quantity.words(low.1));
    }
    format!("The {what} is lowest with {}, and highest with {}.", words(low), words(high))
}

/// The axis along which the cells' mean changes most, if there are several: "Most of that goes with step size: 0.97 on average at 0.5, 0.61
/// at 1."
fn blame(table: &SweepTable, quantity: Quantity, numbers: &[Option<Interval>], sides: &[Side]) -> Option<String> {
    let scaled = |v: f64| if quantity.is_logarithmic() { v.max(f64::MIN_POSITIVE).ln() } else { v };
    let ends = |side: &Side| {
        let mut groups: HashMap<&str, Vec<f64>> = HashMap::new();
        for (cell, i) in known(numbers) {
            groups.entry(&table.cells[cell].values[side.at]).or_default().push(scaled(i.value));
        }
        let mean = |value: &String| Some((Estimate::of_mean(groups.get(value.as_str())?).value, clipped(value)));
        let means: Vec<(f64, String)> = side.values.iter().filter_map(mean).collect();
        let by_mean = |a: &&(f64, String), b: &&(f64, String)| a.0.total_cmp(&b.0);
        Some((side.name.clone(), means.iter().max_by(by_mean)?.clone(), means.iter().min_by(by_mean)?.clone()))
    };
    let widest = sides.iter().filter_map(ends).max_by(|(_, a, b), (_, c, d)| (a.0 - b.0).total_cmp(&(c.0 - d.0)));
    let (name, high, low) = widest.filter(|(_, high, low)| sides.len() > 1 && high.0 > low.0)?;
    let word = |v: f64| quantity.word(if quantity.is_logarithmic() { v.exp() } else { v });
    Some(format!("Most of that goes with {name}: {} on average at {}, {} at {}.", word(high.0), high.1, word(low.0), low.1))
}

/// The finished cells with a number.
fn known(numbers: &[Option<Interval>]) -> impl Iterator<Item = Known<'_>> {
    numbers.iter().enumerate().filter_map(|(cell, number)| Some((cell, number.as_ref()?)))
}

/// ", at k = 5, start = wide": a cell's values on all axes except some.
fn place(table: &SweepTable, cell: usize, sides: &[Side], but: &[Option<&Side>]) -> String {
    let named = sides.iter().filter(|side| but.iter().flatten().all(|other| other.at != side.at));
    let quoted = |value: String| if value.contains('=') || value.contains(',') { format!("“{value}”") } else { value };
    let parts: Vec<String> = named.map(|side| format!("{} = {}", side.name, quoted(clipped(&table.cells[cell].values[side.at])))).collect();
    if parts.is_empty() { String::new() } else { format!(", at {}", parts.join(", ")) }
}
