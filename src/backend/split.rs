//! How several devices of one kind should divide a problem: an estimate of what is faster, for any kind of device.

use super::share::Split;
use crate::backend::UnitProblem;

/// Rough figures for a card in a slot: operations per second of a device, bytes per second to and from the host, and seconds of a round
/// trip through the host. They decide what is divided and change no bit of the result.
const OPERATIONS: f64 = 5e12;
const BYTES: f64 = 1e10;
const TURN: f64 = 3e-4;

/// How to choose the split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Policy {
    /// The faster one.
    #[default]
    Faster,
    /// Each device has its own replicates.
    Replicates,
    /// Each device has a part of every replicate, if replicates can be divided.
    WithinReplicates,
}

/// What `n_devices` devices of one kind divide among them.
pub(crate) fn split(policy: Policy, problem: &UnitProblem, n_devices: usize) -> Split {
    match policy {
        Policy::Faster => faster(problem, n_devices),
        Policy::Replicates => Split::Replicates,
        Policy::WithinReplicates => within_replicates(problem),
    }
}

/// How one replicate can be divided: by strata if each gradient row depends on its own stratum alone; else by groups of samples (a grid has
/// only one).
fn within_replicates(problem: &UnitProblem) -> Split {
    if problem.form.rows_own_strata() {
        Split::Strata
    } else if problem.draws.is_grid() {
        Split::Replicates
    } else {
        Split::Samples
    }
}

/// The split with the shorter estimated time per step.
fn faster(problem: &UnitProblem, n_devices: usize) -> Split {
    let (k, sum) = (problem.n_components(), problem.n_components() + problem.n_teacher_components());
    let (n_strata, replicates) = (problem.weights(problem.strata()).len(), problem.n_replicates as f64);
    let within = within_replicates(problem);
    // The number of things to divide, and how many numbers each device sends or receives per replicate and step.
    let (n_shares, numbers) = match within {
        Split::Replicates => return within,
        Split::Strata => (n_strata * problem.n_replicates, k * problem.rank),
        Split::Samples => (problem.groups().n_groups, n_strata * sum + k * problem.rank),
    };
    if n_devices.min(n_shares) < 2 {
        return Split::Replicates;
    }
    // Logits, posterior vectors and coefficients take six operations for each number of each mean.
    let operations = (6 * n_strata * sum * problem.rank) as f64 * problem.draws.n_samples().unwrap_or(0) as f64;
    let replicate = operations / OPERATIONS;
    let largest = n_shares.div_ceil(n_devices.min(n_shares)) as f64 / n_shares as f64;
    let bytes = (4 * n_devices * numbers) as f64 * replicates;
    let shared = replicates * replicate * largest + TURN + bytes / BYTES;
    let by_replicates = problem.n_replicates.div_ceil(n_devices) as f64 * replicate;
    if shared < by_replicates { within } else { Split::Replicates }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objective::form::{Draws, Form};

    fn problem(n_replicates: usize, k: usize, draws: Draws) -> UnitProblem {
        let teacher_means = vec![0.0; 64 * n_replicates];
        let teacher_weights = vec![1.0];
        UnitProblem { n_replicates, teacher_weights, ..UnitProblem::with_equal_weights(64, k, teacher_means, Form::Stein, draws) }
    }

    #[test]
    fn a_replicate_is_shared_where_there_is_much_work_and_one_of_them() {
        let many = Draws::Independent(1 << 16);
        let large = problem(1, 1024, many);
        assert_eq!(faster(&large, 2), Split::Strata);
        assert_eq!(faster(&UnitProblem { form: Form::Pathwise, ..large.clone() }, 2), Split::Samples);
        assert_eq!(faster(&problem(2, 1024, many), 2), Split::Replicates); // one each
        assert_eq!(faster(&problem(1, 4, Draws::Independent(64)), 2), Split::Replicates); // less work than a round trip through the host
        assert_eq!(faster(&large, 1), Split::Replicates);
        let grid = problem(1, 1024, Draws::Grid(Some(1 << 16)));
        assert_eq!(faster(&grid, 2), Split::Strata);
        assert_eq!(split(Policy::Replicates, &grid, 2), Split::Replicates);
        assert_eq!(faster(&UnitProblem { form: Form::Forward, ..grid }, 2), Split::Replicates); // its nodes are one group
    }
}
