//! The files that grow while a run descends: the metrics, the trajectory and the checkpoints.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::checkpoint;
use super::fingerprint::Fingerprint;
use super::journal::Journal;
use super::row::{self, Row};
use super::run_folder::{CHECKPOINTS, METRICS, PROBLEM_FILES, TRAJECTORY};
use crate::descent::state::State;
use crate::error::{Error, Result};

/// The open files of a run.
pub(crate) struct Records {
    run: PathBuf,
    metrics: Journal,
    trajectory: Journal,
    /// The fingerprints of [`PROBLEM_FILES`].
    problem: Vec<Fingerprint>,
    /// The number of the newest checkpoint.
    number: u64,
    saved: Instant,
}

impl Records {
    /// New records in a run folder that holds the problem's files; R = `n_replicates`.
    pub(crate) fn create(run: &Path, n_replicates: usize) -> Result<Records> {
        let checkpoints = run.join(CHECKPOINTS);
        std::fs::create_dir(&checkpoints).map_err(|e| Error::io(&checkpoints, e))?;
        let mut metrics = Journal::create(run, METRICS)?;
        metrics.append(row::header(n_replicates > 1).as_bytes())?;
        Records::of(run, metrics, Journal::create(run, TRAJECTORY)?, 0)
    }

    /// Existing records, with the journals truncated to their length at checkpoint `number`, the newest.
    pub(crate) fn reopen(run: &Path, number: u64, journals: &[Fingerprint]) -> Result<Records> {
        let cut = |name: &'static str| {
            let length = journals.iter().find(|journal| journal.name == name).map_or(0, |journal| journal.length);
            Journal::cut(run, name, length)
        };
        Records::of(run, cut(METRICS)?, cut(TRAJECTORY)?, number)
    }

    /// New records with these journals.
    fn of(run: &Path, metrics: Journal, trajectory: Journal, number: u64) -> Result<Records> {
        let problem = PROBLEM_FILES.iter().map(|name| Fingerprint::of(run, name)).collect::<Result<_>>()?;
        Ok(Records { run: run.into(), metrics, trajectory, problem, number, saved: Instant::now() })
    }

    /// Adds the rows of a logged step.
    pub(crate) fn add_rows(&mut self, rows: &[Row]) -> Result<()> {
        self.metrics.append(row_lines(rows).as_bytes())
    }

    /// Adds the means (R, k, d) of a logged step.
    pub(crate) fn add_means(&mut self, step: u64, means: &[f64]) -> Result<()> {
        self.trajectory.append(&means_record(step, means))
    }

    /// Seconds since the newest checkpoint.
    pub(crate) fn age(&self) -> f64 {
        self.saved.elapsed().as_secs_f64()
    }

    /// Writes everything to the disk, then the next checkpoint.
    pub(crate) fn save(&mut self, state: &State) -> Result<()> {
        let mut files = self.problem.clone();
        files.extend([self.metrics.sync()?, self.trajectory.sync()?]);
        checkpoint::write(&self.run, self.number + 1, state, &files)?;
        self.number += 1;
        self.saved = Instant::now();
        Ok(())
    }
}

/// The lines of a logged step in `metrics.csv`.
pub(crate) fn row_lines(rows: &[Row]) -> String {
    let with_replicate = rows.len() > 1;
    rows.iter().map(|row| row.line(with_replicate)).collect()
}

/// The record of a logged step in the trajectory.
pub(crate) fn means_record(step: u64, means: &[f64]) -> Vec<u8> {
    let mut record = step.to_le_bytes().to_vec();
    record.extend(means.iter().flat_map(|v| v.to_le_bytes()));
    record
}
