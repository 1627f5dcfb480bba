//! One mixture as the strata of a patch see it: differences to the patch's origin, and a table of strata by components.

use std::sync::Arc;

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};

use super::lists::List;
use super::pair::Mixture;
use super::strips::faint;
use crate::mixture::squared_distance;
use crate::objective::estimator::FURTHEST;
use crate::vector::{Buffer, vector_fn};

/// The offset of a component that a stratum does not use: far below any other, and finite.
const NOWHERE: f32 = -1e30;

/// How ⟨μ_l − M, μᵢ − M⟩ is computed from responsibilities.
#[derive(Debug, Clone)]
pub(super) enum InnerProducts {
    /// M first, then its products with all components: 4ϱm operations a sample.
    FromMeans,
    /// ½((Dr)_l − D_il + Σ r D_i − rᵀDr) with D the squared distances (m, m) of the components: 2m² operations a sample.
    FromDistances(Arc<Vec<f32>>),
}

/// One mixture in a patch.
pub(super) struct Table {
    /// Components in the list.
    pub m: usize,
    /// o, shape (rank).
    pub origin: Vec<f64>,
    /// ε, shape (m, rank).
    pub epsilon: Vec<f32>,
    /// ε in double precision, if the patch has several strata.
    wide: Vec<f64>,
    /// e, shape (strata, rank).
    pub centre: Vec<f32>,
    /// ⟨ε_l, ε_l − 2e_i⟩ less that of the dominant component, shape (strata, m).
    pub inner: Vec<f32>,
    /// log₂ of w_l exp(−inner/2) relative to the dominant component, shape (strata, m).
    pub offset: Vec<f32>,
    /// The value that was subtracted from `inner`, shape (strata).
    pub level: Vec<f32>,
    /// The natural logarithm of the dominant component's term: ln w − ½⟨ε, ε − 2e⟩, shape (strata).
    pub top: Vec<f64>,
    /// Log₂ of the largest responsibility that may be left out.
    pub faint: f32,
    pub products: InnerProducts,
}

impl Table {
    /// The table for the components `list` of a mixture and the strata at `centres` (strata, rank), each of which uses only its `own` part
    /// of the list. `origin` is that of the patch; for one stratum it may be left out, and is then the component that dominates at the
    /// centre.
    pub(super) fn new(
        mixture: &Mixture,
        list: &List,
        own: &[Option<&[u32]>],
        centres: &[f64],
        origin: Option<&[f64]>,
        products: InnerProducts,
    ) -> Self {
        let (rank, m) = (mixture.rank, list.as_ref().map_or(mixture.len(), Vec::len));
        let component = |l: usize| list.as_ref().map_or(l, |list| list[l] as usize);
        let mean = |l: usize| mixture.mean(component(l));
        let log_weight: Vec<f64> = (0..m).map(|l| mixture.log_weights[component(l)]).collect();
        let origin = origin.unwrap_or_else(|| {
            let logits: Vec<f64> = (0..m).map(|l| log_weight[l] - 0.5 * squared_distance(mean(l), centres)).collect();
            mean(dominant(&logits))
        });
        let n_strata = centres.len() / rank;
        let e: Vec<f64> = centres.chunks_exact(rank).flat_map(|centre| centre.iter().zip(origin).map(|(c, o)| c - o)).collect();
        let mut wide = vec![0.0; m * rank];
        let mut epsilon = vec![0.0f32; m * rank];
        let mut inner = vec![0.0f64; n_strata * m]; // row-major by strata
        differences(m, &mean, origin, &mut wide, &mut epsilon);
        inner_products(&wide, &e, rank, &mut inner);
        let (mut narrow, mut offset) = (vec![0.0; n_strata * m], vec![0.0; n_strata * m]);
        let (mut level, mut top) = (Vec::new(), Vec::new());
        let mut logits = vec![0.0; m];
        for (i, (inner, (narrow, offset))) in
            inner.chunks_exact(m).zip(narrow.chunks_exact_mut(m).zip(offset.chunks_exact_mut(m))).enumerate()
        {
            logits_of(&log_weight, inner, &mut logits);
            // A component that only other strata of the patch use has weight zero here.
            let own = own[i].filter(|own| own.len() < m);
            let foreign = |l: usize| own.is_some_and(|own| own.binary_search(&(component(l) as u32)).is_err());
            if own.is_some() {
                (0..m).filter(|l| foreign(*l)).for_each(|l| logits[l] = f64::NEG_INFINITY);
            }
            let best = dominant(&logits);
            level.push(inner[best] as f32);
            top.push(logits[best]);
            relative(inner, &logits, best, narrow, offset);
        }
        let centre = e.iter().map(|e| *e as f32).collect();
        let wide = if n_strata > 1 { wide } else { Vec::new() };
        Self { m, faint: faint(&narrow), origin: origin.to_vec(), epsilon, wide, centre, inner: narrow, offset, level, top, products }
    }

