//! Made data sets of known clusters, of variance 1.

use mixscore::internals::random::Philox;
use mixscore::internals::random::{Purpose, stream};
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};

/// Means (K, d) and weights of clusters, and how many points of them are wanted.
pub(crate) struct Made {
    pub name: String,
    pub d: usize,
    pub means: Vec<f64>,
    pub weights: Vec<f64>,
    pub n: usize,
}

impl Made {
    /// (n, d)
    pub(crate) fn points(&self, seed: u64) -> Vec<f64> {
        let mut rng: Philox = stream(seed, Purpose::Check, 7, 0);
        let mut out = Vec::with_capacity(self.n * self.d);
        for _ in 0..self.n {
            let mut u: f64 = rng.random();
            let j = self.weights.iter().position(|w| {
                u -= w;
                u < 0.0
            });
            let j = j.unwrap_or(self.weights.len() - 1);
            for mean in &self.means[j * self.d..(j + 1) * self.d] {
                let z: f64 = StandardNormal.sample(&mut rng);
                out.push(mean + z);
            }
        }
        out
    }
}

/// The `at`-th of many: lattices in one to five dimensions, lines, random centres, 4 to 30 apart; weights even or as uneven as 1 : 50; 500 to
/// 50 000 points; one to 64 clusters.
pub(crate) fn made(at: usize) -> Made {
    let mut rng: Philox = stream(at as u64, Purpose::Check, 8, 0);
    let n = [500, 1500, 5000, 15_000, 50_000][rng.random_range(0..5)];
    let separation = [4.0, 6.0, 10.0, 30.0][rng.random_range(0..4)];
    let (name, d, means) = match at % 3 {
        0 => lattice(1 + at / 3 % 5, separation, &mut rng),
        1 => line(separation, &mut rng),
        _ => random(separation, &mut rng),
    };
    let is_uneven = rng.random_range(0..2) == 1;
    let raw: Vec<f64> = (0..means.len() / d).map(|_| if is_uneven { 50f64.powf(-rng.random::<f64>()) } else { 1.0 }).collect();
    let sum: f64 = raw.iter().sum();
    let weights = raw.iter().map(|w| w / sum).collect();
    let name = format!("{name}, d = {d}, n = {n}, {separation} apart, {}", if is_uneven { "uneven" } else { "even" });
    Made { name, d, means, weights, n }
}

fn lattice(d: usize, separation: f64, rng: &mut Philox) -> (String, usize, Vec<f64>) {
    let sides: &[usize] = [&[2usize, 5, 20, 64][..], &[2, 3, 5, 8], &[2, 3, 4], &[2], &[2]][d - 1];
    let side = sides[rng.random_range(0..sides.len())];
    let place = move |j: usize, c: usize| (j / side.pow(c as u32) % side) as f64 * separation;
    (format!("lattice {side}^{d}"), d, (0..side.pow(d as u32)).flat_map(|j| (0..d).map(move |c| place(j, c))).collect())
}

fn line(separation: f64, rng: &mut Philox) -> (String, usize, Vec<f64>) {
    let (d, k) = (1 + rng.random_range(0..5), 1 + rng.random_range(0..40));
    let place = move |j: usize, c: usize| if c == 0 { j as f64 * separation } else { 0.0 };
    (format!("line of {k}"), d, (0..k).flat_map(|j| (0..d).map(move |c| place(j, c))).collect())
}

/// Most pairs at least half the separation apart.
fn random(separation: f64, rng: &mut Philox) -> (String, usize, Vec<f64>) {
    let (d, k) = (1 + rng.random_range(0..8), 1 + rng.random_range(0..64));
    let side = 2.0 * separation * (k as f64).powf(1.0 / d as f64) / 1.5;
    let square = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f64>();
    let mut means: Vec<f64> = Vec::new();
    while means.len() < k * d {
        let new: Vec<f64> = (0..d).map(|_| rng.random::<f64>() * side).collect();
        let is_near = means.chunks_exact(d).any(|mean| square(mean, &new) < 0.25 * separation * separation);
        if !is_near || rng.random::<f64>() < 0.02 {
            means.extend(new);
        }
    }
    (format!("{k} random"), d, means)
}
