//! The number of components: what the search finds against the best that any number and many starts reach.

use mixscore::cpu::CpuPolynomials;
use mixscore::diffusion::{Learned, Method, Options, Variance, learn};
use mixscore::internals::diffusion::Tiles;
use mixscore::internals::diffusion::best_starts;
use mixscore::internals::diffusion::em;
use mixscore::internals::diffusion::search;
use mixscore::internals::random::Philox;
use mixscore::internals::random::{Purpose, stream};

use crate::made::{Made, made};
use crate::truth::unwatched;

const ALONE: em::Options = em::Options { variance: None, tolerance: 1e-9, most_iterations: 500 };

fn tiles(x: &[f64], d: usize) -> Tiles {
    Tiles::new(x.len() / d, d, |i, c| x[i * d + c] as f32)
}

/// −2 ln L + (K·d + K) ln n.
fn criterion(tiles: &Tiles, fitted: &em::Fitted) -> f64 {
    let n = tiles.n as f64;
    -2.0 * n * fitted.log_likelihood + (fitted.mixture.n_components() * (tiles.d + 1)) as f64 * n.ln()
}

fn found(x: &[f64], d: usize, method: Method) -> Learned {
    let o = Options { method, variance: Variance::Estimate, held_out: 0.0, samples: 10, pairs: 1 << 13, ..Options::default() };
    unwatched(|w| learn(x, d, &o, &mut CpuPolynomials, w)).unwrap()
}

/// The least criterion from the truth's own means, and from 20 starts at the numbers of components near `around` and at the true one.
fn best(made: &Made, tiles: &Tiles, around: usize, starts: u32) -> (f64, usize) {
    let k = made.means.len() / made.d;
    let from_truth = em::climb(tiles, em::start(tiles, made.means.clone(), None).unwrap(), ALONE, None).unwrap();
    let mut best = (criterion(tiles, &from_truth), k);
    let few = tiles.thinned(1 << 12);
    for other in (around.saturating_sub(2).max(1)..=around + 2).chain([k]) {
        let quick = em::Options { most_iterations: 40, tolerance: 1e-6, ..ALONE };
        let fitted = (0..starts).filter_map(|start| {
            let mut rng: Philox = stream(99, Purpose::LearnSeeding, start, 0);
            em::climb(&few, em::start(&few, best_starts(&few, other, &mut rng)?, None).unwrap(), quick, None).ok()
        });
        let Some(fitted) = fitted.max_by(|a, b| a.log_likelihood.total_cmp(&b.log_likelihood)) else { continue };
        let fitted = em::climb(tiles, fitted.mixture, ALONE, None).unwrap();
        if criterion(tiles, &fitted) < best.0 {
            best = (criterion(tiles, &fitted), other);
        }
    }
    best
}

/// By how much the model that `method` learned misses the best criterion.
fn shortfall(made: &Made, seed: u64, methods: &[Method], starts: u32) -> Vec<(f64, Learned)> {
    let x = made.points(seed);
    let n = made.n as f64;
    let learned: Vec<Learned> = methods.iter().map(|method| found(&x, made.d, *method)).collect();
    let tiles = tiles(&x, made.d);
    let (best, _) = best(made, &tiles, learned[0].mixture.n_components(), starts);
    let own = |l: &Learned| -2.0 * n * l.train_log_likelihood + (l.mixture.n_components() * (made.d + 1)) as f64 * n.ln();
    learned.into_iter().map(|l| (own(&l) - best, l)).collect()
}

/// Lattices, on which splitting one cluster gains nothing, and clusters of uneven weight.
#[test]
fn as_many_clusters_as_there_are() {
    let lattice = |side: usize, d: usize, separation: f64, n: usize| {
        let k = side.pow(d as u32);
        let means = (0..k).flat_map(|j| (0..d).map(move |c| (j / side.pow(c as u32) % side) as f64 * separation)).collect();
        Made { name: format!("{side}^{d}"), d, means, weights: vec![1.0 / k as f64; k], n }
    };
    let uneven = Made {
        name: "uneven".into(),
        d: 2,
        means: vec![0.0, 0.0, 8.0, 0.0, 0.0, 8.0, 30.0, 30.0],
        weights: vec![0.6, 0.02, 0.08, 0.3],
        n: 3000,
    };
    for made in [lattice(2, 5, 12.0, 3000), lattice(4, 2, 10.0, 3000), lattice(20, 1, 20.0, 3000), lattice(3, 3, 6.0, 2000), uneven] {
        let k = made.means.len() / made.d;
        for (short, learned) in shortfall(&made, 3, &[Method::Em, Method::PiecewisePolynomial], 3) {
            let got = learned.mixture.n_components();
            assert!(got == k && short <= 10.0, "{}: {got} of {k} components, {short} above the best: {}", made.name, learned.why);
            assert!(learned.tried.len() > 4 && learned.tried.iter().any(|t| t.components == k), "{:?}", learned.tried);
        }
    }
}

#[test]
#[ignore = "an hour"]
fn sixty_made_sets() {
    let mut good = [0, 0];
    for at in 0..60 {
        let made = made(at);
        let found = shortfall(&made, at as u64, &[Method::Em, Method::PiecewisePolynomial], 20);
        let k = made.means.len() / made.d;
        let said: Vec<String> = found.iter().map(|(short, l)| format!("{} components, {short:+.1}", l.mixture.n_components())).collect();
        println!("{at} {}: {k} components; {}", made.name, said.join("; "));
        for (good, (short, _)) in good.iter_mut().zip(&found) {
            *good += usize::from(*short <= 10.0);
        }
    }
    assert!(good[0] >= 58 && good[1] >= 58, "EM and polynomials come within 10 of the best on {good:?} of 60");
}

/// 10 000 points of 64 clusters in eight dimensions.
#[test]
#[ignore = "a timing"]
fn time_of_a_search() {
    let means: Vec<f64> = (0..64 * 8).map(|at| 12.0 * f64::from(((at as u32 / 8) >> (at % 8)) & 1)).collect();
    let made = Made { name: String::new(), d: 8, means, weights: vec![1.0 / 64.0; 64], n: 10_000 };
    let tiles = tiles(&made.points(1), 8);
    let began = std::time::Instant::now();
    let o = search::Options { components: None, variance: None, rounds: 10, seed: 0 };
    let found = unwatched(|w| search::components(&tiles, &[], false, &o, w)).unwrap();
    let seconds = began.elapsed().as_secs_f64();
    println!("{} components in {seconds:.1} s", found.mixture.n_components());
    assert!(found.mixture.n_components() == 64 && seconds < 20.0, "{seconds} s");
}
