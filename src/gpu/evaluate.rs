//! Log-density and score of a mixture at arbitrary points.
//!
//! First the component nearest to each point is found. Points are then sorted by it, so that the rows z = x − μ of one component form a
//! stratum with that component as its centre, and the kernels of the descent compute the rest. z is computed in double precision, so
//! precision does not suffer from means far from the origin or from many dimensions. If means are too far apart for single precision, the
//! host finds the nearest component, and each stratum has the means relative to its own. Points half-way between far components stay on the
//! host ([`super::halfway`]).

use rayon::prelude::*;

use super::halfway;
use super::handle::Handle;
use crate::backend::{Evaluation, Points};
use crate::error::Result;
use crate::gpu::device::command::Bound;
use crate::gpu::device::context::Context;
use crate::gpu::device::factor::Factor;
use crate::gpu::device::params::{self, Entry, Rows};
use crate::gpu::device::shaders::{Kernel, Tile};
use crate::gpu::step::model::{padded, unpadded, with_logarithms};
use crate::gpu::step::plan::{TILE, Widths, row_budget};
use crate::mixture::{GaussianMixture, squared_distance};
use crate::objective::form::Draws;

/// Means that extend beyond this in any coordinate, in σ, are not resolved in single precision.
const WIDE: f64 = 1e3;

/// A mixture and its buffers.
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
    /// Relative to the centroid, in units of σ.
    means: wgpu::Buffer,
    weights: wgpu::Buffer,
}

/// Evaluates `mixture` at `points` (n, d).
pub(super) fn evaluate(handle: &Handle, mixture: &GaussianMixture, points: Points, responsibilities: bool) -> Result<Evaluation> {
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
    if k == 1 {
        return evaluator.densities(points, &vec![0; points.len() / d], responsibilities);
    }
    let (nearest, halfway): (Vec<u32>, Vec<bool>) = if is_wide {
        points.par_chunks_exact(d).map(|x| halfway::dominant(mixture, x)).unzip()
    } else {
        let nearest = evaluator.nearest(points)?;
        let halfway = points.par_chunks_exact(d).zip(&nearest).map(|(x, l)| halfway::is_halfway(mixture, x, *l)).collect();
        (nearest, halfway)
    };
    let mut out = evaluator.densities(points, &nearest, responsibilities)?;
    for (i, x) in points.chunks_exact(d).enumerate().filter(|(i, _)| halfway[*i]) {
        halfway::evaluate(mixture, x, nearest[i], i, &mut out);
    }
    Ok(out)
}

/// `rows` (n, d) relative to `origin` (d), in units of σ.
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

    /// The component with the largest posterior at each of `points` (n, d).
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

    /// Evaluates the points, sorted by their nearest component.
    fn densities(&self, points: &[f64], nearest: &[u32], responsibilities: bool) -> Result<Evaluation> {
        let (d, k, n) = (self.d, self.k, nearest.len());
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by_key(|i| nearest[*i]);
        let most = self.budget.min(n.next_multiple_of(TILE));
        // Runs of points with the same nearest component, at most `most` each.
        let mut runs: Vec<&[usize]> = order.chunk_by(|a, b| nearest[*a] == nearest[*b]).flat_map(|run| run.chunks(most)).collect();
        runs.retain(|run| !run.is_empty());
        let mut entries = params::Entries::default();
        let told =
            |run: &&[usize]| Rows { first_pair: nearest[run[0]], rows_per_pair: run.len().next_multiple_of(TILE) as u32, ..self.params() };
        let of_runs: Vec<_> = runs.iter().map(|run| entries.push(told(run))).collect();
        let stratum = Stratum::new(self, most, &self.context().uniform(&entries.bytes))?;
        let mut out = Evaluation {
            log_density: vec![0.0; n],
            score: vec![0.0; n * d],
            responsibilities: if responsibilities { vec![0.0; n * k] } else { Vec::new() },
        };
        for (at, run) in runs.iter().enumerate() {
            let run = Run { entry: of_runs[at], is_first: at == 0, centre: nearest[run[0]] as usize, points: run };
            stratum.evaluate(self, points, &run, &mut out)?;
        }
        Ok(out)
    }
}

/// Points with the same nearest component.
struct Run<'a> {
    entry: Entry,
    /// Whether it is the first run.
    is_first: bool,
    centre: usize,
    /// The indices of the points.
    points: &'a [usize],
}

/// The kernels for one run of points, which is a stratum of its component; all runs share the buffers.
struct Stratum {
    origin: Bound,
    logits: Bound,
    softmax: Bound,
    posterior: Bound,
    /// z, the responsibilities and the means as factors of products.
    rows: Factor,
    responsibility_rows: Factor,
    means: Factor,
    origins: wgpu::Buffer,
    draws: wgpu::Buffer,
    responsibilities: wgpu::Buffer,
    vectors: wgpu::Buffer,
    log_masses: wgpu::Buffer,
    component_tile: Tile,
    feature_tile: Tile,
    lanes: usize,
}

