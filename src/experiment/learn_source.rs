//! The points to learn from: of a file or of a preset, with their true mixture if it is known.

use std::path::Path;

use crate::diffusion::{compare, presets};
use crate::error::{Error, Result};
use crate::mixture::GaussianMixture;
use crate::mixture::files::{Array, StoredPoints, read_mixture, read_stored_points};
use crate::random::rows;

/// Points (n, d) and their true mixture, if it is known.
pub struct Source {
    pub points: Vec<f64>,
    pub d: usize,
    pub truth: Option<GaussianMixture>,
    /// What people should know about how the file was read.
    pub notes: Vec<String>,
}

/// The preset of this name, if there is no such file.
pub(crate) fn preset(data: &Path) -> Option<&'static presets::Preset> {
    data.to_str().and_then(presets::find).filter(|_| !data.exists())
}

/// The points of a file, or else of the preset of that name; `count` of them, chosen by a hash of `seed` and row number.
///
/// # Errors
/// A file that cannot be read or has fewer points; a truth given for a preset, which has its own.
pub fn source(path: &Path, truth: Option<&Path>, count: Option<usize>, seed: u64) -> Result<Source> {
    if let Some(preset) = preset(path) {
        if truth.is_some() {
            return Err(Error::bad_input(format!("{} has its own truth", preset.name), "Leave the other truth out"));
        }
        let truth = preset.truth()?;
        return Ok(Source { points: preset.points(&truth, count, seed), d: truth.n_features(), truth: Some(truth), notes: Vec::new() });
    }
    if path.symlink_metadata().is_err()
        && let Some(nearest) = path.to_str().and_then(presets::nearest)
    {
        let remedy = format!("Did you mean the preset {nearest}?");
        return Err(Error::bad_file(path, "there is no such file or preset", remedy));
    }
    let StoredPoints { n, d, numbers, notes } = read_stored_points(path)?;
    let points = Array { shape: vec![n, d], values: numbers.into_doubles() };
    let truth = truth.map(read_mixture).transpose()?;
    if let Some(truth) = &truth {
        compare::check_truth(truth, d)?;
    }
    let points = match count {
        None => points.values,
        Some(count) if count <= n => rows::chosen(n, count, seed).into_iter().flat_map(|i| &points.values[i * d..][..d]).copied().collect(),
        Some(count) => {
            return Err(Error::bad_file(path, format!("{count} points are asked for and there are {n}"), "Use fewer"));
        }
    };
    Ok(Source { points, d, truth, notes })
}
