//! Log-density and score of a mixture at arbitrary points.
//!
//! First the component nearest to each point is found. Points are then sorted by it, so that the rows z = x − μ of one component form a
//! stratum with that component as its centre, and the kernels of the descent do the rest. z is taken in double precision: neither
//! means far from the origin nor points in many dimensions cost any. Where means are so far from each other that single precision does not
//! resolve them, the host looks for the nearest, and each stratum has the means as they are seen from its own; points half way between
//! far components stay on the host ([`super::halfway`]).

use rayon::prelude::*;

use super::halfway;
use super::handle::Handle;
use crate::backend::{Evaluation, Points};
use crate::error::Result;
use crate::gpu::device::context::Context;
use crate::gpu::device::factor::Factor;
use crate::gpu::device::params::{self, Rows};
use crate::gpu::device::shaders::Kernel;
use crate::gpu::step::model::{padded, unpadded, with_logarithms};
use crate::gpu::step::plan::{TILE, Widths, row_budget};
use crate::mixture::{GaussianMixture, squared_distance};
use crate::objective::form::Draws;

/// Means that extend further than this in any coordinate, in σ, are not resolved in single precision.
const WIDE: f64 = 1e3;

/// A mixture, and its buffers.
struct Evaluator<'a> {
    handle: &'a Handle,
    mixture: &'a GaussianMixture,
    sigma: f64,
    is_wide: bool,
    d: usize,
    k: usize,
    widths: Widths,
    budget: usize,
    centroid: Vec<f64>,
    /// Around the centroid, in units of σ.
    means: wgpu::Buffer,
    weights: wgpu::Buffer,
}

/// Evaluates `mixture` at `points` (n, d).
///
/// # Errors
/// [`crate::Error::TooLarge`], [`crate::Error::DeviceLost`].
pub fn evaluate(handle: &Handle, mixture: &GaussianMixture, points: Points, responsibilities: bool) -> Result<Evaluation> {
    let (k, d) = (mixture.n_components(), mixture.n_features());
    let (sigma, centroid) = (mixture.variance().sqrt(), mixture.centroid());
    let unit_means = from(&centroid, mixture.means(), sigma);
    let extent = |c: usize| {
        let (low, high) = unit_means.iter().skip(c).step_by(d).fold((f64::MAX, f64::MIN), |(low, high), m| (low.min(*m), high.max(*m)));
        high - low
    };
    let points = &points.to_f64()[..];
    let is_wide = (0..d).any(|c| extent(c) > WIDE);
    let context = &handle.context;
    let widths = Widths::new(d, k, 1);
    context.limits.check_passes(widths.passes(Draws::Independent(0)))?;
    let evaluator = Evaluator {
        handle,
        mixture,
        sigma,
        is_wide,
        d,
        k,
        widths,
        budget: match handle.row_budget {
            Some(rows) => rows.next_multiple_of(TILE),
            None => row_budget(widths, &context.limits)?,
        },
        means: context.upload("the means", &padded(&unit_means, d))?,
        weights: context.upload("the weights", &with_logarithms(mixture.weights()))?,
        centroid,
    };
    if is_wide && k > 1 {
        let (nearest, halfway): (Vec<u32>, Vec<bool>) = points.par_chunks_exact(d).map(|x| halfway::nearest(mixture, x)).unzip();
        let mut out = evaluator.densities(points, &nearest, responsibilities)?;
        for (i, x) in points.chunks_exact(d).enumerate().filter(|(i, _)| halfway[*i]) {
            halfway::evaluate(mixture, x, nearest[i], i, &mut out);
        }
        return Ok(out);
    }
    let nearest = if k == 1 { vec![0; points.len() / d] } else { evaluator.nearest(points)? };
    evaluator.densities(points, &nearest, responsibilities)
}

/// `rows` (n, d) as they are seen from `origin` (d), in units of σ.
fn from(origin: &[f64], rows: &[f64], sigma: f64) -> Vec<f64> {
    rows.iter().zip(origin.iter().cycle()).map(|(x, o)| (x - o) / sigma).collect()
}

