//! Log-density, score and responsibilities of mixtures with covariances of any kind, at given points.
//!
//! As in `evaluate`: differences first, in double precision, x − μ_l before it is whitened; logits relative to that of the component that
//! dominates at the point, by differences of whitened vectors where the squares are so large that their own rounding shows; exponentials
//! in single precision.

use rayon::prelude::*;

use super::evaluate::{MOST_TURNS, PLAIN, relative_logits, softmax};
use crate::backend::{Evaluation, Points};
use crate::mixture::{Factor, Mixture};
use crate::vector::vector_fn;

/// Points of a tile: the columns of sixteen coordinates lie in the first-level cache.
const TILE: usize = 128;

/// What `Backend::evaluate` promises.
pub(super) fn evaluate(mixture: &Mixture, points: Points, responsibilities: bool) -> Evaluation {
    let d = mixture.n_features();
    let peaks = mixture.log_peaks();
    let tiles: Vec<Evaluation> = (0..points.len())
        .into_par_iter()
        .step_by(TILE * d)
        .map(|first| points.range(first..points.len().min(first + TILE * d)).to_f64())
        .map(|tile| Tile::of(&tile, d).evaluate(mixture, &peaks, responsibilities))
        .collect();
    let mut out = Evaluation { log_density: Vec::new(), score: Vec::new(), responsibilities: Vec::new() };
    for tile in tiles {
        out.log_density.extend(tile.log_density);
        out.score.extend(tile.score);
        out.responsibilities.extend(tile.responsibilities);
    }
    out
}

/// Points by columns (d, n), and scratch of that shape.
struct Tile {
    n: usize,
    d: usize,
    x: Vec<f64>,
    /// x − μ_l of the component at hand.
    e: Vec<f64>,
    /// R_l e.
    w: Vec<f64>,
}

impl Tile {
    /// Of points (n, d).
    fn of(points: &[f64], d: usize) -> Tile {
        let n = points.len() / d;
        let mut x = vec![0.0; n * d];
        for (s, point) in points.chunks_exact(d).enumerate() {
            point.iter().enumerate().for_each(|(c, v)| x[c * n + s] = *v);
        }
        Tile { n, d, x, e: vec![0.0; n * d], w: vec![0.0; n * d] }
    }

    fn evaluate(mut self, mixture: &Mixture, peaks: &[f64], responsibilities: bool) -> Evaluation {
        let (k, n, d) = (mixture.n_components(), self.n, self.d);
        let mut logits = vec![0.0; k * n]; // squares of whitened differences at first
        for (l, squares) in logits.chunks_exact_mut(n).enumerate() {
            self.whiten(mixture, l);
            add_squares(&self.w, squares);
        }
        let (mut peak, mut dominant) = (vec![0.0; n], vec![0; n]);
        relative_logits(&mut logits, peaks, 0.5, &mut peak, &mut dominant);
        for s in 0..n {
            if peak[s].abs() > 0.5 * PLAIN {
                let x: Vec<f64> = (0..d).map(|c| self.x[c * n + s]).collect();
                (peak[s], dominant[s]) = refine(mixture, peaks, &x, dominant[s], &mut logits[s..], n);
            }
        }
        let (mut r, mut mass) = (vec![0.0f32; k * n], vec![0.0; n]);
        softmax(&logits, &mut r, &mut mass);
        let constant = 0.5 * d as f64 * (2.0 * std::f64::consts::PI).ln();
        let mut score = vec![0.0; n * d]; // by columns
        for (l, r) in r.chunks_exact(n).enumerate() {
            if r.iter().any(|r| *r > 0.0) {
                self.whiten(mixture, l);
                pull(mixture.factor(l), &mut self.w, r, &mut score);
            }
        }
        let mut out = Evaluation { log_density: Vec::with_capacity(n), score: Vec::with_capacity(n * d), responsibilities: Vec::new() };
        for s in 0..n {
            out.log_density.push(peak[s] + mass[s].ln() - constant);
            out.score.extend((0..d).map(|c| score[c * n + s]));
            if responsibilities {
                out.responsibilities.extend(r[s..].iter().step_by(n).map(|r| f64::from(*r)));
            }
        }
        out
    }

    /// w = R_l(x − μ_l) for all points.
    fn whiten(&mut self, mixture: &Mixture, l: usize) {
        match mixture.factor(l) {
            Factor::Spherical(deviation) => scaled_differences(&self.x, mixture.mean(l), &[1.0 / deviation], self.n, &mut self.w),
            Factor::Diagonal(deviations) => {
                let precisions: Vec<f64> = deviations.iter().map(|s| 1.0 / s).collect();
                scaled_differences(&self.x, mixture.mean(l), &precisions, self.n, &mut self.w);
            }
            Factor::Lower { r, .. } => {
                scaled_differences(&self.x, mixture.mean(l), &[1.0], self.n, &mut self.e);
                lower_product(r, &self.e, self.n, &mut self.w);
            }
        }
    }
}

