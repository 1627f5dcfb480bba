//! The kernels of a chunk where the fused kernel takes draws to sums of coefficients.

use super::draws::Draws;
use super::model::{Model, index};
use super::plan::Chunk;
use super::rows::{Rows, Sizes, Spec};
use super::stages::offset;
use crate::error::Result;
use crate::gpu::device::context::Context;
use crate::gpu::device::fused::{Fused, Sharing};
use crate::gpu::device::kernels::{Bound, Dispatch, Kernels};
use crate::objective::groups::Groups;

/// Kernels with their buffers.
pub struct FusedStages {
    draws: Draws,
    origin: [Bound; 2],
    table: [Bound; 2],
    fused: [Bound; 2],
    fold: [Bound; 2],
    fold_scores: Option<Bound>,
}

/// What the fused kernel reads of the components.
enum Table {
    Buffer(wgpu::Buffer),
    /// One quad of components a row.
    Texture(wgpu::TextureView),
}

impl Table {
    /// One of `bytes`, as [`Sizes`] counts them.
    fn new(context: &Context, fused: Fused, bytes: u64) -> Result<Self> {
        let row = 64 * (fused.quads + 1) as u64;
        Ok(match fused.sharing {
            Sharing::Memory(_) => Self::Buffer(context.buffer("tables", bytes)?),
            Sharing::Spread => Self::Texture(context.texture("tables", fused.columns(), (bytes / row) as usize).1),
        })
    }

    /// What fills it.
    fn kernel(&self) -> &'static str {
        match self {
            Self::Buffer(_) => "table",
            Self::Texture(_) => "table_texture",
        }
    }

    fn resource(&self) -> wgpu::BindingResource<'_> {
        match self {
            Self::Buffer(buffer) => buffer.as_entire_binding(),
            Self::Texture(view) => wgpu::BindingResource::TextureView(view),
        }
    }
}

impl FusedStages {
    /// # Errors
    /// The device's.
    pub fn new(context: &Context, kernels: &Kernels, model: &Model, spec: &Spec, fused: Fused, sizes: &Sizes, rows: &Rows) -> Result<Self> {
        let bind = |name: &str, buffers: &[&wgpu::Buffer]| kernels.bind(context, name, &rows.params, buffers);
        let both = |f: &dyn Fn(usize) -> Result<Bound>| Ok::<_, crate::Error>([f(0)?, f(1)?]);
        let table = |s: usize| Table::new(context, fused, sizes.tables[s]);
        let tables = [table(0)?, table(1)?];
        let draws = Draws::new(context, kernels, model, spec, sizes, rows)?;
        let frames = context.buffer("frames", sizes.frames)?;
        let log_weights = context.buffer("log-weights of origins", 2 * sizes.origins)?;
        let partials = context.buffer("partial sums", sizes.partials)?;
        let scores = fused.mixed.then(|| context.buffer("partial sums of the score function", sizes.score_partials)).transpose()?;
        let (means, origins, offsets) = (&model.means, &rows.origins, &rows.offsets);
        let centres = &means[index(spec.strata)];
        Ok(Self {
            origin: both(&|s| bind("origin", &[centres, &means[s], &model.weights[s], &origins[s], &offsets[s], &frames, &log_weights]))?,
            table: both(&|s| {
                let [means, origins, offsets] = [&means[s], &origins[s], &offsets[s]].map(wgpu::Buffer::as_entire_binding);
                kernels.bind_resources(context, tables[s].kernel(), &rows.params, &[means, origins, offsets, tables[s].resource()])
            })?,
            fused: both(&|s| {
                let [z, weight, frames, partials] = [&draws.z, &draws.weight, &frames, &partials].map(wgpu::Buffer::as_entire_binding);
                let mut resources = vec![z, weight, tables[s].resource(), frames, partials];
                resources.extend(scores.iter().map(wgpu::Buffer::as_entire_binding));
                kernels.bind_resources(context, &fused.name(), &rows.params, &resources)
            })?,
            fold: both(&|s| bind("fold", &[&partials, &rows.coefficient_sums[s]]))?,
            fold_scores: scores.iter().map(|scores| bind("fold", &[scores, &rows.score_sums])).next().transpose()?,
            draws,
        })
    }

    /// A chunk from draws to sums over groups.
    ///
    /// # Errors
    /// [`crate::Error::TooLarge`] for too many workgroups.
    pub fn chunk(&self, model: &Model, groups: &Groups, fused: Fused, chunk: &Chunk, c: usize) -> Result<Vec<Dispatch>> {
        let (rows, features) = (chunk.rows(), model.widths.features);
        let mut out = Vec::new();
        if chunk.meets_pairs {
            for side in 0..2 {
                let numbers = chunk.n_pairs * model.n_components[side] * model.rank;
                out.push(self.origin[side].dispatch(offset(c, side), chunk.n_pairs, (60 * numbers) as f64)?);
                let quads = chunk.n_pairs * model.quads(side).next_multiple_of(2) * features;
                out.push(self.table[side].dispatch(offset(c, side), quads.div_ceil(64), (16 * quads) as f64)?);
            }
        }
        out.extend(self.draws.chunk(model, chunk, c)?);
        for side in 0..2 {
            let (quads, at) = (model.quads(side), offset(c, side));
            let workgroups = (rows / fused.cell).div_ceil(fused.cells_per_workgroup());
            // By the ledger: logits, then the cheaper way to coefficients. What the kernel does is more: logits again.
            let ledger = rows * quads * (32 * features + (64 * features).min(32 * quads));
            out.push(self.fused[side].dispatch(at, workgroups, ledger as f64)?);
            let (blocks, sums) = (chunk.n_pairs * chunk.blocks(fused.cell) * quads, chunk.n_pairs * chunk.groups(groups) * quads);
            out.push(self.fold[side].dispatch(at, sums.div_ceil(64), (8 * blocks) as f64)?);
        }
        if let Some(fold) = &self.fold_scores {
            let (blocks, sums) = (chunk.n_pairs * chunk.blocks(fused.cell) * features, chunk.n_pairs * chunk.groups(groups) * features);
            out.push(fold.dispatch(offset(c, 3), sums.div_ceil(64), (8 * blocks) as f64)?);
        }
        Ok(out)
    }
}
