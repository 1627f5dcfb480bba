//! Pure planning: the division of rows into chunks, and their sizes.

use std::ops::Range;

use crate::error::{Error, Result};
use crate::gpu::device::fused::{CELL, Fused, Sharing, padded_quads};
use crate::gpu::device::limits::Limits;
use crate::objective::form::Draws;
use crate::objective::groups::{BLOCK, Groups};
use crate::random::sobol;

/// Rows in a tile of a product: the rows of a pair are padded to a multiple of it.
pub(crate) const TILE: usize = 64;

/// Operations of one product in a chunk, so that a dispatch stays far below the two seconds after which drivers kill it.
const PRODUCT_OPERATIONS: u64 = 1 << 30;

/// The most rows of a chunk for one workgroup of `scatter.wgsl`. Mesa's software Vulkan silently ends the loops of an invocation after 65
/// 535 passes in all; a block of 256 rows takes 194 of them (130 with subgroups of eight).
const SCATTERED_ROWS: usize = 1 << 16;

/// The widths of a row, in quads of four numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Widths {
    /// ϱ/4, rounded up to a width for which kernels exist.
    pub features: usize,
    /// k/4, rounded up.
    pub student: usize,
    /// K/4, rounded up.
    pub teacher: usize,
}

impl Widths {
    /// The widths for these numbers of features and components.
    pub(crate) fn new(rank: usize, n_components: usize, n_teacher_components: usize) -> Self {
        Self { features: padded_quads(rank.div_ceil(4)), student: n_components.div_ceil(4), teacher: n_teacher_components.div_ceil(4) }
    }

    /// The most loop passes of an invocation in any kernel whose loops grow with both widths of a row.
    pub(crate) fn passes(&self, draws: Draws) -> usize {
        let components = 4 * (self.student + self.teacher);
        // own_rows.wgsl and nearest.wgsl loop over all components, one by one.
        let singly = components + self.features;
        // origin.wgsl loops twice over the coordinates of each 64th component of a side.
        let origin = 2 * (4 * self.student.max(self.teacher)).div_ceil(64) * (self.features + 3) + 2 * self.features;
        // axes.wgsl loops four times over the coordinates of each 32nd component of both sides, and a few times over an axis.
        let axes = 4 * (components.div_ceil(32) * (self.features + 4) + 2 * self.features + 64);
        singly.max(origin).max(if draws.is_nets() { axes } else { 0 })
    }

    /// The widest of the three.
    fn widest(&self) -> usize {
        self.features.max(self.student).max(self.teacher)
    }

    /// Scratch bytes per row: draws and two vectors, responsibilities, projections and partial sums, statistics.
    fn row_bytes(&self) -> u64 {
        16 * (3 * self.features + 3 * (self.student + self.teacher) + 4) as u64
    }
}

/// Quads of coordinates that have direction numbers.
pub(crate) fn sobol_quads(quads: usize) -> usize {
    quads.min(sobol::COORDINATES / 4)
}

/// The most rows of a chunk: a multiple of [`BLOCK`].
///
/// # Errors
/// [`Error::TooLarge`] if one block of rows needs more than a binding.
pub(crate) fn row_budget(widths: Widths, limits: &Limits) -> Result<usize> {
    let row = 16 * widths.widest() as u64;
    limits.check("the scratch of one block of rows", row * BLOCK as u64)?;
    let fits = limits.binding.min(limits.buffer) / row;
    let aim = limits.scratch / widths.row_bytes();
    let quick = PRODUCT_OPERATIONS / (32 * (widths.features * widths.student.max(widths.teacher)) as u64);
    let rows = fits.min(aim).min(quick).min(1 << 18) as usize;
    Ok((rows / BLOCK * BLOCK).max(BLOCK))
}

/// Groups for sums of which only the total is needed, and the samples in a cell: a group holds whole cells.
pub(crate) fn groups_and_cell(groups: Groups) -> (Groups, usize) {
    let cell = groups.n_samples.next_power_of_two().clamp(8, CELL);
    let group_size = groups.group_size.next_multiple_of(cell);
    (Groups { group_size, n_groups: groups.n_samples.div_ceil(group_size), ..groups }, cell)
}

/// The limits of a chunk of the fused kernel, which keeps draws, a table of each pair and sums of cells.
///
/// # Errors
/// [`Error::TooLarge`] if one pair's table needs more than a binding or a texture.
pub(crate) fn fused_budget(widths: Widths, fused: Fused, limits: &Limits) -> Result<ChunkLimits> {
    let widest = widths.student.max(widths.teacher);
    let (row, table_rows) = (64 * (widths.features + 1) as u64, widest.next_multiple_of(2));
    let table = row * table_rows as u64;
    limits.check("the table of a pair", table)?;
    let mut pairs = (limits.scratch / 2 / table).max(1) as usize;
    if fused.sharing == Sharing::Spread {
        if table_rows > limits.texture {
            let limit = row * limits.texture as u64;
            return Err(Error::TooLarge { buffer: "the table of a pair", need: table, adapter: limits.adapter.clone(), limit });
        }
        pairs = pairs.min(limits.texture / table_rows);
    }
    let aim = limits.scratch / (16 * (widths.features + widest.div_ceil(8) + 1)) as u64;
    let quick = PRODUCT_OPERATIONS / (128 * (widths.features * widest)) as u64;
    let rows = aim.min(quick).min(1 << 18) as usize;
    assert!(pairs * widest.next_multiple_of(2) <= 1 << 20, "the fused kernel's index mask");
    Ok(ChunkLimits { rows: (rows / BLOCK * BLOCK).max(BLOCK), pairs, unit: fused.unit() })
}

