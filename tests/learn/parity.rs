//! Fast single precision against plain loops in double: Gram matrices, the score-matching gradient, and what the noise is.

use mixscore::GaussianMixture;
use mixscore::diffusion::hermite::Basis;
use mixscore::diffusion::noised::{Address, Noised};
use mixscore::diffusion::regression::grams;
use mixscore::diffusion::regression_reference;
use mixscore::diffusion::score_matching::loss;
use mixscore::diffusion::tiles::Tiles;

use crate::truth::{mixture, points};

fn address(level: u32) -> Address {
    Address { seed: 3, level, usage: 0 }
}

#[test]
fn gram_matrices_agree_with_plain_loops() {
    for (rank, degree, cells) in [(1, 5, 1), (2, 3, 4), (5, 3, 3), (11, 2, 2)] {
        let truth = mixture(4.max(cells), rank, 4.0, 5);
        let x: Vec<f32> = points(&truth, 3001, 6).iter().map(|v| *v as f32).collect();
        let noised = Noised::new(&x, rank, 0.7, 2500, 100, address(1));
        let centres: Vec<f32> = truth.means()[..cells * rank].iter().map(|v| *v as f32).collect();
        let basis = Basis::new(rank, degree);
        let sigma = 1.7f64.sqrt();
        let (fast, plain) = (grams(&noised, &centres, sigma, &basis), regression_reference::grams(&noised, &centres, sigma, &basis));
        let mut wrong = noised.clone();
        wrong.y[0] += 3.0;
        let planted = grams(&wrong, &centres, sigma, &basis);
        let (mut worst, mut seen) = (0.0f64, 0.0f64);
        for ((fast, plain), planted) in fast.iter().zip(&plain).zip(&planted) {
            assert_eq!(fast.n, plain.n, "a point is in another cell");
            for (f, features) in (0..basis.len()).map(|f| (f, basis.len())) {
                // Cauchy and Schwarz: an entry is at most the root of its two diagonal ones, and single precision's error is a share of it.
                let own = plain.gram[f * features + f].sqrt();
                for row in f..features {
                    let size = own * plain.gram[row * features + row].sqrt() + 1e-12;
                    worst = worst.max((fast.gram[f * features + row] - plain.gram[f * features + row]).abs() / size);
                    seen = seen.max((planted.gram[f * features + row] - plain.gram[f * features + row]).abs() / size);
                }
            }
        }
        // 2500 rows a cell in sums of 256, features with some ten roundings of 6e-8.
        assert!(worst <= 5e-6, "rank {rank}: {worst:e}");
        assert!(seen > 2e-5, "rank {rank}: one wrong point of 5000 was not seen ({seen:e})");
    }
}

/// The gradient of the denoising loss against differences of the loss: both signs of the same noise, so it is smooth in the means.
#[test]
fn the_score_matching_gradient_is_that_of_its_loss() {
    let truth = mixture(3, 3, 3.0, 7);
    let x = points(&truth, 2000, 8);
    let tiles = Tiles::new(2000, 3, |i, c| x[3 * i + c] as f32);
    for t in [0.2, 2.0] {
        let at = |means: &[f64]| {
            loss(&tiles, &GaussianMixture::new(truth.weights().to_vec(), means.to_vec(), 3, 1.0).unwrap(), t, 2, 5, 0).unwrap()
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
