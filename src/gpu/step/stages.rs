//! The kernels of a chunk, and the order in which they run.

use super::binder::{Binder, Factors, GradientStages, Lanes, Scratch, Tiles, both};
use super::buffers::{Sizes, Spec, Terms};
use super::draws::Draws;
use super::entries::OfChunk;
use super::model::Model;
use super::plan::{Chunk, Widths};
use super::rows::Rows;
use crate::error::Result;
use crate::gpu::device::command::{Bound, Dispatch};
use crate::gpu::device::context::Context;
use crate::gpu::device::kernels::Kernels;
use crate::gpu::device::shaders::Kernel;
use crate::objective::groups::Groups;

/// Kernels with their buffers.
pub(super) struct Stages {
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

impl Stages {
    /// Binds the kernels.
    pub(super) fn new(context: &Context, kernels: &Kernels, model: &Model, spec: &Spec, sizes: &Sizes, rows: &Rows) -> Result<Self> {
        let Widths { features, student, teacher } = model.widths;
        let tiles = Tiles { components: [kernels.tile(student), kernels.tile(teacher)], features: kernels.tile(features) };
        let lanes = Lanes { components: [kernels.lanes(student), kernels.lanes(teacher)], features: kernels.lanes(features) };
        let draws = Draws::new(context, kernels, model, spec, sizes, rows)?;
        let scratch = Scratch::new(context, sizes)?;
        let factors = Factors::new(context, kernels, model, spec, sizes, &draws.z, &scratch)?;
        let on = Binder { context, kernels, model, spec, rows, draws: &draws, scratch: &scratch, factors: &factors, tiles, lanes };
        let Scratch { statistics, partials, .. } = &scratch;
        Ok(Self {
            origin: both(|s| on.origin(s))?,
            logits: both(|s| on.logits(s))?,
            softmax: both(|s| on.softmax(s))?,
            posterior: both(|s| on.posterior(s))?,
            statistics: on.statistics()?,
            block_sums: on.bind(Kernel::BlockSums, &[("statistics", statistics), ("partials", partials)])?,
            fold_statistics: on.fold(partials, &rows.statistic_sums)?,
            gradient: spec.terms.map(|terms| on.gradient(terms, sizes)).transpose()?,
            factors,
            draws,
            tiles,
            lanes,
            n_strata: rows.n_strata,
        })
    }

    /// The dispatches for draws, responsibilities, posterior vectors and statistics of a chunk; `first` marks the first chunk of a step.
    pub(super) fn densities(&self, model: &Model, chunk: &Chunk, of: &OfChunk, first: bool) -> Result<Vec<Dispatch>> {
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
    pub(super) fn statistic_sums(&self, groups: &Groups, chunk: &Chunk, of: &OfChunk) -> Result<[Dispatch; 2]> {
        let (blocks, sums) = (chunk.n_pairs * chunk.blocks(groups.block_size()), chunk.n_pairs * chunk.groups(groups));
        Ok([
            self.block_sums.dispatch(of.statistics, blocks.div_ceil(64), (8 * chunk.rows()) as f64)?,
            self.fold_statistics.dispatch(of.statistics, sums.div_ceil(64), (8 * blocks) as f64)?,
        ])
    }

    /// Sums of coefficients over the groups of a chunk, and the scatter.
    pub(super) fn coefficients(&self, model: &Model, groups: &Groups, terms: Terms, chunk: &Chunk, of: &OfChunk) -> Result<Vec<Dispatch>> {
        let Some(stages) = &self.gradient else { return Ok(Vec::new()) };
        let (rows, features) = (chunk.rows(), model.widths.features);
        let mut out = Vec::new();
        // The teacher's coefficients only enter the part of a row from its own stratum.
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
