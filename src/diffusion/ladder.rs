//! The ladder of noise levels from the top down: a regression at each level, and new warm starts whenever the noise has fallen enough.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::cells::with_between;
use super::noised::{Address, Noised};
use super::regression::Piecewise;
use super::schedule;
use super::warm_start::{radius, set_cover, smallest_cell};
use super::watch::Watch;
use crate::backend::polynomials::Polynomials;
use crate::error::{Error, Result};
use crate::objective::hermite::Basis;

/// Pairs for the cover of warm starts, for choosing ridges and for the error of a level: a cell with one row in two thousand has some
/// thirty of them.
const COVER_PAIRS: usize = 2048;
const CHECK_PAIRS: usize = 32_768;
/// Warm starts are renewed when the noise has fallen to this fraction. (Published: one half, but then modes of a per cent lose mass.)
const REFRESH: f64 = 0.7;
/// The most features of one polynomial: the degree is lowered if it would have more.
const MOST_FEATURES: usize = 400;

/// The uses of noise at one level.
const FIT: u32 = 0;
const COVER: u32 = 1;
const CHECK: u32 = 2;

/// The settings of the ladder.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// D, the total degree of the polynomials.
    pub degree: usize,
    /// Pairs of noised points for each regression.
    pub pairs: usize,
    pub kappa: f64,
    pub seed: u64,
}

/// One noise level.
#[derive(Debug, Clone)]
pub(crate) struct Level {
    /// In units of σ₀².
    pub t: f64,
    pub posterior_mean: Piecewise,
    pub row: Row,
}

/// The results for one level, for people.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Row {
    /// t in units of σ₀².
    pub noise: f64,
    pub cells: usize,
    /// Features of each cell's polynomial.
    pub features: usize,
    /// Mean squared error per direction of the regression on held-out points, in units of σ₀². It contains the targets' own noise, and
    /// the ridge was chosen by it.
    #[serde(deserialize_with = "crate::number::or_nan")]
    pub held_out_error: f64,
    /// Root-mean-square difference per direction from the posterior mean of the parametric result, in units of σ₀, without noise.
    pub distance_to_model: Option<f64>,
    pub seconds: f64,
}

/// All levels, the highest first.
#[derive(Debug, Clone)]
pub(crate) struct Ladder {
    pub levels: Vec<Level>,
    /// Denoised points of the last level (m, rank).
    pub denoised: Vec<f32>,
    /// Why the degree of the polynomials is lower than requested.
    pub note: Option<String>,
}

/// The ladder for the requested degree, or for the highest lower one whose polynomials are few enough and can be solved for.
pub(crate) fn climb_at_some_degree(
    points: &[f32],
    held_out: &[f32],
    variances: &[f64],
    settings: &Settings,
    device: &mut dyn Polynomials,
    watch: &mut Watch,
) -> Result<Ladder> {
    let rank = variances.len();
    let within = Basis::within(rank, settings.degree, MOST_FEATURES).degree;
    let mut note = (within < settings.degree).then(|| {
        format!("polynomials of degree {} in {rank} directions would have too many terms: degree {within} was used", settings.degree)
    });
    let mut degree = within;
    loop {
        match climb(points, held_out, variances, &Settings { degree, ..settings.clone() }, device, watch) {
            Err(Error::NonFiniteResult { what, .. }) if degree > 1 => {
                degree -= 1;
                note = Some(format!("{what} with polynomials of degree {}: degree {degree} was used", degree + 1));
            }
            ladder => return Ok(Ladder { note, ..ladder? }),
        }
    }
}

/// Learns the posterior mean at every level from `points` (n, rank), centred and with σ₀ = 1, whose variances are `variances`.
pub(crate) fn climb(
    points: &[f32],
    held_out: &[f32],
    variances: &[f64],
    settings: &Settings,
    device: &mut dyn Polynomials,
    watch: &mut Watch,
) -> Result<Ladder> {
    let rank = variances.len();
    let basis = Basis::new(rank, settings.degree);
    let highest = 4.0 * variances.iter().sum::<f64>();
    let noises = schedule::levels(highest, settings.kappa);
    let smallest = smallest_cell(basis.len(), 2 * settings.pairs);
    let cover = |points: &[f32], t: f64| set_cover(points, rank, radius(rank) * (1.0 + t).sqrt(), smallest);
    // Under the highest noise the points themselves serve as denoised ones.
    let mut centres = cover(&points[..points.len().min(2 * COVER_PAIRS * rank)], highest);
    if centres.is_empty() {
        centres = vec![0.0; rank];
    }
    let mut refreshed = highest;
    let mut levels: Vec<Level> = Vec::with_capacity(noises.len());
    let mut denoised = Vec::new();
    for (index, t) in noises.iter().copied().enumerate() {
        watch.at("levels", index as f64 / noises.len() as f64)?;
        let began = Instant::now();
        let address = |usage| Address { seed: settings.seed, level: index as u32, usage };
        let noised = Noised::new(points, rank, t, settings.pairs, index * settings.pairs, address(FIT));
        let check =
            Noised::new(if held_out.is_empty() { points } else { held_out }, rank, t, CHECK_PAIRS.min(settings.pairs), 0, address(CHECK));
        let sigma = (1.0 + t).sqrt();
        let cells = with_between(&centres, rank, sigma, &noised.y, basis.len());
        let n_cells = cells.len() / rank;
        let posterior_mean = Piecewise::fit(&noised, &check, cells, sigma, basis.clone(), device)?;
        let row = Row {
            noise: t,
            cells: n_cells,
            features: basis.len(),
            held_out_error: mean_square(&posterior_mean.posterior_mean(&check.y), &check.target),
            distance_to_model: None,
            seconds: 0.0,
        };
        let is_last = index + 1 == noises.len();
        if t <= REFRESH * refreshed || is_last {
            refreshed = t;
            let fresh = Noised::new(points, rank, t, COVER_PAIRS, index * COVER_PAIRS, address(COVER));
            denoised = posterior_mean.posterior_mean(&fresh.y);
            let found = cover(&denoised, t);
            if !found.is_empty() {
                centres = found;
            }
        }
        levels.push(Level { t, posterior_mean, row: Row { seconds: began.elapsed().as_secs_f64(), ..row } });
    }
    Ok(Ladder { levels, denoised, note: None })
}

/// Mean (a − b)².
pub(crate) fn mean_square(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>() / a.len() as f64
}
