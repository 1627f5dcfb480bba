//! Points as they come: far apart, equal, in unlike units, on a line; what is learned from them and what is said.

use mixscore::cpu::CpuPolynomials;
use mixscore::diffusion::{Learned, Method, Options, Variance, learn};
use mixscore::internals::random::Philox;
use mixscore::internals::random::{Purpose, stream};
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};

use crate::made::Made;
use crate::truth::{log_likelihood, mixture, points, unwatched};

const BOTH: [Method; 2] = [Method::Em, Method::PiecewisePolynomial];

fn options(method: Method) -> Options {
    Options { method, variance: Variance::Estimate, held_out: 0.0, samples: 100, pairs: 1 << 12, ..Options::default() }
}

fn learned(x: &[f64], d: usize, options: &Options) -> mixscore::Result<Learned> {
    unwatched(|w| learn(x, d, options, &mut CpuPolynomials, w))
}

#[track_caller]
fn says(learned: &Learned, word: &str) {
    assert!(learned.notes.iter().any(|note| note.contains(word)), "no note has `{word}`: {:?}", learned.notes);
}

fn normals(n: usize, seed: u64) -> Vec<f64> {
    let mut rng: Philox = stream(seed, Purpose::Check, 9, 0);
    (0..n).map(|_| StandardNormal.sample(&mut rng)).collect()
}

/// Two, or on the diagonal of the plane three, clusters of variance 1 that are up to 10¹² apart.
#[test]
fn far_clusters_are_told_apart() {
    for (d, far, k) in [(1, 1e6, 2), (1, 1e8, 2), (1, 1e12, 2), (2, 1e7, 3)] {
        let x: Vec<f64> = normals(1500 * d, 5).iter().enumerate().map(|(at, z)| (at / d % k) as f64 * far + z).collect();
        for (method, components, variance) in [
            (Method::Em, None, Variance::Estimate),
            (Method::Em, Some(k), Variance::Estimate),
            (Method::Em, None, Variance::Known(1.0)),
            (Method::PiecewisePolynomial, None, Variance::Estimate),
        ] {
            let found = learned(&x, d, &Options { components, variance, ..options(method) }).unwrap();
            let name = format!("{method:?} {components:?} {variance:?} in {d} dimensions, {far:e} apart: {:?}", found.mixture);
            assert_eq!(found.mixture.n_components(), k, "{name}");
            for (l, mean) in found.mixture.means().chunks_exact(d).enumerate() {
                let place = (mean[0] / far).round() * far;
                // Five standard errors of a mean of 500 points.
                assert!(mean.iter().all(|m| (m - place).abs() <= 5.0 / 22.0), "mean {l}, {name}");
            }
            assert!((found.mixture.variance() - 1.0).abs() <= 0.15, "{name}");
            let own = log_likelihood(&found.mixture, &x);
            assert!((found.train_log_likelihood - own).abs() <= 1e-3, "{} and {own}: {name}", found.train_log_likelihood);
            assert!(found.samples.iter().all(|s| (s - (s / far).round() * far).abs() <= 7.0), "a draw lies between: {name}");
        }
        if d > 1 {
            continue; // on the diagonal, single precision sees no width
        }
        // One component for all has the variance of them all.
        let one = learned(&x, d, &Options { components: Some(1), ..options(Method::Em) }).unwrap().mixture;
        let want = far * far * (k * k - 1) as f64 / 12.0;
        assert!((one.variance() / want - 1.0).abs() <= 0.01, "{one:?}");
    }
}

#[test]
fn many_equal_points_are_learned_from_and_noted() {
    for (d, share) in [(1, 0.4), (1, 0.6), (2, 0.7), (1, 0.9)] {
        let z = normals(2000 * d, 6);
        let x: Vec<f64> = (0..2000 * d).map(|at| if ((at / d * 7) % 1000) as f64 / 1000.0 < share { 0.0 } else { 8.0 + z[at] }).collect();
        let found = learned(&x, d, &Options { components: Some(2), ..options(Method::Em) }).unwrap();
        says(&found, "% of the points are equal");
        let mut means: Vec<f64> = found.mixture.means().chunks_exact(d).map(|m| m[0]).collect();
        means.sort_by(f64::total_cmp);
        assert!(means[0].abs() <= 0.1 && (means[1] - 8.0).abs() <= 0.3, "{means:?}");
        let variance = found.mixture.variance();
        assert!((variance - (1.0 - share)).abs() <= 0.1, "{variance}: the equal points have none");
    }
    // Two places: each of two components would have one to itself. Three in a plane likewise.
    for (d, places) in [(1, 2), (2, 3), (3, 5)] {
        let x: Vec<f64> = (0..1000 * d).map(|at| (at / d % places) as f64).collect();
        let error = learned(&x, d, &Options { components: Some(places), ..options(Method::Em) }).unwrap_err();
        assert!(matches!(error, mixscore::Error::BadInput { .. }), "{error}");
        assert!(error.to_string().contains("as many as there are different points"), "{error}");
    }
    let x = normals(40, 3);
    let error = learned(&x, 1, &Options { components: Some(40), ..options(Method::Em) }).unwrap_err().to_string();
    assert!(error.contains("40 components") && !error.contains("equal"), "no two of these points are equal: {error}");
}

