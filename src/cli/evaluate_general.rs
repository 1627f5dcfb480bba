//! `mixscore evaluate` of two mixtures whose covariances are of any kind, or whose common variances differ.

use super::Common;
use super::exit::{Failure, Result};
use super::pair::{Pair, have_common_variance};
use crate::metrics::Coverage;
use crate::metrics::general::{by_quadrature, coverage, matched_distance, sampled};
use crate::mixture::Mixture;
use crate::mixture::files::read_means;
use crate::problem::Divergences;

/// Both mixtures, if they are no case of one common variance; `None` leaves them to those who know more of that case.
///
/// # Errors
/// What cannot be read.
pub(super) fn pair(common: &Common, pair: &Pair) -> Result<Option<[Mixture; 2]>> {
    for path in [&pair.student, &pair.teacher] {
        let shape = read_means(path)?.shape;
        if shape.len() == 3 && shape[0] > 1 {
            return Ok(None); // replicates, which have one common variance
        }
    }
    let (mixtures, notes) = pair.read_any()?;
    if have_common_variance(&mixtures) {
        return Ok(None);
    }
    notes.iter().for_each(|note| common.say(note));
    Ok(Some(mixtures))
}

/// What there is to say of the student.
pub(super) struct Told {
    pub divergences: Divergences,
    pub by_grid: bool,
    /// Why it is by samples though they were not asked for, as a sentence without its full stop.
    pub no_grid: Option<String>,
    pub coverage: Coverage,
    pub matched: f64,
    pub device: String,
}

/// What samples of these mixtures may miss without a word.
pub(super) const UNCHECKED: &str = "where covariances are not common nobody checks whether rare draws carry a Fisher divergence: of modes that \
                                    are far apart a sampled one is too small, whatever its standard error";

/// Whether the divergences are by a grid.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Gridding {
    Never,
    IfItPays,
    Asked,
}

/// All that is told of the student, after heat flow of time `noise`.
///
/// # Errors
/// Mixtures of different dimensions; a grid that is asked for in more than two; the device's own errors.
pub(super) fn told(common: &Common, [student, teacher]: [Mixture; 2], n_samples: usize, noise: f64, gridding: Gridding) -> Result<Told> {
    let (coverage, matched) = (coverage(&student, &teacher)?, matched_distance(&student, &teacher)?);
    let [student, teacher] = [student.smoothed(noise)?, teacher.smoothed(noise)?];
    let gridded = match gridding {
        Gridding::Never => None,
        _ => by_quadrature(&student, &teacher, n_samples, gridding == Gridding::Asked)?,
    };
    if gridded.is_none() && gridding == Gridding::Asked {
        return Err(Failure::usage("covariances that are not common have a grid in one or two dimensions only", "Leave --sampler out"));
    }
    let by_grid = gridded.is_some();
    let no_grid = (!by_grid && gridding == Gridding::IfItPays).then(|| match student.n_features() {
        ..=2 => "a grid that is fine enough is slow; --sampler grid takes one all the same".into(),
        _ => "where covariances are not common a grid works in one or two dimensions".into(),
    });
    let (divergences, device) = match gridded {
        Some(divergences) => (divergences, "host, double precision".to_string()),
        None => {
            let mut opened = common.open_device_for(&[&student, &teacher])?;
            let device = opened.backend.describe().to_string();
            (sampled(&student, &teacher, n_samples, common.seed.unwrap_or(0), &mut *opened.backend)?, device)
        }
    };
    if !by_grid && student.n_components().max(teacher.n_components()) > 1 {
        common.say(UNCHECKED);
    }
    Ok(Told { divergences, by_grid, no_grid, coverage, matched, device })
}
