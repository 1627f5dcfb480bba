//! The rows of one expectation: buffers, and the list of dispatches that takes every chunk from draws to sums over groups.

use super::context::Context;
use super::dispatch::{Chunk, Limits, Most, TILE, Widths, fused_budget, plan, row_budget};
use super::draws::sobol_quads;
use super::fused::Fused;
use super::fused_stages::FusedStages;
use super::kernels::{Dispatch, Kernels};
use super::model::{Model, index};
use super::params::{self, Params, STRIDE};
use super::share::{Part, Share};
use super::stages::Stages;
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
    fn block_size(&self) -> usize {
        self.fused.map_or(self.groups.block_size(), |fused| fused.cell)
    }

    fn most(&self, widths: Widths, limits: &Limits) -> Result<Most> {
        let most = match self.fused {
            Some(fused) => fused_budget(widths, fused, limits)?,
            None => Most { rows: row_budget(widths, limits)?, pairs: usize::MAX, unit: TILE },
        };
        let most = Most { rows: self.row_budget.unwrap_or(most.rows), ..most };
        let scatter = self.form.is_some_and(|form| form.scatter);
        Ok(if scatter { most.scattered(self.groups.group_size) } else { most })
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
    /// The uniform entries; those of [`Rows::offset_of`] follow the chunks'.
    pub params: wgpu::Buffer,
    n_chunks: usize,
    /// Origins, then every chunk; sums of statistics only in the second list.
    pub gradient_list: Vec<Dispatch>,
    pub statistics_list: Vec<Dispatch>,
}

/// Sums of which totals over groups are taken.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Sums {
    Student,
    Teacher,
    Scattered,
    Score,
}

const SUMS: [Sums; 4] = [Sums::Student, Sums::Teacher, Sums::Scattered, Sums::Score];

/// A uniform entry that belongs to no chunk.
#[derive(Debug, Clone, Copy)]
pub enum Entry {
    /// For what is made of each group.
    Groups,
    /// For the total over all groups, and for what is made of it.
    Total(Sums),
    /// For the same total from the nodes of all devices.
    Join(Sums),
    /// For the total over this node of this device.
    Node(usize, Sums),
}

impl Entry {
    /// Its place after the chunks' entries.
    fn place(self) -> usize {
        match self {
            Entry::Groups => 0,
            Entry::Total(sums) => 1 + sums as usize,
            Entry::Join(sums) => 5 + sums as usize,
            Entry::Node(node, sums) => 9 + 4 * node + sums as usize,
        }
    }
}

/// What a node of the tree over groups holds: totals of all sums, one after another.
#[derive(Debug, Clone, Copy)]
pub struct Nodes {
    /// Quads of a node.
    pub quads: usize,
    /// Where each of the sums begins.
    at: [usize; 4],
}

impl Nodes {
    fn new(model: &Model, n_pairs: usize, form: Option<Form>) -> Self {
        let Widths { features, student, teacher } = model.widths;
        let held = |yes: bool, quads: usize| if yes { quads } else { 0 };
        let student = held(form.is_some(), n_pairs * student);
        let teacher = held(form.is_some_and(|f| f.own_rows), n_pairs * teacher);
        let scattered = held(form.is_some_and(|f| f.scatter), model.n_replicates * model.n_components[0] * features);
        let score = held(form.is_some_and(|f| f.mixes()), n_pairs * features);
        let at = [0, student, student + teacher, student + teacher + scattered];
        Self { quads: at[3] + score, at }
    }
}

/// Uniform entries of a chunk: student, teacher, statistics, the score function's form.
pub const ENTRIES: usize = 4;

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
        context.limits.check_passes(model.widths.passes(spec.sampler))?;
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
            params: context.uniform(&params::bytes(&entries(model, spec, &share, nodes, chunks, n_pairs))),
            share,
            nodes,
            n_chunks: chunks.len(),
            gradient_list: Vec::new(),
            statistics_list: Vec::new(),
        };
        if let Some(fused) = spec.fused {
            let stages = FusedStages::new(context, kernels, model, spec, fused, sizes, &rows)?;
            for (c, chunk) in chunks.iter().enumerate() {
                rows.gradient_list.extend(stages.chunk(model, &spec.groups, fused, chunk, c)?);
            }
            return Ok(rows);
        }
        let stages = Stages::new(context, kernels, model, spec, sizes, &rows)?;
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
        ((ENTRIES * self.n_chunks + entry.place()) * STRIDE) as u32
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

fn entries(model: &Model, spec: &Spec, share: &Share, nodes: Nodes, chunks: &[Chunk], n_pairs: usize) -> Vec<Params> {
    let form = spec.form.unwrap_or(Form { stein: true, own_rows: false, scatter: false, extra: 0.0, most_walls: 0 });
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
        net_size: spec.net_size as u32,
        block_size: spec.block_size() as u32,
        group_size: spec.groups.group_size as u32,
        n_groups: spec.groups.n_groups as u32,
        out_groups: spec.groups.n_groups as u32,
        n_replicates: model.n_replicates as u32,
        stein: form.stein as u32,
        own_rows: form.own_rows as u32,
        extra: form.extra,
        most_walls: form.most_walls as u32,
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
    // Of sums that have other columns than components.
    let columns = |n: usize, params: Params| Params { component_quads: n as u32, ..sided(0, params) };
    let of = |sums: Sums, params: Params| match sums {
        Sums::Score => columns(model.widths.features, params),
        _ => sided((sums == Sums::Teacher) as usize, params),
    };
    let mut out = Vec::with_capacity(ENTRIES * chunks.len() + 9 + 4 * share.nodes.len());
    for chunk in chunks {
        let of_chunk = Params {
            first_pair: chunk.first_pair as u32,
            n_pairs: chunk.n_pairs as u32,
            first_sample: chunk.first_sample as u32,
            chunk_samples: chunk.n_samples as u32,
            rows_per_pair: chunk.rows_per_pair as u32,
            ..base
        };
        out.extend([sided(0, of_chunk), sided(1, of_chunk), columns(1, of_chunk), columns(model.widths.features, of_chunk)]);
    }
    out.push(sided(0, base));
    let all = Params { out_groups: 1, end_leaf: base.n_groups, ..base };
    out.extend(SUMS.map(|sums| of(sums, all)));
    let joined = Params { node_starts: share.starts, node_quads: nodes.quads as u32, ..all };
    out.extend(SUMS.map(|sums| of(sums, Params { node_at: nodes.at[sums as usize] as u32, ..joined })));
    for (node, leaves) in (share.first_node..).zip(&share.nodes) {
        let of_node = Params { first_leaf: leaves.start as u32, end_leaf: leaves.end as u32, ..all };
        let totals_at = |sums: Sums| (node * nodes.quads + nodes.at[sums as usize]) as u32;
        out.extend(SUMS.map(|sums| of(sums, Params { totals_at: totals_at(sums), ..of_node })));
    }
    out
}
