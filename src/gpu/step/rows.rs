//! The rows of one expectation: buffers, and the list of dispatches that takes every chunk from draws to sums over groups.

use super::draws::sobol_quads;
use super::entries::{Entries, Nodes};
use super::fused_stages::FusedStages;
use super::model::{Model, index};
use super::plan::{Chunk, Most, TILE, Widths, fused_budget, plan, row_budget};
use super::stages::Stages;
use crate::backend::share::{Part, Share};
use crate::error::Result;
use crate::gpu::device::command::Dispatch;
use crate::gpu::device::context::Context;
use crate::gpu::device::fused::Fused;
use crate::gpu::device::kernels::Kernels;
use crate::gpu::device::limits::Limits;
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
    /// Walls of a stratum up to which its row mixes Stein's form with the score function's; 0: all rows are Stein's alone.
    pub most_walls: usize,
}

impl Form {
    /// Whether rows mix two forms.
    pub fn mixes(&self) -> bool {
        self.most_walls > 0
    }
}

/// What an expectation is over.
pub struct Spec<'a> {
    /// Whose components the strata are.
    pub strata: Side,
    pub groups: Groups,
    /// Whose samples are this device's.
    pub part: Part,
    pub sampler: Sampler,
    /// Points of a net, for Sobol points.
    pub net_size: usize,
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
    /// The fused kernel that takes draws to sums of coefficients; `None`: products, softmax and the rest one by one.
    pub fused: Option<Fused>,
}

impl Spec<'_> {
    /// Samples whose sums are taken in one go.
    pub fn block_size(&self) -> usize {
        self.fused.map_or(self.groups.block_size(), |fused| fused.cell)
    }

    fn most(&self, widths: Widths, limits: &Limits) -> Result<Most> {
        let most = match self.fused {
            Some(fused) => fused_budget(widths, fused, limits)?,
            None => Most { rows: row_budget(widths, limits)?, pairs: usize::MAX, unit: TILE },
        };
        Ok(Most { rows: self.row_budget.unwrap_or(most.rows), ..most })
    }
}

/// Bytes of each buffer, computed before any is taken.
pub struct Sizes {
    pub origins: u64,
    pub offsets: [u64; 2],
    pub frames: u64,
    pub draws: u64,
    pub vectors: u64,
    pub responsibilities: [u64; 2],
    pub per_row: u64,
    pub partials: u64,
    pub coefficient_sums: [u64; 2],
    pub statistic_sums: u64,
    pub scattered: u64,
    pub tables: [u64; 2],
    pub scrambles: u64,
    pub score_partials: u64,
    pub score_sums: u64,
}

impl Sizes {
    fn new(model: &Model, spec: &Spec, chunks: &[Chunk], n_pairs: usize) -> Self {
        let Widths { features, student, teacher } = model.widths;
        let bytes = |quads: usize| 16 * quads as u64;
        let rows = chunks.iter().map(Chunk::rows).max().unwrap_or(0);
        let blocks = chunks.iter().map(|c| c.n_pairs * c.blocks(spec.block_size())).max().unwrap_or(0);
        let nets = chunks.iter().map(|c| c.n_pairs * c.nets(spec.net_size)).max().unwrap_or(0);
        let has = |part: fn(&Form) -> bool| spec.form.as_ref().is_some_and(part) as usize;
        let (gradient, scatter, mixes) = (spec.form.is_some() as usize, has(|f| f.scatter), has(Form::mixes));
        let sums = n_pairs * spec.groups.n_groups;
        let table = 4 * (features + 1) * chunks.iter().map(|c| c.n_pairs).max().unwrap_or(0);
        Self {
            tables: [bytes(table * student.next_multiple_of(2)), bytes(table * teacher.next_multiple_of(2))],
            scrambles: bytes(2 * nets * sobol_quads(features)),
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
            score_partials: bytes(mixes * blocks * features),
            score_sums: bytes(mixes * sums * features),
            scattered: bytes(scatter * model.n_replicates * spec.groups.n_groups * model.n_components[0] * features),
        }
    }

    fn check(&self, limits: &Limits, fused: bool) -> Result<()> {
        if fused {
            limits.check("the tables of a chunk", self.tables[0].max(self.tables[1]))?;
        } else {
            limits.check("the draws of a chunk", self.vectors)?;
            limits.check("the responsibilities of a chunk", self.responsibilities[0].max(self.responsibilities[1]))?;
        }
        limits.check("the logits at the centres of all strata", self.offsets[0].max(self.offsets[1]))?;
        limits.check("the frames of all strata", self.frames)?;
        limits.check("the partial sums of a chunk", self.partials)?;
        limits.check("the coefficients of all groups", self.coefficient_sums[0].max(self.coefficient_sums[1]))?;
        limits.check("the score function's sums of a chunk", self.score_partials)?;
        limits.check("the score function's sums of all groups", self.score_sums)?;
        limits.check("the gradients of all groups", self.scattered)
    }
}

