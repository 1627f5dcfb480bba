//! Heat maps as tables: a colour, a number and its interval in every cell, readable on paper and in dark mode.

use maud::{Markup, Render, html};
use plotters::style::RGBColor;
use plotters::style::colors::colormaps::ViridisRGB;

use super::layout::{Layout, Panel, clipped};
use crate::number::swept;

/// Columns that a narrow screen shows at once.
const MOST_ON_A_PHONE: usize = 4;

/// The contents of a cell.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Tile {
    /// A place on the colour scale from 0 to 1, the number, its interval.
    Value { shade: f64, text: String, ends: String },
    /// Its number in the list of failures.
    Failed(usize),
    /// Another process is at it.
    Running,
    /// Not run yet.
    Missing,
    /// Finished, but without this number.
    Blank,
    /// No such cell in the sweep.
    Nothing,
}

/// The maps of one quantity below its colour scale, whose ends are labelled `low` and `high`.
pub(super) fn maps(layout: &Layout, tile: &dyn Fn(Option<usize>) -> Tile, low: &str, high: &str) -> Markup {
    let stops: Vec<String> = (0..=10).map(|i| hex(colour(f64::from(i) / 10.0))).collect();
    html! {
        p.scale {
            span { (low) }
            span.bar style={ "background:linear-gradient(to right," (stops.join(",")) ")" } {}
            span { (high) }
        }
        div.maps { @for panel in &layout.panels { (map(layout, panel, tile)) } }
    }
}

/// One map, as a table.
fn map(layout: &Layout, panel: &Panel, tile: &dyn Fn(Option<usize>) -> Tile) -> Markup {
    let corner = layout.rows.as_ref().map_or("", |side| &side.name);
    let label = |row: usize| layout.rows.as_ref().and_then(|side| side.values.get(row)).map_or("", String::as_str);
    html! {
        div.wide {
            @if !panel.name.is_empty() { p.panel { (panel.name) } }
            @if layout.columns.as_ref().is_some_and(|side| side.values.len() > MOST_ON_A_PHONE) {
                p.scrolls { "Wider than this screen: it scrolls sideways →" }
            }
            table.map {
                thead {
                    @if let Some(columns) = &layout.columns {
                        tr { td {} th scope="colgroup" colspan=(columns.values.len()) { (clipped(&columns.name)) } }
                    }
                    tr {
                        th scope="col" { (clipped(corner)) }
                        @match &layout.columns {
                            Some(columns) => { @for value in &columns.values { th scope="col" { (clipped(&swept(value))) } } }
                            None => td {},
                        }
                    }
                }
                tbody {
                    @for (row, cells) in panel.cells.iter().enumerate() {
                        tr { th scope="row" { (clipped(&swept(label(row)))) } @for cell in cells { (tile(*cell)) } }
                    }
                }
            }
        }
    }
}

impl Render for Tile {
    fn render(&self) -> Markup {
        html! {
            @match self {
                Tile::Value { shade, text, ends } => {
                    td style={ "background:" (hex(colour(*shade))) ";color:" (hex(ink_on(colour(*shade)))) } {
                        b { (text) }
                        @if !ends.is_empty() { small { (ends) } }
                    }
                }
                Tile::Failed(number) => td.failed { b { "failed" } small { "see " (number) " below" } },
                Tile::Running => td.missing { b { "running" } small { "in another process" } },
                Tile::Missing => td.missing { b { "missing" } small { "not run" } },
                Tile::Blank => td.missing { b { "–" } small { "no value" } },
                Tile::Nothing => td {},
            }
        }
    }
}

/// Viridis: its colours are ordered by lightness, for every kind of colour vision and in grey.
fn colour(shade: f64) -> RGBColor {
    ViridisRGB::get_color(if shade.is_finite() { shade.clamp(0.0, 1.0) } else { 0.0 })
}

