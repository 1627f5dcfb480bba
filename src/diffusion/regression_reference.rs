//! Piecewise polynomial regression in double precision and plain loops: the definition that [`super::regression`] is compared with.

use super::hermite::Basis;
use super::noised::Noised;
use super::regression::{CLIP, Gram};

/// Gram matrices of all cells (C): FᵀF in its lower half and FᵀY, column-major, as [`super::regression::grams`].
pub fn grams(noised: &Noised, centres: &[f32], sigma: f64, basis: &Basis) -> Vec<Gram> {
    let (rank, features) = (noised.rank, basis.len());
    let zero = Gram { n: 0, gram: vec![0.0; features * features], moment: vec![0.0; features * rank] };
    let mut grams = vec![zero; centres.len() / rank];
    for (y, target) in noised.y.chunks_exact(rank).zip(noised.target.chunks_exact(rank)) {
        let cell = nearest(y, centres);
        let centre = &centres[cell * rank..(cell + 1) * rank];
        let units = |v: &[f32]| -> Vec<f64> { v.iter().zip(centre).map(|(v, c)| (f64::from(*v) - f64::from(*c)) / sigma).collect() };
        let z: Vec<f64> = units(y).iter().map(|z| z.clamp(-f64::from(CLIP), f64::from(CLIP))).collect();
        let (f, u) = (basis.features(&z), units(target));
        let sum = &mut grams[cell];
        sum.n += 1;
        for column in 0..features {
            for row in column..features {
                sum.gram[column * features + row] += f[row] * f[column];
            }
        }
        for c in 0..rank {
            for row in 0..features {
                sum.moment[c * features + row] += f[row] * u[c];
            }
        }
    }
    grams
}

/// The index of the centre nearest to `y`.
fn nearest(y: &[f32], centres: &[f32]) -> usize {
    let mut best = (0, f64::INFINITY);
    for (i, centre) in centres.chunks_exact(y.len()).enumerate() {
        let mut square = 0.0;
        for (y, c) in y.iter().zip(centre) {
            square += (f64::from(*y) - f64::from(*c)).powi(2);
        }
        if square < best.1 {
            best = (i, square);
        }
    }
    best.0
}
