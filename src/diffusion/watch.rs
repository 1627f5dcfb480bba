//! What a long computation says on its way, and whether it should stop.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Result};

/// Who is told, and who may interrupt.
pub struct Watch<'a> {
    /// Set from outside (Ctrl-C): the computation ends at its next look.
    pub interrupted: &'a AtomicBool,
    /// Told the stage, and how much of it is done (0 to 1).
    pub tell: &'a mut dyn FnMut(&str, f64),
}

impl Watch<'_> {
    /// A look between the parts of a step.
    ///
    /// # Errors
    /// [`Error::Stopped`] once it was interrupted.
    pub fn check(&self, stage: &str) -> Result<()> {
        if self.interrupted.load(Ordering::Relaxed) { Err(Error::Stopped { stage: stage.into() }) } else { Ok(()) }
    }

    /// Says how far `stage` is.
    ///
    /// # Errors
    /// [`Error::Stopped`] once it was interrupted.
    pub fn at(&mut self, stage: &str, done: f64) -> Result<()> {
        self.check(stage)?;
        (self.tell)(stage, done);
        Ok(())
    }
}
