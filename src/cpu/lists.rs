//! Neighbour lists of all strata of one replicate. They are a pure function of the means; candidates for them are kept over several steps.
//!
//! The candidates of a stratum are all components within some radius when they were gathered, which is larger than needed by a margin (the
//! skin). As long as the means have moved less than the skin, no other component can be needed, and lists made from the candidates equal
//! those of a search among all components. So lists do not depend on when candidates were gathered.
//!
//! Gathering compares every pair of means by one product in single precision, and keeps a component if it is within the radius up to
//! rounding: with u = 2⁻²⁴, a′ and b′ the means in single precision and γ = ϱu/(1 − ϱu),
//!
//! ```text
//! |a − b| ≥ |a′ − b′| − u(|a| + |b|)        |a′ − b′|² ≥ |a′|² + |b′|² − 2 fl(a′·b′) − 2γ|a′||b′|
//! ```
//!
//! in any order of the product's sums (Higham 2002, §3.1). A step between two gatherings costs only the length of its lists.

use std::ops::Range;

use faer::{Accum, MatMut, MatRef};
use rayon::prelude::*;

use super::distances::distances_to;
use super::pair::Pair;
use super::product;
use crate::objective::divergence::Side;
use crate::objective::neighbours::{Kept, Near, keep, reach};
use crate::vector::vector_fn;

/// The skin: candidates are gathered this much further than needed, in units of σ.
const SKIN: f64 = 1.5;

/// Strata that are tested to see whether lists pay off, and the fraction of components that they must leave out.
const PROBES: usize = 8;
const WORTH: f64 = 0.25;

/// Strata whose products with all components are computed together.
const ROWS: usize = 32;

/// Components that are skipped together if none of them is near.
const CHUNK: usize = 64;

/// The components that a stratum uses: `None` for all.
pub(super) type List = Option<Vec<u32>>;

/// Lists of all strata, [student, teacher] of each, and the certified bias of each row per weight. If empty, all components are used.
#[derive(Debug, Clone, Default)]
pub(super) struct Lists {
    pub lists: Vec<[List; 2]>,
    pub certified: Vec<f64>,
}

/// Indices in rising order, and the distance up to which none is missing.
type Found = (Vec<u32>, f64);

/// Candidates of every stratum, and the means at which they were gathered.
#[derive(Default)]
pub(super) struct Candidates {
    means: Vec<f64>,
    /// [student, teacher] of each stratum.
    strata: Vec<[Found; 2]>,
}

/// One side as one stratum sees it.
struct View<'a> {
    means: &'a [f64],
    rank: usize,
    log_weight: &'a [f64],
    heaviest: f64,
    lightest: f64,
    budget: f64,
}

impl View<'_> {
    /// |m_j − μᵢ| of the components `of` (`None`: all).
    fn distances(&self, centre: &[f64], of: Option<&[u32]>) -> Vec<f64> {
        distances_to(centre, self.means, self.rank, of)
    }

    /// The distance from the stratum's centre up to which a component may matter.
    fn radius(&self, nearest: f64, anchor: u32) -> f64 {
        nearest + reach(self.budget, self.log_weight.len(), self.most(anchor), nearest)
    }

    /// The largest weight relative to the anchor's.
    fn most(&self, anchor: u32) -> f64 {
        (self.heaviest - self.log_weight[anchor as usize]).exp()
    }

    /// The list from components and their distances; `None` if some component within the radius may be missing.
    fn keep(&self, of: Option<&[u32]>, distances: &[f64], complete_within: f64) -> Option<Kept> {
        let index = |at: usize| of.map_or(at as u32, |of| of[at]);
        let at = (0..distances.len()).min_by(|a, b| distances[*a].total_cmp(&distances[*b]))?;
        let (nearest, anchor) = (distances[at], index(at));
        let radius = self.radius(nearest, anchor);
        if !(radius <= complete_within) {
            return None;
        }
        let chosen: Vec<usize> = (0..distances.len()).filter(|at| distances[*at] <= radius).collect();
        let indices: Vec<u32> = chosen.iter().map(|at| index(*at)).collect();
        let from_anchor = self.distances(&self.means[anchor as usize * self.rank..][..self.rank], Some(&indices));
        let near: Vec<Near> = chosen
            .iter()
            .zip(&indices)
            .zip(&from_anchor)
            .map(|((at, index), from_anchor)| Near { index: *index, distance: distances[*at], from_anchor: *from_anchor })
            .collect();
        let rest = self.log_weight.len() - near.len();
        Some(keep(&near, rest, self.most(anchor), radius - nearest, self.log_weight, self.budget))
    }
}

