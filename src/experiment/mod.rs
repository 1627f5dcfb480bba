//! Experiments: configs and presets, and the life of a run and of a sweep in their folders.

pub mod checkpoint;
pub mod config;
pub mod environment;
pub mod events;
mod explain;
pub mod fingerprint;
pub mod journal;
pub mod levels;
pub mod limits;
pub mod logger;
pub mod nearest;
pub mod noise;
pub mod presets;
pub mod reading;
pub mod records;
pub mod results;
pub mod row;
pub mod run;
pub mod run_folder;
pub mod setting;
pub mod state_file;
pub mod sweep;
pub mod teacher;
pub mod workload;
