//! Known answers and roofs of a device: random words, normals, a chain of multiply-adds, a copy.

use std::time::Instant;

use super::Gpu;
use super::params::{self, Params};
use crate::error::Result;

/// What a device can do at best, measured.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub struct Roof {
    /// Fused multiply-adds counted as two operations, in 10⁹ per second.
    pub gflops: f64,
    /// Bytes read and written by a large copy, in 10⁹ per second.
    pub gigabytes_per_second: f64,
}

/// Four random words each, and the normals made of them.
pub type Words = (Vec<[u32; 4]>, Vec<[f32; 4]>);

impl Gpu {
    /// The device's Philox words at counters [i, 1, 2, 3] for i < n, and the normals it makes of them: shapes (n, 4).
    ///
    /// # Errors
    /// The device's.
    pub fn words(&mut self, key: [u32; 2], n: usize) -> Result<Words> {
        let context = &self.handle.context;
        let params = context.uniform(&params::bytes(&[Params { n_samples: n as u32, ..Params::default() }]));
        let keys = context.upload("keys", &[key])?;
        let words = context.buffer("words", 16 * n as u64)?;
        // Poison: a number that the kernel leaves out is found.
        let normals = context.upload("normals", &vec![[f32::NAN; 4]; n])?;
        let bound = self.handle.kernels.bind(context, "words", &params, &[&keys, &words, &normals])?;
        context.run(&[bound.dispatch(0, n.div_ceil(64), 3000.0 * n as f64)?], 1)?;
        Ok((context.download(&words, n)?, context.download(&normals, n)?))
    }

    /// The device's own roof, each the best of five after a warm-up.
    ///
    /// # Errors
    /// The device's.
    pub fn roof(&mut self) -> Result<Roof> {
        let context = &self.handle.context;
        let (invocations, chain) = (1usize << 14, 1024usize);
        let out = context.buffer("roof", 16 * invocations as u64)?;
        let params = context.uniform(&params::bytes(&[Params { n_samples: chain as u32, ..Params::default() }]));
        let operations = (invocations * chain * 256) as f64;
        let chains = self.handle.kernels.bind(context, "roof", &params, &[&out])?.dispatch(0, invocations / 64, operations)?;

        let n = (context.limits.binding.min(64 << 20) / 16) as usize;
        let (source, destination) = (context.buffer("source", 16 * n as u64)?, context.buffer("destination", 16 * n as u64)?);
        let params = context.uniform(&params::bytes(&[Params { n_samples: n as u32, ..Params::default() }]));
        let copy = self.handle.kernels.bind(context, "copy", &params, &[&source, &destination])?.dispatch(0, n.div_ceil(64), n as f64)?;

        let best = |dispatch: &super::kernels::Dispatch| -> Result<f64> {
            let list = [dispatch.clone()];
            context.run(&list, 1)?;
            let mut least = f64::INFINITY;
            for _ in 0..5 {
                let start = Instant::now();
                context.run(&list, 1)?;
                least = least.min(start.elapsed().as_secs_f64());
            }
            Ok(least)
        };
        Ok(Roof { gflops: operations / best(&chains)? / 1e9, gigabytes_per_second: 32.0 * n as f64 / best(&copy)? / 1e9 })
    }
}
