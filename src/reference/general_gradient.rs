//! What one sample adds to the gradient of an objective with respect to the parameters of a mixture with covariances of any kind.
//!
//! With Λ = Σ⁻¹, u_l = Λ_l(μ_l − x), s = Σ r_l u_l, H = Σ r_l (u_l−s)(u_l−s)ᵀ − Σ r_lΛ_l, and the same of q; δ = s_p − s_q. A sample of the
//! student's stratum i, for the reverse objectives:
//!
//! ```text
//!                 ∇W                                  ∇²W, symmetrised                W
//! KL              δ                                   −uᵢδᵀ                           log p − log q
//! Fisher (Stein)  f = H_p(uᵢ−s_p) − H_q(uᵢ−s_q)       Λᵢ(H_p−H_q) − uᵢfᵀ              ½|uᵢ−s_q|² − ½|uᵢ−s_p|²
//! ```
//!
//! A sample of a teacher's stratum, for the forward ones, with cᵢ = ⟨uᵢ−s_p, δ⟩:
//!
//! ```text
//!                 ∂/∂μᵢ                  ∂/∂Σᵢ                                              ∂/∂logitᵢ
//! KL              rᵢuᵢ                   −½rᵢ(uᵢuᵢᵀ−Λᵢ)                                     wᵢ − rᵢ
//! Fisher          rᵢ(Λᵢδ − cᵢuᵢ)         ½rᵢcᵢ(uᵢuᵢᵀ−Λᵢ) − rᵢ sym(Λᵢδuᵢᵀ)                   rᵢcᵢ
//! ```

use super::general::{Point, at};
use crate::mixture::Mixture;
use crate::objective::general::{Objective, Parameters};

/// A student's parameters and what is fixed while samples are added: the inverse covariances.
pub(crate) struct General<'a> {
    p: &'a Mixture,
    q: &'a Mixture,
    pub parameters: Parameters,
    /// (k, d, d)
    precisions: Vec<f64>,
    /// (K, d, d)
    teacher_precisions: Vec<f64>,
}

/// One side at one point.
struct Seen {
    point: Point,
    /// u_l, shape (k, d).
    pulls: Vec<f64>,
    /// H, shape (d, d).
    hessian: Vec<f64>,
}

