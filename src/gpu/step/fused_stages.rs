//! The kernels of a chunk if the fused kernel takes draws to sums of coefficients.

use super::buffers::{Sizes, Spec};
use super::draws::Draws;
use super::entries::OfChunk;
use super::model::Model;
use super::plan::Chunk;
use super::rows::Rows;
use crate::error::Result;
use crate::gpu::device::command::{Bound, Dispatch};
use crate::gpu::device::context::Context;
use crate::gpu::device::fused::{Fused, Sharing};
use crate::gpu::device::kernels::Kernels;
use crate::gpu::device::shaders::Kernel;
use crate::objective::groups::Groups;

/// Kernels with their buffers.
pub(super) struct FusedStages {
    draws: Draws,
    origin: [Bound; 2],
    table: [Bound; 2],
    fused: [Bound; 2],
    fold: [Bound; 2],
    fold_scores: Option<Bound>,
}

/// The table of components that the fused kernel reads.
enum Table {
    Buffer(wgpu::Buffer),
    /// One row per quad of components.
    Texture(wgpu::TextureView),
}

impl Table {
    /// A table of `bytes`, as [`Sizes`] counts them.
    fn new(context: &Context, fused: Fused, bytes: u64) -> Result<Self> {
        let row = 64 * (fused.quads + 1) as u64;
        Ok(match fused.sharing {
            Sharing::Memory(_) => Self::Buffer(context.buffer("tables", bytes)?),
            Sharing::Spread => Self::Texture(context.texture("tables", fused.columns(), (bytes / row) as usize).1),
        })
    }

    /// The kernel that fills it.
    fn kernel(&self) -> Kernel {
        Kernel::Table { texture: matches!(self, Self::Texture(_)) }
    }

    fn resource(&self) -> wgpu::BindingResource<'_> {
        match self {
            Self::Buffer(buffer) => buffer.as_entire_binding(),
            Self::Texture(view) => wgpu::BindingResource::TextureView(view),
        }
    }
}

impl FusedStages {
    /// Binds the kernels.
    pub(super) fn new(
        context: &Context,
        kernels: &Kernels,
        model: &Model,
        spec: &Spec,
        fused: Fused,
        sizes: &Sizes,
        rows: &Rows,
    ) -> Result<Self> {
        let bind = |kernel: Kernel, buffers: &[(&str, &wgpu::Buffer)]| kernels.bind(context, kernel, &rows.params, buffers);
        let both = |f: &dyn Fn(usize) -> Result<Bound>| Ok::<_, crate::Error>([f(0)?, f(1)?]);
        let table = |s: usize| Table::new(context, fused, sizes.tables[s]);
        let tables = [table(0)?, table(1)?];
        let draws = Draws::new(context, kernels, model, spec, sizes, rows)?;
        let frames = context.buffer("frames", sizes.frames)?;
        let log_weights = context.buffer("log-weights of origins", 2 * sizes.origins)?;
        let partials = context.buffer("partial sums", sizes.partials)?;
        let scores = fused.mixed.then(|| context.buffer("partial sums of the score function", sizes.score_partials)).transpose()?;
        let (means, origins, offsets) = (&model.means, &rows.origins, &rows.offsets);
        let centres = spec.centres;
        Ok(Self {
            origin: both(&|s| {
                let out = [("origins", &origins[s]), ("offsets", &offsets[s]), ("frames", &frames), ("origin_log_weights", &log_weights)];
                let mixtures = [("centres", centres), ("means", &means[s]), ("weights", &model.weights[s])];
                bind(Kernel::Origin, &[&mixtures[..], &out].concat())
            })?,
            table: both(&|s| {
                let buffers = [("means", &means[s]), ("origins", &origins[s]), ("offsets", &offsets[s])];
                let mut resources = buffers.map(|(name, buffer)| (name, buffer.as_entire_binding())).to_vec();
                resources.push(("table", tables[s].resource()));
                kernels.bind_resources(context, tables[s].kernel(), &rows.params, &resources)
            })?,
            fused: both(&|s| {
                let buffers = [("z", &draws.z), ("weight", &draws.weight), ("frames", &frames), ("partials", &partials)];
                let buffers = buffers.into_iter().chain(scores.iter().map(|scores| ("scores", scores)));
                let mut resources: Vec<_> = buffers.map(|(name, buffer)| (name, buffer.as_entire_binding())).collect();
                resources.push(("table", tables[s].resource()));
                kernels.bind_resources(context, Kernel::Fused(fused), &rows.params, &resources)
            })?,
            fold: both(&|s| bind(Kernel::Fold, &[("partials", &partials), ("sums", &rows.coefficient_sums[s])]))?,
            fold_scores: match &scores {
                Some(scores) => Some(bind(Kernel::Fold, &[("partials", scores), ("sums", &rows.score_sums)])?),
                None => None,
            },
            draws,
        })
    }

    /// The dispatches of a chunk, from draws to sums over groups.
    pub(super) fn chunk(&self, model: &Model, groups: &Groups, fused: Fused, chunk: &Chunk, of: &OfChunk) -> Result<Vec<Dispatch>> {
        let (rows, features) = (chunk.rows(), model.widths.features);
        let mut out = Vec::new();
        if chunk.meets_pairs {
            for side in 0..2 {
                let numbers = chunk.n_pairs * model.n_components[side] * model.rank;
                out.push(self.origin[side].dispatch(of.rows[side], chunk.n_pairs, (60 * numbers) as f64)?);
                let quads = chunk.n_pairs * model.quads(side).next_multiple_of(2) * features;
                out.push(self.table[side].dispatch(of.rows[side], quads.div_ceil(64), (16 * quads) as f64)?);
            }
        }
        out.extend(self.draws.chunk(model, chunk, of)?);
        for side in 0..2 {
            let quads = model.quads(side);
            let workgroups = (rows / fused.cell).div_ceil(fused.cells_per_workgroup());
            // Counted are the logits and the cheaper way to coefficients. The kernel does more: it computes logits twice.
            let ledger = rows * quads * (32 * features + (64 * features).min(32 * quads));
            out.push(self.fused[side].dispatch(of.fused[side], workgroups, ledger as f64)?);
            let (blocks, sums) = (chunk.n_pairs * chunk.blocks(fused.cell) * quads, chunk.n_pairs * chunk.groups(groups) * quads);
            out.push(self.fold[side].dispatch(of.sums[side], sums.div_ceil(64), (8 * blocks) as f64)?);
        }
        if let Some(fold) = &self.fold_scores {
            let (blocks, sums) = (chunk.n_pairs * chunk.blocks(fused.cell) * features, chunk.n_pairs * chunk.groups(groups) * features);
            out.push(fold.dispatch(of.score, sums.div_ceil(64), (8 * blocks) as f64)?);
        }
        Ok(out)
    }
}
