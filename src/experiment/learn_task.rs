//! What is asked of a learner.

use std::path::PathBuf;

use crate::diffusion::learn::Options;

/// What is to be learned from.
#[derive(Debug, Clone)]
pub struct Task {
    /// A file of points, or the name of a preset.
    pub data: PathBuf,
    /// The mixture that the points were drawn from, where a file has it.
    pub truth: Option<PathBuf>,
    /// How many of the points; `None`: all of them.
    pub points: Option<usize>,
    pub options: Options,
}
