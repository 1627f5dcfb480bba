//! Points of a mixture, as presets and samples have them.

use rayon::prelude::*;

use crate::mixture::sample::about;
use crate::mixture::{GaussianMixture, Mixture};
use crate::random::categorical::Categorical;
use crate::random::normal::normal_f32;
use crate::random::streams::{Purpose, key, words};

/// `count` points (count, d) of a mixture, each from its own address. (The component is chosen by one word, but by two in the verb
/// `sample`, so that the points of presets and of samples never change.)
pub fn draw(mixture: &GaussianMixture, count: usize, seed: u64) -> Vec<f64> {
    let (d, scale) = (mixture.n_features(), mixture.variance().sqrt());
    let key = key(seed, Purpose::LearnData, 0);
    let components = Categorical::of_weights(mixture.weights());
    let mut points = vec![0.0; count * d];
    points.par_chunks_exact_mut(d).enumerate().for_each(|(i, point)| {
        about(mixture.mean(component_of(&components, key, i)), (key, 0, 0, i as u32), point, |mean, word| {
            mean + scale * f64::from(normal_f32(word))
        });
    });
    points
}

/// The component of each of those points (count).
pub(super) fn labels(mixture: &GaussianMixture, count: usize, seed: u64) -> Vec<i64> {
    let (key, components) = (key(seed, Purpose::LearnData, 0), Categorical::of_weights(mixture.weights()));
    (0..count).into_par_iter().map(|i| component_of(&components, key, i) as i64).collect()
}

/// The component of point i.
fn component_of(components: &Categorical, key: [u32; 2], i: usize) -> usize {
    components.at((f64::from(words(key, 0, 1, i as u32, 0)[0]) + 0.5) / 2f64.powi(32))
}

/// `count` points (count, d) of a mixture and the component of each, from the addresses that draws of a common variance have.
pub(super) fn draw_general(mixture: &Mixture, count: usize, seed: u64) -> (Vec<f64>, Vec<i64>) {
    let d = mixture.n_features();
    let (key, components) = (key(seed, Purpose::LearnData, 0), Categorical::of_weights(mixture.weights()));
    let (mut points, mut labels) = (vec![0.0; count * d], vec![0; count]);
    let zero = vec![0.0; d];
    points.par_chunks_exact_mut(d).zip(&mut labels).enumerate().for_each(|(i, (point, label))| {
        let l = component_of(&components, key, i);
        let mut z = vec![0.0; d];
        about(&zero, (key, 0, 0, i as u32), &mut z, |_, word| f64::from(normal_f32(word)));
        point.iter_mut().enumerate().for_each(|(a, x)| *x = mixture.mean(l)[a] + mixture.factor(l).coloured(&z, a));
        *label = l as i64;
    });
    (points, labels)
}