impl<'a> General<'a> {
    pub(crate) fn new(p: &'a Mixture, q: &'a Mixture) -> General<'a> {
        let parameters = Parameters { k: p.n_components(), d: p.n_features(), kind: p.covariance_kind() };
        General { p, q, parameters, precisions: precisions(p), teacher_precisions: precisions(q) }
    }

    /// gradient (of all [`Parameters`]) += weight·(what x, of component `i` of the objective's side, says); returns the integrand of the
    /// objective.
    pub(crate) fn add(&self, objective: Objective, i: usize, x: &[f64], weight: f64, gradient: &mut [f64]) -> f64 {
        let (p, q) = (seen(self.p, &self.precisions, x), seen(self.q, &self.teacher_precisions, x));
        let delta = minus(&p.point.score, &q.point.score);
        match objective {
            Objective::Reverse | Objective::ReverseKl => self.add_own(objective, i, (&p, &q), &delta, weight, gradient),
            Objective::Forward | Objective::ForwardKl => self.add_all(objective, &p, &delta, weight, gradient),
        }
        match objective {
            Objective::Reverse | Objective::Forward => 0.5 * inner(&delta, &delta),
            Objective::ReverseKl => p.point.log_density - q.point.log_density,
            Objective::ForwardKl => q.point.log_density - p.point.log_density,
        }
    }

    /// The reverse objectives: a sample of stratum i speaks of component i, and of the weights.
    fn add_own(&self, objective: Objective, i: usize, (p, q): (&Seen, &Seen), delta: &[f64], weight: f64, gradient: &mut [f64]) {
        let (d, w) = (self.parameters.d, self.p.weights());
        let (pull, precision) = (&p.pulls[i * d..][..d], &self.precisions[i * d * d..][..d * d]);
        let (g, second, energy) = if objective == Objective::ReverseKl {
            let second = (0..d * d).map(|at| -pull[at / d] * delta[at % d]).collect();
            (delta.to_vec(), second, p.point.log_density - q.point.log_density)
        } else {
            let (from_p, from_q) = (minus(pull, &p.point.score), minus(pull, &q.point.score));
            let f = minus(&times(&p.hessian, &from_p), &times(&q.hessian, &from_q));
            let difference = minus(&p.hessian, &q.hessian);
            let product = |a: usize, b: usize| (0..d).map(|c| precision[a * d + c] * difference[c * d + b]).sum::<f64>();
            let second = (0..d * d).map(|at| product(at / d, at % d) - pull[at / d] * f[at % d]).collect();
            let energy = 0.5 * inner(&from_q, &from_q) - 0.5 * inner(&from_p, &from_p);
            (f, second, energy)
        };
        gradient[i * d..][..d].iter_mut().zip(&g).for_each(|(o, g)| *o += weight * w[i] * g);
        self.parameters.add_covariance(i, &symmetric(second, d), 0.5 * weight * w[i], gradient);
        for (l, o) in gradient[self.parameters.logits()..].iter_mut().enumerate() {
            *o += weight * w[i] * energy * (f64::from(u8::from(l == i)) - w[l]);
        }
    }

    /// The forward objectives: a sample of the teacher speaks of all components.
    fn add_all(&self, objective: Objective, p: &Seen, delta: &[f64], weight: f64, gradient: &mut [f64]) {
        let (k, d) = (self.parameters.k, self.parameters.d);
        for i in 0..k {
            let (r, pull, precision) = (p.point.responsibilities[i], &p.pulls[i * d..][..d], &self.precisions[i * d * d..][..d * d]);
            let fourth = |at: usize| pull[at / d] * pull[at % d] - precision[at];
            let (mean, covariance, logit): (Vec<f64>, Vec<f64>, f64) = if objective == Objective::ForwardKl {
                let covariance = (0..d * d).map(|at| -0.5 * r * fourth(at)).collect();
                (pull.iter().map(|u| r * u).collect(), covariance, self.p.weights()[i] - r)
            } else {
                let (turned, c) = (times(precision, delta), inner(&minus(pull, &p.point.score), delta));
                let mean = turned.iter().zip(pull).map(|(t, u)| r * (t - c * u)).collect();
                let covariance = (0..d * d).map(|at| 0.5 * r * c * fourth(at) - r * turned[at / d] * pull[at % d]).collect();
                (mean, covariance, r * c)
            };
            gradient[i * d..][..d].iter_mut().zip(&mean).for_each(|(o, g)| *o += weight * g);
            self.parameters.add_covariance(i, &symmetric(covariance, d), weight, gradient);
            gradient[self.parameters.logits() + i] += weight * logit;
        }
    }
}

fn seen(mixture: &Mixture, precisions: &[f64], x: &[f64]) -> Seen {
    let (k, d, point) = (mixture.n_components(), x.len(), at(mixture, x));
    let mut pulls = vec![0.0; k * d];
    for (l, pull) in pulls.chunks_exact_mut(d).enumerate() {
        let mut w = vec![0.0; d];
        mixture.factor(l).whiten(&minus(mixture.mean(l), x), &mut w);
        mixture.factor(l).whiten_transposed(&w, pull);
    }
    let mut hessian = vec![0.0; d * d];
    for (l, r) in point.responsibilities.iter().enumerate() {
        let from = minus(&pulls[l * d..][..d], &point.score);
        for (at, h) in hessian.iter_mut().enumerate() {
            *h += r * (from[at / d] * from[at % d] - precisions[l * d * d + at]);
        }
    }
    Seen { point, pulls, hessian }
}

/// Λ_l, shape (k, d, d).
fn precisions(mixture: &Mixture) -> Vec<f64> {
    let d = mixture.n_features();
    let column = |l: usize, c: usize| {
        let unit: Vec<f64> = (0..d).map(|a| f64::from(u8::from(a == c))).collect();
        let (mut w, mut u) = (vec![0.0; d], vec![0.0; d]);
        mixture.factor(l).whiten(&unit, &mut w);
        mixture.factor(l).whiten_transposed(&w, &mut u);
        u
    };
    (0..mixture.n_components()).flat_map(|l| (0..d).flat_map(move |c| column(l, c))).collect()
}

fn minus(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

fn inner(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// A matrix (d, d) times v (d).
fn times(matrix: &[f64], v: &[f64]) -> Vec<f64> {
    matrix.chunks_exact(v.len()).map(|row| inner(row, v)).collect()
}

/// ½(A + Aᵀ) of a matrix (d, d).
fn symmetric(matrix: Vec<f64>, d: usize) -> Vec<f64> {
    (0..d * d).map(|at| 0.5 * (matrix[at] + matrix[at % d * d + at / d])).collect()
}

#[cfg(test)]
#[path = "general_gradient_tests.rs"]
mod tests;
