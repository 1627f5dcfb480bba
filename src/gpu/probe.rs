//! Small pieces of work with a known answer or a known speed limit: random words, normals, sums, a softmax, multiply-adds, a copy.

use super::Gpu;
use crate::error::Result;
use crate::gpu::device::command::Dispatch;
use crate::gpu::device::params::{self, Count, Rows, Sums};
use crate::gpu::device::shaders::Kernel;
use crate::gpu::step::draws::points;

/// Work that measures a device's speed limit.
pub struct Work {
    /// Operations, or bytes read and written.
    pub amount: f64,
    list: [Dispatch; 1],
}

/// Four random words each, and their normals.
pub(crate) type Words = (Vec<[u32; 4]>, Vec<[f32; 4]>);

impl Gpu {
    /// The device's Philox words at counters [i, 1, 2, 3] for i < n, and its normals from them: shapes (n, 4).
    pub fn words(&mut self, key: [u32; 2], n: usize) -> Result<Words> {
        let context = &self.handle.context;
        let (params, entry) = params::one(Count { n: n as u32 });
        let params = context.uniform(&params);
        let keys = context.upload("keys", &[key])?;
        let words = context.buffer("words", 16 * n as u64)?;
        // NaN shows which numbers the kernel left out.
        let normals = context.upload("normals", &vec![[f32::NAN; 4]; n])?;
        let bound =
            self.handle.kernels.bind(context, Kernel::Words, &params, &[("key", &keys), ("words", &words), ("normals", &normals)])?;
        context.run(&[bound.dispatch(entry, n.div_ceil(64), 3000.0 * n as f64)?], 1)?;
        Ok((context.download(&words, n)?, context.download(&normals, n)?))
    }

    /// The device's words of the Sobol points of `n_nets` nets in 4·`quads` coordinates, at step 3 and stratum 5, shape (nets·size, quads).
    pub fn sobol_words(&mut self, key: [u32; 2], n_nets: usize, net_size: usize, quads: usize) -> Result<Vec<[u32; 4]>> {
        let (context, n) = (&self.handle.context, n_nets * net_size);
        let (params, entry) = params::one(params::Draws {
            chunk_samples: n as u32,
            net_size: net_size as u32,
            feature_quads: quads as u32,
            ..Default::default()
        });
        let params = context.uniform(&params);
        let (keys, table) = (context.upload("keys", &[key])?, context.upload("points of a net", &points(quads, net_size))?);
        let words = context.buffer("words", (16 * n * quads) as u64)?;
        let bound =
            self.handle.kernels.bind(context, Kernel::SobolWords, &params, &[("key", &keys), ("points", &table), ("words", &words)])?;
        context.run(&[bound.dispatch(entry, (n * quads).div_ceil(64), (600 * n * quads) as f64)?], 1)?;
        context.download(&words, n * quads)
    }

    /// The device's sums of `values` (n, 4) in blocks of `block_size` and then over the blocks, both in order.
    pub fn sums(&mut self, values: &[[f32; 4]], block_size: usize) -> Result<[f32; 4]> {
        let (context, n) = (&self.handle.context, values.len() as u32);
        let (size, rows) = (block_size as u32, n.next_multiple_of(64));
        let of_rows = Sums { n_pairs: 1, chunk_samples: n, rows_per_pair: rows, block_size: size, ..Sums::default() };
        let (params, entry) = params::one(Sums { group_size: rows, n_groups: 1, sum_quads: 1, ..of_rows });
        let params = context.uniform(&params);
        // Statistics are pairs of quads, of which the first is summed.
        let pairs: Vec<[f32; 8]> = values.iter().map(|v| [v[0], v[1], v[2], v[3], f32::NAN, f32::NAN, f32::NAN, f32::NAN]).collect();
        let n_blocks = values.len().div_ceil(block_size);
        let (values, partials) = (context.upload("values", &pairs)?, context.buffer("partial sums", 16 * n_blocks as u64)?);
        let sums = context.upload("sums", &[[f32::NAN; 4]])?;
        let kernels = &self.handle.kernels;
        let list = [
            kernels.bind(context, Kernel::BlockSums, &params, &[("statistics", &values), ("partials", &partials)])?.dispatch(
                entry,
                n_blocks.div_ceil(64),
                4.0 * f64::from(n),
            )?,
            kernels.bind(context, Kernel::Fold, &params, &[("partials", &partials), ("sums", &sums)])?.dispatch(
                entry,
                1,
                4.0 * n_blocks as f64,
            )?,
        ];
        context.run(&list, 1)?;
        Ok(context.download::<[f32; 4]>(&sums, 1)?[0])
    }

