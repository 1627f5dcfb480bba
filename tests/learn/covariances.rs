//! EM with covariances of any kind: its sums against plain loops, what a step may and may not do, real points, and how fast it is.

use mixscore::internals::diffusion::Tiles;
use mixscore::internals::diffusion::em_general::{self, Options, climb};
use mixscore::internals::diffusion::moments::{log_densities, moments};
use mixscore::internals::random::{normal_f64, philox};
use mixscore::internals::reference;
use mixscore::mixture::{Covariance, CovarianceKind, Mixture};

/// Standard normal numbers, by address.
fn normals(n: usize, seed: u32) -> Vec<f64> {
    (0..n as u32).map(|i| normal_f64(philox([i, seed, 0, 0], [7, 11])[0])).collect()
}

/// Means of size `radius`, weights that differ, and covariances I + ¼ z zᵀ-like in the form of `kind`.
fn mixture(kind: CovarianceKind, k: usize, d: usize, radius: f64, seed: u32) -> Mixture {
    let z = normals(2 * k * d + k * d * d, seed);
    let means: Vec<f64> = z[..k * d].iter().map(|z| radius * z).collect();
    let total: f64 = (0..k).map(|i| 1.0 + 0.3 * i as f64).sum();
    let weights = (0..k).map(|i| (1.0 + 0.3 * i as f64) / total).collect();
    let matrix = |l: usize| -> Vec<f64> {
        let z = &z[2 * k * d + l * d * d..][..d * d];
        let dot = |a: usize, b: usize| (0..d).map(|c| z[a * d + c] * z[b * d + c]).sum::<f64>() / d as f64;
        (0..d * d).map(|at| dot(at / d, at % d) + if at / d == at % d { 0.3 } else { 0.0 }).collect()
    };
    let spread = |at: usize| (0.4 * z[k * d + at]).exp();
    let covariance = match kind {
        CovarianceKind::Common => Covariance::Common(1.3),
        CovarianceKind::Spherical => Covariance::Spherical((0..k).map(spread).collect()),
        CovarianceKind::Diagonal => Covariance::Diagonal((0..k * d).map(spread).collect()),
        CovarianceKind::Tied => Covariance::Tied(matrix(0)),
        CovarianceKind::Full => Covariance::Full((0..k).flat_map(matrix).collect()),
    };
    Mixture::new(weights, means, d, covariance).unwrap()
}

/// Points (n, d) of a mixture, rounded to single precision.
fn points(mixture: &Mixture, n: usize, seed: u32) -> Vec<f64> {
    let (k, d) = (mixture.n_components(), mixture.n_features());
    let z = normals(n * d, seed);
    let mut out = Vec::with_capacity(n * d);
    for (i, z) in z.chunks_exact(d).enumerate() {
        let l = (i * 7 + i / 3) % k;
        out.extend((0..d).map(|a| f64::from((mixture.mean(l)[a] + mixture.factor(l).coloured(z, a)) as f32)));
    }
    out
}

fn tiles(points: &[f64], d: usize) -> Tiles {
    Tiles::new(points.len() / d, d, |i, c| points[i * d + c] as f32)
}

fn options(floor: f64, tolerance: f64) -> Options {
    Options { floor, tolerance, most_iterations: 1000 }
}

/// Fails where numbers differ by more than `bound` of the largest.
fn assert_near(name: &str, got: &[f64], want: &[f64], bound: f64) {
    let size = want.iter().fold(1e-300f64, |a, b| a.max(b.abs()));
    assert_eq!(got.len(), want.len(), "{name}");
    for (at, (got, want)) in got.iter().zip(want).enumerate() {
        let err = (got - want).abs() / size;
        assert!(err <= bound, "{name}[{at}]: {got} vs {want}, {err:.1e} of the largest");
    }
}

