//! Stopping work that takes long.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Result};

/// A flag that gradients and measurements check between blocks of samples; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Option<Arc<AtomicBool>>);

impl Interrupt {
    /// A flag that is never set.
    pub fn none() -> Self {
        Self(None)
    }

    /// Whether the work should stop.
    pub fn is_set(&self) -> bool {
        self.0.as_ref().is_some_and(|flag| flag.load(Ordering::Relaxed))
    }

    /// Fails if the flag is set; `stage` names the work that stops.
    pub fn check(&self, stage: &str) -> Result<()> {
        if self.is_set() { Err(Error::Stopped { stage: stage.into() }) } else { Ok(()) }
    }
}

impl From<Arc<AtomicBool>> for Interrupt {
    /// The work stops once the flag is true.
    fn from(flag: Arc<AtomicBool>) -> Self {
        Self(Some(flag))
    }
}
