//! Mixtures with covariances of any kind: the type, and what is said of one point in plain loops.

use super::covariance::{Covariance, CovarianceKind};
use super::factors::{Factor, Factors};
use super::{GaussianMixture, centroid, check_means, normalised};
use crate::error::{Error, Result};

/// A mixture Σ wᵢ N(μᵢ, Σᵢ), checked when it is made: all numbers are finite, weights are positive and sum to one, covariances are
/// positive definite. [`GaussianMixture`] is the case of one common variance, on which descent works.
#[derive(Debug, Clone, PartialEq)]
pub struct Mixture {
    weights: Vec<f64>,
    means: Vec<f64>, // (k, d) row-major
    n_features: usize,
    covariance: Covariance,
    factors: Factors,
}

impl Mixture {
    /// A mixture from `weights` (k), `means` (k, d) row-major and covariances.
    ///
    /// Weights must be positive and sum to 1 within 1e-6; they are then normalised.
    ///
    /// # Errors
    /// [`Error::BadInput`] with the index of the first number that cannot be used; for a matrix that is not positive definite, with its
    /// smallest eigenvalue.
    pub fn new(weights: Vec<f64>, means: Vec<f64>, n_features: usize, covariance: Covariance) -> Result<Self> {
        check_means(weights.len(), &means, n_features)?;
        let covariance = covariance.checked(weights.len(), n_features)?;
        let factors = Factors::of(&covariance, n_features)?;
        Ok(Self { weights: normalised(weights)?, means, n_features, covariance, factors })
    }

    /// k.
    pub fn n_components(&self) -> usize {
        self.weights.len()
    }

    /// d.
    pub fn n_features(&self) -> usize {
        self.n_features
    }

    /// wᵢ, shape (k).
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// μ, shape (k, d) row-major.
    pub fn means(&self) -> &[f64] {
        &self.means
    }

    /// μᵢ, shape (d).
    pub fn mean(&self, i: usize) -> &[f64] {
        &self.means[i * self.n_features..][..self.n_features]
    }

    /// Σᵢ of all components.
    pub fn covariance(&self) -> &Covariance {
        &self.covariance
    }

    /// The form of its covariances.
    pub fn covariance_kind(&self) -> CovarianceKind {
        self.covariance.kind()
    }

