//! A patch: a few strata that share one origin and one list of components, and both mixtures as they see them.
//!
//! With o the origin, ε_l = μ_l − o and e_i = μᵢ − o, log-responsibilities at x = μᵢ + z are, up to a constant of the row,
//! ⟨z, ε_l⟩ + ln w_l − ½⟨ε_l, ε_l − 2e_i⟩. Products with ε serve all strata of the patch; the rest is a table of strata by
//! components. Differences and tables come from double precision, and a stratum's table is relative to the component that
//! dominates at its centre, so nothing large is cancelled in single precision.

use std::ops::Range;

use super::lists::List;
use super::pair::Pair;
use super::table::{Form, Table};
use crate::mixture::squared_distance;
use crate::objective::divergence::Side;
use crate::objective::estimator::{Blend, Components};

/// Strata of a patch at the most, and the rows that they may have together.
const MOST_STRATA: usize = 16;
const MOST_ROWS: usize = 512;

/// Distance between strata that may share an origin: rounding is about 6e-8 of its square with two products, and of the distance
/// itself in Gram form.
const RADIUS: f64 = 16.0;
const RADIUS_GRAM: f64 = 128.0;

/// Both sides of a patch.
pub struct Patch<'a> {
    pub strata: Range<usize>,
    pub sides: [Table; 2],
    /// How each stratum's row mixes its two forms; `None` for Stein's alone.
    pub blends: Vec<Option<Blend<'a>>>,
}

/// How much longer than the shortest list of its strata the list of a patch may be.
const LONGER: f64 = 1.25;

/// Strata that go together, and for each side the components that any of them sees.
#[derive(Debug)]
pub struct Plan {
    pub strata: Range<usize>,
    pub lists: [List; 2],
}

/// Cuts the strata into patches: runs whose means are near each other, and whose lists (empty: all) have most components in common.
pub fn plan(pair: &Pair, rows_per_stratum: usize, lists: &[[List; 2]], gram: bool) -> Vec<Plan> {
    let (rank, means) = (pair.rank, pair.p.1);
    let most = (MOST_ROWS / rows_per_stratum).clamp(1, MOST_STRATA);
    let radius = if gram { RADIUS_GRAM } else { RADIUS };
    let mean = |i: usize| &means[i * rank..(i + 1) * rank];
    let length = |lists: &[List; 2]| [pair.p.0.len(), pair.q.0.len()].iter().zip(lists).map(|(n, l)| l.as_ref().map_or(*n, Vec::len)).sum();
    let mut out: Vec<(Plan, usize)> = Vec::new();
    for i in 0..means.len() / rank {
        let own = lists.get(i).cloned().unwrap_or_default();
        let own_length: usize = length(&own);
        if let Some((last, shortest)) = out.last_mut()
            && last.strata.len() < most
            && squared_distance(mean(last.strata.start), mean(i)) <= radius * radius
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

/// What either list holds, in order.
fn union(a: &List, b: &List) -> List {
    let (a, b) = (a.as_ref()?, b.as_ref()?);
    let mut all: Vec<u32> = a.iter().chain(b).copied().collect();
    all.sort_unstable();
    all.dedup();
    Some(all)
}

impl<'a> Patch<'a> {
    /// The tables of some strata, each of which sees its own of `lists` (empty: all); rows of so many samples are to be `blended`.
    pub fn new(pair: &Pair<'a>, plan: &Plan, lists: &[[List; 2]], form: impl Fn(Side, &List) -> Form, blended: Option<usize>) -> Self {
        let (rank, strata) = (pair.rank, plan.strata.clone());
        let centres = &pair.p.1[strata.start * rank..strata.end * rank];
        let middle = (strata.len() > 1).then(|| {
            let share = 1.0 / strata.len() as f64;
            (0..rank).map(|c| centres.iter().skip(c).step_by(rank).sum::<f64>() * share).collect::<Vec<f64>>()
        });
        let sides = [Side::Student, Side::Teacher].map(|side| {
            let own: Vec<Option<&[u32]>> = strata.clone().map(|i| lists.get(i).and_then(|own| own[side as usize].as_deref())).collect();
            let list = &plan.lists[side as usize];
            let means = pair.side(side).1;
            Table::new((pair.log_weights[side as usize], means), rank, list, &own, centres, middle.as_deref(), form(side, list))
        });
        let blend = |(i, centre): (usize, &[f64])| {
            let samples = blended?;
            let near = [0, 1].map(|side| sides[side].near(i, &plan.lists[side]));
            let mixtures = [Side::Student, Side::Teacher].map(|side| Components {
                log_weights: pair.log_weights[side as usize],
                means: pair.side(side).1,
                squares: pair.squares.filter(|_| side == Side::Teacher),
            });
            Blend::new(centre, mixtures, near.each_ref().map(|near| Some(&near[..])), samples)
        };
        let blends = centres.chunks_exact(rank).enumerate().map(blend).collect();
        Self { strata, sides, blends }
    }

    pub fn is_blended(&self) -> bool {
        self.blends.iter().any(Option::is_some)
    }
}
