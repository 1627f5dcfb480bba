//! A patch: a few strata that share one origin and one list of components, and both mixtures as they see them.
//!
//! With o the origin, ε_l = μ_l − o and e_i = cᵢ − o for the centre cᵢ of stratum i, log-responsibilities at x = cᵢ + z are, up to a
//! constant of the row, ⟨z, ε_l⟩ + ln w_l − ½⟨ε_l, ε_l − 2e_i⟩. The products with ε are the same for all strata of the patch; the rest is a
//! table of strata by components. Differences and tables are computed in double precision, and a stratum's table is relative to the
//! component that dominates at its centre, so that no large numbers cancel in single precision.

use std::ops::Range;

use super::lists::List;
use super::pair::Pair;
use super::table::{InnerProducts, Table};
use crate::mixture::squared_distance;
use crate::objective::divergence::Side;
use crate::objective::estimator::{Blend, Components};

/// The most strata of a patch, and the most rows that they have together.
const MOST_STRATA: usize = 16;
const MOST_ROWS: usize = 512;

/// The largest distance between strata that share an origin. The rounding error is about 6e-8 of its square if inner products come from
/// posterior means, and of the distance itself if they come from squared distances.
const RADIUS: f64 = 16.0;
const RADIUS_BY_DISTANCES: f64 = 128.0;

/// Both sides of a patch.
pub(super) struct Patch<'a> {
    pub strata: Range<usize>,
    /// Stratum i of the patch uses the draws of stratum `draws_as` + i.
    pub draws_as: usize,
    /// The components of each side's table.
    pub lists: [List; 2],
    pub sides: [Table; 2],
    /// How each stratum's row blends its two forms; `None` for Stein's alone.
    pub blends: Vec<Option<Blend<'a>>>,
}

/// The list of a patch may be longer than the shortest list of its strata by this factor.
const LONGER: f64 = 1.25;

/// Consecutive strata of one patch, and for each side the components that any of them uses.
#[derive(Debug)]
pub(super) struct Plan {
    pub strata: Range<usize>,
    pub lists: [List; 2],
}

/// Divides the components of `from` into patches: runs whose means are close together and whose lists (empty: all) have most components in
/// common.
pub(super) fn plan(pair: &Pair, from: Side, rows_per_stratum: usize, lists: &[[List; 2]], by_distances: bool) -> Vec<Plan> {
    let strata = pair.side(from);
    let most = (MOST_ROWS / rows_per_stratum).clamp(1, MOST_STRATA);
    let radius = if by_distances { RADIUS_BY_DISTANCES } else { RADIUS };
    let length = |lists: &[List; 2]| pair.sides.iter().zip(lists).map(|(side, list)| list.as_ref().map_or(side.len(), Vec::len)).sum();
    let mut out: Vec<(Plan, usize)> = Vec::new();
    for i in 0..strata.len() {
        let own = lists.get(i).cloned().unwrap_or_default();
        let own_length: usize = length(&own);
        if let Some((last, shortest)) = out.last_mut()
            && last.strata.len() < most
            && squared_distance(strata.mean(last.strata.start), strata.mean(i)) <= radius * radius
        {
            let both: [List; 2] = std::array::from_fn(|s| union(&last.lists[s], &own[s]));
            if length(&both) as f64 <= LONGER * own_length.min(*shortest) as f64 {
                (last.lists, last.strata.end) = (both, i + 1);
                *shortest = own_length.min(*shortest);
                continue;
            }
        }
        out.push((Plan { strata: i..i + 1, lists: own }, own_length));
    }
    out.into_iter().map(|(plan, _)| plan).collect()
}

/// The components in either list, in order.
fn union(a: &List, b: &List) -> List {
    let (a, b) = (a.as_ref()?, b.as_ref()?);
    let mut all: Vec<u32> = a.iter().chain(b).copied().collect();
    all.sort_unstable();
    all.dedup();
    Some(all)
}

impl<'a> Patch<'a> {
    /// The tables of some components of `from`, each of which uses its own of `lists` (empty: all).
    pub(super) fn new(
        pair: &Pair<'a>,
        from: Side,
        plan: &Plan,
        lists: &[[List; 2]],
        products: impl Fn(Side, &List) -> InnerProducts,
    ) -> Self {
        let (rank, strata) = (pair.rank, plan.strata.clone());
        let centres = &pair.side(from).means[strata.start * rank..strata.end * rank];
        let middle = (strata.len() > 1).then(|| {
            let share = 1.0 / strata.len() as f64;
            (0..rank).map(|c| centres.iter().skip(c).step_by(rank).sum::<f64>() * share).collect::<Vec<f64>>()
        });
        let sides = [Side::Student, Side::Teacher].map(|side| {
            let own: Vec<Option<&[u32]>> = strata.clone().map(|i| lists.get(i).and_then(|own| own[side as usize].as_deref())).collect();
            let list = &plan.lists[side as usize];
            Table::new(pair.side(side), list, &own, centres, middle.as_deref(), products(side, list))
        });
        let blends = strata.clone().map(|_| None).collect();
        Self { draws_as: strata.start, strata, lists: plan.lists.clone(), sides, blends }
    }

    /// Component i of `from` alone, with inner products from posterior means and the draws of stratum `draws_as`.
    pub(super) fn of_one(pair: &Pair<'a>, from: Side, i: usize, draws_as: usize) -> Self {
        let plan = Plan { strata: i..i + 1, lists: [None, None] };
        Self { draws_as, ..Self::new(pair, from, &plan, &[], |_, _| InnerProducts::FromMeans) }
    }

    /// The same patch, with rows of `n_samples` samples that blend both forms if that lessens their noise.
    pub(super) fn blended(self, pair: &Pair<'a>, n_samples: usize) -> Self {
        let mixtures = pair.sides.map(|side| Components { log_weights: side.log_weights, means: side.means, squares: side.squares });
        let blend = |i: usize| {
            let near = [0, 1].map(|side| self.sides[side].near(i, &self.lists[side]));
            let centre = pair.side(Side::Student).mean(self.strata.start + i);
            Blend::new(centre, mixtures, near.each_ref().map(|near| Some(&near[..])), n_samples)
        };
        let blends = (0..self.strata.len()).map(blend).collect();
        Self { blends, ..self }
    }

    /// Whether any row blends two forms.
    pub(super) fn is_blended(&self) -> bool {
        self.blends.iter().any(Option::is_some)
    }

    /// The number of components in both lists.
    pub(super) fn n_components(&self) -> usize {
        self.sides[0].m + self.sides[1].m
    }
}
