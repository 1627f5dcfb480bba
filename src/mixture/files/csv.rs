//! Points as text, read row by row with the `csv` crate.
//!
//! The crate does not limit the length of a row, so the bytes that it gets for each are counted here: a file without line ends takes no
//! more memory than a row of 2 MiB (some 100 000 columns). Quotes around a number are removed but do not join lines, because one that is
//! never closed would hide rows.

use std::fs::File;
use std::io::{Chain, Read, Take};

use csv::{ErrorKind, ReaderBuilder, StringRecord, Terminator};

use super::Array;
use super::header::{Header, NumberRow, RowNames, Rows as Seen};
use super::open::{damaged, reading, shown};
use super::separator::Separator;
use crate::error::{Error, Result};

/// Two million empty cells are 2 MiB of text, and 48 MiB in the crate's list of their ends.
const LONGEST_ROW: u64 = 2 << 20;
const BUFFER: usize = 1 << 16;

/// The rows of a file and one added line end: then each row ends with one, and the crate's count of them gives the row's line.
type Rows = csv::Reader<Chain<Take<File>, &'static [u8]>>;

/// Rows of numbers with equally many columns, and notes on how the text was read. A first row without any number is a row of names; lines
/// that begin with # are comments; a column without a name that counts or names the rows is left out. Lines and columns count from 1 in
/// messages.
pub(super) fn read(mut file: File) -> Result<(Array, Vec<String>)> {
    let separator = Separator::of(&mut file)?;
    let mut format = ReaderBuilder::new();
    // Rows of different lengths are accepted here and refused below with our own message. Carriage returns are trimmed with white space.
    format.flexible(true).quoting(false).terminator(Terminator::Any(b'\n')).buffer_capacity(BUFFER).delimiter(separator.byte());
    let mut rows = format.from_reader(file.take(0).chain(b"\n".as_slice()));
    rows.set_headers(StringRecord::new()); // else the crate keeps two copies of the first row
    read_rows(rows, separator)
}

fn read_rows(mut rows: Rows, separator: Separator) -> Result<(Array, Vec<String>)> {
    let (mut values, mut n_columns, mut n_rows) = (Vec::new(), 0, 0);
    let mut row = StringRecord::new();
    let (mut header, mut first, mut seen) = (None, true, Seen::default());
    let mut row_names = RowNames::None;
    while let Some(line) = next_row(&mut rows, &mut row)? {
        if separator.is_no_row(&row) {
            continue;
        }
        refuse_empty_multitudes(&row, line)?;
        let cells: Vec<&str> = separator.cells(&row).collect();
        if std::mem::take(&mut first) {
            header = Header::of(&cells, line);
            if header.is_some() {
                continue;
            }
        }
        if n_rows == 0 {
            row_names = RowNames::of(header.as_ref(), &cells, row[0].trim().starts_with('"'), line)?;
        }
        let numbers = row_names.rest(&cells, line)?;
        read_row(numbers, line, cells.len() - numbers.len(), separator, &mut values)?;
        if n_rows > 0 && numbers.len() != n_columns {
            return Err(Error::bad_input(
                format!("line {line} has {} columns, but the first row has {n_columns}", numbers.len()),
                "Give every row the same number of columns",
            ));
        }
        (n_columns, n_rows) = (numbers.len(), n_rows + 1);
        seen.add(&NumberRow { line, cells: numbers, values: &values[values.len() - n_columns..] });
    }
    if n_rows == 0 {
        return Err(Error::bad_input("there is no row of numbers", "Give at least one line of numbers, separated by commas"));
    }
    let notes = seen.judge(header.as_ref())?;
    Ok((Array { shape: vec![n_rows, n_columns], values }, notes.into_iter().chain(row_names.note()).collect()))
}

/// Reads the next row. Returns its line number, or `None` at the end.
fn next_row(rows: &mut Rows, row: &mut StringRecord) -> Result<Option<u64>> {
    // The buffer may hold the rows after this one already.
    rows.get_mut().get_mut().0.set_limit(LONGEST_ROW + BUFFER as u64);
    let result = rows.read_record(row);
    let line = rows.position().line() - 1;
    if rows.get_ref().get_ref().0.limit() == 0 {
        return Err(Error::bad_input(format!("line {line} is longer than {LONGEST_ROW} bytes"), "Use .npy for so many columns"));
    }
    let there_is = result.map_err(|error| match error.into_kind() {
        ErrorKind::Io(error) => reading(error),
        ErrorKind::Utf8 { .. } => Error::bad_input(format!("line {line} is not UTF-8 text"), "Save it as UTF-8 or use .npy"),
        other => damaged(format!("line {line} cannot be read: {other:?}")),
    })?;
    Ok(there_is.then_some(line))
}

/// Refuses a row in which most cells must be empty, because it has more cells than half its bytes, before memory is taken for all.
fn refuse_empty_multitudes(row: &StringRecord, line: u64) -> Result<()> {
    if row.len() as u64 <= LONGEST_ROW / 2 {
        return Ok(());
    }
    let column = row.iter().position(|cell| cell.trim().is_empty()).unwrap_or_default() + 1;
    Err(Error::bad_input(format!("line {line}, column {column} is empty, not a finite number"), "Replace it or drop that line"))
}

/// Appends the numbers of a row; `skipped` columns come before them.
fn read_row(cells: &[&str], line: u64, skipped: usize, separator: Separator, values: &mut Vec<f64>) -> Result<()> {
    for (column, cell) in cells.iter().enumerate() {
        let place = || format!("line {line}, column {}", column + 1 + skipped);
        match cell.parse::<f64>() {
            // No program writes 05 for five, so these are the decimals of 1,05.
            Ok(_) if column > 0 && separator == Separator::Comma && is_fraction(cell) => {
                return Err(Error::bad_input(
                    format!("{} is `{}`: the comma before it looks like a decimal comma", place(), shown(cell)),
                    "Save the file with decimal points",
                ));
            }
            Ok(value) if value.is_finite() => values.push(value),
            _ => {
                let what = if cell.is_empty() { "empty".into() } else { format!("`{}`", shown(cell)) };
                return Err(Error::bad_input(format!("{} is {what}, not a finite number", place()), separator.remedy(cell)));
            }
        }
    }
    Ok(())
}

/// Whether the cell is digits that begin with a zero, but not zero itself.
fn is_fraction(cell: &str) -> bool {
    cell.len() > 1 && cell.starts_with('0') && cell.bytes().all(|b| b.is_ascii_digit())
}