impl Evaluator<'_> {
    fn params(&self) -> Rows {
        Rows {
            n_strata: self.k as u32,
            n_components: self.k as u32,
            component_quads: self.widths.student as u32,
            feature_quads: self.widths.features as u32,
            all_pairs: self.k as u32,
            n_pairs: 1,
            ..Rows::default()
        }
    }

    fn context(&self) -> &Context {
        &self.handle.context
    }

    /// Points in single precision, padded to whole tiles of rows.
    fn rows(&self, rows: &[f64]) -> Vec<f32> {
        let mut out = padded(rows, self.d);
        let width = 4 * self.widths.features;
        out.resize((out.len() / width).next_multiple_of(TILE) * width, 0.0);
        out
    }

    /// The component nearest to each of `points` (n, d), weights considered.
    fn nearest(&self, points: &[f64]) -> Result<Vec<u32>> {
        let (context, kernels) = (self.context(), &self.handle.kernels);
        let (features, quads) = (self.widths.features, self.widths.student);
        let n = points.len() / self.d;
        let most = self.budget.min(n.next_multiple_of(TILE));
        let x = context.buffer("points", (16 * most * features) as u64)?;
        let distances = context.buffer("distances", (16 * most * quads) as u64)?;
        let out = context.buffer("nearest components", (4 * most) as u64)?;
        let mut nearest = Vec::with_capacity(n);
        for part in points.chunks(most * self.d) {
            let rows = self.rows(&from(&self.centroid, part, self.sigma));
            context.write(&x, &rows);
            let n_rows = rows.len() / (4 * features);
            let (params, entry) = params::one(Rows { rows_per_pair: n_rows as u32, ..self.params() });
            let params = context.uniform(&params);
            let tile = kernels.tile(quads);
            let columns = (4 * quads).div_ceil(tile.columns);
            let buffers = [("points", &x), ("means", &self.means), ("weights", &self.weights), ("out", &distances)];
            let list = [
                kernels.bind(context, Kernel::Distance { tile }, &params, &buffers)?.dispatch(
                    entry,
                    n_rows / TILE * columns,
                    (48 * n_rows * features * quads) as f64,
                )?,
                kernels.bind(context, Kernel::Nearest, &params, &[("distances", &distances), ("nearest", &out)])?.dispatch(
                    entry,
                    n_rows.div_ceil(64),
                    (8 * n_rows * quads) as f64,
                )?,
            ];
            context.run(&list, 1)?;
            nearest.extend(context.download::<u32>(&out, part.len() / self.d)?);
        }
        Ok(nearest)
    }

    fn densities(&self, points: &[f64], nearest: &[u32], responsibilities: bool) -> Result<Evaluation> {
        let (context, kernels, d, k) = (self.context(), &self.handle.kernels, self.d, self.k);
        let (features, quads) = (self.widths.features, self.widths.student);
        let n = nearest.len();
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by_key(|i| nearest[*i]);
        let most = self.budget.min(n.next_multiple_of(TILE));

        let origins = context.buffer("origins", (4 * k) as u64)?;
        let offsets = context.buffer("the logits at all means", (16 * k * quads) as u64)?;
        let frames = context.buffer("frames", (32 * k * features) as u64)?;
        let origin_log_weights = context.buffer("log-weights of origins", (8 * k) as u64)?;
        let z = context.buffer("draws", (16 * most * features) as u64)?;
        let r = context.buffer("responsibilities", (16 * most * quads) as u64)?;
        let v = context.buffer("vectors", (16 * most * features) as u64)?;
        let log_masses = context.buffer("log-masses", (8 * most) as u64)?;

        // Runs of points with one nearest component, no longer than fits.
        let mut runs: Vec<&[usize]> = order.chunk_by(|a, b| nearest[*a] == nearest[*b]).flat_map(|run| run.chunks(most)).collect();
        runs.retain(|run| !run.is_empty());
        let mut entries = params::Entries::default();
        let told =
            |run: &&[usize]| Rows { first_pair: nearest[run[0]], rows_per_pair: run.len().next_multiple_of(TILE) as u32, ..self.params() };
        let of_runs: Vec<_> = runs.iter().map(|run| entries.push(told(run))).collect();
        let params = context.uniform(&entries.bytes);
        let bind = |kernel: Kernel, buffers: &[(&str, &wgpu::Buffer)]| kernels.bind(context, kernel, &params, buffers);
        let (component_tile, feature_tile) = (kernels.tile(quads), kernels.tile(features));
        let log_weights = ("origin_log_weights", &origin_log_weights);
        let of_origins = [("origins", &origins), ("offsets", &offsets), ("frames", &frames), log_weights];
        let of_mixture = [("centres", &self.means), ("means", &self.means), ("weights", &self.weights)];
        let origin = bind(Kernel::Origin, &[&of_mixture[..], &of_origins].concat())?;
        let factor = |buffer: &wgpu::Buffer, quads: usize| Factor::new(context, buffer, quads, kernels.variant.spread);
        let (rows_factor, shares, means) = (factor(&z, most * features)?, factor(&r, most * quads)?, factor(&self.means, k * features)?);
        let product = |kernel: Kernel, left: &Factor, others: [(&str, &wgpu::Buffer); 3]| {
            let mut resources = vec![("rows", left.resource()), ("means", means.resource())];
            resources.extend(others.map(|(name, buffer)| (name, buffer.as_entire_binding())));
            kernels.bind_resources(context, kernel, &params, &resources)
        };
        let logits = Kernel::Logits { tile: component_tile, half: false };
        let logits = product(logits, &rows_factor, [("origins", &origins), ("offsets", &offsets), ("out", &r)])?;
        let lanes = kernels.lanes(quads);
        let softmax = bind(Kernel::Softmax { lanes }, &[("logits", &r), log_weights, ("log_masses", &log_masses)])?;
        let posterior = Kernel::Posterior { tile: feature_tile };
        let posterior = product(posterior, &shares, [("origins", &origins), ("frames", &frames), ("out", &v)])?;

        let mut out = Evaluation {
            log_density: vec![0.0; n],
            score: vec![0.0; n * d],
            responsibilities: if responsibilities { vec![0.0; n * k] } else { Vec::new() },
        };
        let constant = -0.5 * d as f64 * (2.0 * std::f64::consts::PI).ln() - d as f64 * self.sigma.ln();
        for (at, run) in runs.iter().enumerate() {
            let centre = nearest[run[0]] as usize;
            let mean = |l: usize| self.mixture.mean(l);
            let point = |i: usize| &points[i * d..(i + 1) * d];
            let draws: Vec<f64> = run.iter().flat_map(|i| from(mean(centre), point(*i), self.sigma)).collect();
            if self.is_wide {
                context.write(&self.means, &padded(&from(mean(centre), self.mixture.means(), self.sigma), d));
            }
            let rows = self.rows(&draws);
            let n_rows = rows.len() / (4 * features);
            context.write(&z, &rows);
            let (entry, product, first) = (of_runs[at], (32 * n_rows * features * quads) as f64, at == 0);
            let list = [
                origin.dispatch(entry, 1, (60 * k * d) as f64)?,
                logits
                    .dispatch(entry, n_rows / TILE * (4 * quads).div_ceil(component_tile.columns), product)?
                    .after([(first || self.is_wide).then(|| means.fill()).flatten(), rows_factor.fill()]),
                softmax.dispatch(entry, n_rows / 64 * lanes, (80 * n_rows * quads) as f64)?,
                posterior.dispatch(entry, n_rows / TILE * (4 * features).div_ceil(feature_tile.columns), product)?.after([shares.fill()]),
            ];
            context.run(&list, 1)?;
            let vectors = unpadded(&context.download(&v, 4 * run.len() * features)?, d);
            let masses: Vec<[f32; 2]> = context.download(&log_masses, run.len())?;
            let origin_of: Vec<u32> = context.download(&origins, k)?;
            let origin = mean(origin_of[centre] as usize);
            for (row, i) in run.iter().enumerate() {
                out.log_density[*i] =
                    f64::from(masses[row][0]) - 0.5 * squared_distance(point(*i), origin) / self.mixture.variance() + constant;
                let score = &mut out.score[i * d..(i + 1) * d];
                let (own, z) = (&vectors[row * d..(row + 1) * d], &draws[row * d..(row + 1) * d]);
                score.iter_mut().zip(own).zip(z).for_each(|((s, v), z)| *s = -(v + z) / self.sigma);
            }
            if responsibilities {
                // Components fill whole quads; unlike features, they are padded no further.
                let own: Vec<f32> = context.download(&r, 4 * run.len() * quads)?;
                for (row, i) in own.chunks_exact(4 * quads).zip(run.iter()) {
                    out.responsibilities[i * k..(i + 1) * k].iter_mut().zip(row).for_each(|(to, from)| *to = f64::from(*from));
                }
            }
        }
        Ok(out)
    }
}
