//! The separator between the columns of a text file.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use csv::StringRecord;

use super::open::reading;
use crate::error::Result;

/// Semicolons and tabs come first, because decimal commas may occur beside them; then commas, then blanks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Separator {
    Comma,
    Semicolon,
    Tab,
    Blanks,
}

/// The part of a file that is examined for its first rows.
const BEGINNING: u64 = 1 << 16;

impl Separator {
    /// Finds the separator from the first lines of the file. Leaves the file at its beginning, or after a line `sep=;` as Excel writes it.
    pub(super) fn of(file: &mut File) -> Result<Separator> {
        let mut bytes = Vec::new();
        file.by_ref().take(BEGINNING).read_to_end(&mut bytes).map_err(reading)?;
        let text = String::from_utf8_lossy(&bytes);
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        // The names in a header may contain commas, so rows of numbers decide if there are any.
        let is_number = |line: &&str| line.starts_with(|c: char| c.is_ascii_digit() || "+-.\"".contains(c));
        let numbers: Vec<&str> = lines().filter(|line| !line.starts_with("sep=")).filter(is_number).take(20).collect();
        let some: Vec<&str> = if numbers.is_empty() { lines().take(20).collect() } else { numbers };
        let has = |c: char| some.iter().any(|line| line.contains(c));
        let separator = if has(';') {
            Separator::Semicolon
        } else if has('\t') {
            Separator::Tab
        } else if has(',') || !some.iter().any(|line| line.contains(' ')) {
            Separator::Comma
        } else {
            Separator::Blanks
        };
        file.seek(SeekFrom::Start(0)).map_err(reading)?;
        Ok(separator)
    }

    /// The byte for the `csv` crate.
    pub(super) fn byte(self) -> u8 {
        match self {
            Separator::Comma => b',',
            Separator::Semicolon => b';',
            Separator::Tab => b'\t',
            Separator::Blanks => b' ',
        }
    }

    /// The cells of a row without white space and quotes. Several blanks are one separator.
    pub(super) fn cells(self, row: &StringRecord) -> impl Iterator<Item = &str> {
        let trimmed = row.iter().map(str::trim).filter(move |cell| self != Separator::Blanks || !cell.is_empty());
        trimmed.map(|cell| cell.strip_prefix('"').and_then(|cell| cell.strip_suffix('"')).map_or(cell, str::trim))
    }

    /// Whether the line is empty, a comment, or Excel's `sep=;`.
    pub(super) fn is_no_row(self, row: &StringRecord) -> bool {
        let first = row.get(0).unwrap_or_default().trim().trim_start_matches('\u{feff}');
        let is_blank = row.iter().all(|cell| cell.trim().is_empty()) && (row.len() == 1 || self == Separator::Blanks);
        is_blank || first.starts_with('#') || (first.starts_with("sep=") && row.len() <= 2)
    }

    /// What to do about a cell that is not a number.
    pub(super) fn remedy(self, cell: &str) -> String {
        let has_comma = cell.contains(',') && cell.bytes().all(|b| b.is_ascii_digit() || b",.+-\"".contains(&b));
        match self {
            _ if has_comma => "Decimal commas are not read: save the file with decimal points".into(),
            Separator::Comma if cell.starts_with('"') != cell.ends_with('"') => {
                "Save the file with decimal points, and without commas between quotes".into()
            }
            _ => "Replace it or drop that line".into(),
        }
    }
}
