//! Three claims about the cost of a step of the CPU backend, each with the figures that decide it; what is compared takes turns.
//!
//! `cargo bench --bench claims [-- linear dimensions sgemm]`; numbers after `linear` are the sizes to take.

use std::time::Instant;

use faer::{Accum, Mat, Par, linalg::matmul::matmul};
use mixscore::backend::Rule;
use mixscore::cpu::Cpu;
use mixscore::internals::random::Philox;
use mixscore::objective::Neighbours;
use mixscore::objective::{Estimator, Sampler};
use mixscore::{Fit, GaussianMixture, Problem};
use rand_distr::{Distribution, StandardNormal};

fn normals(n: usize, stream: u32) -> Vec<f64> {
    let mut rng = Philox::new([2026, stream], [0; 3]);
    (0..n).map(|_| StandardNormal.sample(&mut rng)).collect()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Milliseconds of `steps` steps from `first` on, for one.
fn time(fit: &mut Fit, first: u64, steps: u64, rule: &Rule) -> f64 {
    let begin = Instant::now();
    fit.descend(first, steps, rule).unwrap();
    1e3 * begin.elapsed().as_secs_f64() / steps as f64
}

/// k/4 teachers on a lattice in four dimensions of d, 12 apart, and four students around each of them.
fn separated(k: usize, d: usize, n: usize) -> (Problem, Vec<f64>) {
    let n_teachers = k / 4;
    let side = (n_teachers as f64).powf(0.25).ceil() as usize;
    let place = |j: usize, c: usize| if c < 4 { 12.0 * (j / side.pow(c as u32) % side) as f64 } else { 0.0 };
    let noise = normals(n_teachers * d, 1);
    let teacher: Vec<f64> = (0..n_teachers * d).map(|e| place(e / d, e % d) + 0.3 * noise[e]).collect();
    let start = normals(k * d, 2).iter().enumerate().map(|(e, z)| teacher[(e / d % n_teachers) * d + e % d] + 0.9 * z).collect();
    let problem = Problem {
        n_samples: Some(n),
        sampler: Sampler::Antithetic,
        ..Problem::new(vec![1.0 / k as f64; k], GaussianMixture::uniform(teacher, d).unwrap())
    };
    (problem, start)
}

/// Time of a step against the number of components, where they are separated: 24 steps of half the way from the start.
fn linear() {
    println!("separated mixtures, d = 16, K = k/4, 64 samples a component: the first step, then the mean of 24 more");
    let asked: Vec<usize> = std::env::args().filter_map(|a| a.parse().ok()).collect();
    let sizes = if asked.is_empty() { vec![512, 1024, 2048, 4096, 16384] } else { asked };
    let (mut first, mut rest) = (vec![Vec::new(); sizes.len()], vec![Vec::new(); sizes.len()]);
    for turn in 0..5 {
        for (at, k) in sizes.iter().copied().enumerate().filter(|(_, k)| turn < 2 || *k <= 4096) {
            let (problem, start) = separated(k, 16, 64);
            let mut fit = problem.open(&mut Cpu::new(), &start).unwrap();
            let rule = Rule::new(0.5, true);
            first[at].push(time(&mut fit, 0, 1, &rule));
            rest[at].push(time(&mut fit, 1, 24, &rule));
        }
    }
    let (first, rest): (Vec<f64>, Vec<f64>) = first.into_iter().map(median).zip(rest.into_iter().map(median)).unzip();
    for (at, k) in sizes.iter().enumerate() {
        let linear = rest[0] * *k as f64 / sizes[0] as f64;
        println!(
            "    k = {k:6}: first {:8.2} ms, then {:8.2} ms a step, {:.2} of linear from {}",
            first[at],
            rest[at],
            rest[at] / linear,
            sizes[0]
        );
    }
}

/// One step at d = 65536 against one at d = 81, of mixtures whose means are as far apart.
fn dimensions() {
    let open = |d: usize| {
        let near = |n: usize, stream: u32| normals(n * d, stream).iter().map(|v| v * (9.0 / d as f64).sqrt()).collect::<Vec<f64>>();
        let teacher = GaussianMixture::uniform(near(16, 1), d).unwrap();
        let problem = Problem { n_samples: Some(1024), sampler: Sampler::Antithetic, ..Problem::new(vec![1.0 / 64.0; 64], teacher) };
        let begin = Instant::now();
        let fit = problem.open(&mut Cpu::new(), &near(64, 2)).unwrap();
        println!("    d = {d}: rank {}, opened once in {:.0} ms", fit.rank(), 1e3 * begin.elapsed().as_secs_f64());
        fit
    };
    println!("a step at k = 64, K = 16, 1024 samples a component");
    let mut fits = [81, 65536].map(open);
    let mut times = [Vec::new(), Vec::new()];
    for turn in 0..21 {
        for (fit, times) in fits.iter_mut().zip(&mut times) {
            times.push(time(fit, turn, 1, &Rule::new(0.0, false)));
        }
    }
    let [low, high] = times.map(median);
    println!("    {low:.2} ms at d = 81, {high:.2} ms at d = 65536: {:.3} times", high / low);
}

/// The rate of an exact step at (16384, 1024, 256, 32), by the ledger of the README, against that of a large product.
fn sgemm() {
    let (b, d, k, n_teachers) = (16384, 1024, 256, 32);
    let teacher = GaussianMixture::uniform(normals(n_teachers * d, 1), d).unwrap();
    let problem = Problem {
        n_samples: Some(b / k),
        sampler: Sampler::Antithetic,
        estimator: Estimator::Stein,
        neighbours: Neighbours::Exact,
        ..Problem::new(vec![1.0 / k as f64; k], teacher)
    };
    let mut fit = problem.open(&mut Cpu::new(), &normals(k * d, 2)).unwrap();
    let (rank, all) = (fit.rank(), k + n_teachers);
    let operations = b * (2 * rank * all + (4 * rank * all).min(2 * k * k + 2 * n_teachers * n_teachers) + all);
    let n = 2048;
    let (x, y) = (Mat::<f32>::from_fn(n, n, |i, j| (i + j) as f32 * 1e-3), Mat::<f32>::from_fn(n, n, |i, j| (i * j % 7) as f32));
    let mut out = Mat::<f32>::zeros(n, n);
    let (mut steps, mut products) = (Vec::new(), Vec::new());
    for turn in 0..15 {
        steps.push(operations as f64 / time(&mut fit, turn, 1, &Rule::new(0.0, false)) / 1e6);
        let begin = Instant::now();
        matmul(out.as_mut(), Accum::Replace, &x, &y, 1.0, Par::rayon(0));
        products.push(2.0 * (n as f64).powi(3) / begin.elapsed().as_secs_f64() / 1e9);
    }
    let (step, product) = (median(steps), median(products));
    println!(
        "an exact step at B = {b}, d = {d}, k = {k}, K = {n_teachers}: {step:.0} GFLOP/s by the ledger, sgemm {product:.0}: {:.0} %",
        100.0 * step / product
    );
}

fn main() {
    let asked: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    for (name, claim) in [("linear", linear as fn()), ("dimensions", dimensions), ("sgemm", sgemm)] {
        if asked.iter().all(|a| a.parse::<usize>().is_ok()) || asked.iter().any(|a| a == name) {
            claim();
        }
    }
}
