//! Headers and row names of text files. Clear cases are accepted, likely mistakes are refused, and doubtful ones get a note.

use super::open::shown;
use crate::error::{Error, Result};

/// Words for a missing number.
const MISSING: [&str; 9] = ["na", "n/a", "nan", "null", "none", "?", "-", ".", "missing"];

/// Names of a column that counts the rows.
const COUNTERS: [&str; 9] = ["index", "idx", "id", "row", "rowid", "rownames", "row_names", "obs", "level_0"];

/// A first row of names.
pub(super) struct Header {
    names: Vec<String>,
    line: u64,
}

/// A row of numbers: its line, its cells as text, and their values.
pub(super) struct NumberRow<'a> {
    pub line: u64,
    pub cells: &'a [&'a str],
    pub values: &'a [f64],
}

/// Whether the first column of all rows holds names, and how that was recognised.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum RowNames {
    None,
    /// It has no name: pandas and R write their row index like this.
    Unnamed,
    /// The header has one name fewer than rows have columns.
    NoNameForThem,
}

/// What all rows have in common, for judging the first one.
#[derive(Default)]
pub(super) struct Rows {
    first: Vec<f64>,
    second: Vec<f64>,
    third: Vec<f64>,
    line: u64,
    text: String,
    first_is_whole: bool,
    /// Whether rows after the first have fractions.
    has_fractions: bool,
    /// Whether all numbers of the rows after the first occur in the first.
    repeats_first: bool,
    n: usize,
    /// The number from which the first column counts the rows, if it does.
    counts_from: Option<f64>,
}

impl Header {
    /// The header, if the row is one: none of its cells is a number, or numbers that count follow an empty cell, as above a row index.
    pub(super) fn of(cells: &[&str], line: u64) -> Option<Header> {
        let is_number = |cell: &&str| cell.parse::<f64>().is_ok();
        let is_missing = |cell: &&str| MISSING.contains(&cell.to_lowercase().as_str());
        let strip = |cell: &str| cell.trim_start_matches('\u{feff}').trim().trim_matches('"').to_string();
        let names: Vec<String> = cells.iter().map(|cell| strip(cell)).collect();
        let filled = || cells.iter().filter(|cell| !cell.is_empty());
        let of_names = filled().next().is_some() && !filled().any(is_number) && !filled().all(is_missing);
        let counted: Vec<Option<u64>> = cells.iter().skip(1).map(|cell| cell.parse().ok()).collect();
        let counts = counted.iter().zip(counted.iter().skip(1)).all(|(a, b)| a.map(|a| a + 1) == *b);
        let after_index = cells[0].is_empty() && counted.first().is_some_and(Option::is_some) && counts;
        (of_names || after_index).then_some(Header { names, line })
    }
}

impl RowNames {
    /// Judges by the header and the first row of numbers. Its first cell may be quoted: R quotes names but not numbers.
    pub(super) fn of(header: Option<&Header>, first: &[&str], is_quoted: bool, line: u64) -> Result<RowNames> {
        let Some(Header { names, line: of_names }) = header else { return Ok(RowNames::None) };
        let unnamed = |name: &str| name.is_empty() || name == "Unnamed: 0" || name == "...1";
        if first.len() > 1 && names.len() == first.len() && unnamed(&names[0]) {
            return Ok(RowNames::Unnamed);
        }
        if names.len() == first.len() {
            return Ok(RowNames::None);
        }
        if names.len() + 1 == first.len() && (is_quoted || first[0].parse::<f64>().is_err()) {
            return Ok(RowNames::NoNameForThem);
        }
        let commas = if names.len() < first.len() { "; are these decimal commas" } else { "" };
        Err(Error::bad_input(
            format!("line {of_names} has {} names and line {line} has {} columns{commas}", names.len(), first.len()),
            "Give each column a name, save the file with decimal points, and leave a row index out",
        ))
    }

