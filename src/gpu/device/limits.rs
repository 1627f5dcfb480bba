//! The limits of an adapter: sizes of buffers, bindings and dispatches.

use crate::error::{Error, Result};

/// The scratch memory of a chunk: a chunk of this size fills a GPU, so larger ones gain nothing.
pub(crate) const SCRATCH_BYTES: u64 = 64 << 20;

/// Mesa's software Vulkan silently ends all loops of an invocation once they have made this many passes together.
pub(crate) const SOFTWARE_PASSES: usize = 65_535;

/// The most workgroups along one axis of a dispatch.
const MOST_WORKGROUPS: u64 = 65_535;

/// The limits of an adapter.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    /// The adapter's name, for messages.
    pub adapter: String,
    /// The largest storage binding in bytes.
    pub binding: u64,
    /// The largest buffer in bytes.
    pub buffer: u64,
    /// The most rows of a texture.
    pub texture: usize,
    /// The scratch bytes of a chunk: [`SCRATCH_BYTES`], or less after the device was lost.
    pub scratch: u64,
    /// The most passes of all loops of an invocation together: [`SOFTWARE_PASSES`], or no limit.
    pub passes: usize,
}

impl Limits {
    /// Refuses a buffer larger than a binding.
    pub(crate) fn check(&self, buffer: &'static str, need: u64) -> Result<()> {
        let limit = self.binding.min(self.buffer);
        if need <= limit { Ok(()) } else { Err(Error::TooLarge { buffer, need, adapter: self.adapter.clone(), limit }) }
    }

    /// Refuses loops that the device would cut short.
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

/// Workgroup counts along x and y for `n` workgroups; kernels skip the surplus.
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
