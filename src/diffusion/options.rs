//! The options of a learner.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::mixture::{CovarianceKind, Mixture};

/// The learning method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// The diffusion model of Gatmiry, Kelner and Lee (2024): a sampler by piecewise polynomial regression, and a mixture from its warm starts.
    PiecewisePolynomial,
    /// Gradient descent on the DDPM loss at high, then at low noise (Shah, Chen and Klivans 2023).
    Ddpm,
    /// Expectation–maximisation from k-means++ starts.
    Em,
}

/// The common variance σ₀²; in files a number, or "estimate".
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Variance {
    Known(f64),
    #[serde(with = "word")]
    Estimate,
}

mod word {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    const ESTIMATE: &str = "estimate";

    pub(super) fn serialize<S: Serializer>(to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(ESTIMATE)
    }

    pub(super) fn deserialize<'a, D: Deserializer<'a>>(from: D) -> Result<(), D::Error> {
        let word = String::deserialize(from)?;
        if word == ESTIMATE { Ok(()) } else { Err(D::Error::custom("a variance is a number or \"estimate\"")) }
    }
}

/// All options of a learner.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct Options {
    pub method: Method,
    /// K; `None`: it is searched for.
    pub components: Option<usize>,
    /// The degree of the polynomials.
    pub degree: usize,
    pub variance: Variance,
    /// The form of the covariances; others than the common variance are learned by EM.
    pub covariance: CovarianceKind,
    /// Is added to every variance of such covariances, in units of the points.
    pub regularisation: f64,
    /// Where EM begins with such covariances; `None`: the search finds that.
    #[serde(skip)]
    pub start: Option<Mixture>,
    /// Pairs of noised points at each level.
    pub pairs: usize,
    /// Starts that compete: rounds of the search for K, and starts of the DDPM learner.
    pub restarts: usize,
    /// EM ends when a step gains less than this, in nats per point …
    pub tolerance: f64,
    /// … or after this many steps.
    pub iterations: usize,
    /// Learn in units of each column's standard deviation; the reader and writer of the points converts them.
    pub standardise: bool,
    /// The fraction of the points that is kept from learning.
    pub held_out: f64,
    /// The number of points to draw.
    pub samples: usize,
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            method: Method::PiecewisePolynomial,
            components: None,
            degree: 3,
            variance: Variance::Known(1.0),
            covariance: CovarianceKind::Common,
            regularisation: 1e-6,
            start: None,
            pairs: 1 << 17,
            restarts: 10,
            tolerance: 1e-10,
            iterations: 10_000,
            standardise: false,
            held_out: 0.1,
            samples: 100_000,
            seed: 0,
        }
    }
}

/// Refuses options with which nothing can be learned from `n` points.
pub(crate) fn check(n: usize, options: &Options) -> Result<()> {
    if let Variance::Known(variance) = options.variance
        && !(variance.is_finite() && variance > 0.0)
    {
        return Err(Error::bad_input(format!("the variance is {variance}"), "Give a positive number, or `estimate`"));
    }
    check_covariance(options)?;
    let trained = n - (options.held_out * n as f64) as usize;
    if let Some(k) = options.components
        && !(1..=trained).contains(&k)
    {
        return Err(Error::bad_input(
            format!("{k} components cannot be learned from the {trained} of {n} points that are not held out"),
            "Ask for at least one and for fewer than there are points",
        ));
    }
    if !(1..=8).contains(&options.degree) {
        return Err(Error::bad_input(format!("polynomials of degree {} are not available", options.degree), "Use a degree from 1 to 8"));
    }
    if !(0.0..=0.9).contains(&options.held_out) {
        return Err(Error::bad_input(format!("a share of {} is to be held out", options.held_out), "Use a share from 0 to 0.9"));
    }
    if options.pairs == 0 || u32::try_from(options.pairs).is_err() || u32::try_from(options.samples).is_err() {
        return Err(Error::bad_input(
            format!("{} pairs or {} samples are none, or more than random numbers have addresses for", options.pairs, options.samples),
            format!("Use 1 to {}", u32::MAX),
        ));
    }
    Ok(())
}

/// Refuses what other covariances than the common variance do not go with.
fn check_covariance(options: &Options) -> Result<()> {
    let kind = options.covariance;
    if !(options.regularisation.is_finite() && options.regularisation >= 0.0) {
        return Err(Error::bad_input(format!("the regularisation is {}", options.regularisation), "Give a number that is not negative"));
    }
    if kind == CovarianceKind::Common {
        return match &options.start {
            Some(_) => Err(Error::bad_input("a start is given beside one common variance", "Give one with covariances of another kind")),
            None => Ok(()),
        };
    }
    if options.method != Method::Em {
        return Err(Error::bad_input(
            format!("{kind} covariances are learned by EM alone: the other methods know one common variance"),
            "Choose EM, or the common variance",
        ));
    }
    if let Variance::Known(variance) = options.variance {
        return Err(Error::bad_input(
            format!("a common variance of {variance} is given beside {kind} covariances, which are estimated"),
            "Leave out one of the two",
        ));
    }
    match &options.start {
        Some(start) if start.covariance_kind() != kind => Err(Error::bad_input(
            format!("the start has {} covariances, and {kind} ones are asked for", start.covariance_kind()),
            "Give a start of the same kind",
        )),
        Some(start) if options.components.is_some_and(|k| k != start.n_components()) => Err(Error::bad_input(
            format!("the start has {} components, and another number is asked for", start.n_components()),
            "Leave out one of the two",
        )),
        _ => Ok(()),
    }
}
