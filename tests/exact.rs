//! The reference against closed forms, finite differences and published numbers, on grids that are exact to 1e-10.

mod common;

use common::{FORMS, Tolerance, assert_close, assert_normwise, exact, gradient, scattered, teacher, uneven};
use mixscore::backend::Rule;
use mixscore::internals::reference::Point;
use mixscore::internals::reference::{Components, reverse_fisher};
use mixscore::objective::Divergence;
use mixscore::reference::Reference;
use mixscore::{GaussianMixture, Problem};

const GRID: Tolerance = Tolerance { bound: 1e-8, why: "grid 1e-10 over a central difference of 1e-5" };

fn one_dimension(d: f64, weight: f64) -> (Vec<f64>, Vec<f64>, GaussianMixture) {
    (vec![weight, 1.0 - weight], vec![-d / 2.0, d / 2.0], GaussianMixture::uniform(vec![-d / 2.0, d / 2.0], 1).unwrap())
}

#[test]
fn gradients_are_differences_of_the_divergence() {
    for d in [1, 2] {
        let (teacher, weights) = (teacher(2, d, 2.0, 3), uneven(3));
        let means: Vec<f64> = scattered(3 * d, 5).iter().map(|v| 2.0 * v).collect();
        for (divergence, estimator) in FORMS {
            let problem = Problem { divergence, estimator, ..exact(weights.clone(), teacher.clone()) };
            let got = gradient(&problem, &mut Reference, &means).gradient;
            for e in 0..means.len() {
                let shifted = |h: f64| {
                    let mut means = means.clone();
                    means[e] += h;
                    gradient(&problem, &mut Reference, &means).divergence.value
                };
                let difference = (shifted(1e-5) - shifted(-1e-5)) / 2e-5;
                assert_close(&format!("{divergence:?} {estimator:?} d={d} [{e}]"), got[e], difference, &GRID);
            }
        }
    }
}

#[test]
fn a_variance_is_a_change_of_units() {
    let (unit, weights) = (teacher(2, 2, 2.0, 3), uneven(3));
    let means: Vec<f64> = scattered(6, 5);
    let scaled = |v: &[f64]| v.iter().map(|v| v * 3.0).collect::<Vec<f64>>();
    let wide = GaussianMixture::new(unit.weights().to_vec(), scaled(unit.means()), 2, 9.0).unwrap();
    let a = gradient(&exact(weights.clone(), unit), &mut Reference, &means);
    let b = gradient(&exact(weights.clone(), wide.clone()), &mut Reference, &scaled(&means));
    let tolerance = Tolerance { bound: 1e-12, why: "rounding of a change of units" };
    assert_close("L/σ²", b.divergence.value, a.divergence.value / 9.0, &tolerance);
    let expected: Vec<f64> = a.gradient.iter().map(|g| g / 27.0).collect();
    assert_normwise("∂L/∂μ /σ³", &b.gradient, &expected, &tolerance);
    // Noise adds to the variance: σ² = 8 at time 1 is σ² = 9.
    let narrow = GaussianMixture::new(wide.weights().to_vec(), wide.means().to_vec(), 2, 8.0).unwrap();
    let noisy = gradient(&Problem { noise: 1.0, ..exact(weights, narrow) }, &mut Reference, &scaled(&means));
    assert_normwise("heat flow", &noisy.gradient, &b.gradient, &tolerance);
}

#[test]
fn one_gaussian_teacher_obeys_its_identities() {
    for d in [1, 2] {
        let weights = uneven(4);
        let teacher = GaussianMixture::uniform(scattered(d, 9), d).unwrap();
        let means: Vec<f64> = scattered(4 * d, 2).iter().map(|v| 3.0 * v).collect();
        let out = gradient(&exact(weights.clone(), teacher.clone()), &mut Reference, &means);
        let tolerance = Tolerance { bound: 1e-8, why: "grid" };
        for c in 0..d {
            let sum: f64 = (0..4).map(|i| out.gradient[i * d + c]).sum();
            let mean: f64 = (0..4).map(|i| weights[i] * means[i * d + c]).sum();
            assert_close("Σ∂L/∂μᵢ = Σwᵢμᵢ − m", sum, mean - teacher.mean(0)[c], &tolerance);
        }
        let along: f64 = (0..4 * d).map(|e| (means[e] - teacher.mean(0)[e % d]) * out.gradient[e]).sum();
        assert_close("Lyapunov", along, 2.0 * out.divergence.value + covariance_norm(&weights, &means, d), &tolerance);
    }
}