/// Black or white, whichever has more contrast; on any background that is at least 4.5.
fn ink_on(ground: RGBColor) -> RGBColor {
    let light = luminance(ground);
    if (light + 0.05) / 0.05 >= 1.05 / (light + 0.05) { RGBColor(0, 0, 0) } else { RGBColor(255, 255, 255) }
}

/// Relative luminance of WCAG 2.
fn luminance(RGBColor(r, g, b): RGBColor) -> f64 {
    let linear = |c: u8| {
        let c = f64::from(c) / 255.0;
        if c <= 0.03928 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b)
}

fn hex(RGBColor(r, g, b): RGBColor) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

/// Style rules for the maps; the colours of cells are the same in light and dark mode.
pub(super) const STYLE: &str = "
.maps { display: flex; flex-wrap: wrap; gap: 1rem 2.2rem; }
.maps .wide { max-width: 100%; }
.map { border-collapse: separate; border-spacing: 2px; }
.scrolls { display: none; margin: 0; font-size: .8rem; color: var(--soft); position: sticky; left: 0; }
.panel { font-weight: 600; margin: 0; break-after: avoid; }
.sections { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 24rem), 1fr)); gap: 0 2rem; }
.sections.narrow { grid-template-columns: repeat(auto-fill, minmax(min(100%, 17rem), 1fr)); }
.sections.broad { grid-template-columns: repeat(auto-fill, minmax(min(100%, 28rem), 1fr)); }
.map th, .map td { border: 0; text-align: center; vertical-align: middle; padding: .22rem .25rem; }
.map thead th { font-weight: 600; font-size: .85rem; }
.map th[scope=colgroup] { color: var(--soft); font-weight: 400; }
.map th[scope=row] { font-size: .85rem; padding-right: .5rem; text-align: right; }
.map tbody td { min-width: 5.1rem; line-height: 1.25; border-radius: 2px; }
.map b, .map small { display: block; }
.map b { font-size: .92rem; font-weight: 600; }
.map small { font-size: .72rem; white-space: nowrap; color: inherit; }
.map .failed { outline: 2px solid #d55e00; outline-offset: -2px; }
.map .missing { color: var(--soft); background: repeating-linear-gradient(45deg, transparent 0 5px, var(--line) 5px 6px); }
.scale { display: flex; align-items: center; gap: .6rem; font-size: .85rem; color: var(--soft); }
.scale .bar { flex: 0 1 14rem; height: .8rem; border-radius: 2px; }
.map td, .scale .bar { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
details { margin: 1.5rem 0; } summary { cursor: pointer; font-weight: 600; }
.cells { font-size: .85rem; } .cells th, .cells td { padding-right: 1rem; }
@media screen and (max-width: 30rem) { .scrolls { display: block; } .map tbody td { min-width: 4.3rem; padding: .2rem .1rem; } .map small { font-size: .68rem; } }
@media print { .map, .maps .wide { break-inside: avoid; } .scale, section .note { break-after: avoid; } .map tbody td { min-width: 3.6rem; padding: .12rem .1rem; }
  .map b { font-size: 8.5pt; } .map small { font-size: 6.5pt; } .map thead th, .map th[scope=row] { font-size: 8pt; } .maps { gap: .6rem 1.2rem; } }
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_contrasts_with_every_colour() {
        for i in 0..=1000 {
            let ground = colour(f64::from(i) / 1000.0);
            let (a, b) = (luminance(ground) + 0.05, luminance(ink_on(ground)) + 0.05);
            let contrast = (a / b).max(b / a);
            assert!(contrast >= 4.5, "{ground:?}: {contrast}"); // WCAG 2.1, AA
        }
        assert_eq!((hex(colour(f64::NAN)), hex(colour(-1.0)), hex(colour(2.0))), (hex(colour(0.0)), hex(colour(0.0)), hex(colour(1.0))));
        assert!(luminance(colour(0.0)) < 0.05 && luminance(colour(1.0)) > 0.7);
    }
}
