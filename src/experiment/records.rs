//! What grows on the disk while a run descends: the metrics, the trajectory and the checkpoints.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::checkpoint;
use super::fingerprint::Fingerprint;
use super::journal::Journal;
use super::row::{self, Row};
use super::run_folder::{CHECKPOINTS, METRICS, PROBLEM_FILES, TRAJECTORY};
use crate::descent::state::State;
use crate::error::{Error, Result};

/// What a checkpoint relies on after its state, in the order of its manifest.
pub const RELIED_ON: [&str; 5] = [PROBLEM_FILES[0], PROBLEM_FILES[1], PROBLEM_FILES[2], METRICS, TRAJECTORY];

/// The open files of a run.
pub struct Records {
    run: PathBuf,
    metrics: Journal,
    trajectory: Journal,
    /// Of [`PROBLEM_FILES`].
    problem: Vec<Fingerprint>,
    /// The number of the newest checkpoint.
    number: u64,
    saved: Instant,
}

impl Records {
    /// Empty ones in a run folder that holds the problem's files; R = `n_replicates`.
    pub fn create(run: &Path, n_replicates: usize) -> Result<Records> {
        let checkpoints = run.join(CHECKPOINTS);
        std::fs::create_dir(&checkpoints).map_err(|e| Error::io(&checkpoints, e))?;
        let mut metrics = Journal::create(run, METRICS)?;
        metrics.append(row::header(n_replicates > 1).as_bytes())?;
        Records::of(run, metrics, Journal::create(run, TRAJECTORY)?, 0)
    }

    /// Those that a checkpoint relies on, cut back to what they were then.
    pub fn reopen(run: &Path, number: u64, files: &[Fingerprint]) -> Result<Records> {
        let cut = |name: &'static str| {
            let length = files.iter().find(|file| file.name == name).map_or(0, |file| file.length);
            Journal::cut(run, name, length)
        };
        Records::of(run, cut(METRICS)?, cut(TRAJECTORY)?, number)
    }

    fn of(run: &Path, metrics: Journal, trajectory: Journal, number: u64) -> Result<Records> {
        let problem = PROBLEM_FILES.iter().map(|name| Fingerprint::of(run, name)).collect::<Result<_>>()?;
        Ok(Records { run: run.into(), metrics, trajectory, problem, number, saved: Instant::now() })
    }

    /// Adds the rows of a logged step.
    pub fn add_rows(&mut self, rows: &[Row]) -> Result<()> {
        let with_replicate = rows.len() > 1;
        let lines: String = rows.iter().map(|row| row.line(with_replicate)).collect();
        self.metrics.append(lines.as_bytes())
    }

    /// Adds the means (R, k, d) of a logged step.
    pub fn add_means(&mut self, step: u64, means: &[f64]) -> Result<()> {
        let mut record = step.to_le_bytes().to_vec();
        record.extend(means.iter().flat_map(|v| v.to_le_bytes()));
        self.trajectory.append(&record)
    }

    /// Seconds since the newest checkpoint.
    pub fn age(&self) -> f64 {
        self.saved.elapsed().as_secs_f64()
    }

    /// Brings everything to the disk and writes the next checkpoint.
    pub fn save(&mut self, state: &State) -> Result<()> {
        let mut files = self.problem.clone();
        files.extend([self.metrics.sync()?, self.trajectory.sync()?]);
        checkpoint::write(&self.run, self.number + 1, state, &files)?;
        self.number += 1;
        self.saved = Instant::now();
        Ok(())
    }
}