/// The buffers of an expectation and its recorded list: of sums over groups, only those of `share.groups` are made here.
pub struct Rows {
    pub groups: Groups,
    pub share: Share,
    pub nodes: Nodes,
    pub n_strata: usize,
    pub n_pairs: usize,
    /// (pairs, groups) quads: sums of weight·(½|a|², ln p − ln q, excess, 1)
    pub statistic_sums: wgpu::Buffer,
    /// (pairs, groups, component quads) of either side
    pub coefficient_sums: [wgpu::Buffer; 2],
    /// (R, groups, k, feature quads)
    pub scattered: wgpu::Buffer,
    /// (pairs, groups, feature quads): sums of the score function's form of a row under its own stratum
    pub score_sums: wgpu::Buffer,
    /// (pairs) of either side
    pub origins: [wgpu::Buffer; 2],
    /// (pairs, component quads) of either side: logits at the centres
    pub offsets: [wgpu::Buffer; 2],
    /// What the kernels are told, and where each of them finds it.
    pub params: wgpu::Buffer,
    pub entries: Entries,
    /// Origins, then every chunk; sums of statistics only in the second list.
    pub gradient_list: Vec<Dispatch>,
    pub statistics_list: Vec<Dispatch>,
}

impl Rows {
    /// Allocates and records.
    ///
    /// # Errors
    /// [`crate::Error::TooLarge`] before anything is taken; [`crate::Error::DeviceLost`].
    pub fn new(context: &Context, kernels: &Kernels, model: &Model, spec: &Spec) -> Result<Self> {
        let n_strata = model.n_components[index(spec.strata)];
        let n_pairs = model.n_replicates * n_strata;
        let share = Share::new(spec.part, spec.groups.n_groups);
        let samples = (share.groups.start * spec.groups.group_size)..(share.groups.end * spec.groups.group_size).min(spec.groups.n_samples);
        let chunks = plan(n_pairs, samples, spec.most(model.widths, &context.limits)?);
        let sizes = Sizes::new(model, spec, &chunks, n_pairs);
        sizes.check(&context.limits, spec.fused.is_some())?;
        context.guarded(|| Self::build(context, kernels, model, spec, share, &chunks, &sizes))
    }

    fn build(
        context: &Context,
        kernels: &Kernels,
        model: &Model,
        spec: &Spec,
        share: Share,
        chunks: &[Chunk],
        sizes: &Sizes,
    ) -> Result<Self> {
        let n_strata = model.n_components[index(spec.strata)];
        let n_pairs = model.n_replicates * n_strata;
        let nodes = Nodes::new(model, n_pairs, spec.form);
        let entries = Entries::new(model, spec, &share, nodes, chunks, n_pairs);
        let pair = |label, sizes: [u64; 2]| Ok::<_, crate::Error>([context.buffer(label, sizes[0])?, context.buffer(label, sizes[1])?]);
        let mut rows = Self {
            groups: spec.groups,
            n_strata,
            n_pairs,
            statistic_sums: context.buffer("sums of statistics", sizes.statistic_sums)?,
            coefficient_sums: pair("sums of coefficients", sizes.coefficient_sums)?,
            scattered: context.buffer("scattered gradients", sizes.scattered)?,
            score_sums: context.buffer("sums of the score function's form", sizes.score_sums)?,
            origins: pair("origins", [sizes.origins; 2])?,
            offsets: pair("offsets", sizes.offsets)?,
            params: context.uniform(&entries.bytes),
            entries,
            share,
            nodes,
            gradient_list: Vec::new(),
            statistics_list: Vec::new(),
        };
        if let Some(fused) = spec.fused {
            let stages = FusedStages::new(context, kernels, model, spec, fused, sizes, &rows)?;
            for (chunk, of) in chunks.iter().zip(&rows.entries.chunks) {
                rows.gradient_list.extend(stages.chunk(model, &spec.groups, fused, chunk, of)?);
            }
            return Ok(rows);
        }
        let stages = Stages::new(context, kernels, model, spec, sizes, &rows)?;
        for (c, chunk) in chunks.iter().enumerate() {
            let of = &rows.entries.chunks[c];
            let densities = stages.densities(model, chunk, of, c == 0)?;
            rows.gradient_list.extend_from_slice(&densities);
            rows.statistics_list.extend(densities);
            rows.statistics_list.extend(stages.statistic_sums(&spec.groups, chunk, of)?);
            if let Some(form) = spec.form {
                let sums = stages.coefficients(model, &spec.groups, form, chunk, of)?;
                rows.gradient_list.extend_from_slice(&sums);
                rows.statistics_list.extend(sums);
            }
        }
        Ok(rows)
    }

    /// Sums of statistics, shape (pairs, this device's groups, 4).
    ///
    /// # Errors
    /// The device's.
    pub fn statistics(&self, context: &Context) -> Result<Vec<f32>> {
        self.own_groups(context, &self.statistic_sums, self.n_pairs, 4)
    }

    /// Of a buffer of shape (rows, groups, width) what belongs to this device's groups.
    ///
    /// # Errors
    /// The device's.
    pub fn own_groups(&self, context: &Context, buffer: &wgpu::Buffer, rows: usize, width: usize) -> Result<Vec<f32>> {
        let row = self.groups.n_groups * width;
        let all: Vec<f32> = context.download(buffer, rows * row)?;
        let own = self.share.groups.start * width..self.share.groups.end * width;
        Ok(if own.len() == row { all } else { all.chunks_exact(row).flat_map(|row| &row[own.clone()]).copied().collect() })
    }
}
