//! One error type for the whole crate: plain data with its numbers. Every message ends with a remedy in the library's own words; the
//! program adds the names of its options and the exit codes (`cli::exit`).

use std::path::PathBuf;

/// `Result` with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// What can go wrong, grouped by what the caller can do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An unknown choice: of a device, of a part of a sweep, of a value for a key.
    #[error("{what}. {remedy}.")]
    BadChoice { what: String, remedy: String },

    /// A step produced NaN or infinity; the last good state is kept.
    #[error(
        "step {step} of replicate {replicate}: the mean of component {component} became non-finite. The state before it is kept; use a smaller descent.step_size (now {step_size})."
    )]
    NonFinite { step: u64, replicate: usize, component: usize, step_size: f64 },

    /// The descent diverges; the last good means are kept.
    #[error("{what}. Go on from the kept means, or begin again, with a step size of {safe} or less.")]
    Diverged { what: String, safe: f64 },

    /// A one-shot result that overflowed; nothing was written.
    #[error("{what}. {remedy}.")]
    NonFiniteResult { what: String, remedy: String },

    /// A file that is not what it should be.
    #[error("{}: {what}. {remedy}.", path.display())]
    BadFile { path: PathBuf, what: String, remedy: String },

    /// Numbers that do not form a mixture or a problem.
    #[error("{what}. {remedy}.")]
    BadInput { what: String, remedy: String },

    /// The number of samples is missing.
    #[error("the number of samples is missing. Give one, or use the grid.")]
    MissingSamples,

    /// Too few samples per stratum for a standard error.
    #[error("{n} samples per component have no standard error. Use at least {least}.")]
    TooFewSamples { n: usize, least: usize },

    /// A grid was asked for in a space of too many dimensions.
    #[error("the grid works in 1 to {most} subspace dimensions, and this problem has {rank}. Use antithetic samples.")]
    GridTooManyDimensions { rank: usize, most: usize },

    /// A grid too coarse for its answer to mean anything.
    #[error(
        "{cap} nodes in {rank} dimensions are too coarse a grid to mean anything. Use at least {least} samples, or none for as many as 1e-10 takes."
    )]
    GridTooCoarse { cap: usize, rank: usize, least: usize },

    /// A grid with more nodes than memory should hold.
    #[error("a grid of {per_axis:.0} nodes per axis in {rank} dimensions is too large. Cap its nodes, or use antithetic samples.")]
    GridTooLarge { per_axis: f64, rank: usize },

    /// The output folder already holds a run.
    #[error("{}: this folder holds a run already. Resume it, or choose another folder.", folder.display())]
    HoldsRun { folder: PathBuf },

    /// A config that cannot be used.
    #[error("config: {place}{what}. {remedy}.")]
    BadConfig { place: Place, what: String, remedy: String },

    /// No device fits the user's choice.
    #[error("{what}\n{remedy}")]
    NoDevice { what: String, remedy: String },

    /// The problem does not fit the device; nothing was allocated.
    #[error("{buffer} needs {need} bytes in one binding; {adapter} allows {limit}. Use fewer components or replicates, or the CPU.")]
    TooLarge { buffer: &'static str, need: u64, adapter: String, limit: u64 },

    /// The device was lost or ran out of memory, also after retries.
    #[error("{what}. Use the CPU if it happens again.")]
    DeviceLost { what: String },

    /// The run has no usable checkpoint.
    #[error("{}: {what}. {remedy}.", path.display())]
    Checkpoint { path: PathBuf, what: String, remedy: String },

    /// The device's results differ from the reference.
    #[error("self-check failed on {device}: {what}. Do not trust results of this device; use the CPU, and report the adapter and driver.")]
    SelfCheck { device: String, what: String },

    /// Reading or writing failed in the operating system.
    #[error("{}: {source}. Check the path, its permissions and the free space.", path.display())]
    Io { path: PathBuf, source: std::io::Error },

    /// Interrupted before there was anything to resume from.
    #[error("interrupted in {stage}: nothing was written. Start it again, with fewer points if it takes too long.")]
    Stopped { stage: String },
}

/// Where a config is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    Unknown,
    /// A file or a preset, by name, and the line if it is known.
    Text {
        name: Option<String>,
        line: Option<usize>,
    },
    /// KEY=VALUE, given on top of the text.
    Override(String),
}

/// Ends with the separator to the sentence that follows.
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

/// The choice that is most similar to a mistyped word, for a remedy; `None` if none is similar.
pub(crate) fn most_similar<'a>(word: &str, choices: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let scored = choices.into_iter().map(|choice| (strsim::jaro_winkler(word, choice), choice));
    scored.filter(|(likeness, _)| *likeness >= 0.7).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, choice)| choice)
}
