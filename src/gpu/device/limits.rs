//! What an adapter allows: the sizes of buffers and bindings, and of a dispatch.

use crate::error::{Error, Result};

/// Scratch memory that a chunk aims at: larger chunks gain nothing, since a chunk of this size already fills a GPU.
pub(crate) const SCRATCH_BYTES: u64 = 64 << 20;

/// Passes after which Mesa's software Vulkan ends every loop of an invocation, in silence: those of all its loops together.
pub(crate) const SOFTWARE_PASSES: usize = 65_535;

/// Workgroups along one axis of a dispatch.
const MOST_WORKGROUPS: u64 = 65_535;

/// What an adapter allows.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    /// For messages.
    pub adapter: String,
    /// Bytes in one storage binding.
    pub binding: u64,
    /// Bytes in one buffer.
    pub buffer: u64,
    /// Rows of a texture.
    pub texture: usize,
    /// Bytes of scratch that a chunk aims at: [`SCRATCH_BYTES`], or less on a device that was lost.
    pub scratch: u64,
    /// Passes of all loops of an invocation together: [`SOFTWARE_PASSES`], or any number.
    pub passes: usize,
}

impl Limits {
    /// Refuses a buffer that no binding can hold.
    ///
    /// # Errors
    /// [`Error::TooLarge`] with the figures.
    pub(crate) fn check(&self, buffer: &'static str, need: u64) -> Result<()> {
        let limit = self.binding.min(self.buffer);
        if need <= limit { Ok(()) } else { Err(Error::TooLarge { buffer, need, adapter: self.adapter.clone(), limit }) }
    }

    /// Refuses loops that a device would cut short.
    ///
    /// # Errors
    /// [`Error::NoDevice`] with the figures.
    pub(crate) fn check_passes(&self, need: usize) -> Result<()> {
        if need <= self.passes {
            return Ok(());
        }
        Err(Error::NoDevice {
            what: format!("{} is software that ends loops after {} passes, and these sizes take {need}.", self.adapter, self.passes),
            remedy: "Use the CPU, or fewer components or dimensions.".into(),
        })
    }
}

/// Workgroup counts along x and y for `n` workgroups: kernels skip the surplus.
///
/// # Errors
/// [`Error::TooLarge`] beyond 65 535².
pub(crate) fn fold(n: u64) -> Result<[u32; 2]> {
    let x = n.clamp(1, MOST_WORKGROUPS);
    let y = n.max(1).div_ceil(x);
    if y > MOST_WORKGROUPS {
        return Err(Error::TooLarge {
            buffer: "the grid of a dispatch",
            need: n,
            adapter: "WebGPU".into(),
            limit: MOST_WORKGROUPS * MOST_WORKGROUPS,
        });
    }
    Ok([x as u32, y as u32])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folding_covers_every_workgroup_within_the_limits() {
        for n in [0, 1, 65_535, 65_536, 1 << 20, 65_535 * 65_535] {
            let [x, y] = fold(n).unwrap();
            assert!(u64::from(x) * u64::from(y) >= n && x >= 1 && y >= 1);
            assert!(u64::from(x) <= MOST_WORKGROUPS && u64::from(y) <= MOST_WORKGROUPS);
        }
        assert!(fold(65_535 * 65_535 + 1).is_err());
    }
}