/// A few points far away have a component of their own, and the polynomials cope.
#[test]
fn far_outliers_are_a_component() {
    for (d, far, n_far) in [(2, 1e4, 10), (2, 1e6, 12), (3, 3e3, 20)] {
        let z = normals(2000 * d, 7);
        let row = |i: usize, c: usize| {
            let at = if c == 0 { [-4.0, 4.0][usize::from(i.is_multiple_of(4))] } else { 0.0 };
            if i >= 2000 - n_far { far } else { at }
        };
        let x: Vec<f64> = z.iter().enumerate().map(|(at, z)| row(at / d, at % d) + z).collect();
        for method in BOTH {
            let found = learned(&x, d, &Options { pairs: 1 << 15, degree: 3, ..options(method) }).unwrap();
            assert_eq!(found.mixture.n_components(), 3, "{method:?}: {}", found.why);
            assert!((found.mixture.variance() - 1.0).abs() <= 0.1, "{:?}", found.mixture);
        }
    }
}

#[test]
fn unlike_columns_are_noted() {
    for (d, factor) in [(2, 12.0), (2, 1000.0), (3, 50.0)] {
        let x: Vec<f64> = normals(2000 * d, 8)
            .iter()
            .enumerate()
            .map(|(at, z)| if at % d == 0 { z + [-4.0, 4.0][at / d % 2] } else { factor * z })
            .collect();
        for method in BOTH {
            let found = learned(&x, d, &options(method)).unwrap();
            says(&found, "the columns' spreads differ");
        }
    }
    // Clusters that lie in a row are no unlike columns.
    let row = Made {
        name: String::new(),
        d: 2,
        means: (0..10).flat_map(|j| [30.0 * f64::from(j), 0.0]).collect(),
        weights: vec![0.1; 10],
        n: 2000,
    };
    let found = learned(&row.points(1), 2, &options(Method::Em)).unwrap();
    assert_eq!((found.mixture.n_components(), &found.notes), (10, &Vec::new()), "nothing to note");
}

/// One Gaussian with deviations that differ becomes many components, which is said; right data are not blamed.
#[test]
fn what_one_variance_does_not_fit_is_said() {
    for (low, high) in [(1.0, 10.0), (1.0, 30.0), (0.1, 2.0)] {
        // Turned by 45°, so that the columns are alike.
        let x: Vec<f64> = normals(4000, 9).chunks_exact(2).flat_map(|z| [low * z[0] + high * z[1], low * z[0] - high * z[1]]).collect();
        for method in BOTH {
            let found = learned(&x, 2, &options(method)).unwrap();
            assert!(found.mixture.n_components() > 3, "{}", found.why);
            says(&found, "one common, spherical variance does not fit");
        }
    }
    for seed in 0..4 {
        let truth = mixture(4, 3, 5.0, seed);
        let found = learned(&points(&truth, 2000, seed), 3, &options(Method::Em)).unwrap();
        assert!(found.notes.is_empty() && found.mixture.n_components() == 4, "{}: {:?}", found.why, found.notes);
    }
}

#[test]
fn few_points_for_many_components_are_noted() {
    for (k, n) in [(8, 40), (20, 150), (5, 45)] {
        let means = (0..k).map(|j| 100.0 * j as f64).collect();
        let made = Made { name: String::new(), d: 1, means, weights: vec![1.0 / k as f64; k], n };
        says(
            &learned(&made.points(2), 1, &Options { components: Some(k), ..options(Method::Em) }).unwrap(),
            "fewer than 10 points for each",
        );
    }
}

