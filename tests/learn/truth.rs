//! Mixtures to be learned, their points, and what the true density says of other points.

use std::sync::atomic::AtomicBool;

use mixscore::diffusion::Watch;
use mixscore::internals::random::Philox;
use mixscore::internals::random::{Purpose, stream};
use mixscore::mixture::generate;
use mixscore::{Backend, GaussianMixture};
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};

/// K random means at least `separation` apart, with uneven weights of at least 0.03.
pub(crate) fn mixture(k: usize, d: usize, separation: f64, seed: u64) -> GaussianMixture {
    let mut rng = stream(seed, Purpose::Check, 1, 0);
    let raw: Vec<f64> = (0..k).map(|_| rng.random::<f64>()).collect();
    let sum: f64 = raw.iter().sum();
    let weights = raw.iter().map(|w| 0.03 + (1.0 - 0.03 * k as f64) * w / sum).collect();
    let means = generate::separated(k, d, separation, seed).unwrap();
    GaussianMixture::new(weights, means.means().to_vec(), d, 1.0).unwrap()
}

/// `n` points (n, d) of `mixture`.
pub(crate) fn points(mixture: &GaussianMixture, n: usize, seed: u64) -> Vec<f64> {
    let mut rng: Philox = stream(seed, Purpose::Check, 2, 0);
    let scale = mixture.variance().sqrt();
    let mut out = Vec::with_capacity(n * mixture.n_features());
    for _ in 0..n {
        let mut u: f64 = rng.random();
        let last = mixture.n_components() - 1;
        let component = mixture.weights().iter().position(|w| {
            u -= w;
            u < 0.0
        });
        for m in mixture.mean(component.unwrap_or(last)) {
            let z: f64 = StandardNormal.sample(&mut rng);
            out.push(m + scale * z);
        }
    }
    out
}

/// Mean ln p of points, in double precision.
pub(crate) fn log_likelihood(mixture: &GaussianMixture, points: &[f64]) -> f64 {
    let e = mixscore::reference::Reference.evaluate(&mixture.into(), points.into(), false).unwrap();
    e.log_density.iter().sum::<f64>() / e.log_density.len() as f64
}

/// A computation that nobody watches.
pub(crate) fn unwatched<R>(work: impl FnOnce(&mut Watch) -> R) -> R {
    work(&mut Watch { interrupted: &AtomicBool::new(false), tell: &mut |_, _| {} })
}
