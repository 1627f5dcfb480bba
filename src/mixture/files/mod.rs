//! Files of mixtures, points and arrays, read as if a stranger had made them.
//!
//! Every length, shape and offset that a file declares is checked against the bytes that are there before memory is taken for it.
//! What cannot be read gives [`Error::BadFile`] (exit 4); what the system refuses to write gives [`Error::Io`].

use std::path::Path;

use crate::error::{Error, Result};
use crate::mixture::{GaussianMixture, normalised};

mod atomic;
mod csv;
mod finite;
mod json;
mod npy;
mod npz;
mod numbers;
mod open;
mod points;
mod safetensors;
mod unzip;

pub use atomic::{Out, write_atomically};
pub use finite::{check_finite, to_f32};
pub use npy::{read_npy, write_npy};
pub use npz::{read_npz, write_npz};
pub use numbers::Values;
pub use points::{Dtype, write_points};

/// Numbers with a shape, in C order: `values.len()` is the product of `shape` (1 for a scalar, whose shape is empty).
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    pub shape: Vec<usize>,
    pub values: Vec<f64>,
}

/// The arrays of a mixture file that were asked for, and the names of all others.
struct Contents {
    arrays: Vec<(String, Array)>,
    others: Vec<String>,
}

/// The names of a mixture's parts in any file.
const MEANS: &str = "means";
const WEIGHTS: &str = "weights";
const VARIANCE: &str = "variance";

/// Names that others use: beside them, a missing `weights` or `variance` is more likely a mistake than a wish for the default.
const MISTAKEN: [(&str, &[&str]); 2] = [
    (WEIGHTS, &["weight", "w", "pi", "probabilities", "mixing"]),
    (VARIANCE, &["variances", "var", "sigma", "sigma2", "std", "covariance", "covariances", "cov", "precision", "precisions"]),
];

/// A mixture from .npz, .safetensors or .json: `means` (k, d), optional `weights` (k, default uniform), optional `variance` (default 1).
///
/// # Errors
/// [`Error::BadFile`] with what is wrong in the file, or with it as a mixture.
pub fn read_mixture(path: &Path) -> Result<GaussianMixture> {
    open::at(path, mixture_of(read_named(path, &[MEANS, WEIGHTS, VARIANCE])?))
}

/// The `means` of a mixture file or of starts of replicates: (k, d) or (R, k, d), all finite.
///
/// # Errors
/// [`Error::BadFile`], with the index of a number that is not finite.
pub fn read_means(path: &Path) -> Result<Array> {
    open::at(path, read_named(path, &[MEANS])?.means())
}

/// The `weights` (k) of a mixture file, normalised; `None` where the file has none.
///
/// # Errors
/// [`Error::BadFile`] where they are not positive or do not sum to 1 within 1e-6.
pub fn read_weights(path: &Path) -> Result<Option<Vec<f64>>> {
    let mut contents = read_named(path, &[WEIGHTS])?;
    open::at(path, contents.refuse_mistaken_names())?;
    open::at(path, contents.weights().and_then(|weights| weights.map(normalised).transpose()))
}

/// The `variance` of a mixture file or of starts of replicates; `None` where the file has none.
///
/// # Errors
/// [`Error::BadFile`] where it is not one positive finite number.
pub fn read_variance(path: &Path) -> Result<Option<f64>> {
    let mut contents = read_named(path, &[VARIANCE])?;
    open::at(path, contents.refuse_mistaken_names())?;
    match open::at(path, contents.variance())? {
        Some(variance) if !(variance.is_finite() && variance > 0.0) => {
            Err(Error::bad_file(path, format!("variance is {variance}"), "Give a positive finite number"))
        }
        variance => Ok(variance),
    }
}

/// Points (n, d) from .npy, or from .csv with or without a row of names: at least one row and one column, all finite.
///
/// # Errors
/// [`Error::BadFile`], with row and column of a number that cannot be used.
pub fn read_points(path: &Path) -> Result<Array> {
    let points = match extension(path).as_str() {
        "npy" => read_npy(path)?,
        "csv" => csv::read(path)?,
        other => return Err(open::unknown_extension(path, other, ".npy or .csv")),
    };
    open::at(path, require_points(&points))?;
    Ok(points)
}

/// Writes weights, means and variance in float64, as the extension says: .npz, .safetensors or .json.
///
/// # Errors
/// [`Error::BadFile`] for another extension, [`Error::Io`] where writing fails.
pub fn write_mixture(path: &Path, mixture: &GaussianMixture) -> Result<()> {
    match extension(path).as_str() {
        "npz" => {
            let (k, d) = (mixture.n_components(), mixture.n_features());
            let (weights, means) = (Values::F64(mixture.weights()), Values::F64(mixture.means()));
            let variance = [mixture.variance()];
            write_npz(path, &[(WEIGHTS, &[k], weights), (MEANS, &[k, d], means), (VARIANCE, &[], Values::F64(&variance))])
        }
        "safetensors" => safetensors::write(path, mixture),
        "json" => json::write(path, mixture),
        other => Err(open::unknown_extension(path, other, ".npz, .safetensors or .json")),
    }
}

