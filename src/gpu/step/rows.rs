//! The buffers that the rows of an expectation are summed into, and what kernels are told of its chunks.

use std::ops::Range;

use super::buffers::{Sizes, Spec, Terms};
use super::model::{Model, index};
use super::plan::{Chunk, Widths};
use crate::backend::share::{Part, Share};
use crate::error::Result;
use crate::gpu::device::context::Context;
use crate::gpu::device::params::{self, Params, STRIDE};
use crate::objective::divergence::Sampler;
use crate::objective::groups::Groups;

/// The buffers of an expectation that outlast a chunk. Of its sums only those of `pairs` over `share.groups` are made here.
pub struct Rows {
    pub groups: Groups,
    pub part: Part,
    pub share: Share,
    pub nodes: Nodes,
    pub n_strata: usize,
    pub n_pairs: usize,
    /// Those of this device.
    pub pairs: Range<usize>,
    /// (pairs, groups) quads: sums of weight·(½|a|², ln p − ln q, excess, energy)
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
    fn new(model: &Model, n_pairs: usize, terms: Option<Terms>) -> Self {
        let Widths { features, student, teacher } = model.widths;
        let held = |yes: bool, quads: usize| if yes { quads } else { 0 };
        let student = held(terms.is_some(), n_pairs * student);
        let teacher = held(terms.is_some_and(|t| t.own_rows), n_pairs * teacher);
        let scattered = held(terms.is_some_and(|t| t.scatter), model.n_replicates * model.n_components[0] * features);
        let score = held(terms.is_some_and(|t| t.mixes()), n_pairs * features);
        let at = [0, student, student + teacher, student + teacher + scattered];
        Self { quads: at[3] + score, at }
    }
}

/// Uniform entries of a chunk: student, teacher, statistics, the score function's form.
const ENTRIES: usize = 4;

/// The offset of a chunk's entry in [`Rows::params`].
pub fn offset(chunk: usize, entry: usize) -> u32 {
    ((ENTRIES * chunk + entry) * STRIDE) as u32
}

impl Rows {
    /// Allocates.
    ///
    /// # Errors
    /// [`crate::Error::TooLarge`].
    pub fn new(context: &Context, model: &Model, spec: &Spec, share: Share, chunks: &[Chunk], sizes: &Sizes) -> Result<Self> {
        let n_pairs = model.n_replicates * spec.n_strata;
        let pairs = spec.part.strata(n_pairs);
        let nodes = Nodes::new(model, n_pairs, spec.terms);
        let pair = |label, bytes: [u64; 2]| Ok::<_, crate::Error>([context.buffer(label, bytes[0])?, context.buffer(label, bytes[1])?]);
        Ok(Self {
            groups: spec.groups,
            part: spec.part,
            n_strata: spec.n_strata,
            n_pairs,
            statistic_sums: context.buffer("sums of statistics", sizes.statistic_sums)?,
            coefficient_sums: pair("sums of coefficients", sizes.coefficient_sums)?,
            scattered: context.buffer("scattered gradients", sizes.scattered)?,
            score_sums: context.buffer("sums of the score function's form", sizes.score_sums)?,
            origins: pair("origins", [sizes.origins; 2])?,
            offsets: pair("offsets", sizes.offsets)?,
            params: context.uniform(&params::bytes(&entries(model, spec, &share, nodes, chunks, &pairs))),
            pairs,
            share,
            nodes,
            n_chunks: chunks.len(),
        })
    }

    /// The offset of an entry in [`Rows::params`].
    pub fn offset_of(&self, entry: Entry) -> u32 {
        ((ENTRIES * self.n_chunks + entry.place()) * STRIDE) as u32
    }

    /// Sums of statistics, shape (this device's pairs, its groups, 4).
    ///
    /// # Errors
    /// The device's.
    pub fn statistics(&self, context: &Context) -> Result<Vec<f32>> {
        let row = 4 * self.groups.n_groups;
        let rows = context.download_from(&self.statistic_sums, self.pairs.start * row, self.pairs.len() * row)?;
        Ok(self.own_groups(&rows, 4).copied().collect())
    }

    /// Of rows (groups, width) those of this device's groups.
    pub fn own_groups<'a>(&self, rows: &'a [f32], width: usize) -> impl Iterator<Item = &'a f32> {
        let own = self.share.groups.start * width..self.share.groups.end * width;
        rows.chunks_exact(self.groups.n_groups * width).flat_map(move |row| &row[own.clone()])
    }
}

fn entries(model: &Model, spec: &Spec, share: &Share, nodes: Nodes, chunks: &[Chunk], pairs: &Range<usize>) -> Vec<Params> {
    let terms = spec.terms.unwrap_or(Terms { stein: true, own_rows: false, scatter: false, extra: 0.0, most_walls: 0 });
    let base = Params {
        n_strata: spec.n_strata as u32,
        feature_quads: model.widths.features as u32,
        rank: model.rank as u32,
        strata: index(spec.strata) as u32,
        all_pairs: (model.n_replicates * spec.n_strata) as u32,
        first_pair: pairs.start as u32,
        n_pairs: pairs.len() as u32,
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
        stein: terms.stein as u32,
        own_rows: terms.own_rows as u32,
        extra: terms.extra,
        most_walls: terms.most_walls as u32,
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
