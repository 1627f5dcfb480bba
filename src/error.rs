//! One error type for the whole crate: plain data with its numbers, whose message ends with a way out in the library's own words. A program
//! that knows the options for it says them itself, as `cli::exit` does; so it does with exit codes.

use std::path::PathBuf;

/// `Result` with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// What can go wrong, grouped by what the caller can do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A word that names no choice there is: a device, a share, a key with its value.
    #[error("{what}. {remedy}.")]
    BadChoice { what: String, remedy: String },

    /// A step produced NaN or infinity; the last good state is kept.
    #[error(
        "step {step} of replicate {replicate}: the mean of component {component} became non-finite. The state before it is kept; use a smaller descent.step_size (now {step_size})."
    )]
    NonFinite { step: u64, replicate: usize, component: usize, step_size: f64 },

    /// A descent that runs off; the last good means are kept.
    #[error("{what}. Go on from the kept means, or begin again, with a step size of {safe} or less.")]
    Diverged { what: String, safe: f64 },

    /// A one-shot result that overflowed; nothing was written.
    #[error("{what}. {remedy}.")]
    NonFiniteResult { what: String, remedy: String },

    /// A file that cannot be read as what it should be.
    #[error("{}: {what}. {remedy}.", path.display())]
    BadFile { path: PathBuf, what: String, remedy: String },

    /// Numbers that do not make a mixture or a problem.
    #[error("{what}. {remedy}.")]
    BadInput { what: String, remedy: String },

    /// Draws were asked for, and not how many.
    #[error("the number of samples is missing. Give one, or use the grid.")]
    MissingSamples,

    /// Too few samples of a stratum for a standard error.
    #[error("{n} samples per component have no standard error. Use at least {least}.")]
    TooFewSamples { n: usize, least: usize },

    /// The grid was asked for in a space of too many dimensions.
    #[error("the grid works in 1 to {most} subspace dimensions, and this problem has {rank}. Use antithetic samples.")]
    GridTooManyDimensions { rank: usize, most: usize },

    /// A grid of so few nodes that its answer would mean nothing.
    #[error(
        "{cap} nodes in {rank} dimensions are too coarse a grid to mean anything. Use at least {least} samples, or none for as many as 1e-10 takes."
    )]
    GridTooCoarse { cap: usize, rank: usize, least: usize },

    /// A grid of more nodes than memory should hold.
    #[error("a grid of {per_axis:.0} nodes per axis in {rank} dimensions is too large. Cap its nodes, or use antithetic samples.")]
    GridTooLarge { per_axis: f64, rank: usize },

    /// A place for new results that holds a run already.
    #[error("{}: this folder holds a run already. Resume it, or choose another folder.", folder.display())]
    HoldsRun { folder: PathBuf },

    /// A config that cannot be used.
    #[error("config: {place}{what}. {remedy}.")]
    BadConfig { place: Place, what: String, remedy: String },

    /// No device that the user's choice allows.
    #[error("{what}\n{remedy}")]
    NoDevice { what: String, remedy: String },

    /// A problem that does not fit the device; nothing was taken.
    #[error("{buffer} needs {need} bytes in one binding; {adapter} allows {limit}. Use fewer components or replicates, or the CPU.")]
    TooLarge { buffer: &'static str, need: u64, adapter: String, limit: u64 },

    /// The device was lost or ran out of memory, also after retries.
    #[error("{what}. Use the CPU if it happens again.")]
    DeviceLost { what: String },

    /// No checkpoint of a run can be used.
    #[error("{}: {what}. {remedy}.", path.display())]
    Checkpoint { path: PathBuf, what: String, remedy: String },

    /// The device computes something else than the reference.
    #[error("self-check failed on {device}: {what}. Do not trust results of this device; use the CPU, and report the adapter and driver.")]
    SelfCheck { device: String, what: String },

    /// Writing or reading failed for the operating system's reasons.
    #[error("{}: {source}. Check the path, its permissions and the free space.", path.display())]
    Io { path: PathBuf, source: std::io::Error },

    /// Interrupted with nothing to go on from.
    #[error("interrupted in {stage}: nothing was written. Start it again, with fewer points if it takes too long.")]
    Stopped { stage: String },
}

/// Where a config is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    Unknown,
    /// A file or a preset by its name, and the line there where that is known.
    Text {
        name: Option<String>,
        line: Option<usize>,
    },
    /// KEY=VALUE, which was put over the text.
    Override(String),
}

/// With what parts it from the sentence that follows.
impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Place::Text { name: Some(name), line: Some(line) } => write!(f, "{name}, line {line}: "),
            Place::Text { name: Some(name), line: None } => write!(f, "{name}: "),
            Place::Text { name: None, line: Some(line) } => write!(f, "line {line}: "),
            Place::Override(text) => write!(f, "override {text}: "),
            Place::Unknown | Place::Text { .. } => Ok(()),
        }
    }
}

impl Error {
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
        Error::BadConfig { place: Place::Unknown, what: what.into(), remedy: remedy.into() }
    }

    /// [`Error::Io`] at a path.
    pub fn io(path: impl Into<PathBuf>, source: std::io::Error) -> Error {
        Error::Io { path: path.into(), source }
    }
}
