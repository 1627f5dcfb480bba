//! A patch: a few strata that share one origin and one list of components, and both mixtures as they see them.
//!
//! With o the origin, ε_l = μ_l − o and e_i = μᵢ − o, log-responsibilities at x = μᵢ + z are, up to a constant of the row,
//! ⟨z, ε_l⟩ + ln w_l − ½⟨ε_l, ε_l − 2e_i⟩. Products with ε serve all strata of the patch; the rest is a table of strata by
//! components. Differences and tables come from double precision, and a stratum's table is relative to the component that
//! dominates at its centre, so nothing large is cancelled in single precision.

use std::ops::Range;
use std::sync::Arc;

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;

use super::session::Pair;
use crate::mixture::squared_distance;
use crate::objective::divergence::Side;
use crate::objective::estimator::{Blend, FURTHEST};
use crate::vector::double::square_of_difference;
use crate::vector::{Buffer, vector_fn};

/// Strata of a patch at the most, and the rows that they may have together.
const MOST_STRATA: usize = 16;
const MOST_ROWS: usize = 512;

/// Distance between strata that may share an origin: rounding is about 6e-8 of its square with two products, and of the distance
/// itself in Gram form.
const RADIUS: f64 = 16.0;
const RADIUS_GRAM: f64 = 128.0;

/// The offset of a component that a stratum does not see: far below any other, and finite.
const NOWHERE: f32 = -1e30;

/// Which components a stratum sees: `None` for all.
pub type List = Option<Vec<u32>>;

/// How ⟨μ_l − M, μᵢ − M⟩ is had from responsibilities.
#[derive(Debug, Clone)]
pub enum Form {
    /// M first, then its products with all components: 4ϱm operations a sample.
    Products,
    /// ½((Dr)_l − D_il + Σ r D_i − rᵀDr) with D the squared distances (m, m) of the components: 2m² operations a sample.
    Gram(Arc<Vec<f32>>),
}

/// One mixture as a patch sees it.
pub struct Table {
    /// Components in the list.
    pub m: usize,
    /// o, shape (rank).
    pub origin: Vec<f64>,
    /// ε, shape (m, rank).
    pub epsilon: Vec<f32>,
    /// ε in double precision, of patches of several strata.
    wide: Vec<f64>,
    /// e, shape (strata, rank).
    pub centre: Vec<f32>,
    /// ⟨ε_l, ε_l − 2e_i⟩ less that of the component that dominates, shape (strata, m).
    pub inner: Vec<f32>,
    /// log₂ of w_l exp(−inner/2) relative to that component, shape (strata, m).
    pub offset: Vec<f32>,
    /// What `inner` is less, shape (strata).
    pub level: Vec<f32>,
    pub form: Form,
}

/// Both sides of a patch.
pub struct Patch {
    pub strata: Range<usize>,
    pub sides: [Table; 2],
    /// How each stratum's row mixes its two forms; `None` for Stein's alone.
    pub blends: Vec<Option<Blend>>,
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

impl Patch {
    /// The tables of some strata, each of which sees its own of `lists` (empty: all); rows of so many samples are to be `blended`.
    pub fn new(pair: &Pair, plan: &Plan, lists: &[[List; 2]], form: impl Fn(Side, &List) -> Form, blended: Option<usize>) -> Self {
        let (rank, strata) = (pair.rank, plan.strata.clone());
        let centres = &pair.p.1[strata.start * rank..strata.end * rank];
        let middle = (strata.len() > 1).then(|| {
            let share = 1.0 / strata.len() as f64;
            (0..rank).map(|c| centres.iter().skip(c).step_by(rank).sum::<f64>() * share).collect::<Vec<f64>>()
        });
        let sides = [Side::Student, Side::Teacher].map(|side| {
            let own: Vec<Option<&[u32]>> = strata.clone().map(|i| lists.get(i).and_then(|own| own[side as usize].as_deref())).collect();
            let list = &plan.lists[side as usize];
            Table::new(pair.side(side), rank, list, &own, centres, middle.as_deref(), form(side, list))
        });
        let blend = |(i, centre): (usize, &[f64])| {
            let near = [0, 1].map(|side| sides[side].near(i, &plan.lists[side]));
            Blend::new(centre, [pair.p, pair.q], [Some(&near[0]), Some(&near[1])], blended?)
        };
        let blends = centres.chunks_exact(rank).enumerate().map(blend).collect();
        Self { strata, sides, blends }
    }

