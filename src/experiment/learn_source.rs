//! What is learned from: the points of a file or of a preset, with their truth where it is known.

use std::path::Path;

use crate::diffusion::{compare, presets};
use crate::error::{Error, Result};
use crate::mixture::GaussianMixture;
use crate::mixture::files::{read_mixture, read_points};
use crate::random::rows;

/// Points (n, d) and, where it is known, their truth.
pub struct Source {
    pub points: Vec<f64>,
    pub d: usize,
    pub truth: Option<GaussianMixture>,
}

/// The preset of this name, where no file has it.
pub fn preset(data: &str) -> Option<&'static presets::Preset> {
    presets::find(data).filter(|_| !Path::new(data).exists())
}

/// A file of that name, else the preset of that name; `count` points of it, chosen by a hash of `seed` and row number.
///
/// # Errors
/// What cannot be read, or has fewer points; a preset beside a truth.
pub fn source(data: &str, truth: Option<&Path>, count: Option<usize>, seed: u64) -> Result<Source> {
    let path = Path::new(data);
    if let Some(preset) = preset(data) {
        if truth.is_some() {
            return Err(Error::bad_input(format!("{} has its own truth", preset.name), "Leave the other truth out"));
        }
        let truth = preset.truth()?;
        return Ok(Source { points: preset.points(&truth, count, seed), d: truth.n_features(), truth: Some(truth) });
    }
    if path.symlink_metadata().is_err()
        && let Some(nearest) = presets::nearest(data)
    {
        let remedy = format!("Did you mean the preset {nearest}? `mixscore presets` lists them all");
        return Err(Error::bad_file(path, "there is no such file or preset", remedy));
    }
    let points = read_points(path)?;
    let (n, d) = (points.shape[0], points.shape[1]);
    let truth = truth.map(read_mixture).transpose()?;
    if let Some(truth) = &truth {
        compare::check_truth(truth, d)?;
    }
    let points = match count {
        None => points.values,
        Some(count) if count <= n => rows::chosen(n, count, seed).into_iter().flat_map(|i| &points.values[i * d..][..d]).copied().collect(),
        Some(count) => {
            return Err(Error::bad_file(path, format!("{count} points are asked for and there are {n}"), "Use fewer --points"));
        }
    };
    Ok(Source { points, d, truth })
}
