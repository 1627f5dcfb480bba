//! The page: one self-contained file without scripts or network access; light, dark, narrow and printed. Text is escaped by its type.

use maud::{DOCTYPE, Markup, PreEscaped, html};

/// A picture and its caption.
pub(super) struct Figure {
    pub title: String,
    /// An `<svg>` element that this program drew: the only text that is not escaped.
    pub svg: String,
    pub caption: String,
}

/// Rows of text under a header; empty if there is no header.
#[derive(Default)]
pub(super) struct Table {
    pub name: String,
    pub header: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

/// Tables with more rows are folded.
const MOST_OPEN_ROWS: usize = 24;

/// Facts with more letters have a row of their own, after the others.
const MOST_SHORT: usize = 44;

/// The contents of the page of one experiment, in order, as plain text.
#[derive(Default)]
pub(super) struct Page {
    pub title: String,
    pub finding: String,
    pub warning: String,
    pub facts: Vec<(String, String)>,
    pub figures: Vec<Figure>,
    pub table: Table,
    pub notes: Vec<String>,
    /// Name and text of listings.
    pub listings: Vec<(String, String)>,
}

impl Page {
    /// The whole file.
    pub(super) fn html(&self) -> String {
        let body = html! {
            p.finding { (self.finding) }
            p.warning { (self.warning) }
            (figures(&self.figures))
            (table(&self.table))
            (facts(&self.facts))
            @for note in &self.notes { p.note { (note) } }
            @for (name, text) in &self.listings { (listing(name, text)) }
        };
        document(&self.title, "", &body)
    }
}

/// A whole file with its title; `style` follows the rules that all pages share.
pub(super) fn document(title: &str, style: &str, body: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                // Forbids scripts and every request, in case anything slips through.
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                style { (PreEscaped(STYLE)) (PreEscaped(style)) }
            }
            body { main { h1 { (title) } (body) } }
        }
    };
    page.into_string().chars().map(visible).collect()
}

/// Makes control and direction-changing characters of a folder's texts visible.
fn visible(c: char) -> char {
    match c {
        '\n' | '\t' => c,
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{fffe}' | '\u{ffff}' => '\u{fffd}',
        c if c.is_control() => '\u{fffd}',
        c => c,
    }
}

pub(super) fn figures(figures: &[Figure]) -> Markup {
    html! {
        div.figures {
            @for Figure { title, svg, caption } in figures {
                figure { h2 { (title) } (PreEscaped(svg)) figcaption { (caption) } }
            }
        }
    }
}

/// Names and values of facts; long ones last.
pub(super) fn facts(facts: &[(String, String)]) -> Markup {
    let (long, short): (Vec<_>, Vec<_>) = facts.iter().partition(|(_, value)| value.chars().count() > MOST_SHORT);
    html! {
        @if !facts.is_empty() {
            h2 { "What was run" }
            dl {
                @for (name, value) in short { div { dt { (name) } dd { (value) } } }
                @for (name, value) in long { div.long { dt { (name) } dd { (value) } } }
            }
        }
    }
}

/// A table; a long one is folded.
pub(super) fn table(Table { name, header, rows }: &Table) -> Markup {
    let grid = html! {
        div.wide {
            table {
                thead { tr { @for cell in header { th scope="col" { (cell) } } } }
                tbody { @for row in rows { tr { @for cell in row { td { (cell) } } } } }
            }
        }
    };
    html! {
        @if header.is_empty() {
        } @else if rows.len() > MOST_OPEN_ROWS {
            details { summary { (name) } (grid) }
        } @else {
            h2 { (name) }
            (grid)
        }
    }
}

/// A folded text, shown verbatim.
pub(super) fn listing(name: &str, text: &str) -> Markup {
    html! { details { summary { (name) } pre { (text) } } }
}

/// The variables are used in charts; printed pages are always light.
const STYLE: &str = "
:root { color-scheme: light dark; --ink: #1f1f1f; --paper: #fff; --soft: #565656; --line: #d8d8d8; --wash: #f4f5f6;
  --blue: #0072b2; --vermillion: #c65600; --green: #00805c; --grey: #8a8a8a; }
@media screen and (prefers-color-scheme: dark) {
  :root { --ink: #e8e8e8; --paper: #16181a; --soft: #b0b3b6; --line: #3a3e42; --wash: #202326;
    --blue: #56b4e9; --vermillion: #f08b3c; --green: #2fc79b; --grey: #8f9498; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 80rem; margin: 0 auto; padding: 1.25rem 1rem 3rem; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 .8rem; overflow-wrap: anywhere; }
h2, summary { font-size: 1.05rem; font-weight: 600; margin: 1.8rem 0 .5rem; }
summary { cursor: pointer; margin-top: 1.2rem; }
p { max-width: 50rem; margin: .5rem 0; }
.finding { font-size: 1.15rem; border-left: 4px solid var(--blue); padding-left: .8rem; }
.warning, .note, figcaption { color: var(--soft); }
.note, dd { overflow-wrap: anywhere; }
.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 22.5rem), 1fr)); gap: .5rem 1.5rem; }
figure { margin: 0; min-width: 0; }
figure h2 { margin: 1.2rem 0 .3rem; }
figcaption { font-size: .88rem; margin-top: .25rem; max-width: 50rem; }
svg.chart { display: block; width: 100%; height: auto; max-width: 32rem; }
.wide { overflow-x: auto; max-width: 100%; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .3rem 1.2rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td:first-child { min-width: 8rem; }
td small, th small { display: block; color: var(--soft); font-weight: 400; }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 24rem), 1fr)); gap: .3rem 2rem; margin: 0; }
dl div { display: grid; grid-template-columns: 9rem 1fr; gap: .6rem; min-width: 0; }
dl .long { grid-column: 1 / -1; }
dt { color: var(--soft); overflow-wrap: anywhere; }
dd { margin: 0; min-width: 0; }
pre { background: var(--wash); padding: .8rem 1rem; font-size: .82rem; white-space: pre-wrap; overflow-wrap: anywhere; }
@media (max-width: 34rem) {
  th, td { padding-right: .6rem; } table { font-size: .85rem; } td:first-child { min-width: 6.5rem; }
  dl div { grid-template-columns: 7rem 1fr; }
}
@media print {
  :root { color-scheme: light; }
  main { max-width: none; padding: 0; }
  body { font-size: 10.5pt; }
  figure, tr, dl div { break-inside: avoid; }
  h2 { break-after: avoid; }
  .figures { grid-template-columns: 1fr 1fr; }
  svg.chart { max-width: 19rem; } figcaption { font-size: 8.5pt; }
  .wide { overflow: visible; } table { font-size: 8.5pt; } th, td { padding-right: .7rem; }
}
";
