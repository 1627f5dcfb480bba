//! What rests on a few rare draws is said to, and ordinary estimates are not.

mod common;

use common::{scattered, teacher, uneven};
use mixscore::cpu::Cpu;
use mixscore::objective::{Divergence, Sampler};
use mixscore::{GaussianMixture, Problem, RareDraws};

/// Whether the gradient, and whether the measures of a student, rest on rare draws.
fn rests_on_rare_draws(problem: &Problem, means: &[f64]) -> [bool; 2] {
    let mut fit = problem.open(&mut Cpu::new(), means).unwrap();
    let gradient = fit.gradient(0).unwrap().remove(0).rare;
    let measured = fit.measure(problem.n_samples.unwrap(), 0).unwrap()[0].rare;
    [gradient, measured].map(|rare| matches!(rare, RareDraws::Found(_)))
}

/// Two modes with the wrong weights, `distance` apart in d dimensions: L comes from the gap between them, where hardly a sample falls.
fn blind(distance: f64, d: usize) -> (Problem, Vec<f64>) {
    let mut means = vec![0.0; 2 * d];
    means[d] = distance;
    let teacher = GaussianMixture::new(vec![0.5; 2], means.clone(), d, 1.0).unwrap();
    (Problem { n_samples: Some(16384), sampler: Sampler::Philox, ..Problem::new(vec![0.3, 0.7], teacher) }, means)
}

#[test]
fn gaps_between_modes_are_told() {
    for (distance, d) in [(10.0, 2), (10.0, 3), (10.0, 100), (12.0, 2), (11.0, 7), (14.0, 1)] {
        let (problem, means) = blind(distance, d);
        let [gradient, measured] = rests_on_rare_draws(&problem, &means);
        // Where rows leave out a component that is so far away, the certified bias tells.
        let bias = problem.open(&mut Cpu::new(), &means).unwrap().certified_bias().unwrap();
        assert!(measured && (gradient || bias > 0.0), "{distance} apart in {d} dimensions: {gradient} {measured} {bias:e}");
        let forward = Problem { divergence: Divergence::Forward, ..problem };
        let [gradient, measured] = rests_on_rare_draws(&forward, &means);
        // From 11σ on, what draws see of the gap is hardly more, and then less than the rounding of a forward gradient in single precision.
        assert!(measured && (gradient || distance > 10.0), "{distance} apart in {d} dimensions, forward: {gradient} {measured}");
    }
}

#[test]
fn ordinary_estimates_are_not_doubted() {
    let mut doubted = Vec::new();
    for seed in 0..40 {
        let (k, n, d) = ([1, 2, 5, 12][seed % 4], [1, 3, 6][seed % 3], [1, 2, 4, 10][seed / 4 % 4]);
        let spread = [0.5, 1.5, 3.0][seed / 3 % 3];
        let n_samples = Some([256, 1024, 4096][seed % 3]);
        let teacher = teacher(n, d, spread, seed as u64);
        let means: Vec<f64> = scattered(k * d, 100 + seed as u64).iter().map(|v| 1.2 * spread * v).collect();
        for sampler in [Sampler::Auto, Sampler::Philox] {
            let problem = Problem { n_samples, sampler, ..Problem::new(uneven(k), teacher.clone()) };
            if rests_on_rare_draws(&problem, &means) != [false; 2] {
                doubted.push((seed, k, n, d, spread, sampler));
            }
        }
    }
    assert!(doubted.is_empty(), "{doubted:?}");
    // And what is exactly right has no variance to rest on anything.
    let same = teacher(4, 3, 2.0, 7);
    let problem = Problem { n_samples: Some(1024), ..Problem::new(same.weights().to_vec(), same.clone()) };
    assert_eq!(rests_on_rare_draws(&problem, same.means()), [false; 2]);
}
