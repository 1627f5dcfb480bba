//! A mixture with covariances of any kind over one tile of 64 samples: vector loops in double precision.

use super::moment_sums::Moments;
use super::moments_loops::{
    ROWS, add_lower, differences, distances, first_moment, products, scaled_distances, squared_distances, sum, two_moments, whiten,
    whitened_square,
};
use super::tiles::TILE;
use crate::mixture::{Covariance, CovarianceKind, Factor, Mixture};
use crate::vector::double::exp;
use crate::vector::lanes::vectorised;

/// A component counts nothing in a tile where all its responsibilities are less.
const NOTHING: f64 = 1e-12;

/// How differences become squares.
enum Form {
    /// 1/σᵢ² (k).
    Spherical(Vec<f64>),
    /// 1/σ of the coordinates (k, d).
    Diagonal(Vec<f64>),
    /// R in panels, the centroid c (d), and R(μᵢ − c), shape (k, d′): all is done after x has been whitened once.
    Tied { panels: Vec<f64>, centroid: Vec<f64>, means: Vec<f64> },
    /// Rᵢ in panels, one component after the other.
    Full { panels: Vec<f64> },
}

/// A mixture, and scratch for one tile.
pub(super) struct Kernel<'a> {
    mixture: &'a Mixture,
    form: Form,
    /// ln wᵢ − ½ ln|Σᵢ|.
    log_peaks: Vec<f64>,
    /// −½d ln 2π.
    log_normaliser: f64,
    /// e and r e, shape (d′, 64): d filled up with zeros to whole panels.
    e: Vec<f64>,
    re: Vec<f64>,
    /// Whitened samples (d′, 64).
    w: Vec<f64>,
    /// |e|² of the samples, in a spherical form only, shape (k, 64).
    squares: Vec<f64>,
    /// r, shape (k, 64).
    pub r: Vec<f64>,
    peak: [f64; TILE],
    mass: [f64; TILE],
}

impl<'a> Kernel<'a> {
    pub(super) fn new(mixture: &'a Mixture) -> Self {
        let (k, d) = (mixture.n_components(), mixture.n_features());
        let size = d.next_multiple_of(ROWS) * TILE;
        Self {
            form: Form::of(mixture),
            log_peaks: mixture.log_peaks(),
            log_normaliser: -0.5 * d as f64 * (2.0 * std::f64::consts::PI).ln(),
            e: vec![0.0; size],
            re: vec![0.0; size],
            w: vec![0.0; size],
            squares: vec![0.0; k * TILE],
            r: vec![0.0; k * TILE],
            peak: [0.0; TILE],
            mass: [0.0; TILE],
            mixture,
        }
    }

    /// Responsibilities of a tile (d, 64).
    pub(super) fn responsibilities(&mut self, x: &[f32]) {
        vectorised(
            #[inline(always)]
            || {
                self.logits(x);
                self.softmax();
            },
        );
    }

    /// ln p of sample s of the tile that was done last.
    pub(super) fn log_density(&self, s: usize) -> f64 {
        self.log_normaliser + self.peak[s] + self.mass[s].ln()
    }

    /// r := ln wᵢ − ½ ln|Σᵢ| − ½|Rᵢe|².
    #[inline(always)]
    fn logits(&mut self, x: &[f32]) {
        let d = self.mixture.n_features();
        if let Form::Tied { panels, centroid, .. } = &self.form {
            differences(x, centroid, &mut self.e);
            whiten(panels, &self.e, &mut self.w);
        }
        for (l, r) in self.r.chunks_exact_mut(TILE).enumerate() {
            let mean = self.mixture.mean(l);
            let mut square = [0.0; TILE];
            let mut half = -0.5;
            match &self.form {
                Form::Spherical(precisions) => {
                    squared_distances(x, mean, &mut square);
                    self.squares[l * TILE..][..TILE].copy_from_slice(&square);
                    half *= precisions[l];
                }
                Form::Diagonal(scales) => scaled_distances(x, mean, &scales[l * d..][..d], &mut square),
                Form::Tied { means, .. } => {
                    let width = self.w.len() / TILE;
                    distances(&self.w, &means[l * width..][..width], &mut square);
                }
                Form::Full { panels } => {
                    let size = panels.len() / self.log_peaks.len();
                    differences(x, mean, &mut self.e);
                    whitened_square(&panels[l * size..][..size], &self.e, &mut square);
                }
            }
            for s in 0..TILE {
                r[s] = half.mul_add(square[s], self.log_peaks[l]);
            }
        }
    }

    #[inline(always)]
    fn softmax(&mut self) {
        let mut peak = [f64::MIN; TILE];
        for r in self.r.chunks_exact(TILE) {
            for s in 0..TILE {
                peak[s] = if r[s] > peak[s] { r[s] } else { peak[s] };
            }
        }
        let mut mass = [0.0; TILE];
        for r in self.r.chunks_exact_mut(TILE) {
            for s in 0..TILE {
                r[s] = exp(r[s] - peak[s]);
                mass[s] += r[s];
            }
        }
        let mut share = [0.0; TILE];
        for s in 0..TILE {
            share[s] = 1.0 / mass[s];
        }
        for r in self.r.chunks_exact_mut(TILE) {
            for s in 0..TILE {
                r[s] *= share[s];
            }
        }
        (self.peak, self.mass) = (peak, mass);
    }

