//! A step as a list of dispatches: the pure plan, its buffers, and the stages from draws to means.

mod binder;
pub mod blend;
pub mod buffers;
pub mod draws;
pub mod entries;
pub mod finish;
mod fused_stages;
pub mod model;
pub mod plan;
pub mod recording;
pub mod rows;
mod stages;
