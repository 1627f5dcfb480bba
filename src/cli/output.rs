//! The output of a one-shot verb, checked before it computes: its name, its folder, and that it is none of the inputs.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use super::Common;
use super::exit::{Failure, Result};
use crate::error::Error;
use crate::mixture::files::destination;

/// An input: its name on the command line, and its path.
pub(super) type Input<'a> = (&'a str, &'a Path);

/// The destination of the arrays.
pub(super) enum Target {
    /// A file; if the path is a link, the file that it names.
    File(PathBuf),
    /// `-`.
    Stdout,
}

impl Target {
    /// Refuses an output of another extension, in a folder that is not there, or that is one of the inputs, by whatever path: another spelling,
    /// a symbolic link, a hard link.
    ///
    /// # Errors
    /// [`Failure::Usage`].
    pub(super) fn of(common: &Common, path: &Path, extension: &str, inputs: &[Input]) -> Result<Target> {
        Target::named("--output", common, path, extension, inputs)
    }

    /// As [`Target::of`], of another option.
    ///
    /// # Errors
    /// [`Failure::Usage`].
    pub(super) fn named(option: &str, common: &Common, path: &Path, extension: &str, inputs: &[Input]) -> Result<Target> {
        if path.as_os_str() == "-" {
            return stdout_for_arrays(option, common);
        }
        if path.extension().is_none_or(|e| e != extension) {
            return Err(Failure::Usage {
                what: format!("{option} {} does not end in .{extension}, the format that is written", path.display()),
                remedy: format!("Call it {}", path.with_extension(extension).display()),
            });
        }
        let file = destination(path);
        let folder = file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if !folder.is_dir() {
            return Err(Failure::Usage {
                what: format!("{option} {}: there is no folder {}", path.display(), folder.display()),
                remedy: "Make it first, or choose another place".into(),
            });
        }
        refuse_inputs(path, inputs)?;
        Ok(Target::File(file))
    }

    /// Lets `write` write the file, whole or not at all.
    pub(super) fn write(&self, write: impl FnOnce(&Path) -> crate::Result<()>) -> crate::Result<()> {
        match self {
            Target::File(path) => write(path),
            Target::Stdout => {
                let folder = tempfile::tempdir().map_err(|e| Error::io(std::env::temp_dir(), e))?;
                let path = folder.path().join("arrays");
                write(&path)?;
                let copied = std::fs::File::open(&path).and_then(|mut arrays| {
                    let mut out = std::io::stdout().lock();
                    std::io::copy(&mut arrays, &mut out)?;
                    out.flush()
                });
                match copied {
                    // The reader has what it wanted.
                    Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
                    copied => copied.map_err(|e| Error::io("stdout", e)),
                }
            }
        }
    }

    /// Prints a result in words on stdout, unless stdout gets the arrays.
    pub(super) fn print(&self, common: &Common, text: &str) -> Result<()> {
        match self {
            Target::File(_) => common.print(text),
            Target::Stdout => {
                common.say(text);
                Ok(())
            }
        }
    }
}

fn stdout_for_arrays(option: &str, common: &Common) -> Result<Target> {
    if common.json {
        return Err(Failure::Usage {
            what: format!("{option} - writes the arrays to stdout, where --json puts its object"),
            remedy: "Leave one of them out".into(),
        });
    }
    if std::io::stdout().is_terminal() {
        return Err(Failure::Usage {
            what: format!("{option} - would write arrays, which are no text, to a terminal"),
            remedy: "Pipe them somewhere, or name a file".into(),
        });
    }
    Ok(Target::Stdout)
}

/// Refuses two outputs that are one file, there or not.
///
/// # Errors
/// [`Failure::Usage`].
pub(super) fn refuse_equal([one, other]: [Input; 2]) -> Result<()> {
    let place = |path: &Path| {
        let file = destination(path);
        let folder = file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")).canonicalize();
        folder.ok().zip(file.file_name().map(ToOwned::to_owned))
    };
    if place(one.1) == place(other.1) || is_same_file(one.1, other.1) {
        return Err(Failure::usage(
            format!("{} and {} are one file, {}", one.0, other.0, other.1.display()),
            "Give each a name of its own",
        ));
    }
    Ok(())
}

/// Refuses an output that is one of the inputs, by whatever path.
///
/// # Errors
/// [`Failure::Usage`].
pub(super) fn refuse_inputs(output: &Path, inputs: &[Input]) -> Result<()> {
    match inputs.iter().find(|(_, input)| is_same_file(output, input)) {
        None => Ok(()),
        Some((name, input)) => Err(Failure::Usage {
            what: format!("{} is the same file as {name} {}, which it would replace", output.display(), input.display()),
            remedy: "Choose another name for the output".into(),
        }),
    }
}

/// The files in a folder and its sub-folders, except pages: what a run's readers may read.
pub(super) fn files_within(folder: &Path) -> Vec<PathBuf> {
    let entries = |folder: &Path| std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect::<Vec<_>>();
    let (inner, files): (Vec<_>, Vec<_>) = entries(folder).into_iter().partition(|path| path.is_dir());
    let all = files.into_iter().chain(inner.iter().flat_map(|folder| entries(folder)));
    all.filter(|path| path.extension().is_none_or(|e| e != "html")).collect()
}

/// Whether both paths lead to the same existing file.
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
