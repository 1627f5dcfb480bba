//! Sweeps: a grid of experiments in one folder, each cell an ordinary run folder named by the hash of its config.

pub(crate) mod axes;
pub(crate) mod cost;
pub(crate) mod design;
pub(crate) mod folder;
pub(crate) mod hash;
pub(crate) mod results;
pub(crate) mod run;
pub(crate) mod shard;
pub(crate) mod table;
pub(crate) mod text;

pub use design::{Design, design};
pub use run::{Event, Request, SweepOutcome, Tally, sweep};
pub use shard::Shard;
pub use table::{SweepTable, read_table};
