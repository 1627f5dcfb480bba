//! What happens during a run, for whoever shows it.

use std::path::Path;

use super::row::Row;

/// Something that happened.
#[derive(Debug)]
pub enum Event<'a> {
    /// The device is open; the sentence says which one and why.
    Opened { why: &'a str },
    /// A sentence that people should see: a checkpoint that could not be used, another device than before.
    Note { text: &'a str },
    /// What is lost of the files that people read; said even to those who want no talk.
    Loss { text: &'a str },
    /// The folder stands, and the descent goes on from `step` of `steps`.
    Begun { folder: &'a Path, step: u64, steps: u64 },
    /// A logged step, one row per replicate.
    Logged { rows: &'a [Row] },
    /// Steps made so far.
    Stepped { step: u64, steps: u64 },
    /// The descent is over and the results are being written.
    Finishing,
}
