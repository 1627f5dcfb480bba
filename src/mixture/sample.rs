//! Points drawn from a mixture, each from its own address, so that fewer points are the first of more.

use rayon::prelude::*;

use super::{Factor, Mixture};
use crate::error::{Error, Result};
use crate::memory::room_for;
use crate::random::categorical::Categorical;
use crate::random::normal::{normal_f32, normal_f64};
use crate::random::streams::{Purpose, key, words};

/// The strata of [`Purpose::Sample`]: whose words make the normals, and whose first two choose the component.
const NORMALS: u32 = 0;
const COMPONENT: u32 = 1;

/// `n` points (n, d) of `mixture`.
///
/// # Errors
/// [`Error::BadInput`] for more points than have addresses, or than memory holds.
pub fn sample(mixture: &Mixture, n: usize, seed: u64) -> Result<Vec<f64>> {
    draw(mixture, n, seed, normal_f64, |x| x)
}

/// The components of the points of [`sample`], shape (n).
///
/// # Errors
/// As [`sample`].
pub fn labels(mixture: &Mixture, n: usize, seed: u64) -> Result<Vec<i64>> {
    check_count(n)?;
    let component = component(mixture, seed);
    let mut labels = reserve::<i64>(n, 1)?;
    labels.par_iter_mut().enumerate().for_each(|(i, label)| *label = component(i as u32) as i64);
    Ok(labels)
}

/// The same points, from normals in single precision; infinite where they do not fit.
///
/// # Errors
/// As [`sample`].
pub fn sample_f32(mixture: &Mixture, n: usize, seed: u64) -> Result<Vec<f32>> {
    draw(mixture, n, seed, |word| f64::from(normal_f32(word)), |x| x as f32)
}

/// Refuses more points than random numbers have addresses for.
pub(crate) fn check_count(n: usize) -> Result<()> {
    if u32::try_from(n).is_ok() {
        return Ok(());
    }
    Err(Error::bad_input(
        format!("{n} points are more than the {} that random numbers have addresses for", u32::MAX),
        "Draw them in parts under several seeds",
    ))
}

/// One point (d) about `mean`: coordinate c comes from word c mod 4 of block c div 4 of the sample at that address.
pub(crate) fn about<T>(
    mean: &[f64],
    (key, step, stratum, sample): ([u32; 2], u32, u32, u32),
    point: &mut [T],
    value: impl Fn(f64, u32) -> T,
) {
    for (block, (point, mean)) in point.chunks_mut(4).zip(mean.chunks(4)).enumerate() {
        for ((point, mean), word) in point.iter_mut().zip(mean).zip(words(key, step, stratum, sample, block as u32)) {
            *point = value(*mean, word);
        }
    }
}

/// The component of point i.
fn component(mixture: &Mixture, seed: u64) -> impl Fn(u32) -> usize + Sync {
    let (key, components) = (key(seed, Purpose::Sample, 0), Categorical::of_weights(mixture.weights()));
    move |i| components.at(uniform(words(key, 0, COMPONENT, i, 0)))
}

/// n points (n, d).
fn draw<T: Copy + Default + Send>(
    mixture: &Mixture,
    n: usize,
    seed: u64,
    normal: impl Fn(u32) -> f64 + Sync,
    rounded: impl Fn(f64) -> T + Sync,
) -> Result<Vec<T>> {
    check_count(n)?;
    let d = mixture.n_features();
    let mut points = reserve::<T>(n, d)?;
    let (key, component) = (key(seed, Purpose::Sample, 0), component(mixture, seed));
    points.par_chunks_exact_mut(d).enumerate().for_each(|(i, point)| {
        let i = i as u32;
        let l = component(i);
        match mixture.factor(l) {
            Factor::Spherical(scale) => {
                about(mixture.mean(l), (key, 0, NORMALS, i), point, |mean, word| rounded(mean + scale * normal(word)))
            }
            factor => {
                let mut z = vec![0.0; d];
                about(mixture.mean(l), (key, 0, NORMALS, i), &mut z, |_, word| normal(word));
                for (c, (point, mean)) in point.iter_mut().zip(mixture.mean(l)).enumerate() {
                    *point = rounded(mean + factor.coloured(&z, c));
                }
            }
        }
    });
    Ok(points)
}

fn reserve<T: Copy + Default>(n: usize, d: usize) -> Result<Vec<T>> {
    let mut points = room_for(n.saturating_mul(d), &format!("{n} points of {d} dimensions"))?;
    points.resize(n * d, T::default());
    Ok(points)
}

/// The uniform number of two words: 52 bits and a half, never 0 or 1.
fn uniform(words: [u32; 4]) -> f64 {
    let bits = (u64::from(words[0]) << 32 | u64::from(words[1])) >> 12;
    (bits as f64 + 0.5) / 2f64.powi(52)
}
