//! EM: the sums of a pass against plain loops, what it reaches, and how fast it is.

use mixscore::internals::diffusion::em::{self, Options};
use mixscore::internals::diffusion::{Tiles, pass, search};

use crate::truth::{log_likelihood, mixture, points, unwatched};

fn tiles(points: &[f64], d: usize) -> Tiles {
    Tiles::new(points.len() / d, d, |i, c| points[i * d + c] as f32)
}

fn components(k: usize, variance: Option<f64>) -> search::Options {
    search::Options { components: Some(k), variance, rounds: 5, seed: 1 }
}

#[test]
fn a_pass_agrees_with_plain_loops() {
    let truth = mixture(5, 3, 3.0, 2);
    let x = points(&truth, 1000, 3); // fifteen whole tiles and a part of one
    let got = pass::sums(&tiles(&x, 3), &truth);
    let (mut log_likelihood, mut mass, mut first, mut square) = (0.0, vec![0.0; 5], vec![0.0; 15], 0.0);
    for x in x.chunks_exact(3) {
        let squares: Vec<f64> = truth.means().chunks_exact(3).map(|m| m.iter().zip(x).map(|(m, x)| (x - m).powi(2)).sum()).collect();
        let terms: Vec<f64> =
            squares.iter().zip(truth.weights()).map(|(s, w)| w * (-0.5 * s).exp() * (2.0 * std::f64::consts::PI).powf(-1.5)).collect();
        let density: f64 = terms.iter().sum();
        log_likelihood += density.ln();
        for l in 0..5 {
            let r = terms[l] / density;
            mass[l] += r;
            square += r * squares[l];
            (0..3).for_each(|c| first[3 * l + c] += r * x[c]);
        }
    }
    // Single precision: 6e-8 of the terms, which are up to 300 in a sum of 1000; averaged roundings leave less than 1e-6 of the sums.
    let close = |name: &str, got: f64, want: f64, size: f64| {
        let err = (got - want).abs();
        assert!(err <= 2e-6 * size, "{name}: {got} vs {want}");
    };
    close("log-likelihood", got.log_likelihood, log_likelihood, 1000.0 * 20.0);
    close("square", got.square, square, square);
    (0..5).for_each(|l| close("mass", got.mass[l], mass[l], 1000.0));
    (0..15).for_each(|l| close("first", got.first[l], first[l], 1000.0 * 10.0));
    // A planted fault: a mean that is off by a hundredth must be seen.
    let mut means = truth.means().to_vec();
    means[0] += 0.01;
    let other = pass::sums(&tiles(&x, 3), &truth.with_means(means).unwrap());
    assert!((other.square - square).abs() > 2e-6 * square, "a wrong mean was not seen");
}

#[test]
fn em_finds_a_mixture_and_its_variance() {
    let truth = mixture(6, 4, 4.0, 5);
    let (x, fresh) = (points(&truth, 20_000, 6), points(&truth, 20_000, 7));
    for variance in [Some(1.0), None] {
        let fitted = unwatched(|w| search::components(&tiles(&x, 4), &[], false, &components(6, variance), w)).unwrap();
        let gap = log_likelihood(&truth, &fresh) - log_likelihood(&fitted.mixture, &fresh);
        // 30 parameters from 20 000 points cost 30/(2·20 000) = 8e-4 nats; half as much again is chance.
        assert!(gap.abs() <= 3e-3, "{variance:?}: {gap}");
        let error = (fitted.mixture.variance() - 1.0).abs();
        assert!(error <= 0.02, "variance {}: its standard error is √(2/80 000) = 0.005", fitted.mixture.variance());
    }
}

#[test]
#[ignore = "a timing"]
fn time_per_iteration() {
    let truth = mixture(12, 50, 6.0, 1);
    let x = tiles(&points(&truth, 1_000_000, 2), 50);
    for _ in 0..3 {
        let start = mixture(12, 50, 3.0, 9);
        let o = Options { variance: Some(1.0), tolerance: f64::NEG_INFINITY, most_iterations: 10 };
        let fitted = em::climb(&x, start, o, None).unwrap();
        println!("{:.4} s per iteration, {} iterations", fitted.seconds / fitted.iterations as f64, fitted.iterations);
    }
}
