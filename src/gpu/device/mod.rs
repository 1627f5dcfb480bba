//! What wgpu gives: adapters, buffers, pipelines, submissions. Nothing here knows of mixtures.

pub mod adapter;
pub mod canaries;
mod clock;
pub mod context;
pub mod factor;
pub mod fused;
pub mod kernels;
pub mod params;
pub mod shaders;
pub mod unroll;
