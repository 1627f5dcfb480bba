//! Opening a stranger's file: regular files only, and errors that name the path.

use std::fs::File;
use std::io;
use std::path::Path;

use crate::error::{Error, Result};

/// An open regular file and its length in bytes. Links are followed; folders, pipes and devices are refused without waiting for them.
pub(super) fn open(path: &Path) -> Result<(File, u64)> {
    let cannot = |error: io::Error| Error::bad_file(path, format!("cannot be opened: {error}"), "Check the path and its permissions");
    // Checked before opening, because opening a pipe waits for its writer, and after, because the path may have changed meanwhile.
    let before = std::fs::metadata(path).map_err(cannot)?;
    require_regular(path, &before)?;
    let file = File::open(path).map_err(cannot)?;
    let metadata = file.metadata().map_err(cannot)?;
    require_regular(path, &metadata)?;
    Ok((file, metadata.len()))
}

fn require_regular(path: &Path, metadata: &std::fs::Metadata) -> Result<()> {
    if metadata.is_file() {
        return Ok(());
    }
    let kind = if metadata.is_dir() { "a folder" } else { "a pipe or a device" };
    Err(Error::bad_file(path, format!("is {kind}, not a file"), "Give a regular file"))
}

/// Adds the path to an error that was found in a file's contents.
pub(super) fn at<T>(path: &Path, result: Result<T>) -> Result<T> {
    result.map_err(|error| match error {
        Error::BadInput { what, remedy } => Error::bad_file(path, what, remedy),
        error => error,
    })
}

/// An error while reading the contents: the file is truncated, its compression is broken, or the disk is.
pub(super) fn reading(error: io::Error) -> Error {
    let what = match error.kind() {
        io::ErrorKind::UnexpectedEof => "ends before the contents that it declares".into(),
        _ => format!("cannot be read: {error}"),
    };
    damaged(what)
}

/// An error in the format of a file; the remedy is to write it again.
pub(super) fn damaged(what: impl Into<String>) -> Error {
    Error::bad_input(what, "The file is damaged or incomplete: write or copy it again")
}

/// The error for an unknown extension.
pub(super) fn unknown_extension(path: &Path, extension: &str, known: &str) -> Error {
    let what = if extension.is_empty() { "has no extension".into() } else { format!("has the extension .{}", shown(extension)) };
    Error::bad_file(path, what, format!("Use {known}"))
}

/// Text of a file for a message on a terminal: short, with control characters escaped.
pub(super) fn shown(text: &str) -> String {
    const LONGEST: usize = 40;
    let short: String = text.chars().take(LONGEST).flat_map(char::escape_debug).collect();
    if text.chars().nth(LONGEST).is_some() { short + "…" } else { short }
}
