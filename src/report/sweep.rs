//! The page of a sweep: its finding, its maps or lines, what failed, every cell.

use std::fmt::Write;
use std::path::Path;

use super::error_bars;
use super::finding::BLIND;
use super::heat_map::{self, Tile};
use super::html::{Figure, HEAD, Page, STYLE, escape};
use super::interval::Interval;
use super::layout::{Layout, layout};
use super::measured::{Measured, Numbers};
use super::quantity::Quantity;
use super::sweep_finding::sentence;
use crate::error::Result;
use crate::experiment::sweep::table::{CellState, SweepTable, read_config, read_table};
use crate::experiment::sweep::text::values_of;
use crate::metrics::smoothed;
use crate::mixture::files::write_atomically;
use crate::number::{setting, short, swept};

/// What a page can bear.
const MOST_FAILURES: usize = 50;
const MOST_ROWS: usize = 2000;
const MOST_LETTERS: usize = 400;
/// Of the table of all cells, and the letters of one of its places.
const MOST_COLUMNS: usize = 20;
const MOST_IN_TABLE: usize = 60;

/// Writes `folder/report.html` from the other files of the sweep's folder, and returns its finding, a sentence.
///
/// # Errors
/// [`crate::Error::BadFile`] where the folder is no sweep's; [`crate::Error::Io`] where the page cannot be written.
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

/// True where all cells descend the forward divergence.
fn is_forward(config: &toml::Table) -> bool {
    let values = values_of(config, "objective", "divergence");
    !values.is_empty() && values.iter().all(|value| value.as_str() == Some("forward"))
}

fn page(table: &SweepTable, measured: &Measured, finding: &str) -> Result<String> {
    let layout = layout(table);
    let quantities = &measured.quantities;
    let failures: Vec<usize> = (0..table.cells.len()).filter(|i| matches!(table.cells[*i].state, CellState::Failed(_))).collect();
    let title = escape(&clipped(&format!("mixscore sweep {}", table.name)));
    let style = heat_map::STYLE;
    let mut out = format!("{HEAD}<title>{title}</title>\n<style>{STYLE}{style}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n");
    let _ = writeln!(out, "<p class=\"finding\">{}</p>", escape(finding));
    let _ = writeln!(out, "<p>{}</p>", escape(&counts(table)));
    let _ = writeln!(out, "<p class=\"warning\">{}</p>", escape(&warning(table, measured)));
    if layout.are_lines {
        write_lines(&mut out, table, &layout, quantities)?;
    } else {
        // Small maps stand side by side.
        let is_small = layout.panels.len() == 1 && layout.columns.as_ref().is_none_or(|side| side.values.len() <= 3);
        let width = match layout.columns.as_ref().map_or(0, |side| side.values.len()) {
            0 => " narrow",
            3 => " broad",
            _ => "",
        };
        out.push_str(&if is_small { format!("<div class=\"sections{width}\">\n") } else { "<div>\n".into() });
        quantities.iter().for_each(|numbers| write_maps(&mut out, table, &layout, numbers, &failures));
        out.push_str("</div>\n");
    }
    for sentence in &layout.left_out {
        let _ = writeln!(out, "<p class=\"note\">{}; results.csv has every cell.</p>", escape(sentence));
    }
    write_failures(&mut out, table, &failures);
    write_cells(&mut out, table, quantities);
    Page { facts: facts(table, measured), ..Page::default() }.write_facts(&mut out);
    let text = table.config.to_string();
    let _ = writeln!(out, "<details><summary>sweep.toml</summary>\n<pre>{}</pre></details>", escape(head(&text, 100_000)));
    out.push_str("</main>\n</body>\n</html>\n");
    Ok(out)
}

fn counts(table: &SweepTable) -> String {
    let count = |word: &str| table.cells.iter().filter(|cell| cell.state.word() == word).count();
    let (done, failed, missing) = (count("done"), count("failed"), count("missing"));
    let mut text = format!("{done} of {} cells are done", table.cells.len());
    if failed > 0 {
        text += &format!(", {failed} failed");
    }
    if missing > 0 {
        text += &format!(", {missing} not run yet; the finding is of those that are done");
    }
    text + "."
}

/// What the numbers cannot say, and of which densities they are.
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

fn write_lines(out: &mut String, table: &SweepTable, layout: &Layout, quantities: &[Numbers]) -> Result<()> {
    let mut figures = Vec::new();
    for (quantity, numbers) in quantities {
        if let Some(chart) = error_bars::chart(table, layout, *quantity, numbers) {
            let title = quantity.title().replace("log₁₀ of the r", "R").replace("log₁₀ of the f", "F");
            figures.push(Figure { title, svg: chart.svg()?, caption: format!("{} {}", quantity.caption(), error_bars::KEY) });
        }
    }
    Page { figures, ..Page::default() }.write_figures(out);
    Ok(())
}

