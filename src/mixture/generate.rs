//! Generated teachers: one Gaussian, a circle, a line, random means with a given separation, random means in a box. All have variance 1.

use std::f64::consts::{PI, TAU};

use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::GaussianMixture;
use crate::error::{Error, Result};
use crate::random::philox::Philox;
use crate::random::streams::{Purpose, stream};

/// The most numbers in the means of one mixture.
const MOST_NUMBERS: usize = 1 << 31;
/// The most coordinates that finding the smallest distance may visit: minutes of work.
const MOST_VISITS: u128 = 1 << 40;
/// Beyond this length, in standard deviations, squared distances overflow float32 and differences of means lose all digits.
const LONGEST: f64 = 1e15;

/// The teachers of a config's `[teacher]` table, by `kind`. Lengths are in standard deviations of a component.
///
/// `weights` (K), if given, must be positive and sum to 1; otherwise all are equal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Generator {
    /// [`gaussian`].
    Gaussian {
        features: usize,
        #[serde(default)]
        offset: f64,
    },
    /// [`circle`].
    Circle {
        components: usize,
        #[serde(default = "two")]
        features: usize,
        #[serde(default = "six")]
        separation: f64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        weights: Option<Vec<f64>>,
    },
    /// [`line()`].
    Line {
        components: usize,
        #[serde(default = "two")]
        features: usize,
        #[serde(default = "six")]
        separation: f64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        weights: Option<Vec<f64>>,
    },
    /// [`separated`].
    Separated {
        components: usize,
        features: usize,
        #[serde(default = "six")]
        separation: f64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        weights: Option<Vec<f64>>,
    },
    /// [`uniform_box`].
    UniformBox {
        components: usize,
        features: usize,
        #[serde(default = "forty")]
        half_width: f64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        weights: Option<Vec<f64>>,
    },
}

fn two() -> usize {
    2
}

fn six() -> f64 {
    6.0
}

fn forty() -> f64 {
    40.0
}

impl Generator {
    /// K and d, before anything is generated.
    pub fn size(&self) -> (usize, usize) {
        match self {
            Generator::Gaussian { features, .. } => (1, *features),
            Generator::Circle { components, features, .. }
            | Generator::Line { components, features, .. }
            | Generator::Separated { components, features, .. }
            | Generator::UniformBox { components, features, .. } => (*components, *features),
        }
    }

    /// The mixture; `seed` matters for the random kinds.
    ///
    /// # Errors
    /// [`Error::BadInput`] for numbers that make no mixture.
    pub fn generate(&self, seed: u64) -> Result<GaussianMixture> {
        let (mixture, weights) = match self {
            Generator::Gaussian { features, offset } => (gaussian(*features, *offset), &None),
            Generator::Circle { components, features, separation, weights } => (circle(*components, *separation, *features), weights),
            Generator::Line { components, features, separation, weights } => (line(*components, *separation, *features), weights),
            Generator::Separated { components, features, separation, weights } => {
                (separated(*components, *features, *separation, seed), weights)
            }
            Generator::UniformBox { components, features, half_width, weights } => {
                (uniform_box(*components, *features, *half_width, seed), weights)
            }
        };
        match weights {
            None => mixture,
            Some(weights) => weighted(&mixture?, weights),
        }
    }
}

/// The mixture with other weights (K).
///
/// # Errors
/// [`Error::BadInput`] if they are not K positive numbers with sum 1.
pub fn weighted(mixture: &GaussianMixture, weights: &[f64]) -> Result<GaussianMixture> {
    if weights.len() != mixture.n_components() {
        return Err(Error::bad_input(
            format!("{} weights do not belong to {} components", weights.len(), mixture.n_components()),
            "Give one weight per component",
        ));
    }
    GaussianMixture::new(weights.to_vec(), mixture.means().to_vec(), mixture.n_features(), mixture.variance())
}

/// N((offset, 0, …), I).
///
/// # Errors
/// [`Error::BadInput`] for numbers that make no mixture, as in all functions here.
pub fn gaussian(n_features: usize, offset: f64) -> Result<GaussianMixture> {
    check_size(1, n_features, 1)?;
    check_length("offset", offset.abs())?;
    let mut mean = vec![0.0; n_features];
    mean[0] = offset;
    GaussianMixture::uniform(mean, n_features)
}

/// Means on a circle in the first two coordinates; neighbours are `separation` apart.
pub fn circle(n_components: usize, separation: f64, n_features: usize) -> Result<GaussianMixture> {
    check_size(n_components, n_features, 2)?;
    check_length("separation", separation)?;
    // The side of a regular polygon is 2r·sin(π/K); one component sits in the middle.
    let radius = if n_components == 1 { 0.0 } else { separation / (2.0 * (PI / n_components as f64).sin()) };
    let mut means = vec![0.0; n_components * n_features];
    for (j, mean) in means.chunks_exact_mut(n_features).enumerate() {
        let angle = TAU * j as f64 / n_components as f64;
        (mean[0], mean[1]) = (radius * angle.cos(), radius * angle.sin());
    }
    GaussianMixture::uniform(means, n_features)
}

