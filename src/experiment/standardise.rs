//! Columns in units of their own standard deviations, and back.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::mixture::Mixture;

/// Mean and standard deviation of each column (d); the deviation of a constant column is 1.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Standardisation {
    pub means: Vec<f64>,
    pub deviations: Vec<f64>,
}

impl Standardisation {
    /// For points (n, d).
    ///
    /// # Errors
    /// [`Error::BadInput`] if means or deviations overflow.
    pub fn of(points: &[f64], d: usize) -> Result<Standardisation> {
        let n = (points.len() / d) as f64;
        let column = |c: usize| points.iter().skip(c).step_by(d);
        let (means, deviations): (Vec<f64>, Vec<f64>) = (0..d)
            .into_par_iter()
            .map(|c| {
                let mean = column(c).map(|x| x / n).sum::<f64>();
                let deviation = column(c).map(|x| (x - mean) * (x - mean) / n).sum::<f64>().sqrt();
                (mean, if deviation > 1e-14 * mean.abs() { deviation } else { 1.0 })
            })
            .unzip();
        if let Some(c) = (0..d).find(|c| !(means[*c].is_finite() && deviations[*c].is_finite())) {
            return Err(Error::bad_input(
                format!("column {c} has a mean of {} and a standard deviation of {}", means[c], deviations[c]),
                "Replace what is not finite, or scale the column down",
            ));
        }
        Ok(Standardisation { means, deviations })
    }

    /// Points (n, d) in units of the columns.
    pub fn inside(&self, points: &[f64]) -> Vec<f64> {
        let d = self.means.len();
        points.par_iter().enumerate().map(|(at, x)| (x - self.means[at % d]) / self.deviations[at % d]).collect()
    }

    /// The inverse of [`Standardisation::inside`].
    pub fn outside(&self, points: &[f64]) -> Vec<f64> {
        let d = self.means.len();
        points.par_iter().enumerate().map(|(at, z)| self.means[at % d] + self.deviations[at % d] * z).collect()
    }

    /// The log-density in units of the columns less that in users' units, in nats.
    pub fn log_unit(&self) -> f64 {
        -self.deviations.iter().map(|s| s.ln()).sum::<f64>()
    }

    /// A mixture of any covariances, which is in units of the columns, in users' units.
    ///
    /// # Errors
    /// Those of [`Mixture::new`].
    pub fn outside_mixture(&self, mixture: &Mixture) -> Result<Mixture> {
        mixture.in_units(self.outside(mixture.means()), &self.deviations)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        let points = [1.0, 5.0, -10.0, 3.0, 5.0, 30.0, 5.0, 5.0, 10.0];
        let own = Standardisation::of(&points, 3).unwrap();
        assert!((own.deviations[0] - (8.0f64 / 3.0).sqrt()).abs() <= 1e-15 && own.deviations[1] == 1.0, "{own:?}");
        let back = own.outside(&own.inside(&points));
        assert!(back.iter().zip(points).all(|(a, b)| (a - b).abs() <= 1e-14 * 30.0), "{back:?}");
        assert!((own.log_unit() + (own.deviations[0] * own.deviations[2]).ln()).abs() <= 1e-15);
    }
}
