//! What several devices share out, replicates or samples: a guess of what is faster. No GPU is named here.

use crate::backend::UnitProblem;
use crate::objective::form::Form;

/// What devices divide among themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// Each has its own replicates.
    Replicates,
    /// Each has its own groups of samples of every replicate.
    Samples,
}

/// Operations per second of a device, bytes per second between it and the host, and seconds of a turn through the host: guesses of the
/// right order for a card in a slot. They decide what is shared and change no bit.
const OPERATIONS: f64 = 5e12;
const BYTES: f64 = 1e10;
const TURN: f64 = 3e-4;

/// What is faster to share out among `n_devices` devices of one kind.
pub fn split(problem: &UnitProblem, n_devices: usize) -> Split {
    let (k, sum) = (problem.n_components(), problem.n_components() + problem.n_teacher_components());
    let (n_groups, replicates) = (problem.groups().n_groups, problem.n_replicates as f64);
    if problem.draws.is_grid() || n_devices.min(n_groups) < 2 {
        return Split::Replicates; // the nodes of a grid are one group
    }
    let strata = problem.weights(problem.strata()).len();
    // Logits, posterior vectors, coefficients: six operations for each number of each mean.
    let operations = (6 * strata * sum * problem.rank) as f64 * problem.draws.n_samples().unwrap_or(0) as f64;
    let replicate = operations / OPERATIONS;
    let largest = n_groups.div_ceil(n_devices.min(n_groups)) as f64 / n_groups as f64;
    let scattered = if problem.form.rows_own_strata() { 0 } else { k * problem.rank };
    let score = if problem.form == Form::Mixed { strata * problem.rank } else { 0 };
    let bytes = (4 * n_devices * (strata * sum + scattered + score)) as f64 * replicates;
    let by_samples = replicates * replicate * largest + TURN + bytes / BYTES;
    let by_replicates = problem.n_replicates.div_ceil(n_devices) as f64 * replicate;
    if by_samples < by_replicates { Split::Samples } else { Split::Replicates }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Interrupt;
    use crate::objective::divergence::Storage;
    use crate::objective::form::Draws;
    use crate::objective::neighbours::Neighbours;

    fn problem(n_replicates: usize, k: usize, draws: Draws) -> UnitProblem {
        UnitProblem {
            n_replicates,
            first_replicate: 0,
            rank: 64,
            student_weights: vec![1.0 / k as f64; k],
            teacher_weights: vec![1.0],
            teacher_means: vec![0.0; 64 * n_replicates],
            form: Form::Stein,
            draws,
            storage: Storage::F32,
            neighbours: Neighbours::Exact,
            seed: 0,
            interrupt: Interrupt::none(),
        }
    }

    #[test]
    fn samples_are_shared_where_there_is_much_work_and_one_replicate() {
        assert_eq!(split(&problem(1, 1024, Draws::Independent(1 << 16)), 2), Split::Samples);
        assert_eq!(split(&problem(2, 1024, Draws::Independent(1 << 16)), 2), Split::Replicates); // one each
        assert_eq!(split(&problem(1, 4, Draws::Independent(64)), 2), Split::Replicates); // less work than a turn through the host
        assert_eq!(split(&problem(1, 1024, Draws::Independent(1 << 16)), 1), Split::Replicates);
        assert_eq!(split(&problem(1, 1024, Draws::Grid(Some(1 << 16))), 2), Split::Replicates);
    }
}