/// E_p‖C_p‖²_F by its own quadrature: a plain fine lattice over each stratum.
fn covariance_norm(weights: &[f64], means: &[f64], d: usize) -> f64 {
    let p = Components { weights, means, rank: d };
    let (half, h) = (160i64, 0.05);
    let mut total = 0.0;
    for i in 0..weights.len() {
        for node in 0..(2 * half + 1).pow(d as u32) {
            let z: Vec<f64> = (0..d as u32).map(|c| (node / (2 * half + 1).pow(c) % (2 * half + 1) - half) as f64 * h).collect();
            let x: Vec<f64> = p.mean(i).iter().zip(&z).map(|(m, z)| m + z).collect();
            let at = Point::at(&p, &p, &x);
            let mut square = 0.0;
            for a in 0..d {
                for b in 0..d {
                    let entry: f64 = (0..weights.len()).map(|l| at.r[l] * (p.mean(l)[a] - at.m[a]) * (p.mean(l)[b] - at.m[b])).sum();
                    square += entry * entry;
                }
            }
            let density: f64 = z.iter().map(|z| (-0.5 * z * z).exp() * h / (2.0 * std::f64::consts::PI).sqrt()).product();
            total += weights[i] * density * square;
        }
    }
    total
}

#[test]
fn the_tail_follows_its_rate() {
    // Two students and one teacher in one dimension, step c = ½ on ∂L/∂μ / w: L → ϱ/(32c²t²) with ϱ = 1.
    let problem = exact(vec![0.5; 2], GaussianMixture::uniform(vec![0.0], 1).unwrap());
    let mut fit = problem.open(&mut Reference, &[-1.0, 1.5]).unwrap();
    fit.descend(0, 1000, &Rule::new(0.5, true)).unwrap();
    let loss = fit.gradient(1000).unwrap()[0].divergence.value;
    assert_close("L·32c²t²", loss * 32.0 * 0.25 * 1e6, 1.0, &Tolerance { bound: 4e-3, why: "the next term of the expansion at t = 1000" });
}

#[test]
fn equal_mixtures_have_no_force_in_any_sample() {
    let q = teacher(5, 3, 4.0, 1);
    for (divergence, estimator) in FORMS {
        let problem = Problem { divergence, estimator, n_samples: Some(64), ..Problem::new(q.weights().to_vec(), q.clone()) };
        let out = gradient(&problem, &mut Reference, q.means());
        assert!(out.gradient.iter().chain(&out.standard_error).all(|v| *v == 0.0), "{divergence:?} {estimator:?}");
        assert_eq!(out.divergence.value, 0.0);
    }
}

