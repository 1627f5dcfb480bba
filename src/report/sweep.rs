//! The page of a sweep: its finding, its maps or lines, the failures, every cell.

use std::path::Path;

use maud::{Markup, html};

use super::error_bars;
use super::finding::BLIND;
use super::heat_map::{self, Tile};
use super::html::{self, Figure};
use super::interval::Interval;
use super::layout::{Layout, layout};
use super::measured::{Measured, Numbers};
use super::quantity::Quantity;
use super::sweep_finding::sentence;
use crate::error::Result;
use crate::experiment::sweep::table::{Cell, CellState, SweepTable, read_config, read_table};
use crate::experiment::sweep::text::values_of;
use crate::metrics::smoothed;
use crate::mixture::files::write_atomically;
use crate::number::{minus, setting, short, swept};

/// The most failures on a page.
const MOST_FAILURES: usize = 50;
const MOST_ROWS: usize = 2000;
const MOST_LETTERS: usize = 400;
const MOST_LISTED: usize = 100_000;
/// The most columns in the table of all cells, and the most letters in one of its entries.
const MOST_COLUMNS: usize = 20;
const MOST_IN_TABLE: usize = 60;

/// Writes `folder/report.html` from the other files of the sweep's folder, and returns its finding, a sentence.
///
/// # Errors
/// [`crate::Error::BadFile`] if the folder is not a sweep's.
pub fn write_sweep(folder: &Path) -> Result<String> {
    let config = read_config(folder)?;
    let mut measured = Measured::new(is_forward(&config));
    let table = read_table(folder, &mut |state, summary| measured.add(state, summary))?;
    let measured = measured.finish();
    let finding = sentence(&table, &measured);
    let page = page(&table, &measured, &finding)?;
    write_atomically(&folder.join("report.html"), |out| out.write_all(page.as_bytes()))?;
    Ok(finding)
}

/// Whether all cells minimise the forward divergence.
fn is_forward(config: &toml::Table) -> bool {
    let values = values_of(config, "objective", "divergence");
    !values.is_empty() && values.iter().all(|value| value.as_str() == Some("forward"))
}

fn page(table: &SweepTable, measured: &Measured, finding: &str) -> Result<String> {
    let layout = layout(table);
    let quantities = &measured.quantities;
    let failures: Vec<usize> = (0..table.cells.len()).filter(|i| matches!(table.cells[*i].state, CellState::Failed(_))).collect();
    let numbers = if layout.are_lines {
        html::figures(&lines(table, &layout, quantities)?)
    } else {
        html! { div class=(arrangement(&layout)) { @for numbers in quantities { (maps(table, &layout, numbers, &failures)) } } }
    };
    let body = html! {
        p.finding { (finding) }
        p { (counts(table)) }
        p.warning { (warning(table, measured)) }
        (numbers)
        @for sentence in &layout.left_out { p.note { (sentence) "; results.csv has every cell." } }
        (failed(table, &failures))
        (all_cells(table, quantities))
        (html::facts(&facts(table, measured)))
        (html::listing("sweep.toml", head(&table.config.to_string(), MOST_LISTED)))
    };
    Ok(html::document(&clipped(&format!("mixscore sweep {}", table.name)), heat_map::STYLE, &body))
}

/// Small maps are shown side by side.
fn arrangement(layout: &Layout) -> &'static str {
    match layout.columns.as_ref().map_or(0, |side| side.values.len()) {
        _ if layout.panels.len() > 1 => "",
        0 => "sections narrow",
        1 | 2 => "sections",
        3 => "sections broad",
        _ => "",
    }
}

fn counts(table: &SweepTable) -> String {
    let count = |word: &str| table.cells.iter().filter(|cell| cell.state.word() == word).count();
    let (done, failed, running, missing) = (count("done"), count("failed"), count("running"), count("missing"));
    let mut text = format!("{done} of {} cells are done", table.cells.len());
    if failed > 0 {
        text += &format!(", {failed} failed");
    }
    if running > 0 {
        text += &format!(", another process is at {running}");
    }
    if missing > 0 {
        text += &format!(", {missing} not run yet");
    }
    if running + missing > 0 {
        text += "; the finding is of those that are done";
    }
    text + "."
}

