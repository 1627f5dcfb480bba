//! The task of a learner.

use std::path::PathBuf;

use crate::diffusion::options::Options;

/// The data and the choices for learning.
#[derive(Debug, Clone)]
pub struct Task {
    /// A file of points, or the name of a preset.
    pub data: PathBuf,
    /// A file with the mixture that the points were drawn from, if there is one.
    pub truth: Option<PathBuf>,
    /// How many of the points to use; `None`: all of them.
    pub points: Option<usize>,
    pub options: Options,
}
