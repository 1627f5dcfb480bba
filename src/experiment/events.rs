//! The events of a run, for display.

use std::path::Path;

use super::row::Row;

/// Something that happened in a run.
#[derive(Debug)]
pub enum Event<'a> {
    /// The device is open; the sentence says which one and why.
    Opened { why: &'a str },
    /// A sentence that people should see: a checkpoint that could not be used, another device than before.
    Note { text: &'a str },
    /// A sentence about lost parts of the files that people read; shown even with `--quiet`.
    Loss { text: &'a str },
    /// The folder exists, and the descent continues from `step` of `steps`.
    Begun { folder: &'a Path, step: u64, steps: u64 },
    /// A logged step, one row per replicate.
    Logged { rows: &'a [Row] },
    /// Steps made so far.
    Stepped { step: u64, steps: u64 },
    /// The descent is over and the results are being written.
    Finishing,
}
