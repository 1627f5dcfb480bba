//! The folder of a sweep: which folders are accepted, and the files besides the cells.

use std::fs::File;
use std::path::Path;

use super::design::Design;
use crate::device::{Device, Opened};
use crate::error::{Error, Result};
use crate::experiment::environment::{self, Launch};
use crate::experiment::run_folder;

/// Makes `folder` the folder of this sweep and writes `sweep.toml`. Returns whether it held another sweep before.
///
/// # Errors
/// [`Error::BadFile`] if it has other contents.
pub(crate) fn prepare(folder: &Path, design: &Design) -> Result<bool> {
    let path = folder.join("sweep.toml");
    let before = run_folder::small_file(&path).ok();
    // Another shard may have prepared it meanwhile: sweep.toml is the first file of a sweep.
    if before.is_none() && holds_something(folder)? && !path.exists() {
        return Err(Error::bad_file(folder, "this folder is not empty, and no sweep's", "Choose another folder"));
    }
    for name in ["cells", "locks"] {
        let inner = folder.join(name);
        std::fs::create_dir_all(&inner).map_err(|e| Error::io(&inner, e))?;
    }
    let same = before.as_deref() == Some(design.text.as_bytes());
    if !same {
        run_folder::write_text(&path, &design.text)?;
    }
    Ok(!same && before.is_some())
}

/// Whether the folder has contents other than what another shard may just have put there.
fn holds_something(folder: &Path) -> Result<bool> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(Error::bad_file(folder, error.to_string(), "Choose another folder")),
    };
    let ours = |name: &str| ["cells", "locks", "sweep.toml"].contains(&name) || name.starts_with(".mixscore-");
    Ok(entries.flatten().any(|entry| !ours(&entry.file_name().to_string_lossy())))
}

/// Waits for the lock under which processes read, change and write the files of the sweep in turn; dropping the file releases it. `None` if
/// the file system has no locks, or the folder cannot be written.
pub(crate) fn turn(folder: &Path) -> Option<File> {
    let file = File::options().write(true).create(true).truncate(false).open(folder.join("locks").join("turn")).ok()?;
    file.lock().ok()?;
    Some(file)
}

/// Writes `environment.json`, or adds this launch to it.
pub(crate) fn write_environment(folder: &Path, opened: &Opened, choice: Device, command_line: &[String]) -> Result<()> {
    let launch = Launch {
        choice,
        device: opened.backend.describe().to_string(),
        details: opened.backend.describe().details(),
        why: opened.why.clone(),
        command_line: command_line.to_vec(),
    };
    let _turn = turn(folder);
    if folder.join("environment.json").exists() {
        return environment::add_launch(folder, &launch, 0);
    }
    run_folder::write_json(&folder.join("environment.json"), &environment::new(&launch))
}

/// Removes what killed processes left unfinished: folders in `cells` whose names begin with `prefix`. The caller holds the cell's lock.
pub(crate) fn remove_leftovers(cells: &Path, prefix: &str) {
    let Ok(entries) = std::fs::read_dir(cells) else { return };
    for entry in entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix)) {
        let _ = std::fs::remove_dir_all(entry.path());
    }
}
