//! The rows of `auto`: both forms of a row are blended with Γ, which the device finds from the means. Strata are processed in ranges whose
//! factors fit the scratch memory.

use std::ops::Range;

use super::entries::both_sides;
use super::model::Model;
use super::plan::Widths;
use super::rows::Rows;
use crate::backend::UnitProblem;
use crate::error::Result;
use crate::gpu::device::command::{Bound, Dispatch};
use crate::gpu::device::context::Context;
use crate::gpu::device::kernels::Kernels;
use crate::gpu::device::limits::Limits;
use crate::gpu::device::params::{BothSides, Entries, Entry};
use crate::gpu::device::shaders::Kernel;
use crate::objective::estimator;
use crate::objective::form::Form;

/// The most rows of 1 + FᵀF: one workgroup factors them in its memory.
pub(crate) const MOST_ROWS: usize = 256;

/// The most walls of a row that blends two forms; 0 if none does. The same rule as on the host, except for more than [`MOST_ROWS`] walls in
/// more dimensions, and for columns of one stratum that do not fit a binding.
pub(crate) fn most_walls(problem: &UnitProblem, limits: &Limits) -> usize {
    let n_components = problem.n_components() + problem.n_teacher_components();
    if problem.form != Form::Mixed {
        return 0;
    }
    let most = estimator::most_walls(problem.rank, problem.draws.n_samples().unwrap_or(0), n_components).min(n_components);
    let column = 16 * Widths::new(problem.rank, 1, 1).features as u64;
    let held = (limits.binding.min(limits.buffer) / column) as usize;
    most.min(held).min(if problem.rank > MOST_ROWS { MOST_ROWS } else { usize::MAX })
}

/// The kernels with their scratch buffers.
pub(crate) struct Blending {
    walls: Bound,
    cholesky: Bound,
    /// Walls, columns and factor of each stratum of a range.
    scratch: [wgpu::Buffer; 3],
    params: wgpu::Buffer,
    /// Ranges of strata, with an entry for all groups and one for their total.
    ranges: Vec<(Range<usize>, [Entry; 2])>,
    rows: usize,
}

impl Blending {
    /// For rows that blend two forms.
    ///
    /// # Errors
    /// [`crate::Error::TooLarge`] if one stratum's walls do not fit a binding; [`crate::Error::DeviceLost`].
    pub(crate) fn new(context: &Context, kernels: &Kernels, model: &Model, rows: &Rows, most_walls: usize) -> Result<Self> {
        let components = model.n_components[0] + model.n_components[1];
        let columns = most_walls.min(components);
        let most = 4 * columns.div_ceil(4).min(model.rank.div_ceil(4));
        let bytes = [8 * (1 + components), 16 * model.widths.features * columns, 4 * most * most].map(|bytes| bytes as u64);
        let together = together(&context.limits, bytes)?.min(rows.pairs.len()).max(1);
        let ranges: Vec<_> = rows.pairs.clone().step_by(together).map(|first| first..rows.pairs.end.min(first + together)).collect();
        let mut entries = Entries::default();
        let both = |range: &Range<usize>| params_of(model, rows, most_walls, range).map(|params| entries.push(params));
        let of_ranges: Vec<_> = ranges.iter().map(both).collect();
        let params = context.uniform(&entries.bytes);
        let buffer = |label, bytes: u64| context.buffer(label, together as u64 * bytes);
        let scratch = [buffer("walls", bytes[0])?, buffer("columns of walls", bytes[1])?, buffer("factors", bytes[2])?];
        let [walls, columns, factor] = &scratch;
        let [student, teacher] = &model.means;
        let ([near, far], [own, other]) = (&rows.origins, &rows.offsets);
        let around = [
            ("student_means", student),
            ("teacher_means", teacher),
            ("student_origins", near),
            ("teacher_origins", far),
            ("student_offsets", own),
            ("teacher_offsets", other),
            ("walls", walls),
            ("columns", columns),
        ];
        Ok(Self {
            walls: kernels.bind(context, Kernel::Walls, &params, &around)?,
            cholesky: kernels.bind(context, Kernel::Cholesky, &params, &[("walls", walls), ("columns", columns), ("factor", factor)])?,
            scratch,
            params,
            ranges: ranges.into_iter().zip(of_ranges).collect(),
            rows: most,
        })
    }

    /// Stein's rows in `gradient` become blended ones, given the sums of the other form: of all groups, or of their `total`.
    pub(crate) fn list(
        &self,
        context: &Context,
        kernels: &Kernels,
        model: &Model,
        groups: usize,
        [sums, gradient]: [&wgpu::Buffer; 2],
        total: bool,
    ) -> Result<Vec<Dispatch>> {
        let [walls, columns, factor] = &self.scratch;
        let buffers = [
            ("walls", walls),
            ("columns", columns),
            ("factor", factor),
            ("score_sums", sums),
            ("weights", &model.weights[0]),
            ("gradient", gradient),
        ];
        let blend = kernels.bind(context, Kernel::Blend, &self.params, &buffers)?;
        let out_groups = if total { 1 } else { groups };
        let numbers = (model.n_components[0] + model.n_components[1]) * model.rank;
        let mut list = Vec::new();
        for (range, entries) in &self.ranges {
            let (n, entry) = (range.len(), entries[usize::from(total)]);
            // This counts the largest possible number of walls; mostly there are fewer.
            let (walls, square) = ((n * numbers) as f64, (n * self.rows * self.rows) as f64);
            list.push(self.walls.dispatch(entry, n, 8.0 * walls)?);
            list.push(self.cholesky.dispatch(entry, n, square * (model.rank + self.rows) as f64)?);
            list.push(blend.dispatch(entry, n * out_groups, out_groups as f64 * (8.0 * walls + 8.0 * square))?);
        }
        Ok(list)
    }
}

/// The number of pairs per range, if each needs these bytes of each buffer.
fn together(limits: &Limits, bytes: [u64; 3]) -> Result<usize> {
    for (label, bytes) in ["the walls of a stratum", "the columns of a stratum's walls", "the factor of a stratum"].into_iter().zip(bytes) {
        limits.check(label, bytes)?;
    }
    let (largest, all) = (bytes.into_iter().fold(1, u64::max), bytes.iter().sum::<u64>().max(1));
    Ok((limits.scratch / all).clamp(1, limits.binding.min(limits.buffer) / largest) as usize)
}

fn params_of(model: &Model, rows: &Rows, most_walls: usize, range: &Range<usize>) -> [BothSides; 2] {
    let groups = &rows.groups;
    let of_groups = BothSides {
        first_pair: range.start as u32,
        n_pairs: range.len() as u32,
        most_walls: most_walls as u32,
        out_groups: groups.n_groups as u32,
        n_samples: groups.n_samples as u32,
        group_size: groups.group_size as u32,
        ..both_sides(model, rows.n_pairs)
    };
    [of_groups, BothSides { out_groups: 1, ..of_groups }]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_fit_the_scratch_and_a_binding() {
        let limits =
            Limits { adapter: "test".into(), binding: 1 << 20, buffer: 1 << 30, texture: 8192, scratch: 1 << 22, passes: usize::MAX };
        for (bytes, most) in [([80, 1000, 20], 1048), ([80, 20, 100_000], 10), ([8, 1 << 20, 1 << 20], 1), ([8; 3], 131_072)] {
            assert_eq!(together(&limits, bytes).unwrap(), most, "{bytes:?}");
        }
        assert!(together(&limits, [8, (1 << 20) + 4, 8]).is_err());
    }
}
