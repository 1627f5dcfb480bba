//! The approximate cost of a cell, for predicting the remaining time and for dividing cells evenly.

use crate::experiment::config::Config;
use crate::experiment::teacher::Teacher;
use crate::objective::divergence::Divergence;

/// The assumed size of a file or a grid before it is read.
const UNKNOWN: f64 = 16.0;
const GRID_NODES: f64 = 4096.0;

/// Samples times components times coordinates, for the steps and the metrics, in units that only compare cells.
pub(crate) fn cost(config: &Config) -> f64 {
    let (n_teachers, d) = teacher_size(&config.teacher);
    let k = config.student.components.map_or(UNKNOWN, |k| k as f64);
    let strata = if config.objective.divergence == Divergence::Reverse { k } else { n_teachers };
    let rank = if config.objective.reduce { d.min(k + n_teachers - 1.0) } else { d };
    // Drawing and exponentials cost about as much as eight coordinates.
    let point = (k + n_teachers) * (rank + 8.0);
    let steps = config.descent.steps as f64 * strata * config.objective.samples.map_or(GRID_NODES, |n| n as f64);
    let logged = (config.descent.steps / config.log.every + 2) as f64 * (k + n_teachers) * config.log.samples as f64;
    config.replicates as f64 * (steps + logged) * point
}

/// K and d.
fn teacher_size(teacher: &Teacher) -> (f64, f64) {
    teacher.generator().map_or((UNKNOWN, UNKNOWN), |generator| {
        let (components, features) = generator.size();
        (components as f64, features as f64)
    })
}
