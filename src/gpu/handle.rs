//! An open device as sessions hold it.

use std::sync::Arc;

use super::device::context::Context;
use super::device::fused::Sharing;
use super::device::kernels::Kernels;

/// Clones are the same device.
#[derive(Clone)]
pub(super) struct Handle {
    pub context: Arc<Context>,
    pub kernels: Arc<Kernels>,
    /// Most rows of a chunk; `None`: what suits the adapter.
    pub row_budget: Option<usize>,
    /// How the fused kernel's invocations share its work; `None`: that kernel is not used.
    pub sharing: Option<Sharing>,
}
