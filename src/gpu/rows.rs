//! The rows of one expectation: buffers, and the list of dispatches that takes every chunk from draws to sums over groups.

use super::context::Context;
use super::dispatch::{Chunk, Limits, Widths, plan, row_budget};
use super::kernels::{Bound, Dispatch, Kernels};
use super::model::{Model, index};
use super::params::{self, Params, STRIDE};
use crate::error::Result;
use crate::objective::divergence::{Sampler, Side};
use crate::objective::grid::Grid;
use crate::objective::groups::Groups;

/// What is made of each row beside its statistics.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Form {
    /// Coefficients of the Stein form.
    pub stein: bool,
    /// Each gradient row has a part that its own stratum owns (Stein, pathwise).
    pub own_rows: bool,
    /// Every stratum adds to every gradient row (all but Stein).
    pub scatter: bool,
    /// ½|a|² enters with this factor (score function: 1).
    pub extra: f32,
}

/// What an expectation is over.
pub struct Spec<'a> {
    /// Whose components the strata are.
    pub strata: Side,
    pub groups: Groups,
    pub sampler: Sampler,
    /// The table of a grid.
    pub grid: Option<&'a Grid>,
    /// (R)
    pub keys: Vec<[u32; 2]>,
    /// `None`: statistics only.
    pub form: Option<Form>,
    /// Draws are stored in half precision.
    pub half: bool,
    /// Most rows of a chunk; `None`: what suits the adapter.
    pub row_budget: Option<usize>,
}

/// Bytes of each buffer, computed before any is taken.
struct Sizes {
    origins: u64,
    offsets: [u64; 2],
    frames: u64,
    draws: u64,
    vectors: u64,
    responsibilities: [u64; 2],
    per_row: u64,
    partials: u64,
    coefficient_sums: [u64; 2],
    statistic_sums: u64,
    scattered: u64,
}

impl Sizes {
    fn new(model: &Model, spec: &Spec, chunks: &[Chunk], n_pairs: usize) -> Self {
        let Widths { features, student, teacher } = model.widths;
        let bytes = |quads: usize| 16 * quads as u64;
        let rows = chunks.iter().map(Chunk::rows).max().unwrap_or(0);
        let blocks = chunks.iter().map(|c| c.n_pairs * c.blocks(&spec.groups)).max().unwrap_or(0);
        let (gradient, scatter) = (spec.form.is_some() as usize, spec.form.is_some_and(|f| f.scatter) as usize);
        let sums = n_pairs * spec.groups.n_groups;
        Self {
            origins: bytes(n_pairs.div_ceil(4)),
            offsets: [bytes(n_pairs * student), bytes(n_pairs * teacher)],
            frames: bytes(2 * n_pairs * features),
            draws: bytes(rows * features) / if spec.half { 2 } else { 1 },
            vectors: bytes(rows * features),
            responsibilities: [bytes(rows * student), bytes(rows * teacher)],
            per_row: bytes(rows),
            partials: bytes(blocks * if gradient == 1 { student.max(teacher) } else { 1 }),
            coefficient_sums: [bytes(gradient * sums * student), bytes(gradient * sums * teacher)],
            statistic_sums: bytes(sums),
            scattered: bytes(scatter * model.n_replicates * spec.groups.n_groups * model.n_components[0] * features),
        }
    }

    fn check(&self, limits: &Limits) -> Result<()> {
        limits.check("the logits at the centres of all strata", self.offsets[0].max(self.offsets[1]))?;
        limits.check("the frames of all strata", self.frames)?;
        limits.check("the draws of a chunk", self.vectors)?;
        limits.check("the responsibilities of a chunk", self.responsibilities[0].max(self.responsibilities[1]))?;
        limits.check("the partial sums of a chunk", self.partials)?;
        limits.check("the coefficients of all groups", self.coefficient_sums[0].max(self.coefficient_sums[1]))?;
        limits.check("the gradients of all groups", self.scattered)
    }
}

