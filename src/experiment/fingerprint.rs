//! Fingerprints of files: name, length and BLAKE3, which show a checkpoint whether a file is still as it was written.

use std::fs::File;
use std::io::{Error as IoError, ErrorKind, Read};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The first `length` bytes of a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fingerprint {
    /// Relative to the run folder.
    pub name: String,
    pub length: u64,
    /// The hash of the first `length` bytes.
    pub blake3: String,
}

impl Fingerprint {
    /// The fingerprint of a whole plain file.
    pub(crate) fn of(run: &Path, name: &str) -> Result<Fingerprint> {
        let path = run.join(name);
        let length = std::fs::symlink_metadata(&path).map_err(|e| Error::io(&path, e))?.len();
        let hash = hash_prefix(&path, length).map_err(|e| Error::io(&path, e))?.finalize();
        Ok(Fingerprint::new(name, length, hash))
    }

    /// The fingerprint with this length and hash.
    pub(crate) fn new(name: &str, length: u64, hash: blake3::Hash) -> Fingerprint {
        Fingerprint { name: name.into(), length, blake3: hash.to_hex().to_string() }
    }

    /// Whether the file in `run` still begins with these bytes; if not, what is wrong with it.
    pub(crate) fn verify(&self, run: &Path) -> std::result::Result<(), String> {
        match hash_prefix(&run.join(&self.name), self.length) {
            Err(error) => Err(format!("{}: {error}", self.name)),
            Ok(hasher) if hasher.finalize().to_hex().as_str() == self.blake3 => Ok(()),
            Ok(_) => Err(format!("{} is not as it was written", self.name)),
        }
    }
}

/// The hash of the first `length` bytes of a plain file (reading a FIFO would block, and a link leads elsewhere). `UnexpectedEof` if the
/// file is shorter.
pub(super) fn hash_prefix(path: &Path, length: u64) -> std::io::Result<blake3::Hasher> {
    let found = std::fs::symlink_metadata(path)?;
    if !found.is_file() {
        return Err(IoError::other("this is not a plain file"));
    }
    if found.len() < length {
        return Err(IoError::new(ErrorKind::UnexpectedEof, format!("{} bytes where {length} were written", found.len())));
    }
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(File::open(path)?.take(length))?;
    Ok(hasher)
}
