//! One error type for the whole crate: every message carries its numbers and ends with a way out.

use std::path::PathBuf;

/// `Result` with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// What can go wrong, grouped by what the caller can do about it. [`Error::exit_code`] gives the program's exit code.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Words of a command line that clap cannot judge (exit 2).
    #[error("{what}. {remedy}.")]
    Usage { what: String, remedy: String },

    /// A step produced NaN or infinity; the last good state is kept (exit 3).
    #[error(
        "step {step} of replicate {replicate}: the mean of component {component} became non-finite. The state before it is kept; use a smaller descent.step_size (now {step_size})."
    )]
    NonFinite { step: u64, replicate: usize, component: usize, step_size: f64 },

    /// A one-shot result that overflowed; nothing was written (exit 3).
    #[error("{what}. {remedy}.")]
    NonFiniteResult { what: String, remedy: String },

    /// A file that cannot be read as what it should be (exit 4).
    #[error("{}: {what}. {remedy}.", path.display())]
    BadFile { path: PathBuf, what: String, remedy: String },

    /// Numbers that do not make a mixture or a problem (exit 4).
    #[error("{what}. {remedy}.")]
    BadInput { what: String, remedy: String },

    /// A config that cannot be used (exit 4).
    #[error("config: {what}. {remedy}.")]
    BadConfig { what: String, remedy: String },

    /// No device that the user's choice allows (exit 5).
    #[error("{what}\n{remedy}")]
    NoDevice { what: String, remedy: String },

    /// A problem that does not fit the device; nothing was taken (exit 6).
    #[error("{buffer} needs {need} bytes in one binding; {adapter} allows {limit}. Use fewer components or replicates, or --device cpu.")]
    TooLarge { buffer: &'static str, need: u64, adapter: String, limit: u64 },

    /// The device was lost or ran out of memory, also after retries (exit 6).
    #[error("{what}. Use --device cpu if it happens again.")]
    DeviceLost { what: String },

    /// No checkpoint of a run can be used (exit 7).
    #[error("{}: {what}. {remedy}.", path.display())]
    Checkpoint { path: PathBuf, what: String, remedy: String },

    /// The device computes something else than the reference (exit 8).
    #[error(
        "self-check failed on {device}: {what}. Do not trust results of this device; use --device cpu, and report the adapter and driver."
    )]
    SelfCheck { device: String, what: String },

    /// Writing or reading failed for the operating system's reasons (exit 1).
    #[error("{}: {source}. Check the path, its permissions and the free space.", path.display())]
    Io { path: PathBuf, source: std::io::Error },

    /// Stopped by Ctrl-C or SIGTERM; a checkpoint was kept (exit 130).
    #[error("interrupted at step {step}; `mixscore resume {}` goes on from there.", folder.display())]
    Interrupted { step: u64, folder: PathBuf },

    /// A sweep stopped by Ctrl-C or SIGTERM; what is done is kept (exit 130).
    #[error("interrupted with {done} of {cells} cells done; the same command goes on from there.")]
    SweepInterrupted { done: usize, cells: usize },

    /// Cells of a sweep that failed, while the others were run (the exit code of the first one's error).
    #[error("{failed} of {cells} cells failed; the first: {first} The same command tries them again.")]
    CellsFailed { failed: usize, cells: usize, first: String, code: u8 },
}

impl Error {
    /// The program's exit code for this error (design.md §3).
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Io { .. } => 1,
            Error::Usage { .. } => 2,
            Error::NonFinite { .. } | Error::NonFiniteResult { .. } => 3,
            Error::BadFile { .. } | Error::BadInput { .. } | Error::BadConfig { .. } => 4,
            Error::NoDevice { .. } => 5,
            Error::TooLarge { .. } | Error::DeviceLost { .. } => 6,
            Error::Checkpoint { .. } => 7,
            Error::SelfCheck { .. } => 8,
            Error::Interrupted { .. } | Error::SweepInterrupted { .. } => 130,
            Error::CellsFailed { code, .. } => *code,
        }
    }

    /// [`Error::BadInput`] from two sentences without their full stops.
    pub fn bad_input(what: impl Into<String>, remedy: impl Into<String>) -> Error {
        Error::BadInput { what: what.into(), remedy: remedy.into() }
    }

    /// [`Error::BadFile`] from two sentences without their full stops.
    pub fn bad_file(path: impl Into<PathBuf>, what: impl Into<String>, remedy: impl Into<String>) -> Error {
        Error::BadFile { path: path.into(), what: what.into(), remedy: remedy.into() }
    }

    /// [`Error::BadConfig`] from two sentences without their full stops.
    pub fn bad_config(what: impl Into<String>, remedy: impl Into<String>) -> Error {
        Error::BadConfig { what: what.into(), remedy: remedy.into() }
    }

    /// [`Error::Io`] at a path.
    pub fn io(path: impl Into<PathBuf>, source: std::io::Error) -> Error {
        Error::Io { path: path.into(), source }
    }
}
