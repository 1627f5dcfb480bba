//! Bad points: each is refused with a way out, or dealt with as a note says.

use mixscore::cpu::CpuPolynomials;
use mixscore::diffusion::{Learned, Method, Options, Variance, learn};

use crate::truth::{log_likelihood, mixture, points, unwatched};

const METHODS: [Method; 3] = [Method::PiecewisePolynomial, Method::Ddpm, Method::Em];

fn quick(method: Method) -> Options {
    Options { method, components: Some(3), pairs: 1 << 13, samples: 100, restarts: 4, degree: 2, ..Options::default() }
}

fn learned(x: &[f64], d: usize, options: &Options) -> mixscore::Result<Learned> {
    unwatched(|w| learn(x, d, options, &mut CpuPolynomials, w))
}

fn refusal(x: &[f64], d: usize, options: &Options) -> String {
    let error = learned(x, d, options).expect_err("these points must be refused");
    assert!(matches!(error, mixscore::Error::BadInput { .. }), "{error}");
    error.to_string()
}

#[test]
fn points_that_nothing_can_be_learned_from_are_refused() {
    let truth = mixture(3, 2, 5.0, 1);
    let x = points(&truth, 300, 2);
    for method in METHODS {
        let o = quick(method);
        let mut bad = x.clone();
        bad[7] = f64::NAN;
        assert!(refusal(&bad, 2, &o).contains("point 3, coordinate 1 is NaN"), "{method:?}");
        assert!(refusal(&[1.0, 2.0], 2, &o).contains("3 components cannot be learned"), "{method:?}");
        assert!(refusal(&x, 2, &Options { components: Some(301), ..o.clone() }).contains("301 components"), "{method:?}");
        assert!(refusal(&[0.5, 0.25].repeat(50), 2, &o).contains("all 50 points are the same"), "{method:?}");
        let two: Vec<f64> = (0..100).flat_map(|i| [f64::from(i % 2) * 9.0, 0.0]).collect();
        assert!(refusal(&two, 2, &o).contains("fewer than 3 different points"), "{method:?}");
        assert!(refusal(&x, 2, &Options { variance: Variance::Known(-1.0), ..o.clone() }).contains("the variance is -1"), "{method:?}");
        assert!(refusal(&x, 2, &Options { degree: 99, ..o }).contains("degree 99"), "{method:?}");
    }
}

/// Twice the same points, one point at the other end of space, a column that never changes, an origin a million away: the same mixture.
#[test]
fn odd_points_are_learned_from_as_the_notes_say() {
    let truth = mixture(3, 2, 5.0, 3);
    let (x, fresh) = (points(&truth, 3000, 4), points(&truth, 20_000, 5));
    let good = |name: &str, found: &mixscore::GaussianMixture| {
        let gap = log_likelihood(&truth, &fresh) - log_likelihood(found, &fresh);
        // Eight parameters from 2700 points cost 0.0015 nats; ten times that is beyond chance.
        assert!(gap <= 0.015, "{name}: {gap}");
    };
    for method in METHODS {
        let o = quick(method);
        good("as they are", &learned(&x, 2, &o).unwrap().mixture);
        good("duplicates", &learned(&x.repeat(2), 2, &o).unwrap().mixture);
        let mut stray = x.clone();
        stray.extend([1e12, -1e12]);
        let found = learned(&stray, 2, &o).unwrap();
        assert!(found.notes.iter().any(|n| n.contains("1 of 3001 points are set aside") && n.contains("row 3000")), "{:?}", found.notes);
        good("stray point", &found.mixture);
        let far: Vec<f64> = x.iter().map(|v| v + 1e6).collect();
        let found = learned(&far, 2, &o).unwrap().mixture;
        let back = found.means().iter().map(|m| m - 1e6).collect();
        good("far from the origin", &found.with_means(back).unwrap());
        let flat: Vec<f64> = x.chunks_exact(2).flat_map(|p| [p[0], 7.0, p[1]]).collect();
        let found = learned(&flat, 3, &o).unwrap();
        assert!(found.notes.iter().any(|n| n.contains("1 of 3 columns are constant (1)")), "{:?}", found.notes);
        assert!(found.mixture.means().chunks_exact(3).all(|m| (m[1] - 7.0).abs() <= 0.05), "{:?}", found.mixture);
    }
}

#[test]
fn an_interruption_ends_with_its_own_error() {
    let x = points(&mixture(3, 2, 5.0, 1), 300, 2);
    for method in METHODS {
        let flag = std::sync::atomic::AtomicBool::new(true);
        let mut watch = mixscore::diffusion::Watch { interrupted: &flag, tell: &mut |_, _| {} };
        assert!(
            matches!(learn(&x, 2, &quick(method), &mut CpuPolynomials, &mut watch), Err(mixscore::Error::Stopped { .. })),
            "{method:?}"
        );
    }
}

/// In the middle of whatever is being computed on many points.
#[test]
fn an_interruption_is_answered_soon() {
    let x = points(&mixture(6, 2, 5.0, 1), 1_000_000, 2);
    for (method, after) in
        [(Method::Em, 300), (Method::PiecewisePolynomial, 500), (Method::PiecewisePolynomial, 3000), (Method::Ddpm, 1000)]
    {
        let flag = std::sync::atomic::AtomicBool::new(false);
        let o = Options { components: None, variance: Variance::Estimate, ..quick(method) };
        std::thread::scope(|scope| {
            let worker = scope.spawn(|| {
                let mut watch = mixscore::diffusion::Watch { interrupted: &flag, tell: &mut |_, _| {} };
                learn(&x, 2, &o, &mut CpuPolynomials, &mut watch).map(|_| ())
            });
            std::thread::sleep(std::time::Duration::from_millis(after));
            let asked = std::time::Instant::now();
            flag.store(true, std::sync::atomic::Ordering::Relaxed);
            let ended = worker.join().unwrap();
            let seconds = asked.elapsed().as_secs_f64();
            // A tenth of a second on two idle cores; a machine that runs other tests beside takes a while longer.
            assert!(ended.is_ok() || seconds <= 4.0, "{method:?} after {after} ms: {seconds} s");
        });
    }
}
