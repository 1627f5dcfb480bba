//! Files of mixtures, points and arrays, read as if a stranger had made them.
//!
//! Every length, shape and offset that a file declares is checked against the bytes that are there before memory is taken for it.
//! What cannot be read gives [`Error::BadFile`] (exit 4); what the system refuses to write gives [`Error::Io`].

use std::path::Path;

use crate::error::{Error, Result};
use crate::mixture::{Covariance, GaussianMixture, Mixture, normalised};
use contents::Contents;

mod atomic;
mod contents;
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
mod text;
mod unzip;

pub use atomic::{Out, destination, write_atomically};
pub use finite::check_finite;
pub use npy::{read_npy, write_npy};
pub use npz::{read_npz, write_npz};
pub use numbers::{Numbers, Values};
pub use points::{Dtype, StoredPoints, read_points, read_stored_points, write_points};
pub use stream::{IS_READING, is_stream};

/// Numbers with a shape, in C order: `values.len()` is the product of `shape` (1 for a scalar, whose shape is empty).
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    pub shape: Vec<usize>,
    pub values: Vec<f64>,
}

/// The names of a mixture's parts in any file.
const MEANS: &str = "means";
const WEIGHTS: &str = "weights";
const VARIANCE: &str = "variance";
const COVARIANCES: &str = "covariances";
const COVARIANCE_TYPE: &str = "covariance_type";

/// A mixture from .npz, .safetensors or .json: `means` (k, d), optional `weights` (k, default uniform), and `variance` (default 1), common
/// to all components, or `covariances`: (k) spherical, (k, d) diag, (d, d) tied, (k, d, d) full, with `covariance_type` where the shape
/// does not tell. Weights must sum to 1 within 1e-6, or within what their type in the file can say; components of weight 0 are left out.
///
/// # Errors
/// [`Error::BadFile`] with what is wrong in the file, or with it as a mixture.
pub fn read_any_mixture(path: &Path) -> Result<Mixture> {
    Ok(read_any_mixture_with_notes(path)?.0)
}

/// As [`read_any_mixture`], with what people should know of how the file was understood, as sentences without full stops.
///
/// # Errors
/// As [`read_any_mixture`].
pub fn read_any_mixture_with_notes(path: &Path) -> Result<(Mixture, Vec<String>)> {
    let contents = read_named(path, &[MEANS, WEIGHTS, VARIANCE, COVARIANCES, COVARIANCE_TYPE])?;
    let (mixture, notes) = open::at(path, contents.mixture())?;
    Ok((mixture, notes.into_iter().map(|note| format!("{}: {note}", path.display())).collect()))
}

/// As [`read_any_mixture`], of one common variance.
///
/// # Errors
/// As [`read_any_mixture`], and for covariances of another kind.
pub fn read_mixture(path: &Path) -> Result<GaussianMixture> {
    Ok(read_mixture_with_notes(path)?.0)
}

/// As [`read_any_mixture_with_notes`], of one common variance.
///
/// # Errors
/// As [`read_mixture`].
pub fn read_mixture_with_notes(path: &Path) -> Result<(GaussianMixture, Vec<String>)> {
    let (mixture, notes) = read_any_mixture_with_notes(path)?;
    let common = mixture.common().ok_or_else(|| {
        Error::bad_file(
            path,
            format!("has {} covariances, and here student and teacher have one common variance", mixture.covariance_kind()),
            "Give a mixture with `variance`; score, sample, evaluate and gradient take covariances of every kind",
        )
    })?;
    Ok((common, notes))
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
    match open::at(path, contents.common_variance())? {
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
    write_any_mixture(path, &mixture.into())
}

/// As [`write_mixture`], of covariances of any kind: those that are not common as `covariances` with their `covariance_type`.
///
/// # Errors
/// As [`write_mixture`].
pub fn write_any_mixture(path: &Path, mixture: &Mixture) -> Result<()> {
    let (k, d) = (mixture.n_components(), mixture.n_features());
    match extension(path).as_str() {
        "npz" => {
            let (kind, covariance) = (mixture.covariance_kind(), mixture.covariance());
            let (shape, values) = (kind.shape(k, d), Values::F64(covariance.values()));
            let parts = [(WEIGHTS, &[k][..], Values::F64(mixture.weights())), (MEANS, &[k, d], Values::F64(mixture.means()))];
            let covariances = match covariance {
                Covariance::Common(_) => vec![(VARIANCE, &[][..], values)],
                _ => vec![(COVARIANCES, &shape[..], values), (COVARIANCE_TYPE, &[][..], Values::Text(kind.name()))],
            };
            write_npz(path, &[&parts[..], &covariances].concat())
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