/// What the numbers do not show, and which densities they refer to.
fn warning(table: &SweepTable, measured: &Measured) -> String {
    let is_scheduled = values_of(&table.config, "objective", "noise").iter().any(|noise| noise.is_table());
    match measured.noise {
        Some((low, high)) if low < high => format!(
            "{BLIND} Divergences and total variation of a cell are of both densities after heat flow for that cell’s time, from {low} to \
             {high}: across noises they cannot be compared, and coverage, which is of the means, can."
        ),
        Some((noise, _)) if noise > 0.0 => format!("{BLIND} {}.", smoothed(noise)),
        _ if is_scheduled => {
            format!("{BLIND} Where noise follows a schedule, all numbers are of its end, without noise, so cells can be compared.")
        }
        _ => BLIND.into(),
    }
}

/// Line charts of the quantities, for sweeps along one axis.
fn lines(table: &SweepTable, layout: &Layout, quantities: &[Numbers]) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for (quantity, numbers) in quantities {
        if let Some(chart) = error_bars::chart(table, layout, *quantity, numbers) {
            let title = quantity.title().replace("log₁₀ of the r", "R").replace("log₁₀ of the f", "F");
            figures.push(Figure { title, svg: chart.svg()?, caption: format!("{} {}", quantity.caption(), error_bars::KEY) });
        }
    }
    Ok(figures)
}

/// Heat maps of one quantity.
fn maps(table: &SweepTable, layout: &Layout, (quantity, numbers): &Numbers, failures: &[usize]) -> Markup {
    let (low, high) = scale(*quantity, numbers);
    let place = |v: f64| if quantity.is_logarithmic() { v.max(f64::MIN_POSITIVE).log10() } else { v };
    let tile = |cell: Option<usize>| {
        let Some(cell) = cell else { return Tile::Nothing };
        match (&table.cells[cell].state, &numbers[cell]) {
            (CellState::Failed(_), _) => Tile::Failed(failures.binary_search(&cell).map_or(0, |at| at + 1)),
            (CellState::Running, _) => Tile::Running,
            (CellState::Missing, _) => Tile::Missing,
            (CellState::Done, None) => Tile::Blank,
            (CellState::Done, Some(i)) => {
                let shade = if high > low { (place(i.value) - low) / (high - low) } else { 0.5 };
                Tile::Value { shade, text: quantity.text(i.value), ends: quantity.ends(i) }
            }
        }
    };
    let word = |v: f64| if quantity.is_logarithmic() { minus(v, 1) } else { short(v) };
    html! {
        section {
            h2 { (quantity.title()) }
            p.note { (quantity.caption()) }
            (heat_map::maps(layout, &tile, &word(low), &word(high)))
        }
    }
}

/// The ends of the colour scale: 0 and 1 for fractions, the extreme numbers for log₁₀ L.
fn scale(quantity: Quantity, numbers: &[Option<Interval>]) -> (f64, f64) {
    if !quantity.is_logarithmic() {
        return (0.0, 1.0);
    }
    let logs = numbers.iter().flatten().filter(|i| i.value > 0.0).map(|i| i.value.log10());
    let (low, high) = logs.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
    if low <= high { (low, high) } else { (0.0, 0.0) }
}

/// The cells that failed, numbered as in the maps.
fn failed(table: &SweepTable, failures: &[usize]) -> Markup {
    let named =
        |cell: &Cell| table.axes.iter().zip(&cell.values).map(|(axis, value)| format!("{} = {value}", axis.key)).collect::<Vec<_>>();
    html! {
        @if !failures.is_empty() {
            h2 { "Cells that failed" }
            ol.failures {
                @for cell in failures.iter().take(MOST_FAILURES).map(|i| &table.cells[*i]) {
                    @if let CellState::Failed(why) = &cell.state {
                        li { (clipped(&named(cell).join(", "))) ": " (clipped(why)) " " span.note { "(" (cell.hash) ")" } }
                    }
                }
            }
            @if failures.len() > MOST_FAILURES {
                p.note { "And " (failures.len() - MOST_FAILURES) " more; results.csv has them all." }
            }
        }
    }
}

