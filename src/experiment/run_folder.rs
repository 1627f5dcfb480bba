//! Run folders: the names of their files, folders that appear complete by one rename, and files that are written whole or not at all.

use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::error::{Error, Result};
use crate::mixture::files::{destination, write_atomically};

/// The sub-folder of checkpoints and of the growing trajectory.
pub(crate) const CHECKPOINTS: &str = "checkpoints";
/// The definition of a run's problem: written once; every checkpoint relies on these files being unchanged.
pub(crate) const PROBLEM_FILES: [&str; 3] = ["config.toml", "teacher.npz", "initial.npz"];
/// One row per logged step and replicate.
pub(crate) const METRICS: &str = "metrics.csv";
/// For each logged step the step (u64) and the means (R, k, d) in float64, all little-endian.
pub(crate) const TRAJECTORY: &str = "checkpoints/trajectory.f64";
/// Files that grow during the descent, for people to read. Checkpoints record their length, but the descent does not need them.
pub(crate) const JOURNALS: [&str; 2] = [METRICS, TRAJECTORY];

/// The largest size of the small text files of a run folder.
const MOST_SMALL: u64 = 1 << 26;

/// The output folder of a run.
#[derive(Debug, Clone)]
pub enum Output {
    /// A folder that is empty or does not exist.
    At(PathBuf),
    /// The first of NAME-1, NAME-2, … in `runs/` that does not exist.
    Numbered(String),
}

impl Output {
    /// Refuses a folder that is not empty, before any work is done.
    pub fn check(&self) -> Result<()> {
        let Output::At(path) = self else { return Ok(()) };
        match std::fs::read_dir(path).map(|mut entries| entries.next().is_none()) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(Error::bad_file(path, error.to_string(), "Choose another folder")),
            Ok(true) => Ok(()),
            Ok(false) if path.join("config.toml").exists() => Err(Error::HoldsRun { folder: path.clone() }),
            Ok(false) => Err(Error::bad_file(path, "this folder is not empty", "Choose another folder")),
        }
    }

    /// The prefix of the names of staged folders, which identifies leftovers of this output.
    pub fn hidden_prefix(&self) -> String {
        match self {
            Output::Numbered(_) => ".new-run-".into(),
            Output::At(path) => format!(".new-{}-", destination(path).file_name().unwrap_or_default().to_string_lossy()),
        }
    }

    fn parent(&self) -> PathBuf {
        match self {
            Output::Numbered(_) => PathBuf::from("runs"),
            Output::At(path) => match destination(path).parent() {
                Some(parent) if parent != Path::new("") => parent.into(),
                _ => PathBuf::from("."),
            },
        }
    }
}

/// A folder that is filled beside its final place; if dropped, it leaves nothing behind.
pub(crate) struct StagedFolder {
    folder: tempfile::TempDir,
}

impl StagedFolder {
    /// A hidden folder in the parent of `output`.
    pub(crate) fn new(output: &Output) -> Result<StagedFolder> {
        let parent = output.parent();
        std::fs::create_dir_all(&parent).map_err(|e| Error::io(&parent, e))?;
        let folder = hidden_folder(&output.hidden_prefix()).tempdir_in(&parent).map_err(|e| Error::io(&parent, e))?;
        Ok(StagedFolder { folder })
    }

