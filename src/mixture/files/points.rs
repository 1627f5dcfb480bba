//! Points: read from .npy, .npz or text, written as .npy, in single precision where that keeps them apart.

use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::Path;

use super::contents::not_finite;
use super::numbers::Numbers;
use super::open::{at, open, reading, unknown_extension};
use super::stream::{is_stream, open_stream};
use super::{Array, Values, csv, extension, npy, npz, write_npy};
use crate::error::{Error, Result};

/// Points (n, d) in C order, as they are stored.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredPoints {
    pub n: usize,
    pub d: usize,
    pub numbers: Numbers,
    /// What people should know of how the file was understood, as sentences without full stops.
    pub notes: Vec<String>,
}

/// As [`read_stored_points`], in double precision and without the notes.
pub fn read_points(path: &Path) -> Result<Array> {
    let StoredPoints { n, d, numbers, .. } = read_stored_points(path)?;
    Ok(Array { shape: vec![n, d], values: numbers.into_doubles() })
}

/// Points (n, d) from .npy, .npz, or text (.csv, .tsv, .txt) with or without a row of names: at least one row and one column, all finite.
/// `-` is standard input; of it and of `/dev/fd/N` the contents tell the format.
///
/// # Errors
/// [`Error::BadFile`], with row and column of a number that cannot be used.
pub fn read_stored_points(path: &Path) -> Result<StoredPoints> {
    let (format, file, length) = if is_stream(path) {
        let (mut file, length) = open_stream(path)?;
        (at(path, format_of(&mut file))?, file, length)
    } else {
        let format = match extension(path).as_str() {
            "npy" => Format::Npy,
            "npz" => Format::Npz,
            "csv" | "tsv" | "txt" | "dat" => Format::Text,
            other => return Err(unknown_extension(path, other, ".npy, .npz or .csv")),
        };
        let (file, length) = open(path)?;
        (format, file, length)
    };
    let read = match format {
        Format::Npy => npy::read_as_stored(&mut BufReader::new(file), length).map(|read| (read, Vec::new())),
        Format::Npz => npz::read_stored_points(file, length).map(|read| (read, Vec::new())),
        Format::Text => csv::read(file).map(|(array, notes)| ((array.shape, Numbers::F64(array.values)), notes)),
    };
    let ((shape, numbers), notes) = at(path, read)?;
    let notes = notes.into_iter().map(|note| format!("{}: {note}", path.display())).collect();
    match (&shape[..], numbers.not_finite()) {
        (_, Some((place, value))) => at(path, Err(not_finite("points", place, &shape, value))),
        (&[n, d], None) if n > 0 && d > 0 => Ok(StoredPoints { n, d, numbers, notes }),
        _ => at(
            path,
            Err(Error::bad_input(
                format!("points have shape {shape:?}"),
                "Give (n, d) with at least one row and one column; a single column is x.reshape(-1, 1)",
            )),
        ),
    }
}

enum Format {
    Npy,
    Npz,
    Text,
}

/// By the first bytes, which are read again afterwards.
fn format_of(file: &mut File) -> Result<Format> {
    let mut first = Vec::new();
    file.by_ref().take(6).read_to_end(&mut first).map_err(reading)?;
    file.rewind().map_err(reading)?;
    Ok(match &first[..] {
        b"\x93NUMPY" => Format::Npy,
        first if first.starts_with(b"PK\x03\x04") || first.starts_with(b"PK\x05\x06") => Format::Npz,
        _ => Format::Text,
    })
}

/// The least numbers of single precision within a length that matters, as σ: with fewer, points of a large sample fall together.
const LEAST_RESOLUTION: f64 = 131_072.0; // 2¹⁷: for a σ of 1 up to a distance of 128 from zero

/// The type that points are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum Dtype {
    F32,
    F64,
}

impl Dtype {
    /// Single precision, unless it would merge distinct points or overflow: of coordinates up to `largest` that differ by about `unit`.
    pub fn that_tells_apart(largest: f64, unit: f64) -> Self {
        let largest = largest.abs() as f32;
        let step = f64::from(largest.next_up()) - f64::from(largest);
        if step * LEAST_RESOLUTION <= unit { Dtype::F32 } else { Dtype::F64 }
    }

    /// NumPy's name.
    pub fn name(self) -> &'static str {
        match self {
            Dtype::F32 => "float32",
            Dtype::F64 => "float64",
        }
    }
}

/// Writes `points` (n, d) that differ by about `unit`, in the type that tells them apart; returns it.
///
/// # Errors
/// [`Error::NonFiniteResult`] with the place of a number that is not finite, [`Error::Io`].
pub fn write_points(path: &Path, d: usize, points: &[f64], unit: f64) -> Result<Dtype> {
    if let Some(at) = points.iter().position(|v| !v.is_finite()) {
        return Err(Error::NonFiniteResult {
            what: format!("point {}, coordinate {} is {}", at / d, at % d, points[at]),
            remedy: "Nothing was written. Use smaller units".into(),
        });
    }
    let dtype = Dtype::that_tells_apart(points.iter().fold(0.0, |a: f64, v| a.max(v.abs())), unit);
    let shape = [points.len() / d, d];
    match dtype {
        Dtype::F64 => write_npy(path, &shape, Values::F64(points))?,
        Dtype::F32 => write_npy(path, &shape, Values::F32(&points.iter().map(|v| *v as f32).collect::<Vec<_>>()))?,
    }
    Ok(dtype)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_precision_where_it_keeps_points_apart() {
        for (largest, unit, double) in [
            (6.0, 1.0, false),
            (100.0, 1.0, false),
            (300.0, 1.0, true),
            (4_649_776.0, 0.1, true),
            (1.7e9, 10.0, true),
            (1.7e9, 1e9, false),
            (6e-150, 1e-150, true),
            (1e-30, 1e-30, false),
            (1e300, 1e300, true),
            (0.0, 1.0, false),
        ] {
            assert_eq!(Dtype::that_tells_apart(largest, unit) == Dtype::F64, double, "{largest:e} in {unit:e}");
        }
    }
}
