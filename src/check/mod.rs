//! Whether a device computes correctly, and how fast relative to its speed limit.
//!
//! [`self_check`](self_check()) is the short check at the start of every run; [`compare`] is the long one, a table of errors;
//! `bench` measures steps and kernels relative to the `roof`.

pub(crate) mod bench;
#[cfg(feature = "gpu")]
mod gpu_answers;
mod known_answers;
mod parity;
mod problems;
pub(crate) mod roof;
mod self_check;

use serde::Serialize;

use crate::device::Chosen;
use crate::error::Result;
use crate::objective::divergence::Storage;
pub use self_check::{check_polynomials, self_check};

/// One comparison.
#[derive(Serialize)]
pub struct Comparison {
    pub name: String,
    pub error: f64,
    pub bound: f64,
    pub passed: bool,
}

impl Comparison {
    /// Passes if error ≤ bound, so that NaN fails.
    pub(crate) fn new(name: impl Into<String>, error: f64, bound: f64) -> Self {
        Self { name: name.into(), error, bound, passed: error <= bound }
    }
}

/// Known answers on the device, then its errors against the reference, with draws stored as `storage` on it. Wrong numbers are no error
/// here but rows of the table.
pub fn compare(device: &mut Chosen, storage: Storage) -> Result<Vec<Comparison>> {
    let mut table = match device {
        #[cfg(feature = "gpu")]
        Chosen::Gpu(gpu) => gpu_answers::of_gpu(gpu)?,
        Chosen::Other(_) => known_answers::of_host(),
    };
    table.extend(parity::parity(device.backend(), storage)?);
    Ok(table)
}
