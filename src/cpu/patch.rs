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
use crate::objective::estimator::{Blend, Components, FURTHEST};
use crate::vector::double::{self, square_of_difference};
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

impl Table {
    #[allow(clippy::too_many_arguments)] // all that a table depends on, once
    fn new(
        (log_weights, means): (&[f64], &[f64]),
        rank: usize,
        list: &List,
        own: &[Option<&[u32]>],
        centres: &[f64],
        origin: Option<&[f64]>,
        form: Form,
    ) -> Self {
        let m = list.as_ref().map_or(log_weights.len(), Vec::len);
        let component = |l: usize| list.as_ref().map_or(l, |list| list[l] as usize);
        let mean = |l: usize| &means[component(l) * rank..][..rank];
        let log_weight: Vec<f64> = (0..m).map(|l| log_weights[component(l)]).collect();
        let origin = origin.unwrap_or_else(|| {
            let logits: Vec<f64> = (0..m).map(|l| log_weight[l] - 0.5 * squared_distance(mean(l), centres)).collect();
            mean(dominant(&logits))
        });
        let n_strata = centres.len() / rank;
        let e: Vec<f64> = centres.chunks_exact(rank).flat_map(|centre| centre.iter().zip(origin).map(|(c, o)| c - o)).collect();
        let mut wide = vec![0.0; m * rank];
        let mut epsilon = vec![0.0f32; m * rank];
        let mut inner = vec![0.0f64; n_strata * m]; // stratum by stratum
        differences(m, &mean, origin, &mut wide, &mut epsilon);
        inner_products(&wide, &e, rank, &mut inner);
        let (mut narrow, mut offset, mut level) = (vec![0.0; n_strata * m], vec![0.0; n_strata * m], Vec::new());
        let mut logits = vec![0.0; m];
        for (i, (inner, (narrow, offset))) in
            inner.chunks_exact(m).zip(narrow.chunks_exact_mut(m).zip(offset.chunks_exact_mut(m))).enumerate()
        {
            logits_of(&log_weight, inner, &mut logits);
            // What another stratum brought into the list is not there for this one.
            let own = own[i].filter(|own| own.len() < m);
            let foreign = |l: usize| own.is_some_and(|own| own.binary_search(&(component(l) as u32)).is_err());
            if own.is_some() {
                (0..m).filter(|l| foreign(*l)).for_each(|l| logits[l] = f64::NEG_INFINITY);
            }
            let best = dominant(&logits);
            level.push(inner[best] as f32);
            relative(inner, &logits, best, narrow, offset);
        }
        let centre = e.iter().map(|e| *e as f32).collect();
        let wide = if n_strata > 1 { wide } else { Vec::new() };
        Self { m, origin: origin.to_vec(), epsilon, wide, centre, inner: narrow, offset, level, form }
    }

    /// The components of `list` whose walls may be within reach of stratum i: all, and few others, that [`Blend::new`] takes.
    fn near(&self, i: usize, list: &List) -> Vec<u32> {
        let (inner, offset) = (&self.inner[i * self.m..][..self.m], &self.offset[i * self.m..][..self.m]);
        let centre: f32 = self.centre[i * self.origin.len()..][..self.origin.len()].iter().map(|e| e * e).sum();
        let mut within = vec![0; self.m];
        reached(inner, offset, self.level[i] + centre, &mut within);
        let chosen = within.iter().enumerate().filter(|(_, within)| **within != 0);
        chosen.map(|(l, _)| list.as_ref().map_or(l as u32, |list| list[l])).collect()
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
fn dominant(logits: &[f64]) -> usize {
    logits.iter().enumerate().fold((0, f64::NEG_INFINITY), |best, (l, logit)| if *logit > best.1 { (l, *logit) } else { best }).0
}

vector_fn! {
    /// ln w − ½ inner.
    fn logits_of(log_weight: &[f64], inner: &[f64], out: &mut [f64]) {
        for ((out, log_weight), inner) in out.iter_mut().zip(log_weight).zip(inner) {
            *out = log_weight - 0.5 * inner;
        }
    }
}

vector_fn! {
    /// Inner and log₂ of the logits' exponentials, both relative to those of component `best`.
    fn relative(inner: &[f64], logits: &[f64], best: usize, narrow: &mut [f32], offset: &mut [f32]) {
        let (own, top) = (inner[best], logits[best]);
        for (((narrow, offset), inner), logit) in narrow.iter_mut().zip(offset).zip(inner).zip(logits) {
            *narrow = (inner - own) as f32;
            let relative = (logit - top) * std::f64::consts::LOG2_E;
            *offset = if relative == f64::NEG_INFINITY { NOWHERE } else { relative as f32 };
        }
    }
}

vector_fn! {
    /// Not zero where a component's wall may be within reach, for inner and offset of a stratum whose dominant component is √`own` away.
    fn reached(inner: &[f32], offset: &[f32], own: f32, out: &mut [u8]) {
        let nearest = own.max(0.0).sqrt();
        for ((out, inner), offset) in out.iter_mut().zip(inner).zip(offset) {
            // The wall stands τ/g from the centre, and g is at most the sum of both distances; a hundredth more for rounding.
            let reach = 1.01 * FURTHEST as f32 * ((inner + own).max(0.0).sqrt() + nearest) + 0.01;
            *out = u8::from(-offset * std::f32::consts::LN_2 <= reach);
        }
    }
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

/// ⟨ε_l, ε_l − 2e_i⟩, shape (strata, m), of ε (m, rank) and e (strata, rank).
fn inner_products(epsilon: &[f64], e: &[f64], rank: usize, inner: &mut [f64]) {
    let (m, n_strata) = (epsilon.len() / rank, e.len() / rank);
    if n_strata == 1 {
        return from_one(epsilon, e, inner); // as it stands, because e may be huge
    }
    let epsilon_columns = MatRef::from_row_major_slice(epsilon, m, rank).transpose();
    let e_rows = MatRef::from_row_major_slice(e, n_strata, rank);
    matmul(MatMut::from_row_major_slice_mut(inner, n_strata, m), Accum::Replace, e_rows, epsilon_columns, -2.0, Par::Seq);
    let mut squares = vec![0.0; m];
    from_one(epsilon, &[], &mut squares);
    for inner in inner.chunks_exact_mut(m) {
        inner.iter_mut().zip(&squares).for_each(|(inner, square)| *inner += square);
    }
}

vector_fn! {
    /// ⟨ε_l, ε_l − 2e⟩ of each ε for one e; for no e at all, |ε|² of each.
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

/// Squared distances between all of `means` (m, rank) in double precision, shape (m, m).
pub fn exact_squares(means: &[f64], rank: usize) -> Vec<f64> {
    means.chunks_exact(rank).flat_map(|a| means.chunks_exact(rank).map(|b| double::squared_distance(a, b))).collect()
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
