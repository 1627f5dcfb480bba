//! The student's starts: random means by a scheme, the same for a replicate whether it runs alone or with others.

use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::mixture::GaussianMixture;
use crate::random::philox::Philox;
use crate::random::streams::{Purpose, stream};

/// The most numbers in the means of one start.
const MOST_NUMBERS: usize = 1 << 31;
/// The stratum for draws that all components share (a line, a point); components use strata below 2³¹.
const SHARED: u32 = u32::MAX;
/// Beyond this length squared distances overflow float32.
const LONGEST: f64 = 1e15;

/// How the student's means are drawn. c is the teacher's centroid. R is the teacher's root-mean-square radius per coordinate
/// ([`GaussianMixture::rms_radius`]), or σ if its means coincide; so R√d is the typical distance of a teacher's mean from c.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "scheme", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Scheme {
    /// N(c, (scale·R)² I): as wide as the teacher, or wider.
    Wide {
        #[serde(default = "three_halves")]
        scale: f64,
    },
    /// N(c, scale² I), in the units of the means.
    Gaussian {
        #[serde(default = "one")]
        scale: f64,
    },
    /// Uniform directions at distance radius·R from c: a factor √d closer than `wide`. In many dimensions every teacher component is then
    /// at nearly the same distance.
    Shell {
        #[serde(default = "three_halves")]
        radius: f64,
    },
    /// Draws from the teacher itself.
    TeacherDraws {},
    /// Component i at the teacher's component i mod K, plus N(0, scale² I).
    AroundTeacher {
        #[serde(default = "half")]
        scale: f64,
    },
    /// On one random line through c, N(0, scale²) along it.
    Collinear {
        #[serde(default = "five")]
        scale: f64,
    },
    /// All at one point, drawn from N(c, scale² I).
    Coincident {
        #[serde(default = "five")]
        scale: f64,
    },
    /// All but the last from N(c, scale² I), the last at `distance` from c in a random direction.
    Outlier {
        #[serde(default = "one")]
        scale: f64,
        #[serde(default = "hundred")]
        distance: f64,
    },
    /// All at the point `at` (d; empty: at c), plus N(0, jitter² I). A jitter below 1e-6 of the point is lost if means are float32.
    Point {
        #[serde(default)]
        at: Vec<f64>,
        #[serde(default = "tiny")]
        jitter: f64,
    },
    /// Exactly these means (k, d).
    Given { means: Vec<Vec<f64>> },
}

fn half() -> f64 {
    0.5
}

fn one() -> f64 {
    1.0
}

fn three_halves() -> f64 {
    1.5
}

fn five() -> f64 {
    5.0
}

fn hundred() -> f64 {
    100.0
}

fn tiny() -> f64 {
    1e-7
}

impl Default for Scheme {
    fn default() -> Self {
        Scheme::Wide { scale: three_halves() }
    }
}

/// The student's means (k, d) at the start of `replicate`.
///
/// # Errors
/// [`Error::BadInput`] for negative or non-finite lengths, for a point of the wrong dimension, and for sizes beyond memory.
pub fn start(scheme: &Scheme, n_components: usize, teacher: &GaussianMixture, seed: u64, replicate: u32) -> Result<Vec<f64>> {
    check(scheme, n_components, teacher)?;
    let draw = Draw { teacher, centre: teacher.centroid(), radius: radius(teacher), n_components };
    let mut shared_stream = stream(seed, Purpose::Start, replicate, SHARED);
    let shared = draw.shared(scheme, &mut shared_stream);
    let mut means = Vec::with_capacity(n_components * teacher.n_features());
    for i in 0..n_components {
        let mut rng = stream(seed, Purpose::Start, replicate, i as u32);
        means.extend(draw.component(scheme, i, &shared, &mut rng));
    }
    match means.iter().position(|m| !m.is_finite()) {
        None => Ok(means),
        Some(at) => Err(Error::bad_input(
            format!("the start of component {} overflows", at / teacher.n_features()),
            "Use smaller lengths in the scheme, or in the teacher",
        )),
    }
}

/// R, or σ if all means coincide up to rounding.
fn radius(teacher: &GaussianMixture) -> f64 {
    let (radius, sigma) = (teacher.rms_radius(), teacher.variance().sqrt());
    if radius > 1e-9 * sigma { radius } else { sigma }
}

/// The inputs that all draws of one start share.
struct Draw<'a> {
    teacher: &'a GaussianMixture,
    /// c, shape (d).
    centre: Vec<f64>,
    /// R.
    radius: f64,
    n_components: usize,
}

