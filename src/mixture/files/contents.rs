//! What a mixture file holds, and how it is understood.

use super::numbers::Kind;
use super::{Array, COVARIANCE_TYPE, COVARIANCES, MEANS, VARIANCE, WEIGHTS, names, open};
use crate::error::{Error, Result};
use crate::mixture::{Covariance, CovarianceKind, Mixture, SUM_WITHIN};

/// The arrays of a mixture file that were asked for, and the names of all others.
#[derive(Default)]
pub(super) struct Contents {
    pub arrays: Vec<(String, Array)>,
    pub others: Vec<String>,
    /// `covariance_type`.
    pub covariance_type: Option<String>,
    /// How far each weight may be from what was meant, relative to itself.
    pub weights_rounding: f64,
}

impl Contents {
    /// The mixture, and notes on it.
    pub(super) fn mixture(mut self) -> Result<(Mixture, Vec<String>)> {
        self.refuse_mistaken_names()?;
        let mut means = self.means()?;
        let (k, d) = match means.shape[..] {
            [k, d] | [1, k, d] => (k, d),
            _ => {
                return Err(Error::bad_input(
                    format!("means has shape {:?}, a start of several replicates, where one mixture (k, d) is needed", means.shape),
                    "Save one replicate of it, means[r]",
                ));
            }
        };
        let weights = match self.weights()? {
            None => vec![1.0 / k as f64; k],
            Some(weights) if weights.len() == k => weights,
            Some(weights) => {
                return Err(Error::bad_input(
                    format!("{} weights do not belong to {k} means", weights.len()),
                    "Give weights of shape (k) to means of shape (k, d)",
                ));
            }
        };
        let mut covariance = self.covariance(k, d)?;
        let sum: f64 = weights.iter().sum();
        let mut weights = self.rescaled(weights)?;
        let mut notes = Vec::new();
        if (sum - 1.0).abs() > SUM_WITHIN {
            notes.push(format!("the weights sum to {sum} and were divided by that: it is 1 within what their type can say"));
        }
        let n_empty = weights.iter().filter(|w| **w == 0.0).count();
        if n_empty > 0 && n_empty < k {
            notes.push(format!("{n_empty} of {k} components have weight 0 and are left out: those that stay are counted anew"));
            let stays = |i: usize| weights[i] != 0.0;
            means.values =
                means.values.chunks_exact(d).enumerate().filter(|(i, _)| stays(*i)).flat_map(|(_, mean)| mean.to_vec()).collect();
            covariance = covariance.of_components(d, stays);
            weights.retain(|w| *w != 0.0);
        }
        Ok((Mixture::new(weights, means.values, d, covariance)?, notes))
    }

    /// Adds an array that was asked for.
    pub(super) fn push(&mut self, name: String, array: Array, kind: Kind) {
        if name == WEIGHTS {
            self.weights_rounding = kind.rounding();
        }
        self.arrays.push((name, array));
    }

