//! Posterior moments of the component mean under responsibilities r: M = Σ rᵢμᵢ and C = Σ rᵢ(μᵢ−M)(μᵢ−M)ᵀ.
//!
//! GPU twin: `shaders/posterior.wgsl`.

use super::Components;

/// M, shape (rank).
pub(crate) fn mean(p: &Components, r: &[f64], out: &mut [f64]) {
    out.fill(0.0);
    for (i, r) in r.iter().enumerate() {
        for (o, m) in out.iter_mut().zip(p.mean(i)) {
            *o += r * m;
        }
    }
}

/// out += factor · C v, given M.
pub(crate) fn add_covariance_times(p: &Components, r: &[f64], m: &[f64], v: &[f64], factor: f64, out: &mut [f64]) {
    for (i, r) in r.iter().enumerate() {
        let along: f64 = p.mean(i).iter().zip(m).zip(v).map(|((mu, m), v)| (mu - m) * v).sum();
        for ((o, mu), m) in out.iter_mut().zip(p.mean(i)).zip(m) {
            *o += factor * r * along * (mu - m);
        }
    }
}

/// The quantities at one point: responsibilities and posterior means of both mixtures, and a = M − N.
#[derive(Debug, Clone)]
pub struct Point {
    /// r, shape (k).
    pub r: Vec<f64>,
    /// ρ, shape (K).
    pub rho: Vec<f64>,
    /// M, shape (rank).
    pub m: Vec<f64>,
    /// N, shape (rank).
    pub n: Vec<f64>,
    /// a, shape (rank).
    pub a: Vec<f64>,
}

impl Point {
    /// The point x under student p and teacher q.
    pub fn at(p: &Components, q: &Components, x: &[f64]) -> Self {
        let (mut r, mut rho) = (vec![0.0; p.len()], vec![0.0; q.len()]);
        super::density::responsibilities(p, x, &mut r);
        super::density::responsibilities(q, x, &mut rho);
        let (mut m, mut n) = (vec![0.0; p.rank], vec![0.0; p.rank]);
        mean(p, &r, &mut m);
        mean(q, &rho, &mut n);
        let a = m.iter().zip(&n).map(|(m, n)| m - n).collect();
        Self { r, rho, m, n, a }
    }

    /// ½|a|².
    pub fn half_square(&self) -> f64 {
        0.5 * self.a.iter().map(|a| a * a).sum::<f64>()
    }
}
