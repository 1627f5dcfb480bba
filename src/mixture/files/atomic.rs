//! Writing a file so that nobody ever sees half of it.

use std::fs::File;
use std::io::{self, BufWriter, Seek, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// A file being written. Archives go back in it to fill in sizes.
pub trait Out: Write + Seek {}

impl<T: Write + Seek> Out for T {}

/// Writes to a temporary file in the same folder, brings it to the disk and renames it to `path`: if the program is stopped at any time,
/// `path` holds the old bytes or all of the new ones.
///
/// # Errors
/// [`Error::Io`] if the system refuses, or with `write`'s own error; [`Error::BadFile`] if `path` is a folder, pipe or device.
pub fn write_atomically(path: &Path, write: impl FnOnce(&mut dyn Out) -> io::Result<()>) -> Result<()> {
    if std::fs::metadata(path).is_ok_and(|old| !old.is_file()) {
        return Err(Error::bad_file(path, "exists and is not a regular file", "Choose another name for the output"));
    }
    replace(path, write).map_err(|source| Error::io(path, source))
}

fn replace(path: &Path, write: impl FnOnce(&mut dyn Out) -> io::Result<()>) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let mut temporary = temporary_file().tempfile_in(folder)?;
    let mut out = BufWriter::with_capacity(1 << 16, temporary.as_file_mut());
    write(&mut out)?;
    out.flush()?;
    drop(out);
    temporary.as_file().sync_all()?;
    temporary.persist(path).map_err(|error| error.error)?;
    sync_folder(folder)
}

/// A hidden name, with the permissions of an ordinary new file (a temporary file's default is one user only).
fn temporary_file() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".mixscore-").suffix(".partial");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666)); // less the umask
    builder
}

/// Makes a rename durable, which needs a sync of its folder. Windows has no such call, nor have some file systems (CIFS, VirtualBox's, some
/// of FUSE), nor does it work in a folder that may be written but not read. The file is whole and in its place in any case.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(not(unix)) {
        return Ok(());
    }
    use io::ErrorKind::{InvalidInput, PermissionDenied, Unsupported};
    match File::open(folder).and_then(|folder| folder.sync_all()) {
        Err(error) if matches!(error.kind(), InvalidInput | Unsupported | PermissionDenied) => Ok(()),
        done => done,
    }
}

/// The path after following all links; the last one need not exist.
pub fn destination(path: &Path) -> PathBuf {
    // Linux follows this many links.
    let mut place = path.to_path_buf();
    for _ in 0..40 {
        let Ok(target) = std::fs::read_link(&place) else { break };
        place = place.parent().map_or(target.clone(), |folder| folder.join(&target));
    }
    place
}