    /// The factor of Σᵢ.
    pub fn factor(&self, i: usize) -> Factor<'_> {
        self.factors.of_component(i)
    }

    /// The mean of the whole mixture Σ wᵢμᵢ, shape (d).
    pub fn centroid(&self) -> Vec<f64> {
        centroid(&self.weights, &self.means, self.n_features)
    }

    /// ln wᵢ − ½ ln|Σᵢ|, shape (k): with −½|Rᵢ(x−μᵢ)|² and −(d/2) ln 2π this is ln wᵢN(x; μᵢ, Σᵢ).
    pub fn log_peaks(&self) -> Vec<f64> {
        let of = |(i, w): (usize, &f64)| w.ln() - self.factor(i).half_log_determinant(self.n_features);
        self.weights.iter().enumerate().map(of).collect()
    }

    /// The smallest standard deviation of a coordinate given those before it, and the largest of any coordinate, among all components: what
    /// tells points apart, and how far they lie from their mean.
    pub fn deviations(&self) -> [f64; 2] {
        let of = |l| self.factor(l).deviations(self.n_features);
        (0..self.n_components()).map(of).fold([f64::INFINITY, 0.0], |[least, largest], [a, b]| [least.min(a), largest.max(b)])
    }

    /// Deviations from a mean beyond which no density matters, at the least; see [`Mixture::reach`].
    pub(crate) const LEAST_REACH: f64 = 7.5;

    /// How many deviations from a component's mean its density matters: 7.5, or 4 beyond where it meets its nearest neighbour's, at most
    /// 37, where it is below the least number.
    pub(crate) fn reach(&self) -> f64 {
        let wall = |i: usize, j: usize| {
            let e: Vec<f64> = self.mean(j).iter().zip(self.mean(i)).map(|(a, b)| a - b).collect();
            let mut w = vec![0.0; e.len()];
            // |e| in deviations of either component along e: densities meet where both count the same number of them.
            let [a, b] = [i, j].map(|l| {
                self.factor(l).whiten(&e, &mut w);
                w.iter().map(|w| w * w).sum::<f64>().sqrt()
            });
            a * b / (a + b).max(f64::MIN_POSITIVE)
        };
        let k = self.n_components();
        let nearest = |i: usize| (0..k).filter(|j| *j != i).map(|j| wall(i, j)).fold(f64::INFINITY, f64::min);
        let furthest = (0..k).map(nearest).filter(|wall| wall.is_finite()).fold(0.0, f64::max);
        (furthest + 4.0).clamp(Self::LEAST_REACH, 37.0)
    }

    /// The largest factor by which some component of either mixture is narrower than another in some direction (within √d): at least 1.
    pub fn narrowness_beside(&self, other: &Mixture) -> f64 {
        let d = self.n_features;
        let all = || [self, other].into_iter().flat_map(|m| (0..m.n_components()).map(move |l| (m, l)));
        // The norm of R_l Lᵢ, column by column.
        let ratio = |(wide, i): (&Mixture, usize), (narrow, l): (&Mixture, usize)| {
            let (mut unit, mut w) = (vec![0.0; d], vec![0.0; d]);
            let mut square = 0.0;
            for c in 0..d {
                unit.fill(0.0);
                unit[c] = 1.0;
                let column: Vec<f64> = (0..d).map(|a| wide.factor(i).coloured(&unit, a)).collect();
                narrow.factor(l).whiten(&column, &mut w);
                square += w.iter().map(|w| w * w).sum::<f64>();
            }
            square.sqrt()
        };
        all().flat_map(|wide| all().map(move |narrow| ratio(wide, narrow))).fold(1.0, f64::max)
    }

    /// As a mixture of one common variance; `None` where covariances have another form.
    pub fn common(&self) -> Option<GaussianMixture> {
        let Covariance::Common(variance) = self.covariance else { return None };
        GaussianMixture::new(self.weights.clone(), self.means.clone(), self.n_features, variance).ok()
    }

    /// The same mixture in other units, x'_a = scales_a·x_a and a shift, with its means (k, d) there: what is round in one unit is not in
    /// others, so where scales differ common and spherical covariances become diagonal.
    ///
    /// # Errors
    /// Those of [`Mixture::new`].
    pub fn in_units(&self, means: Vec<f64>, scales: &[f64]) -> Result<Mixture> {
        let (k, d) = (self.n_components(), scales.len());
        let is_even = scales.iter().all(|s| s == &scales[0]);
        let kind = if is_even { self.covariance_kind() } else { self.covariance_kind().max(CovarianceKind::Diagonal) };
        let own = self.covariance.widened(kind, k, d).unwrap_or_else(|| self.covariance.clone());
        let values = own.values().iter().enumerate().map(|(at, v)| match own {
            Covariance::Common(_) | Covariance::Spherical(_) => v * scales[0] * scales[0],
            Covariance::Diagonal(_) => v * scales[at % d] * scales[at % d],
            Covariance::Tied(_) | Covariance::Full(_) => v * scales[at / d % d] * scales[at % d],
        });
        Mixture::new(self.weights.clone(), means, d, Covariance::of_kind(kind, values.collect()))
    }

    /// After heat flow of time t: Σᵢ + tI.
    ///
    /// # Errors
    /// [`Error::BadInput`] for a time that is not finite or negative.
    pub fn smoothed(&self, time: f64) -> Result<Mixture> {
        if !(time >= 0.0 && time.is_finite()) {
            return Err(Error::bad_input(format!("the heat-flow time is {time}"), "Give a finite time, 0 or more"));
        }
        let covariance = self.covariance.plus(time, self.n_features);
        Mixture::new(self.weights.clone(), self.means.clone(), self.n_features, covariance)
    }

    /// The same mixture with covariances in a more general form.
    ///
    /// # Errors
    /// [`Error::BadInput`] where `kind` does not contain theirs.
    pub fn widened(&self, kind: CovarianceKind) -> Result<Mixture> {
        let covariance = self.covariance.widened(kind, self.n_components(), self.n_features).ok_or_else(|| {
            Error::bad_input(
                format!("{} covariances are not {kind} ones", self.covariance_kind()),
                "Ask for full ones, which contain all others",
            )
        })?;
        Mixture::new(self.weights.clone(), self.means.clone(), self.n_features, covariance)
    }
}

impl From<&GaussianMixture> for Mixture {
    fn from(mixture: &GaussianMixture) -> Self {
        let (covariance, n_features) = (Covariance::Common(mixture.variance()), mixture.n_features());
        let factors = Factors::of(&covariance, n_features).expect("a variance is positive");
        Self { weights: mixture.weights().to_vec(), means: mixture.means().to_vec(), n_features, covariance, factors }
    }
}

#[cfg(test)]
#[path = "general_tests.rs"]
mod tests;
