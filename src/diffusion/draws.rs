//! Whether drawn points agree with the data: masses, means and variances of the model's components, and a two-sample test.
//!
//! Both sets are divided by the same responsibilities, those of the learned mixture, so that no component is counted differently in one of
//! them. This works even if the mixture has too many or too few components.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::data::Data;
use super::energy::{self, TwoSample};
use crate::error::Result;
use crate::mixture::{GaussianMixture, squared_distance};
use crate::number::{or_nan, short};
use crate::objective::groups::Estimate;
use crate::random::rows;

/// For one set: the most differences of coordinates that are computed, and the most and the fewest points.
const MOST_WORK: usize = 1 << 30;
const MOST_POINTS: usize = 1 << 17;
const LEAST_POINTS: usize = 1 << 13;
/// Limits for a component of the draws: relative error of its mass, distance of the means in σ, ratio of variances. Relative to the truth
/// 15 % and 0.2σ are promised; the rest allows for the chance of the data.
const MOST_SHARE: f64 = 0.12;
const MOST_MEAN: f64 = 0.15;
const MOST_VARIANCE: f64 = 1.25;
/// Below this share of σ² a variance is that of equal points, and counts as so much: a ratio to it says nothing.
const LEAST_VARIANCE: f64 = 1e-6;
/// Standard errors that are chance.
const CHANCE: f64 = 3.0;
/// A component with a smaller fraction of the points, or with fewer expected points in either set, is not judged.
const LEAST_SHARE: f64 = 1e-3;
const LEAST_OF_COMPONENT: f64 = 10.0;
/// A component below the first mass gets a note if its relative standard error, by the number of points, exceeds the second number.
const SMALL: f64 = 0.05;
const UNSURE: f64 = 0.075;
/// Means whose chance is larger, in σ, may be off by twice as much.
const UNSURE_MEAN: f64 = 0.1;
/// A two-sample test below this p-value gets a note.
const TELLING: f64 = 1e-3;

/// Drawn points compared with the data.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Draws {
    /// The numbers of draws, and of data points, that were compared by components.
    pub draws: usize,
    pub points: usize,
    /// The model's components, in order.
    pub components: Vec<Component>,
    /// `None` if either set has too few points.
    pub two_sample: Option<TwoSample>,
    /// What is wrong with the draws, a sentence each; empty if nothing was found.
    pub faults: Vec<String>,
}

/// One component of the model in the draws and in the data.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Component {
    /// The mean responsibility of the draws. Its error includes the chance of their number, and that of the data if only a part of it was
    /// used.
    pub share: Estimate,
    /// The same for the data; its error as a sample of the truth is not included.
    pub share_of_points: Estimate,
    /// |mean of the draws − mean of the data| in σ, and its standard error, with the same chance.
    pub mean_distance: Estimate,
    /// Variance of the draws over that of the points, averaged over directions; `None` where its points are equal, or within σ/1000 of
    /// each other.
    pub variance: Option<Estimate>,
    /// The same along the line to the nearest other component; `None` also where there is no other.
    pub variance_along: Option<Estimate>,
    /// Standard deviation of the draws in σ, where its points are equal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spread_beside_equal_points: Option<f64>,
    /// What chance alone makes of the mean of so many points, in σ: √(d/n).
    #[serde(default)]
    pub mean_by_chance: f64,
    /// Whether both sides have points enough to judge it by.
    pub is_judged: bool,
    /// Its largest deviation, as a multiple of the largest allowed one: above 1 it is a fault. NaN if it is not judged.
    #[serde(deserialize_with = "or_nan")]
    pub worst: f64,
}

