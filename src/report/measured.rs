//! The numbers that a sweep's page keeps from its cells' summaries, which are read one at a time.

use std::collections::BTreeSet;

use super::interval::Interval;
use super::quantity::{Quantity, weights_at_teacher};
use crate::experiment::nearest::Proportion;
use crate::experiment::summary::Summary;
use crate::experiment::sweep::table::CellState;
use crate::number::word;

/// A quantity and its number in each finished cell.
pub(super) type Numbers = (Quantity, Vec<Option<Interval>>);

/// Weights of this size are one up to rounding.
const ALL: f64 = 1.0 - 1e-6;

/// The fraction if there are no starts.
const NONE: Proportion = Proportion { share: 0.0, low: 0.0, high: 0.0, successes: 0, trials: 0 };

/// The numbers of all cells, in the sweep's order.
#[derive(Debug)]
pub(super) struct Measured {
    /// The most informative first.
    pub quantities: Vec<Numbers>,
    /// With one teacher component: in how many of a cell's replicates all students end at its mean, and the number of replicates.
    pub arrived: Vec<Option<(usize, usize)>>,
    /// Over all cells, the number of students that ended at the teacher component nearest at their start, and the number of students: for
    /// starts near a wall between two Voronoi cells, and for others.
    pub walls: [(usize, usize); 2],
    /// By name, with `auto` resolved.
    pub estimators: BTreeSet<String>,
    pub samplers: BTreeSet<String>,
    pub devices: BTreeSet<String>,
    /// The sum over all cells.
    pub seconds: f64,
    /// The smallest and the largest heat-flow time of the cells' measurements.
    pub noise: Option<(f64, f64)>,
}

impl Measured {
    /// Without any cells yet; divergences are the forward ones if `forward`.
    pub(super) fn new(forward: bool) -> Measured {
        let quantities =
            [Quantity::Nearest, Quantity::WeightAtTeacher, Quantity::Coverage, Quantity::TotalVariation, Quantity::Divergence { forward }];
        Measured {
            quantities: quantities.map(|quantity| (quantity, Vec::new())).into(),
            arrived: Vec::new(),
            walls: [(0, 0); 2],
            estimators: BTreeSet::new(),
            samplers: BTreeSet::new(),
            devices: BTreeSet::new(),
            seconds: 0.0,
            noise: None,
        }
    }

    /// Adds the next cell.
    pub(super) fn add(&mut self, state: &CellState, summary: Option<&Summary>) {
        let done = summary.filter(|_| *state == CellState::Done);
        for (quantity, numbers) in &mut self.quantities {
            numbers.push(done.and_then(|summary| quantity.of(summary)));
        }
        let weights = done.and_then(weights_at_teacher);
        self.arrived.push(weights.map(|weights| (weights.iter().filter(|w| **w >= ALL).count(), weights.len())));
        if let Some(at) = done.and_then(|summary| summary.nearest_at_start) {
            for (counts, share) in self.walls.iter_mut().zip([at.near_wall, at.elsewhere]) {
                let Proportion { successes, trials, .. } = share.unwrap_or(NONE);
                *counts = (counts.0.saturating_add(successes), counts.1.saturating_add(trials));
            }
        }
        if let Some(Summary { estimator_used, sampler_used, device, seconds, .. }) = summary {
            self.estimators.insert(estimator_used.clone());
            self.samplers.insert(word(sampler_used));
            self.devices.extend(device.clone());
            self.seconds += seconds;
        }
        if let Some(noise) = done.map(|summary| summary.noise) {
            let (low, high) = self.noise.unwrap_or((noise, noise));
            self.noise = Some((low.min(noise), high.max(noise)));
        }
    }

    /// Leaves out the quantities that no cell has. For one component coverage is all or nothing, so the weight there is shown instead.
    pub(super) fn finish(mut self) -> Measured {
        let has = |(_, numbers): &Numbers| numbers.iter().any(Option::is_some);
        let one_teacher = self.quantities.iter().any(|numbers| numbers.0 == Quantity::WeightAtTeacher && has(numbers));
        self.quantities.retain(|numbers| has(numbers) && !(one_teacher && numbers.0 == Quantity::Coverage));
        self
    }
}