/// The same range of samples of consecutive pairs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Chunk {
    pub first_pair: usize,
    pub n_pairs: usize,
    pub first_sample: usize,
    /// Samples of each pair in this chunk.
    pub n_samples: usize,
    /// `n_samples` padded to whole tiles or cells.
    pub rows_per_pair: usize,
    /// Whether it is the first chunk with these pairs.
    pub meets_pairs: bool,
}

impl Chunk {
    /// Rows of all pairs.
    pub(crate) fn rows(&self) -> usize {
        self.n_pairs * self.rows_per_pair
    }

    /// Blocks of each pair.
    pub(crate) fn blocks(&self, block_size: usize) -> usize {
        self.n_samples.div_ceil(block_size)
    }

    /// Groups with samples in the chunk.
    pub(crate) fn groups(&self, groups: &Groups) -> usize {
        (self.first_sample + self.n_samples - 1) / groups.group_size + 1 - self.first_sample / groups.group_size
    }

    /// Nets of `net_size` points with samples in the chunk.
    pub(crate) fn nets(&self, net_size: usize) -> usize {
        (self.first_sample + self.n_samples - 1) / net_size + 1 - self.first_sample / net_size
    }

    /// Replicates with pairs in the chunk, if each has `n_strata` pairs.
    pub(crate) fn replicates(&self, n_strata: usize) -> usize {
        (self.first_pair + self.n_pairs - 1) / n_strata + 1 - self.first_pair / n_strata
    }
}

/// The limits of a chunk.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ChunkLimits {
    pub rows: usize,
    pub pairs: usize,
    /// The rows of a pair are padded to a multiple of this divisor of [`BLOCK`].
    pub unit: usize,
}

impl ChunkLimits {
    /// The limits if one workgroup takes all rows of a group in the chunk, from up to all pairs of a replicate.
    pub(crate) fn scattered(self, group_size: usize) -> Self {
        let rows = if group_size > SCATTERED_ROWS { self.rows.min(SCATTERED_ROWS) } else { self.rows };
        Self { rows, pairs: self.pairs.min((SCATTERED_ROWS / group_size).max(1)), ..self }
    }
}