    pub fn is_blended(&self) -> bool {
        self.blends.iter().any(Option::is_some)
    }
}

impl Table {
    #[allow(clippy::too_many_arguments)] // all that a table depends on, once
    fn new(
        (weights, means): (&[f64], &[f64]),
        rank: usize,
        list: &List,
        own: &[Option<&[u32]>],
        centres: &[f64],
        origin: Option<&[f64]>,
        form: Form,
    ) -> Self {
        let m = list.as_ref().map_or(weights.len(), Vec::len);
        let component = |l: usize| list.as_ref().map_or(l, |list| list[l] as usize);
        let mean = |l: usize| &means[component(l) * rank..][..rank];
        let origin = origin.unwrap_or_else(|| mean(dominant(m, |l| weights[component(l)].ln() - 0.5 * squared_distance(mean(l), centres))));
        let n_strata = centres.len() / rank;
        let e: Vec<f64> = centres.chunks_exact(rank).flat_map(|centre| centre.iter().zip(origin).map(|(c, o)| c - o)).collect();
        let mut wide = vec![0.0; m * rank];
        let mut epsilon = vec![0.0f32; m * rank];
        let mut inner = vec![0.0f64; n_strata * m]; // component by component, stratum inside
        differences(m, &mean, origin, &mut wide, &mut epsilon);
        inner_products(&wide, &e, rank, &mut inner);
        let log_weight: Vec<f64> = (0..m).map(|l| weights[component(l)].ln()).collect();
        let (mut narrow, mut offset, mut level) = (Vec::with_capacity(n_strata * m), Vec::with_capacity(n_strata * m), Vec::new());
        for i in 0..n_strata {
            // What another stratum brought into the list is not there for this one.
            let foreign = |l: usize| own[i].is_some_and(|own| own.len() < m && own.binary_search(&(component(l) as u32)).is_err());
            let logit = |l: usize| if foreign(l) { f64::NEG_INFINITY } else { log_weight[l] - 0.5 * inner[l * n_strata + i] };
            let best = dominant(m, logit);
            level.push(inner[best * n_strata + i] as f32);
            for l in 0..m {
                let relative = inner[l * n_strata + i] - inner[best * n_strata + i];
                narrow.push(relative as f32);
                let offset_of = (log_weight[l] - log_weight[best] - 0.5 * relative) * std::f64::consts::LOG2_E;
                offset.push(if foreign(l) { NOWHERE } else { offset_of as f32 });
            }
        }
        let centre = e.iter().map(|e| *e as f32).collect();
        let wide = if n_strata > 1 { wide } else { Vec::new() };
        Self { m, origin: origin.to_vec(), epsilon, wide, centre, inner: narrow, offset, level, form }
    }

    /// The components of `list` whose walls may be within reach of stratum i: all, and few others, that [`Blend::new`] takes.
    fn near(&self, i: usize, list: &List) -> Vec<u32> {
        let (inner, offset) = (&self.inner[i * self.m..][..self.m], &self.offset[i * self.m..][..self.m]);
        let centre: f32 = self.centre[i * self.origin.len()..][..self.origin.len()].iter().map(|e| e * e).sum();
        let distance = |inner: f32| (inner + self.level[i] + centre).max(0.0).sqrt();
        // The wall stands τ/g from the centre, and g is at most the sum of both distances; a hundredth more for rounding.
        let reach = |l: usize| 1.01 * FURTHEST as f32 * (distance(inner[l]) + distance(0.0)) + 0.01;
        let within = (0..self.m).filter(|l| -offset[*l] * std::f32::consts::LN_2 <= reach(*l));
        within.map(|l| list.as_ref().map_or(l as u32, |list| list[l])).collect()
    }

    /// ε of the components `kept`, shape (kept, rank).
    pub fn epsilon_of<'a>(&'a self, kept: &[u32], buffer: &'a mut Buffer) -> &'a [f32] {
        columns(&self.epsilon, self.origin.len(), kept, buffer)
    }

    /// Inner of the components `kept`, shape (strata, kept).
    pub fn inner_of<'a>(&'a self, kept: &[u32], buffer: &'a mut Buffer) -> &'a [f32] {
        entries(&self.inner, self.m, 0..self.level.len(), kept, buffer)
    }