fn all_cells(table: &SweepTable, quantities: &[Numbers]) -> Markup {
    let keys = table.axes.iter().take(MOST_COLUMNS).map(|axis| axis.key.as_str());
    let titles = quantities.iter().map(|(quantity, _)| quantity.title());
    let header: Vec<String> = keys.chain(["state"]).chain(titles).map(clipped).collect();
    let row = |at: usize, cell: &Cell| -> Vec<String> {
        let numbers = quantities.iter().map(|(quantity, numbers)| match &numbers[at] {
            Some(i) if quantity.ends(i).is_empty() => quantity.text(i.value),
            Some(i) => format!("{} ({})", quantity.text(i.value), quantity.ends(i)),
            None => String::new(),
        });
        let values = cell.values.iter().take(MOST_COLUMNS).map(|value| swept(value));
        [cell.hash.clone()].into_iter().chain(values).chain([cell.state.word().into()]).chain(numbers).collect()
    };
    html! {
        details {
            summary { "All cells" }
            div.wide {
                table.cells {
                    thead { tr { th { "cell" } @for head in header { th scope="col" { (head) } } } }
                    tbody {
                        @for (at, cell) in table.cells.iter().enumerate().take(MOST_ROWS) {
                            tr { @for text in row(at, cell) { td { (head(&text, MOST_IN_TABLE)) } } }
                        }
                    }
                }
            }
            @if table.cells.len() > MOST_ROWS {
                p.note { "The first " (MOST_ROWS) " of " (table.cells.len()) "; results.csv has them all." }
            }
        }
    }
}

/// The axes, then the settings that all cells share.
fn facts(table: &SweepTable, measured: &Measured) -> Vec<(String, String)> {
    let mut facts: Vec<(String, String)> = Vec::new();
    for axis in table.axes.iter().take(40) {
        let name = super::layout::name(&axis.key);
        let key = if name == axis.key { String::new() } else { format!(" ({})", axis.key) };
        facts.push((
            clipped(name),
            format!("{}{key}", clipped(&axis.values.iter().map(|value| swept(value)).collect::<Vec<_>>().join(", "))),
        ));
    }
    let swept = |section: &str, key: &str| table.axes.iter().any(|axis| axis.key == section || axis.key == format!("{section}.{key}"));
    for section in ["teacher", "student", "objective", "descent"] {
        let Some(keys) = table.config.get(section).and_then(toml::Value::as_table) else { continue };
        let fixed = keys.iter().filter(|(key, _)| !swept(section, key)).map(|(key, value)| format!("{key} {}", setting(value)));
        facts.push((section.into(), clipped(&fixed.collect::<Vec<_>>().join(", "))));
    }
    for key in ["replicates", "seed"] {
        facts.extend(table.config.get(key).filter(|_| !swept(key, "")).map(|value| (key.to_string(), clipped(&setting(value)))));
    }
    for (name, found) in [("estimator used", &measured.estimators), ("sampler used", &measured.samplers), ("device", &measured.devices)] {
        if !found.is_empty() {
            facts.push((name.into(), clipped(&found.iter().map(String::as_str).collect::<Vec<_>>().join("; "))));
        }
    }
    facts.push(("time in cells".into(), format!("{} s", short(measured.seconds))));
    facts
}

/// Text from the folder, cut to fit the page.
fn clipped(text: &str) -> String {
    let start = head(text, MOST_LETTERS);
    if start.len() == text.len() { text.into() } else { format!("{start}…") }
}

/// The first characters.
fn head(text: &str, letters: usize) -> &str {
    text.char_indices().nth(letters).map_or(text, |(end, _)| &text[..end])
}
