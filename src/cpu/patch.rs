//! A patch: a few strata that share one origin and one list of components, and both mixtures as they see them.
//!
//! With o the origin, ε_l = μ_l − o and e_i = μᵢ − o, log-responsibilities at x = μᵢ + z are, up to a constant of the row,
//! ⟨z, ε_l⟩ + ln w_l − ½⟨ε_l, ε_l − 2e_i⟩. Products with ε serve all strata of the patch; the rest is a table of strata by
//! components. Differences and tables come from double precision, and a stratum's table is relative to the component that
//! dominates at its centre, so nothing large is cancelled in single precision.

use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;

use super::session::Pair;
use super::vector::vector_fn;
use crate::mixture::squared_distance;
use crate::objective::divergence::Side;

/// Strata of a patch at the most, and the rows that they may have together.
const MOST_STRATA: usize = 16;
const MOST_ROWS: usize = 512;

/// Distance between strata that may share an origin: rounding is about 6e-8 of its square with two products, and of the distance
/// itself in Gram form.
const RADIUS: f64 = 16.0;
const RADIUS_GRAM: f64 = 64.0;

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
    /// e, shape (strata, rank).
    pub centre: Vec<f32>,
    /// ⟨ε_l, ε_l − 2e_i⟩ less that of the component that dominates, shape (strata, m).
    pub inner: Vec<f32>,
    /// log₂ of w_l exp(−inner/2) relative to that component, shape (strata, m).
    pub offset: Vec<f32>,
    pub form: Form,
}

/// Both sides of a patch.
pub struct Patch {
    pub strata: Range<usize>,
    pub sides: [Table; 2],
}

/// Cuts the strata into patches: runs with the same lists whose means are near each other.
pub fn plan(means: &[f64], rank: usize, rows_per_stratum: usize, lists: &[[List; 2]], gram: bool) -> Vec<Range<usize>> {
    let k = means.len() / rank;
    let most = (MOST_ROWS / rows_per_stratum).clamp(1, MOST_STRATA);
    let radius = if gram { RADIUS_GRAM } else { RADIUS };
    let mean = |i: usize| &means[i * rank..(i + 1) * rank];
    let mut out: Vec<Range<usize>> = Vec::new();
    for i in 0..k {
        match out.last_mut() {
            Some(last)
                if last.len() < most
                    && (lists.is_empty() || lists[last.start] == lists[i])
                    && squared_distance(mean(last.start), mean(i)) <= radius * radius =>
            {
                last.end = i + 1;
            }
            _ => out.push(i..i + 1),
        }
    }
    out
}

impl Patch {
    /// The tables of some strata. `lists` as [`plan`] had them; a form is had from the number of components.
    pub fn new(pair: &Pair, strata: Range<usize>, lists: &[[List; 2]], form: impl Fn(Side, &List) -> Form) -> Self {
        let rank = pair.rank;
        let centres = &pair.p.1[strata.start * rank..strata.end * rank];
        let middle = (strata.len() > 1).then(|| {
            let share = 1.0 / strata.len() as f64;
            (0..rank).map(|c| centres.iter().skip(c).step_by(rank).sum::<f64>() * share).collect::<Vec<f64>>()
        });
        let side = |at: usize, side: Side| {
            let list = if lists.is_empty() { &None } else { &lists[strata.start][at] };
            Table::new(pair.side(side), rank, list, centres, middle.as_deref(), form(side, list))
        };
        let sides = [side(0, Side::Student), side(1, Side::Teacher)];
        Self { strata, sides }
    }
}

