//! Heat maps as tables: a colour, a number and its interval in every cell, legible without a pointer, on paper and in the dark.

use std::fmt::Write;

use plotters::style::RGBColor;
use plotters::style::colors::colormaps::ViridisRGB;

use super::html::escape;
use super::layout::{Layout, Panel, clipped};
use crate::number::swept;

/// What a cell shows.
#[derive(Debug, Clone, PartialEq)]
pub enum Tile {
    /// A place on the colour scale from 0 to 1, the number, its interval.
    Value { shade: f64, text: String, ends: String },
    /// The number in the list of failures.
    Failed(usize),
    /// Not run yet.
    Missing,
    /// Done, and without this number.
    Blank,
    /// The sweep has no such cell.
    Nothing,
}

/// The maps of one quantity under its colour scale, whose ends have the words `low` and `high`.
pub fn maps(layout: &Layout, tile: &dyn Fn(Option<usize>) -> Tile, low: &str, high: &str) -> String {
    let mut out = String::new();
    let stops: Vec<String> = (0..=10).map(|i| hex(colour(f64::from(i) / 10.0))).collect();
    let _ = writeln!(
        out,
        "<p class=\"scale\"><span>{}</span><span class=\"bar\" style=\"background:linear-gradient(to right,{})\"></span><span>{}</span></p>",
        escape(low),
        stops.join(","),
        escape(high)
    );
    out.push_str("<div class=\"maps\">\n");
    layout.panels.iter().for_each(|panel| write_map(&mut out, layout, panel, tile));
    out.push_str("</div>\n");
    out
}

fn write_map(out: &mut String, layout: &Layout, panel: &Panel, tile: &dyn Fn(Option<usize>) -> Tile) {
    out.push_str("<div class=\"wide\">");
    if !panel.name.is_empty() {
        let _ = write!(out, "<p class=\"panel\">{}</p>", escape(&panel.name));
    }
    out.push_str("<table class=\"map\">");
    let corner = layout.rows.as_ref().map_or("", |side| side.name.as_str());
    out.push_str("<thead>");
    if let Some(columns) = &layout.columns {
        let _ = write!(
            out,
            "<tr><td></td><th scope=\"colgroup\" colspan=\"{}\">{}</th></tr>",
            columns.values.len(),
            escape(&clipped(&columns.name))
        );
    }
    let _ = write!(out, "<tr><th scope=\"col\">{}</th>", escape(&clipped(corner)));
    match &layout.columns {
        Some(columns) => columns.values.iter().for_each(|value| {
            let _ = write!(out, "<th scope=\"col\">{}</th>", escape(&clipped(&swept(value))));
        }),
        None => out.push_str("<td></td>"),
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for (i, row) in panel.cells.iter().enumerate() {
        let label = layout.rows.as_ref().and_then(|side| side.values.get(i)).map_or("", String::as_str);
        let _ = write!(out, "<tr><th scope=\"row\">{}</th>", escape(&clipped(&swept(label))));
        row.iter().for_each(|cell| write_tile(out, &tile(*cell)));
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table></div>\n");
}

fn write_tile(out: &mut String, tile: &Tile) {
    let _ = match tile {
        Tile::Value { shade, text, ends } => {
            let ground = colour(*shade);
            let ends = if ends.is_empty() { String::new() } else { format!("<small>{}</small>", escape(ends)) };
            let (ground, ink) = (hex(ground), hex(ink_on(ground)));
            write!(out, "<td style=\"background:{ground};color:{ink}\"><b>{}</b>{ends}</td>", escape(text))
        }
        Tile::Failed(number) => write!(out, "<td class=\"failed\"><b>failed</b><small>see {number} below</small></td>"),
        Tile::Missing => write!(out, "<td class=\"missing\"><b>missing</b><small>not run</small></td>"),
        Tile::Blank => write!(out, "<td class=\"missing\"><b>–</b><small>no value</small></td>"),
        Tile::Nothing => write!(out, "<td></td>"),
    };
}

/// Viridis: the order of its colours is that of their lightness, for every kind of colour vision and in grey.
fn colour(shade: f64) -> RGBColor {
    ViridisRGB::get_color(if shade.is_finite() { shade.clamp(0.0, 1.0) } else { 0.0 })
}

/// Black or white, whichever contrasts more; the lesser contrast of any ground is at least 4.5.
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

/// Rules for the maps; the colours of cells are the same in light and dark.
pub const STYLE: &str = "
.maps { display: flex; flex-wrap: wrap; gap: 1rem 2.2rem; }
.maps .wide { max-width: 100%; }
.map { border-collapse: separate; border-spacing: 2px; }
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
@media (max-width: 30rem) { .map tbody td { min-width: 4.3rem; padding: .2rem .1rem; } .map small { font-size: .68rem; } }
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
