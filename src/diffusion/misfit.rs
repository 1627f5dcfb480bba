//! What one common spherical variance cannot fit, and how it shows: notes for people.

use faer::{Mat, Side};

use super::tiles::Tiles;
use crate::mixture::{GaussianMixture, squared_distance};

/// Points that the covariance is had from, in so many dimensions at the most.
const MOST_LOOKED_AT: usize = 1 << 14;
const MOST_DIRECTIONS: usize = 256;
/// Fewer points for a component than this are noted.
const FEW_POINTS: usize = 10;
/// Components nearer than this, in σ, make no dip of density between them: together they are one shape.
const ONE_SHAPE: f64 = 3.0;
/// Fewer components than this are not said to tile anything.
const LEAST_TILES: usize = 4;
/// A fall of the criterion that is noted: "very strong" evidence (Kass and Raftery 1995).
const EVIDENCE: f64 = 10.0;
/// Columns whose spreads differ by more than this factor are taken for unlike units where the mixture does not fit.
const UNLIKE_COLUMNS: f64 = 2.0;

/// What `mixture`, in the units of `tiles`, leaves unsaid about their points.
pub fn notes(tiles: &Tiles, mixture: &GaussianMixture) -> Vec<String> {
    let few = tiles.thinned(MOST_LOOKED_AT);
    let (k, d, n) = (mixture.n_components(), few.d, tiles.n);
    let mut notes = Vec::new();
    if k > 1 && k * FEW_POINTS > n {
        notes.push(format!(
            "{k} components for {n} points are fewer than {FEW_POINTS} points for each: their means and their number are uncertain"
        ));
    }
    let tiled = tiled(mixture);
    let is_tiled = k >= LEAST_TILES && 2 * tiled >= k;
    if is_tiled {
        notes.push(format!(
            "{tiled} of the {k} components lie within {ONE_SHAPE} standard deviations of another: they tile shapes that one common, spherical variance does not fit: their number is not the number of clusters"
        ));
    }
    if d > MOST_DIRECTIONS {
        return notes;
    }
    let covariance = covariance(&few);
    let within = within(&covariance, mixture);
    let uneven = uneven(&within, d, few.n);
    if let Some((low, high, gain)) = uneven {
        notes.push(format!(
            "one common, spherical variance does not fit: within the components the points' standard deviations go from {low:.2} to {high:.2} of the common one, by direction; a common covariance would lower the criterion by {gain:.0} at once, and may want fewer components"
        ));
    }
    let of_columns = |matrix: &[f64]| ratio((0..d).map(|c| matrix[c * d + c].max(0.0).sqrt()));
    let unlike = of_columns(&covariance).max(of_columns(&within));
    if (is_tiled || uneven.is_some()) && unlike > UNLIKE_COLUMNS {
        notes.push(format!(
            "the columns' spreads differ {} : 1: where their units are unlike, standardise them first (--standardise)",
            crate::number::short(unlike)
        ));
    }
    notes
}

/// The largest over the smallest; infinity is left out with the columns that have no spread at all.
fn ratio(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let largest = values.clone().fold(0.0, f64::max);
    let smallest = values.filter(|v| *v > 1e-7 * largest).fold(f64::INFINITY, f64::min);
    if smallest.is_finite() { largest / smallest } else { 1.0 }
}

/// Components with a neighbour so near that no dip of density lies between.
fn tiled(mixture: &GaussianMixture) -> usize {
    let near = ONE_SHAPE * ONE_SHAPE * mixture.variance();
    let k = mixture.n_components();
    let has_near = |a: usize| (0..k).any(|b| a != b && squared_distance(mixture.mean(a), mixture.mean(b)) < near);
    (0..k).filter(|a| has_near(*a)).count()
}

/// E xxᵀ − E x E xᵀ, shape (d, d).
fn covariance(tiles: &Tiles) -> Vec<f64> {
    let (n, d) = (tiles.n as f64, tiles.d);
    let rows: Vec<f64> = tiles.rows().iter().map(|v| f64::from(*v)).collect();
    let mut mean = vec![0.0; d];
    rows.chunks_exact(d).for_each(|row| mean.iter_mut().zip(row).for_each(|(m, x)| *m += x / n));
    let mut out = vec![0.0; d * d];
    for row in rows.chunks_exact(d) {
        for a in 0..d {
            let e = (row[a] - mean[a]) / n;
            out[a * d..(a + 1) * d].iter_mut().zip(row.iter().zip(&mean)).for_each(|(out, (x, m))| *out += e * (x - m));
        }
    }
    out
}

/// The covariance within components, in units of the common variance: at the likelihood's maximum, that of the points less that of the means.
fn within(covariance: &[f64], mixture: &GaussianMixture) -> Vec<f64> {
    let (k, d) = (mixture.n_components(), mixture.n_features());
    let centroid = mixture.centroid();
    let between = |a: usize, b: usize| {
        (0..k).map(|l| mixture.weights()[l] * (mixture.mean(l)[a] - centroid[a]) * (mixture.mean(l)[b] - centroid[b])).sum::<f64>()
    };
    (0..d * d).map(|at| (covariance[at] - between(at / d, at % d)) / mixture.variance()).collect()
}

/// The least and the largest deviation along a direction, and by how much the Bayesian information criterion falls, at least, with them:
/// n·(d ln tr(W)/d − ln det W) for d(d + 1)/2 − 1 parameters more. `None` where it does not.
fn uneven(within: &[f64], d: usize, n: usize) -> Option<(f64, f64, f64)> {
    let eigen = Mat::from_fn(d, d, |a, b| within[a * d + b]).self_adjoint_eigen(Side::Lower).ok()?;
    let values: Vec<f64> = (0..d).map(|c| eigen.S()[c].max(1e-9)).collect();
    let (n, mean) = (n as f64, values.iter().sum::<f64>() / d as f64);
    let logs: f64 = values.iter().map(|v| (mean / v).ln()).sum();
    let gain = n * logs - (d * (d + 1) / 2 - 1) as f64 * n.ln();
    (d > 1 && gain > EVIDENCE).then(|| (values[0].sqrt(), values[d - 1].sqrt(), gain))
}
