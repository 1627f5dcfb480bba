//! An open device as sessions hold it.

use std::sync::Arc;

use super::device::context::Context;
use super::device::fused::Sharing;
use super::device::kernels::Kernels;

/// An open device and its kernels; clones share them.
#[derive(Clone)]
pub(super) struct Handle {
    pub context: Arc<Context>,
    pub kernels: Arc<Kernels>,
    /// The most rows of a chunk; `None`: as suits the adapter.
    pub row_budget: Option<usize>,
    /// How the fused kernel's invocations divide its work; `None`: that kernel is not used.
    pub sharing: Option<Sharing>,
}
