//! Monte Carlo on the CPU backend: agreement with exact values, calibrated standard errors, and the same bits however work is cut.

mod common;

use common::{FORMS, Tolerance, assert_normwise, exact, gradient, largest, scattered, teacher, uneven};
use mixscore::backend::Rule;
use mixscore::cpu::Cpu;
use mixscore::objective::Estimate;
use mixscore::objective::{Estimator, Sampler};
use mixscore::reference::Reference;
use mixscore::{GaussianMixture, Problem};

/// Standard deviation of z-scores over `n` seeds.
fn spread(scores: &[f64]) -> f64 {
    (scores.iter().map(|z| z * z).sum::<f64>() / scores.len() as f64).sqrt()
}

#[test]
fn standard_errors_of_gradients_are_calibrated() {
    let (q, weights) = (teacher(2, 2, 2.0, 3), uneven(3));
    let means: Vec<f64> = scattered(6, 5).iter().map(|v| 2.0 * v).collect();
    for (divergence, estimator) in FORMS {
        for sampler in [Sampler::Philox, Sampler::Antithetic, Sampler::Sobol] {
            let form = Problem { divergence, estimator, ..exact(weights.clone(), q.clone()) };
            let truth = gradient(&form, &mut Reference, &means);
            let (mut scores, mut losses) = (vec![Vec::new(); means.len()], Vec::new());
            for seed in 0..40 {
                let out = gradient(&Problem { sampler, n_samples: Some(1024), seed, ..form.clone() }, &mut Cpu::new(), &means);
                for e in 0..means.len() {
                    scores[e].push((out.gradient[e] - truth.gradient[e]) / out.standard_error[e]);
                }
                losses.push((out.divergence.value - truth.divergence.value) / out.divergence.standard_error);
            }
            for (e, scores) in scores.iter().chain([&losses]).enumerate() {
                let sd = spread(scores);
                assert!((0.7..=1.4).contains(&sd), "{divergence:?} {estimator:?} {sampler:?} entry {e}: z-scores spread {sd}");
            }
        }
    }
}

#[test]
fn standard_errors_of_metrics_are_calibrated() {
    // .3/.7 against .5/.5 at ±2 in one dimension: values by quadrature.
    let q = GaussianMixture::uniform(vec![-2.0, 2.0], 1).unwrap();
    let truth = [quadrature(4.0, 0.3)].concat();
    let mut scores = vec![Vec::new(); 5];
    for seed in 0..40 {
        let problem = Problem { seed, ..Problem::new(vec![0.3, 0.7], q.clone()) };
        let m = problem.open(&mut Cpu::new(), &[-2.0, 2.0]).unwrap().measure(2000, 0).unwrap().remove(0);
        let all: [Estimate; 5] = [m.reverse_fisher, m.forward_fisher, m.kl_student_teacher, m.kl_teacher_student, m.total_variation];
        for ((scores, e), truth) in scores.iter_mut().zip(all).zip(&truth) {
            scores.push((e.value - truth) / e.standard_error);
        }
    }
    for (scores, name) in scores.iter().zip(["reverse", "forward", "KL(p‖q)", "KL(q‖p)", "TV"]) {
        let sd = spread(scores);
        assert!((0.7..=1.4).contains(&sd), "{name}: z-scores spread {sd}");
    }
}

