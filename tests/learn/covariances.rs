//! EM with covariances of any kind: its sums against plain loops, what a step may and may not do, real points, and how fast it is.

use mixscore::cpu::CpuPolynomials;
use mixscore::diffusion::{self as learn, Learned, Method, Variance};
use mixscore::internals::diffusion::Tiles;
use mixscore::internals::diffusion::em_general::{self, Options, climb};
use mixscore::internals::diffusion::moments::{log_densities, moments};
use mixscore::internals::random::{normal_f64, philox};
use mixscore::internals::reference;
use mixscore::mixture::{Covariance, CovarianceKind, Mixture};

use crate::truth::unwatched;

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
/// Fisher's irises (150, 4), in tenths of a centimetre.
const IRISES: &str = "
    51 35 14 2 49 30 14 2 47 32 13 2 46 31 15 2 50 36 14 2 54 39 17 4 46 34 14 3 50 34 15 2 44 29 14 2 49 31 15 1 54 37 15 2 48 34
    16 2 48 30 14 1 43 30 11 1 58 40 12 2 57 44 15 4 54 39 13 4 51 35 14 3 57 38 17 3 51 38 15 3 54 34 17 2 51 37 15 4 46 36 10 2 51
    33 17 5 48 34 19 2 50 30 16 2 50 34 16 4 52 35 15 2 52 34 14 2 47 32 16 2 48 31 16 2 54 34 15 4 52 41 15 1 55 42 14 2 49 31 15 2
    50 32 12 2 55 35 13 2 49 36 14 1 44 30 13 2 51 34 15 2 50 35 13 3 45 23 13 3 44 32 13 2 50 35 16 6 51 38 19 4 48 30 14 3 51 38
    16 2 46 32 14 2 53 37 15 2 50 33 14 2 70 32 47 14 64 32 45 15 69 31 49 15 55 23 40 13 65 28 46 15 57 28 45 13 63 33 47 16 49 24
    33 10 66 29 46 13 52 27 39 14 50 20 35 10 59 30 42 15 60 22 40 10 61 29 47 14 56 29 36 13 67 31 44 14 56 30 45 15 58 27 41 10 62
    22 45 15 56 25 39 11 59 32 48 18 61 28 40 13 63 25 49 15 61 28 47 12 64 29 43 13 66 30 44 14 68 28 48 14 67 30 50 17 60 29 45 15
    57 26 35 10 55 24 38 11 55 24 37 10 58 27 39 12 60 27 51 16 54 30 45 15 60 34 45 16 67 31 47 15 63 23 44 13 56 30 41 13 55 25 40
    13 55 26 44 12 61 30 46 14 58 26 40 12 50 23 33 10 56 27 42 13 57 30 42 12 57 29 42 13 62 29 43 13 51 25 30 11 57 28 41 13 63 33
    60 25 58 27 51 19 71 30 59 21 63 29 56 18 65 30 58 22 76 30 66 21 49 25 45 17 73 29 63 18 67 25 58 18 72 36 61 25 65 32 51 20 64
    27 53 19 68 30 55 21 57 25 50 20 58 28 51 24 64 32 53 23 65 30 55 18 77 38 67 22 77 26 69 23 60 22 50 15 69 32 57 23 56 28 49 20
    77 28 67 20 63 27 49 18 67 33 57 21 72 32 60 18 62 28 48 18 61 30 49 18 64 28 56 21 72 30 58 16 74 28 61 19 79 38 64 20 64 28 56
    22 63 28 51 15 61 26 56 14 77 30 61 23 63 34 56 24 64 31 55 18 60 30 48 18 69 31 54 21 67 31 56 24 69 31 51 23 58 27 51 19 68 32
    59 23 67 33 57 25 67 30 52 23 63 25 50 19 65 30 52 20 62 34 54 23 59 30 51 18
";

fn irises() -> Vec<f64> {
    IRISES.split_whitespace().map(|tenths| tenths.parse::<f64>().unwrap() / 10.0).collect()
}

fn em(kind: CovarianceKind) -> learn::Options {
    learn::Options {
        method: Method::Em,
        covariance: kind,
        variance: Variance::Estimate,
        held_out: 0.0,
        samples: 10,
        ..learn::Options::default()
    }
}

fn learned(x: &[f64], d: usize, options: &learn::Options) -> Learned {
    unwatched(|watch| learn::learn(x, d, options, &mut CpuPolynomials, watch)).unwrap()
}

