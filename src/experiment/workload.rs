//! The estimated cost of a run, before it starts: memory, work per step, and on the host the time.

use std::time::Instant;

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, Par};

use super::config::Config;
use crate::error::{Error, Result};
use crate::number::short;

/// Copies of all means at the peak of a run, without and with a reduction: students and teachers as generated, written and read, the lifted
/// means, and for a reduction the differences, their factors and the basis. Measured: 4.5 at d = 4096 without one, and 8.6 and 7.9 at d =
/// 2·10⁵ and 10⁶ with one, without the tables.
const COPIES: [u64; 2] = [5, 9];

/// The least work (operations) and memory (bytes) that are worth a message.
const WORTH_SAYING: (f64, u64) = (1e13, 1 << 30);

/// Memory that is never refused, because systems differ in what they count as free.
const SMALL: u64 = 1 << 30;

/// The estimated cost of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Workload {
    /// k, K and d.
    pub sizes: [usize; 3],
    /// ϱ.
    pub rank: usize,
    /// Bytes.
    pub memory: u64,
    /// The most floating-point operations of a step's products; neighbour lists may leave some out.
    pub operations: f64,
    /// Samples of a step times components of both sides.
    pub sample_components: f64,
    pub steps: u64,
}

impl Workload {
    /// For students (R, k, d) and `n_teachers` components in each of the teachers.
    pub fn of(config: &Config, k: usize, n_teachers: usize, d: usize, replicates_have_teachers: bool) -> Workload {
        let (replicates, both) = (config.replicates as u64, (k + n_teachers) as u64);
        let teachers = if replicates_have_teachers { replicates } else { 1 };
        let reduced = config.objective.reduce && both - 1 < d as u64;
        let rank = if reduced { (both - 1) as usize } else { d };
        let numbers = (replicates * k as u64 + teachers * n_teachers as u64) * d as u64;
        let rows = if config.log.trajectory { config.descent.steps / config.log.every + 2 } else { 0 };
        let trajectory = replicates * k as u64 * d as u64 * rows;
        // Two tables of means and the blocks of a tile, for each thread.
        let tiles = rayon::current_num_threads() as u64 * both * 4 * (2 * rank as u64 + 1024);
        let sample_components = (replicates * k as u64) as f64 * config.objective.samples.unwrap_or(0) as f64 * both as f64;
        Workload {
            sizes: [k, n_teachers, d],
            rank,
            memory: 8 * (numbers * COPIES[usize::from(reduced)] + trajectory) + tiles,
            operations: sample_components * 6.0 * rank as f64,
            sample_components,
            steps: config.descent.steps,
        }
    }

    /// Refuses a run for which the machine has too little memory, before any is allocated.
    pub fn check_memory(&self, available: u64) -> Result<()> {
        if self.memory <= available.max(SMALL) {
            return Ok(());
        }
        let [k, n_teachers, d] = self.sizes;
        Err(Error::bad_config(
            format!(
                "{k} students and {n_teachers} teacher components in {d} dimensions take about {} of memory, and {} are free here",
                gibibytes(self.memory),
                gibibytes(available)
            ),
            "Use fewer components, dimensions or replicates, set log.trajectory = false, or take a machine with more memory",
        ))
    }

    /// A sentence for large runs, with the time of the steps if the device is the host.
    pub fn sentence(&self, on_host: bool) -> Option<String> {
        let work = self.operations * self.steps as f64;
        if work < WORTH_SAYING.0 && self.memory < WORTH_SAYING.1 {
            return None;
        }
        let mut text = format!(
            "plan: {} coordinates, {} samples × components and up to {} operations a step, {} steps; about {} of memory",
            self.rank,
            short(self.sample_components),
            short(self.operations),
            self.steps,
            gibibytes(self.memory)
        );
        if on_host {
            let rate = product_rate();
            let seconds = self.operations / rate;
            text += &format!(
                "; products run at {:.0} GFLOP/s here: {} a step and {} in all, less where components are far apart, and the metrics besides",
                rate / 1e9,
                time(seconds),
                time(seconds * self.steps as f64)
            );
        }
        Some(text)
    }
}

/// Memory that can be used without swapping, in bytes; `None` if the system does not tell.
pub(crate) fn available_memory() -> Option<u64> {
    let mut system = sysinfo::System::new();
    system.refresh_memory();
    let of_container = system.cgroup_limits().map_or(u64::MAX, |limits| limits.total_memory.saturating_sub(limits.rss));
    Some(system.available_memory().min(of_container)).filter(|bytes| *bytes > 0)
}

/// Floating-point operations per second of single-precision products on all threads, measured for a twentieth of a second.
fn product_rate() -> f64 {
    let n = 768;
    let a = Mat::<f32>::from_fn(n, n, |i, j| ((i + 3 * j) % 7) as f32);
    let mut c = Mat::<f32>::zeros(n, n);
    let mut best = f64::INFINITY;
    for _ in 0..5 {
        let start = Instant::now();
        matmul(c.as_mut(), Accum::Replace, a.as_ref(), a.as_ref(), 1.0, Par::rayon(0));
        best = best.min(start.elapsed().as_secs_f64());
    }
    std::hint::black_box(&c);
    2.0 * (n as f64).powi(3) / best
}

fn gibibytes(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / (1u64 << 30) as f64)
}

/// A duration in words.
fn time(seconds: f64) -> String {
    match seconds {
        s if s < 1.0 => format!("{:.0} ms", 1000.0 * s),
        s if s < 100.0 => format!("{s:.1} s"),
        s if s < 6000.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::{presets, reading};

    fn workload_of(overrides: &[&str]) -> Workload {
        let overrides: Vec<String> = overrides.iter().map(ToString::to_string).collect();
        let config = reading::config_from(presets::find("large").unwrap().text, &overrides, None).unwrap();
        Workload::of(&config, 4096, 1024, 4096, false)
    }

    #[test]
    fn the_large_preset_has_its_sizes() {
        let workload = workload_of(&["objective.samples=2"]);
        assert_eq!((workload.rank, workload.sample_components), (4096, 4096.0 * 2.0 * 5120.0));
        assert_eq!(workload.operations, workload.sample_components * 6.0 * 4096.0);
        // Means are (4096 + 1024)·4096·8 bytes, 0.16 GiB; five copies, and tables for every thread.
        let gib = workload.memory as f64 / (1u64 << 30) as f64;
        assert!((0.6..8.0).contains(&gib), "{gib}");
        let text = workload.sentence(true).unwrap();
        assert!(text.contains("4096 coordinates") && text.contains("GFLOP/s"), "{text}");
    }

    #[test]
    fn a_run_that_does_not_fit_is_refused_with_figures_and_a_way_out() {
        let workload = Workload { memory: 82 << 30, ..workload_of(&[]) };
        let said = workload.check_memory(16 << 30).unwrap_err().to_string();
        assert!(said.contains("82.0 GiB") && said.contains("16.0 GiB") && said.contains("fewer components"), "{said}");
        workload.check_memory(90 << 30).unwrap();
    }

    #[test]
    fn small_runs_are_not_talked_about() {
        let config = reading::config_from(presets::find("quickstart").unwrap().text, &[], None).unwrap();
        assert_eq!(Workload::of(&config, 20, 5, 2, false).sentence(true), None);
    }
}
