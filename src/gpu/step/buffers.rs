//! The description of an expectation, and the bytes of its buffers, computed before any is allocated.

use super::model::Model;
use super::plan::{Chunk, ChunkLimits, TILE, Widths, fused_budget, row_budget, sobol_quads};
use crate::backend::share::Part;
use crate::error::Result;
use crate::gpu::device::fused::Fused;
use crate::gpu::device::limits::Limits;
use crate::objective::divergence::Side;
use crate::objective::form::Draws;
use crate::objective::grid::Grid;
use crate::objective::groups::Groups;

/// The terms of a gradient row, beside its statistics.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Terms {
    /// Coefficients of the Stein form.
    pub stein: bool,
    /// Each gradient row has a part from its own stratum alone (Stein, pathwise).
    pub own_rows: bool,
    /// Every stratum adds to every gradient row (all but Stein).
    pub scatter: bool,
    /// The factor of ½|a|² (score function: 1).
    pub extra: f32,
    /// The most walls of a stratum whose row blends Stein's form with the score-function form; 0: all rows use Stein's form.
    pub most_walls: usize,
}

impl Terms {
    /// Whether rows blend two forms.
    pub(crate) fn mixes(&self) -> bool {
        self.most_walls > 0
    }
}

/// The description of an expectation.
pub(crate) struct Spec<'a> {
    /// The side whose components are the strata.
    pub strata: Side,
    /// The means of the strata (R, strata, feature quads): all components of that side, or the chosen ones.
    pub centres: &'a wgpu::Buffer,
    pub n_strata: usize,
    pub groups: Groups,
    /// The part that this device does.
    pub part: Part,
    pub draws: Draws,
    /// Points per net, for Sobol points.
    pub net_size: usize,
    /// The nodes of a grid.
    pub grid: Option<&'a Grid>,
    /// (R)
    pub keys: Vec<[u32; 2]>,
    /// `None`: statistics only.
    pub terms: Option<Terms>,
    /// Whether draws are stored in half precision.
    pub half: bool,
    /// The most rows of a chunk; `None`: as suits the adapter.
    pub row_budget: Option<usize>,
    /// The fused kernel from draws to sums of coefficients; `None`: separate kernels for products, softmax and the rest.
    pub fused: Option<Fused>,
}

impl Spec<'_> {
    /// Samples that are summed in a row.
    pub(crate) fn block_size(&self) -> usize {
        self.fused.map_or(self.groups.block_size(), |fused| fused.cell)
    }

    /// The limits of a chunk for this expectation.
    pub(crate) fn chunk_limits(&self, widths: Widths, limits: &Limits) -> Result<ChunkLimits> {
        let most = match self.fused {
            Some(fused) => fused_budget(widths, fused, limits)?,
            None => ChunkLimits { rows: row_budget(widths, limits)?, pairs: usize::MAX, unit: TILE },
        };
        let most = ChunkLimits { rows: self.row_budget.unwrap_or(most.rows), ..most };
        let scatter = self.terms.is_some_and(|terms| terms.scatter);
        Ok(if scatter { most.scattered(self.groups.group_size) } else { most })
    }
}

/// Bytes of each buffer.
pub(crate) struct Sizes {
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
    pub(crate) fn new(model: &Model, spec: &Spec, chunks: &[Chunk]) -> Self {
        let Widths { features, student, teacher } = model.widths;
        let bytes = |quads: usize| 16 * quads as u64;
        let rows = chunks.iter().map(Chunk::rows).max().unwrap_or(0);
        let blocks = chunks.iter().map(|c| c.n_pairs * c.blocks(spec.block_size())).max().unwrap_or(0);
        let nets = chunks.iter().map(|c| c.n_pairs * c.nets(spec.net_size)).max().unwrap_or(0);
        let has = |part: fn(&Terms) -> bool| spec.terms.as_ref().is_some_and(part) as usize;
        let (gradient, scatter, mixes) = (spec.terms.is_some() as usize, has(|t| t.scatter), has(Terms::mixes));
        let n_pairs = model.n_replicates * spec.n_strata;
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

    /// Refuses a size that no binding can hold.
    pub(crate) fn check(&self, limits: &Limits, fused: bool) -> Result<()> {
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
