//! One gradient step of the CPU backend at the sizes that the benches' README compares: B samples in all, d, k, K.
//!
//! Parity with the reference is asserted on the first case before anything is timed.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use mixscore::backend::Rule;
use mixscore::cpu::Cpu;
use mixscore::reference::Reference;
use mixscore::{GaussianMixture, Problem};

const CASES: [(usize, usize, usize, usize); 6] =
    [(65536, 8, 16, 4), (65536, 64, 64, 16), (65536, 256, 64, 16), (16384, 64, 1024, 64), (16384, 1024, 256, 32), (16384, 4096, 256, 64)];

fn problem(b: usize, d: usize, k: usize, n_teachers: usize) -> (Problem, Vec<f64>) {
    let scattered = |n: usize, salt: usize| (0..n).map(|i| ((i * 7919 + salt) % 1009) as f64 / 300.0 - 1.7).collect::<Vec<f64>>();
    let teacher = GaussianMixture::uniform(scattered(n_teachers * d, 1), d).unwrap();
    (Problem { n_samples: Some(b / k), ..Problem::new(vec![1.0 / k as f64; k], teacher) }, scattered(k * d, 2))
}

fn steps(c: &mut Criterion) {
    let (small, starts) = problem(1024, 8, 16, 4);
    let got = small.open(&mut Cpu::new(), &starts).unwrap().gradient(0).unwrap().remove(0).gradient;
    let want = small.open(&mut Reference, &starts).unwrap().gradient(0).unwrap().remove(0).gradient;
    let scale = want.iter().fold(0.0, |a: f64, v| a.max(v.abs()));
    assert!(got.iter().zip(&want).all(|(a, b)| (a - b).abs() <= 1e-4 * scale), "parity comes before timing");

    let mut group = c.benchmark_group("cpu step");
    group.sample_size(10);
    for (b, d, k, n_teachers) in CASES {
        let (problem, starts) = problem(b, d, k, n_teachers);
        let mut fit = problem.open(&mut Cpu::new(), &starts).unwrap();
        group.throughput(Throughput::Elements((b * (k + n_teachers)) as u64));
        group.bench_function(BenchmarkId::from_parameter(format!("B={b} d={d} k={k} K={n_teachers}")), |bencher| {
            bencher.iter(|| fit.descend(0, 1, &Rule::new(0.0, false)).unwrap());
        });
    }
    group.finish();
}

criterion_group!(benches, steps);
criterion_main!(benches);
