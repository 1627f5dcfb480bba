//! Every learner on one small mixture, the sampler on another: what must hold at any commit.

use mixscore::cpu::CpuPolynomials;
use mixscore::diffusion::{Method, Options, Variance, learn};
use mixscore::internals::diffusion::compare;

use crate::truth::{log_likelihood, mixture, points, unwatched};

#[test]
fn every_method_comes_near_the_truth() {
    let truth = mixture(4, 5, 4.0, 11);
    let (x, fresh) = (points(&truth, 8000, 12), points(&truth, 20_000, 13));
    for method in [Method::PiecewisePolynomial, Method::Ddpm, Method::Em] {
        for (components, variance) in [(Some(4), Variance::Known(1.0)), (None, Variance::Known(1.0)), (Some(4), Variance::Estimate)] {
            let o = Options { method, components, variance, pairs: 1 << 14, samples: 100, restarts: 4, seed: 1, ..Options::default() };
            let found = unwatched(|w| learn(&x, 5, &o, &mut CpuPolynomials, w)).unwrap();
            assert_eq!(found.mixture.n_components(), 4, "{method:?}: {}", found.why);
            let gap = log_likelihood(&truth, &fresh) - log_likelihood(&found.mixture, &fresh);
            // 24 parameters from 7200 points cost 0.0017 nats.
            assert!(gap <= 0.01, "{method:?} {components:?} {variance:?}: {gap} nats");
            // The held-out value is an estimate of the same, with its standard error.
            let err = (found.held_out.value - log_likelihood(&found.mixture, &fresh)).abs();
            assert!(err <= 5.0 * found.held_out.standard_error, "{method:?}: held out {:?}", found.held_out);
        }
    }
}

#[test]
fn the_sampler_draws_the_truth_in_the_plane() {
    let truth = mixture(3, 2, 5.0, 21);
    let x = points(&truth, 20_000, 22);
    let o = Options { pairs: 1 << 16, samples: 50_000, ..Options::default() };
    let found = unwatched(|w| learn(&x, 2, &o, &mut CpuPolynomials, w)).unwrap();
    let sampled = compare::sampled(&found.samples, &truth, 0).unwrap();
    assert!(sampled.total_variation.value <= 0.05, "{sampled:?}");
    assert!(sampled.mode_mass_error.is_some_and(|e| e <= 0.02) && sampled.stray <= 0.005, "{sampled:?}");
    // Planted faults: points without their last noise, and points of other weights, must be seen.
    let squeezed: Vec<f64> = found.samples.iter().map(|v| 0.8 * v).collect();
    assert!(compare::sampled(&squeezed, &truth, 0).unwrap().total_variation.value > 0.1);
    let half = compare::sampled(&found.samples.iter().map(|v| v.abs()).collect::<Vec<f64>>(), &truth, 0).unwrap();
    assert!(half.mode_mass_error.is_some_and(|e| e > 0.02), "{half:?}");
}
