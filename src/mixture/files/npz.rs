//! NumPy's .npz: a zip archive of .npy files.

use std::fs::File;
use std::io::{self, BufReader, Write};
use std::path::Path;

use zip::read::{ZipFile, ZipFileEntry};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, System, ZipWriter};

use super::contents::Contents;
use super::numbers::{Kind, Numbers, Values};
use super::open::{at, damaged, open, reading, shown};
use super::unzip::{Archive, open_archive, unsound};
use super::{Array, COVARIANCE_TYPE, MEANS, npy, text, write_atomically};
use crate::error::{Error, Result};

/// What compressed entries may unpack to: this much, or [`MOST_GROWTH`] times the file. Random numbers hardly shrink; bombs grow 1000-fold.
const ALWAYS_UNPACKED: u64 = 16 << 20;
const MOST_GROWTH: u64 = 8;

/// What points are called among other arrays; the last is numpy.savez's own name for an array without one.
const POINTS: [&str; 7] = ["points", "x", "X", "data", "samples", "observations", "arr_0"];

/// All arrays of an .npz file, in its order.
pub fn read_npz(path: &Path) -> Result<Vec<(String, Array)>> {
    Ok(read(path, None)?.arrays)
}

/// Writes arrays (name, shape, values) without compression; equal arrays give equal bytes.
///
/// # Errors
/// [`Error::BadInput`] where a shape and its values differ in size or a name cannot be one, [`Error::Io`] where writing fails.
pub fn write_npz(path: &Path, arrays: &[(&str, &[usize], Values)]) -> Result<()> {
    let mut names: Vec<&str> = arrays.iter().map(|(name, ..)| *name).collect();
    names.iter().try_for_each(|name| require_name(name))?;
    refuse_duplicates(&mut names)?;
    let headers = arrays.iter().map(|(_, shape, values)| npy::header(shape, values)).collect::<Result<Vec<_>>>()?;
    write_atomically(path, |out| {
        let mut archive = ZipWriter::new(out);
        for ((name, _, values), header) in arrays.iter().zip(&headers) {
            archive.start_file(format!("{name}.npy"), plain())?;
            archive.write_all(header)?;
            values.write(&mut archive)?;
        }
        archive.finish()?;
        Ok(())
    })
}

/// Stored, with zip64 sizes as NumPy writes them, and nothing that depends on the day or the system.
fn plain() -> SimpleFileOptions {
    SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .large_file(true)
        .last_modified_time(DateTime::default())
        .system(System::Unix)
        .unix_permissions(0o644)
}

/// The arrays called `wanted` (`None`: all), and the names of the others.
pub(super) fn read(path: &Path, wanted: Option<&[&str]>) -> Result<Contents> {
    let (file, length) = open(path)?;
    at(path, open_archive(file, length).and_then(|archive| read_entries(archive, length, wanted)))
}

fn read_entries(mut archive: Archive, length: u64, wanted: Option<&[&str]>) -> Result<Contents> {
    let names = array_names(&archive)?;
    let mut contents = Contents::default();
    let mut budget = length.saturating_mul(MOST_GROWTH).max(ALWAYS_UNPACKED);
    for (index, name) in names {
        if wanted.is_some_and(|wanted| !wanted.contains(&name.as_str())) {
            contents.others.push(name);
            continue;
        }
        let mut entry = archive.by_index(index).map_err(unsound)?;
        if entry.compression() != CompressionMethod::Stored {
            budget = budget.checked_sub(entry.size()).ok_or_else(|| too_much(&name, entry.compressed_size(), entry.size()))?;
        }
        if name == COVARIANCE_TYPE {
            contents.covariance_type = Some(read_word(&mut entry).map_err(|error| in_entry(&name, error))?);
            continue;
        }
        let (array, kind) = read_entry(&mut entry).map_err(|error| in_entry(&name, error))?;
        contents.push(name, array, kind);
    }
    Ok(contents)
}

