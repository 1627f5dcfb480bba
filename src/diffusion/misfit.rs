//! Notes on what one common spherical variance cannot fit.

use faer::{Mat, Side};

use super::pass::Kernel;
use super::tiles::{TILE, Tiles};
use crate::mixture::{GaussianMixture, squared_distance};

/// The most points, and the most dimensions, for estimating covariances.
const MOST_LOOKED_AT: usize = 1 << 14;
const MOST_DIRECTIONS: usize = 256;
/// Smaller responsibilities are left out.
const NOTHING: f32 = 1e-9;
/// Fewer points for a component than this are noted.
const FEW_POINTS: usize = 10;
/// Between components nearer than this, in σ, the density has no dip: together they form one shape.
const ONE_SHAPE: f64 = 3.0;
/// The fewest components that are said to tile a shape.
const LEAST_TILES: usize = 4;
/// A decrease of the criterion that gets a note: "very strong" evidence (Kass and Raftery 1995).
const EVIDENCE: f64 = 10.0;
/// If the spreads of columns differ by more than this factor and the mixture does not fit, the columns probably have different units.
const UNLIKE_COLUMNS: f64 = 2.0;

/// Notes on how `mixture`, in the units of `tiles`, fails to fit their points.
pub(crate) fn notes(tiles: &Tiles, mixture: &GaussianMixture) -> Vec<String> {
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
            "{tiled} of the {k} components lie within {ONE_SHAPE} standard deviations of another: they tile shapes that one common, \
             spherical variance does not fit: their number is not the number of clusters"
        ));
    }
    if d > MOST_DIRECTIONS {
        return notes;
    }
    let within = within(&few, mixture);
    let uneven = uneven(&within, d, few.n);
    if let Some((low, high, gain)) = uneven {
        notes.push(format!(
            "one common, spherical variance does not fit: within the components the points' standard deviations go from {low:.2} to \
             {high:.2} of the common one, by direction; a common covariance would lower the criterion by {gain:.0} at once, and may want \
             fewer components"
        ));
    }
    let unlike = ratio(deviations(&few).into_iter()).max(ratio((0..d).map(|c| within[c * d + c].sqrt())));
    if (is_tiled || uneven.is_some()) && unlike > UNLIKE_COLUMNS {
        notes.push(format!(
            "the columns' spreads differ {} : 1: where their units are unlike, learn in units of each column's deviation",
            crate::number::short(unlike)
        ));
    }
    notes
}

/// The largest over the smallest; columns without spread, whose ratio is infinite, are left out.
fn ratio(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let largest = values.clone().fold(0.0, f64::max);
    let smallest = values.filter(|v| *v > 1e-7 * largest).fold(f64::INFINITY, f64::min);
    if smallest.is_finite() { largest / smallest } else { 1.0 }
}

/// The number of components with a neighbour so near that the density has no dip between.
fn tiled(mixture: &GaussianMixture) -> usize {
    let near = ONE_SHAPE * ONE_SHAPE * mixture.variance();
    let k = mixture.n_components();
    let has_near = |a: usize| (0..k).any(|b| a != b && squared_distance(mixture.mean(a), mixture.mean(b)) < near);
    (0..k).filter(|a| has_near(*a)).count()
}

/// The standard deviation of each column (d).
fn deviations(tiles: &Tiles) -> Vec<f64> {
    let n = tiles.n as f64;
    let of_column = |c: usize| {
        let column = || (0..tiles.n_tiles()).flat_map(move |i| &tiles.tile(i)[c * TILE..][..tiles.count(i)]).map(|x| f64::from(*x));
        let mean = column().sum::<f64>() / n;
        (column().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n).sqrt()
    };
    (0..tiles.d).map(of_column).collect()
}

