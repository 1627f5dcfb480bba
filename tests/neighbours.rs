//! Neighbour lists: the certified bias bounds the true difference, is not absurdly loose, and lists do not depend on history.

mod common;

use common::{gradient, largest, scattered, uneven};
use mixscore::backend::Rule;
use mixscore::cpu::Cpu;
use mixscore::objective::Neighbours;
use mixscore::objective::{Estimator, Sampler};
use mixscore::{GaussianMixture, Problem};

/// k students and K teachers about a few far places in d dimensions.
fn places(k: usize, n_teachers: usize, d: usize, apart: f64, near: f64) -> (Problem, Vec<f64>) {
    let corners = scattered(6 * d, 3);
    let around = |n: usize, seed: u64| -> Vec<f64> {
        let noise = scattered(n * d, seed);
        (0..n * d).map(|e| apart * corners[(e / d % 6) * d + e % d] + near * noise[e]).collect()
    };
    let teacher = GaussianMixture::new(uneven(n_teachers), around(n_teachers, 1), d, 1.0).unwrap();
    (Problem { sampler: Sampler::Antithetic, n_samples: Some(2048), ..Problem::new(uneven(k), teacher) }, around(k, 2))
}

/// Stein's form, whose samples are those of the exact row: in the mix, which sees the listed components alone, noise would differ too.
fn stein(problem: Problem) -> Problem {
    Problem { estimator: Estimator::Stein, ..problem }
}

/// Largest row norm of a difference, and the standard error of that row.
fn difference(a: &mixscore::Gradient, b: &mixscore::Gradient, d: usize) -> f64 {
    let rows = a.gradient.chunks_exact(d).zip(b.gradient.chunks_exact(d));
    largest(&rows.map(|(a, b)| a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()).collect::<Vec<_>>())
}

#[test]
fn the_certified_bias_bounds_the_difference() {
    let mut tightest = f64::INFINITY;
    for (apart, near) in [(6.0, 0.3), (9.0, 1.0), (14.0, 0.1), (14.0, 2.0), (40.0, 1.0)] {
        for d in [1, 2, 8] {
            let (problem, means) = places(30, 18, d, apart, near);
            let problem = stein(problem);
            let exact = gradient(&Problem { neighbours: Neighbours::Exact, ..problem.clone() }, &mut Cpu::new(), &means);
            for budget in [1e-6, 1e-4, 1e-2, 1.0] {
                let problem = Problem { neighbours: Neighbours::Within(budget), ..problem.clone() };
                let mut fit = problem.open(&mut Cpu::new(), &means).unwrap();
                let certified = fit.certified_bias().unwrap();
                let pruned = fit.gradient(0).unwrap().remove(0);
                let got = difference(&pruned, &exact, d);
                // Draws are common, so the difference is the bias at these samples: bounded in expectation, and its spread is small.
                // Besides it there is only rounding, of about 1e-6 of the means.
                assert!(got <= 1.5 * certified + 2e-6 * apart, "d={d} {apart} {near} {budget}: {got:e} over {certified:e}");
                assert!(certified <= budget, "{certified:e} over {budget:e}");
                if got > 1e-4 {
                    tightest = tightest.min(certified / got);
                }
            }
        }
    }
    assert!(tightest <= 100.0, "the nearest that a bound came to a difference is a factor of {tightest}");
    println!("the nearest that a bound came to a difference is a factor of {tightest:.1}");
}

/// Rows of `got` that are further from `truth` than a certified bias and six of their standard errors explain.
fn unexplained(got: &mixscore::Gradient, truth: &mixscore::Gradient, d: usize, certified: f64) -> usize {
    let norm = |v: &[f64]| v.iter().map(|v| v * v).sum::<f64>().sqrt();
    let rows = got.gradient.chunks_exact(d).zip(truth.gradient.chunks_exact(d)).zip(got.standard_error.chunks_exact(d));
    rows.filter(|((got, truth), error)| {
        let off = norm(&got.iter().zip(*truth).map(|(a, b)| a - b).collect::<Vec<_>>());
        // Standard errors of 31 degrees of freedom: six of them are exceeded once in a million rows. Rounding as above.
        !(off <= certified + 6.0 * norm(error) + 2e-6 * 14.0)
    })
    .count()
}

