//! Points as .npy, in single precision where that keeps them apart.

use std::path::Path;

use super::{Values, write_npy};
use crate::error::{Error, Result};

/// The least numbers of single precision within a length that matters, as σ: with fewer, points of a large sample fall together.
const LEAST_RESOLUTION: f64 = 131_072.0; // 2¹⁷: for a σ of 1 up to a distance of 128 from zero

/// The type that points are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum Dtype {
    F32,
    F64,
}

impl Dtype {
    /// Single precision, unless it would merge distinct points or overflow: of coordinates up to `largest` that differ by about `unit`.
    pub fn that_tells_apart(largest: f64, unit: f64) -> Self {
        let largest = largest.abs() as f32;
        let step = f64::from(largest.next_up()) - f64::from(largest);
        if step * LEAST_RESOLUTION <= unit { Dtype::F32 } else { Dtype::F64 }
    }

    /// NumPy's name.
    pub fn name(self) -> &'static str {
        match self {
            Dtype::F32 => "float32",
            Dtype::F64 => "float64",
        }
    }
}

/// Writes `points` (n, d) that differ by about `unit`, in the type that tells them apart; returns it.
///
/// # Errors
/// [`Error::NonFiniteResult`] with the place of a number that is not finite, [`Error::Io`].
pub fn write_points(path: &Path, d: usize, points: &[f64], unit: f64) -> Result<Dtype> {
    if let Some(at) = points.iter().position(|v| !v.is_finite()) {
        return Err(Error::NonFiniteResult {
            what: format!("point {}, coordinate {} is {}", at / d, at % d, points[at]),
            remedy: "Nothing was written. Use smaller units".into(),
        });
    }
    let dtype = Dtype::that_tells_apart(points.iter().fold(0.0, |a: f64, v| a.max(v.abs())), unit);
    let shape = [points.len() / d, d];
    match dtype {
        Dtype::F64 => write_npy(path, &shape, Values::F64(points))?,
        Dtype::F32 => write_npy(path, &shape, Values::F32(&points.iter().map(|v| *v as f32).collect::<Vec<_>>()))?,
    }
    Ok(dtype)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_precision_where_it_keeps_points_apart() {
        for (largest, unit, double) in [
            (6.0, 1.0, false),
            (100.0, 1.0, false),
            (300.0, 1.0, true),
            (4_649_776.0, 0.1, true),
            (1.7e9, 10.0, true),
            (1.7e9, 1e9, false),
            (6e-150, 1e-150, true),
            (1e-30, 1e-30, false),
            (1e300, 1e300, true),
            (0.0, 1.0, false),
        ] {
            assert_eq!(Dtype::that_tells_apart(largest, unit) == Dtype::F64, double, "{largest:e} in {unit:e}");
        }
    }
}
