//! NumPy's .npz: a zip archive of .npy files.

use std::io::Write;
use std::path::Path;

use super::numbers::Values;
use super::open::{at, damaged, open, shown};
use super::unzip::{self, Entry};
use super::{Array, Contents, npy, write_atomically, zip};
use crate::error::{Error, Result};

/// What compressed entries may unpack to: this much, or [`MOST_GROWTH`] times the file. Random numbers hardly shrink; bombs grow 1000-fold.
const ALWAYS_UNPACKED: u64 = 16 << 20;
const MOST_GROWTH: u64 = 8;

/// All arrays of an .npz file, in its order.
///
/// # Errors
/// [`Error::BadFile`].
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
        let mut archive = zip::Writer::new(out);
        for ((name, _, values), header) in arrays.iter().zip(&headers) {
            archive.add(&format!("{name}.npy"), header.len() as u64 + values.bytes(), |out: &mut dyn Write| {
                out.write_all(header)?;
                values.write(out)
            })?;
        }
        archive.finish()
    })
}

/// The arrays called `wanted` (`None`: all), and the names of the others.
pub fn read(path: &Path, wanted: Option<&[&str]>) -> Result<Contents> {
    let (file, length) = open(path)?;
    at(path, unzip::entries(&file, length).and_then(|entries| read_entries(&file, length, entries, wanted)))
}

fn read_entries(file: &std::fs::File, length: u64, entries: Vec<Entry>, wanted: Option<&[&str]>) -> Result<Contents> {
    let mut names = entries.iter().map(array_name).collect::<Result<Vec<&str>>>()?;
    refuse_duplicates(&mut names)?;
    let mut contents = Contents { arrays: Vec::new(), others: Vec::new() };
    let mut budget = length.saturating_mul(MOST_GROWTH).max(ALWAYS_UNPACKED);
    for entry in &entries {
        let name = array_name(entry)?.to_string();
        if wanted.is_some_and(|wanted| !wanted.contains(&name.as_str())) {
            contents.others.push(name);
            continue;
        }
        if entry.deflated {
            budget = budget.checked_sub(entry.size).ok_or_else(|| too_much(entry))?;
        }
        let array = entry.read(file, |bytes| npy::read(bytes, entry.size)).map_err(|error| in_entry(&name, error))?;
        contents.arrays.push((name, array));
    }
    Ok(contents)
}

fn too_much(entry: &Entry) -> Error {
    Error::bad_input(
        format!("{} unpacks from {} to {} bytes, which looks like an attack", shown(&entry.name), entry.packed, entry.size),
        "If you trust it, save it with numpy.savez, without compression",
    )
}

fn in_entry(name: &str, error: Error) -> Error {
    match error {
        Error::BadInput { what, remedy } => Error::bad_input(format!("the array {} {what}", shown(name)), remedy),
        error => error,
    }
}

fn array_name(entry: &Entry) -> Result<&str> {
    let name = entry.name.strip_suffix(".npy").ok_or_else(|| {
        Error::bad_input(format!("the entry {} is not an .npy array", shown(&entry.name)), "Write the file with numpy.savez")
    })?;
    require_name(name)?;
    Ok(name)
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
