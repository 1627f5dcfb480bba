//! Random numbers by address: the same word for the same (seed, purpose, replicate, step, stratum, sample, block) anywhere.

pub(crate) mod categorical;
pub(crate) mod normal;
pub(crate) mod philox;
pub(crate) mod rows;
pub(crate) mod sobol;
pub(crate) mod streams;
