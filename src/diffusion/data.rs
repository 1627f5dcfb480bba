//! The points in the learners' units: centred, scaled, in the dimensions that they span, divided into training and held-out points, with
//! far islands moved together and far stray points removed.

use std::collections::HashMap;

use super::islands::Islands;
use super::projection::Projection;
use super::tiles::Tiles;
use crate::error::{Error, Result};
use crate::mixture::{CovarianceKind, GaussianMixture, Mixture};
use crate::random::philox::Philox;
use crate::random::rows;
use crate::random::streams::{Purpose, stream};
use rand::RngExt;
use rayon::prelude::*;

/// The most points that a median or a scale is computed from.
const MOST_LOOKED_AT: usize = 10_001;
/// A point this many times farther from the median than the median distance is stray …
const STRAY: f64 = 100.0;
/// … if at most this fraction of all points is so far away (always at least one point).
const MOST_STRAY: f64 = 1e-3;
/// At most this many points are held out.
const MOST_HELD_OUT: usize = 100_000;

/// A note is given if this fraction of the points lies at one place.
const MANY_EQUAL: f64 = 0.1;

/// The points in the learners' units: x = centre + scale·z, with z in the directions of the span, and gaps between far islands restored.
#[derive(Debug, Clone)]
pub struct Data {
    pub centre: Vec<f64>,
    pub scale: f64,
    islands: Islands,
    /// The directions that the points span, if these are not all dimensions.
    span: Option<Projection>,
    pub train: Tiles,
    pub held_out: Tiles,
    /// What people should know about these points.
    pub notes: Vec<String>,
}

impl Data {
    /// Points (n, d), all finite, of which the fraction `held_out` is kept from learning. `deviation` is σ₀ if it is known.
    ///
    /// # Errors
    /// [`Error::BadInput`] for too few points, or points that are all the same.
    pub fn new(points: &[f64], d: usize, deviation: Option<f64>, islands: Islands, held_out: f64, seed: u64) -> Result<Self> {
        Self::of_kind(CovarianceKind::Common, points, d, deviation, islands, held_out, seed)
    }

    /// The same for covariances of a kind. Others than the common variance stay in all dimensions: a floor holds their variances up where
    /// the points have no spread, and what is diagonal in some directions is not in others.
    ///
    /// # Errors
    /// As [`Data::new`].
    pub fn of_kind(
        kind: CovarianceKind,
        points: &[f64],
        d: usize,
        deviation: Option<f64>,
        islands: Islands,
        held_out: f64,
        seed: u64,
    ) -> Result<Self> {
        let is_common = kind == CovarianceKind::Common;
        let n = points.len() / d.max(1);
        if n < 2 {
            return Err(Error::bad_input(format!("there is {n} point"), "Give at least two; a mixture needs some hundreds"));
        }
        if let Some(at) = points.iter().position(|v| !(v.abs() <= 1e15)) {
            return Err(Error::bad_input(
                format!("point {}, coordinate {} is {}", at / d, at % d, points[at]),
                "Replace it by a finite number below 1e15, or drop that row",
            ));
        }
        let looked_at = sampled_rows(points, d);
        let centre = median_point(&looked_at, d);
        let typical = typical_distance(&looked_at, &centre);
        if !(typical > 0.0) && points.chunks_exact(d).all(|row| row == &points[..d]) {
            return Err(Error::bad_input(format!("all {n} points are the same"), "A mixture cannot be learned from one place"));
        }
        let mut notes = constant_columns(points, d, is_common);
        notes.extend(equal_points(points, d, is_common));
        let kept = kept(points, d, &centre, typical, &mut notes);
        let (held_out, train) = split(kept, held_out, seed);
        let together = |point: &[f64]| -> Vec<f64> { point.iter().enumerate().map(|(c, x)| islands.inside(c, *x)).collect() };
        let (centre, typical) = if islands.has_gaps() {
            let few: Vec<Vec<f64>> = looked_at.iter().map(|row| together(row)).collect();
            let few: Vec<&[f64]> = few.iter().map(Vec::as_slice).collect();
            let centre = median_point(&few, d);
            let typical = typical_distance(&few, &centre);
            (centre, typical)
        } else {
            (centre, typical)
        };
        let typical_scale = (typical / (d as f64).sqrt()).max(f64::MIN_POSITIVE);
        // A power of two rounds nothing: coordinates of few values, as counts, would all be rounded the same way, and no mean helps.
        let own_scale = if is_common { typical_scale } else { typical_scale.log2().round().exp2() };
        let scale = deviation.unwrap_or(own_scale);
        let place = |row: u32, c: usize| ((islands.inside(c, points[row as usize * d + c]) - centre[c]) / scale) as f32;
        let tiles = |rows: &[u32]| Tiles::new(rows.len(), d, |i, c| place(rows[i], c));
        let (mut train, mut held_out) = (tiles(&train), tiles(&held_out));
        let span = if is_common { Projection::span(&[&train, &held_out])? } else { None };
        if let Some(span) = &span {
            let rank = span.rank();
            notes.push(format!(
                "the points span {rank} of {d} dimensions, so that they have no density in {d}: the mixture is learned in those {rank}, \
                 and has its common variance in the others too"
            ));
            (train, held_out) = (Tiles::of_rows(&span.reduce(&train), rank), Tiles::of_rows(&span.reduce(&held_out), rank));
        }
        Ok(Self { train, held_out, centre, scale, islands, span, notes })
    }

