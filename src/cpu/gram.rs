//! Which way a patch takes to its inner products: by posterior means, or by a table of squared distances where that is less work.

use std::sync::Arc;

use super::distances::{gathered, of_list, squared_distances};
use super::lists::List;
use super::pair::Pair;
use super::table::Via;
use crate::objective::divergence::Side;

/// Squared distances of all components of either side, where that way is open to patches that leave none out.
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

    /// Whether both sides have a table, so that patches may be as wide as this way bears.
    pub(super) fn is_wide(&self) -> bool {
        self.shared.iter().all(Option::is_some)
    }

    /// The way for the components `list` of a side.
    pub(super) fn via(&self, pair: &Pair, side: Side, list: &List) -> Via {
        let mixture = pair.side(side);
        match (list, &self.shared[side as usize]) {
            (None, Some(squares)) => Via::Distances(squares.clone()),
            (Some(list), _) if list.len() <= 2 * pair.rank => match mixture.squares {
                Some(squares) => Via::Distances(Arc::new(of_list(squares, list))),
                // Its own distances are worth their making where they serve enough samples; and wide patches have no other way.
                None if self.is_wide() || list.len() < self.n_samples => {
                    Via::Distances(squared_distances(&gathered(mixture.means, list, pair.rank), pair.rank))
                }
                None => Via::Means,
            },
            _ => Via::Means,
        }
    }
}
