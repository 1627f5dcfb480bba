//! Reading files of a folder that may come from a stranger: plain files only, up to a limit.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::error::{Error, Result};

/// Refuses a file that is not plain (a FIFO would wait for ever) or too large.
pub(super) fn check(path: &Path, most: u64) -> Result<()> {
    let metadata = path.metadata().map_err(|e| Error::io(path, e))?;
    if !metadata.is_file() {
        return Err(Error::bad_file(path, "this is not a plain file", "Restore it, or remove it"));
    }
    if metadata.len() > most {
        return Err(Error::bad_file(
            path,
            format!("{} bytes are more than the {most} that a report reads", metadata.len()),
            "Remove it, and its part of the page is left out",
        ));
    }
    Ok(())
}

/// The bytes of a plain file of at most `most` bytes.
pub(super) fn read_bytes(path: &Path, most: u64) -> Result<Vec<u8>> {
    check(path, most)?;
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|e| Error::io(path, e))?;
    file.take(most).read_to_end(&mut bytes).map_err(|e| Error::io(path, e))?;
    Ok(bytes)
}