/// `GaussianMixture(3, covariance_type=…, means_init=x[[10, 75, 130]], weights_init=[1/3]*3, precisions_init=2·I, tol=1e-13)` of
/// scikit-learn 1.9.1.
#[test]
fn irises_have_the_likelihoods_of_scikit_learn() {
    let x = irises();
    let means: Vec<f64> = [10, 75, 130].into_iter().flat_map(|row| x[4 * row..][..4].to_vec()).collect();
    let start = Mixture::new(vec![1.0 / 3.0; 3], means, 4, Covariance::Common(0.5)).unwrap();
    for (kind, want) in [
        (CovarianceKind::Spherical, -2.5620939671566556),
        (CovarianceKind::Diagonal, -2.0478504782004303),
        (CovarianceKind::Tied, -1.709026954858413),
        (CovarianceKind::Full, -1.2012365172332167),
    ] {
        let found = learned(&x, 4, &learn::Options { start: Some(start.widened(kind).unwrap()), ..em(kind) });
        assert!((found.train_log_likelihood - want).abs() <= 1e-6, "{kind}: {} for {want}", found.train_log_likelihood);
        assert_eq!(found.general.unwrap().covariance_kind(), kind);
    }
}

/// Lattices, on which every smaller number of round components is worse than one, and clusters that are stretched each in its own way.
#[test]
fn as_many_components_as_there_are() {
    let lattice = |side: usize, d: usize| -> Vec<f64> {
        (0..side.pow(d as u32)).flat_map(|j| (0..d).map(move |c| 12.0 * (j / side.pow(c as u32) % side) as f64)).collect()
    };
    let round = |means: Vec<f64>, d: usize| {
        let k = means.len() / d;
        Mixture::new(vec![1.0 / k as f64; k], means, d, Covariance::Common(1.0)).unwrap()
    };
    let stretched = [4.0, 1.9, 1.9, 1.0, 0.2, 0.0, 0.0, 5.0, 3.0, -1.6, -1.6, 1.0];
    let stretched = Mixture::new(vec![0.5, 0.3, 0.2], vec![0.0, 0.0, 6.0, 0.0, 0.0, 8.0], 2, Covariance::Full(stretched.to_vec())).unwrap();
    for (truth, n, kind) in [
        (round(lattice(2, 5), 5), 3000, CovarianceKind::Spherical),
        (round(lattice(4, 2), 2), 3000, CovarianceKind::Diagonal),
        (round(lattice(20, 1), 1), 3000, CovarianceKind::Tied),
        (round(lattice(3, 2), 2), 3000, CovarianceKind::Full),
        (stretched, 3000, CovarianceKind::Full),
    ] {
        let (k, d) = (truth.n_components(), truth.n_features());
        let found = learned(&points(&truth, n, 5), d, &em(kind));
        let mixture = found.general.unwrap();
        assert_eq!(mixture.n_components(), k, "{kind} in {d} dimensions: {}, {:?}", found.why, found.tried);
        for l in 0..k {
            let nearest = (0..k).map(|j| distance(truth.mean(l), mixture.mean(j))).fold(f64::INFINITY, f64::min);
            assert!(nearest <= 0.5, "{kind} in {d} dimensions: mean {l} is missed by {nearest}");
        }
        assert!(found.tried.iter().all(|tried| tried.aic.is_some_and(|aic| aic < tried.criterion)));
    }
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt()
}

/// Units of columns come back: full covariances do not care for units, and round ones become diagonal.
#[test]
fn points_drawn_are_those_of_the_model() {
    let truth = mixture(CovarianceKind::Full, 3, 2, 6.0, 4);
    let found = learned(&points(&truth, 6000, 9), 2, &learn::Options { components: Some(3), samples: 60_000, ..em(CovarianceKind::Full) });
    let model = found.general.unwrap();
    for l in 0..3 {
        let own: Vec<&[f64]> =
            found.samples.chunks_exact(2).zip(&found.labels).filter(|(_, own)| **own == l as i64).map(|(x, _)| x).collect();
        let m = own.len() as f64;
        assert!((m / 60_000.0 - model.weights()[l]).abs() <= 4.5 * (model.weights()[l] / 60_000.0).sqrt());
        let sigma = model.covariance().matrix(l, 2);
        for a in 0..2 {
            let mean = own.iter().map(|x| x[a]).sum::<f64>() / m;
            assert!((mean - model.mean(l)[a]).abs() <= 4.5 * (sigma[3 * a] / m).sqrt());
            let variance = own.iter().map(|x| (x[a] - mean) * (x[a] - mean)).sum::<f64>() / m;
            assert!((variance / sigma[3 * a] - 1.0).abs() <= 4.5 * (2.0 / m).sqrt());
        }
    }
}

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