#[test]
fn moments_agree_with_plain_loops() {
    for kind in CovarianceKind::ALL {
        for (at, d) in [1, 2, 7, 16, 33].into_iter().enumerate() {
            for k in [1, 2, 5, 9] {
                let own = mixture(kind, k, d, 2.0, (10 * at + k) as u32);
                let x = points(&own, 500 + at, 3);
                let got = moments(&tiles(&x, d), &own);
                let (log_likelihood, mass, first, second) = reference::moments(&own, &x);
                let name = format!("{kind}, k = {k}, d = {d}");
                // Rounding of sums of 500 numbers in double precision; responsibilities below 1e-12 are left out.
                assert_near(&format!("{name}: log-likelihood"), &[got.log_likelihood], &[log_likelihood], 1e-13);
                assert_near(&format!("{name}: mass"), &got.mass, &mass, 1e-11);
                assert_near(&format!("{name}: first"), &got.first, &first, 1e-11);
                assert_near(&format!("{name}: second"), &got.second, &second, 1e-11);
                let each: f64 = log_densities(&tiles(&x, d), &own).iter().sum();
                assert_near(&format!("{name}: log-densities"), &[each], &[log_likelihood], 1e-13);
            }
        }
    }
}

/// Moments about means that lie elsewhere are not those that the plain loops have.
#[test]
fn a_forgotten_shift_is_seen() {
    for kind in CovarianceKind::ALL {
        let own = mixture(kind, 3, 4, 2.0, 5);
        let x = points(&own, 500, 3);
        let moved =
            Mixture::new(own.weights().to_vec(), own.means().iter().map(|m| m + 0.01).collect(), 4, own.covariance().clone()).unwrap();
        let (got, (_, _, _, second)) = (moments(&tiles(&x, 4), &moved), reference::moments(&own, &x));
        let size = second.iter().fold(0.0f64, |a, b| a.max(b.abs()));
        let off = got.second.iter().zip(&second).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(off > 1e-6 * size, "{kind}: {off:.1e} of {size:.1e}");
    }
}

#[test]
fn threads_change_no_bit() {
    let own = mixture(CovarianceKind::Full, 3, 5, 1.0, 1);
    let x = tiles(&points(&own, 40_000, 2), 5);
    let on = |n| rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap().install(|| moments(&x, &own));
    assert_eq!(on(1), on(3));
}

#[test]
fn a_step_never_lowers_the_likelihood() {
    for kind in CovarianceKind::ALL {
        let x = tiles(&points(&mixture(kind, 4, 3, 2.0, 1), 2000, 2), 3);
        let mut at = mixture(kind, 4, 3, 1.5, 9);
        let mut before = f64::NEG_INFINITY;
        for i in 0..200 {
            let sums = moments(&x, &at);
            let now = sums.log_likelihood / 2000.0;
            assert!(now >= before - 1e-12, "{kind}, step {i}: {before} then {now}");
            before = now;
            at = em_general::step(&at, &sums, 0.0).unwrap();
        }
    }
}

