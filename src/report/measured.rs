//! What a sweep's page keeps of its cells' summaries, which are read one at a time and forgotten.

use std::collections::BTreeSet;

use serde_json::Value;

use super::finding::plain;
use super::interval::Interval;
use super::quantity::{Quantity, weights_at_teacher};
use crate::experiment::sweep::table::CellState;

/// A quantity and its number in each cell that is done.
pub type Numbers = (Quantity, Vec<Option<Interval>>);

/// A weight of all students is one but for rounding.
const ALL: f64 = 1.0 - 1e-6;

/// The numbers of all cells, in the sweep's order.
#[derive(Debug)]
pub struct Measured {
    /// The most telling first.
    pub quantities: Vec<Numbers>,
    /// With one teacher component: in how many of a cell's replicates all students end at its mean, and of how many.
    pub arrived: Vec<Option<(usize, usize)>>,
    /// Students of all cells that ended at the teacher nearest at their start, and of how many: of starts near a wall between two teachers'
    /// cells, and of the others.
    pub walls: [(u64, u64); 2],
    /// By name; never `auto`.
    pub estimators: BTreeSet<String>,
    pub samplers: BTreeSet<String>,
    pub devices: BTreeSet<String>,
    /// In all cells together.
    pub seconds: f64,
    /// The least and the largest heat-flow time under which cells were measured.
    pub noise: Option<(f64, f64)>,
}

impl Measured {
    /// Of no cell yet; divergences are the forward ones where `forward` says so.
    pub fn new(forward: bool) -> Measured {
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
    pub fn add(&mut self, state: &CellState, summary: &Value) {
        let done = *state == CellState::Done;
        for (quantity, numbers) in &mut self.quantities {
            numbers.push(if done { quantity.of(summary) } else { None });
        }
        let weights = weights_at_teacher(summary).filter(|weights| done && !weights.is_empty());
        self.arrived.push(weights.map(|weights| (weights.iter().filter(|w| **w >= ALL).count(), weights.len())));
        for (counts, of) in self.walls.iter_mut().zip(["near_wall", "elsewhere"]).filter(|_| done) {
            let share = &summary["nearest_at_start"][of];
            if let (Some(hits), Some(trials)) = (share["successes"].as_u64(), share["trials"].as_u64()) {
                *counts = (counts.0 + hits, counts.1 + trials);
            }
        }
        self.estimators.extend(plain(&summary["estimator_used"]));
        self.samplers.extend(plain(&summary["sampler_used"]));
        self.devices.extend(plain(&summary["device"]));
        self.seconds += summary["seconds"].as_f64().unwrap_or(0.0);
        if let Some(noise) = summary["noise"].as_f64().filter(|_| done) {
            let (low, high) = self.noise.unwrap_or((noise, noise));
            self.noise = Some((low.min(noise), high.max(noise)));
        }
    }

    /// Leaves out the quantities that no cell has. Coverage of one component is one or nothing: the weight there says more.
    pub fn finish(mut self) -> Measured {
        let has = |(_, numbers): &Numbers| numbers.iter().any(Option::is_some);
        let one_teacher = self.quantities.iter().any(|numbers| numbers.0 == Quantity::WeightAtTeacher && has(numbers));
        self.quantities.retain(|numbers| has(numbers) && !(one_teacher && numbers.0 == Quantity::Coverage));
        self
    }
}
