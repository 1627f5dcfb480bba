//! Random numbers by address: the same word for the same (seed, purpose, replicate, step, stratum, sample, block) anywhere.

pub mod normal;
pub mod philox;
pub mod rows;
pub mod sobol;
pub mod streams;
