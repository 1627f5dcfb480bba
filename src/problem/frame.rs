//! The coordinates of a descent while its means move: which gaps between far groups are shortened, and the change from some to others.

use super::fit::Fit;
use super::gaps::Gaps;
use super::reduction::Subspace;

impl Fit {
    /// What is shortened, of each replicate; empty where nothing is.
    pub fn gaps(&self) -> Vec<Gaps> {
        if self.subspaces.iter().all(|s| s.gaps().are_none()) {
            return Vec::new();
        }
        self.subspaces.iter().map(|s| s.gaps().clone()).collect()
    }

    /// The gaps that means at `coordinates` (R, k, ϱ) ask for, where they are others than those at hand: the groups are no longer as near
    /// to each other as these ask for, or there are groups where there were none.
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

    /// Coordinates (R, k, ϱ) of the same means, where `gaps` (R, or none) were shortened in them so far.
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
