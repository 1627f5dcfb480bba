//! The buffers for sums over the rows of an expectation.

use std::ops::Range;

use super::buffers::{Sizes, Spec};
use super::entries::{Entries, Nodes};
use super::model::Model;
use super::plan::Chunk;
use crate::backend::share::{OwnNodes, Part};
use crate::error::Result;
use crate::gpu::device::context::Context;
use crate::objective::groups::Groups;

/// The buffers of an expectation that outlast a chunk. They hold the sums of `pairs` over `own_nodes.groups` only.
pub(crate) struct Rows {
    pub groups: Groups,
    pub part: Part,
    pub own_nodes: OwnNodes,
    pub nodes: Nodes,
    pub n_strata: usize,
    pub n_pairs: usize,
    /// This device's pairs.
    pub pairs: Range<usize>,
    /// (pairs, groups) quads: sums of weight·(½|a|², ln p − ln q, excess, energy)
    pub statistic_sums: wgpu::Buffer,
    /// (pairs, groups, component quads) of either side
    pub coefficient_sums: [wgpu::Buffer; 2],
    /// (R, groups, k, feature quads)
    pub scattered: wgpu::Buffer,
    /// (pairs, groups, feature quads): sums of the score-function form of a row from its own stratum
    pub score_sums: wgpu::Buffer,
    /// (pairs) of either side
    pub origins: [wgpu::Buffer; 2],
    /// (pairs, component quads) of either side: logits at the centres
    pub offsets: [wgpu::Buffer; 2],
    /// The parameters of the kernels, and the entry of each.
    pub params: wgpu::Buffer,
    pub entries: Entries,
}

impl Rows {
    /// Allocates.
    pub(crate) fn new(context: &Context, model: &Model, spec: &Spec, own_nodes: OwnNodes, chunks: &[Chunk], sizes: &Sizes) -> Result<Self> {
        let n_pairs = model.n_replicates * spec.n_strata;
        let pairs = spec.part.strata(n_pairs);
        let nodes = Nodes::new(model, n_pairs, spec.terms);
        let entries = Entries::new(model, spec, &own_nodes, nodes, chunks);
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
            params: context.uniform(&entries.bytes),
            entries,
            pairs,
            own_nodes,
            nodes,
        })
    }

    /// Sums of statistics, shape (this device's pairs, its groups, 4).
    pub(crate) fn statistics(&self, context: &Context) -> Result<Vec<f32>> {
        let row = 4 * self.groups.n_groups;
        let rows = context.download_from(&self.statistic_sums, self.pairs.start * row, self.pairs.len() * row)?;
        Ok(self.own_groups(&rows, 4).copied().collect())
    }

    /// This device's groups of rows (groups, width).
    pub(crate) fn own_groups<'a>(&self, rows: &'a [f32], width: usize) -> impl Iterator<Item = &'a f32> {
        let own = self.own_nodes.groups.start * width..self.own_nodes.groups.end * width;
        rows.chunks_exact(self.groups.n_groups * width).flat_map(move |row| &row[own.clone()])
    }
}