/// Divides `pairs` × `samples` into chunks of at most `most.rows` rows (and at least one block): many pairs with all their samples if a
/// pair fits, else one pair and a range of whole blocks.
pub(crate) fn plan(pairs: Range<usize>, samples: Range<usize>, most: ChunkLimits) -> Vec<Chunk> {
    if samples.is_empty() {
        return Vec::new();
    }
    let n_samples = samples.len();
    let padded = n_samples.next_multiple_of(most.unit);
    if padded <= most.rows.max(BLOCK) {
        let together = (most.rows / padded).min(most.pairs).max(1);
        let chunk = |first_pair| Chunk {
            first_pair,
            n_pairs: together.min(pairs.end - first_pair),
            first_sample: samples.start,
            n_samples,
            rows_per_pair: padded,
            meets_pairs: true,
        };
        return pairs.clone().step_by(together).map(chunk).collect();
    }
    let range = (most.rows / BLOCK * BLOCK).max(BLOCK);
    let cut = |first_pair| {
        samples
            .clone()
            .step_by(range)
            .map(|first_sample| {
                let n_samples = range.min(samples.end - first_sample);
                let meets_pairs = first_sample == samples.start;
                Chunk { first_pair, n_pairs: 1, first_sample, n_samples, rows_per_pair: n_samples.next_multiple_of(most.unit), meets_pairs }
            })
            .collect::<Vec<_>>()
    };
    pairs.flat_map(cut).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::device::limits::SCRATCH_BYTES;
    use crate::gpu::device::limits::SOFTWARE_PASSES;

    #[test]
    fn loops_that_software_would_cut_short_are_refused() {
        let software = Limits { adapter: "test".into(), binding: 1, buffer: 1, texture: 1, scratch: 1, passes: SOFTWARE_PASSES };
        let gpu = Limits { passes: usize::MAX, ..software.clone() };
        for (rank, k, teachers, draws, fits) in [
            (1024, 1024, 64, Draws::Nets(64), true),
            (2000, 1024, 64, Draws::Independent(64), true),
            (2000, 1024, 64, Draws::Nets(64), false),
            (784, 20_000, 10, Draws::Independent(64), false),
            (2, 60_000, 10, Draws::Independent(64), true),
            (2, 10, 65_600, Draws::Independent(64), false),
        ] {
            let passes = Widths::new(rank, k, teachers).passes(draws);
            assert_eq!(software.check_passes(passes).is_ok(), fits, "{rank} {k} {teachers} {draws:?}: {passes}");
            assert!(gpu.check_passes(passes).is_ok());
        }
    }

    #[test]
    fn chunks_cover_every_sample_of_every_pair_once_and_start_at_blocks() {
        for (pairs, samples) in [
            (0..1, 0..1),
            (2..3, 0..63),
            (0..5, 0..64),
            (7..14, 0..300),
            (0..3, 0..1000),
            (0..1, 0..4097),
            (9..109, 0..20),
            (1..4, 512..1000),
            (0..2, 0..0),
            (4..4, 0..9),
        ] {
            for (budget, most_pairs, unit) in
                [1, 64, 256, 700, 1024, 1 << 14, 1 << 18].into_iter().flat_map(|b| [(b, 99, TILE), (b, 2, 16)])
            {
                let mut seen = vec![0u8; pairs.len() * samples.len()];
                let mut met = vec![0u8; pairs.len()];
                for chunk in plan(pairs.clone(), samples.clone(), ChunkLimits { rows: budget, pairs: most_pairs, unit }) {
                    assert!(chunk.rows() <= budget.max(BLOCK), "{chunk:?} for a budget of {budget}");
                    assert!(
                        chunk.rows_per_pair.is_multiple_of(unit)
                            && chunk.n_pairs <= most_pairs
                            && chunk.rows_per_pair >= chunk.n_samples
                            && chunk.first_sample.is_multiple_of(BLOCK)
                    );
                    for pair in chunk.first_pair - pairs.start..chunk.first_pair - pairs.start + chunk.n_pairs {
                        met[pair] += u8::from(chunk.meets_pairs);
                        assert!(met[pair] == 1, "{chunk:?} comes before pair {pair} was met");
                        seen[pair * samples.len() + chunk.first_sample - samples.start..][..chunk.n_samples]
                            .iter_mut()
                            .for_each(|s| *s += 1);
                    }
                }
                assert!(seen.iter().all(|s| *s == 1), "{pairs:?} × {samples:?}, budget {budget}");
            }
        }
    }

    #[test]
    fn no_workgroup_scatters_more_rows_than_it_may() {
        for n_samples in [1, 300, 1 << 13, 57_000, 1 << 16, 70_000, 1 << 18, 1 << 22] {
            for groups in [Groups::single(n_samples), Groups::new(n_samples, false, 1)] {
                let most = ChunkLimits { rows: 1 << 18, pairs: usize::MAX, unit: TILE }.scattered(groups.group_size);
                for chunk in plan(0..5, 0..n_samples, most) {
                    let rows = chunk.n_pairs * groups.group_size.min(chunk.n_samples);
                    assert!(rows <= SCATTERED_ROWS, "{n_samples} in {} groups: {chunk:?}", groups.n_groups);
                }
            }
        }
    }

    #[test]
    fn tables_of_a_chunk_fit_a_texture() {
        let limits = Limits {
            adapter: "test".into(),
            binding: 128 << 20,
            buffer: 256 << 20,
            texture: 8192,
            scratch: SCRATCH_BYTES,
            passes: usize::MAX,
        };
        let fused = |sharing| Fused { quads: 1, cell: 32, sharing, mixed: false };
        for k in [1, 30, 1024, 32_768] {
            let widths = Widths::new(2, k, 3);
            let most = fused_budget(widths, fused(Sharing::Spread), &limits).unwrap();
            assert!(most.pairs >= 1 && most.pairs * widths.student.next_multiple_of(2) <= limits.texture, "{k}: {most:?}");
        }
        let wide = Widths::new(2, 32_769, 3);
        assert!(matches!(fused_budget(wide, fused(Sharing::Spread), &limits), Err(Error::TooLarge { .. })));
        assert!(fused_budget(wide, fused(Sharing::Memory(1)), &limits).is_ok(), "a buffer has no rows");
    }

    #[test]
    fn budgets_respect_the_binding_limit_and_refuse_before_taking_memory() {
        let limits = Limits {
            adapter: "test".into(),
            binding: 128 << 20,
            buffer: 256 << 20,
            texture: 8192,
            scratch: SCRATCH_BYTES,
            passes: usize::MAX,
        };
        for (rank, k, teachers) in [(1, 1, 1), (2, 5, 5), (256, 64, 16), (2000, 1024, 64), (100_000, 3, 3)] {
            let widths = Widths::new(rank, k, teachers);
            let rows = row_budget(widths, &limits).unwrap();
            assert!(rows.is_multiple_of(BLOCK) && rows >= BLOCK);
            assert!(rows as u64 * 16 * widths.widest() as u64 <= limits.binding, "{rank} {k}: {rows}");
        }
        assert!(matches!(row_budget(Widths::new(1 << 20, 1, 1), &limits), Err(Error::TooLarge { .. })));
    }
}
