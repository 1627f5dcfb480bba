//! Whether an estimate rests on a few rare draws, as where what counts lies in the gaps between modes: then neither it nor its standard error
//! can be trusted.
//!
//! The variance of a mean of groups is Σ(ȳ_g − ȳ)², up to constants, over the groups of all strata. Where draws are many each of some 32
//! groups has its part in that; where one draw in a thousand matters, the group that has it carries all of it.

use serde::Serialize;

use crate::objective::groups::Groups;

/// A share of the variance that one group of G has of ordinary draws about once in a million times: 1/2 + 4/G.
fn limit(groups: &Groups) -> f64 {
    0.5 + 4.0 / groups.n_groups as f64
}

/// Standard errors below this share of the value are those of single precision.
const ROUNDING: f64 = 1e-5;

/// One group of samples carries most of the variance of an estimate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Rare {
    /// Of the variance.
    pub share: f64,
    /// Groups of a stratum, and samples in each.
    pub n_groups: usize,
    pub group_size: usize,
}

impl Rare {
    /// A sentence without its full stop; `what` is in the plural, as "the Fisher divergences".
    pub fn sentence(&self, what: &str) -> String {
        format!(
            "{what} and their standard errors rest on a few rare draws: one of {} groups of {} samples carries {:.0} % of the variance. Their \
             true values may be many standard errors away, as where they come from the gaps between modes",
            self.n_groups,
            self.group_size,
            100.0 * self.share
        )
    }

    /// Of the two, the one that is known, or the worse one.
    pub fn worse(a: Option<Rare>, b: Option<Rare>) -> Option<Rare> {
        a.into_iter().chain(b).max_by(|a, b| a.share.total_cmp(&b.share))
    }
}

/// Of Σ wᵢ(mean of stratum i), from means of groups (C, G).
pub fn of_mean(weights: &[f64], groups: &Groups, means: &[f64]) -> Option<Rare> {
    let strata = || weights.iter().zip(means.chunks_exact(groups.n_groups));
    let mean = |of: &[f64]| (0..groups.n_groups).map(|g| groups.share(g) * of[g]).sum::<f64>();
    let value: f64 = strata().map(|(w, of)| w * mean(of)).sum();
    let parts = strata().flat_map(|(w, of)| {
        let mean = mean(of);
        (0..groups.n_groups).map(move |g| (w * groups.deviation_scale(g) * (of[g] - mean)).powi(2))
    });
    of_parts(parts, value.abs(), groups)
}

/// Of a gradient, from what its groups saw (G, k, ϱ): of all its rows together.
pub fn of_gradient(groups: &Groups, group_gradients: &[f64]) -> Option<Rare> {
    let row = group_gradients.len() / groups.n_groups;
    let mean: Vec<f64> = (0..row).map(|c| (0..groups.n_groups).map(|g| groups.share(g) * group_gradients[g * row + c]).sum()).collect();
    let parts = (0..groups.n_groups).map(|g| {
        let own = group_gradients[g * row..(g + 1) * row].iter().zip(&mean);
        own.map(|(y, mean)| (groups.deviation_scale(g) * (y - mean)).powi(2)).sum()
    });
    of_parts(parts, mean.iter().map(|v| v * v).sum::<f64>().sqrt(), groups)
}

fn of_parts(parts: impl Iterator<Item = f64>, value: f64, groups: &Groups) -> Option<Rare> {
    let (sum, largest) = parts.fold((0.0, 0.0f64), |(sum, largest), part| (sum + part, largest.max(part)));
    let share = largest / sum;
    let counts = sum.sqrt() > ROUNDING * value && share > limit(groups);
    counts.then_some(Rare { share, n_groups: groups.n_groups, group_size: groups.group_size })
}
