//! Comparison with a known truth: total variation, masses of modes, stray points.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::points_of::draw;
use crate::error::{Error, Result};
use crate::metrics::nearest;
use crate::mixture::{GaussianMixture, squared_distance};
use crate::objective::groups::Estimate;

/// Draws from either mixture for the total variation between two densities.
const DRAWS: usize = 100_000;
/// The width of a histogram's bin, in σ.
const BIN: f64 = 0.5;
/// The most bins of a histogram; they are wider for wider mixtures.
const MOST_BINS: usize = 1 << 20;
/// A point is stray if it is farther than √d + 3 standard deviations from every mean: for a Gaussian in the plane 6e-5 of all points are.
const STRAY: f64 = 3.0;

/// Drawn points compared with the truth.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Sampled {
    /// Total variation between a histogram of the points and the truth's exact one, in the plane of the truth's first two principal
    /// directions. It differs from the total variation of the densities: bins make it smaller, and chance makes it larger (by about
    /// `by_chance`).
    pub total_variation: Estimate,
    /// The average of the same for as many points from the truth itself.
    #[serde(deserialize_with = "crate::number::or_nan")]
    pub by_chance: f64,
    /// The largest difference between the fraction of points nearest to a mean of the truth and that of the truth's own points; `None` for
    /// a truth of more than 100 components, which stands for a continuum.
    pub mode_mass_error: Option<f64>,
    /// The fraction of the points that are farther than √d + 3 standard deviations from every mean of the truth.
    pub stray: f64,
}

/// Total variation between two mixtures, by draws from both.
///
/// # Errors
/// [`Error::BadInput`] for different dimensions.
pub fn total_variation(p: &GaussianMixture, q: &GaussianMixture, seed: u64) -> Result<Estimate> {
    same_dimension(p, q)?;
    let excess = |from: &GaussianMixture, to: &GaussianMixture, seed: u64| {
        let points = draw(from, DRAWS, seed);
        let ratio = |x: &[f64]| (1.0 - (log_density(to, x) - log_density(from, x)).exp()).max(0.0);
        let values: Vec<f64> = points.par_chunks_exact(from.n_features()).map(ratio).collect();
        Estimate::of_mean(&values)
    };
    // Independent of the draws of a preset's points.
    let (a, b) = (excess(p, q, seed ^ 0x5EED_0001), excess(q, p, seed ^ 0x5EED_0002));
    Ok(Estimate { value: 0.5 * (a.value + b.value), standard_error: 0.5 * a.standard_error.hypot(b.standard_error) })
}

pub(super) fn same_dimension(p: &GaussianMixture, q: &GaussianMixture) -> Result<()> {
    if p.n_features() == q.n_features() {
        return Ok(());
    }
    Err(Error::bad_input(
        format!("the points have {} dimensions and the truth {}", p.n_features(), q.n_features()),
        "Give the mixture that the points were drawn from",
    ))
}

/// ln p(x) in double precision.
pub fn log_density(mixture: &GaussianMixture, x: &[f64]) -> f64 {
    let (d, variance) = (mixture.n_features() as f64, mixture.variance());
    let logit = |l: usize| mixture.weights()[l].ln() - 0.5 * squared_distance(mixture.mean(l), x) / variance;
    let logits: Vec<f64> = (0..mixture.n_components()).map(logit).collect();
    let peak = logits.iter().fold(f64::NEG_INFINITY, |a, b| a.max(*b));
    peak + logits.iter().map(|v| (v - peak).exp()).sum::<f64>().ln() - 0.5 * d * (2.0 * std::f64::consts::PI * variance).ln()
}

/// Compares points (n, d) with the mixture that they should come from.
///
/// # Errors
/// [`Error::BadInput`] for no points, or another dimension than the truth's.
pub fn sampled(points: &[f64], truth: &GaussianMixture, seed: u64) -> Result<Sampled> {
    let d = truth.n_features();
    let own = draw(truth, points.len() / d, seed ^ 0x5EED_0003);
    let (total_variation, by_chance) = histogram(points, truth);
    let shares = (truth.n_components() <= 100).then(|| (shares(points, truth), shares(&own, truth)));
    let limit = truth.variance() * ((d as f64).sqrt() + STRAY).powi(2);
    let is_stray = |x: &[f64]| nearest(truth, x).1 > limit;
    Ok(Sampled {
        total_variation,
        by_chance,
        mode_mass_error: shares.map(|(a, b)| a.iter().zip(&b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)),
        stray: points.par_chunks_exact(d).filter(|x| is_stray(x)).count() as f64 / (points.len() / d) as f64,
    })
}

