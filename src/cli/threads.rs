//! The number of threads: from the option, from the first of some environment variables that is set, or one per core.

use std::sync::{Arc, Mutex, PoisonError};

use super::exit::{Failure, Result};

/// The variables of rayon, of OpenMP, and of a Slurm task.
const VARIABLES: [&str; 3] = ["RAYON_NUM_THREADS", "OMP_NUM_THREADS", "SLURM_CPUS_PER_TASK"];

/// A larger number is taken as a mistake.
const MOST: usize = 1024;

/// Creates the thread pool for all computations, with as many threads as the system grants. If it grants none, the calling thread computes.
pub(super) fn start(option: Option<usize>) -> Result<()> {
    let wanted = wanted(option, |name| std::env::var(name).ok())?;
    let wanted = wanted.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from)).min(MOST);
    let builder = rayon::ThreadPoolBuilder::new();
    let builder = match available(wanted) {
        0 => builder.num_threads(1).use_current_thread(),
        n => builder.num_threads(n),
    };
    builder.build_global().map_err(|error| Failure::Usage {
        what: format!("no threads could be started ({error})"),
        remedy: "Ask for fewer, as --threads 1".into(),
    })
}

/// `None`: one per core.
fn wanted(option: Option<usize>, variable: impl Fn(&str) -> Option<String>) -> Result<Option<usize>> {
    // OMP_NUM_THREADS may be a list, whose first number is for the outermost loops. 0 and texts without a number are ignored.
    let number = |name: &&str| {
        let n = variable(name)?.split(',').next()?.trim().parse::<usize>().ok()?;
        (n > 0).then(|| (n, name.to_string()))
    };
    let asked = option.map(|n| (n, "--threads".to_string())).or_else(|| VARIABLES.iter().find_map(number));
    match asked {
        Some((n, by)) if !(1..=MOST).contains(&n) => {
            Err(Failure::Usage { what: format!("{by} asks for {n} threads"), remedy: format!("Ask for 1 to {MOST}, as --threads 2") })
        }
        asked => Ok(asked.map(|(n, _)| n)),
    }
}

/// How many of `n` threads can exist at the same time.
fn available(n: usize) -> usize {
    // The threads wait for each other, so that all exist at once.
    let gate = Arc::new(Mutex::new(()));
    let closed = gate.lock().unwrap_or_else(PoisonError::into_inner);
    let started: Vec<_> = (0..n)
        .map_while(|_| {
            let gate = gate.clone();
            std::thread::Builder::new().spawn(move || drop(gate.lock())).ok()
        })
        .collect();
    drop(closed);
    let n = started.len();
    started.into_iter().for_each(|thread| drop(thread.join()));
    n
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_option_comes_first_and_then_the_variables_in_order() {
        let set = |values: &'static [(&str, &str)]| {
            move |name: &str| values.iter().find(|(other, _)| *other == name).map(|(_, value)| value.to_string())
        };
        let of = |option, values| wanted(option, set(values)).unwrap();
        assert_eq!(of(Some(3), &[("RAYON_NUM_THREADS", "5")]), Some(3));
        assert_eq!(of(None, &[("SLURM_CPUS_PER_TASK", "7"), ("OMP_NUM_THREADS", "4,2")]), Some(4));
        assert_eq!(of(None, &[("OMP_NUM_THREADS", "many"), ("SLURM_CPUS_PER_TASK", "7")]), Some(7));
        assert_eq!(of(None, &[("RAYON_NUM_THREADS", "0")]), None);
        assert_eq!(of(None, &[]), None);
        assert!(wanted(Some(0), set(&[])).is_err());
        let refused = wanted(None, set(&[("RAYON_NUM_THREADS", "100000")])).unwrap_err().to_string();
        assert!(refused.contains("RAYON_NUM_THREADS asks for 100000 threads") && refused.contains("1 to 1024"), "{refused}");
    }

    #[test]
    fn threads_that_can_be_had_are_counted() {
        assert_eq!(available(3), 3);
        assert_eq!(available(0), 0);
    }
}
