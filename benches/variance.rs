//! How much noise each estimator and sampler leaves in the gradient, and what a step of it costs, on the CPU backend.
//!
//! Variances are sums over all entries of the gradient, over independent seeds, relative to the pathwise form with independent draws
//! (automatic differentiation of a reparameterised loss) and as many samples: 10 means as good as ten times the samples.
//! Times are medians over the same number of samples. The product of both columns is the gain at equal time.
//!
//! `cargo bench --bench variance [-- SEEDS [SAMPLES]]`

use std::time::Instant;

use mixscore::backend::Rule;
use mixscore::cpu::Cpu;
use mixscore::internals::random::Philox;
use mixscore::objective::{Estimator, Sampler};
use mixscore::{GaussianMixture, Problem};
use rand_distr::{Distribution, StandardNormal};

/// Name, d, k, K, standard deviation of the teacher's means, that of the student's, and whether it is around teachers or around zero.
const CASES: [(&str, usize, usize, usize, f64, f64, bool); 7] = [
    ("d=2 k=8 K=4, spread start", 2, 8, 4, 3.0, 3.0, false),
    ("d=8 k=16 K=4, spread start", 8, 16, 4, 1.5, 2.0, false),
    ("d=8 k=16 K=4, near a solution", 8, 16, 4, 1.5, 0.5, true),
    ("d=64 k=32 K=8, near, overlapping", 64, 32, 8, 0.2, 0.1, true),
    ("d=8 k=16, one Gaussian", 8, 16, 1, 0.0, 1.0, false),
    ("d=64 k=64 K=16, spread start", 64, 64, 16, 0.5, 0.5, false),
    ("d=256 k=64 K=16, near, overlapping", 256, 64, 16, 0.15, 0.05, true),
];

const FORMS: [(&str, Estimator, Sampler); 6] = [
    ("pathwise", Estimator::Pathwise, Sampler::Philox),
    ("score function", Estimator::ScoreFunction, Sampler::Philox),
    ("Stein", Estimator::Stein, Sampler::Philox),
    ("Stein antithetic", Estimator::Stein, Sampler::Antithetic),
    ("Stein Sobol", Estimator::Stein, Sampler::Sobol),
    ("auto Sobol", Estimator::Auto, Sampler::Sobol),
];

fn normals(n: usize, stream: u32) -> Vec<f64> {
    let mut rng = Philox::new([2026, stream], [0; 3]);
    (0..n).map(|_| StandardNormal.sample(&mut rng)).collect()
}

fn case(d: usize, k: usize, n_teachers: usize, teacher_spread: f64, spread: f64, near: bool) -> (Problem, Vec<f64>) {
    let teachers: Vec<f64> = normals(n_teachers * d, 1).iter().map(|z| teacher_spread * z).collect();
    let centre = |e: usize| if near { teachers[(e / d % n_teachers) * d + e % d] } else { 0.0 };
    let means = normals(k * d, 2).iter().enumerate().map(|(e, z)| centre(e) + spread * z).collect();
    (Problem::new(vec![1.0 / k as f64; k], GaussianMixture::uniform(teachers.clone(), d).unwrap()), means)
}

/// Total variance of the gradient over seeds, its mean by standard errors, and the median time of a step in seconds.
fn measure(problem: &Problem, means: &[f64], seeds: u64) -> (f64, f64, f64) {
    let (mut sum, mut square, mut claimed, mut times) = (vec![0.0; means.len()], 0.0, 0.0, Vec::new());
    for seed in 0..seeds {
        let mut fit = Problem { seed, ..problem.clone() }.open(&mut Cpu::new(), means).unwrap();
        let out = fit.gradient(0).unwrap().remove(0);
        let begin = Instant::now();
        fit.descend(0, 1, &Rule::new(0.0, false)).unwrap();
        times.push(begin.elapsed().as_secs_f64());
        square += out.gradient.iter().map(|g| g * g).sum::<f64>();
        claimed += out.standard_error.iter().map(|s| s * s).sum::<f64>();
        sum.iter_mut().zip(&out.gradient).for_each(|(s, g)| *s += g);
    }
    times.sort_unstable_by(f64::total_cmp);
    let n = seeds as f64;
    let variance = (square - sum.iter().map(|s| s * s).sum::<f64>() / n) / (n - 1.0);
    (variance, claimed / n, times[times.len() / 2])
}

fn main() {
    let numbers: Vec<usize> = std::env::args().filter_map(|a| a.parse().ok()).collect();
    let (seeds, samples) = (numbers.first().map_or(20, |n| *n as u64), numbers.get(1).copied());
    println!(
        "variance relative to pathwise Monte Carlo (higher is better) / time relative to it / variance that standard errors claim over true variance"
    );
    for (name, d, k, n_teachers, teacher_spread, spread, near) in CASES {
        let (problem, means) = case(d, k, n_teachers, teacher_spread, spread, near);
        let n = samples.unwrap_or(65536 / k);
        let mut base = None;
        println!("{name}, {n} samples a component");
        for (form, estimator, sampler) in FORMS {
            let (variance, claimed, time) = measure(&Problem { estimator, sampler, n_samples: Some(n), ..problem.clone() }, &means, seeds);
            let (pathwise, longest) = *base.get_or_insert((variance, time));
            println!(
                "    {form:18} {:9.2} / {:5.2} / {:5.2}    {:.2} ms",
                pathwise / variance,
                time / longest,
                claimed / variance,
                1e3 * time
            );
        }
    }
}
