//! Points as comma-separated text, read row by row with the `csv` crate.
//!
//! The crate's rows have no limit, so the bytes that it gets for each are counted here: a file without line ends takes no more memory
//! than a row of 2 MiB (some 100 000 columns). Quotes come off around a number but join no lines: one that never closed would hide rows.

use std::fs::File;
use std::io::{Chain, Read, Take};
use std::path::Path;

use csv::{ErrorKind, ReaderBuilder, StringRecord, Terminator};

use super::Array;
use super::open::{at, damaged, open, reading, shown};
use crate::error::{Error, Result};

/// Two million empty cells are 2 MiB of text, and 48 MiB while the crate notes where they end.
const LONGEST_ROW: u64 = 2 << 20;
const BUFFER: usize = 1 << 16;

/// Rows of a file with a line end behind it: then each row ends with one, and the crate's count of them tells the row's line.
type Rows = csv::Reader<Chain<Take<File>, &'static [u8]>>;

/// Rows of numbers with equally many columns; a first row without any number is a row of names. Lines and columns count from 1 in messages.
pub fn read(path: &Path) -> Result<Array> {
    let (file, _) = open(path)?;
    let mut format = ReaderBuilder::new();
    // Flexible, because the message is ours; carriage returns fall off with the white space around numbers.
    format.flexible(true).quoting(false).terminator(Terminator::Any(b'\n')).buffer_capacity(BUFFER);
    let mut rows = format.from_reader(file.take(0).chain(b"\n".as_slice()));
    rows.set_headers(StringRecord::new()); // else the crate keeps two copies of the first row
    at(path, read_rows(rows))
}

fn read_rows(mut rows: Rows) -> Result<Array> {
    let (mut values, mut n_columns, mut n_rows) = (Vec::new(), 0, 0);
    let mut row = StringRecord::new();
    let mut first = true;
    while let Some(line) = next_row(&mut rows, &mut row)? {
        let skipped = (std::mem::take(&mut first) && is_names(&row)) || (row.len() == 1 && row[0].trim().is_empty());
        if skipped {
            continue;
        }
        read_row(&row, line, &mut values)?;
        if n_rows > 0 && row.len() != n_columns {
            return Err(Error::bad_input(
                format!("line {line} has {} columns, but the first row has {n_columns}", row.len()),
                "Give every row the same number of columns",
            ));
        }
        (n_columns, n_rows) = (row.len(), n_rows + 1);
    }
    if n_rows == 0 {
        return Err(Error::bad_input("there is no row of numbers", "Give at least one line of numbers, separated by commas"));
    }
    Ok(Array { shape: vec![n_rows, n_columns], values })
}

/// Reads the next row and gives its line.
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

fn cells(row: &StringRecord) -> impl Iterator<Item = &str> {
    row.iter().map(|cell| {
        let cell = cell.trim();
        cell.strip_prefix('"').and_then(|cell| cell.strip_suffix('"')).unwrap_or(cell).trim()
    })
}

fn is_names(row: &StringRecord) -> bool {
    cells(row).all(|cell| cell.parse::<f64>().is_err()) && cells(row).any(|cell| !cell.is_empty())
}

/// Appends the numbers of a row.
fn read_row(row: &StringRecord, line: u64, values: &mut Vec<f64>) -> Result<()> {
    for (column, cell) in cells(row).enumerate() {
        match cell.parse::<f64>() {
            Ok(value) if value.is_finite() => values.push(value),
            _ => {
                let what = if cell.is_empty() { "empty".into() } else { format!("`{}`", shown(cell)) };
                return Err(Error::bad_input(
                    format!("line {line}, column {} is {what}, not a finite number", column + 1),
                    "Replace it or drop that line",
                ));
            }
        }
    }
    Ok(())
}