/// The fraction of the points nearest to each mean of the truth, shape (K).
fn shares(points: &[f64], truth: &GaussianMixture) -> Vec<f64> {
    let d = truth.n_features();
    let cells: Vec<usize> = points.par_chunks_exact(d).map(|x| nearest(truth, x).0).collect();
    let mut shares = vec![0.0; truth.n_components()];
    cells.iter().for_each(|cell| shares[*cell] += 1.0 / cells.len() as f64);
    shares
}

/// Coordinates of points in the plane that shows a mixture best: its first two principal directions.
#[derive(Debug, Clone)]
pub struct View {
    centre: Vec<f64>,
    axes: Vec<Vec<f64>>,
}

impl View {
    /// From the spread of the means; in one and two dimensions the coordinates themselves.
    pub fn of(mixture: &GaussianMixture) -> View {
        let d = mixture.n_features();
        if d <= 2 {
            let axis = |c: usize| (0..d).map(|e| if c == e { 1.0 } else { 0.0 }).collect();
            return View { centre: vec![0.0; d], axes: (0..d).map(axis).collect() };
        }
        let centre = mixture.centroid();
        let rows: Vec<Vec<f64>> = (0..mixture.n_components())
            .map(|l| mixture.mean(l).iter().zip(&centre).map(|(m, c)| (m - c) * mixture.weights()[l].sqrt()).collect())
            .collect();
        let mut columns = faer::Mat::from_fn(d, rows.len().max(2), |c, l| rows.get(l).map_or(0.0, |row| row[c]));
        // A single mean has no spread, and any plane will do.
        (0..2).for_each(|c| columns[(c, c.min(rows.len().max(2) - 1))] += 1e-12);
        let basis = crate::problem::reduction::principal_directions(&columns, 2);
        View { centre, axes: basis.chunks_exact(d).map(<[f64]>::to_vec).collect() }
    }

    /// One or two.
    pub fn n_axes(&self) -> usize {
        self.axes.len()
    }

    /// Coordinates of one point.
    pub fn at(&self, x: &[f64]) -> Vec<f64> {
        let dot = |axis: &Vec<f64>| axis.iter().zip(x.iter().zip(&self.centre)).map(|(a, (x, c))| a * (x - c)).sum();
        self.axes.iter().map(dot).collect()
    }

    /// The mixture's marginal in the view.
    pub fn mixture(&self, mixture: &GaussianMixture) -> Result<GaussianMixture> {
        let means = mixture.means().chunks_exact(mixture.n_features()).flat_map(|m| self.at(m)).collect();
        GaussianMixture::new(mixture.weights().to_vec(), means, self.n_axes(), mixture.variance())
    }
}

