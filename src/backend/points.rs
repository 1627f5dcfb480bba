//! Points in the caller's memory, read without a copy.

use crate::error::{Error, Result};
use crate::mixture::Mixture;
use crate::mixture::files::Numbers;

/// Points (n, d), row-major, in either precision.
#[derive(Debug, Clone, Copy)]
pub enum Points<'a> {
    F32(&'a [f32]),
    F64(&'a [f64]),
}

/// The number n of points in `points` (n, d), with d from the mixture.
///
/// # Errors
/// [`Error::BadInput`] where they are no whole points.
pub fn whole_points(mixture: &Mixture, points: Points) -> Result<usize> {
    let (d, len) = (mixture.n_features(), points.len());
    if len == 0 || !len.is_multiple_of(d) {
        return Err(Error::bad_input(
            format!("{len} numbers are no points of a mixture in {d} dimensions"),
            format!("Give points of shape (n, {d})"),
        ));
    }
    Ok(len / d)
}

impl<'a> Points<'a> {
    /// The count of numbers, n·d.
    pub fn len(&self) -> usize {
        match self {
            Points::F32(x) => x.len(),
            Points::F64(x) => x.len(),
        }
    }

    /// Whether there are no points.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Consecutive pieces of `n` numbers; the last may be shorter.
    pub fn chunks(self, n: usize) -> impl Iterator<Item = Points<'a>> {
        (0..self.len()).step_by(n).map(move |first| self.range(first..self.len().min(first + n)))
    }

    /// The numbers in a range.
    pub fn range(self, range: std::ops::Range<usize>) -> Points<'a> {
        match self {
            Points::F32(x) => Points::F32(&x[range]),
            Points::F64(x) => Points::F64(&x[range]),
        }
    }

    /// All numbers in double precision, exactly.
    pub fn to_f64(self) -> Vec<f64> {
        match self {
            Points::F32(x) => x.iter().map(|v| f64::from(*v)).collect(),
            Points::F64(x) => x.to_vec(),
        }
    }
}

impl<'a> From<&'a Numbers> for Points<'a> {
    fn from(x: &'a Numbers) -> Self {
        match x {
            Numbers::F32(x) => Points::F32(x),
            Numbers::F64(x) => Points::F64(x),
        }
    }
}

impl<'a> From<&'a [f64]> for Points<'a> {
    fn from(x: &'a [f64]) -> Self {
        Points::F64(x)
    }
}

impl<'a> From<&'a Vec<f64>> for Points<'a> {
    fn from(x: &'a Vec<f64>) -> Self {
        Points::F64(x)
    }
}

impl<'a> From<&'a [f32]> for Points<'a> {
    fn from(x: &'a [f32]) -> Self {
        Points::F32(x)
    }
}
