//! One line per kernel: the kernels of a chunk with their buffers, and the order in which they run.

use super::draws::Draws;
use super::model::{Model, index};
use super::plan::{Chunk, Widths};
use super::rows::{ENTRIES, Form, Rows, Sizes, Spec};
use crate::error::Result;
use crate::gpu::device::context::Context;
use crate::gpu::device::factor::Factor;
use crate::gpu::device::kernels::{Bound, Dispatch, Kernels};
use crate::gpu::device::params::STRIDE;
use crate::objective::groups::Groups;

/// Kernels with their buffers.
pub struct Stages {
    factors: Factors,
    draws: Draws,
    pub origin: [Bound; 2],
    logits: [Bound; 2],
    softmax: [Bound; 2],
    posterior: [Bound; 2],
    statistics: Bound,
    block_sums: Bound,
    fold_statistics: Bound,
    gradient: Option<GradientStages>,
    tiles: Tiles,
    lanes: Tiles,
    n_strata: usize,
}

/// What products multiply.
struct Factors {
    z: Factor,
    responsibilities: [Factor; 2],
    vectors: [Factor; 2],
    means: [Factor; 2],
}

struct GradientStages {
    projections: [Bound; 2],
    centre: [Bound; 2],
    coefficients: [Bound; 2],
    fold: [Bound; 2],
    scatter: Option<Bound>,
    score: Option<Score>,
}

/// Sums of the score function's form beside those of Stein's: over blocks, then over groups.
struct Score {
    blocks: Bound,
    fold: Bound,
}

/// Tile columns for products over components of either side and over features; or, likewise, invocations that share a row.
#[derive(Clone, Copy)]
struct Tiles {
    components: [usize; 2],
    features: usize,
}

