//! Models with covariances of any kind, as `learn` writes them and begins from them: .npz files in scikit-learn's shapes.

use std::path::Path;

use crate::error::{Error, Result};
use crate::mixture::files::{Array, Values, read_npz, write_npz};
use crate::mixture::{Covariance, CovarianceKind, Mixture};

/// Means, weights and covariances in the shapes that scikit-learn has.
///
/// # Errors
/// [`Error::Io`].
pub fn write_with_covariances(path: &Path, mixture: &Mixture) -> Result<()> {
    let (k, d) = (mixture.n_components(), mixture.n_features());
    let covariances = mixture.covariance();
    let name = if matches!(covariances, Covariance::Common(_)) { "variance" } else { "covariances" };
    write_npz(
        path,
        &[
            ("weights", &[k], Values::F64(mixture.weights())),
            ("means", &[k, d], Values::F64(mixture.means())),
            (name, &covariances.kind().shape(k, d), Values::F64(covariances.values())),
        ],
    )
}

/// A mixture whose covariances are known to be of `kind`.
///
/// # Errors
/// [`Error::BadFile`] for arrays that are missing or of other shapes; those of [`Mixture::new`].
pub fn read_with_covariances(path: &Path, kind: CovarianceKind) -> Result<Mixture> {
    let arrays = read_npz(path)?;
    let named = |name: &str| -> Result<Array> {
        let found = arrays.iter().find(|(own, _)| own == name).map(|(_, array)| array.clone());
        found.ok_or_else(|| Error::bad_file(path, format!("there is no array {name}"), "Save means, weights and covariances"))
    };
    let (means, weights, covariances) = (named("means")?, named("weights")?, named("covariances")?);
    let (k, d) = (weights.values.len(), means.shape.get(1).copied().unwrap_or(0));
    if covariances.shape != kind.shape(k, d) {
        return Err(Error::bad_file(
            path,
            format!("covariances of shape {:?} are not {kind} ones of {k} components in {d} dimensions", covariances.shape),
            format!("Save them in the shape {:?}", kind.shape(k, d)),
        ));
    }
    Mixture::new(weights.values, means.values, d, Covariance::of_kind(kind, covariances.values))
}
