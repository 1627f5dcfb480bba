//! The score-matching gradient against differences of its loss, and what the noise is. (Gram matrices: the suite `parity`.)

use std::sync::atomic::AtomicBool;

use mixscore::GaussianMixture;
use mixscore::internals::diffusion::Tiles;
use mixscore::internals::diffusion::loss;
use mixscore::internals::diffusion::{Address, Noised};

use crate::truth::{mixture, points};

fn address(level: u32) -> Address {
    Address { seed: 3, level, usage: 0 }
}

/// The gradient of the denoising loss against differences of the loss: both signs of the same noise, so it is smooth in the means.
#[test]
fn the_score_matching_gradient_is_that_of_its_loss() {
    let truth = mixture(3, 3, 3.0, 7);
    let x = points(&truth, 2000, 8);
    let tiles = Tiles::new(2000, 3, |i, c| x[3 * i + c] as f32);
    for t in [0.2, 2.0] {
        let at = |means: &[f64]| {
            loss(
                &tiles,
                &GaussianMixture::new(truth.weights().to_vec(), means.to_vec(), 3, 1.0).unwrap(),
                t,
                2,
                5,
                0,
                &AtomicBool::new(false),
            )
            .unwrap()
        };
        let means: Vec<f64> = truth.means().iter().enumerate().map(|(i, m)| m + 0.3 * ((i * 7 % 5) as f64 - 2.0)).collect();
        let here = at(&means);
        for i in 0..means.len() {
            let h = 0.02;
            let moved = |by: f64| {
                let mut means = means.clone();
                means[i] += by;
                at(&means).value
            };
            let slope = (moved(h) - moved(-h)) / (2.0 * h);
            let err = (slope - here.gradient[i]).abs();
            // Differences: h² = 4e-4 of a third derivative of order one; rounding of the loss 1e-7·10/h = 5e-5.
            assert!(err <= 2e-3, "t = {t}, coordinate {i}: {} vs {slope}", here.gradient[i]);
        }
        assert!(here.gradient.iter().any(|g| g.abs() > 0.02), "nothing was tested: {:?}", here.gradient);
    }
}

/// E[u | y] is the posterior mean: for one Gaussian of variance 1 at 0, u is 0 on average and uncorrelated with y.
#[test]
fn targets_are_centres_on_average() {
    let truth = mixture(1, 1, 1.0, 1);
    let x: Vec<f32> = points(&truth, 50_000, 9).iter().map(|v| *v as f32).collect();
    let noised = Noised::new(&x, 1, 0.5, 50_000, 0, address(2));
    let n = noised.len() as f64;
    let product: f64 = noised.y.iter().zip(&noised.target).map(|(y, u)| f64::from(y * u)).sum::<f64>() / n;
    // y has variance 1.5 and u 1 + 1/t = 3: a standard error of √(4.5/n) = 0.007.
    assert!(product.abs() <= 5.0 * (4.5 / n).sqrt(), "E[y·u] = {product}");
}
