//! Merging pairs of components, for the search from above for their number.

use crate::error::Result;
use crate::mixture::{GaussianMixture, squared_distance};

/// The mixture after `mergers` of disjoint pairs, in ascending order of the change by a merger: w_a w_b/(w_a + w_b)·|μ_a − μ_b|².
pub(crate) fn merged(mixture: &GaussianMixture, mergers: usize) -> Result<GaussianMixture> {
    let (k, d, w) = (mixture.n_components(), mixture.n_features(), mixture.weights());
    let cost = |a: usize, b: usize| w[a] * w[b] / (w[a] + w[b]) * squared_distance(mixture.mean(a), mixture.mean(b));
    let mut pairs: Vec<(f64, usize, usize)> =
        (0..k).flat_map(|a| (a + 1..k).map(move |b| (a, b))).map(|(a, b)| (cost(a, b), a, b)).collect();
    pairs.sort_by(|x, y| x.0.total_cmp(&y.0));
    let (mut weights, mut means) = (w.to_vec(), mixture.means().to_vec());
    let mut is_used = vec![false; k];
    let mut gone = Vec::new();
    for (_, a, b) in pairs {
        if gone.len() == mergers {
            break;
        }
        if is_used[a] || is_used[b] {
            continue;
        }
        (is_used[a], is_used[b]) = (true, true);
        let sum = w[a] + w[b];
        for c in 0..d {
            means[a * d + c] = (w[a] * means[a * d + c] + w[b] * means[b * d + c]) / sum;
        }
        weights[a] = sum;
        gone.push(b);
    }
    gone.sort_unstable();
    for b in gone.into_iter().rev() {
        weights.remove(b);
        means.drain(b * d..(b + 1) * d);
    }
    GaussianMixture::new(weights, means, d, mixture.variance())
}
