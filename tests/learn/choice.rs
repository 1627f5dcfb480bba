//! The number of components.

use mixscore::diffusion::em;
use mixscore::diffusion::search;
use mixscore::diffusion::tiles::Tiles;

use crate::truth::unwatched;
use mixscore::random::philox::Philox;
use mixscore::random::streams::{Purpose, stream};
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};

/// Means (K, d), weights and number of points of a made data set of variance 1.
struct Made {
    name: String,
    d: usize,
    means: Vec<f64>,
    weights: Vec<f64>,
    n: usize,
}

impl Made {
    fn points(&self, seed: u64) -> Vec<f64> {
        let mut rng: Philox = stream(seed, Purpose::Check, 7, 0);
        let mut out = Vec::with_capacity(self.n * self.d);
        for _ in 0..self.n {
            let mut u: f64 = rng.random();
            let j = self.weights.iter().position(|w| {
                u -= w;
                u < 0.0
            });
            let j = j.unwrap_or(self.weights.len() - 1);
            out.extend(self.means[j * self.d..(j + 1) * self.d].iter().map(|m| {
                let z: f64 = StandardNormal.sample(&mut rng);
                m + z
            }));
        }
        out
    }
}

/// Lattices in one to five dimensions, lines, random centres; weights as uneven as 1 : 50; 500 to 50 000 points; one to 64 clusters.
fn made(at: usize) -> Made {
    let mut rng: Philox = stream(at as u64, Purpose::Check, 8, 0);
    let n = [500, 1500, 5000, 15_000, 50_000][rng.random_range(0..5)];
    let separation = [4.0, 6.0, 10.0, 30.0][rng.random_range(0..4)];
    let (name, d, means): (String, usize, Vec<f64>) = match at % 3 {
        0 => {
            let d = 1 + at / 3 % 5;
            let sides: &[usize] = [&[2usize, 5, 20, 64][..], &[2, 3, 5, 8], &[2, 3, 4], &[2], &[2]][d - 1];
            let side = sides[rng.random_range(0..sides.len())];
            let k = side.pow(d as u32);
            (
                format!("lattice {side}^{d}"),
                d,
                (0..k).flat_map(|j| (0..d).map(move |c| (j / side.pow(c as u32) % side) as f64 * separation)).collect(),
            )
        }
        1 => {
            let (d, k) = (1 + rng.random_range(0..5), 1 + rng.random_range(0..40));
            (
                format!("line of {k}"),
                d,
                (0..k).flat_map(|j| (0..d).map(move |c| if c == 0 { j as f64 * separation } else { 0.0 })).collect(),
            )
        }
        _ => {
            let (d, k) = (1 + rng.random_range(0..8), 1 + rng.random_range(0..64));
            // Some pairs are nearer, as they fall.
            let spread = separation * (k as f64).powf(1.0 / d as f64) / 1.5;
            let mut means = Vec::new();
            while means.len() < k * d {
                let new: Vec<f64> = (0..d).map(|_| rng.random::<f64>() * spread * 2.0).collect();
                let near = means
                    .chunks_exact(d)
                    .any(|m: &[f64]| m.iter().zip(&new).map(|(a, b)| (a - b) * (a - b)).sum::<f64>() < 0.25 * separation * separation);
                if !near || rng.random::<f64>() < 0.02 {
                    means.extend(new);
                }
            }
            (format!("{k} random"), d, means)
        }
    };
    let k = means.len() / d;
    let uneven = rng.random_range(0..2) == 1;
    let raw: Vec<f64> = (0..k).map(|_| if uneven { 50f64.powf(-rng.random::<f64>()) } else { 1.0 }).collect();
    let sum: f64 = raw.iter().sum();
    let name = format!("{name}, d = {d}, n = {n}, {separation} apart, {}", if uneven { "uneven" } else { "even" });
    Made { name, d, means, weights: raw.iter().map(|w| w / sum).collect(), n }
}

fn criterion(tiles: &Tiles, fitted: &em::Fitted) -> f64 {
    let n = tiles.n as f64;
    let k = fitted.mixture.n_components();
    -2.0 * n * fitted.log_likelihood + (k * (tiles.d + 1)) as f64 * n.ln()
}

#[test]
#[ignore = "long"]
fn sixty_made_sets() {
    let only = std::env::var("ONLY").ok().and_then(|v| v.parse::<usize>().ok());
    let (mut good, mut tried) = (0, 0);
    for at in (0..60).filter(|at| only.is_none_or(|only| only == *at)) {
        let made = made(at);
        let x = made.points(at as u64);
        let tiles = Tiles::new(made.n, made.d, |i, c| x[i * made.d + c] as f32);
        let began = std::time::Instant::now();
        let found = unwatched(|w| {
            search::components(&tiles, &[], false, &search::Options { components: None, variance: None, rounds: 10, seed: 0 }, w)
        })
        .unwrap();
        let seconds = began.elapsed().as_secs_f64();
        let o = em::Options { variance: None, tolerance: 1e-10, most_iterations: 1000 };
        let own = em::climb(&tiles, found.mixture.clone(), o, None).unwrap();
        // The truth's own K from the truth's means.
        let true_k = made.means.len() / made.d;
        let start = em::start(&tiles, made.means.clone(), None).unwrap();
        let mut best = criterion(&tiles, &em::climb(&tiles, start, o, None).unwrap());
        let mut best_k = true_k;
        let k = found.mixture.n_components();
        let began = std::time::Instant::now();
        for other in (k.saturating_sub(4).max(1)..=k + 4).chain([true_k]) {
            let few = tiles.thinned(1 << 14);
            let starts = (0..20).filter_map(|start| {
                let mut rng: Philox = stream(99, Purpose::LearnSeeding, start, 0);
                let means = mixscore::diffusion::seeding::best_starts(&few, other, &mut rng)?;
                em::climb(&few, em::start(&few, means, None).unwrap(), em::Options { most_iterations: 60, tolerance: 1e-6, ..o }, None).ok()
            });
            let Some(best_start) = starts.max_by(|a, b| a.log_likelihood.total_cmp(&b.log_likelihood)) else { continue };
            let fitted = em::climb(&tiles, best_start.mixture, o, None).unwrap();
            if criterion(&tiles, &fitted) < best {
                best = criterion(&tiles, &fitted);
                best_k = other;
            }
        }
        let short = criterion(&tiles, &own) - best;
        println!(
            "{at} {}: true K {true_k}, found {k} in {seconds:.2} s ({} tried), {short:+.1} to best K {best_k} ({:.1} s) {}",
            made.name,
            found.tried.len(),
            began.elapsed().as_secs_f64(),
            if short > 10.0 { "BAD" } else { "" }
        );
        tried += 1;
        good += usize::from(short <= 10.0);
    }
    println!("{good} of {tried}");
}
