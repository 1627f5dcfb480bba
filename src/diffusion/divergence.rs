//! KL(p ‖ q) between two mixtures, from draws of both, so that mass that either one lacks is counted.

use rayon::prelude::*;

use super::compare::{log_density, same_dimension};
use crate::error::Result;
use crate::mixture::GaussianMixture;
use crate::mixture::sample::about;
use crate::objective::groups::Estimate;
use crate::random::normal::normal_f32;
use crate::random::streams::{Purpose, key};

/// Draws from each mixture in all, and at least from each component; with very many components there are fewer for each.
const DRAWS: usize = 100_000;
const LEAST_DRAWS: usize = 64;
const MOST_DRAWS: usize = 1_000_000;

/// KL(`p` ‖ `q`) in nats.
///
/// It is the integral of p·(r − 1 − ln r) with r = q/p, since both densities have the integral 1. The integrand is never negative, and
/// where q has mass and p has none it equals q, so mass that p lacks is counted. The points come from both, m = ½(p + q), and the integrand
/// over m is bounded except for −2 ln r where q is tiny. Every component of either is a stratum with its own draws, however small its
/// weight. Ratios are computed from logarithms, so that components 10⁶σ apart do not overflow.
///
/// # Errors
/// [`crate::Error::BadInput`] for different dimensions.
pub(crate) fn kullback_leibler(p: &GaussianMixture, q: &GaussianMixture, seed: u64) -> Result<Estimate> {
    same_dimension(p, q)?;
    let from = |mixture: &GaussianMixture, side: u32| -> Vec<(f64, Estimate)> {
        let k = mixture.n_components();
        let least = (MOST_DRAWS / k).clamp(2, LEAST_DRAWS);
        let stratum = |l: usize| {
            let weight = mixture.weights()[l];
            let n = ((DRAWS as f64 * weight) as usize).max(least);
            let values: Vec<f64> = draw(mixture, l, n, seed, side).par_chunks_exact(p.n_features()).map(|x| term(p, q, x)).collect();
            (0.5 * weight, Estimate::of_mean(&values))
        };
        (0..k).into_par_iter().map(stratum).collect()
    };
    Ok(Estimate::combine(from(p, 0).into_iter().chain(from(q, 1))))
}

/// p·(r − 1 − ln r)/m at `x`, by δ = ln r: 2(e^δ − 1 − δ)/(1 + e^δ).
fn term(p: &GaussianMixture, q: &GaussianMixture, x: &[f64]) -> f64 {
    let log_ratio = log_density(q, x) - log_density(p, x);
    if log_ratio > 1.0 {
        let inverse = (-log_ratio).exp();
        2.0 * (1.0 - (1.0 + log_ratio) * inverse) / (1.0 + inverse)
    } else {
        2.0 * (log_ratio.exp_m1() - log_ratio) / (1.0 + log_ratio.exp())
    }
}