    /// Weights divided by their sum where that is 1 within what their type can say: a sum in a plain loop errs by some √k roundings.
    pub(super) fn rescaled(&self, mut weights: Vec<f64>) -> Result<Vec<f64>> {
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

    pub(super) fn means(&mut self) -> Result<Array> {
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

    pub(super) fn weights(&mut self) -> Result<Option<Vec<f64>>> {
        match self.take(WEIGHTS) {
            Some(weights) if weights.shape.len() != 1 => {
                Err(Error::bad_input(format!("weights has shape {:?}", weights.shape), "Give one weight per component, shape (k)"))
            }
            weights => Ok(weights.map(|weights| weights.values)),
        }
    }

    pub(super) fn variance(&mut self) -> Result<Option<f64>> {
        match self.take(VARIANCE) {
            None => Ok(None),
            Some(Array { values, .. }) if values.len() == 1 => Ok(Some(values[0])),
            Some(Array { shape, .. }) => Err(Error::bad_input(
                format!("variance has shape {shape:?}; only one variance, common to all components and coordinates, is supported"),
                "Give a single number",
            )),
        }
    }

    /// `covariances`, or else the common `variance`, or else 1.
    fn covariance(&mut self, k: usize, d: usize) -> Result<Covariance> {
        let (variance, covariances, name) = (self.variance()?, self.take(COVARIANCES), self.covariance_type.take());
        let Some(Array { shape, values }) = covariances else {
            return match name.filter(|name| name != CovarianceKind::Common.name()) {
                None => Ok(Covariance::Common(variance.unwrap_or(1.0))),
                Some(name) => Err(Error::bad_input(
                    format!("{COVARIANCE_TYPE} is `{}`, and there is no array `covariances`", open::shown(&name)),
                    "Save the covariances under that name, or leave the word out",
                )),
            };
        };
        if variance.is_some() {
            return Err(Error::bad_input(
                "there are arrays `covariances` and `variance`, and both cannot be meant",
                "Leave `variance` out, or `covariances` if it is common to all components",
            ));
        }
        let kind = match name {
            Some(name) => CovarianceKind::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| {
                Error::bad_input(
                    format!("{COVARIANCE_TYPE} is `{}`", open::shown(&name)),
                    "Write spherical, diag, tied, full or common, as scikit-learn does",
                )
            })?,
            None => kind_of_shape(&shape, k, d)?,
        };
        if shape != kind.shape(k, d) && !(kind == CovarianceKind::Common && values.len() == 1) {
            return Err(Error::bad_input(
                format!("{kind} covariances have shape {shape:?} beside means of shape [{k}, {d}]"),
                format!("Give {kind} ones of shape {:?}", kind.shape(k, d)),
            ));
        }
        Ok(Covariance::of_kind(kind, values))
    }

    /// The `variance` of a file whose components must have a common one.
    pub(super) fn common_variance(&mut self) -> Result<Option<f64>> {
        if self.is_present(COVARIANCES) {
            return Err(Error::bad_input(
                "there is an array `covariances`, and only one common `variance` is read here",
                "Give the variance, where it is the same for all",
            ));
        }
        self.variance()
    }

    fn is_present(&self, name: &str) -> bool {
        self.arrays.iter().any(|(present, _)| present == name) || self.others.iter().any(|other| other == name)
    }

    /// Refuses arrays that are probably parts of a mixture under another name, unless the part is there under its own.
    pub(super) fn refuse_mistaken_names(&self) -> Result<()> {
        for other in self.others.iter().filter(|other| *other != COVARIANCES) {
            let states = |name: &str| self.is_present(name) || name == VARIANCE && self.is_present(COVARIANCES);
            // Two statements of the covariance contradict each other.
            let own = [VARIANCE, COVARIANCES].into_iter().find(|own| other == "covariance" && self.is_present(own));
            if let Some(own) = own {
                return Err(Error::bad_input(
                    format!("there are arrays `{other}` and `{own}`, and only `{own}` is read"),
                    format!("Leave `{other}` out"),
                ));
            }
            if let Some(name) = names::probably_meant(other).filter(|name| !states(name)) {
                return Err(Error::bad_input(
                    format!("there is an array `{}`, which is not read, and no `{name}`", open::shown(other)),
                    format!("Save {} under the name `{name}`, or leave `{}` out for the default", meaning(name), open::shown(other)),
                ));
            }
        }
        Ok(())
    }
}

/// The kind whose covariances of k components in d dimensions have this shape.
fn kind_of_shape(shape: &[usize], k: usize, d: usize) -> Result<CovarianceKind> {
    let fitting: Vec<CovarianceKind> = CovarianceKind::ALL.into_iter().filter(|kind| kind.shape(k, d) == shape).collect();
    match fitting[..] {
        [kind] => Ok(kind),
        [] => Err(Error::bad_input(
            format!("covariances have shape {shape:?} beside means of shape [{k}, {d}]"),
            format!("Give ({k}) for spherical, ({k}, {d}) for diag, ({d}, {d}) for tied or ({k}, {d}, {d}) for full ones"),
        )),
        // One component in one dimension: both say the same.
        [kind, ..] if d == 1 => Ok(kind),
        _ => Err(Error::bad_input(
            format!("covariances of shape {shape:?} beside as many means as dimensions are diag ones or a tied one"),
            format!("Say which by an entry {COVARIANCE_TYPE}: \"diag\" or \"tied\""),
        )),
    }
}

/// What a part of a mixture is, for those who have it in another form.
fn meaning(name: &str) -> &'static str {
    if name == WEIGHTS {
        "the weights, which are positive and sum to 1,"
    } else {
        "covariances under the name `covariances`, or a common variance σ², one number,"
    }
}

/// Refuses NaN and infinity, with the index of the first.
fn require_finite(name: &str, array: &Array) -> Result<()> {
    match array.values.iter().position(|v| !v.is_finite()) {
        None => Ok(()),
        Some(at) => Err(not_finite(name, at, &array.shape, array.values[at])),
    }
}

/// The refusal of element `at` of an array.
pub(super) fn not_finite(name: &str, at: usize, shape: &[usize], value: f64) -> Error {
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
