//! Rows of `auto`: from both forms of a row to their mix, Γ found from the means on the device. Strata go through in ranges whose factors
//! fit the scratch.

use std::ops::Range;

use super::context::Context;
use super::dispatch::{Limits, Widths};
use super::kernels::{Bound, Dispatch, Kernels};
use super::model::Model;
use super::params::{self, Params, STRIDE};
use super::rows::Rows;
use crate::backend::UnitProblem;
use crate::error::Result;
use crate::objective::estimator;

/// Rows of 1 + FᵀF at the most: they go through the workgroup's memory, and one workgroup factors them.
pub const MOST_ROWS: usize = 256;

/// Walls up to which a row mixes two forms; 0 where none does. The host's rule, but for more than [`MOST_ROWS`] walls in more dimensions, and
/// where so many columns of one stratum fit no binding.
pub fn most_walls(problem: &UnitProblem, limits: &Limits) -> usize {
    let n_components = problem.n_components() + problem.n_teacher_components();
    if !problem.is_blended() {
        return 0;
    }
    let most = estimator::most_walls(problem.rank, problem.n_samples.unwrap_or(0), n_components).min(n_components);
    let column = 16 * Widths::new(problem.rank, 1, 1).features as u64;
    let held = (limits.binding.min(limits.buffer) / column) as usize;
    most.min(held).min(if problem.rank > MOST_ROWS { MOST_ROWS } else { usize::MAX })
}

/// The kernels with their scratch, for the same strata again and again.
pub struct Blending {
    walls: Bound,
    cholesky: Bound,
    /// Walls, columns and factor of each stratum of a range.
    scratch: [wgpu::Buffer; 3],
    /// For each range an entry for all groups and one for their total.
    params: wgpu::Buffer,
    ranges: Vec<Range<usize>>,
    rows: usize,
}

impl Blending {
    /// Of rows that mix two forms.
    ///
    /// # Errors
    /// [`crate::Error::TooLarge`] where one stratum's walls fit no binding; [`crate::Error::DeviceLost`].
    pub fn new(context: &Context, kernels: &Kernels, model: &Model, rows: &Rows, most_walls: usize) -> Result<Self> {
        let components = model.n_components[0] + model.n_components[1];
        let columns = most_walls.min(components);
        let most = 4 * columns.div_ceil(4).min(model.rank.div_ceil(4));
        let bytes = [8 * (1 + components), 16 * model.widths.features * columns, 4 * most * most].map(|bytes| bytes as u64);
        let together = together(&context.limits, bytes)?.min(rows.n_pairs);
        let ranges: Vec<_> = (0..rows.n_pairs).step_by(together).map(|first| first..rows.n_pairs.min(first + together)).collect();
        let entries: Vec<Params> = ranges.iter().flat_map(|range| entries(model, rows, most_walls, range)).collect();
        let params = context.uniform(&params::bytes(&entries));
        let buffer = |label, bytes: u64| context.buffer(label, together as u64 * bytes);
        let scratch = [buffer("walls", bytes[0])?, buffer("columns of walls", bytes[1])?, buffer("factors", bytes[2])?];
        let [walls, columns, factor] = &scratch;
        let [student, teacher] = &model.means;
        let ([near, far], [own, other]) = (&rows.origins, &rows.offsets);
        Ok(Self {
            walls: kernels.bind(context, "walls", &params, &[student, teacher, near, far, own, other, walls, columns])?,
            cholesky: kernels.bind(context, "cholesky", &params, &[walls, columns, factor])?,
            scratch,
            params,
            ranges,
            rows: most,
        })
    }

    /// Stein's rows in `gradient` become mixed ones, given the sums of the other form: of all groups, or of their `total`.
    ///
    /// # Errors
    /// The device's.
    pub fn list(
        &self,
        context: &Context,
        kernels: &Kernels,
        model: &Model,
        groups: usize,
        [sums, gradient]: [&wgpu::Buffer; 2],
        total: bool,
    ) -> Result<Vec<Dispatch>> {
        let [walls, columns, factor] = &self.scratch;
        let blend = kernels.bind(context, "blend", &self.params, &[walls, columns, factor, sums, &model.weights[0], gradient])?;
        let out_groups = if total { 1 } else { groups };
        let numbers = (model.n_components[0] + model.n_components[1]) * model.rank;
        let mut list = Vec::new();
        for (at, range) in self.ranges.iter().enumerate() {
            let (n, offset) = (range.len(), ((2 * at + usize::from(total)) * STRIDE) as u32);
            // As many walls as there may be, which is more than there mostly are.
            let (walls, square) = ((n * numbers) as f64, (n * self.rows * self.rows) as f64);
            list.push(self.walls.dispatch(offset, n, 8.0 * walls)?);
            list.push(self.cholesky.dispatch(offset, n, square * (model.rank + self.rows) as f64)?);
            list.push(blend.dispatch(offset, n * out_groups, out_groups as f64 * (8.0 * walls + 8.0 * square))?);
        }
        Ok(list)
    }
}

/// Pairs of a range, each of which needs so many bytes of each buffer.
fn together(limits: &Limits, bytes: [u64; 3]) -> Result<usize> {
    for (label, bytes) in ["the walls of a stratum", "the columns of a stratum's walls", "the factor of a stratum"].into_iter().zip(bytes) {
        limits.check(label, bytes)?;
    }
    let (largest, all) = (bytes.into_iter().fold(1, u64::max), bytes.iter().sum::<u64>().max(1));
    Ok((limits.scratch / all).clamp(1, limits.binding.min(limits.buffer) / largest) as usize)
}

fn entries(model: &Model, rows: &Rows, most_walls: usize, range: &Range<usize>) -> [Params; 2] {
    let groups = &rows.groups;
    let of_groups = Params {
        n_strata: rows.n_strata as u32,
        n_components: model.n_components[0] as u32,
        component_quads: model.widths.student as u32,
        teacher_components: model.n_components[1] as u32,
        teacher_quads: model.widths.teacher as u32,
        feature_quads: model.widths.features as u32,
        rank: model.rank as u32,
        first_pair: range.start as u32,
        n_pairs: range.len() as u32,
        all_pairs: rows.n_pairs as u32,
        n_samples: groups.n_samples as u32,
        group_size: groups.group_size as u32,
        n_groups: groups.n_groups as u32,
        out_groups: groups.n_groups as u32,
        n_replicates: model.n_replicates as u32,
        most_walls: most_walls as u32,
        ..Params::default()
    };
    [of_groups, Params { out_groups: 1, ..of_groups }]
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