/// The points (n, d) of an archive, as they are stored: its only array, or the one that is called as points are.
pub(super) fn read_stored_points(file: File, length: u64) -> Result<(Vec<usize>, Numbers)> {
    let mut archive = open_archive(file, length)?;
    let names = array_names(&archive)?;
    let called = |wanted: &str| names.iter().find(|(_, name)| name == wanted);
    let found = match &names[..] {
        [only] => Some(only),
        _ => POINTS.iter().find_map(|wanted| called(wanted)),
    };
    let Some((index, name)) = found.filter(|_| called(MEANS).is_none()) else {
        let names: Vec<String> = names.iter().take(8).map(|(_, name)| shown(name)).collect();
        return Err(Error::bad_input(
            format!("holds the arrays {}, and none is known to be the points", names.join(", ")),
            format!("Save the points (n, d) alone, or under one of the names {}", POINTS.join(", ")),
        ));
    };
    let mut entry = archive.by_index(*index).map_err(unsound)?;
    if entry.compression() != CompressionMethod::Stored && entry.size() > length.saturating_mul(MOST_GROWTH).max(ALWAYS_UNPACKED) {
        return Err(too_much(name, entry.compressed_size(), entry.size()));
    }
    let size = entry.size();
    let read = npy::read_as_stored(&mut entry, size).map_err(|error| in_entry(name, error))?;
    read_to_end(&mut entry)?;
    Ok(read)
}

fn read_entry(entry: &mut ZipFile<'_, BufReader<File>>) -> Result<(Array, Kind)> {
    let size = entry.size();
    let read = npy::read(entry, size)?;
    read_to_end(entry)?;
    Ok(read)
}

fn read_word(entry: &mut ZipFile<'_, BufReader<File>>) -> Result<String> {
    let size = entry.size();
    let word = text::read(entry, size)?;
    read_to_end(entry)?;
    Ok(word)
}

/// The checksum, and whether there are more bytes than declared, show at the end only.
fn read_to_end(entry: &mut ZipFile<'_, BufReader<File>>) -> Result<()> {
    io::copy(entry, &mut io::sink()).map(drop).map_err(reading)
}

fn too_much(name: &str, packed: u64, size: u64) -> Error {
    Error::bad_input(
        format!("the array {} unpacks from {packed} to {size} bytes, which looks like an attack", shown(name)),
        "If you trust it, save it with numpy.savez, without compression",
    )
}

fn in_entry(name: &str, error: Error) -> Error {
    match error {
        Error::BadInput { what, remedy } => Error::bad_input(format!("the array {} {what}", shown(name)), remedy),
        error => error,
    }
}

/// Each array's place in the archive, and its name. What a Mac adds to an archive is no array.
fn array_names(archive: &Archive) -> Result<Vec<(usize, String)>> {
    let mut names = Vec::new();
    for index in 0..archive.len() {
        let entry = archive.by_index_data(index).map_err(unsound)?;
        if !entry.name().map_err(unsound)?.starts_with("__MACOSX/") {
            names.push((index, array_name(&entry)?));
        }
    }
    Ok(names)
}

fn array_name(entry: &ZipFileEntry) -> Result<String> {
    let entry_name = entry.name().map_err(unsound)?;
    let name = entry_name.strip_suffix(".npy").ok_or_else(|| {
        Error::bad_input(format!("the entry {} is not an .npy array", shown(&entry_name)), "Write the file with numpy.savez")
    })?;
    require_name(name)?;
    Ok(name.to_string())
}

/// Names are plain words: nothing that could mean a place outside of the archive.
fn require_name(name: &str) -> Result<()> {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ' ');
    if name.is_empty() || name.len() > 128 || name.starts_with('.') || !name.chars().all(plain) {
        return Err(Error::bad_input(format!("the array name `{}` cannot be used", shown(name)), "Use letters, digits and underscores"));
    }
    Ok(())
}

fn refuse_duplicates(names: &mut [&str]) -> Result<()> {
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(damaged(format!("has the array {} twice", shown(pair[0])))),
        None => Ok(()),
    }
}
