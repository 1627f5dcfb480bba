//! Progress reports and interruption of a long computation.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Result};

/// Where to report progress, and how to be interrupted.
pub struct Watch<'a> {
    /// Set from outside (Ctrl-C): the computation ends at its next check.
    pub interrupted: &'a AtomicBool,
    /// Called with the stage, and its progress from 0 to 1.
    pub tell: &'a mut dyn FnMut(&str, f64),
}

impl Watch<'_> {
    /// Checks for an interruption between the parts of a step.
    pub fn check(&self, stage: &str) -> Result<()> {
        if self.interrupted.load(Ordering::Relaxed) { Err(Error::Stopped { stage: stage.into() }) } else { Ok(()) }
    }

    /// Reports the progress of `stage`.
    ///
    /// # Errors
    /// [`Error::Stopped`] once it is interrupted.
    pub fn at(&mut self, stage: &str, done: f64) -> Result<()> {
        self.check(stage)?;
        (self.tell)(stage, done);
        Ok(())
    }
}
