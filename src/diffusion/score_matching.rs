//! Denoising score matching of a mixture's means at one noise level: the DDPM loss ½E|M(y) − u|² and its gradient.
//!
//! y = x ± √t·ξ, u = x ∓ ξ/√t, M the mixture's posterior mean at variance σ² = σ₀² + t. The gradient has the form of the forward
//! divergence's, with u in the place of the teacher's posterior mean: ∂/∂μᵢ = E[rᵢ(a + ⟨μᵢ − M, a⟩(y − μᵢ)/σ²)], a = M − u. The backends'
//! forward gradient cannot be used here: it needs a teacher with the student's variance σ₀² + t, but the noised points form one with
//! variance t. With both signs of ξ the loss at small t is nearly that of implicit score matching, without its derivatives.

use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;

use super::pass::Kernel;
use super::tiles::{TILE, Tiles};
use crate::error::Result;
use crate::mixture::GaussianMixture;
use crate::random::streams::{Purpose, key};
use crate::vector::lanes::{self, LANES, vectorised};

/// Tiles of one job.
const JOB: usize = 64;
/// The first level in the noise's addresses, above the levels of the regressions.
const FIRST_LEVEL: u32 = 1 << 16;

/// Loss and gradient at one noise level.
#[derive(Debug, Clone)]
pub struct Loss {
    /// ½E|M − u|², in units of σ₀²; it contains the noise of u.
    pub value: f64,
    /// ∂/∂μ (k, d).
    pub gradient: Vec<f64>,
    /// `E[rᵢ]` at the noise level (k).
    pub mass: Vec<f64>,
}

/// The loss of `mixture` (variance σ₀²) on `tiles` noised at `t`, each point `rounds` times with both signs of fresh noise. Once
/// `interrupted`, the rest is skipped and the result is useless.
pub fn loss(
    tiles: &Tiles,
    mixture: &GaussianMixture,
    t: f64,
    rounds: u32,
    seed: u64,
    level: u32,
    interrupted: &AtomicBool,
) -> Result<Loss> {
    let (k, d) = (mixture.n_components(), tiles.d);
    let variance = mixture.variance() + t;
    let noisy = GaussianMixture::new(mixture.weights().to_vec(), mixture.means().to_vec(), d, variance)?;
    let key = key(seed, Purpose::LearnNoise, 0);
    let jobs: Vec<Sums> = (0..tiles.n_tiles().div_ceil(JOB) as u32 * rounds)
        .into_par_iter()
        .map(|job| {
            let (first, round) = ((job / rounds) as usize * JOB, job % rounds);
            let mut work = Work::new(&noisy, mixture.variance(), t);
            let mut sums = Sums { square: 0.0, gradient: vec![0.0; k * d], mass: vec![0.0; k] };
            for i in first..tiles.n_tiles().min(first + JOB) {
                if interrupted.load(Ordering::Relaxed) {
                    break;
                }
                let address = Address { key, level: FIRST_LEVEL + level, round, tile: i as u32 };
                vectorised(
                    #[inline(always)]
                    || work.tile(tiles.tile(i), tiles.count(i), address),
                );
                work.flush(&mut sums);
            }
            sums
        })
        .collect();
    let n = 2.0 * tiles.n as f64 * f64::from(rounds);
    let mut total = Loss { value: 0.0, gradient: vec![0.0; k * d], mass: vec![0.0; k] };
    for job in jobs {
        total.value += 0.5 * job.square / n;
        total.gradient.iter_mut().zip(&job.gradient).for_each(|(a, b)| *a += b / n);
        total.mass.iter_mut().zip(&job.mass).for_each(|(a, b)| *a += b / n);
    }
    Ok(total)
}

struct Sums {
    square: f64,
    gradient: Vec<f64>,
    mass: Vec<f64>,
}

#[derive(Clone, Copy)]
struct Address {
    key: [u32; 2],
    level: u32,
    round: u32,
    tile: u32,
}

/// Scratch for one tile.
struct Work {
    kernel: Kernel,
    means: Vec<f32>,
    k: usize,
    d: usize,
    /// √t, and the factor σ₀²/√t from x to u.
    spread: f32,
    pull: f32,
    inverse_variance: f32,
    z: Vec<f32>,
    y: Vec<f32>,
    a: Vec<f32>,
    m: Vec<f32>,
    square: [f32; LANES],
    gradient: Vec<f32>, // (k, d, 16)
    mass: Vec<f32>,     // (k, 16)
}