    /// The part of `squares` (m, m) that belongs to the components `kept`.
    pub fn squares_of<'a>(&self, squares: &'a [f32], kept: &[u32], buffer: &'a mut Buffer) -> &'a [f32] {
        entries(squares, self.m, kept.iter().map(|l| *l as usize), kept, buffer)
    }

    /// o + Σ a_l ε_l, shape (n, rank), for n sets of coefficients (n, m), each of which sums to one.
    pub fn combine(&self, a: &[f64]) -> Vec<f64> {
        let (rank, n) = (self.origin.len(), a.len() / self.m);
        let mut out = self.origin.repeat(n);
        let rows = out.chunks_exact_mut(rank).zip(a.chunks_exact(self.m));
        let few = 4 * a.iter().filter(|a| **a != 0.0).count() < a.len();
        if self.wide.is_empty() {
            rows.for_each(|(out, a)| add_combination(a, &self.epsilon, out));
        } else if few {
            rows.for_each(|(out, a)| add_wide_combination(a, &self.wide, out));
        } else {
            let (a, epsilon) = (MatRef::from_row_major_slice(a, n, self.m), MatRef::from_row_major_slice(&self.wide, self.m, rank));
            matmul(MatMut::from_row_major_slice_mut(&mut out, n, rank), Accum::Add, a, epsilon, 1.0, Par::Seq);
        }
        out
    }
}

/// The runs `kept` of `from` (m, length); `from` itself where all are kept.
fn columns<'a>(from: &'a [f32], length: usize, kept: &[u32], buffer: &'a mut Buffer) -> &'a [f32] {
    if kept.len() * length == from.len() {
        return from;
    }
    let out = buffer.take(kept.len() * length);
    for (out, l) in out.chunks_exact_mut(length).zip(kept) {
        out.copy_from_slice(&from[*l as usize * length..][..length]);
    }
    out
}

/// The entries `kept` of the given rows of `from` (n, m), shape (rows, kept); `from` itself where all are kept.
fn entries<'a>(from: &'a [f32], m: usize, rows: impl Iterator<Item = usize>, kept: &[u32], buffer: &'a mut Buffer) -> &'a [f32] {
    if kept.len() == m {
        return from;
    }
    let out = buffer.take(from.len());
    let mut n = 0;
    for row in rows {
        let from = &from[row * m..][..m];
        out[n..n + kept.len()].iter_mut().zip(kept).for_each(|(out, l)| *out = from[*l as usize]);
        n += kept.len();
    }
    &out[..n]
}

/// The component with the largest logit; the first where numbers are not finite.
fn dominant(m: usize, logit: impl Fn(usize) -> f64) -> usize {
    let mut best = (0, f64::NEG_INFINITY);
    for l in 0..m {
        let logit = logit(l);
        if logit > best.1 {
            best = (l, logit);
        }
    }
    best.0
}

/// ε = mean − origin, shape (m, rank), in both precisions.
fn differences<'a>(m: usize, mean: &impl Fn(usize) -> &'a [f64], origin: &[f64], wide: &mut [f64], narrow: &mut [f32]) {
    let rank = origin.len();
    for (l, (wide, narrow)) in wide.chunks_exact_mut(rank).zip(narrow.chunks_exact_mut(rank)).enumerate().take(m) {
        for (((wide, narrow), mean), origin) in wide.iter_mut().zip(narrow).zip(mean(l)).zip(origin) {
            *wide = mean - origin;
            *narrow = *wide as f32;
        }
    }
}

/// ⟨ε_l, ε_l − 2e_i⟩, shape (m, strata), of ε (m, rank) and e (strata, rank).
fn inner_products(epsilon: &[f64], e: &[f64], rank: usize, inner: &mut [f64]) {
    let (m, n_strata) = (epsilon.len() / rank, e.len() / rank);
    if n_strata == 1 {
        return from_one(epsilon, e, inner); // as it stands, because e may be huge
    }
    let epsilon_rows = MatRef::from_row_major_slice(epsilon, m, rank);
    let e_columns = MatRef::from_row_major_slice(e, n_strata, rank).transpose();
    matmul(MatMut::from_row_major_slice_mut(inner, m, n_strata), Accum::Replace, epsilon_rows, e_columns, -2.0, Par::Seq);
    let mut square = [0.0];
    for (epsilon, inner) in epsilon.chunks_exact(rank).zip(inner.chunks_exact_mut(n_strata)) {
        from_one(epsilon, &[], &mut square);
        inner.iter_mut().for_each(|inner| *inner += square[0]);
    }
}

