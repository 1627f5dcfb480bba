//! Distances between means.

use std::sync::Arc;

use rayon::prelude::*;

use crate::vector::double::{self, square_of_difference};
use crate::vector::vector_fn;

vector_fn! {
    /// Squared distances of `mean` to each of `means`.
    fn distances(mean: &[f64], means: &[f64], out: &mut [f32]) {
        for (out, other) in out.iter_mut().zip(means.chunks_exact(mean.len())) {
            *out = square_of_difference(mean, other) as f32;
        }
    }
}

/// Squared distances between all of `means` (m, rank), shape (m, m).
pub(super) fn squared_distances(means: &[f64], rank: usize) -> Arc<Vec<f32>> {
    let m = means.len() / rank;
    let mut out = vec![0.0f32; m * m];
    out.par_chunks_exact_mut(m).enumerate().for_each(|(l, row)| distances(&means[l * rank..(l + 1) * rank], means, &mut row[..l]));
    for l in 0..m {
        for other in 0..l {
            out[other * m + l] = out[l * m + other];
        }
    }
    Arc::new(out)
}

/// Squared distances between all of `means` (m, rank) in double precision, shape (m, m).
pub(super) fn exact_squares(means: &[f64], rank: usize) -> Vec<f64> {
    means.chunks_exact(rank).flat_map(|a| means.chunks_exact(rank).map(|b| double::squared_distance(a, b))).collect()
}

/// Distances of `centre` to the components `of` (`None`: all of `means`).
pub(super) fn distances_to(centre: &[f64], means: &[f64], rank: usize, of: Option<&[u32]>) -> Vec<f64> {
    let mut out = vec![0.0; of.map_or(means.len() / rank, <[u32]>::len)];
    match of {
        None => exact_distances(centre, means, &mut out),
        Some(of) => {
            for (out, j) in out.chunks_exact_mut(1).zip(of) {
                exact_distances(centre, &means[*j as usize * rank..][..rank], out);
            }
        }
    }
    out
}

vector_fn! {
    /// |mean − other| for each of `means`. The numbers do not depend on how many means a call has.
    fn exact_distances(mean: &[f64], means: &[f64], out: &mut [f64]) {
        for (out, other) in out.iter_mut().zip(means.chunks_exact(mean.len())) {
            *out = square_of_difference(mean, other).sqrt();
        }
    }
}

/// The entries of a square table at the rows and columns of `list`.
pub(super) fn of_list(table: &[f64], list: &[u32]) -> Vec<f32> {
    let n = table.len().isqrt();
    list.iter().flat_map(|l| list.iter().map(move |j| table[*l as usize * n + *j as usize] as f32)).collect()
}

/// The rows of `list`.
pub(super) fn gathered(means: &[f64], list: &[u32], rank: usize) -> Vec<f64> {
    list.iter().flat_map(|l| &means[*l as usize * rank..][..rank]).copied().collect()
}