/// Means on the first axis, centred on the origin; neighbours are `separation` apart.
pub fn line(n_components: usize, separation: f64, n_features: usize) -> Result<GaussianMixture> {
    check_size(n_components, n_features, 1)?;
    check_length("separation", separation)?;
    let mut means = vec![0.0; n_components * n_features];
    for (j, mean) in means.chunks_exact_mut(n_features).enumerate() {
        mean[0] = separation * (j as f64 - (n_components - 1) as f64 / 2.0);
    }
    GaussianMixture::uniform(means, n_features)
}

/// Random means whose smallest distance is `separation`: draws of N(0, I), scaled to that.
///
/// In high dimensions all distances are then near `separation`; in the plane the closest two of many draws are very close, so the scaled
/// cloud is wide. In one dimension this is a [`line()`].
pub fn separated(n_components: usize, n_features: usize, separation: f64, seed: u64) -> Result<GaussianMixture> {
    check_size(n_components, n_features, 1)?;
    check_length("separation", separation)?;
    let visits = (n_components as u128).pow(2) / 2 * n_features as u128;
    if visits > MOST_VISITS {
        return Err(Error::bad_input(
            format!("the distances of {n_components} means in {n_features} dimensions take {visits} steps, of at most {MOST_VISITS}"),
            "Use kind = \"uniform-box\" or a file of means",
        ));
    }
    if n_features == 1 || n_components == 1 {
        return line(n_components, separation, n_features);
    }
    let mut means = draw(n_components, n_features, seed, |rng| StandardNormal.sample(rng));
    let scale = separation / smallest_distance(&means, n_features);
    means.iter_mut().for_each(|m| *m *= scale);
    GaussianMixture::uniform(means, n_features)
}

/// Means uniform on (−`half_width`, `half_width`)^d. With 40 components and half width 40, the public benchmark gmm40.
pub fn uniform_box(n_components: usize, n_features: usize, half_width: f64, seed: u64) -> Result<GaussianMixture> {
    check_size(n_components, n_features, 1)?;
    check_length("half_width", half_width)?;
    let means = draw(n_components, n_features, seed, |rng| half_width * (2.0 * rng.random::<f64>() - 1.0));
    GaussianMixture::uniform(means, n_features)
}

/// Means (K, d), each from its own stream, so that the first means do not depend on K.
fn draw(n_components: usize, n_features: usize, seed: u64, number: impl Fn(&mut Philox) -> f64) -> Vec<f64> {
    let mut means = Vec::with_capacity(n_components * n_features);
    for j in 0..n_components {
        let mut rng = stream(seed, Purpose::Teacher, 0, j as u32);
        means.extend((0..n_features).map(|_| number(&mut rng)));
    }
    means
}

/// The smallest distance between two of the means (K, d), K ≥ 2.
fn smallest_distance(means: &[f64], n_features: usize) -> f64 {
    let rows: Vec<&[f64]> = means.chunks_exact(n_features).collect();
    let nearest = |i: usize| rows[..i].iter().map(|other| squared_distance(rows[i], other)).fold(f64::INFINITY, f64::min);
    (1..rows.len()).into_par_iter().map(nearest).reduce(|| f64::INFINITY, f64::min).sqrt()
}

/// |a − b|² in eight partial sums, so that it vectorises: a single sum would wait for each addition.
fn squared_distance(a: &[f64], b: &[f64]) -> f64 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut sums = [0.0; 8];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..8 {
            sums[lane] += (a[lane] - b[lane]) * (a[lane] - b[lane]);
        }
    }
    sums.iter().sum::<f64>() + super::squared_distance(a_rest, b_rest)
}

fn check_size(n_components: usize, n_features: usize, least_features: usize) -> Result<()> {
    if n_components == 0 || n_features < least_features {
        return Err(Error::bad_input(
            format!("{n_components} components in {n_features} dimensions do not make this teacher"),
            format!("Give at least one component and {least_features} dimension(s)"),
        ));
    }
    if n_components.checked_mul(n_features).is_none_or(|numbers| numbers > MOST_NUMBERS) {
        return Err(Error::bad_input(
            format!("{n_components} components in {n_features} dimensions have more than {MOST_NUMBERS} coordinates"),
            "Use fewer of one or the other",
        ));
    }
    Ok(())
}

fn check_length(name: &str, length: f64) -> Result<()> {
    if (0.0..=LONGEST).contains(&length) {
        return Ok(());
    }
    Err(Error::bad_input(format!("{name} is {length}"), format!("Give a number from 0 to {LONGEST:e}")))
}

#[cfg(test)]
#[path = "generate_tests.rs"]
mod tests;
