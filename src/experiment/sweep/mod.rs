//! Sweeps: a grid of experiments in one folder, each cell an ordinary run folder named by the hash of its config.

pub mod table;