    /// The hidden folder.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Moves the complete folder to its final place at once.
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::BadFile`] if another process filled the place meanwhile.
    pub(crate) fn publish(self, output: &Output) -> Result<PathBuf> {
        let hidden = self.folder.keep();
        let place = match output {
            // If the path is a link, the folder that it names is used, and the link stays.
            Output::At(path) => rename(&hidden, &destination(path)).map(|()| path.clone()),
            Output::Numbered(name) => numbered(&hidden, name),
        };
        place.inspect_err(|_| drop(std::fs::remove_dir_all(&hidden)))
    }
}

fn numbered(hidden: &Path, name: &str) -> Result<PathBuf> {
    for n in 1.. {
        let path = Path::new("runs").join(format!("{name}-{n}"));
        if path.symlink_metadata().is_ok() {
            continue;
        }
        match rename(hidden, &path) {
            Err(Error::BadFile { .. }) => continue,
            done => return done.map(|()| path),
        }
    }
    unreachable!("there are more numbers than folders")
}

fn rename(hidden: &Path, path: &Path) -> Result<()> {
    // An empty folder is removed; any other makes the rename fail.
    let _ = std::fs::remove_dir(path);
    std::fs::rename(hidden, path).map_err(|error| match error.kind() {
        ErrorKind::DirectoryNotEmpty | ErrorKind::AlreadyExists | ErrorKind::NotADirectory => {
            Error::bad_file(path, "something was put here while the run was being prepared", "Choose another folder")
        }
        _ => Error::io(path, error),
    })
}

/// A hidden name, with the permissions of an ordinary folder (a temporary one's default is one user only).
fn hidden_folder(prefix: &str) -> tempfile::Builder<'_, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(prefix);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o777)); // less the umask
    builder
}

/// The name for the runs of a config file: its stem, with characters outside `[A-Za-z0-9._-]` replaced, at most 64.
pub(crate) fn name_of(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let safe = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
    let name: String = stem.chars().map(safe).take(64).collect();
    let name = name.trim_start_matches('.');
    if name.is_empty() { "run".into() } else { name.into() }
}

/// Locks a run folder for this process. The lock lasts as long as the file is held, and ends with the process.
///
/// # Errors
/// [`Error::BadFile`] if another process holds it.
pub(crate) fn lock(run: &Path) -> Result<File> {
    let path = run.join(CHECKPOINTS).join("lock");
    if path.symlink_metadata().is_ok_and(|found| !found.is_file()) {
        return Err(Error::bad_file(path, "this is not a plain file", "Remove it"));
    }
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path).map_err(|e| Error::io(&path, e))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => {
            Err(Error::bad_file(run, "another process is working on this run", "Wait for it, or stop it with Ctrl-C and resume"))
        }
        // A file system without locks: continue without one.
        Err(std::fs::TryLockError::Error(_)) => Ok(file),
    }
}

/// Whether another process is working on the run in a folder.
pub(crate) fn is_locked(run: &Path) -> bool {
    let lock = File::open(run.join(CHECKPOINTS).join("lock"));
    lock.is_ok_and(|file| matches!(file.try_lock(), Err(std::fs::TryLockError::WouldBlock)))
}

/// The bytes of a small plain file (reading a FIFO would block, and a link leads elsewhere).
pub(crate) fn small_file(path: &Path) -> Result<Vec<u8>> {
    let remedy = "Give the folder of a run, as it was written";
    let found = std::fs::symlink_metadata(path).map_err(|e| Error::bad_file(path, e.to_string(), remedy))?;
    if !found.is_file() || found.len() > MOST_SMALL {
        return Err(Error::bad_file(path, format!("this is no plain file of at most {MOST_SMALL} bytes"), remedy));
    }
    std::fs::read(path).map_err(|e| Error::io(path, e))
}

/// Writes a JSON document, whole or not at all.
pub(crate) fn write_json(path: &Path, value: &Value) -> Result<()> {
    write_atomically(path, |w| writeln!(w, "{value:#}"))
}

/// Writes a text, whole or not at all.
pub(crate) fn write_text(path: &Path, text: &str) -> Result<()> {
    write_atomically(path, |w| w.write_all(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_safe_to_be_folders() {
        for (path, name) in [
            ("a/my run.toml", "my-run"),
            ("../..hidden.toml", "hidden"),
            ("x/é\u{1b}[31m.toml", "---31m"),
            ("/", "run"),
            ("quick_start-2.1.toml", "quick_start-2.1"),
        ] {
            assert_eq!(name_of(Path::new(path)), name);
        }
        assert_eq!(name_of(&PathBuf::from("x".repeat(300))).len(), 64);
    }

    #[test]
    fn a_folder_appears_whole_or_leaves_nothing() {
        let parent = tempfile::tempdir().unwrap();
        let output = Output::At(parent.path().join("run"));
        drop(StagedFolder::new(&output).unwrap());
        assert_eq!(std::fs::read_dir(parent.path()).unwrap().count(), 0);
        let staged = StagedFolder::new(&output).unwrap();
        std::fs::write(staged.path().join("config.toml"), "").unwrap();
        output.check().unwrap();
        std::fs::create_dir(parent.path().join("run")).unwrap();
        output.check().unwrap();
        staged.publish(&output).unwrap();
        assert!(matches!(output.check(), Err(Error::HoldsRun { .. })));
        let late = StagedFolder::new(&output).unwrap();
        assert!(matches!(late.publish(&output), Err(Error::BadFile { .. })));
        assert_eq!(std::fs::read_dir(parent.path()).unwrap().count(), 1);
    }
}