impl Table {
    fn new((weights, means): (&[f64], &[f64]), rank: usize, list: &List, centres: &[f64], origin: Option<&[f64]>, form: Form) -> Self {
        let m = list.as_ref().map_or(weights.len(), Vec::len);
        let component = |l: usize| list.as_ref().map_or(l, |list| list[l] as usize);
        let mean = |l: usize| &means[component(l) * rank..][..rank];
        let origin = origin.unwrap_or_else(|| mean(dominant(m, |l| weights[component(l)].ln() - 0.5 * squared_distance(mean(l), centres))));
        let n_strata = centres.len() / rank;
        let e: Vec<f64> = centres.chunks_exact(rank).flat_map(|centre| centre.iter().zip(origin).map(|(c, o)| c - o)).collect();
        let (mut difference, mut epsilon) = (vec![0.0; rank], vec![0.0f32; m * rank]);
        let mut inner = vec![0.0f64; n_strata * m]; // component by component, stratum inside
        for ((l, epsilon), inner) in epsilon.chunks_exact_mut(rank).enumerate().zip(inner.chunks_exact_mut(n_strata)) {
            differences(mean(l), origin, &e, &mut difference, epsilon, inner);
        }
        let log_weight: Vec<f64> = (0..m).map(|l| weights[component(l)].ln()).collect();
        let (mut narrow, mut offset) = (Vec::with_capacity(n_strata * m), Vec::with_capacity(n_strata * m));
        for i in 0..n_strata {
            let best = dominant(m, |l| log_weight[l] - 0.5 * inner[l * n_strata + i]);
            for l in 0..m {
                let relative = inner[l * n_strata + i] - inner[best * n_strata + i];
                narrow.push(relative as f32);
                offset.push(((log_weight[l] - log_weight[best] - 0.5 * relative) * std::f64::consts::LOG2_E) as f32);
            }
        }
        let centre = e.iter().map(|e| *e as f32).collect();
        Self { m, origin: origin.to_vec(), epsilon, centre, inner: narrow, offset, form }
    }

    /// o + Σ a_l ε_l, shape (rank), for coefficients that sum to one.
    pub fn combine(&self, a: &[f64], out: &mut [f64]) {
        out.copy_from_slice(&self.origin);
        add_combination(a, &self.epsilon, out);
    }
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

vector_fn! {
    /// ε = mean − origin in both precisions, and ⟨ε, ε − 2e⟩ for each stratum's e (strata, rank).
    fn differences(mean: &[f64], origin: &[f64], e: &[f64], difference: &mut [f64], epsilon: &mut [f32], inner: &mut [f64]) {
        for (((d, narrow), mean), origin) in difference.iter_mut().zip(epsilon).zip(mean).zip(origin) {
            *d = mean - origin;
            *narrow = *d as f32;
        }
        for (inner, e) in inner.iter_mut().zip(e.chunks_exact(difference.len())) {
            let mut sum = [0.0f64; 8];
            let (mut d, mut e) = (difference.chunks_exact(8), e.chunks_exact(8));
            for (d, e) in (&mut d).zip(&mut e) {
                for i in 0..8 {
                    sum[i] = d[i].mul_add(d[i] - 2.0 * e[i], sum[i]);
                }
            }
            for (i, (d, e)) in d.remainder().iter().zip(e.remainder()).enumerate() {
                sum[i] = d.mul_add(d - 2.0 * e, sum[i]);
            }
            *inner = ((sum[0] + sum[4]) + (sum[2] + sum[6])) + ((sum[1] + sum[5]) + (sum[3] + sum[7]));
        }
    }
}

vector_fn! {
    /// out += Σ a_l ε_l.
    fn add_combination(a: &[f64], epsilon: &[f32], out: &mut [f64]) {
        for (a, epsilon) in a.iter().zip(epsilon.chunks_exact(out.len())) {
            for (o, e) in out.iter_mut().zip(epsilon) {
                *o = a.mul_add(f64::from(*e), *o);
            }
        }
    }
}

vector_fn! {
    /// Squared distances of `mean` to each of `means`.
    fn distances(mean: &[f64], means: &[f64], out: &mut [f32]) {
        for (out, other) in out.iter_mut().zip(means.chunks_exact(mean.len())) {
            let mut sum = [0.0f64; 8];
            let (mut a, mut b) = (mean.chunks_exact(8), other.chunks_exact(8));
            for (a, b) in (&mut a).zip(&mut b) {
                for i in 0..8 {
                    sum[i] = (a[i] - b[i]).mul_add(a[i] - b[i], sum[i]);
                }
            }
            for (i, (a, b)) in a.remainder().iter().zip(b.remainder()).enumerate() {
                sum[i] = (a - b).mul_add(a - b, sum[i]);
            }
            *out = (((sum[0] + sum[4]) + (sum[2] + sum[6])) + ((sum[1] + sum[5]) + (sum[3] + sum[7]))) as f32;
        }
    }
}

/// Squared distances between all of `means` (m, rank), shape (m, m).
pub fn squared_distances(means: &[f64], rank: usize) -> Arc<Vec<f32>> {
    let m = means.len() / rank;
    let mut out = vec![0.0f32; m * m];
    out.par_chunks_exact_mut(m).zip(means.par_chunks_exact(rank)).for_each(|(row, mean)| distances(mean, means, row));
    Arc::new(out)
}