/// `n` points (n, d) of component `l`.
fn draw(mixture: &GaussianMixture, l: usize, n: usize, seed: u64, side: u32) -> Vec<f64> {
    let (mean, scale, d) = (mixture.mean(l), mixture.variance().sqrt(), mixture.n_features());
    let key = key(seed, Purpose::LearnMeasure, side);
    let mut points = vec![0.0; n * d];
    for (i, point) in points.chunks_exact_mut(d).enumerate() {
        about(mean, (key, 0, l as u32, i as u32), point, |mean, word| mean + scale * f64::from(normal_f32(word)));
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(weights: &[f64], means: &[f64], variance: f64) -> GaussianMixture {
        GaussianMixture::new(weights.to_vec(), means.to_vec(), 1, variance).unwrap()
    }

    /// By the trapezoidal rule, in double precision and logarithms.
    fn quadrature(p: &GaussianMixture, q: &GaussianMixture) -> f64 {
        let (low, high) =
            (p.means().iter().fold(0.0, |a: f64, m| a.min(*m)) - 40.0, p.means().iter().fold(0.0, |a: f64, m| a.max(*m)) + 40.0);
        let step = 2e-3;
        let n = ((high - low) / step) as usize;
        (0..=n)
            .map(|i| {
                let x = [low + i as f64 * step];
                let own = log_density(p, &x);
                if own < -700.0 { 0.0 } else { own.exp() * (own - log_density(q, &x)) * step }
            })
            .sum()
    }

    /// Compared with quadrature: over 40 seeds the mean is right, and z² has mean 1, so the standard errors are right.
    #[track_caller]
    fn agrees(name: &str, p: &GaussianMixture, q: &GaussianMixture, want: f64) {
        let found: Vec<Estimate> = (0..40).map(|seed| kullback_leibler(p, q, seed).unwrap()).collect();
        if found.iter().all(|e| e.standard_error <= 1e-9 * want) {
            // The ratio is constant in each mode, so only the rounding of the quadrature is left.
            assert!(found.iter().all(|e| (e.value - want).abs() <= 1e-9 * want), "{name}: {:?} for {want}", found[0]);
            return;
        }
        let z: Vec<f64> = found.iter().map(|e| (e.value - want) / e.standard_error).collect();
        let (mean, square) = (z.iter().sum::<f64>() / 40.0, z.iter().map(|z| z * z).sum::<f64>() / 40.0);
        // Standard deviations: of the mean 1/√40 = 0.16, of the square √(2/40) = 0.22.
        assert!(mean.abs() <= 0.7 && (0.3..=2.0).contains(&square), "{name}: {:?} for {want}; z {mean}, z² {square}", found[0]);
        assert!(found.iter().all(|e| e.standard_error <= 0.02 * want.max(1e-9)), "{name}: {:?} for {want}", found[0]);
    }

    #[test]
    fn mass_that_either_lacks_is_counted() {
        let one = line(&[1.0], &[0.0], 1.0);
        for share in [0.3, 0.1, 0.01] {
            // The model has a mode that the truth lacks: −ln(1 − share), up to overlap.
            let model = line(&[1.0 - share, share], &[0.0, 20.0], 1.0);
            agrees("lacked by the truth", &one, &model, quadrature(&one, &model));
            // And vice versa: the truth's mode is 20σ from the model's, 200·share nats.
            agrees("lacked by the model", &model, &one, quadrature(&model, &one));
        }
        let (p, q) = (line(&[0.5, 0.3, 0.2], &[-4.0, 0.0, 5.0], 1.0), line(&[0.4, 0.6], &[-3.5, 1.0], 1.3));
        agrees("different numbers of components", &p, &q, quadrature(&p, &q));
        agrees("and back", &q, &p, quadrature(&q, &p));
    }

    /// Modes a million standard deviations apart, where a density is 10^(−2·10¹¹): only weights differ, or a mode is missing.
    #[test]
    fn modes_a_million_deviations_apart_are_counted() {
        let p = line(&[0.7, 0.3], &[0.0, 1e6], 1.0);
        let want = 0.7 * (0.7f64 / 0.5).ln() + 0.3 * (0.3f64 / 0.5).ln();
        let got = kullback_leibler(&p, &line(&[0.5, 0.5], &[0.0, 1e6], 1.0), 1).unwrap();
        assert!((got.value - want).abs() <= 1e-12, "{got:?} for {want}: the ratio is constant in each mode");
        // A weight of 1e-6 makes 5·10⁵ nats here, though a hundred thousand plain draws may all miss it.
        let q = line(&[1.0], &[0.0], 1.0);
        let far = line(&[1.0 - 1e-6, 1e-6], &[0.0, 1e6], 1.0);
        let got = kullback_leibler(&far, &q, 1).unwrap();
        let want = 1e-6 * 0.5e12;
        assert!(
            (got.value - want).abs() <= 5.0 * got.standard_error + 1e-4 * want && got.standard_error < 1e-4 * want,
            "{got:?} for {want}"
        );
        assert!((kullback_leibler(&q, &far, 1).unwrap().value - 1e-6).abs() <= 1e-10, "lacked by the truth: −ln(1 − 1e-6)");
        assert_eq!(kullback_leibler(&p, &p, 1).unwrap().value, 0.0);
    }
}