fn read_named(path: &Path, names: &[&str]) -> Result<Contents> {
    match extension(path).as_str() {
        "npz" => npz::read(path, Some(names)),
        "safetensors" => safetensors::read(path, names),
        "json" => json::read(path),
        other => Err(open::unknown_extension(path, other, ".npz, .safetensors or .json")),
    }
}

fn extension(path: &Path) -> String {
    path.extension().unwrap_or_default().to_string_lossy().to_lowercase()
}

fn mixture_of(mut contents: Contents) -> Result<GaussianMixture> {
    contents.refuse_mistaken_names()?;
    let means = contents.means()?;
    let &[k, d] = means.shape.as_slice() else {
        return Err(Error::bad_input(
            format!("means has shape {:?}, a start of several replicates, where one mixture (k, d) is needed", means.shape),
            "Save one replicate of it, means[r]",
        ));
    };
    let weights = match contents.weights()? {
        None => vec![1.0 / k as f64; k],
        Some(weights) if weights.len() == k => weights,
        Some(weights) => {
            return Err(Error::bad_input(
                format!("{} weights do not belong to {k} means", weights.len()),
                "Give weights of shape (k) to means of shape (k, d)",
            ));
        }
    };
    GaussianMixture::new(weights, means.values, d, contents.variance()?.unwrap_or(1.0))
}

impl Contents {
    fn take(&mut self, name: &str) -> Option<Array> {
        let at = self.arrays.iter().position(|(other, _)| other == name)?;
        Some(self.arrays.swap_remove(at).1)
    }

    fn means(&mut self) -> Result<Array> {
        let Some(means) = self.take(MEANS) else {
            let names: Vec<String> = self.others.iter().take(8).map(|name| open::shown(name)).collect();
            return Err(Error::bad_input(
                format!("there is no array `means` (other arrays: {})", if names.is_empty() { "none".into() } else { names.join(", ") }),
                "Save the means (k, d) under that name",
            ));
        };
        if !matches!(means.shape.len(), 2 | 3) || means.values.is_empty() {
            return Err(Error::bad_input(
                format!("means has shape {:?}", means.shape),
                "Give (k, d), or (R, k, d) for starts of replicates, with no axis of length zero",
            ));
        }
        require_finite(MEANS, &means)?;
        Ok(means)
    }

    fn weights(&mut self) -> Result<Option<Vec<f64>>> {
        match self.take(WEIGHTS) {
            Some(weights) if weights.shape.len() != 1 => {
                Err(Error::bad_input(format!("weights has shape {:?}", weights.shape), "Give one weight per component, shape (k)"))
            }
            weights => Ok(weights.map(|weights| weights.values)),
        }
    }

    fn variance(&mut self) -> Result<Option<f64>> {
        match self.take(VARIANCE) {
            None => Ok(None),
            Some(Array { values, .. }) if values.len() == 1 => Ok(Some(values[0])),
            Some(Array { shape, .. }) => Err(Error::bad_input(
                format!("variance has shape {shape:?}; only one variance, common to all components and coordinates, is supported"),
                "Give a single number",
            )),
        }
    }

    fn refuse_mistaken_names(&self) -> Result<()> {
        for (name, mistaken) in MISTAKEN {
            let missing = self.arrays.iter().all(|(present, _)| present != name) && self.others.iter().all(|present| present != name);
            if let Some(other) = self.others.iter().find(|other| missing && mistaken.contains(&other.as_str())) {
                return Err(Error::bad_input(
                    format!("there is an array `{other}`, which is not read, and no `{name}`"),
                    format!("Save {name} under that name, or leave `{other}` out for the default"),
                ));
            }
        }
        Ok(())
    }
}

fn require_points(points: &Array) -> Result<()> {
    if points.shape.len() != 2 || points.values.is_empty() {
        return Err(Error::bad_input(
            format!("points have shape {:?}", points.shape),
            "Give (n, d) with at least one row and one column; a single column is x.reshape(-1, 1)",
        ));
    }
    require_finite("points", points)
}

/// Refuses NaN and infinity, with the index of the first.
fn require_finite(name: &str, array: &Array) -> Result<()> {
    let Some(at) = array.values.iter().position(|v| !v.is_finite()) else { return Ok(()) };
    let index = index_of(at, &array.shape);
    let place = match index[..] {
        [row, column] => format!(" (row {row}, column {column}, counted from 0)"),
        _ => String::new(),
    };
    Err(Error::bad_input(format!("{name}{index:?} is {}{place}", array.values[at]), "Replace it by a finite number or drop that row"))
}

/// The multi-index of the element at `at` in C order.
fn index_of(mut at: usize, shape: &[usize]) -> Vec<usize> {
    let mut index: Vec<usize> = shape
        .iter()
        .rev()
        .map(|n| {
            let i = at % n;
            at /= n;
            i
        })
        .collect();
    index.reverse();
    index
}