impl Candidates {
    /// The lists at the pair's means, for a certified bias of at most `budget` in each row. Gathers new candidates if it must.
    pub(super) fn lists(&mut self, pair: &Pair, budget: f64) -> Lists {
        let rank = pair.rank;
        let views = pair.sides.each_ref().map(|side| {
            let log_weight = side.log_weights;
            let heaviest = log_weight.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let lightest = log_weight.iter().copied().fold(f64::INFINITY, f64::min);
            View { means: side.means, rank, log_weight, heaviest, lightest, budget: 0.5 * budget }
        });
        let means = pair.side(Side::Student).means;
        let k = means.len() / rank;
        let centre = |i: usize| &means[i * rank..(i + 1) * rank];
        if !means.iter().all(|v| v.is_finite()) || !worthwhile(&views, k, centre) {
            return Lists::default();
        }
        let kept = match self.kept(&views, means, rank) {
            Some(kept) => kept,
            None => {
                self.gather(&views, means, rank);
                let fresh = self.kept(&views, means, rank);
                fresh.expect("candidates gathered at these means are complete at them")
            }
        };
        let total = [views[0].log_weight.len(), views[1].log_weight.len()];
        let mut out = Lists::default();
        for sides in kept {
            let mut certified = 0.0;
            out.lists.push(std::array::from_fn(|s| {
                // If the lists would hold nearly all components, keep all, which is exact.
                let worth = (sides[s].list.len() as f64) <= (1.0 - WORTH) * total[s] as f64;
                certified += if worth { sides[s].certified } else { 0.0 };
                worth.then(|| sides[s].list.clone())
            }));
            out.certified.push(certified);
        }
        out
    }

    /// Every stratum's list from its candidates; `None` if the means have moved too far for some of them.
    fn kept(&self, views: &[View; 2], means: &[f64], rank: usize) -> Option<Vec<[Kept; 2]>> {
        if self.means.len() != means.len() {
            return None;
        }
        let moved: Vec<f64> = means
            .chunks_exact(rank)
            .zip(self.means.chunks_exact(rank))
            .map(|(now, then)| crate::mixture::squared_distance(now, then).sqrt())
            .collect();
        let furthest = [moved.iter().copied().fold(0.0, f64::max), 0.0]; // the teacher's means do not move
        let strata: Vec<Option<[Kept; 2]>> = (0..moved.len())
            .into_par_iter()
            .map(|i| {
                let centre = &means[i * rank..(i + 1) * rank];
                let side = |s: usize| {
                    let (candidates, within) = &self.strata[i][s];
                    // The factor covers the rounding of distances many times.
                    let complete = within - (moved[i] + furthest[s]) * (1.0 + 1e-9);
                    views[s].keep(Some(candidates), &views[s].distances(centre, Some(candidates)), complete)
                };
                Some([side(0)?, side(1)?])
            })
            .collect();
        strata.into_iter().collect()
    }

    /// Gathers new candidates at these means.
    fn gather(&mut self, views: &[View; 2], means: &[f64], rank: usize) {
        self.means = means.to_vec();
        let tables = [0, 1].map(|s| Narrow::new(views[s].means, rank));
        let strata: Vec<usize> = (0..means.len() / rank).collect();
        let blocks: Vec<Vec<[Found; 2]>> = strata
            .par_chunks(ROWS)
            .map(|block| {
                let [p, q] = [0, 1].map(|s| views[s].candidates(&tables[s], &tables[0], means, block[0]..block[0] + block.len()));
                p.into_iter().zip(q).map(|(p, q)| [p, q]).collect()
            })
            .collect();
        self.strata = blocks.into_iter().flatten().collect();
    }
}

/// Means in single precision, and their squares.
struct Narrow {
    rank: usize,
    means: Vec<f32>,   // (n, rank)
    squares: Vec<f64>, // (n), of the rounded numbers
}

impl Narrow {
    fn new(means: &[f64], rank: usize) -> Self {
        let narrow: Vec<f32> = means.iter().map(|v| *v as f32).collect();
        let squares = narrow.chunks_exact(rank).map(|mean| mean.iter().map(|v| f64::from(*v).powi(2)).sum()).collect();
        Self { rank, means: narrow, squares }
    }

    /// Inner products with the rows `of` of another table, shape (of, n).
    fn products(&self, other: &Narrow, of: &Range<usize>) -> Vec<f32> {
        let n = self.squares.len();
        let mut out = vec![0.0; n * of.len()];
        let rows = &other.means[of.start * self.rank..of.end * self.rank];
        product(
            MatMut::from_column_major_slice_mut(&mut out, n, of.len()),
            Accum::Replace,
            MatRef::from_row_major_slice(&self.means, n, self.rank),
            MatRef::from_column_major_slice(rows, self.rank, of.len()),
        );
        out
    }
}