#[test]
fn the_tables_of_separated_modes() {
    // Students .3/.7 against .5/.5 at ±D/2: L_rev, L_fwd by quadrature elsewhere, to the digits printed.
    for (d, reverse, forward) in [(2.0, 2.62e-2, 2.79e-2), (4.0, 1.34e-2, 1.45e-2), (6.0, 1.70e-3, 1.85e-3), (8.0, 6.91e-5, 7.53e-5)] {
        let (weights, means, q) = one_dimension(d, 0.3);
        for (divergence, want) in [(Divergence::Reverse, reverse), (Divergence::Forward, forward)] {
            let got = gradient(&Problem { divergence, ..exact(weights.clone(), q.clone()) }, &mut Reference, &means);
            assert_close(
                &format!("{divergence:?} D={d}"),
                got.divergence.value / want,
                1.0,
                &Tolerance { bound: 5e-3, why: "three digits" },
            );
        }
    }
    // One unit student at 0 between teachers ±D/2, and its force at μ = 1.5.
    for (d, loss) in [(2.0, 0.197), (3.0, 0.608), (4.0, 1.271), (6.0, 3.353), (10.0, 10.537)] {
        let q = GaussianMixture::uniform(vec![-d / 2.0, d / 2.0], 1).unwrap();
        let got = gradient(&exact(vec![1.0], q), &mut Reference, &[0.0]).divergence.value;
        assert_close(&format!("L at 0, D={d}"), got, loss, &Tolerance { bound: 5.1e-4, why: "three decimals" });
    }
    for (d, force) in [(4.0, -0.654), (6.0, -1.710), (10.0, -3.822)] {
        let q = GaussianMixture::uniform(vec![-d / 2.0, d / 2.0], 1).unwrap();
        let got = gradient(&exact(vec![1.0], q), &mut Reference, &[1.5]).gradient[0];
        assert_close(&format!("force at 1.5, D={d}"), got, force, &Tolerance { bound: 5.1e-4, why: "three decimals" });
    }
}

#[test]
fn heat_flow_integrand_of_the_kl_divergence() {
    // L_rev(p * N(0,t), q * N(0,t)) for w = (.3,.7), μ = ∓3, v = (.5,.5), m = (−3.2, 2.5).
    for (t, want) in [(0.0, 0.094571), (1.0, 0.022603), (3.0, 0.0087213), (10.0, 0.0034853), (30.0, 0.00080814)] {
        let q = GaussianMixture::uniform(vec![-3.2, 2.5], 1).unwrap();
        let got = gradient(&Problem { noise: t, ..exact(vec![0.3, 0.7], q) }, &mut Reference, &[-3.0, 3.0]).divergence.value;
        assert_close(&format!("t={t}"), got / want, 1.0, &Tolerance { bound: 6e-5, why: "five digits" });
    }
}

#[test]
fn the_forward_divergence_has_a_false_stationary_point() {
    // Means (s, −s, 0) with s = 2.55055 and one teacher at 0: forward gradient 0 and L = 0.94380/2; the reverse gradient points inward.
    let means = [2.55055, -2.55055, 0.0];
    let problem = exact(vec![1.0 / 3.0; 3], GaussianMixture::uniform(vec![0.0], 1).unwrap());
    let forward = gradient(&Problem { divergence: Divergence::Forward, ..problem.clone() }, &mut Reference, &means);
    assert_close("L", 2.0 * forward.divergence.value, 0.94380, &Tolerance { bound: 1e-5, why: "five digits" });
    for g in &forward.gradient {
        assert_close("forward force", *g, 0.0, &Tolerance { bound: 1e-5, why: "six digits of s" });
    }
    let reverse = gradient(&problem, &mut Reference, &means).gradient;
    assert!(reverse[0] > 0.1 && reverse[1] < -0.1 && reverse[2].abs() <= 1e-8, "{reverse:?}");
}

