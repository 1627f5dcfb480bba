//! Standard input and a shell's `<(…)`, read once into a temporary file that only this process has.

use std::fs::File;
use std::io::{self, IsTerminal, Seek};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Result};

/// Set while a stream is waited for: nothing has been computed that a signal would have to keep.
pub static IS_READING: AtomicBool = AtomicBool::new(false);

/// Whether `path` is `-` or names an open descriptor of this process, as `/dev/stdin` and `/dev/fd/63` do.
pub fn is_stream(path: &Path) -> bool {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match path.to_str() {
        Some("-" | "/dev/stdin" | "/proc/self/fd/0") => true,
        Some(text) => ["/dev/fd/", "/proc/self/fd/"].iter().any(|folder| text.strip_prefix(folder).is_some_and(number)),
        None => false,
    }
}

/// All of a stream, and its length in bytes.
///
/// # Errors
/// [`Error::BadFile`] for a terminal or a device.
pub(super) fn open_stream(path: &Path) -> Result<(File, u64)> {
    let cannot = |error: io::Error| Error::bad_file(path, format!("cannot be opened: {error}"), "Check what is piped into this command");
    if path.as_os_str() == "-" && io::stdin().is_terminal() {
        return Err(Error::bad_file(path, "is a terminal, where points are expected", "Pipe points into this command, or name a file"));
    }
    let mut source = if path.as_os_str() == "-" { standard_input() } else { File::open(path) }.map_err(cannot)?;
    let metadata = source.metadata().map_err(cannot)?;
    if metadata.is_file() && source.stream_position().map_err(cannot)? == 0 {
        return Ok((source, metadata.len()));
    }
    refuse_device(path, &metadata)?;
    let place = std::env::temp_dir();
    IS_READING.store(true, Ordering::SeqCst);
    let kept = tempfile::tempfile().and_then(|mut kept| {
        let length = io::copy(&mut source, &mut kept)?;
        kept.rewind()?;
        Ok((kept, length))
    });
    IS_READING.store(false, Ordering::SeqCst);
    kept.map_err(|error| Error::io(place, error))
}

#[cfg(unix)]
fn standard_input() -> io::Result<File> {
    use std::os::fd::AsFd;
    Ok(File::from(io::stdin().as_fd().try_clone_to_owned()?))
}

#[cfg(windows)]
fn standard_input() -> io::Result<File> {
    use std::os::windows::io::AsHandle;
    Ok(File::from(io::stdin().as_handle().try_clone_to_owned()?))
}

/// Refuses a device, which may have no end.
fn refuse_device(path: &Path, metadata: &std::fs::Metadata) -> Result<()> {
    #[cfg(unix)]
    let is_device = {
        use std::os::unix::fs::FileTypeExt;
        metadata.file_type().is_char_device() || metadata.file_type().is_block_device()
    };
    #[cfg(not(unix))]
    let is_device = false;
    if is_device || metadata.is_dir() {
        return Err(Error::bad_file(
            path,
            "is a folder or a device, not a pipe or a file",
            "Pipe points into this command, or name a file",
        ));
    }
    Ok(())
}
