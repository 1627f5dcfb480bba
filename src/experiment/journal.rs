//! A file that only grows. A checkpoint records its length, and a resumed run truncates it to that length.

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::fingerprint::{Fingerprint, hash_prefix};
use crate::error::{Error, Result};

/// An open journal: `metrics.csv`, or the growing trajectory.
pub(crate) struct Journal {
    name: &'static str,
    path: PathBuf,
    file: File,
    hasher: blake3::Hasher,
    length: u64,
}

impl Journal {
    /// A new, empty journal `name` in the folder `run`; an existing file is an error.
    pub(crate) fn create(run: &Path, name: &'static str) -> Result<Journal> {
        let path = run.join(name);
        let file = OpenOptions::new().write(true).create_new(true).open(&path).map_err(|e| Error::io(&path, e))?;
        Ok(Journal { name, path, file, hasher: blake3::Hasher::new(), length: 0 })
    }

    /// An existing journal, truncated to its first `length` bytes; a shorter one is an error.
    pub(crate) fn cut(run: &Path, name: &'static str, length: u64) -> Result<Journal> {
        let path = run.join(name);
        let hasher = hash_prefix(&path, length).map_err(|e| Error::io(&path, e))?;
        let mut file = OpenOptions::new().write(true).open(&path).map_err(|e| Error::io(&path, e))?;
        file.set_len(length).and_then(|()| file.seek(SeekFrom::End(0))).map_err(|e| Error::io(&path, e))?;
        Ok(Journal { name, path, file, hasher, length })
    }

    /// Adds bytes at the end.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(|e| Error::io(&self.path, e))?;
        self.hasher.update(bytes);
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Waits until everything is on the disk. Returns the fingerprint of the whole file.
    pub(crate) fn sync(&mut self) -> Result<Fingerprint> {
        self.file.sync_data().map_err(|e| Error::io(&self.path, e))?;
        Ok(Fingerprint::new(self.name, self.length, self.hasher.finalize()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_journal_goes_on_as_if_nothing_had_happened() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path();
        let mut journal = Journal::create(run, "j").unwrap();
        journal.append(b"one\n").unwrap();
        let written = journal.sync().unwrap();
        assert_eq!(written.length, 4);
        journal.append(b"lost half a li").unwrap();
        drop(journal);
        assert!(Journal::create(run, "j").is_err());
        let mut journal = Journal::cut(run, "j", written.length).unwrap();
        assert_eq!(journal.sync().unwrap(), written);
        journal.append(b"two\n").unwrap();
        assert_eq!(std::fs::read(run.join("j")).unwrap(), b"one\ntwo\n");
        assert!(Journal::cut(run, "j", 9).is_err());
    }
}
