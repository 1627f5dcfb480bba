//! The hash that names a cell: from its config and from the contents of the files that the config names.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::experiment::config::{Checkpoint, Config};
use crate::objective::estimator::AUTO_VERSION;
use crate::problem::NUMERICS_VERSION;
use crate::random::streams::RNG_VERSION;

/// The hashes of data files, each read once for all cells. Relative paths start at `base`.
pub(crate) struct Files<'a> {
    base: &'a Path,
    hashes: HashMap<PathBuf, Option<String>>,
}

impl Files<'_> {
    /// No file is read yet; relative paths start at `base`.
    pub(crate) fn at(base: &Path) -> Files<'_> {
        Files { base, hashes: HashMap::new() }
    }

    /// The hash of a plain file's bytes.
    fn hash(&mut self, file: &str) -> Option<String> {
        let path = self.base.join(file);
        let read = |path: &Path| {
            let file = path.is_file().then(|| std::fs::File::open(path).ok()).flatten()?;
            let mut hasher = blake3::Hasher::new();
            hasher.update_reader(file).ok()?;
            Some(hasher.finalize().to_hex().to_string())
        };
        self.hashes.entry(path).or_insert_with_key(|path| read(path)).clone()
    }
}

/// 16 hexadecimal digits of the BLAKE3 of the config, with the bytes of files in place of their paths: a changed file makes another cell, a
/// moved one does not.
pub(crate) fn hash(config: &Config, files: &mut Files) -> Result<String> {
    let mut config = config.clone();
    config.checkpoint = Checkpoint::default(); // it changes no result
    let descent = &config.descent;
    if [descent.gradient_tolerance, descent.divergence_tolerance, descent.movement_tolerance] == [0.0; 3] {
        config.log.early = false; // it only adds rows
    }
    for file in config.student.file.iter_mut().chain(config.teacher.file_mut()) {
        // A file that cannot be read is reported when its cell is run.
        if let Some(hash) = files.hash(file) {
            *file = hash;
        }
    }
    let text = format!("rng {RNG_VERSION}, auto {AUTO_VERSION}, numerics {NUMERICS_VERSION}\n{}", config.to_toml()?);
    Ok(blake3::hash(text.as_bytes()).to_hex()[..16].to_string())
}