    /// Points (n, d) in users' units.
    pub fn outside_points(&self, inside: &[f64]) -> Vec<f64> {
        let d = self.centre.len();
        let lifted = self.span.as_ref().map(|span| span.lift(inside));
        let back = |(at, z): (usize, &f64)| self.islands.outside(at % d, self.centre[at % d] + self.scale * z);
        lifted.as_deref().unwrap_or(inside).par_iter().enumerate().map(back).collect()
    }

    /// The mixture in users' units.
    pub fn outside(&self, mixture: &GaussianMixture) -> Result<GaussianMixture> {
        let means = self.outside_points(mixture.means());
        GaussianMixture::new(mixture.weights().to_vec(), means, self.centre.len(), mixture.variance() * self.scale * self.scale)
    }

    /// A mixture of any covariances in users' units.
    ///
    /// # Errors
    /// Those of [`Mixture::new`].
    pub fn outside_general(&self, mixture: &Mixture) -> Result<Mixture> {
        mixture.in_units(self.outside_points(mixture.means()), &vec![self.scale; self.centre.len()])
    }

    /// A mixture of any covariances of users' units in these.
    ///
    /// # Errors
    /// [`Error::BadInput`] for one of other dimensions; those of [`Mixture::new`].
    pub fn inside_general(&self, mixture: &Mixture) -> Result<Mixture> {
        if mixture.n_features() != self.centre.len() {
            return Err(Error::bad_input(
                format!("the start has {} dimensions and the points have {}", mixture.n_features(), self.centre.len()),
                "Give a start for these points",
            ));
        }
        mixture.in_units(self.inside_points(mixture.means()), &vec![1.0 / self.scale; self.centre.len()])
    }

    /// Points (n, d) of users' units in these.
    pub fn inside_points(&self, outside: &[f64]) -> Vec<f64> {
        let d = self.centre.len();
        let place = |(at, x): (usize, &f64)| (self.islands.inside(at % d, *x) - self.centre[at % d]) / self.scale;
        let inside: Vec<f64> = outside.par_iter().enumerate().map(place).collect();
        match &self.span {
            Some(span) => span.coordinates(&inside),
            None => inside,
        }
    }

    /// A mixture of users' units in the learners' units.
    pub fn inside(&self, mixture: &GaussianMixture) -> Result<GaussianMixture> {
        let means = self.inside_points(mixture.means());
        GaussianMixture::new(mixture.weights().to_vec(), means, self.train.d, mixture.variance() / (self.scale * self.scale))
    }

    /// The log-density in users' units less that in these units, in nats, if the common variance here is `variance`: −d·ln(scale), and the
    /// normalisers of the directions that the points do not span.
    pub fn log_unit(&self, variance: f64) -> f64 {
        let d = self.centre.len();
        let unspanned = (d - self.train.d) as f64;
        -(d as f64) * self.scale.ln() - 0.5 * unspanned * (2.0 * std::f64::consts::PI * variance).ln()
    }

    /// Whether a mean of `mixture`, in users' units, lies between far islands, so that moving them together has changed it.
    pub fn is_between_islands(&self, mixture: &GaussianMixture) -> bool {
        let d = mixture.n_features();
        mixture.means().chunks_exact(d).any(|mean| self.islands.is_between(mean))
    }
}

/// The median of each coordinate, which unlike the mean does not follow a stray point.
fn median_point(looked_at: &[&[f64]], d: usize) -> Vec<f64> {
    (0..d).map(|c| median(looked_at.iter().map(|row| row[c]).collect())).collect()
}

