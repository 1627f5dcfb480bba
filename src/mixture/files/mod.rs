//! Files of mixtures, points and arrays, read as if a stranger had made them.
//!
//! Every length, shape and offset that a file declares is checked against the bytes that are there before memory is taken for it.
//! What cannot be read gives [`Error::BadFile`] (exit 4); what the system refuses to write gives [`Error::Io`].

use std::path::Path;

use crate::error::{Error, Result};
use crate::mixture::{GaussianMixture, SUM_WITHIN, normalised};
use numbers::Kind;

mod atomic;
mod csv;
mod finite;
mod header;
mod json;
mod names;
mod npy;
mod npz;
mod numbers;
mod open;
mod points;
mod safetensors;
mod separator;
mod stream;
mod unzip;

pub use atomic::{Out, destination, write_atomically};
pub use finite::check_finite;
pub use npy::{read_npy, write_npy};
pub use npz::{read_npz, write_npz};
pub use numbers::Values;
pub use points::{Dtype, Numbers, StoredPoints, read_points, read_stored_points, write_points};
pub use stream::{IS_READING, is_stream};

/// Numbers with a shape, in C order: `values.len()` is the product of `shape` (1 for a scalar, whose shape is empty).
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    pub shape: Vec<usize>,
    pub values: Vec<f64>,
}

/// The arrays of a mixture file that were asked for, and the names of all others.
#[derive(Default)]
struct Contents {
    arrays: Vec<(String, Array)>,
    others: Vec<String>,
    /// How far each weight may be from what was meant, relative to itself.
    weights_rounding: f64,
}

/// The names of a mixture's parts in any file.
const MEANS: &str = "means";
const WEIGHTS: &str = "weights";
const VARIANCE: &str = "variance";

/// A mixture from .npz, .safetensors or .json: `means` (k, d), optional `weights` (k, default uniform), optional `variance` (default 1).
/// Weights must sum to 1 within 1e-6, or within what their type in the file can say; components of weight 0 are left out.
///
/// # Errors
/// [`Error::BadFile`] with what is wrong in the file, or with it as a mixture.
pub fn read_mixture(path: &Path) -> Result<GaussianMixture> {
    Ok(read_mixture_with_notes(path)?.0)
}

