//! A file that only grows, whose every prefix that a checkpoint names can be verified and returned to.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// An open journal: `metrics.csv`, or the trajectory on its way.
pub struct Journal {
    path: PathBuf,
    file: File,
    hasher: blake3::Hasher,
    length: u64,
}

impl Journal {
    /// A new, empty journal.
    ///
    /// # Errors
    /// [`Error::Io`]; an existing file is one.
    pub fn create(path: &Path) -> Result<Journal> {
        let file = OpenOptions::new().write(true).create_new(true).open(path).map_err(|e| Error::io(path, e))?;
        Ok(Journal { path: path.into(), file, hasher: blake3::Hasher::new(), length: 0 })
    }

    /// An existing journal, cut back to its first `length` bytes.
    ///
    /// # Errors
    /// [`Error::Io`]; a journal shorter than `length` is one.
    pub fn cut(path: &Path, length: u64) -> Result<Journal> {
        let hasher = hash_prefix(path, length).map_err(|e| Error::io(path, e))?;
        let mut file = OpenOptions::new().write(true).open(path).map_err(|e| Error::io(path, e))?;
        file.set_len(length).and_then(|()| file.seek(SeekFrom::End(0))).map_err(|e| Error::io(path, e))?;
        Ok(Journal { path: path.into(), file, hasher, length })
    }

    /// Adds bytes at the end.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(|e| Error::io(&self.path, e))?;
        self.hasher.update(bytes);
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Sees to it that everything is on the disk; returns the length and BLAKE3 of it.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn settle(&mut self) -> Result<(u64, blake3::Hash)> {
        self.file.sync_data().map_err(|e| Error::io(&self.path, e))?;
        Ok((self.length, self.hasher.finalize()))
    }
}

/// The hash of the first `length` bytes of a plain file (a FIFO would block, and a link leads elsewhere).
///
/// # Errors
/// The operating system's, or `UnexpectedEof` where the file is shorter.
pub fn hash_prefix(path: &Path, length: u64) -> std::io::Result<blake3::Hasher> {
    let found = std::fs::symlink_metadata(path)?;
    if !found.is_file() {
        return Err(std::io::Error::other("this is not a plain file"));
    }
    if found.len() < length {
        let text = format!("{} bytes where {length} were written", found.len());
        return Err(std::io::Error::new(std::io::ErrorKind::UnexpectedEof, text));
    }
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(File::open(path)?.take(length))?;
    Ok(hasher)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_journal_goes_on_as_if_nothing_had_happened() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("j");
        let mut journal = Journal::create(&path).unwrap();
        journal.append(b"one\n").unwrap();
        let (length, hash) = journal.settle().unwrap();
        journal.append(b"lost half a li").unwrap();
        drop(journal);
        assert!(Journal::create(&path).is_err());
        let mut journal = Journal::cut(&path, length).unwrap();
        assert_eq!(journal.settle().unwrap(), (length, hash));
        journal.append(b"two\n").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"one\ntwo\n");
        assert!(Journal::cut(&path, 9).is_err());
    }
}