/// Full covariances follow any affine map, diagonal ones a scale of each column, all a permutation of the components.
#[test]
fn what_the_points_do_the_mixture_does() {
    let d = 3;
    let x = points(&mixture(CovarianceKind::Full, 3, d, 2.0, 1), 2000, 2);
    // Numbers that single precision holds exactly, so that both see the same points.
    let x: Vec<f64> = x.iter().map(|x| (x * 1024.0).round() / 1024.0).collect();
    let scales = [2.0, 0.5, 8.0];
    for kind in CovarianceKind::ALL {
        let map: [f64; 9] = match kind {
            CovarianceKind::Full | CovarianceKind::Tied => [2.0, 1.0, 0.0, 0.0, 0.5, 0.0, -1.0, 0.0, 8.0],
            CovarianceKind::Diagonal => [2.0, 0.0, 0.0, 0.0, 0.5, 0.0, 0.0, 0.0, 8.0],
            _ => [4.0, 0.0, 0.0, 0.0, 4.0, 0.0, 0.0, 0.0, 4.0],
        };
        let determinant: f64 = if kind >= CovarianceKind::Diagonal { scales.iter().product() } else { 64.0 };
        let mapped = |v: &[f64]| -> Vec<f64> {
            v.chunks_exact(d).flat_map(|v| (0..d).map(|a| (0..d).map(|b| map[a * d + b] * v[b]).sum::<f64>()).collect::<Vec<_>>()).collect()
        };
        let start = mixture(kind, 3, d, 1.5, 9);
        let matrix = |s: &[f64]| -> Vec<f64> {
            let half = |a: usize, c: usize| (0..d).map(|b| map[a * d + b] * s[b * d + c]).sum::<f64>();
            (0..d * d).map(|at| (0..d).map(|c| half(at / d, c) * map[at % d * d + c]).sum()).collect()
        };
        let covariance = match start.covariance() {
            Covariance::Common(v) => Covariance::Common(16.0 * v),
            Covariance::Spherical(v) => Covariance::Spherical(v.iter().map(|v| 16.0 * v).collect()),
            Covariance::Diagonal(v) => Covariance::Diagonal(v.iter().enumerate().map(|(at, v)| v * scales[at % d].powi(2)).collect()),
            Covariance::Tied(s) => Covariance::Tied(matrix(s)),
            Covariance::Full(s) => Covariance::Full(s.chunks_exact(d * d).flat_map(matrix).collect()),
        };
        let swapped = |v: &[f64], n: usize| -> Vec<f64> { v.chunks_exact(n).rev().flatten().copied().collect() };
        let other = Mixture::new(start.weights().to_vec(), mapped(start.means()), d, covariance).unwrap();
        let o = Options { floor: 0.0, tolerance: f64::NEG_INFINITY, most_iterations: 30 };
        let (one, two) = (climb(&tiles(&x, d), start, o, None).unwrap(), climb(&tiles(&mapped(&x), d), other.clone(), o, None).unwrap());
        assert_near(&format!("{kind}: means"), &mapped(one.mixture.means()), two.mixture.means(), 1e-9);
        assert_near(&format!("{kind}: weights"), one.mixture.weights(), two.mixture.weights(), 1e-9);
        assert_near(&format!("{kind}: likelihood"), &[one.log_likelihood - determinant.ln()], &[two.log_likelihood], 1e-10);
        let each = other.covariance().values().len() / 3;
        let covariance = match kind {
            CovarianceKind::Common | CovarianceKind::Tied => other.covariance().clone(),
            _ => Covariance::of_kind(kind, swapped(other.covariance().values(), each)),
        };
        let other = Mixture::new(swapped(other.weights(), 1), swapped(other.means(), d), d, covariance).unwrap();
        let three = climb(&tiles(&mapped(&x), d), other, o, None).unwrap();
        assert_near(&format!("{kind}: permuted"), &swapped(three.mixture.means(), d), two.mixture.means(), 1e-9);
    }
}

/// A component that no point is near keeps its place; one on a single place keeps the floor.
#[test]
fn lost_and_shrunk_components_stay_finite() {
    let mut x: Vec<f64> = normals(600, 4).into_iter().chain([9.0; 60]).map(|x| f64::from(x as f32)).collect();
    x.extend([9.0; 40]);
    for kind in CovarianceKind::ALL {
        let covariance = Covariance::Common(1.0).widened(kind, 3, 2).unwrap();
        let start = Mixture::new(vec![0.3, 0.3, 0.4], vec![0.0, 0.0, 9.0, 9.0, 900.0, 900.0], 2, covariance).unwrap();
        let fitted = climb(&tiles(&x, 2), start, options(1e-6, 1e-10), None).unwrap();
        assert_eq!(fitted.mixture.mean(2), [900.0, 900.0], "{kind}");
        assert!(fitted.mass[2] == 0.0 && fitted.mixture.weights()[2] < 1e-6);
        let least = em_general::least_variances(&fitted.mixture)[0];
        let shares = matches!(kind, CovarianceKind::Common | CovarianceKind::Tied);
        assert!(if shares { least > 0.1 } else { (least - 1e-6).abs() <= 1e-12 }, "{kind}: {least}");
    }
}

/// Seconds of an iteration at n = 10⁶, d = K = 16, for a comparison with other programs in one run.
#[test]
#[ignore = "a timing"]
fn time_per_iteration() {
    let x = tiles(&points(&mixture(CovarianceKind::Full, 16, 16, 2.0, 1), 1_000_000, 2), 16);
    for kind in CovarianceKind::ALL {
        let o = Options { floor: 1e-6, tolerance: f64::NEG_INFINITY, most_iterations: 3 };
        let fitted = climb(&x, mixture(kind, 16, 16, 2.0, 1), o, None).unwrap();
        println!("{kind} {:.4} s per iteration, log-likelihood {}", fitted.seconds / 3.0, fitted.log_likelihood);
    }
}