/// L_rev, L_fwd, KL both ways and TV of w/(1−w) against ½/½ at ±D/2, by the trapezoid rule on a line.
fn quadrature(d: f64, w: f64) -> Vec<f64> {
    let normal = |x: f64| (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt();
    let h = 1e-3;
    let mut out = vec![0.0; 5];
    for i in -20_000..=20_000 {
        let x = f64::from(i) * h;
        let (a, b) = (normal(x + d / 2.0), normal(x - d / 2.0));
        let (p, q) = (w * a + (1.0 - w) * b, 0.5 * (a + b));
        if p < 1e-250 || q < 1e-250 {
            continue;
        }
        let residual = (d / 2.0) * ((b * (1.0 - w) - a * w) / p - (b - a) * 0.5 / q);
        out[0] += h * p * 0.5 * residual * residual;
        out[1] += h * q * 0.5 * residual * residual;
        out[2] += h * p * (p / q).ln();
        out[3] += h * q * (q / p).ln();
        out[4] += h * (p - q).max(0.0);
    }
    // The published digits of this case, so that the quadrature is itself checked.
    if d == 4.0 && w == 0.3 {
        assert!((out[2] - 0.0766).abs() <= 5.1e-5 && (out[4] - 0.1909).abs() <= 5.1e-5, "{out:?}");
    }
    out
}

#[test]
fn the_same_bits_however_the_work_is_cut() {
    let (q, weights) = (teacher(3, 5, 3.0, 3), uneven(4));
    let starts: Vec<f64> = scattered(3 * 4 * 5, 6).iter().map(|v| 3.0 * v).collect();
    for (divergence, estimator) in FORMS {
        for sampler in [Sampler::Philox, Sampler::Antithetic, Sampler::Sobol] {
            let problem =
                Problem { divergence, estimator, sampler, n_samples: Some(704), seed: 11, ..Problem::new(weights.clone(), q.clone()) };
            let run = |problem: &Problem, starts: &[f64], pieces: &[u64]| {
                let mut fit = problem.open(&mut Cpu::new(), starts).unwrap();
                let mut step = 0;
                for n in pieces {
                    fit.descend(step, *n, &Rule::new(0.1, false)).unwrap();
                    step += n;
                }
                fit.means().unwrap()
            };
            let together = run(&problem, &starts, &[6]);
            assert_eq!(together, run(&problem, &starts, &[1, 2, 3]), "steps in pieces");
            for r in 0..3 {
                let alone = Problem { first_replicate: r as u32, ..problem.clone() };
                let row = 4 * 5;
                assert_eq!(together[r * row..(r + 1) * row], run(&alone, &starts[r * row..(r + 1) * row], &[6]), "replicate {r} alone");
            }
            for threads in [1, 3] {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                assert_eq!(together, pool.install(|| run(&problem, &starts, &[6])), "{threads} threads");
            }
        }
    }
}

#[test]
fn extreme_problems_agree_with_the_reference() {
    // name, k, K, d, spread of the means, offset from the origin, smallest weight
    let cases = [
        ("offset 1e4", 4, 3, 3, 3.0, 1e4, 0.1),
        ("offset 1e6", 4, 3, 3, 3.0, 1e6, 0.1),
        ("tiny weights", 5, 4, 2, 3.0, 0.0, 1e-30),
        ("separation 60", 4, 4, 2, 60.0, 0.0, 0.1),
        ("coincident", 4, 3, 2, 0.0, 1.0, 0.1),
        ("k = 1", 1, 3, 2, 3.0, 0.0, 0.1),
        ("K = 1", 4, 1, 2, 3.0, 0.0, 0.1),
        ("d = 1", 4, 3, 1, 3.0, 0.0, 0.1),
        ("d = 2000", 3, 2, 2000, 0.2, 0.0, 0.1),
    ];
    for (name, k, n_teachers, d, width, offset, smallest) in cases {
        let weights = |n: usize| {
            let mut w = vec![(1.0 - smallest) / (n.max(2) - 1) as f64; n];
            w[0] = if n == 1 { 1.0 } else { smallest };
            w
        };
        let place = |n: usize, seed| scattered(n * d, seed).iter().map(|v| v * width + offset).collect::<Vec<f64>>();
        let q = GaussianMixture::new(weights(n_teachers), place(n_teachers, 1), d, 1.0).unwrap();
        let means = place(k, 2);
        for ((divergence, estimator), sampler) in FORMS.iter().flat_map(|form| [(*form, Sampler::Philox), (*form, Sampler::Sobol)]) {
            let problem = Problem { divergence, estimator, sampler, n_samples: Some(256), ..Problem::new(weights(k), q.clone()) };
            let want = gradient(&problem, &mut Reference, &means);
            let got = gradient(&problem, &mut Cpu::new(), &means);
            let scale = largest(&want.gradient).max(1e-6);
            let err = largest(&got.gradient.iter().zip(&want.gradient).map(|(a, b)| a - b).collect::<Vec<_>>());
            // Single precision of z (1e-7) times the largest logit, through one softmax; draws are the same.
            assert!(err <= 2e-4 * scale, "{name} {divergence:?} {estimator:?} {sampler:?}: error {err:e} at {scale:e}");
            let err = (got.divergence.value - want.divergence.value).abs();
            assert!(err <= 1e-4 * want.divergence.value.max(1e-6), "{name} {divergence:?}: L error {err:e}");
        }
    }
}

#[test]
fn sobol_points_are_the_same_on_both_devices() {
    // Nets of one point, of less than a vector, of more, and larger than a tile; coordinates that have no direction numbers.
    for (d, n) in [(3, 5), (3, 64), (3, 992), (3, 20_480), (2100, 48)] {
        let (q, means) = (teacher(2, d, 0.5, 3), scattered(3 * d, 5).iter().map(|v| 0.5 * v).collect::<Vec<f64>>());
        for (divergence, estimator) in FORMS {
            let sampler = Sampler::Sobol;
            let problem =
                Problem { divergence, estimator, sampler, reduce: false, n_samples: Some(n), ..Problem::new(uneven(3), q.clone()) };
            let (want, got) = (gradient(&problem, &mut Reference, &means), gradient(&problem, &mut Cpu::new(), &means));
            let name = format!("d={d} n={n} {divergence:?} {estimator:?}");
            assert_normwise(&name, &got.gradient, &want.gradient, &Tolerance { bound: 1e-4, why: "single precision, equal draws" });
            let tolerance = Tolerance { bound: 1e-3, why: "differences of groups, which are smaller than their means" };
            assert_normwise(&name, &got.standard_error, &want.standard_error, &tolerance);
        }
    }
}

#[test]
fn nets_and_the_mix_have_less_variance_than_independent_draws() {
    // Spread over seeds in two dimensions, nets where components overlap and the mix where they are far apart: a fault in either (a
    // lost scramble, a wrong sign) loses the gain.
    let weights = uneven(4);
    let variance = |apart: f64, estimator, sampler| {
        let q = teacher(3, 2, apart, 3);
        let means: Vec<f64> = scattered(8, 5).iter().map(|v| apart * v).collect();
        let form = Problem { estimator, sampler, n_samples: Some(1024), ..Problem::new(weights.clone(), q.clone()) };
        let outs: Vec<Vec<f64>> =
            (0..40).map(|seed| gradient(&Problem { seed, ..form.clone() }, &mut Cpu::new(), &means).gradient).collect();
        let mean = |e: usize| outs.iter().map(|g| g[e]).sum::<f64>() / 40.0;
        (0..8).map(|e| outs.iter().map(|g| (g[e] - mean(e)).powi(2)).sum::<f64>() / 39.0).sum::<f64>()
    };
    let nets = variance(3.0, Estimator::Stein, Sampler::Philox) / variance(3.0, Estimator::Stein, Sampler::Sobol);
    let mix = variance(9.0, Estimator::Stein, Sampler::Philox) / variance(9.0, Estimator::Auto, Sampler::Philox);
    println!("gains: nets {nets}, mix {mix}");
    // Forty seeds know a variance to 23 %; the gains printed when this was written were 6.1 and 49.
    assert!(nets >= 3.0 && mix >= 15.0, "{nets} {mix}");
}

#[test]
fn the_floor_of_single_precision_near_the_optimum() {
    // Students at the teachers but split in two, and a little off: single precision rounds each posterior mean relative to the
    // spread of its neighbours, so forces have a floor of about 1e-7 of it, where the exact force is zero or tiny.
    let q = teacher(5, 3, 2.0, 4);
    let weights: Vec<f64> = q.weights().iter().flat_map(|w| [0.5 * w, 0.5 * w]).collect();
    let spread = largest(q.means());
    for off in [0.0, 1e-6, 1e-4, 1e-2] {
        let noise = scattered(30, 8);
        let twice = (0..5).flat_map(|j| [q.mean(j), q.mean(j)].concat());
        let means: Vec<f64> = twice.zip(&noise).map(|(m, z)| m + off * z).collect();
        let problem = Problem { n_samples: Some(500), ..Problem::new(weights.clone(), q.clone()) };
        let (want, got) = (gradient(&problem, &mut Reference, &means), gradient(&problem, &mut Cpu::new(), &means));
        let err = largest(&got.gradient.iter().zip(&want.gradient).map(|(a, b)| a - b).collect::<Vec<_>>());
        assert!(err <= 1e-7 * spread * spread, "off by {off}: error {err:e}");
        let loss = (got.divergence.value - want.divergence.value).abs();
        assert!(loss <= 1e-4 * want.divergence.value + 1e-13 * spread * spread, "off by {off}: L error {loss:e}");
    }
}

#[test]
fn overflow_is_never_a_number() {
    let q = GaussianMixture::uniform(vec![-5.0, 5.0], 1).unwrap();
    let mut fit = Problem { n_samples: Some(64), ..Problem::new(vec![0.5; 2], q) }.open(&mut Cpu::new(), &[1e37, 2.6e39]).unwrap();
    let metrics = fit.measure(64, 0).unwrap().remove(0);
    assert!(!metrics.kl_student_teacher.value.is_finite() && !metrics.total_variation.value.is_finite(), "{metrics:?}");
    // Huge but finite means are no reason to panic in the reduction either.
    let far: Vec<f64> = scattered(400, 1).iter().map(|v| 1e160 * v).collect();
    let q = GaussianMixture::uniform(vec![0.0; 200], 200).unwrap();
    let fit = Problem { n_samples: Some(64), ..Problem::new(vec![0.5; 2], q) }.open(&mut Cpu::new(), &far);
    assert!(fit.is_ok());
}