/// Compares draws (m, d), in users' units, with the points of `data`, by the components of `mixture`, in the learner's units. `None`
/// without draws.
pub fn compared(data: &Data, mixture: &GaussianMixture, draws: &[f64], seed: u64) -> Result<Option<Draws>> {
    let (d, width) = (data.train.d, data.centre.len());
    if draws.len() < 2 * width {
        return Ok(None);
    }
    let most = (MOST_WORK / (mixture.n_components() * d)).clamp(LEAST_POINTS, MOST_POINTS);
    let some: Vec<f64> =
        rows::chosen(draws.len() / width, most, seed).into_iter().flat_map(|i| &draws[i * width..][..width]).copied().collect();
    let inside: Vec<f32> = data.inside_points(&some).into_iter().map(|x| x as f32).collect();
    let (points, held_out) = (data.train.thinned(most).rows(), data.held_out.thinned(most).rows());
    let sigma = mixture.variance().sqrt();
    let two_sample = if held_out.len() >= energy::LEAST * d {
        energy::test(&inside, &held_out, d, sigma, seed).map(|test| TwoSample { against: "held-out points".into(), ..test })
    } else {
        energy::test(&inside, &points, d, sigma, seed).map(|test| TwoSample { against: "points that were learned from".into(), ..test })
    };
    // The model was fitted to the training points, so only the others have a chance of their own.
    let unseen = 1.0 - (points.len() / d) as f64 / data.train.n as f64;
    let (of_draws, of_points) = (moments(&inside, mixture), moments(&points, mixture));
    let components: Vec<Component> = of_draws.iter().zip(&of_points).map(|(a, b)| component(a, b, d, sigma, unseen)).collect();
    let faults = components.iter().enumerate().filter(|(_, c)| c.worst > 1.0).map(|(l, c)| fault(l, c)).collect();
    Ok(Some(Draws { draws: inside.len() / d, points: points.len() / d, components, two_sample, faults }))
}

impl Draws {
    /// Notes for people; `from` is what the points were drawn from.
    pub fn notes(&self, from: &str) -> Vec<String> {
        let mut notes = Vec::new();
        if !self.faults.is_empty() {
            notes.push(format!(
                "the points drawn from {from} are not to be used where their shares, means or variances are not those of the points: {}",
                self.faults.join("; ")
            ));
        }
        let unsure: Vec<String> = self.components.iter().enumerate().filter_map(|(l, c)| unsure(l, c)).collect();
        if !unsure.is_empty() {
            notes.push(format!("the points are too few to know small shares to 15 %: {}", unsure.join(", ")));
        }
        let small = self.components.iter().enumerate().filter(|(_, c)| c.is_judged && c.share_of_points.value < SMALL);
        let worst = small.max_by(|a, b| a.1.mean_by_chance.total_cmp(&b.1.mean_by_chance));
        if let Some((l, c)) = worst.filter(|(_, c)| c.mean_by_chance > UNSURE_MEAN) {
            notes.push(format!(
                "the points are too few to know the means of small components to 0.2σ: that of component {l} is off by {}σ by chance alone",
                short(c.mean_by_chance)
            ));
        }
        if let Some(test) = self.two_sample.as_ref().filter(|test| test.p < TELLING) {
            notes.push(format!(
                "a two-sample test tells the drawn points from the {}: energy distance {} ± {} σ, p = {}",
                test.against,
                short(test.energy_distance.value),
                short(test.energy_distance.standard_error),
                short(test.p)
            ));
        }
        notes
    }

    /// The component that deviates most from the data, among those that are judged.
    pub fn worst(&self) -> Option<(usize, &Component)> {
        self.components.iter().enumerate().filter(|(_, c)| c.is_judged).max_by(|a, b| a.1.worst.total_cmp(&b.1.worst))
    }
}

/// What is wrong with component `l`.
fn fault(l: usize, c: &Component) -> String {
    let along = c.variance_along.map_or(String::new(), |along| format!(" ({} along the line to the nearest other)", short(along.value)));
    format!(
        "component {l} has a share of {} for {}, a mean off by {}σ and {}{along}",
        short(c.share.value),
        short(c.share_of_points.value),
        short(c.mean_distance.value),
        c.variance_in_words(c.variance)
    )
}

impl Component {
    /// `ratio` of variances, or what there is instead of one.
    pub fn variance_in_words(&self, ratio: Option<Estimate>) -> String {
        match (ratio, self.spread_beside_equal_points) {
            (Some(ratio), _) => format!("{} times the variance", short(ratio.value)),
            (None, Some(spread)) => format!("a deviation of {}σ beside points that are equal", short(spread)),
            (None, None) => "no variance to compare".into(),
        }
    }
}