impl Stages {
    /// # Errors
    /// The device's.
    pub fn new(context: &Context, kernels: &Kernels, model: &Model, spec: &Spec, sizes: &Sizes, rows: &Rows) -> Result<Self> {
        let Widths { features, student, teacher } = model.widths;
        let half = if spec.half { "_f16" } else { "" };
        let tiles = Tiles { components: [kernels.tile(student), kernels.tile(teacher)], features: kernels.tile(features) };
        let lanes = Tiles { components: [kernels.lanes(student), kernels.lanes(teacher)], features: kernels.lanes(features) };
        let bind = |name: &str, buffers: &[&wgpu::Buffer]| kernels.bind(context, name, &rows.params, buffers);
        let both = |f: &dyn Fn(usize) -> Result<Bound>| Ok::<_, crate::Error>([f(0)?, f(1)?]);
        let scratch = |label, bytes| context.buffer(label, bytes);

        let draws = Draws::new(context, kernels, model, spec, sizes, rows)?;
        let (z, weight) = (&draws.z, &draws.weight);
        let frames = scratch("frames", sizes.frames)?;
        let log_weights = scratch("log-weights of origins", 2 * sizes.origins)?;
        let responsibilities =
            [scratch("responsibilities", sizes.responsibilities[0])?, scratch("responsibilities", sizes.responsibilities[1])?];
        let vectors = [scratch("vectors", sizes.vectors)?, scratch("vectors", sizes.vectors)?];
        let log_masses = scratch("log-masses", sizes.per_row / 2)?;
        let statistics = scratch("statistics", 2 * sizes.per_row)?;
        let partials = scratch("partial sums", sizes.partials)?;
        let (means, weights, origins, offsets) = (&model.means, &model.weights, &rows.origins, &rows.offsets);
        let centres = &means[index(spec.strata)];
        let factor = |buffer: &wgpu::Buffer, quads: usize, half: bool| Factor::new(context, kernels, buffer, quads, half);
        let pair = |buffers: &[wgpu::Buffer; 2], quads: [usize; 2]| {
            Ok::<_, crate::Error>([factor(&buffers[0], quads[0], false)?, factor(&buffers[1], quads[1], false)?])
        };
        let quads = |bytes: u64| (bytes / 16) as usize;
        let factors = Factors {
            z: factor(z, quads(sizes.vectors), spec.half)?,
            responsibilities: pair(&responsibilities, sizes.responsibilities.map(quads))?,
            vectors: pair(&vectors, [quads(sizes.vectors); 2])?,
            means: pair(means, model.n_components.map(|n| model.n_replicates * n * features))?,
        };
        // A product of rows with the means of a side.
        let product = |name: &str, left: &Factor, s: usize, others: [&wgpu::Buffer; 3]| {
            let [third, fourth, out] = others.map(wgpu::Buffer::as_entire_binding);
            kernels.bind_resources(context, name, &rows.params, &[left.resource(), factors.means[s].resource(), third, fourth, out])
        };

        let gradient = match spec.form {
            None => None,
            Some(form) => {
                let projected = [scratch("projections", sizes.responsibilities[0])?, scratch("projections", sizes.responsibilities[1])?];
                Some(GradientStages {
                    projections: both(&|s| {
                        // Without Stein, a has taken the place of V_p, and both sides project it.
                        let left = &factors.vectors[if form.stein { s } else { 0 }];
                        let name = format!("projections_{}", tiles.components[s]);
                        product(&name, left, s, [&origins[s], &offsets[s], &projected[s]])
                    })?,
                    centre: both(&|s| {
                        bind(&format!("centre_{}", lanes.components[s]), &[&responsibilities[s], &projected[s], &statistics])
                    })?,
                    coefficients: both(&|s| bind("coefficients", &[&responsibilities[s], &projected[s], &statistics, &partials]))?,
                    fold: both(&|s| bind("fold", &[&partials, &rows.coefficient_sums[s]]))?,
                    scatter: form
                        .scatter
                        .then(|| {
                            let strata_weights = &weights[index(spec.strata)];
                            let (r, u) = (&responsibilities[0], &projected[0]);
                            let name = format!("scatter_{}{half}", tiles.features);
                            bind(&name, &[r, u, &vectors[0], z, &frames, &statistics, strata_weights, &rows.scattered])
                        })
                        .transpose()?,
                    score: if form.mixes() {
                        let partials = scratch("partial sums of the score function", sizes.score_partials)?;
                        let inputs = [z, &vectors[0], &vectors[1], &statistics, &partials];
                        Some(Score {
                            blocks: bind(&format!("score_function{half}"), &inputs)?,
                            fold: bind("fold", &[&partials, &rows.score_sums])?,
                        })
                    } else {
                        None
                    },
                })
            }
        };
        Ok(Self {
            origin: both(&|s| bind("origin", &[centres, &means[s], &weights[s], &origins[s], &offsets[s], &frames, &log_weights]))?,
            logits: both(&|s| {
                let name = format!("logits_{}{half}", tiles.components[s]);
                product(&name, &factors.z, s, [&origins[s], &offsets[s], &responsibilities[s]])
            })?,
            softmax: both(&|s| bind(&format!("softmax_{}", lanes.components[s]), &[&responsibilities[s], &log_weights, &log_masses]))?,
            posterior: both(&|s| {
                let name = format!("posterior_{}", tiles.features);
                product(&name, &factors.responsibilities[s], s, [&origins[s], &frames, &vectors[s]])
            })?,
            statistics: bind(
                &format!("statistics_{}{half}", lanes.features),
                &[z, &vectors[0], &vectors[1], &frames, &log_masses, weight, &statistics],
            )?,
            block_sums: bind("block_sums", &[&statistics, &partials])?,
            fold_statistics: bind("fold", &[&partials, &rows.statistic_sums])?,
            gradient,
            factors,
            draws,
            tiles,
            lanes,
            n_strata: rows.n_strata,
        })
    }

