//! The recorded lists of an expectation: every chunk from draws to sums over groups.

use super::buffers::{Sizes, Spec};
use super::fused_stages::FusedStages;
use super::model::Model;
use super::plan::{Chunk, plan};
use super::rows::Rows;
use super::stages::Stages;
use crate::backend::share::OwnNodes;
use crate::error::Result;
use crate::gpu::device::command::Dispatch;
use crate::gpu::device::context::Context;
use crate::gpu::device::kernels::Kernels;

/// Buffers, and the dispatches that fill them.
pub(crate) struct Recording {
    pub rows: Rows,
    /// All chunks, up to the sums of a gradient.
    pub gradient: Vec<Dispatch>,
    /// The same with sums of statistics; empty if the fused kernel is used, which has none.
    pub statistics: Vec<Dispatch>,
}

impl Recording {
    /// Allocates and records this device's part.
    pub(crate) fn new(context: &Context, kernels: &Kernels, model: &Model, spec: &Spec) -> Result<Self> {
        let Spec { groups, part, .. } = spec;
        let own_nodes = OwnNodes::new(*part, groups.n_groups);
        let samples = (own_nodes.groups.start * groups.group_size)..(own_nodes.groups.end * groups.group_size).min(groups.n_samples);
        let pairs = part.strata(model.n_replicates * spec.n_strata);
        let chunks = plan(pairs, samples, spec.chunk_limits(model.widths, &context.limits)?);
        let sizes = Sizes::new(model, spec, &chunks);
        sizes.check(&context.limits, spec.fused.is_some())?;
        context.limits.check_passes(model.widths.passes(spec.draws))?;
        context.guarded(|| {
            let rows = Rows::new(context, model, spec, own_nodes, &chunks, &sizes)?;
            record(context, kernels, model, spec, &sizes, &chunks, rows)
        })
    }
}

fn record(
    context: &Context,
    kernels: &Kernels,
    model: &Model,
    spec: &Spec,
    sizes: &Sizes,
    chunks: &[Chunk],
    rows: Rows,
) -> Result<Recording> {
    let (mut gradient, mut statistics) = (Vec::new(), Vec::new());
    if let Some(fused) = spec.fused {
        let stages = FusedStages::new(context, kernels, model, spec, fused, sizes, &rows)?;
        for (chunk, of) in chunks.iter().zip(&rows.entries.chunks) {
            gradient.extend(stages.chunk(model, &spec.groups, fused, chunk, of)?);
        }
        return Ok(Recording { rows, gradient, statistics });
    }
    let stages = Stages::new(context, kernels, model, spec, sizes, &rows)?;
    for (c, (chunk, of)) in chunks.iter().zip(&rows.entries.chunks).enumerate() {
        let densities = stages.densities(model, chunk, of, c == 0)?;
        gradient.extend_from_slice(&densities);
        statistics.extend(densities);
        statistics.extend(stages.statistic_sums(&spec.groups, chunk, of)?);
        if let Some(terms) = spec.terms {
            let sums = stages.coefficients(model, &spec.groups, terms, chunk, of)?;
            gradient.extend_from_slice(&sums);
            statistics.extend(sums);
        }
    }
    Ok(Recording { rows, gradient, statistics })
}