impl Stratum {
    /// For runs of at most `most` points.
    fn new(of: &Evaluator, most: usize, params: &wgpu::Buffer) -> Result<Stratum> {
        let (context, kernels, k) = (of.context(), &of.handle.kernels, of.k);
        let (features, quads) = (of.widths.features, of.widths.student);
        let origins = context.buffer("origins", (4 * k) as u64)?;
        let offsets = context.buffer("the logits at all means", (16 * k * quads) as u64)?;
        let frames = context.buffer("frames", (32 * k * features) as u64)?;
        let origin_log_weights = context.buffer("log-weights of origins", (8 * k) as u64)?;
        let draws = context.buffer("draws", (16 * most * features) as u64)?;
        let responsibilities = context.buffer("responsibilities", (16 * most * quads) as u64)?;
        let vectors = context.buffer("vectors", (16 * most * features) as u64)?;
        let log_masses = context.buffer("log-masses", (8 * most) as u64)?;

        let bind = |kernel: Kernel, buffers: &[(&str, &wgpu::Buffer)]| kernels.bind(context, kernel, params, buffers);
        let (component_tile, feature_tile, lanes) = (kernels.tile(quads), kernels.tile(features), kernels.lanes(quads));
        let log_weights = ("origin_log_weights", &origin_log_weights);
        let of_origins = [("origins", &origins), ("offsets", &offsets), ("frames", &frames), log_weights];
        let of_mixture = [("centres", &of.means), ("means", &of.means), ("weights", &of.weights)];
        let origin = bind(Kernel::Origin, &[&of_mixture[..], &of_origins].concat())?;
        let factor = |buffer: &wgpu::Buffer, quads: usize| Factor::new(context, buffer, quads, kernels.variant.spread);
        let (rows, responsibility_rows) = (factor(&draws, most * features)?, factor(&responsibilities, most * quads)?);
        let means = factor(&of.means, k * features)?;
        let product = |kernel: Kernel, left: &Factor, others: [(&str, &wgpu::Buffer); 3]| {
            let mut resources = vec![("rows", left.resource()), ("means", means.resource())];
            resources.extend(others.map(|(name, buffer)| (name, buffer.as_entire_binding())));
            kernels.bind_resources(context, kernel, params, &resources)
        };
        let logits = Kernel::Logits { tile: component_tile, half: false };
        let logits = product(logits, &rows, [("origins", &origins), ("offsets", &offsets), ("out", &responsibilities)])?;
        let softmax = bind(Kernel::Softmax { lanes }, &[("logits", &responsibilities), log_weights, ("log_masses", &log_masses)])?;
        let posterior = Kernel::Posterior { tile: feature_tile };
        let posterior = product(posterior, &responsibility_rows, [("origins", &origins), ("frames", &frames), ("out", &vectors)])?;
        Ok(Stratum {
            origin,
            logits,
            softmax,
            posterior,
            rows,
            responsibility_rows,
            means,
            origins,
            draws,
            responsibilities,
            vectors,
            log_masses,
            component_tile,
            feature_tile,
            lanes,
        })
    }

    /// Evaluates the points of `run` among `points` (n, d).
    fn evaluate(&self, of: &Evaluator, points: &[f64], run: &Run, out: &mut Evaluation) -> Result<()> {
        let Run { entry, is_first, centre, points: run } = *run;
        let (context, d, k) = (of.context(), of.d, of.k);
        let (features, quads) = (of.widths.features, of.widths.student);
        let mean = |l: usize| of.mixture.mean(l);
        let point = |i: usize| &points[i * d..(i + 1) * d];
        let draws: Vec<f64> = run.iter().flat_map(|i| from(mean(centre), point(*i), of.sigma)).collect();
        if of.is_wide {
            context.write(&of.means, &padded(&from(mean(centre), of.mixture.means(), of.sigma), d));
        }
        let rows = of.rows(&draws);
        let n_rows = rows.len() / (4 * features);
        context.write(&self.draws, &rows);
        let product = (32 * n_rows * features * quads) as f64;
        let [component_tiles, feature_tiles] = [(quads, self.component_tile), (features, self.feature_tile)]
            .map(|(quads, tile)| n_rows / TILE * (4 * quads).div_ceil(tile.columns));
        let list = [
            self.origin.dispatch(entry, 1, (60 * k * d) as f64)?,
            self.logits
                .dispatch(entry, component_tiles, product)?
                .after([(is_first || of.is_wide).then(|| self.means.fill()).flatten(), self.rows.fill()]),
            self.softmax.dispatch(entry, n_rows / 64 * self.lanes, (80 * n_rows * quads) as f64)?,
            self.posterior.dispatch(entry, feature_tiles, product)?.after([self.responsibility_rows.fill()]),
        ];
        context.run(&list, 1)?;
        let vectors = unpadded(&context.download(&self.vectors, 4 * run.len() * features)?, d);
        let masses: Vec<[f32; 2]> = context.download(&self.log_masses, run.len())?;
        let origin_of: Vec<u32> = context.download(&self.origins, k)?;
        let origin = mean(origin_of[centre] as usize);
        let constant = -0.5 * d as f64 * (2.0 * std::f64::consts::PI).ln() - d as f64 * of.sigma.ln();
        for (row, i) in run.iter().enumerate() {
            out.log_density[*i] = f64::from(masses[row][0]) - 0.5 * squared_distance(point(*i), origin) / of.mixture.variance() + constant;
            let score = &mut out.score[i * d..(i + 1) * d];
            let (own, z) = (&vectors[row * d..(row + 1) * d], &draws[row * d..(row + 1) * d]);
            score.iter_mut().zip(own).zip(z).for_each(|((s, v), z)| *s = -(v + z) / of.sigma);
        }
        if !out.responsibilities.is_empty() {
            // Rows of responsibilities are whole quads; unlike features, they have no further padding.
            let own: Vec<f32> = context.download(&self.responsibilities, 4 * run.len() * quads)?;
            for (row, i) in own.chunks_exact(4 * quads).zip(run.iter()) {
                out.responsibilities[i * k..(i + 1) * k].iter_mut().zip(row).for_each(|(to, from)| *to = f64::from(*from));
            }
        }
        Ok(())
    }
}