/// As [`read_mixture`], with what people should know of how the file was understood, as sentences without full stops.
///
/// # Errors
/// As [`read_mixture`].
pub fn read_mixture_with_notes(path: &Path) -> Result<(GaussianMixture, Vec<String>)> {
    let (mixture, notes) = open::at(path, mixture_of(read_named(path, &[MEANS, WEIGHTS, VARIANCE])?))?;
    Ok((mixture, notes.into_iter().map(|note| format!("{}: {note}", path.display())).collect()))
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
    let weights = open::at(path, contents.weights())?;
    open::at(path, weights.map(|weights| normalised(contents.rescaled(weights)?)).transpose())
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

/// The mixture, and notes on it.
fn mixture_of(mut contents: Contents) -> Result<(GaussianMixture, Vec<String>)> {
    contents.refuse_mistaken_names()?;
    let mut means = contents.means()?;
    let (k, d) = match means.shape[..] {
        [k, d] | [1, k, d] => (k, d),
        _ => {
            return Err(Error::bad_input(
                format!("means has shape {:?}, a start of several replicates, where one mixture (k, d) is needed", means.shape),
                "Save one replicate of it, means[r]",
            ));
        }
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
    let sum: f64 = weights.iter().sum();
    let mut weights = contents.rescaled(weights)?;
    let mut notes = Vec::new();
    if (sum - 1.0).abs() > SUM_WITHIN {
        notes.push(format!("the weights sum to {sum} and were divided by that: it is 1 within what their type can say"));
    }
    let n_empty = weights.iter().filter(|w| **w == 0.0).count();
    if n_empty > 0 && n_empty < k {
        notes.push(format!("{n_empty} of {k} components have weight 0 and are left out: those that stay are counted anew"));
        let stays = |i: usize| weights[i] != 0.0;
        means.values = means.values.chunks_exact(d).enumerate().filter(|(i, _)| stays(*i)).flat_map(|(_, mean)| mean.to_vec()).collect();
        weights.retain(|w| *w != 0.0);
    }
    let mixture = GaussianMixture::new(weights, means.values, d, contents.variance()?.unwrap_or(1.0))?;
    Ok((mixture, notes))
}

impl Contents {
    /// Adds an array that was asked for.
    fn push(&mut self, name: String, array: Array, kind: Kind) {
        if name == WEIGHTS {
            self.weights_rounding = kind.rounding();
        }
        self.arrays.push((name, array));
    }

    /// Weights divided by their sum where that is 1 within what their type can say: a sum in a plain loop errs by some √k roundings.
    fn rescaled(&self, mut weights: Vec<f64>) -> Result<Vec<f64>> {
        if weights.iter().any(|w| !(w.is_finite() && *w >= 0.0)) {
            return Ok(weights); // which will be refused for that
        }
        let within = (4.0 * (weights.len() as f64).sqrt() * self.weights_rounding).max(SUM_WITHIN);
        let sum: f64 = weights.iter().sum();
        if !((sum - 1.0).abs() <= within) {
            return Err(Error::bad_input(format!("weights sum to {sum}, not to 1 within {within:.0e}"), "Divide them by their sum"));
        }
        if (sum - 1.0).abs() > SUM_WITHIN {
            weights.iter_mut().for_each(|w| *w /= sum);
        }
        Ok(weights)
    }

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
        if means.shape.len() == 1 {
            return Err(Error::bad_input(
                format!("means has shape {:?}", means.shape),
                "Give (k, d): k means on a line are means.reshape(-1, 1), one mean in d dimensions is means.reshape(1, -1)",
            ));
        }
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
        let present = |name: &str| self.arrays.iter().any(|(present, _)| present == name) || self.others.iter().any(|other| other == name);
        for other in &self.others {
            // An array of the one right name decides; but two statements of the covariance contradict each other.
            let both = present(VARIANCE) && ["covariance", "covariances"].contains(&other.as_str());
            match names::probably_meant(other).filter(|name| both || !present(name)) {
                Some(name) if both => {
                    return Err(Error::bad_input(
                        format!("there are arrays `{other}` and `{name}`, and only `{name}` is read"),
                        format!("Leave `{other}` out"),
                    ));
                }
                Some(_) if other == "covariances" => {
                    return Err(Error::bad_input(
                        "there is an array `covariances`, and only one common `variance` is read",
                        "Give the variance, where it is the same for all; a model that was learned in units of its columns has one in \
                         model-standardised.npz",
                    ));
                }
                Some(name) => {
                    return Err(Error::bad_input(
                        format!("there is an array `{}`, which is not read, and no `{name}`", open::shown(other)),
                        format!("Save {} under the name `{name}`, or leave `{}` out for the default", meaning(name), open::shown(other)),
                    ));
                }
                None => {}
            }
        }
        Ok(())
    }
}

/// What a part of a mixture is, for those who have it in another form.
fn meaning(name: &str) -> &'static str {
    if name == WEIGHTS { "the weights, which are positive and sum to 1," } else { "the common variance σ², one number," }
}

/// Refuses NaN and infinity, with the index of the first.
fn require_finite(name: &str, array: &Array) -> Result<()> {
    match array.values.iter().position(|v| !v.is_finite()) {
        None => Ok(()),
        Some(at) => Err(not_finite(name, at, &array.shape, array.values[at])),
    }
}

fn not_finite(name: &str, at: usize, shape: &[usize], value: f64) -> Error {
    let index = index_of(at, shape);
    let place = match index[..] {
        [row, column] => format!(" (row {row}, column {column}, counted from 0)"),
        _ => String::new(),
    };
    Error::bad_input(format!("{name}{index:?} is {value}{place}"), "Replace it by a finite number or drop that row")
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