    /// Adds the moments of the first `count` samples of the tile that was done last: of matrices their lower triangles, and where
    /// components share one, the scatter about the mixture's centroid.
    pub(super) fn add_moments(&mut self, x: &[f32], count: usize, sums: &mut Moments) {
        self.r.chunks_exact_mut(TILE).for_each(|r| r[count..].fill(0.0));
        vectorised(
            #[inline(always)]
            || {
                if let Form::Tied { .. } = &self.form {
                    self.e.chunks_exact_mut(TILE).for_each(|e| e[count..].fill(0.0));
                    add_lower(&self.e, &self.e, self.mixture.n_features(), &mut sums.second);
                }
                // No closure: it would be compiled for plain processors.
                for l in 0..self.log_peaks.len() {
                    self.add_component(x, l, sums);
                }
            },
        );
    }

    #[inline(always)]
    fn add_component(&mut self, x: &[f32], l: usize, sums: &mut Moments) {
        let (d, mean) = (self.mixture.n_features(), self.mixture.mean(l));
        let r: &[f64; TILE] = self.r[l * TILE..][..TILE].try_into().expect("a tile");
        let mut most = 0.0;
        for s in 0..TILE {
            most = if r[s] > most { r[s] } else { most };
        }
        if most < NOTHING {
            return;
        }
        sums.mass[l] += sum(r, &[1.0; TILE]);
        let first = &mut sums.first[l * d..][..d];
        match self.mixture.covariance() {
            Covariance::Full(_) => {
                differences(x, mean, &mut self.e);
                for (a, first) in first.iter_mut().enumerate() {
                    let (e, re) = (&self.e[a * TILE..][..TILE], &mut self.re[a * TILE..][..TILE]);
                    *first += products(r, e.try_into().expect("a tile"), re.try_into().expect("a tile"));
                }
                add_lower(&self.re, &self.e, d, &mut sums.second[l * d * d..][..d * d]);
            }
            Covariance::Diagonal(_) => {
                let second = &mut sums.second[l * d..][..d];
                for ((x, mean), (first, second)) in x.chunks_exact(TILE).zip(mean).zip(first.iter_mut().zip(second)) {
                    let (own, square) = two_moments(x.try_into().expect("a tile"), *mean, r);
                    (*first, *second) = (*first + own, *second + square);
                }
            }
            Covariance::Common(_) | Covariance::Spherical(_) | Covariance::Tied(_) => {
                for ((x, mean), first) in x.chunks_exact(TILE).zip(mean).zip(first.iter_mut()) {
                    *first += first_moment(x.try_into().expect("a tile"), *mean, r);
                }
                if !matches!(self.form, Form::Tied { .. }) {
                    let at = if self.mixture.covariance_kind() == CovarianceKind::Common { 0 } else { l };
                    sums.second[at] += sum(r, self.squares[l * TILE..][..TILE].try_into().expect("a tile"));
                }
            }
        }
    }
}

impl Form {
    fn of(mixture: &Mixture) -> Form {
        let (k, d) = (mixture.n_components(), mixture.n_features());
        let factors = || (0..k).map(|l| mixture.factor(l));
        match mixture.covariance() {
            Covariance::Common(_) | Covariance::Spherical(_) => Form::Spherical(
                factors().map(|factor| if let Factor::Spherical(deviation) = factor { deviation.powi(-2) } else { f64::NAN }).collect(),
            ),
            Covariance::Diagonal(variances) => Form::Diagonal(variances.iter().map(|v| v.sqrt().recip()).collect()),
            Covariance::Tied(_) => {
                let (centroid, width) = (mixture.centroid(), d.next_multiple_of(ROWS));
                let mut means = vec![0.0; k * width];
                for (l, out) in means.chunks_exact_mut(width).enumerate() {
                    let e: Vec<f64> = mixture.mean(l).iter().zip(&centroid).map(|(m, c)| m - c).collect();
                    mixture.factor(l).whiten(&e, &mut out[..d]);
                }
                Form::Tied { panels: panels(mixture.factor(0), d), centroid, means }
            }
            Covariance::Full(_) => Form::Full { panels: factors().flat_map(|factor| panels(factor, d)).collect() },
        }
    }
}

/// R by four rows: panel p holds columns 0 to 4p + 3, each of four numbers; rows past d are zero.
fn panels(factor: Factor, d: usize) -> Vec<f64> {
    let Factor::Lower { r, .. } = factor else { return Vec::new() };
    let number = |a: usize, b: usize| if a < d && b <= a { r[a * d + b] } else { 0.0 };
    let of_panel = |p: usize| (0..(p + 1) * ROWS).flat_map(move |b| (p * ROWS..(p + 1) * ROWS).map(move |a| number(a, b)));
    (0..d.div_ceil(ROWS)).flat_map(of_panel).collect()
}
