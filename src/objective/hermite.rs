//! Products of probabilists' Hermite polynomials of total degree at most D: orthonormal under N(0, I).

/// The features of one polynomial: feature f is feature `parent[f]` times h_degree of one coordinate.
#[derive(Debug, Clone, PartialEq)]
pub struct Basis {
    pub n_features: usize,
    pub degree: usize,
    /// For every feature but the first, which is 1: the feature it extends, and the factor's coordinate and degree.
    steps: Vec<(usize, usize, usize)>,
}

impl Basis {
    /// All products in `n_features` coordinates of total degree at most `degree`: C(n_features + degree, degree).
    pub fn new(n_features: usize, degree: usize) -> Self {
        let mut steps = Vec::new();
        // (feature, its degree, the last coordinate that it contains)
        let mut grown = vec![(0, 0, None)];
        let mut at = 0;
        while at < grown.len() {
            let (feature, used, last) = grown[at];
            for c in last.map_or(0, |c| c + 1)..n_features {
                for power in 1..=degree - used {
                    steps.push((feature, c, power));
                    grown.push((steps.len(), used + power, Some(c)));
                }
            }
            at += 1;
        }
        Self { n_features, degree, steps }
    }

    /// The largest degree up to `degree` with at most `most` features.
    pub fn within(n_features: usize, degree: usize, most: usize) -> Self {
        let fits = (1..=degree).rev().find(|degree| count(n_features, *degree) <= most as f64).unwrap_or(1);
        Self::new(n_features, fits)
    }

    /// For every feature but the first, which is 1: the feature it extends, and the factor's coordinate and degree.
    pub fn steps(&self) -> &[(usize, usize, usize)] {
        &self.steps
    }

    /// The number of features.
    pub fn len(&self) -> usize {
        self.steps.len() + 1
    }

    /// Always false: the constant is a feature.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// Features of one point z, in plain loops: the definition.
    pub fn features(&self, z: &[f64]) -> Vec<f64> {
        let mut out = vec![1.0; self.len()];
        for (f, (parent, c, power)) in self.steps.iter().enumerate() {
            out[f + 1] = out[*parent] * hermite(*power, z[*c]);
        }
        out
    }

    /// Features of `m` points, columns of leading dimension `m`: `z` (n_features, m) to `out` (len, m); `factors` is scratch.
    #[inline(always)]
    pub fn columns(&self, z: &[f32], m: usize, factors: &mut Vec<f32>, out: &mut [f32]) {
        let depth = self.degree + 1;
        factors.resize(self.n_features * depth * m, 0.0);
        for (z, factors) in z.chunks_exact(m).zip(factors.chunks_exact_mut(depth * m)) {
            factors[..m].fill(1.0);
            factors[m..2 * m].copy_from_slice(z);
            for n in 1..self.degree {
                // √(n+1)·h_{n+1} = z·h_n − √n·h_{n−1}
                let (before, after) = factors.split_at_mut((n + 1) * m);
                let (a, b) = (1.0 / ((n + 1) as f32).sqrt(), (n as f32 / (n + 1) as f32).sqrt());
                for (((out, z), h), older) in after[..m].iter_mut().zip(z).zip(&before[n * m..]).zip(&before[(n - 1) * m..]) {
                    *out = a * z * h - b * older;
                }
            }
        }
        out[..m].fill(1.0);
        for (f, (parent, c, power)) in self.steps.iter().enumerate() {
            let (before, after) = out.split_at_mut((f + 1) * m);
            let factor = &factors[(c * depth + power) * m..][..m];
            for ((out, parent), factor) in after[..m].iter_mut().zip(&before[parent * m..][..m]).zip(factor) {
                *out = parent * factor;
            }
        }
    }
}

/// C(n + degree, degree) as a float, because it may be large.
fn count(n: usize, degree: usize) -> f64 {
    (1..=degree).map(|i| (n + i) as f64 / i as f64).product()
}

/// He_n(z)/√n!.
fn hermite(n: usize, z: f64) -> f64 {
    let (mut older, mut h) = (0.0, 1.0);
    for i in 0..n {
        (older, h) = (h, (z * h - (i as f64).sqrt() * older) / ((i + 1) as f64).sqrt());
    }
    h
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_values() {
        assert_eq!(Basis::new(10, 3).len(), 286);
        assert_eq!(Basis::new(20, 2).len(), 231);
        assert_eq!(Basis::within(20, 3, 400).degree, 2);
        assert_eq!(Basis::within(2000, 3, 400).degree, 1);
        let z: f64 = 0.7;
        for (n, exact) in [1.0, z, (z * z - 1.0) / 2f64.sqrt(), (z.powi(3) - 3.0 * z) / 6f64.sqrt()].into_iter().enumerate() {
            assert!((hermite(n, z) - exact).abs() <= 1e-15, "degree {n}");
        }
    }

    #[test]
    fn columns_are_the_features() {
        let (basis, m) = (Basis::new(3, 4), 5);
        let z: Vec<f32> = (0..3 * m).map(|i| (i as f32 * 0.77).sin() * 3.0).collect();
        let (mut out, mut factors) = (vec![0.0; basis.len() * m], Vec::new());
        basis.columns(&z, m, &mut factors, &mut out);
        for s in 0..m {
            let exact = basis.features(&[z[s], z[m + s], z[2 * m + s]].map(f64::from));
            for (f, exact) in exact.iter().enumerate() {
                let err = (f64::from(out[f * m + s]) - exact).abs();
                assert!(err <= 1e-5 * (1.0 + exact.abs()), "feature {f}: a few roundings of up to 3⁴");
            }
        }
    }

    /// ∫ h_f h_g φ = δ_fg, by a fine grid in one coordinate.
    #[test]
    fn they_are_orthonormal() {
        for a in 0..5 {
            for b in 0..5 {
                let inner: f64 = (-800..=800)
                    .map(|i| f64::from(i) * 0.0125)
                    .map(|z| hermite(a, z) * hermite(b, z) * (-0.5 * z * z).exp() * 0.0125 / (2.0 * std::f64::consts::PI).sqrt())
                    .sum();
                let want = if a == b { 1.0 } else { 0.0 };
                assert!((inner - want).abs() <= 1e-9, "{a}, {b}: {inner}");
            }
        }
    }
}