/// Total variation of histograms in the view of the truth, and its expectation by chance alone.
fn histogram(points: &[f64], truth: &GaussianMixture) -> (Estimate, f64) {
    let view = View::of(truth);
    let Ok(seen) = view.mixture(truth) else { return (Estimate { value: f64::NAN, standard_error: f64::NAN }, f64::NAN) };
    let axes = view.n_axes();
    let sigma = truth.variance().sqrt();
    let places: Vec<Vec<f64>> = points.par_chunks_exact(truth.n_features()).map(|x| view.at(x)).collect();
    // Bins reach six standard deviations beyond the means; the points outside are one more bin, with the rest of the truth's mass.
    let edge = |c: usize, sign: f64| {
        sign * seen.means().chunks_exact(axes).map(|m| sign * m[c]).fold(f64::NEG_INFINITY, f64::max) + sign * 6.0 * sigma
    };
    let (low, high): (Vec<f64>, Vec<f64>) = (0..axes).map(|c| (edge(c, -1.0), edge(c, 1.0))).unzip();
    let mut side = BIN * sigma;
    let lengths = |side: f64| -> Vec<usize> { low.iter().zip(&high).map(|(l, h)| ((h - l) / side).ceil() as usize).collect() };
    while lengths(side).iter().map(|n| *n as f64).product::<f64>() > MOST_BINS as f64 {
        side *= 1.5;
    }
    let shape = lengths(side);
    let n_bins: usize = shape.iter().product();
    let mut counts = vec![0.0f64; n_bins + 1];
    for place in &places {
        let index: Option<usize> = (0..axes).try_fold(0, |at, c| {
            let i = ((place[c] - low[c]) / side).floor();
            (i >= 0.0 && i < shape[c] as f64).then(|| at * shape[c] + i as usize)
        });
        counts[index.unwrap_or(n_bins)] += 1.0;
    }
    let mut masses: Vec<f64> = (0..n_bins).into_par_iter().map(|bin| bin_mass(&seen, bin, &shape, &low, side)).collect();
    masses.push((1.0 - masses.iter().sum::<f64>()).max(0.0));
    let n = places.len() as f64;
    let value = 0.5 * counts.iter().zip(&masses).map(|(count, mass)| (count / n - mass).abs()).sum::<f64>();
    let by_chance = 0.5 * masses.iter().map(|q| mean_deviation(n * q) / n).sum::<f64>();
    // |N(0, s²)| has variance s²(1 − 2/π).
    let standard_error = 0.5 * ((1.0 - 2.0 / std::f64::consts::PI) / n).sqrt();
    (Estimate { value, standard_error }, by_chance)
}

/// E|X − λ| of a Poisson count X with mean λ: 2e^{−λ}λ^{m+1}/m! with m = ⌊λ⌋ (de Moivre); for large λ its limit √(2λ/π).
fn mean_deviation(mean: f64) -> f64 {
    if !(mean > 0.0) {
        return 0.0;
    }
    if mean > 100.0 {
        return (2.0 * mean / std::f64::consts::PI).sqrt();
    }
    let m = mean.floor();
    let log_factorial: f64 = (2..=m as usize).map(|i| (i as f64).ln()).sum();
    2.0 * ((m + 1.0) * mean.ln() - mean - log_factorial).exp()
}

/// The mass of one bin by three Gauss points per axis: the relative error is 1e-7 for bins of half a standard deviation.
fn bin_mass(seen: &GaussianMixture, bin: usize, shape: &[usize], low: &[f64], side: f64) -> f64 {
    const NODES: [(f64, f64); 3] = [(-0.774_596_669_241_483_4, 5.0 / 18.0), (0.0, 8.0 / 18.0), (0.774_596_669_241_483_4, 5.0 / 18.0)];
    let axes = shape.len();
    let index = if axes == 1 { vec![bin] } else { vec![bin / shape[1], bin % shape[1]] };
    let middle: Vec<f64> = (0..axes).map(|c| low[c] + (index[c] as f64 + 0.5) * side).collect();
    let mut mass = 0.0;
    for node in 0..NODES.len().pow(axes as u32) {
        let choice = [node % 3, node / 3];
        let place: Vec<f64> = (0..axes).map(|c| middle[c] + 0.5 * side * NODES[choice[c]].0).collect();
        let weight: f64 = (0..axes).map(|c| NODES[choice[c]].1 * side).product();
        mass += weight * log_density(seen, &place).exp();
    }
    mass
}

/// Refuses a truth of other dimensions than the points'.
pub fn check_truth(truth: &GaussianMixture, d: usize) -> Result<()> {
    same_dimension(&GaussianMixture::new(vec![1.0], vec![0.0; d], d, 1.0)?, truth)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Compared with sums over the counts, and at the change from one formula to the other.
    #[test]
    fn a_counts_mean_deviation() {
        for mean in [1e-6f64, 0.3, 1.0, 7.5, 60.0] {
            let (mut probability, mut sum) = ((-mean).exp(), 0.0);
            for count in 0..400 {
                sum += probability * (f64::from(count) - mean).abs();
                probability *= mean / f64::from(count + 1);
            }
            let err = (mean_deviation(mean) - sum).abs();
            assert!(err <= 1e-12 * sum.max(1e-6), "{mean}: {} vs {sum}", mean_deviation(mean));
        }
        let ratio = mean_deviation(100.0) / mean_deviation(100.0001);
        assert!((ratio - 1.0).abs() <= 1e-3, "the limit is off by 1/(12λ): {ratio}");
    }
}
