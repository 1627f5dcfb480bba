//! The checks of an output path that a one-shot verb makes before it computes: its name, its folder, and that it is none of the inputs.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// An input: what the command line calls it, and where it is.
pub type Input<'a> = (&'a str, &'a Path);

/// Refuses an output of another extension, in a folder that is not there, or that is one of the inputs, by whatever path: another spelling, a
/// symbolic link, a hard link.
///
/// # Errors
/// [`Error::Usage`].
pub fn check_output(path: &Path, extension: &str, inputs: &[Input]) -> Result<()> {
    if path.extension().is_none_or(|e| e != extension) {
        return Err(Error::Usage {
            what: format!("--output {} does not end in .{extension}, the format that is written", path.display()),
            remedy: format!("Call it {}", path.with_extension(extension).display()),
        });
    }
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.is_dir() {
        return Err(Error::Usage {
            what: format!("--output {}: there is no folder {}", path.display(), folder.display()),
            remedy: "Make it first, or choose another place".into(),
        });
    }
    refuse_inputs(path, inputs)
}

/// Refuses an output that is one of the inputs, by whatever path.
///
/// # Errors
/// [`Error::Usage`].
pub fn refuse_inputs(output: &Path, inputs: &[Input]) -> Result<()> {
    match inputs.iter().find(|(_, input)| is_same_file(output, input)) {
        None => Ok(()),
        Some((name, input)) => Err(Error::Usage {
            what: format!("{} is the same file as {name} {}, which it would replace", output.display(), input.display()),
            remedy: "Choose another name for the output".into(),
        }),
    }
}

/// The files of a folder and of the folders in it, pages left out: what reading it as a run may read.
pub fn files_within(folder: &Path) -> Vec<PathBuf> {
    let entries = |folder: &Path| std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect::<Vec<_>>();
    let (inner, files): (Vec<_>, Vec<_>) = entries(folder).into_iter().partition(|path| path.is_dir());
    let all = files.into_iter().chain(inner.iter().flat_map(|folder| entries(folder)));
    all.filter(|path| path.extension().is_none_or(|e| e != "html")).collect()
}

/// Whether both paths lead to one file that is there.
fn is_same_file(a: &Path, b: &Path) -> bool {
    #[cfg(unix)]
    let place = |path: &Path| {
        use std::os::unix::fs::MetadataExt;
        std::fs::metadata(path).ok().map(|found| (found.dev(), found.ino()))
    };
    #[cfg(not(unix))]
    let place = |path: &Path| std::fs::canonicalize(path).ok();
    place(a).is_some_and(|at| place(b) == Some(at))
}