    /// The device's responsibilities of `logits` (n, 4·quads), n a multiple of 64, and each row's log-sum-exp.
    pub fn softmax(&mut self, logits: &[f32], quads: usize) -> Result<(Vec<f32>, Vec<f32>)> {
        let (context, n) = (&self.handle.context, logits.len() / (4 * quads));
        let of_rows = Rows { n_pairs: 1, rows_per_pair: n as u32, all_pairs: 1, component_quads: quads as u32, ..Rows::default() };
        let (params, entry) = params::one(of_rows);
        let params = context.uniform(&params);
        let (values, origins) = (context.upload("logits", logits)?, context.upload("log-weights of origins", &[0f32; 2])?);
        let masses = context.upload("log-masses", &vec![[f32::NAN; 2]; n])?;
        let lanes = self.handle.kernels.lanes(quads);
        let buffers = [("logits", &values), ("origin_log_weights", &origins), ("log_masses", &masses)];
        let bound = self.handle.kernels.bind(context, Kernel::Softmax { lanes }, &params, &buffers)?;
        context.run(&[bound.dispatch(entry, n / 64 * lanes, (80 * n * quads) as f64)?], 1)?;
        let masses: Vec<[f32; 2]> = context.download(&masses, n)?;
        Ok((context.download(&values, logits.len())?, masses.iter().map(|m| m[0]).collect()))
    }

    /// For tests: a kernel copies `told` quads of `values` into a buffer for `n`. Quads that it left out are NaN.
    pub fn copied(&mut self, values: &[[f32; 4]], n: usize, told: usize) -> Result<Vec<[f32; 4]>> {
        let context = &self.handle.context;
        let (params, entry) = params::one(Count { n: told as u32 });
        let params = context.uniform(&params);
        let (source, destination) = (context.upload("source", values)?, context.buffer("destination", 16 * n as u64)?);
        let bound = self.handle.kernels.bind(context, Kernel::Copy, &params, &[("source", &source), ("destination", &destination)])?;
        context.run(&[bound.dispatch(entry, told.div_ceil(64), told as f64)?], 1)?;
        context.download(&destination, n)
    }

    /// A large copy for [`Gpu::perform`]; its amount is in bytes.
    pub fn copy_work(&self) -> Result<Work> {
        let context = &self.handle.context;
        let n = (context.limits.binding.min(64 << 20) / 16) as usize;
        let (source, destination) = (context.buffer("source", 16 * n as u64)?, context.buffer("destination", 16 * n as u64)?);
        let (params, entry) = params::one(Count { n: n as u32 });
        let params = context.uniform(&params);
        let bound = self.handle.kernels.bind(context, Kernel::Copy, &params, &[("source", &source), ("destination", &destination)])?;
        Ok(Work { amount: 32.0 * n as f64, list: [bound.dispatch(entry, n.div_ceil(64), n as f64)?] })
    }

    /// Multiply-adds for [`Gpu::perform`]; its amount is in operations (two each).
    pub fn arithmetic_work(&self) -> Result<Work> {
        let chains = self.multiply_adds()?;
        Ok(Work { amount: chains.operations, list: [chains] })
    }

    /// Does the work and waits for it.
    pub fn perform(&self, work: &Work) -> Result<()> {
        self.handle.context.run(&work.list, 1)
    }

    /// Chains of multiply-adds.
    pub(super) fn multiply_adds(&self) -> Result<Dispatch> {
        let context = &self.handle.context;
        let (invocations, chain) = (1usize << 14, 1024usize);
        let out = context.buffer("roof", 16 * invocations as u64)?;
        let (params, entry) = params::one(Count { n: chain as u32 });
        let params = context.uniform(&params);
        let operations = (invocations * chain * 384) as f64;
        self.handle.kernels.bind(context, Kernel::Roof, &params, &[("out", &out)])?.dispatch(entry, invocations / 64, operations)
    }
}
