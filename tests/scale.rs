//! Large dimensions are everyday runs: the reduction pays for them once.

mod common;

use common::{Tolerance, assert_normwise, scattered, uneven};
use mixscore::backend::Rule;
use mixscore::cpu::Cpu;
use mixscore::objective::Sampler;
use mixscore::{GaussianMixture, Problem};

#[test]
fn a_hundred_thousand_dimensions_with_a_few_dozen_components() {
    let (d, k, n_teachers) = (100_000, 30, 12);
    let near = |n: usize, seed| scattered(n * d, seed).iter().map(|v| 0.02 * v).collect::<Vec<f64>>();
    let teacher = GaussianMixture::new(uneven(n_teachers), near(n_teachers, 1), d, 1.0).unwrap();
    let start = near(k, 2);
    let problem = Problem { n_samples: Some(256), sampler: Sampler::Antithetic, ..Problem::new(uneven(k), teacher) };
    let mut fit = problem.open(&mut Cpu::new(), &start).unwrap();
    assert_eq!(fit.rank(), k + n_teachers - 1);
    assert_normwise("means", &fit.means().unwrap(), &start, &Tolerance { bound: 1e-12, why: "rounding of a change of basis" });
    let before = fit.gradient(0).unwrap().remove(0).divergence.value;
    let rule = Rule::new(0.5, true);
    fit.descend(0, 100, &rule).unwrap();
    let after = fit.gradient(100).unwrap().remove(0).divergence.value;
    assert!(after <= 0.5 * before, "L {before} → {after}");
}

#[test]
fn full_space_and_subspace_estimate_the_same_gradient() {
    // d = 40 with 3 + 2 components: the reduction changes the draws, not what they estimate.
    let (d, k) = (40, 3);
    let q = common::teacher(2, d, 0.5, 1);
    let means = scattered(k * d, 2);
    let reduced = Problem { n_samples: Some(40_000), ..Problem::new(uneven(k), q) };
    let a = common::gradient(&reduced, &mut Cpu::new(), &means);
    let b = common::gradient(&Problem { reduce: false, ..reduced }, &mut Cpu::new(), &means);
    let z = (a.divergence.value - b.divergence.value) / (a.divergence.standard_error.powi(2) + b.divergence.standard_error.powi(2)).sqrt();
    // 121 z-scores at a family-wise level of 1e-6 (Student t with 31 degrees of freedom each).
    assert!(z.abs() <= 7.5, "L differs by {z} standard errors");
    for e in 0..k * d {
        let z = (a.gradient[e] - b.gradient[e]) / (a.standard_error[e].powi(2) + b.standard_error[e].powi(2)).sqrt();
        assert!(z.abs() <= 7.5, "entry {e} differs by {z} standard errors");
    }
}
