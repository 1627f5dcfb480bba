//! The coordinates of a descent while its means move: which gaps between far groups are shortened, and how coordinates change with them.

use super::fit::Fit;
use super::gaps::Gaps;
use super::reduction::Subspace;

impl Fit {
    /// The shortened gaps of each replicate; empty if there are none.
    pub fn gaps(&self) -> Vec<Gaps> {
        if self.subspaces.iter().all(|s| s.gaps().are_none()) {
            return Vec::new();
        }
        self.subspaces.iter().map(|s| s.gaps().clone()).collect()
    }

    /// The gaps that suit means at `coordinates` (R, k, ϱ), if they differ from the current ones: because groups have moved apart, or
    /// because new groups have formed.
    pub fn other_gaps(&self, coordinates: &[f64]) -> Option<Vec<Gaps>> {
        let (row, teacher_row) = (self.unit.n_components() * self.unit.rank, self.unit.n_teacher_components() * self.unit.rank);
        let of = |(r, subspace): (usize, &Subspace)| {
            let teacher = &self.unit.teacher_means[r * teacher_row..(r + 1) * teacher_row];
            subspace.suitable_gaps(&coordinates[r * row..(r + 1) * row], &self.unit.teacher_weights, teacher)
        };
        if !self.follows_gaps || !coordinates.iter().all(|v| v.is_finite()) {
            return None;
        }
        let wanted: Vec<Gaps> = self.subspaces.iter().enumerate().map(of).collect();
        let is_same = wanted.iter().zip(&self.subspaces).all(|(gaps, subspace)| gaps == subspace.gaps());
        (!is_same).then_some(wanted)
    }

    /// Coordinates (R, k, ϱ) of the same means, given those with `gaps` (R, or none) shortened.
    pub fn from_other_gaps(&self, coordinates: &[f64], gaps: &[Gaps]) -> Vec<f64> {
        let row = self.unit.n_components() * self.unit.rank;
        let of = |(r, subspace): (usize, &Subspace)| {
            let mut before = subspace.clone();
            before.take_gaps(gaps.get(r).cloned().unwrap_or_default());
            subspace.reduce(&before.lift(&coordinates[r * row..(r + 1) * row]))
        };
        self.subspaces.iter().enumerate().flat_map(of).collect()
    }
}