/// The covariance of the points about their components' means, Σᵢ rᵢ(x − μᵢ)(x − μᵢ)ᵀ on average, in units of the common variance,
/// shape (d, d).
fn within(tiles: &Tiles, mixture: &GaussianMixture) -> Vec<f64> {
    let (k, d) = (mixture.n_components(), tiles.d);
    let unit = 1.0 / (tiles.n as f64 * mixture.variance());
    let mut kernel = Kernel::new(mixture);
    let (mut out, mut e) = (vec![0.0; d * d], vec![0.0; d]);
    for i in 0..tiles.n_tiles() {
        let x = tiles.tile(i);
        kernel.responsibilities(x);
        for (l, s) in (0..k).flat_map(|l| (0..tiles.count(i)).map(move |s| (l, s))) {
            let r = kernel.r[l * TILE + s];
            if r < NOTHING {
                continue;
            }
            e.iter_mut().zip(mixture.mean(l)).enumerate().for_each(|(c, (e, mean))| *e = f64::from(x[c * TILE + s]) - mean);
            for (a, row) in out.chunks_exact_mut(d).enumerate() {
                let scaled = f64::from(r) * unit * e[a];
                row.iter_mut().zip(&e).for_each(|(out, e)| *out += scaled * e);
            }
        }
    }
    out
}

/// The smallest and the largest standard deviation along a direction, and the least decrease of the Bayesian information criterion with
/// them: n·(d ln tr(W)/d − ln det W) for d(d + 1)/2 − 1 more parameters. `None` if it does not fall, or if a direction has no spread.
fn uneven(within: &[f64], d: usize, n: usize) -> Option<(f64, f64, f64)> {
    let eigen = Mat::from_fn(d, d, |a, b| within[a * d + b]).self_adjoint_eigen(Side::Lower).ok()?;
    let values: Vec<f64> = (0..d).map(|c| eigen.S()[c]).collect();
    if !(values[0] > 0.0) {
        return None;
    }
    let (n, mean) = (n as f64, values.iter().sum::<f64>() / d as f64);
    let logs: f64 = values.iter().map(|v| (mean / v).ln()).sum();
    let gain = n * logs - (d * (d + 1) / 2 - 1) as f64 * n.ln();
    (d > 1 && gain > EVIDENCE).then(|| (values[0].sqrt(), values[d - 1].sqrt(), gain))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diffusion::em;
    use crate::mixture::sample::sample_f32;

    fn notes_of(points: &[f32], truth: &GaussianMixture) -> Vec<String> {
        let tiles = Tiles::of_rows(points, truth.n_features());
        let options = em::Options { variance: None, tolerance: 1e-9, most_iterations: 100 };
        notes(&tiles, &em::climb(&tiles, truth.clone(), options, None).unwrap().mixture)
    }

    /// With more points than are used, the masses of two far clusters differ a little from those of all points, which is no misfit.
    #[test]
    fn far_clusters_that_fit_are_not_noted() {
        let truth = GaussianMixture::new(vec![0.3, 0.7], vec![0.0, 0.0, 50.0, 0.0], 2, 1.0).unwrap();
        for seed in 0..5 {
            assert_eq!(notes_of(&sample_f32(&(&truth).into(), 100_000, seed).unwrap(), &truth), [""; 0]);
        }
    }

    #[test]
    fn what_does_not_fit_is_noted() {
        let truth = GaussianMixture::new(vec![0.3, 0.7], vec![0.0, 0.0, 50.0, 0.0], 2, 1.0).unwrap();
        let stretched = |factor: f32| {
            let mut x = sample_f32(&(&truth).into(), 40_000, 1).unwrap();
            x.chunks_exact_mut(2).for_each(|x| x[1] *= factor);
            notes_of(&x, &truth)
        };
        let [note, columns] = &stretched(2.0)[..] else { panic!("{:?}", stretched(2.0)) };
        // Deviations of 1 and 2 beside a common one of √2.5.
        assert!(note.contains("go from 0.63 to 1.2") && columns.contains("columns' spreads differ"), "{note} {columns}");
        let unlike = stretched(0.1);
        assert!(unlike.len() == 2 && unlike[1].contains("units of each column's deviation"), "{unlike:?}");
    }

    /// A direction without spread has no result instead of an infinite one.
    #[test]
    fn no_spread_is_no_verdict() {
        assert_eq!(uneven(&[1.0, 0.0, 0.0, 0.0], 2, 1000), None);
        assert_eq!(uneven(&[1.0, 0.0, 0.0, -1e-12], 2, 1000), None);
        assert!(uneven(&[1.0, 0.0, 0.0, 0.5], 2, 1000).is_some());
    }
}