/// The median distance from `centre`, without points at `centre`; 0 if all are there.
fn typical_distance(looked_at: &[&[f64]], centre: &[f64]) -> f64 {
    let distances = looked_at.iter().map(|row| crate::mixture::squared_distance(row, centre).sqrt());
    let (there, elsewhere): (Vec<f64>, Vec<f64>) = distances.partition(|distance| *distance == 0.0);
    if there.len() < elsewhere.len() {
        median([there, elsewhere].concat())
    } else if elsewhere.is_empty() {
        0.0
    } else {
        median(elsewhere)
    }
}

/// At most [`MOST_LOOKED_AT`] rows, chosen by a hash.
fn sampled_rows(points: &[f64], d: usize) -> Vec<&[f64]> {
    rows::chosen(points.len() / d, MOST_LOOKED_AT, 0).into_iter().map(|i| &points[i * d..][..d]).collect()
}

fn median(mut values: Vec<f64>) -> f64 {
    let middle = values.len() / 2;
    *values.select_nth_unstable_by(middle, f64::total_cmp).1
}

fn constant_columns(points: &[f64], d: usize, is_common: bool) -> Vec<String> {
    let constant: Vec<usize> = (0..d).filter(|c| points.chunks_exact(d).all(|row| row[*c] == points[*c])).collect();
    if constant.is_empty() {
        return Vec::new();
    }
    let first: Vec<String> = constant.iter().take(5).map(usize::to_string).collect();
    let more = if constant.len() > 5 { ", …" } else { "" };
    let but = if is_common { "cannot have the common variance of the others" } else { "have the floor for their variance" };
    vec![format!(
        "{} of {d} columns are constant ({}{more}): they {but}, so densities are not to be trusted; drop them",
        constant.len(),
        first.join(", ")
    )]
}

/// A note where many points lie on one place.
fn equal_points(points: &[f64], d: usize, is_common: bool) -> Option<String> {
    let mut counts: HashMap<Vec<u64>, usize> = HashMap::new();
    let mut n = 0;
    for row in sampled_rows(points, d) {
        *counts.entry(row.iter().map(|v| (v + 0.0).to_bits()).collect()).or_default() += 1;
        n += 1;
    }
    let (place, most) = counts.iter().max_by_key(|(place, count)| (**count, std::cmp::Reverse((*place).clone())))?;
    let share = *most as f64 / n as f64;
    let first: Vec<String> = place.iter().take(3).map(|bits| crate::number::short(f64::from_bits(*bits))).collect();
    let more = if d > 3 { ", …" } else { "" };
    let but = if is_common { "a common variance does not fit them beside points that spread" } else { "a component may shrink to them" };
    (*most > 1 && share >= MANY_EQUAL).then(|| {
        format!(
            "{:.0} % of the points are equal, at ({}{more}): {but}, so that the number of components and densities are not to be trusted; \
             set them aside",
            100.0 * share,
            first.join(", ")
        )
    })
}

/// The rows that are not stray, in order.
fn kept(points: &[f64], d: usize, centre: &[f64], typical: f64, notes: &mut Vec<String>) -> Vec<u32> {
    let n = points.len() / d;
    let is_stray = |row: &[f64]| typical > 0.0 && crate::mixture::squared_distance(row, centre) > (STRAY * typical).powi(2);
    let stray: Vec<usize> = points.chunks_exact(d).enumerate().filter(|(_, row)| is_stray(row)).map(|(i, _)| i).collect();
    let most = ((MOST_STRAY * n as f64) as usize).max(1);
    if stray.is_empty() || stray.len() > most {
        return (0..n as u32).collect();
    }
    notes.push(format!(
        "{} of {n} points are set aside: farther than {STRAY} times the median distance ({typical:.3}) from the median point, the \
         first is row {}",
        stray.len(),
        stray[0]
    ));
    (0..n as u32).filter(|i| stray.binary_search(&(*i as usize)).is_err()).collect()
}

/// A random fraction of the rows, and the others, both in random order, because files are often sorted.
fn split(mut rows: Vec<u32>, share: f64, seed: u64) -> (Vec<u32>, Vec<u32>) {
    let mut rng: Philox = stream(seed, Purpose::LearnSplit, 0, 0);
    for i in (1..rows.len()).rev() {
        rows.swap(i, rng.random_range(0..=i));
    }
    let n = ((share * rows.len() as f64) as usize).min(MOST_HELD_OUT).min(rows.len() - 1);
    let train = rows.split_off(n);
    (rows, train)
}
