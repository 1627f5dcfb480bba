//! Results are checked before they are written: a number that is not finite is refused.

use crate::error::{Error, Result};

/// Refuses results that are not finite.
///
/// # Errors
/// [`Error::NonFiniteResult`] with the name and place of the first such number.
pub fn check_finite(name: &str, values: &[f64]) -> Result<()> {
    match values.iter().position(|v| !v.is_finite()) {
        None => Ok(()),
        Some(at) => Err(Error::NonFiniteResult {
            what: format!("{name}: number {at} of {} is {}", values.len(), values[at]),
            remedy: "Nothing was written. Numbers this far apart need the reference device, or smaller units".into(),
        }),
    }
}
