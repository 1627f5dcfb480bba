//! One line per kernel: the kernels of a chunk with their buffers, and the order in which they run.

use super::buffers::{Sizes, Spec, Terms};
use super::draws::Draws;
use super::entries::OfChunk;
use super::model::{Model, index};
use super::plan::{Chunk, Widths};
use super::rows::Rows;
use crate::error::Result;
use crate::gpu::device::command::{Bound, Dispatch};
use crate::gpu::device::context::Context;
use crate::gpu::device::factor::Factor;
use crate::gpu::device::kernels::Kernels;
use crate::gpu::device::shaders::{Kernel, Tile};
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
    lanes: Lanes,
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

/// The tiles of products over components of either side and over features.
#[derive(Clone, Copy)]
struct Tiles {
    components: [Tile; 2],
    features: Tile,
}

/// Invocations that share a row of components of either side, or of features.
#[derive(Clone, Copy)]
struct Lanes {
    components: [usize; 2],
    features: usize,
}

impl Stages {
    /// # Errors
    /// The device's.
    pub fn new(context: &Context, kernels: &Kernels, model: &Model, spec: &Spec, sizes: &Sizes, rows: &Rows) -> Result<Self> {
        let Widths { features, student, teacher } = model.widths;
        let half = spec.half;
        let tiles = Tiles { components: [kernels.tile(student), kernels.tile(teacher)], features: kernels.tile(features) };
        let lanes = Lanes { components: [kernels.lanes(student), kernels.lanes(teacher)], features: kernels.lanes(features) };
        let bind = |kernel: Kernel, buffers: &[(&str, &wgpu::Buffer)]| kernels.bind(context, kernel, &rows.params, buffers);
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
        let centres = spec.centres;
        let factor = |buffer: &wgpu::Buffer, quads: usize, half: bool| Factor::new(context, buffer, quads, kernels.variant.spread && !half);
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
        let product = |kernel: Kernel, left: &Factor, s: usize, others: [(&str, &wgpu::Buffer); 3]| {
            let mut resources = vec![("rows", left.resource()), ("means", factors.means[s].resource())];
            resources.extend(others.map(|(name, buffer)| (name, buffer.as_entire_binding())));
            kernels.bind_resources(context, kernel, &rows.params, &resources)
        };

        let gradient = match spec.terms {
            None => None,
            Some(terms) => {
                let projected = [scratch("projections", sizes.responsibilities[0])?, scratch("projections", sizes.responsibilities[1])?];
                Some(GradientStages {
                    projections: both(&|s| {
                        // Without Stein, a has taken the place of V_p, and both sides project it.
                        let left = &factors.vectors[if terms.stein { s } else { 0 }];
                        let buffers = [("origins", &origins[s]), ("offsets", &offsets[s]), ("out", &projected[s])];
                        product(Kernel::Projections { tile: tiles.components[s] }, left, s, buffers)
                    })?,
                    centre: both(&|s| {
                        let buffers =
                            [("responsibilities", &responsibilities[s]), ("projections", &projected[s]), ("statistics", &statistics)];
                        bind(Kernel::Centre { lanes: lanes.components[s] }, &buffers)
                    })?,
                    coefficients: both(&|s| {
                        let (r, u) = (("responsibilities", &responsibilities[s]), ("projections", &projected[s]));
                        bind(Kernel::Coefficients, &[r, u, ("statistics", &statistics), ("partials", &partials)])
                    })?,
                    fold: both(&|s| bind(Kernel::Fold, &[("partials", &partials), ("sums", &rows.coefficient_sums[s])]))?,
                    scatter: terms
                        .scatter
                        .then(|| {
                            let buffers = [
                                ("responsibilities", &responsibilities[0]),
                                ("projections", &projected[0]),
                                ("residuals", &vectors[0]),
                                ("z", z),
                                ("frames", &frames),
                                ("statistics", &statistics),
                                ("strata_weights", &weights[index(spec.strata)]),
                                ("sums", &rows.scattered),
                            ];
                            bind(Kernel::Scatter { tile: tiles.features, half }, &buffers)
                        })
                        .transpose()?,
                    score: if terms.mixes() {
                        let partials = scratch("partial sums of the score function", sizes.score_partials)?;
                        let (v_p, v_q) = (("student_v", &vectors[0]), ("teacher_v", &vectors[1]));
                        let buffers = [("z", z), v_p, v_q, ("statistics", &statistics), ("partials", &partials)];
                        let blocks = bind(Kernel::ScoreFunction { half }, &buffers)?;
                        Some(Score { blocks, fold: bind(Kernel::Fold, &[("partials", &partials), ("sums", &rows.score_sums)])? })
                    } else {
                        None
                    },
                })
            }
        };
        Ok(Self {
            origin: both(&|s| {
                let out = [("origins", &origins[s]), ("offsets", &offsets[s]), ("frames", &frames), ("origin_log_weights", &log_weights)];
                let mixtures = [("centres", centres), ("means", &means[s]), ("weights", &weights[s])];
                bind(Kernel::Origin, &[&mixtures[..], &out].concat())
            })?,
            logits: both(&|s| {
                let buffers = [("origins", &origins[s]), ("offsets", &offsets[s]), ("out", &responsibilities[s])];
                product(Kernel::Logits { tile: tiles.components[s], half }, &factors.z, s, buffers)
            })?,
            softmax: both(&|s| {
                let buffers = [("logits", &responsibilities[s]), ("origin_log_weights", &log_weights), ("log_masses", &log_masses)];
                bind(Kernel::Softmax { lanes: lanes.components[s] }, &buffers)
            })?,
            posterior: both(&|s| {
                let buffers = [("origins", &origins[s]), ("frames", &frames), ("out", &vectors[s])];
                product(Kernel::Posterior { tile: tiles.features }, &factors.responsibilities[s], s, buffers)
            })?,
            statistics: bind(
                Kernel::Statistics { lanes: lanes.features, half },
                &[
                    ("z", z),
                    ("student_v", &vectors[0]),
                    ("teacher_v", &vectors[1]),
                    ("frames", &frames),
                    ("log_masses", &log_masses),
                    ("weight", weight),
                    ("statistics", &statistics),
                ],
            )?,
            block_sums: bind(Kernel::BlockSums, &[("statistics", &statistics), ("partials", &partials)])?,
            fold_statistics: bind(Kernel::Fold, &[("partials", &partials), ("sums", &rows.statistic_sums)])?,
            gradient,
            factors,
            draws,
            tiles,
            lanes,
            n_strata: rows.n_strata,
        })
    }