fn write_maps(out: &mut String, table: &SweepTable, layout: &Layout, (quantity, numbers): &Numbers, failures: &[usize]) {
    let (low, high) = scale(*quantity, numbers);
    let place = |v: f64| if quantity.is_logarithmic() { v.max(f64::MIN_POSITIVE).log10() } else { v };
    let tile = |cell: Option<usize>| {
        let Some(cell) = cell else { return Tile::Nothing };
        match (&table.cells[cell].state, &numbers[cell]) {
            (CellState::Failed(_), _) => Tile::Failed(failures.binary_search(&cell).map_or(0, |at| at + 1)),
            (CellState::Missing, _) => Tile::Missing,
            (CellState::Done, None) => Tile::Blank,
            (CellState::Done, Some(i)) => {
                let shade = if high > low { (place(i.value) - low) / (high - low) } else { 0.5 };
                Tile::Value { shade, text: quantity.text(i.value), ends: quantity.ends(i) }
            }
        }
    };
    let word = |v: f64| if quantity.is_logarithmic() { format!("{v:.1}").replace('-', "−") } else { short(v) };
    let _ = writeln!(
        out,
        "<section><h2>{}</h2>\n<p class=\"note\">{}</p>\n{}</section>",
        escape(quantity.title()),
        escape(&quantity.caption()),
        heat_map::maps(layout, &tile, &word(low), &word(high))
    );
}

/// The ends of the colours: 0 and 1 for shares, those of the numbers for log₁₀ L.
fn scale(quantity: Quantity, numbers: &[Option<Interval>]) -> (f64, f64) {
    if !quantity.is_logarithmic() {
        return (0.0, 1.0);
    }
    let logs = numbers.iter().flatten().filter(|i| i.value > 0.0).map(|i| i.value.log10());
    let (low, high) = logs.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
    if low <= high { (low, high) } else { (0.0, 0.0) }
}

fn write_failures(out: &mut String, table: &SweepTable, failures: &[usize]) {
    if failures.is_empty() {
        return;
    }
    out.push_str("<h2>Cells that failed</h2>\n<ol class=\"failures\">\n");
    for cell in failures.iter().take(MOST_FAILURES).map(|i| &table.cells[*i]) {
        let CellState::Failed(why) = &cell.state else { continue };
        let named = table.axes.iter().zip(&cell.values).map(|(axis, value)| format!("{} = {value}", axis.key));
        let named = clipped(&named.collect::<Vec<_>>().join(", "));
        let _ =
            writeln!(out, "<li>{}: {} <span class=\"note\">({})</span></li>", escape(&named), escape(&clipped(why)), escape(&cell.hash));
    }
    out.push_str("</ol>\n");
    if failures.len() > MOST_FAILURES {
        let _ = writeln!(out, "<p class=\"note\">And {} more; results.csv has them all.</p>", failures.len() - MOST_FAILURES);
    }
}

fn write_cells(out: &mut String, table: &SweepTable, quantities: &[Numbers]) {
    let _ = write!(out, "<details><summary>All cells</summary>\n<div class=\"wide\"><table class=\"cells\"><thead><tr><th>cell</th>");
    let heads = table
        .axes
        .iter()
        .take(MOST_COLUMNS)
        .map(|axis| axis.key.as_str())
        .chain(["state"])
        .chain(quantities.iter().map(|(q, _)| q.title()));
    heads.for_each(|head| {
        let _ = write!(out, "<th scope=\"col\">{}</th>", escape(&clipped(head)));
    });
    out.push_str("</tr></thead>\n<tbody>\n");
    for (at, cell) in table.cells.iter().enumerate().take(MOST_ROWS) {
        let numbers = quantities.iter().map(|(quantity, numbers)| match &numbers[at] {
            Some(i) if quantity.ends(i).is_empty() => quantity.text(i.value),
            Some(i) => format!("{} ({})", quantity.text(i.value), quantity.ends(i)),
            None => String::new(),
        });
        let texts = [cell.hash.clone()]
            .into_iter()
            .chain(cell.values.iter().take(MOST_COLUMNS).map(|value| swept(value)))
            .chain([cell.state.word().into()])
            .chain(numbers);
        let row: String = texts.map(|text| format!("<td>{}</td>", escape(head(&text, MOST_IN_TABLE)))).collect();
        let _ = writeln!(out, "<tr>{row}</tr>");
    }
    out.push_str("</tbody></table></div>\n");
    if table.cells.len() > MOST_ROWS {
        let _ = writeln!(out, "<p class=\"note\">The first {MOST_ROWS} of {}; results.csv has them all.</p>", table.cells.len());
    }
    out.push_str("</details>\n");
}

/// The axes, then what all cells share.
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

/// Text from the folder that does not burst the page.
fn clipped(text: &str) -> String {
    let start = head(text, MOST_LETTERS);
    if start.len() == text.len() { text.into() } else { format!("{start}…") }
}

/// The first characters.
fn head(text: &str, letters: usize) -> &str {
    text.char_indices().nth(letters).map_or(text, |(end, _)| &text[..end])
}