/// The buffers of an expectation and its recorded list.
pub struct Rows {
    pub groups: Groups,
    pub n_strata: usize,
    pub n_pairs: usize,
    /// (pairs, groups) quads: sums of weight·(½|a|², ln p − ln q, excess, 1)
    pub statistic_sums: wgpu::Buffer,
    /// (pairs, groups, component quads) of either side
    pub coefficient_sums: [wgpu::Buffer; 2],
    /// (R, groups, k, feature quads)
    pub scattered: wgpu::Buffer,
    /// (pairs) of either side
    pub origins: [wgpu::Buffer; 2],
    /// The uniform entries; those of [`Rows::offset_of`] follow the chunks'.
    pub params: wgpu::Buffer,
    n_chunks: usize,
    /// Origins, then every chunk; sums of statistics only in the second list.
    pub gradient_list: Vec<Dispatch>,
    pub statistics_list: Vec<Dispatch>,
}

/// A uniform entry that belongs to no chunk.
#[derive(Debug, Clone, Copy)]
pub enum Entry {
    Student,
    Teacher,
    /// The student's, for totals over groups.
    StudentTotal,
    TeacherTotal,
}

/// Uniform entries of a chunk: student, teacher, statistics.
const ENTRIES: usize = 3;

impl Rows {
    /// Allocates and records.
    ///
    /// # Errors
    /// [`crate::Error::TooLarge`] before anything is taken; [`crate::Error::DeviceLost`].
    pub fn new(context: &Context, kernels: &Kernels, model: &Model, spec: &Spec) -> Result<Self> {
        let n_strata = model.n_components[index(spec.strata)];
        let n_pairs = model.n_replicates * n_strata;
        let budget = match spec.row_budget {
            Some(rows) => rows,
            None => row_budget(model.widths, &context.limits)?,
        };
        let chunks = plan(n_pairs, spec.groups.n_samples, budget);
        let sizes = Sizes::new(model, spec, &chunks, n_pairs);
        sizes.check(&context.limits)?;
        context.guarded(|| Self::build(context, kernels, model, spec, &chunks, &sizes, n_strata))
    }

    fn build(
        context: &Context,
        kernels: &Kernels,
        model: &Model,
        spec: &Spec,
        chunks: &[Chunk],
        sizes: &Sizes,
        n_strata: usize,
    ) -> Result<Self> {
        let n_pairs = model.n_replicates * n_strata;
        let pair = |label, sizes: [u64; 2]| Ok::<_, crate::Error>([context.buffer(label, sizes[0])?, context.buffer(label, sizes[1])?]);
        let mut rows = Self {
            groups: spec.groups,
            n_strata,
            n_pairs,
            statistic_sums: context.buffer("sums of statistics", sizes.statistic_sums)?,
            coefficient_sums: pair("sums of coefficients", sizes.coefficient_sums)?,
            scattered: context.buffer("scattered gradients", sizes.scattered)?,
            origins: pair("origins", [sizes.origins; 2])?,
            params: context.uniform(&params::bytes(&entries(model, spec, chunks, n_pairs))),
            n_chunks: chunks.len(),
            gradient_list: Vec::new(),
            statistics_list: Vec::new(),
        };
        let stages = Stages::new(context, kernels, model, spec, sizes, &rows)?;
        let mut shared = Vec::new();
        for side in 0..2 {
            let work = (n_pairs * model.n_components[side] * model.rank * 60) as f64;
            shared.push(stages.origin[side].dispatch(rows.offset_of([Entry::Student, Entry::Teacher][side]), n_pairs, work)?);
        }
        rows.gradient_list = shared.clone();
        rows.statistics_list = shared;
        for (c, chunk) in chunks.iter().enumerate() {
            let densities = stages.densities(model, chunk, c)?;
            rows.gradient_list.extend_from_slice(&densities);
            rows.statistics_list.extend(densities);
            rows.statistics_list.extend(stages.statistic_sums(&spec.groups, chunk, c)?);
            if let Some(form) = spec.form {
                let sums = stages.coefficients(model, &spec.groups, form, chunk, c)?;
                rows.gradient_list.extend_from_slice(&sums);
                rows.statistics_list.extend(sums);
            }
        }
        Ok(rows)
    }

