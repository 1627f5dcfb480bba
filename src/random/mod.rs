//! Random numbers by address: (seed, purpose, replicate, step, stratum, sample, block) gives the same word on every device.

pub(crate) mod categorical;
pub(crate) mod normal;
pub(crate) mod philox;
pub(crate) mod rows;
pub(crate) mod sobol;
pub(crate) mod streams;
