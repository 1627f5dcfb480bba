//! How a command fails: the library's errors and the program's own, with the options that help, and the exit codes.

use std::fmt;
use std::path::PathBuf;

use crate::error::{Error, Place};

/// `Result` of a verb.
pub(super) type Result<T> = std::result::Result<T, Failure>;

/// What ends a command.
#[derive(Debug)]
pub enum Failure {
    Library(Error),
    /// A command line that is wrong in a way that clap cannot check.
    Usage {
        what: String,
        remedy: String,
    },
    /// A run was stopped by a signal; a checkpoint was kept.
    Interrupted {
        step: u64,
        folder: PathBuf,
    },
    /// A sweep was stopped by a signal; finished cells are kept.
    SweepInterrupted {
        done: usize,
        cells: usize,
    },
    /// Some cells of a sweep failed; the others were run.
    CellsFailed {
        failed: usize,
        cells: usize,
        first: Error,
    },
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Library(error)
    }
}

impl Failure {
    /// [`Failure::Usage`] from two sentences without their full stops.
    pub fn usage(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Failure::Usage { what: what.into(), remedy: remedy.into() }
    }

    /// 0 is success; 1 unexpected.
    pub fn exit_code(&self) -> u8 {
        match self {
            Failure::Library(error) | Failure::CellsFailed { first: error, .. } => code_of(error),
            Failure::Usage { .. } => 2,
            Failure::Interrupted { .. } | Failure::SweepInterrupted { .. } => 130,
        }
    }
}

fn code_of(error: &Error) -> u8 {
    match error {
        Error::Io { .. } => 1,
        Error::BadChoice { .. } => 2,
        Error::NonFinite { .. } | Error::Diverged { .. } | Error::NonFiniteResult { .. } => 3,
        Error::BadFile { .. } | Error::BadInput { .. } | Error::BadConfig { .. } | Error::HoldsRun { .. } => 4,
        Error::MissingSamples | Error::TooFewSamples { .. } => 4,
        Error::GridTooManyDimensions { .. } | Error::GridTooCoarse { .. } | Error::GridTooLarge { .. } => 4,
        Error::NoDevice { .. } => 5,
        Error::TooLarge { .. } | Error::DeviceLost { .. } => 6,
        Error::Checkpoint { .. } => 7,
        Error::SelfCheck { .. } => 8,
        Error::Stopped { .. } => 130,
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Library(error) => with_options(error, f),
            Failure::Usage { what, remedy } => write!(f, "{what}. {remedy}."),
            Failure::Interrupted { step, folder } => {
                write!(f, "interrupted at step {step}; `mixscore resume {}` goes on from there.", folder.display())
            }
            Failure::SweepInterrupted { done, cells } => {
                write!(f, "interrupted with {done} of {cells} cells done; the same command goes on from there.")
            }
            Failure::CellsFailed { failed, cells, first } => {
                write!(f, "{failed} of {cells} cells failed; the first: ")?;
                with_options(first, f)?;
                f.write_str(" The same command tries them again.")
            }
        }
    }
}

/// The library's message, with the options that do what it advises.
fn with_options(error: &Error, f: &mut fmt::Formatter) -> fmt::Result {
    match error {
        Error::BadConfig { place: Place::Override(text), what, remedy } => write!(f, "config: --set {text}: {what}. {remedy}.")?,
        _ => write!(f, "{error}")?,
    }
    match error {
        Error::MissingSamples => f.write_str(" (--samples N, or --sampler grid)"),
        Error::GridTooManyDimensions { .. } => f.write_str(" (--sampler antithetic)"),
        Error::GridTooLarge { .. } => f.write_str(" (--samples N, or --sampler antithetic)"),
        Error::NonFiniteResult { .. } => f.write_str(" (--device reference computes in double precision throughout.)"),
        Error::HoldsRun { folder } => write!(f, " (`mixscore resume {}`, or another --output)", folder.display()),
        Error::BadConfig { .. } => f.write_str(" (`mixscore init` writes a commented config with every key.)"),
        Error::NoDevice { .. } => f.write_str("\n(--device cpu works everywhere; `mixscore devices` lists the adapters.)"),
        Error::TooLarge { .. } | Error::DeviceLost { .. } => f.write_str(" (--device cpu)"),
        Error::SelfCheck { .. } => f.write_str(" (--device cpu, or --device reference, whose loops are plain)"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_added_to_what_the_library_says() {
        let said = |error: Error| Failure::from(error).to_string();
        let missing = said(Error::MissingSamples);
        assert_eq!(missing, "the number of samples is missing. Give one, or use the grid. (--samples N, or --sampler grid)");
        assert!(said(Error::HoldsRun { folder: "runs/a".into() }).contains("`mixscore resume runs/a`"));
        assert!(said(Error::DeviceLost { what: "gpu: it went away".into() }).ends_with("(--device cpu)"));
        assert_eq!(said(Error::bad_input("a", "b")), "a. b.");
    }

    #[test]
    fn a_sweep_fails_with_the_code_of_its_first_failed_cell() {
        let first = Error::NonFinite { step: 3, replicate: 0, component: 1, step_size: 9.0 };
        let failure = Failure::CellsFailed { failed: 2, cells: 8, first };
        assert_eq!(failure.exit_code(), 3);
        assert!(failure.to_string().starts_with("2 of 8 cells failed; the first: step 3"), "{failure}");
        assert_eq!(Failure::SweepInterrupted { done: 1, cells: 8 }.exit_code(), 130);
        assert_eq!(Failure::usage("a", "b").exit_code(), 2);
    }
}