    /// The offset of an entry in [`Rows::params`].
    pub fn offset_of(&self, entry: Entry) -> u32 {
        ((ENTRIES * self.n_chunks + entry as usize) * STRIDE) as u32
    }

    /// Sums of statistics, shape (pairs, groups, 4).
    ///
    /// # Errors
    /// The device's.
    pub fn statistics(&self, context: &Context) -> Result<Vec<f32>> {
        context.download(&self.statistic_sums, 4 * self.n_pairs * self.groups.n_groups)
    }
}

fn entries(model: &Model, spec: &Spec, chunks: &[Chunk], n_pairs: usize) -> Vec<Params> {
    let form = spec.form.unwrap_or(Form { stein: true, own_rows: false, scatter: false, extra: 0.0 });
    let base = Params {
        n_strata: (n_pairs / model.n_replicates) as u32,
        feature_quads: model.widths.features as u32,
        rank: model.rank as u32,
        strata: index(spec.strata) as u32,
        all_pairs: n_pairs as u32,
        sampler: match spec.sampler {
            Sampler::Grid => 2,
            Sampler::Antithetic => 1,
            _ => 0,
        },
        n_samples: spec.groups.n_samples as u32,
        block_size: spec.groups.block_size() as u32,
        group_size: spec.groups.group_size as u32,
        n_groups: spec.groups.n_groups as u32,
        out_groups: spec.groups.n_groups as u32,
        n_replicates: model.n_replicates as u32,
        stein: form.stein as u32,
        own_rows: form.own_rows as u32,
        extra: form.extra,
        teacher_components: model.n_components[1] as u32,
        teacher_quads: model.widths.teacher as u32,
        ..Params::default()
    };
    let sided = |side: usize, params: Params| Params {
        side: side as u32,
        n_components: model.n_components[side] as u32,
        component_quads: model.quads(side) as u32,
        ..params
    };
    let mut out = Vec::with_capacity(ENTRIES * chunks.len() + 4);
    for chunk in chunks {
        let of_chunk = Params {
            first_pair: chunk.first_pair as u32,
            n_pairs: chunk.n_pairs as u32,
            first_sample: chunk.first_sample as u32,
            chunk_samples: chunk.n_samples as u32,
            rows_per_pair: chunk.rows_per_pair as u32,
            ..base
        };
        out.extend([sided(0, of_chunk), sided(1, of_chunk), Params { component_quads: 1, ..sided(0, of_chunk) }]);
    }
    let total = Params { out_groups: 1, ..base };
    out.extend([sided(0, base), sided(1, base), sided(0, total), sided(1, total)]);
    out
}

/// Kernels with their buffers.
struct Stages {
    draw: Bound,
    origin: [Bound; 2],
    logits: [Bound; 2],
    softmax: [Bound; 2],
    posterior: [Bound; 2],
    statistics: Bound,
    block_sums: Bound,
    fold_statistics: Bound,
    gradient: Option<GradientStages>,
    tiles: Tiles,
    n_strata: usize,
}

struct GradientStages {
    projections: [Bound; 2],
    centre: [Bound; 2],
    coefficients: [Bound; 2],
    fold: [Bound; 2],
    scatter: Option<Bound>,
}

/// Tile columns for products over components of either side and over features; lanes of a row likewise.
#[derive(Clone, Copy)]
struct Tiles {
    components: [usize; 2],
    features: usize,
}

/// Narrow tiles for few columns; the order of sums is the same.
fn tile(quads: usize) -> usize {
    if quads <= 8 { 16 } else { 64 }
}

/// Invocations that share a row.
pub(super) fn lanes(quads: usize) -> usize {
    if quads <= 8 { 1 } else { 16 }
}

