//! Points as comma-separated text, read line by line.
//!
//! A line is at most 4 MiB (some 200 000 columns): a quote that never closes or a file without line ends takes no more memory than that,
//! which is why the lines are split here and not by a general reader, whose records have no limit.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use super::Array;
use super::open::{at, open, reading, shown};
use crate::error::{Error, Result};

const LONGEST_LINE: u64 = 4 << 20;

/// Rows of numbers with equally many columns; a first row without any number is a row of names. Rows and columns count from 1 in messages.
pub fn read(path: &Path) -> Result<Array> {
    let (file, _) = open(path)?;
    at(path, read_rows(BufReader::with_capacity(1 << 16, file)))
}

fn read_rows(mut file: impl BufRead) -> Result<Array> {
    let (mut values, mut n_columns, mut n_rows) = (Vec::new(), 0, 0);
    let mut line = Vec::new();
    for number in 1u64.. {
        line.clear();
        if (&mut file).take(LONGEST_LINE + 1).read_until(b'\n', &mut line).map_err(reading)? == 0 {
            break;
        }
        if line.len() as u64 > LONGEST_LINE {
            return Err(Error::bad_input(format!("line {number} is longer than {LONGEST_LINE} bytes"), "Use .npy for so many columns"));
        }
        let start = if number == 1 && line.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        let text = std::str::from_utf8(&line[start..])
            .map_err(|_| Error::bad_input(format!("line {number} is not UTF-8 text"), "Save it as UTF-8 or use .npy"))?
            .trim();
        if text.is_empty() || (number == 1 && is_names(text)) {
            continue;
        }
        let columns = read_line(text, number, &mut values)?;
        if n_rows > 0 && columns != n_columns {
            return Err(Error::bad_input(
                format!("line {number} has {columns} columns, but the first row has {n_columns}"),
                "Give every row the same number of columns",
            ));
        }
        (n_columns, n_rows) = (columns, n_rows + 1);
    }
    if n_rows == 0 {
        return Err(Error::bad_input("there is no row of numbers", "Give at least one line of numbers, separated by commas"));
    }
    Ok(Array { shape: vec![n_rows, n_columns], values })
}

fn cells(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(|cell| {
        let cell = cell.trim();
        cell.strip_prefix('"').and_then(|cell| cell.strip_suffix('"')).unwrap_or(cell).trim()
    })
}

fn is_names(text: &str) -> bool {
    cells(text).all(|cell| cell.parse::<f64>().is_err()) && cells(text).any(|cell| !cell.is_empty())
}

/// Appends the numbers of a line and gives their number.
fn read_line(text: &str, number: u64, values: &mut Vec<f64>) -> Result<usize> {
    let before = values.len();
    for (column, cell) in cells(text).enumerate() {
        match cell.parse::<f64>() {
            Ok(value) if value.is_finite() => values.push(value),
            _ => {
                let what = if cell.is_empty() { "empty".into() } else { format!("`{}`", shown(cell)) };
                return Err(Error::bad_input(
                    format!("line {number}, column {} is {what}, not a finite number", column + 1),
                    "Replace it or drop that line",
                ));
            }
        }
    }
    Ok(values.len() - before)
}