vector_fn! {
    /// ⟨ε_l, ε_l − 2e⟩ of each ε for one e; of one ε for no e at all, |ε|².
    fn from_one(epsilon: &[f64], e: &[f64], inner: &mut [f64]) {
        let rank = epsilon.len() / inner.len();
        for (inner, d) in inner.iter_mut().zip(epsilon.chunks_exact(rank)) {
            let mut sum = [0.0f64; 8];
            let whole = rank / 8 * 8;
            if e.is_empty() {
                for d in d.chunks_exact(8) {
                    for i in 0..8 {
                        sum[i] = d[i].mul_add(d[i], sum[i]);
                    }
                }
                for (i, d) in d[whole..].iter().enumerate() {
                    sum[i] = d.mul_add(*d, sum[i]);
                }
            } else {
                for (d, e) in d.chunks_exact(8).zip(e.chunks_exact(8)) {
                    for i in 0..8 {
                        sum[i] = d[i].mul_add(d[i] - 2.0 * e[i], sum[i]);
                    }
                }
                for (i, (d, e)) in d[whole..].iter().zip(&e[whole..]).enumerate() {
                    sum[i] = d.mul_add(d - 2.0 * e, sum[i]);
                }
            }
            *inner = ((sum[0] + sum[4]) + (sum[2] + sum[6])) + ((sum[1] + sum[5]) + (sum[3] + sum[7]));
        }
    }
}

vector_fn! {
    /// out += Σ a_l ε_l.
    fn add_combination(a: &[f64], epsilon: &[f32], out: &mut [f64]) {
        for (a, epsilon) in a.iter().zip(epsilon.chunks_exact(out.len())).filter(|(a, _)| **a != 0.0) {
            for (o, e) in out.iter_mut().zip(epsilon) {
                *o = a.mul_add(f64::from(*e), *o);
            }
        }
    }
}

vector_fn! {
    /// out += Σ a_l ε_l, in double precision.
    fn add_wide_combination(a: &[f64], epsilon: &[f64], out: &mut [f64]) {
        for (a, epsilon) in a.iter().zip(epsilon.chunks_exact(out.len())).filter(|(a, _)| **a != 0.0) {
            for (o, e) in out.iter_mut().zip(epsilon) {
                *o = a.mul_add(*e, *o);
            }
        }
    }
}

vector_fn! {
    /// Squared distances of `mean` to each of `means`.
    fn distances(mean: &[f64], means: &[f64], out: &mut [f32]) {
        for (out, other) in out.iter_mut().zip(means.chunks_exact(mean.len())) {
            *out = square_of_difference(mean, other) as f32;
        }
    }
}

/// Squared distances between all of `means` (m, rank), shape (m, m).
pub fn squared_distances(means: &[f64], rank: usize) -> Arc<Vec<f32>> {
    let m = means.len() / rank;
    let mut out = vec![0.0f32; m * m];
    out.par_chunks_exact_mut(m).enumerate().for_each(|(l, row)| distances(&means[l * rank..(l + 1) * rank], means, &mut row[..l]));
    for l in 0..m {
        for other in 0..l {
            out[other * m + l] = out[l * m + other];
        }
    }
    Arc::new(out)
}

/// Distances of `centre` to the components `of` (all of `means`: `None`).
pub fn distances_to(centre: &[f64], means: &[f64], rank: usize, of: Option<&[u32]>) -> Vec<f64> {
    let mut out = vec![0.0; of.map_or(means.len() / rank, <[u32]>::len)];
    match of {
        None => exact_distances(centre, means, &mut out),
        Some(of) => {
            for (out, j) in out.chunks_exact_mut(1).zip(of) {
                exact_distances(centre, &means[*j as usize * rank..][..rank], out);
            }
        }
    }
    out
}

vector_fn! {
    /// |mean − other| for each of `means`; any split of the calls gives the same numbers.
    fn exact_distances(mean: &[f64], means: &[f64], out: &mut [f64]) {
        for (out, other) in out.iter_mut().zip(means.chunks_exact(mean.len())) {
            *out = square_of_difference(mean, other).sqrt();
        }
    }
}