impl Stages {
    fn new(context: &Context, kernels: &Kernels, model: &Model, spec: &Spec, sizes: &Sizes, rows: &Rows) -> Result<Self> {
        let Widths { features, student, teacher } = model.widths;
        let half = if spec.half { "_f16" } else { "" };
        let tiles = Tiles { components: [tile(student), tile(teacher)], features: tile(features) };
        let bind = |name: &str, buffers: &[&wgpu::Buffer]| kernels.bind(context, name, &rows.params, buffers);
        let both = |f: &dyn Fn(usize) -> Result<Bound>| Ok::<_, crate::Error>([f(0)?, f(1)?]);
        let scratch = |label, bytes| context.buffer(label, bytes);

        let keys = context.upload("keys", &spec.keys)?;
        let nodes = context.upload("nodes", &spec.grid.map(|g| super::model::padded(&g.nodes, model.rank)).unwrap_or_default())?;
        let shares: Vec<f32> = spec.grid.map(|g| g.weights.iter().map(|w| *w as f32).collect()).unwrap_or_default();
        let shares = context.upload("weights of nodes", &shares)?;
        let (z, weight) = (scratch("draws", sizes.draws)?, scratch("weights of rows", sizes.per_row / 4)?);
        let offsets = [scratch("offsets", sizes.offsets[0])?, scratch("offsets", sizes.offsets[1])?];
        let frames = scratch("frames", sizes.frames)?;
        let log_weights = scratch("log-weights of origins", 2 * sizes.origins)?;
        let responsibilities =
            [scratch("responsibilities", sizes.responsibilities[0])?, scratch("responsibilities", sizes.responsibilities[1])?];
        let vectors = [scratch("vectors", sizes.vectors)?, scratch("vectors", sizes.vectors)?];
        let log_masses = scratch("log-masses", sizes.per_row / 2)?;
        let statistics = scratch("statistics", 2 * sizes.per_row)?;
        let partials = scratch("partial sums", sizes.partials)?;
        let (means, weights, origins) = (&model.means, &model.weights, &rows.origins);
        let centres = &means[index(spec.strata)];

        let gradient = match spec.form {
            None => None,
            Some(form) => {
                let projected = [scratch("projections", sizes.responsibilities[0])?, scratch("projections", sizes.responsibilities[1])?];
                Some(GradientStages {
                    projections: both(&|s| {
                        // Without Stein, a has taken the place of V_p, and both sides project it.
                        let left = if form.stein { &vectors[s] } else { &vectors[0] };
                        let name = format!("projections_{}", tiles.components[s]);
                        bind(&name, &[left, &means[s], &origins[s], &offsets[s], &projected[s]])
                    })?,
                    centre: both(&|s| bind(&format!("centre_{}", lanes([student, teacher][s])), &[&responsibilities[s], &projected[s]]))?,
                    coefficients: both(&|s| bind("coefficients", &[&responsibilities[s], &projected[s], &statistics, &partials]))?,
                    fold: both(&|s| bind("fold", &[&partials, &rows.coefficient_sums[s]]))?,
                    scatter: form
                        .scatter
                        .then(|| {
                            let strata_weights = &weights[index(spec.strata)];
                            let (r, u) = (&responsibilities[0], &projected[0]);
                            let name = format!("scatter_{}{half}", tiles.features);
                            bind(&name, &[r, u, &vectors[0], &z, &frames, &statistics, strata_weights, &rows.scattered])
                        })
                        .transpose()?,
                })
            }
        };
        Ok(Self {
            draw: bind(&format!("draw{half}"), &[&keys, &model.state, &nodes, &shares, &z, &weight])?,
            origin: both(&|s| bind("origin", &[centres, &means[s], &weights[s], &origins[s], &offsets[s], &frames, &log_weights]))?,
            logits: both(&|s| {
                let name = format!("logits_{}{half}", tiles.components[s]);
                bind(&name, &[&z, &means[s], &origins[s], &offsets[s], &responsibilities[s]])
            })?,
            softmax: both(&|s| {
                bind(&format!("softmax_{}", lanes([student, teacher][s])), &[&responsibilities[s], &log_weights, &log_masses])
            })?,
            posterior: both(&|s| {
                let name = format!("posterior_{}", tiles.features);
                bind(&name, &[&responsibilities[s], &means[s], &origins[s], &frames, &vectors[s]])
            })?,
            statistics: bind(
                &format!("statistics_{}{half}", lanes(features)),
                &[&z, &vectors[0], &vectors[1], &frames, &log_masses, &weight, &statistics],
            )?,
            block_sums: bind("block_sums", &[&statistics, &partials])?,
            fold_statistics: bind("fold", &[&partials, &rows.statistic_sums])?,
            gradient,
            tiles,
            n_strata: rows.n_strata,
        })
    }