    /// The cells of a row without the row's name.
    pub(super) fn rest<'a, 'b>(self, cells: &'a [&'b str], line: u64) -> Result<&'a [&'b str]> {
        if self == RowNames::None || cells.len() < 2 {
            return Ok(cells);
        }
        match cells[0].parse::<f64>() {
            Ok(value) if value.fract() != 0.0 => Err(Error::bad_input(
                format!("column 1 has no name, as a row index has none, but holds {} on line {line}", shown(cells[0])),
                "Give that column a name if it is a coordinate, or leave it out",
            )),
            _ => Ok(&cells[1..]),
        }
    }

    /// The note that a column was left out.
    pub(super) fn note(self) -> Option<String> {
        let why = match self {
            RowNames::None => return None,
            RowNames::Unnamed => "has no name",
            RowNames::NoNameForThem => "is one more than there are names",
        };
        Some(format!("the first column {why}: it was taken for a row index, and is no coordinate"))
    }
}

impl Rows {
    /// Takes in the next row.
    pub(super) fn add(&mut self, row: &NumberRow) {
        let whole = |cell: &&str| !cell.contains(['.', 'e', 'E']);
        match self.n {
            0 => {
                self.first = row.values.to_vec();
                (self.line, self.text) = (row.line, row.cells.join(","));
                self.first_is_whole = row.cells.iter().all(whole);
                self.counts_from = Some(self.first[0]).filter(|start| (*start == 0.0 || *start == 1.0) && whole(&row.cells[0]));
                self.repeats_first = true;
            }
            1 => self.second = row.values.to_vec(),
            2 => self.third = row.values.to_vec(),
            _ => {}
        }
        if self.n > 0 && self.first_is_whole && !self.has_fractions {
            self.has_fractions = !row.cells.iter().all(whole);
            self.repeats_first = self.repeats_first && row.values.iter().all(|v| self.first.contains(v));
        }
        self.counts_from = self.counts_from.filter(|start| row.values[0] == start + self.n as f64);
        self.n += 1;
    }

    /// Refuses a first row that is probably a header of numbers, and a named column that counts the rows. Returns notes on a possible row
    /// index.
    pub(super) fn judge(&self, header: Option<&Header>) -> Result<Vec<String>> {
        if header.is_none() && self.is_header_of_numbers() {
            return Err(Error::bad_input(
                format!("line {} (`{}`) looks like a header of numbers, not like a point", self.line, shown(&self.text)),
                "Remove that line (pandas: header=False); if it is a point, write its numbers with decimals, as 1.0",
            ));
        }
        let counts = self.n > 2 && self.first.len() > 1 && self.counts_from.is_some();
        let name = header.and_then(|header| header.names.first());
        match name {
            Some(name) if counts && COUNTERS.contains(&name.to_lowercase().as_str()) => Err(Error::bad_input(
                format!("the first column, `{}`, counts the rows: it looks like a row index, not like a coordinate", shown(name)),
                "Leave it out (pandas: index=False), or give it another name if it is a coordinate",
            )),
            None if counts => Ok(vec!["the first column counts the rows: if it is a row index, leave it out (pandas: index=False)".into()]),
            _ => Ok(Vec::new()),
        }
    }

    /// Whether the first row counts 0, 1, 2, … or 2019, 2020, … above numbers of another kind.
    fn is_header_of_numbers(&self) -> bool {
        let first = &self.first;
        if !self.first_is_whole || self.n < 2 {
            return false;
        }
        if let [only] = first[..] {
            // A column that begins with 0 has a header above fractions, unless these continue it in even steps.
            let step = self.second[0] - only;
            let even = self.third.first().is_none_or(|third| (third - self.second[0] - step).abs() <= 1e-6 * step.abs());
            return only == 0.0 && self.has_fractions && !(even && self.n > 2);
        }
        let counts = first.windows(2).all(|pair| pair[1] == pair[0] + 1.0);
        let even = first.len() > 2 && first[1] - first[0] >= 1.0 && first.windows(2).all(|pair| pair[1] - pair[0] == first[1] - first[0]);
        let goes_on = self.second.first() == first.last().map(|last| last + 1.0).as_ref();
        if self.has_fractions { counts || even } else { counts && first[0] == 0.0 && !goes_on && !self.repeats_first }
    }
}