    /// Draws, responsibilities, posterior vectors and statistics of a chunk.
    pub fn densities(&self, model: &Model, chunk: &Chunk, c: usize) -> Result<Vec<Dispatch>> {
        let (rows, features) = (chunk.rows(), model.widths.features);
        let row_tiles = rows / 64;
        let mut out = Vec::new();
        if chunk.meets_pairs {
            for side in 0..2 {
                let work = (chunk.n_pairs * model.n_components[side] * model.rank * 60) as f64;
                out.push(self.origin[side].dispatch(offset(c, side), chunk.n_pairs, work)?);
            }
        }
        out.extend(self.draws.chunk(model, chunk, c)?);
        for side in 0..2 {
            let (quads, at) = (model.quads(side), offset(c, side));
            let product = (32 * rows * features * quads) as f64;
            let columns = (4 * quads).div_ceil(self.tiles.components[side]);
            let Factors { z, responsibilities, means, .. } = &self.factors;
            // Means change between steps, draws between chunks.
            let fills = [(c == 0).then(|| means[side].fill()).flatten(), (side == 0).then(|| z.fill()).flatten()];
            out.push(self.logits[side].dispatch(at, row_tiles * columns, product)?.after(fills));
            out.push(self.softmax[side].dispatch(at, row_tiles * self.lanes.components[side], (80 * rows * quads) as f64)?);
            let columns = (4 * features).div_ceil(self.tiles.features);
            out.push(self.posterior[side].dispatch(at, row_tiles * columns, product)?.after([responsibilities[side].fill()]));
        }
        out.push(self.statistics.dispatch(offset(c, 0), row_tiles * self.lanes.features, (64 * rows * features) as f64)?);
        Ok(out)
    }

    /// Sums of statistics over the groups of a chunk.
    pub fn statistic_sums(&self, groups: &Groups, chunk: &Chunk, c: usize) -> Result<[Dispatch; 2]> {
        let (blocks, sums) = (chunk.n_pairs * chunk.blocks(groups.block_size()), chunk.n_pairs * chunk.groups(groups));
        Ok([
            self.block_sums.dispatch(offset(c, 2), blocks.div_ceil(64), (8 * chunk.rows()) as f64)?,
            self.fold_statistics.dispatch(offset(c, 2), sums.div_ceil(64), (8 * blocks) as f64)?,
        ])
    }

    /// Sums of coefficients over the groups of a chunk, and the scatter.
    pub fn coefficients(&self, model: &Model, groups: &Groups, form: Form, chunk: &Chunk, c: usize) -> Result<Vec<Dispatch>> {
        let Some(stages) = &self.gradient else { return Ok(Vec::new()) };
        let (rows, features) = (chunk.rows(), model.widths.features);
        let mut out = Vec::new();
        // The teacher's coefficients matter only to the part that rows own.
        for side in 0..if form.own_rows { 2 } else { 1 } {
            let (quads, at) = (model.quads(side), offset(c, side));
            let columns = (4 * quads).div_ceil(self.tiles.components[side]);
            let blocks = chunk.n_pairs * chunk.blocks(groups.block_size()) * quads;
            let sums = chunk.n_pairs * chunk.groups(groups) * quads;
            let fill = if form.stein || side == 0 { self.factors.vectors[side].fill() } else { None };
            let product = (32 * rows * features * quads) as f64;
            out.push(stages.projections[side].dispatch(at, rows / 64 * columns, product)?.after([fill]));
            out.push(stages.centre[side].dispatch(at, rows / 64 * self.lanes.components[side], (16 * rows * quads) as f64)?);
            out.push(stages.coefficients[side].dispatch(at, blocks.div_ceil(64), (16 * rows * quads) as f64)?);
            out.push(stages.fold[side].dispatch(at, sums.div_ceil(64), (8 * blocks) as f64)?);
        }
        if let Some(scatter) = &stages.scatter {
            let quads = model.widths.student;
            let tiles = (4 * quads).div_ceil(64) * (4 * features).div_ceil(self.tiles.features);
            let owners = chunk.groups(groups) * chunk.replicates(self.n_strata);
            out.push(scatter.dispatch(offset(c, 0), owners * tiles, (64 * rows * features * quads) as f64)?);
        }
        if let Some(score) = &stages.score {
            let blocks = chunk.n_pairs * chunk.blocks(groups.block_size()) * features;
            let sums = chunk.n_pairs * chunk.groups(groups) * features;
            out.push(score.blocks.dispatch(offset(c, 0), blocks.div_ceil(64), (16 * rows * features) as f64)?);
            out.push(score.fold.dispatch(offset(c, 3), sums.div_ceil(64), (8 * blocks) as f64)?);
        }
        Ok(out)
    }
}

pub fn offset(chunk: usize, entry: usize) -> u32 {
    ((ENTRIES * chunk + entry) * STRIDE) as u32
}
