//! How a patch computes its inner products: from posterior means, or from a table of squared distances if that is less work.

use std::sync::Arc;

use super::distances::{gathered, of_list, squared_distances};
use super::lists::List;
use super::pair::Pair;
use super::table::InnerProducts;
use crate::objective::divergence::Side;

/// Squared distances between all components of a side, for patches that use all of them. A side has none if posterior means are less work.
pub(super) struct Gram {
    n_samples: usize,
    shared: [Option<Arc<Vec<f32>>>; 2],
}

impl Gram {
    /// For `lists` (empty: all) of strata with `n_samples` samples each.
    pub(super) fn new(pair: &Pair, lists: &[[List; 2]], n_samples: usize) -> Self {
        let shared = [0, 1].map(|s| {
            let side = &pair.sides[s];
            let anywhere = lists.is_empty() || lists.iter().any(|lists| lists[s].is_none());
            (anywhere && side.len() <= 2 * pair.rank).then(|| match side.squares {
                Some(squares) => Arc::new(squares.iter().map(|v| *v as f32).collect()),
                None => squared_distances(side.means, pair.rank),
            })
        });
        Self { n_samples, shared }
    }

    /// Whether both sides have a table of distances: patches may then be wide.
    pub(super) fn is_wide(&self) -> bool {
        self.shared.iter().all(Option::is_some)
    }

    /// How to compute the inner products with the components `list` of a side.
    pub(super) fn inner_products(&self, pair: &Pair, side: Side, list: &List) -> InnerProducts {
        let mixture = pair.side(side);
        match (list, &self.shared[side as usize]) {
            (None, Some(squares)) => InnerProducts::FromDistances(squares.clone()),
            (Some(list), _) if list.len() <= 2 * pair.rank => match mixture.squares {
                Some(squares) => InnerProducts::FromDistances(Arc::new(of_list(squares, list))),
                // Distances of a list pay off if they serve enough samples. Wide patches always need them.
                None if self.is_wide() || list.len() < self.n_samples => {
                    InnerProducts::FromDistances(squared_distances(&gathered(mixture.means, list, pair.rank), pair.rank))
                }
                None => InnerProducts::FromMeans,
            },
            _ => InnerProducts::FromMeans,
        }
    }
}