impl Draw<'_> {
    /// What all components share: the direction of a line or a point (d); empty in other schemes.
    fn shared(&self, scheme: &Scheme, rng: &mut Philox) -> Vec<f64> {
        match scheme {
            Scheme::Collinear { .. } => self.direction(rng),
            Scheme::Coincident { scale } => around(&self.centre, *scale, rng),
            Scheme::Point { at, .. } if !at.is_empty() => at.clone(),
            _ => self.centre.clone(),
        }
    }

    /// The mean of component i, shape (d).
    fn component(&self, scheme: &Scheme, i: usize, shared: &[f64], rng: &mut Philox) -> Vec<f64> {
        let teacher = self.teacher;
        match scheme {
            Scheme::Wide { scale } => around(&self.centre, scale * self.radius, rng),
            Scheme::Gaussian { scale } => around(&self.centre, *scale, rng),
            Scheme::Shell { radius } => self.at_distance(radius * self.radius, rng),
            Scheme::TeacherDraws {} => {
                let j = component_of(teacher.weights(), rng.random());
                around(teacher.mean(j), teacher.variance().sqrt(), rng)
            }
            Scheme::AroundTeacher { scale } => around(teacher.mean(i % teacher.n_components()), *scale, rng),
            Scheme::Collinear { scale } => {
                let z: f64 = StandardNormal.sample(rng);
                along(&self.centre, scale * z, shared)
            }
            Scheme::Coincident { .. } => shared.to_vec(),
            Scheme::Outlier { distance, .. } if i + 1 == self.n_components => self.at_distance(*distance, rng),
            Scheme::Outlier { scale, .. } => around(&self.centre, *scale, rng),
            Scheme::Point { jitter, .. } => around(shared, *jitter, rng),
            Scheme::Given { means } => means[i].clone(),
        }
    }

    fn at_distance(&self, distance: f64, rng: &mut Philox) -> Vec<f64> {
        along(&self.centre, distance, &self.direction(rng))
    }

    /// A uniform direction, shape (d).
    fn direction(&self, rng: &mut Philox) -> Vec<f64> {
        let z = around(&vec![0.0; self.teacher.n_features()], 1.0, rng);
        let length = z.iter().map(|z| z * z).sum::<f64>().sqrt();
        z.iter().map(|z| z / length).collect()
    }
}

/// A draw from N(centre, scale² I), shape (d).
fn around(centre: &[f64], scale: f64, rng: &mut Philox) -> Vec<f64> {
    centre
        .iter()
        .map(|c| {
            let z: f64 = StandardNormal.sample(rng);
            c + scale * z
        })
        .collect()
}

fn along(centre: &[f64], distance: f64, direction: &[f64]) -> Vec<f64> {
    centre.iter().zip(direction).map(|(c, u)| c + distance * u).collect()
}

/// The component whose part of (0, 1) contains u.
fn component_of(weights: &[f64], u: f64) -> usize {
    let mut end = 0.0;
    let mut passed = |w: &f64| {
        end += w;
        end <= u
    };
    weights.iter().copied().take_while(|w| passed(w)).count().min(weights.len() - 1)
}

fn check(scheme: &Scheme, n_components: usize, teacher: &GaussianMixture) -> Result<()> {
    let d = teacher.n_features();
    if n_components == 0 || n_components.checked_mul(d).is_none_or(|numbers| numbers > MOST_NUMBERS) {
        return Err(Error::bad_input(
            format!("a start of {n_components} components in {d} dimensions has no or more than {MOST_NUMBERS} coordinates"),
            "Use at least one component, and fewer",
        ));
    }
    let lengths: &[(&str, f64)] = match scheme {
        Scheme::Wide { scale }
        | Scheme::Gaussian { scale }
        | Scheme::AroundTeacher { scale }
        | Scheme::Collinear { scale }
        | Scheme::Coincident { scale } => &[("scale", *scale)],
        Scheme::Shell { radius } => &[("radius", *radius)],
        Scheme::TeacherDraws {} | Scheme::Given { .. } => &[],
        Scheme::Outlier { scale, distance } => &[("scale", *scale), ("distance", *distance)],
        Scheme::Point { jitter, .. } => &[("jitter", *jitter)],
    };
    if let Some((name, length)) = lengths.iter().find(|(_, length)| !(0.0..=LONGEST).contains(length)) {
        return Err(Error::bad_input(format!("{name} of the start is {length}"), format!("Give a number from 0 to {LONGEST:e}")));
    }
    match scheme {
        Scheme::Point { at, .. } if !at.is_empty() && at.len() != d => Err(Error::bad_input(
            format!("the point of the start has {} coordinates, the teacher {d}", at.len()),
            "Give as many, or none for the teacher's centroid",
        )),
        Scheme::Point { at, .. } if at.iter().any(|a| !a.is_finite()) => {
            Err(Error::bad_input(format!("the point of the start is {at:?}"), "Give finite numbers"))
        }
        Scheme::Given { means } if means.len() != n_components || means.iter().any(|mean| mean.len() != d) => Err(Error::bad_input(
            format!("the start gives {} means for {n_components} components in {d} dimensions", means.len()),
            "Give one list of coordinates for each component",
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
#[path = "initial_tests.rs"]
mod tests;
