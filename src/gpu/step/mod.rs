//! A step as a list of dispatches: the plan, its buffers, and the stages from draws to means.

mod binder;
pub(crate) mod blend;
pub(crate) mod buffers;
pub(crate) mod draws;
pub(crate) mod entries;
pub(crate) mod finish;
mod fused_stages;
pub(crate) mod model;
pub(crate) mod plan;
pub(crate) mod recording;
pub(crate) mod rows;
mod stages;
