//! The page: one self-contained file, no scripts, no network; light, dark, narrow and printed.

use std::fmt::Write;

/// Text of a file as text of a page: markup is escaped, control and direction-changing characters become visible.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() => out.push('\u{fffd}'),
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// A picture and the words under it.
pub struct Figure {
    pub title: String,
    /// An `<svg>` element, drawn here: the one thing that is not escaped.
    pub svg: String,
    pub caption: String,
}

/// Name of a table, its header, its rows.
pub type Table = (String, Vec<String>, Vec<Vec<String>>);

/// A table of more rows is folded.
const MOST_OPEN_ROWS: usize = 24;

/// A fact of more letters has a row of its own, after the others.
const MOST_SHORT: usize = 44;

/// Everything that the page says, in order, as plain text.
#[derive(Default)]
pub struct Page {
    pub title: String,
    pub finding: String,
    pub warning: String,
    pub facts: Vec<(String, String)>,
    pub figures: Vec<Figure>,
    pub table: Table,
    pub notes: Vec<String>,
    /// Name and text of what is shown as it is.
    pub listings: Vec<(String, String)>,
}

impl Page {
    /// The whole file.
    pub fn html(&self) -> String {
        let mut out = String::new();
        let title = escape(&self.title);
        let _ = write!(out, "{HEAD}<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n");
        let _ = writeln!(out, "<p class=\"finding\">{}</p>", escape(&self.finding));
        if !self.warning.is_empty() {
            let _ = writeln!(out, "<p class=\"warning\">{}</p>", escape(&self.warning));
        }
        self.write_figures(&mut out);
        write_table(&mut out, &self.table);
        self.write_facts(&mut out);
        for note in &self.notes {
            let _ = writeln!(out, "<p class=\"note\">{}</p>", escape(note));
        }
        for (name, text) in &self.listings {
            let _ = writeln!(out, "<details><summary>{}</summary>\n<pre>{}</pre></details>", escape(name), escape(text));
        }
        out.push_str("</main>\n</body>\n</html>\n");
        out
    }

    pub fn write_figures(&self, out: &mut String) {
        out.push_str("<div class=\"figures\">\n");
        for figure in &self.figures {
            let _ = writeln!(
                out,
                "<figure><h2>{}</h2>\n{}<figcaption>{}</figcaption></figure>",
                escape(&figure.title),
                figure.svg,
                escape(&figure.caption)
            );
        }
        out.push_str("</div>\n");
    }

    pub fn write_facts(&self, out: &mut String) {
        if self.facts.is_empty() {
            return;
        }
        out.push_str("<h2>What was run</h2>\n<dl>\n");
        let is_long = |fact: &&(String, String)| fact.1.chars().count() > MOST_SHORT;
        for (name, value) in self.facts.iter().filter(|fact| !is_long(fact)) {
            let _ = writeln!(out, "<div><dt>{}</dt><dd>{}</dd></div>", escape(name), escape(value));
        }
        for (name, value) in self.facts.iter().filter(is_long) {
            let _ = writeln!(out, "<div class=\"long\"><dt>{}</dt><dd>{}</dd></div>", escape(name), escape(value));
        }
        out.push_str("</dl>\n");
    }
}

/// A table; a long one is folded.
pub fn write_table(out: &mut String, (name, header, rows): &Table) {
    let folded = rows.len() > MOST_OPEN_ROWS;
    if header.is_empty() {
        return;
    }
    let (open, close) = if folded { ("<details><summary>", "</summary>") } else { ("<h2>", "</h2>") };
    let _ = write!(out, "{open}{}{close}\n<div class=\"wide\"><table>\n<thead><tr>", escape(name));
    header.iter().for_each(|h| {
        let _ = write!(out, "<th scope=\"col\">{}</th>", escape(h));
    });
    out.push_str("</tr></thead>\n<tbody>\n");
    for row in rows {
        out.push_str("<tr>");
        row.iter().for_each(|cell| {
            let _ = write!(out, "<td>{}</td>", escape(cell));
        });
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table></div>\n");
    if folded {
        out.push_str("</details>\n");
    }
}

/// The policy forbids scripts and every request, should anything ever slip through.
pub const HEAD: &str = "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
    <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\"/>\n\
    <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
    <meta name=\"color-scheme\" content=\"light dark\"/>\n";

/// Charts name these variables; paper is always light.
pub const STYLE: &str = "
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
