//! The layer over wgpu: adapters, buffers, pipelines, submissions; and the sources of the kernels. Nothing here knows the order of a step.

pub(crate) mod adapter;
pub(crate) mod bindings;
pub(crate) mod canaries;
mod clock;
pub(crate) mod command;
pub(crate) mod context;
pub(crate) mod factor;
pub(crate) mod fused;
pub(crate) mod kernels;
pub(crate) mod limits;
pub(crate) mod params;
mod patience;
pub(crate) mod shaders;
pub(crate) mod unroll;
