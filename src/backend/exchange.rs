//! How devices, threads or hosts that work on one problem exchange their sums.

use crate::error::Result;

/// An all-gather between devices and threads, of one process or of several. `T` is the number type of their sums.
pub trait Exchange<T>: Send + Sync {
    /// The results of all parts in order, given the results of this process's parts.
    ///
    /// # Errors
    /// A failure of any participant; it ends the work of all.
    fn all_gather(&self, parts: Vec<Vec<T>>) -> Result<Vec<Vec<T>>>;
}

/// All parts belong to this process, so there is nothing to exchange.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Local;

impl<T> Exchange<T> for Local {
    fn all_gather(&self, parts: Vec<Vec<T>>) -> Result<Vec<Vec<T>>> {
        Ok(parts)
    }
}