impl View<'_> {
    /// The candidates of the strata `of`, whose means are the rows of `centres`, and the distance up to which none is missing.
    fn candidates(&self, table: &Narrow, centres: &Narrow, means: &[f64], of: Range<usize>) -> Vec<Found> {
        let (rank, n) = (self.rank, table.squares.len());
        let u = f64::from(f32::EPSILON) / 2.0;
        let ru = rank as f64 * u;
        let gamma = if ru < 0.5 { ru / (1.0 - ru) } else { 1e30 }; // no bound: all are candidates
        let furthest = table.squares.iter().copied().fold(0.0, f64::max).sqrt();
        let most = (self.heaviest - self.lightest).exp();
        let products = table.products(centres, &of);
        // Squared distances up to a constant of the stratum, and the least of each chunk.
        let (mut squares, mut least) = (vec![0.0; n], vec![0.0; n.div_ceil(CHUNK)]);
        let of_stratum = |(i, products): (usize, &[f32])| {
            less_products(&table.squares, products, &mut squares, &mut least);
            let chunk = (0..least.len()).fold(0, |best, c| if least[c] < least[best] { c } else { best });
            let within_chunk = |c: usize| c * CHUNK..n.min((c + 1) * CHUNK);
            // The component that seems nearest bounds the distance of the nearest one from above.
            let about = within_chunk(chunk).find(|l| squares[*l] == least[chunk]).unwrap_or(0);
            let near = distances_to(&means[i * rank..(i + 1) * rank], self.means, rank, Some(&[about as u32]))[0];
            // This mean and the others may each move by half of the first skin; the radius grows with the distance of the nearest.
            let nearest = near + SKIN;
            let within = nearest + reach(self.budget, n, most, nearest) + 2.0 * SKIN;
            // The last factors cover the rounding of norms and sums in double precision.
            let own = centres.squares[i].sqrt();
            let far = (within + 1.001 * u * (own + furthest)).powi(2);
            let limit = far + 2.0 * gamma * own * furthest + 1e-12 * (far + (own + furthest).powi(2)) - centres.squares[i];
            let limit = if limit.is_nan() { f64::INFINITY } else { limit }; // means beyond single precision: nothing is left out
            let chunks = (0..least.len()).filter(|c| least[*c] <= limit);
            let candidates = chunks.flat_map(within_chunk).filter(|l| squares[*l] <= limit).map(|l| l as u32).collect();
            (candidates, within)
        };
        of.clone().zip(products.chunks_exact(n)).map(of_stratum).collect()
    }
}

vector_fn! {
    /// out = squares − 2·products (−∞ instead of NaN), and the least of each chunk of it.
    fn less_products(squares: &[f64], products: &[f32], out: &mut [f64], least: &mut [f64]) {
        let chunks = out.chunks_mut(CHUNK).zip(squares.chunks(CHUNK)).zip(products.chunks(CHUNK));
        for (((out, squares), products), least) in chunks.zip(least) {
            let mut lanes = [f64::INFINITY; 8];
            let (whole, rest) = out.as_chunks_mut::<8>();
            let done = 8 * whole.len();
            for ((out, squares), products) in whole.iter_mut().zip(squares.chunks_exact(8)).zip(products.chunks_exact(8)) {
                for i in 0..8 {
                    out[i] = number(squares[i] - 2.0 * f64::from(products[i]));
                    lanes[i] = if out[i] < lanes[i] { out[i] } else { lanes[i] };
                }
            }
            for (i, out) in rest.iter_mut().enumerate() {
                *out = number(squares[done + i] - 2.0 * f64::from(products[done + i]));
                lanes[i] = lanes[i].min(*out);
            }
            *least = lanes.iter().copied().fold(f64::INFINITY, f64::min);
        }
    }
}

/// v, or −∞ for NaN.
#[inline(always)]
fn number(v: f64) -> f64 {
    if v.is_nan() { f64::NEG_INFINITY } else { v }
}

/// Whether a sample of strata could leave out enough components.
fn worthwhile<'a>(views: &[View; 2], k: usize, centre: impl Fn(usize) -> &'a [f64]) -> bool {
    let probes = k.min(PROBES);
    let (mut kept, mut total) = (0, 0);
    for probe in 0..probes {
        let centre = centre(probe * k / probes);
        for view in views {
            let distances = view.distances(centre, None);
            kept += view.keep(None, &distances, f64::INFINITY).map_or(distances.len(), |kept| kept.list.len());
            total += distances.len();
        }
    }
    kept as f64 <= (1.0 - WORTH) * total as f64
}