    /// Draws, responsibilities, posterior vectors and statistics of a chunk, of which one is the `first`.
    pub fn densities(&self, model: &Model, chunk: &Chunk, of: &OfChunk, first: bool) -> Result<Vec<Dispatch>> {
        let (rows, features) = (chunk.rows(), model.widths.features);
        let row_tiles = rows / 64;
        let mut out = Vec::new();
        if chunk.meets_pairs {
            for side in 0..2 {
                let work = (chunk.n_pairs * model.n_components[side] * model.rank * 60) as f64;
                out.push(self.origin[side].dispatch(of.rows[side], chunk.n_pairs, work)?);
            }
        }
        out.extend(self.draws.chunk(model, chunk, of)?);
        for side in 0..2 {
            let (quads, at) = (model.quads(side), of.rows[side]);
            let product = (32 * rows * features * quads) as f64;
            let columns = (4 * quads).div_ceil(self.tiles.components[side].columns);
            let Factors { z, responsibilities, means, .. } = &self.factors;
            // Means change between steps, draws between chunks.
            let fills = [first.then(|| means[side].fill()).flatten(), (side == 0).then(|| z.fill()).flatten()];
            out.push(self.logits[side].dispatch(at, row_tiles * columns, product)?.after(fills));
            out.push(self.softmax[side].dispatch(at, row_tiles * self.lanes.components[side], (80 * rows * quads) as f64)?);
            let columns = (4 * features).div_ceil(self.tiles.features.columns);
            out.push(self.posterior[side].dispatch(at, row_tiles * columns, product)?.after([responsibilities[side].fill()]));
        }
        out.push(self.statistics.dispatch(of.rows[0], row_tiles * self.lanes.features, (64 * rows * features) as f64)?);
        Ok(out)
    }

    /// Sums of statistics over the groups of a chunk.
    pub fn statistic_sums(&self, groups: &Groups, chunk: &Chunk, of: &OfChunk) -> Result<[Dispatch; 2]> {
        let (blocks, sums) = (chunk.n_pairs * chunk.blocks(groups.block_size()), chunk.n_pairs * chunk.groups(groups));
        Ok([
            self.block_sums.dispatch(of.statistics, blocks.div_ceil(64), (8 * chunk.rows()) as f64)?,
            self.fold_statistics.dispatch(of.statistics, sums.div_ceil(64), (8 * blocks) as f64)?,
        ])
    }

    /// Sums of coefficients over the groups of a chunk, and the scatter.
    pub fn coefficients(&self, model: &Model, groups: &Groups, terms: Terms, chunk: &Chunk, of: &OfChunk) -> Result<Vec<Dispatch>> {
        let Some(stages) = &self.gradient else { return Ok(Vec::new()) };
        let (rows, features) = (chunk.rows(), model.widths.features);
        let mut out = Vec::new();
        // The teacher's coefficients matter only to the part that rows own.
        for side in 0..if terms.own_rows { 2 } else { 1 } {
            let (quads, rows_at, sums_at) = (model.quads(side), of.rows[side], of.sums[side]);
            let columns = (4 * quads).div_ceil(self.tiles.components[side].columns);
            let blocks = chunk.n_pairs * chunk.blocks(groups.block_size()) * quads;
            let sums = chunk.n_pairs * chunk.groups(groups) * quads;
            let fill = if terms.stein || side == 0 { self.factors.vectors[side].fill() } else { None };
            let product = (32 * rows * features * quads) as f64;
            out.push(stages.projections[side].dispatch(rows_at, rows / 64 * columns, product)?.after([fill]));
            out.push(stages.centre[side].dispatch(rows_at, rows / 64 * self.lanes.components[side], (16 * rows * quads) as f64)?);
            out.push(stages.coefficients[side].dispatch(sums_at, blocks.div_ceil(64), (16 * rows * quads) as f64)?);
            out.push(stages.fold[side].dispatch(sums_at, sums.div_ceil(64), (8 * blocks) as f64)?);
        }
        if let Some(scatter) = &stages.scatter {
            let quads = model.widths.student;
            let tiles = (4 * quads).div_ceil(64) * (4 * features).div_ceil(self.tiles.features.columns);
            let owners = chunk.groups(groups) * chunk.replicates(self.n_strata);
            out.push(scatter.dispatch(of.sums[0], owners * tiles, (64 * rows * features * quads) as f64)?);
        }
        if let Some(score) = &stages.score {
            let blocks = chunk.n_pairs * chunk.blocks(groups.block_size()) * features;
            let sums = chunk.n_pairs * chunk.groups(groups) * features;
            out.push(score.blocks.dispatch(of.score, blocks.div_ceil(64), (16 * rows * features) as f64)?);
            out.push(score.fold.dispatch(of.score, sums.div_ceil(64), (8 * blocks) as f64)?);
        }
        Ok(out)
    }
}