/// Points on a line, or in a plane, of more dimensions: learned there, whatever the direction.
#[test]
fn points_that_span_less_are_learned_where_they_lie() {
    for (rank, d, k) in [(1, 5, 1), (1, 5, 3), (2, 6, 2)] {
        let directions = normals(rank * d, 20 + d as u64);
        let z = normals(2000 * rank, 10);
        let inner = |i: usize, r: usize| z[i * rank + r] + 8.0 * (i % k) as f64;
        let x: Vec<f64> =
            (0..2000 * d).map(|at| 3.0 + (0..rank).map(|r| inner(at / d, r) * directions[r * d + at % d]).sum::<f64>()).collect();
        for method in BOTH {
            let began = std::time::Instant::now();
            let found = learned(&x, d, &options(method)).unwrap();
            says(&found, &format!("span {rank} of {d} dimensions"));
            let got = found.mixture.n_components();
            // In a plane the map stretches, so that a common variance takes more components than there are clusters.
            assert!(if rank == 1 { got == k } else { got <= 60 }, "{method:?}: {got} components for {k}");
            let own = log_likelihood(&found.mixture, &x);
            assert!((found.train_log_likelihood - own).abs() <= 1e-3 * own.abs(), "{} and {own}", found.train_log_likelihood);
            assert!(began.elapsed().as_secs() < 60);
        }
    }
}

/// EM goes on to the maximum where its steps are short: overlapping components against plain double-precision EM.
#[test]
fn em_ends_at_the_maximum() {
    for (n, apart, share) in [(20_000, 1.0, 0.3), (5000, 1.5, 0.5), (8000, 2.0, 0.1)] {
        let mut rng: Philox = stream(8, Purpose::Check, 10, 0);
        let x: Vec<f64> = normals(n, 11).iter().map(|z| z + if rng.random::<f64>() < share { 0.0 } else { apart }).collect();
        let o = Options { components: Some(2), ..options(Method::Em) };
        let found = learned(&x, 1, &o).unwrap();
        let end = found.em.unwrap();
        assert!(end.last_gain < o.tolerance && end.iterations < o.iterations, "{end:?}");
        let (best, at) = plain_em(&x, found.mixture.means(), found.mixture.weights(), found.mixture.variance());
        let short = n as f64 * (best - log_likelihood(&found.mixture, &x));
        assert!((-1e-6..=0.01).contains(&short), "{short} nats short of {at:?}: {:?}", found.mixture);
        // One step is not the end, and that is said.
        let early = learned(&x, 1, &Options { iterations: 1, tolerance: 0.0, ..o.clone() }).unwrap();
        says(&early, "EM has not converged: after 1 iterations");
    }
}

/// The mean log-likelihood after 3000 steps of EM in one dimension and double precision.
fn plain_em(x: &[f64], means: &[f64], weights: &[f64], variance: f64) -> (f64, [f64; 5]) {
    let (mut m, mut w, mut v) = ([means[0], means[1]], [weights[0], weights[1]], variance);
    let mut value = 0.0;
    for _ in 0..3000 {
        let (mut mass, mut first, mut square) = ([0.0; 2], [0.0; 2], 0.0);
        value = 0.0;
        for x in x {
            let p = [0, 1].map(|l| w[l] * (-0.5 * (x - m[l]).powi(2) / v).exp());
            let sum = p[0] + p[1];
            value += sum.ln() - 0.5 * (2.0 * std::f64::consts::PI * v).ln();
            for l in 0..2 {
                let r = p[l] / sum;
                mass[l] += r;
                first[l] += r * x;
                square += r * x * x;
            }
        }
        let n = x.len() as f64;
        m = [first[0] / mass[0], first[1] / mass[1]];
        w = [mass[0] / n, mass[1] / n];
        v = (square - mass[0] * m[0] * m[0] - mass[1] * m[1] * m[1]) / n;
        value /= n;
    }
    (value, [m[0], m[1], w[0], w[1], v])
}

/// The number of components does not hang on whether points are held out.
#[test]
fn held_out_or_not_the_number_is_the_same() {
    for (k, d, seed) in [(6, 10, 1), (12, 20, 2), (3, 2, 3)] {
        let truth = mixture(k, d, 5.0, seed);
        let x = points(&truth, 4000, seed);
        for held_out in [0.0, 0.1] {
            let found = learned(&x, d, &Options { held_out, degree: 3, ..options(Method::PiecewisePolynomial) }).unwrap();
            assert_eq!(found.mixture.n_components(), k, "{held_out} held out in {d} dimensions: {}", found.why);
        }
    }
}