    /// Draws, responsibilities, posterior vectors and statistics of a chunk.
    fn densities(&self, model: &Model, chunk: &Chunk, c: usize) -> Result<Vec<Dispatch>> {
        let (rows, features) = (chunk.rows(), model.widths.features);
        let row_tiles = rows / 64;
        let mut out = vec![self.draw.dispatch(offset(c, 0), (rows * features).div_ceil(64), (rows * features * 600) as f64)?];
        for side in 0..2 {
            let (quads, at) = (model.quads(side), offset(c, side));
            let product = (32 * rows * features * quads) as f64;
            let columns = (4 * quads).div_ceil(self.tiles.components[side]);
            out.push(self.logits[side].dispatch(at, row_tiles * columns, product)?);
            out.push(self.softmax[side].dispatch(at, row_tiles * lanes(quads), (80 * rows * quads) as f64)?);
            let columns = (4 * features).div_ceil(self.tiles.features);
            out.push(self.posterior[side].dispatch(at, row_tiles * columns, product)?);
        }
        out.push(self.statistics.dispatch(offset(c, 0), row_tiles * lanes(features), (64 * rows * features) as f64)?);
        Ok(out)
    }

    fn statistic_sums(&self, groups: &Groups, chunk: &Chunk, c: usize) -> Result<[Dispatch; 2]> {
        let (blocks, sums) = (chunk.n_pairs * chunk.blocks(groups), chunk.n_pairs * chunk.groups(groups));
        Ok([
            self.block_sums.dispatch(offset(c, 2), blocks.div_ceil(64), (8 * chunk.rows()) as f64)?,
            self.fold_statistics.dispatch(offset(c, 2), sums.div_ceil(64), (8 * blocks) as f64)?,
        ])
    }

    /// Sums of coefficients over the groups of a chunk, and the scatter.
    fn coefficients(&self, model: &Model, groups: &Groups, form: Form, chunk: &Chunk, c: usize) -> Result<Vec<Dispatch>> {
        let Some(stages) = &self.gradient else { return Ok(Vec::new()) };
        let (rows, features) = (chunk.rows(), model.widths.features);
        let mut out = Vec::new();
        // The teacher's coefficients matter only to the part that rows own.
        for side in 0..if form.own_rows { 2 } else { 1 } {
            let (quads, at) = (model.quads(side), offset(c, side));
            let columns = (4 * quads).div_ceil(self.tiles.components[side]);
            let blocks = chunk.n_pairs * chunk.blocks(groups) * quads;
            let sums = chunk.n_pairs * chunk.groups(groups) * quads;
            out.push(stages.projections[side].dispatch(at, rows / 64 * columns, (32 * rows * features * quads) as f64)?);
            out.push(stages.centre[side].dispatch(at, rows / 64 * lanes(quads), (16 * rows * quads) as f64)?);
            out.push(stages.coefficients[side].dispatch(at, blocks.div_ceil(64), (16 * rows * quads) as f64)?);
            out.push(stages.fold[side].dispatch(at, sums.div_ceil(64), (8 * blocks) as f64)?);
        }
        if let Some(scatter) = &stages.scatter {
            let quads = model.widths.student;
            let tiles = (4 * quads).div_ceil(64) * (4 * features).div_ceil(self.tiles.features);
            let owners = chunk.groups(groups) * chunk.replicates(self.n_strata);
            out.push(scatter.dispatch(offset(c, 0), owners * tiles, (64 * rows * features * quads) as f64)?);
        }
        Ok(out)
    }
}

fn offset(chunk: usize, entry: usize) -> u32 {
    ((ENTRIES * chunk + entry) * STRIDE) as u32
}