impl Work {
    fn new(noisy: &GaussianMixture, own_variance: f64, t: f64) -> Self {
        let (k, d) = (noisy.n_components(), noisy.n_features());
        let columns = || vec![0.0; d * TILE];
        Self {
            kernel: Kernel::new(noisy),
            means: noisy.means().iter().map(|m| *m as f32).collect(),
            k,
            d,
            spread: t.sqrt() as f32,
            pull: (own_variance / t.sqrt()) as f32,
            inverse_variance: (1.0 / noisy.variance()) as f32,
            z: columns(),
            y: columns(),
            a: columns(),
            m: columns(),
            square: [0.0; LANES],
            gradient: vec![0.0; k * d * LANES],
            mass: vec![0.0; k * LANES],
        }
    }

    /// Adds the loss and the gradient of one tile.
    #[inline(always)]
    fn tile(&mut self, x: &[f32], count: usize, address: Address) {
        self.draw(address);
        for sign in [1.0, -1.0] {
            let spread = sign * self.spread;
            self.y.iter_mut().zip(x.iter().zip(&self.z)).for_each(|(y, (x, z))| *y = x + spread * z);
            self.kernel.responsibilities(&self.y);
            if count < TILE {
                self.kernel.r.chunks_exact_mut(TILE).for_each(|r| r[count..].fill(0.0));
            }
            self.posterior_mean();
            let pull = sign * self.pull;
            let residuals = self.a.iter_mut().zip(&self.m).zip(x.iter().zip(&self.z));
            residuals.for_each(|((a, m), (x, z))| *a = m - (x - pull * z));
            self.add_square(count);
            self.add_gradient();
        }
    }

    #[inline(always)]
    fn draw(&mut self, address: Address) {
        let mut normals = [[0.0; LANES]; 4];
        for block in 0..self.d.div_ceil(4) {
            for part in 0..TILE / LANES {
                let first = address.tile * TILE as u32 + (part * LANES) as u32;
                lanes::draw(address.key, address.level, address.round, first, block as u32, &mut normals);
                for (c, normals) in (4 * block..self.d.min(4 * block + 4)).zip(&normals) {
                    self.z[c * TILE + part * LANES..][..LANES].copy_from_slice(normals);
                }
            }
        }
    }

    #[inline(always)]
    fn posterior_mean(&mut self) {
        self.m.fill(0.0);
        for (r, mean) in self.kernel.r.chunks_exact(TILE).zip(self.means.chunks_exact(self.d)) {
            for (m, mean) in self.m.chunks_exact_mut(TILE).zip(mean) {
                m.iter_mut().zip(r).for_each(|(m, r)| *m += r * mean);
            }
        }
    }

    /// Adds ½|M − u|² of the first `count` samples.
    #[inline(always)]
    fn add_square(&mut self, count: usize) {
        for a in self.a.chunks_exact(TILE) {
            for (s, a) in a[..count].iter().enumerate() {
                self.square[s % LANES] += a * a;
            }
        }
    }

    /// gradient_l += Σ_s r_l (a + ⟨μ_l − M, a⟩(y − μ_l)/σ²).
    #[inline(always)]
    fn add_gradient(&mut self) {
        let d = self.d;
        let mut of_m = [0.0f32; TILE];
        for (m, a) in self.m.chunks_exact(TILE).zip(self.a.chunks_exact(TILE)) {
            for s in 0..TILE {
                of_m[s] += m[s] * a[s];
            }
        }
        for l in 0..self.k {
            let mean = &self.means[l * d..(l + 1) * d];
            let r = &self.kernel.r[l * TILE..(l + 1) * TILE];
            let mut pull = [0.0f32; TILE];
            for (a, mean) in self.a.chunks_exact(TILE).zip(mean) {
                for s in 0..TILE {
                    pull[s] += mean * a[s];
                }
            }
            for s in 0..TILE {
                pull[s] = r[s] * (pull[s] - of_m[s]) * self.inverse_variance;
            }
            for c in 0..d {
                let (a, y) = (&self.a[c * TILE..(c + 1) * TILE], &self.y[c * TILE..(c + 1) * TILE]);
                let sum = &mut self.gradient[(l * d + c) * LANES..][..LANES];
                for part in 0..TILE / LANES {
                    for lane in 0..LANES {
                        let s = part * LANES + lane;
                        sum[lane] += r[s] * a[s] + pull[s] * (y[s] - mean[c]);
                    }
                }
            }
            for s in 0..TILE {
                self.mass[l * LANES + s % LANES] += r[s];
            }
        }
    }

    fn flush(&mut self, sums: &mut Sums) {
        let total = |lanes: &[f32]| lanes.iter().map(|v| f64::from(*v)).sum::<f64>();
        sums.square += total(&self.square);
        sums.gradient.iter_mut().zip(self.gradient.chunks_exact(LANES)).for_each(|(sum, lanes)| *sum += total(lanes));
        sums.mass.iter_mut().zip(self.mass.chunks_exact(LANES)).for_each(|(sum, lanes)| *sum += total(lanes));
        self.square = [0.0; LANES];
        self.gradient.fill(0.0);
        self.mass.fill(0.0);
    }
}