#[test]
fn reduction_is_exact() {
    // d = 200, k = 6, K = 4: coordinates against full space with the same (projected) noise, sample by sample.
    let (d, k, n_teachers) = (200, 6, 4);
    let q = teacher(n_teachers, d, 1.0, 4);
    let start: Vec<f64> = scattered(k * d, 8);
    let weights = uneven(k);
    let subspace = mixscore::problem::Subspace::of_means(&q, &start, 1.0);
    assert_eq!(subspace.rank(), k + n_teachers - 1);
    let (low_p, low_q) = (subspace.reduce(&start), subspace.reduce(q.means()));
    let tolerance = Tolerance { bound: 1e-12, why: "rounding of a change of basis, relative to the largest entry" };
    assert_normwise("lift undoes reduce", &subspace.lift(&low_p), &start, &tolerance);
    let full = [Components { weights: &weights, means: &start, rank: d }, Components { weights: q.weights(), means: q.means(), rank: d }];
    let low = [
        Components { weights: &weights, means: &low_p, rank: subspace.rank() },
        Components { weights: q.weights(), means: &low_q, rank: subspace.rank() },
    ];
    let (mut wide, mut narrow) = (vec![0.0; k * d], vec![0.0; k * subspace.rank()]);
    for s in 0..20 {
        let i = s % k;
        let z = scattered(d, 100 + s as u64);
        let x: Vec<f64> = full[0].mean(i).iter().zip(&z).map(|(m, z)| m + z).collect();
        let y = subspace.reduce(&x);
        reverse_fisher::add_stein(&full[0], &full[1], i, &Point::at(&full[0], &full[1], &x), 1.0, &mut wide[i * d..(i + 1) * d]);
        let row = &mut narrow[i * low[0].rank..(i + 1) * low[0].rank];
        reverse_fisher::add_stein(&low[0], &low[1], i, &Point::at(&low[0], &low[1], &y), 1.0, row);
    }
    assert_normwise("Stein", &subspace.lift_vectors(&narrow, 1.0), &wide, &tolerance);
}

#[test]
fn planted_faults_are_caught() {
    let (weights, means, q) = one_dimension(4.0, 0.3);
    let right = gradient(&exact(weights, q.clone()), &mut Reference, &means).gradient;
    let fault = |wrong: &[f64]| {
        std::panic::catch_unwind(|| assert_normwise("fault", wrong, &right, &Tolerance { bound: 1e-9, why: "exact" })).is_err()
    };
    let other = gradient(&exact(vec![0.3001, 0.6999], q), &mut Reference, &means).gradient;
    assert!(fault(&other), "a wrong weight");
    assert!(fault(&[right[1], right[0]]), "swapped rows");
    assert!(fault(&[right[0] * 1.01, right[1]]), "a factor");
    assert!(fault(&[f64::NAN, right[1]]), "NaN");
    assert!(!fault(&right));
}

#[test]
fn grids_are_exact_where_responsibilities_switch_off_centre() {
    // One student between two teachers, the switch anywhere near it: the trapezoid rule at a spacing of 1/400 as the truth.
    for (low, high) in [(-4.7, 5.3), (-1.7, 2.3), (-0.2, 0.8), (-0.5, 0.5), (-9.0, 3.0), (-2.0, 28.0)] {
        let q = GaussianMixture::uniform(vec![low, high], 1).unwrap();
        let got = gradient(&exact(vec![1.0], q.clone()), &mut Reference, &[0.0]);
        let (p, q) =
            (Components { weights: &[1.0], means: &[0.0], rank: 1 }, Components { weights: q.weights(), means: q.means(), rank: 1 });
        let (mut force, mut loss) = ([0.0], 0.0);
        for node in -3600..=3600 {
            let x = [f64::from(node) / 400.0];
            let weight = (-0.5 * x[0] * x[0]).exp() / (2.0 * std::f64::consts::PI).sqrt() / 400.0;
            let at = Point::at(&p, &q, &x);
            reverse_fisher::add_stein(&p, &q, 0, &at, weight, &mut force);
            loss += weight * at.half_square();
        }
        let tolerance = Tolerance { bound: 1e-10 * loss.max(1.0), why: "what the grid promises" };
        assert_close(&format!("force, teachers {low}, {high}"), got.gradient[0], force[0], &tolerance);
        assert_close(&format!("L, teachers {low}, {high}"), got.divergence.value, loss, &tolerance);
    }
}

#[test]
fn a_grid_too_coarse_to_mean_anything_is_refused() {
    let q = GaussianMixture::uniform(vec![-5.0, 5.0], 1).unwrap();
    for (n, good) in [(2, false), (16, false), (17, true)] {
        let problem = Problem { n_samples: Some(n), ..exact(vec![1.0], q.clone()) };
        let result = problem.open(&mut Reference, &[0.0]).and_then(|mut fit| fit.gradient(0));
        assert_eq!(result.is_ok(), good, "{n} nodes");
    }
}
