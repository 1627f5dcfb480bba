//! Sweeps: a grid of experiments in one folder, each cell an ordinary run folder named by the hash of its config.

pub mod axes;
pub mod cost;
pub mod design;
pub mod folder;
pub mod hash;
pub mod results;
pub mod run;
pub mod shard;
pub mod table;
pub mod text;