/// In the default estimator lists change the samples' noise as well, so its mean is held against exact integrals.
#[test]
fn the_certified_bias_bounds_that_of_the_default_estimator() {
    let (mut mixed, mut listed, mut noticed) = (0, 0, 0);
    for (apart, near) in [(6.0, 0.3), (9.0, 1.0), (14.0, 2.0)] {
        for d in [1, 2] {
            let (problem, means) = places(20, 12, d, apart, near);
            let problem = Problem { estimator: Estimator::Auto, n_samples: Some(1 << 13), ..problem };
            let grid = Problem { sampler: Sampler::Grid, n_samples: None, ..problem.clone() };
            let truth = gradient(&grid, &mut Cpu::new(), &means);
            let with = |budget: f64| {
                let problem = Problem { neighbours: Neighbours::Within(budget), ..problem.clone() };
                let mut fit = problem.open(&mut Cpu::new(), &means).unwrap();
                (fit.certified_bias().unwrap(), fit.gradient(0).unwrap().remove(0))
            };
            for budget in [1e-4, 1e-2, 1.0] {
                let (certified, got) = with(budget);
                listed += usize::from(certified > 0.0);
                mixed += usize::from(
                    got.gradient
                        != gradient(&Problem { neighbours: Neighbours::Within(budget), ..stein(problem.clone()) }, &mut Cpu::new(), &means)
                            .gradient,
                );
                assert_eq!(unexplained(&got, &truth, d, certified), 0, "d={d} {apart} {near} {budget}: beyond {certified:e}");
            }
            // Planted: lists that leave out far more than their certificate says.
            noticed += unexplained(&with(30.0).1, &truth, d, 1e-4);
        }
    }
    println!("{listed} lists, {mixed} mixed gradients, {noticed} rows noticed");
    assert!(listed >= 6 && mixed >= 9, "{listed} lists and {mixed} mixed gradients of 18: not what is to be tested");
    assert!(noticed >= 10, "lists that leave out too much: only {noticed} rows were noticed");
}

#[test]
fn steps_with_lists_have_the_same_bits_however_they_are_cut() {
    let (problem, start) = places(40, 24, 5, 12.0, 0.8);
    let problem = Problem { n_samples: Some(64), ..problem };
    let rule = Rule::new(0.7, true);
    let run = |pieces: &[u64], reopen: bool| {
        let mut fit = problem.open(&mut Cpu::new(), &start).unwrap();
        let mut step = 0;
        for n in pieces {
            fit.descend(step, *n, &rule).unwrap();
            step += n;
            if reopen {
                // What resuming does: coordinates in a fresh session.
                let coordinates = fit.coordinates().unwrap();
                fit = problem.open(&mut Cpu::new(), &start).unwrap();
                fit.set_coordinates(&coordinates).unwrap();
            }
        }
        (fit.means().unwrap(), fit.certified_bias().unwrap())
    };
    let together = run(&[24], false);
    assert!(together.1 > 0.0, "lists are in use");
    assert_eq!(together, run(&[1; 24], true));
    assert_eq!(together, run(&[5, 7, 12], true));
    for threads in [1, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        assert_eq!(together, pool.install(|| run(&[24], false)), "{threads} threads");
    }
}

#[test]
fn equal_mixtures_have_no_force_with_lists() {
    let (problem, _) = places(4, 36, 6, 12.0, 0.5);
    let weights = problem.teacher.weights().to_vec();
    let means = problem.teacher.means().to_vec();
    let problem = Problem { student_weights: weights, ..problem };
    let mut fit = problem.open(&mut Cpu::new(), &means).unwrap();
    assert!(fit.certified_bias().unwrap() > 0.0, "lists are in use");
    let out = fit.gradient(0).unwrap().remove(0);
    assert!(largest(&out.gradient) == 0.0, "{}", largest(&out.gradient));
}