fn unsure(l: usize, c: &Component) -> Option<String> {
    let Estimate { value, standard_error } = c.share_of_points;
    let is_unsure = c.is_judged && value < SMALL && standard_error > UNSURE * value;
    is_unsure.then(|| format!("that of component {l} is {} ± {}", short(value), short(standard_error)))
}

/// Sums over the points of one set for one component, about the component's own mean.
#[derive(Clone)]
struct Moments {
    n: usize,
    /// Σr, Σr².
    mass: f64,
    square: f64,
    /// Σr(x − μ), shape (d), and Σr|x − μ|².
    first: Vec<f64>,
    second: f64,
    /// Σr⟨u, x − μ⟩², where u is the direction to the nearest other mean (d); empty if there is none.
    along: f64,
    direction: Vec<f64>,
}

impl Moments {
    fn add(&mut self, other: &Moments) {
        self.n += other.n;
        self.mass += other.mass;
        self.square += other.square;
        self.second += other.second;
        self.along += other.along;
        self.first.iter_mut().zip(&other.first).for_each(|(a, b)| *a += b);
    }

    fn share(&self) -> Estimate {
        let (n, share) = (self.n as f64, self.mass / self.n as f64);
        Estimate { value: share, standard_error: ((self.square / n - share * share).max(0.0) / n).sqrt() }
    }

    /// The number of unweighted points with the same standard error of a mean.
    fn effective(&self) -> f64 {
        self.mass * self.mass / self.square
    }

    fn mean(&self) -> impl Iterator<Item = f64> + '_ {
        self.first.iter().map(|m| m / self.mass)
    }

    /// Per coordinate, and along the direction. They are differences of sums: of equal points either may come out a little below zero.
    fn variances(&self) -> [f64; 2] {
        let mean: Vec<f64> = self.mean().collect();
        let along: f64 = mean.iter().zip(&self.direction).map(|(m, u)| m * u).sum();
        let d = mean.len() as f64;
        let variances = [(self.second / self.mass - mean.iter().map(|m| m * m).sum::<f64>()) / d, self.along / self.mass - along * along];
        variances.map(|variance| if variance < 0.0 { 0.0 } else { variance })
    }
}

/// The moments of points (n, d) for each component.
fn moments(points: &[f32], mixture: &GaussianMixture) -> Vec<Moments> {
    const JOB: usize = 1024;
    let (k, d) = (mixture.n_components(), mixture.n_features());
    let none: Vec<Moments> = (0..k)
        .map(|l| Moments { n: 0, mass: 0.0, square: 0.0, first: vec![0.0; d], second: 0.0, along: 0.0, direction: direction(mixture, l) })
        .collect();
    let jobs: Vec<Vec<Moments>> = points.par_chunks(JOB * d).map(|points| of_job(points, mixture, none.clone())).collect();
    jobs.iter().fold(none, |mut sum, job| {
        sum.iter_mut().zip(job).for_each(|(a, b)| a.add(b));
        sum
    })
}

fn of_job(points: &[f32], mixture: &GaussianMixture, mut sums: Vec<Moments>) -> Vec<Moments> {
    let d = mixture.n_features();
    let (log_weights, half) = (mixture.weights().iter().map(|w| w.ln()).collect::<Vec<f64>>(), 0.5 / mixture.variance());
    let mut r = vec![0.0; log_weights.len()];
    for x in points.chunks_exact(d) {
        let x: Vec<f64> = x.iter().map(|v| f64::from(*v)).collect();
        r.iter_mut().enumerate().for_each(|(l, r)| *r = log_weights[l] - half * squared_distance(mixture.mean(l), &x));
        let peak = r.iter().fold(f64::NEG_INFINITY, |a, b| a.max(*b));
        r.iter_mut().for_each(|r| *r = (*r - peak).exp());
        let mass: f64 = r.iter().sum();
        for (l, sum) in sums.iter_mut().enumerate() {
            sum.n += 1;
            let r = r[l] / mass;
            if r < 1e-12 {
                continue;
            }
            sum.mass += r;
            sum.square += r * r;
            let mut along = 0.0;
            for (c, ((first, x), mean)) in sum.first.iter_mut().zip(&x).zip(mixture.mean(l)).enumerate() {
                let e = x - mean;
                *first += r * e;
                sum.second += r * e * e;
                along += sum.direction.get(c).map_or(0.0, |u| u * e);
            }
            sum.along += r * along * along;
        }
    }
    sums
}

