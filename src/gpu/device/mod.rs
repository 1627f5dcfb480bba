//! What wgpu gives: adapters, buffers, pipelines, submissions; and the kernels as texts. Nothing here knows the order of a step.

pub mod adapter;
pub mod bindings;
pub mod canaries;
mod clock;
pub mod command;
pub mod context;
pub mod factor;
pub mod fused;
pub mod kernels;
pub mod limits;
pub mod params;
mod patience;
pub mod shaders;
pub mod unroll;