vector_fn! {
    /// out (d, n) = (x − μ)·scale for columns x (d, n), a scale for each coordinate or one for all.
    fn scaled_differences(x: &[f64], mean: &[f64], scale: &[f64], n: usize, out: &mut [f64]) {
        for (c, ((out, x), mean)) in out.chunks_exact_mut(n).zip(x.chunks_exact(n)).zip(mean).enumerate() {
            let scale = scale[c.min(scale.len() - 1)];
            out.iter_mut().zip(x).for_each(|(out, x)| *out = (x - mean) * scale);
        }
    }
}

vector_fn! {
    /// out (d, n) = R e for lower R (d, d) and columns e (d, n).
    fn lower_product(r: &[f64], e: &[f64], n: usize, out: &mut [f64]) {
        let d = e.len() / n;
        out.fill(0.0);
        for (a, out) in out.chunks_exact_mut(n).enumerate() {
            for (r, e) in r[a * d..=a * d + a].iter().zip(e.chunks_exact(n)) {
                out.iter_mut().zip(e).for_each(|(out, e)| *out += r * e);
            }
        }
    }
}

vector_fn! {
    /// squares (n) += Σ w² over the columns of w (d, n).
    fn add_squares(w: &[f64], squares: &mut [f64]) {
        for w in w.chunks_exact(squares.len()) {
            squares.iter_mut().zip(w).for_each(|(square, w)| *square += w * w);
        }
    }
}

/// score (d, n) −= r·Rᵀw for whitened columns w (d, n), which are used up.
fn pull(factor: Factor, w: &mut [f64], r: &[f32], score: &mut [f64]) {
    let n = r.len();
    weigh(r, w);
    match factor {
        Factor::Spherical(deviation) => subtract(w, &[1.0 / deviation], n, score),
        Factor::Diagonal(deviations) => subtract(w, &deviations.iter().map(|s| 1.0 / s).collect::<Vec<f64>>(), n, score),
        Factor::Lower { r, .. } => subtract_transposed(r, w, n, score),
    }
}

vector_fn! {
    /// w (d, n) times r (n).
    fn weigh(r: &[f32], w: &mut [f64]) {
        for w in w.chunks_exact_mut(r.len()) {
            w.iter_mut().zip(r).for_each(|(w, r)| *w *= f64::from(*r));
        }
    }
}

vector_fn! {
    /// score (d, n) −= scale·w.
    fn subtract(w: &[f64], scale: &[f64], n: usize, score: &mut [f64]) {
        for (c, (score, w)) in score.chunks_exact_mut(n).zip(w.chunks_exact(n)).enumerate() {
            let scale = scale[c.min(scale.len() - 1)];
            score.iter_mut().zip(w).for_each(|(score, w)| *score -= scale * w);
        }
    }
}

vector_fn! {
    /// score (d, n) −= Rᵀw for lower R (d, d).
    fn subtract_transposed(r: &[f64], w: &[f64], n: usize, score: &mut [f64]) {
        let d = w.len() / n;
        for (b, score) in score.chunks_exact_mut(n).enumerate() {
            for (a, w) in w.chunks_exact(n).enumerate().skip(b) {
                let r = r[a * d + b];
                score.iter_mut().zip(w).for_each(|(score, w)| *score -= r * w);
            }
        }
    }
}

/// The relative logits of one far point anew, which lie `stride` apart, by differences of whitened vectors: the logit and the number of the
/// component that dominates.
fn refine(mixture: &Mixture, peaks: &[f64], x: &[f64], dominant: usize, logits: &mut [f64], stride: usize) -> (f64, usize) {
    let (k, d) = (mixture.n_components(), x.len());
    let white = |l: usize, a: &[f64], b: &[f64]| {
        let (e, mut w) = (a.iter().zip(b).map(|(a, b)| a - b).collect::<Vec<f64>>(), vec![0.0; d]);
        mixture.factor(l).whiten(&e, &mut w);
        w
    };
    let own: Vec<Vec<f64>> = (0..k).map(|l| white(l, x, mixture.mean(l))).collect();
    let mut b = dominant;
    for turn in 0..MOST_TURNS {
        let mut next = b;
        logits[b * stride] = 0.0;
        for l in (0..k).filter(|l| *l != b) {
            let (turned, moved) = (white(l, x, mixture.mean(b)), white(l, mixture.mean(b), mixture.mean(l)));
            let squares: f64 = (0..d).map(|a| ((turned[a] - own[b][a]) + moved[a]) * (own[l][a] + own[b][a])).sum();
            logits[l * stride] = peaks[l] - peaks[b] - 0.5 * squares;
            if logits[l * stride] > logits[next * stride] {
                next = l;
            }
        }
        if next == b {
            break;
        }
        if turn + 1 == MOST_TURNS {
            // By rounding each of some may dominate the next: relative to the largest all the same.
            let peak = logits[next * stride];
            (0..k).for_each(|l| logits[l * stride] -= peak);
            return (peaks[b] - 0.5 * own[b].iter().map(|w| w * w).sum::<f64>() + peak, next);
        }
        b = next;
    }
    (peaks[b] - 0.5 * own[b].iter().map(|w| w * w).sum::<f64>(), b)
}