/// The unit vector from component `l` to the nearest other one at another place.
fn direction(mixture: &GaussianMixture, l: usize) -> Vec<f64> {
    let own = mixture.mean(l);
    let others = (0..mixture.n_components()).map(|m| (squared_distance(own, mixture.mean(m)), m)).filter(|(square, _)| *square > 0.0);
    let Some((square, other)) = others.min_by(|a, b| a.0.total_cmp(&b.0)) else { return Vec::new() };
    mixture.mean(other).iter().zip(own).map(|(a, b)| (a - b) / square.sqrt()).collect()
}

/// Compares the moments of one component. `unseen` is the fraction of the training data that is not among `points`: their chance counts by
/// that fraction (Cochran 1977, §2.6).
fn component(draws: &Moments, points: &Moments, d: usize, sigma: f64, unseen: f64) -> Component {
    let (mut share, share_of_points) = (draws.share(), points.share());
    let by_chance = (share_of_points.value * (1.0 - share_of_points.value).max(0.0) / draws.n as f64).sqrt();
    let chance = share.standard_error.max(by_chance); // where none were drawn their spread is nothing
    share.standard_error = chance.hypot(unseen.sqrt() * share_of_points.standard_error);
    let (m, n) = (draws.effective(), points.effective());
    let (of_draws, of_points, least) = (draws.variances(), points.variances(), LEAST_VARIANCE * sigma * sigma);
    let offset = draws.mean().zip(points.mean()).map(|(a, b)| (a - b) * (a - b)).sum::<f64>();
    let error = (d as f64 * of_points[0] * (1.0 / m + unseen / n)).sqrt() / sigma;
    let mean_distance = Estimate { value: offset.sqrt() / sigma, standard_error: error };
    // The variance of a normal sample of n in d directions has a relative error of √(2/(nd)).
    let ratio = |at: usize, d: usize| {
        let value = of_draws[at].max(least) / of_points[at].max(least);
        Estimate { value, standard_error: value * (2.0 / d as f64 * (1.0 / m + 1.0 / n)).sqrt() }
    };
    let has_line = !points.direction.is_empty();
    let ratios = [Some(ratio(0, d)), has_line.then(|| ratio(1, 1))];
    let told = |at: usize| ratios[at].filter(|_| of_points[at] >= least);
    let (variance, variance_along) = (told(0), told(1));
    let spread_beside_equal_points = (of_points[0] < least).then(|| of_draws[0].sqrt() / sigma);
    let expected = share_of_points.value * (draws.n.min(points.n)) as f64;
    let is_judged = share_of_points.value >= LEAST_SHARE && expected >= LEAST_OF_COMPONENT;
    let worst = if is_judged { worst(share, share_of_points.value, mean_distance, ratios) } else { f64::NAN };
    let mean_by_chance = (d as f64 * of_points[0] * (1.0 - unseen) / n).sqrt() / sigma;
    Component {
        share,
        share_of_points,
        mean_distance,
        mean_by_chance,
        variance,
        variance_along,
        spread_beside_equal_points,
        is_judged,
        worst,
    }
}

/// The largest deviation, as a multiple of the largest that is allowed; `expected` is the share of the points, and `ratios` are of
/// variances.
fn worst(share: Estimate, expected: f64, mean_distance: Estimate, ratios: [Option<Estimate>; 2]) -> f64 {
    let of = |deviation: f64, error: f64, most: f64| if deviation.is_nan() { f64::INFINITY } else { deviation / most.max(CHANCE * error) };
    let share = of((share.value / expected - 1.0).abs(), share.standard_error / expected, MOST_SHARE);
    let mean = of(mean_distance.value, mean_distance.standard_error, MOST_MEAN);
    let variance = |ratio: Estimate| of(ratio.value.max(1e-9).ln().abs(), ratio.standard_error / ratio.value, MOST_VARIANCE.ln());
    let variances = ratios.into_iter().flatten().map(variance).fold(0.0, f64::max);
    share.max(mean).max(variances)
}

#[cfg(test)]
#[path = "draws_tests.rs"]
mod tests;