    /// The components of `list` whose walls may be within reach of stratum i: all that [`Blend::new`] needs, and few others.
    pub(super) fn near(&self, i: usize, list: &List) -> Vec<u32> {
        let (inner, offset) = (&self.inner[i * self.m..][..self.m], &self.offset[i * self.m..][..self.m]);
        let centre: f32 = self.centre[i * self.origin.len()..][..self.origin.len()].iter().map(|e| e * e).sum();
        let mut within = vec![0; self.m];
        reached(inner, offset, self.level[i] + centre, &mut within);
        let chosen = within.iter().enumerate().filter(|(_, within)| **within != 0);
        chosen.map(|(l, _)| list.as_ref().map_or(l as u32, |list| list[l])).collect()
    }

    /// ε of the components `kept`, shape (kept, rank).
    pub(super) fn epsilon_of<'a>(&'a self, kept: &[u32], buffer: &'a mut Buffer) -> &'a [f32] {
        columns(&self.epsilon, self.origin.len(), kept, buffer)
    }

    /// `inner` of the components `kept`, shape (strata, kept).
    pub(super) fn inner_of<'a>(&'a self, kept: &[u32], buffer: &'a mut Buffer) -> &'a [f32] {
        entries(&self.inner, self.m, 0..self.level.len(), kept, buffer)
    }

    /// The part of `squares` (m, m) that belongs to the components `kept`.
    pub(super) fn squares_of<'a>(&self, squares: &'a [f32], kept: &[u32], buffer: &'a mut Buffer) -> &'a [f32] {
        entries(squares, self.m, kept.iter().map(|l| *l as usize), kept, buffer)
    }

    /// o + Σ a_l ε_l, shape (n, rank), for n sets of coefficients (n, m), each of which sums to one.
    pub(super) fn combine(&self, a: &[f64]) -> Vec<f64> {
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

/// The runs `kept` of `from` (m, length); `from` itself if all are kept.
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

/// The entries `kept` of the given rows of `from` (n, m), shape (rows, kept); `from` itself if all are kept.
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

/// The component with the largest logit; the first if numbers are not finite.
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
    /// `inner` and log₂ of the logits' exponentials, both relative to component `best`.
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
    /// Non-zero if a component's wall may be within reach, from `inner` and `offset` of a stratum whose dominant component is √`own` away.
    fn reached(inner: &[f32], offset: &[f32], own: f32, out: &mut [u8]) {
        let nearest = own.max(0.0).sqrt();
        for ((out, inner), offset) in out.iter_mut().zip(inner).zip(offset) {
            // The wall stands τ/g from the centre, and g is at most the sum of both distances. One per cent is added for rounding.
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
        return from_one(epsilon, e, inner); // directly, because e may be huge
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
    /// ⟨ε_l, ε_l − 2e⟩ for one e, or |ε_l|² if `e` is empty.
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
    pub(super) fn add_combination(a: &[f64], epsilon: &[f32], out: &mut [f64]) {
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
