//! Experiments: configs and presets, and the life of a run in its folder.

pub mod config;
pub mod environment;
pub mod learn;
pub mod learn_source;
pub mod learn_summary;
pub mod learn_sweep;
pub mod levels;
pub mod limits;
pub mod nearest;
pub mod noise;
pub mod plan;
pub mod presets;
pub mod reading;
pub mod results;
pub mod row;
pub mod run;
pub mod run_folder;
pub mod setting;
pub mod summary;
pub mod sweep;
pub mod teacher;
pub mod watch;
