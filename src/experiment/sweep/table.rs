//! A sweep as read from its folder: its axes, and each cell's values and state; summaries are passed on one at a time.
//!
//! `results.csv` lists every cell of the sweep from the beginning, done or not: `hash`, a column per axis, then `state` and the
//! measurements. State and summary are read from `cells/` itself, which is always up to date. The folder may come from a stranger: all
//! sizes are limited.

use std::fs::{File, TryLockError};
use std::path::Path;

use crate::error::{Error, Result};
use crate::experiment::run_folder;
use crate::experiment::summary::{self, Summary};

/// The most cells of one sweep.
pub(crate) const MOST_CELLS: usize = 100_000;

/// The most bytes of all summaries together.
const MOST_BYTES: usize = 1 << 30;

/// The column of results.csv after the axes.
pub(crate) const STATE: &str = "state";

/// A sweep as read from its folder.
#[derive(Debug, Clone, PartialEq)]
pub struct SweepTable {
    pub name: String,
    pub axes: Vec<Axis>,
    /// In the sweep's order: the last axis varies fastest.
    pub cells: Vec<Cell>,
    /// `sweep.toml`.
    pub config: toml::Table,
}

/// A swept key, or the name of a bundle of keys.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    pub key: String,
    /// For people, in the order of the cells.
    pub values: Vec<String>,
}

/// One experiment of the sweep.
#[derive(Debug, Clone, PartialEq)]
pub struct Cell {
    /// The name of its run folder in `cells/`.
    pub hash: String,
    /// By axis.
    pub values: Vec<String>,
    pub state: CellState,
}

/// The state of a cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CellState {
    Done,
    /// With the text of the error; the summary may have measurements from before it.
    Failed(String),
    /// Another process is at it.
    Running,
    /// Not begun, or begun and not finished.
    Missing,
}

impl CellState {
    /// The word in results.csv.
    pub fn word(&self) -> &'static str {
        match self {
            CellState::Done => "done",
            CellState::Failed(_) => "failed",
            CellState::Running => "running",
            CellState::Missing => "missing",
        }
    }
}

/// Reads the sweep in `dir`, and passes each cell's state and its summary, if it has one, to `see`, in the sweep's order. Summaries are not
/// kept, because with many replicates they are large.
///
/// # Errors
/// [`Error::BadFile`] if the folder is not a sweep's.
pub fn read_table(dir: &Path, see: &mut dyn FnMut(&CellState, Option<&Summary>)) -> Result<SweepTable> {
    let config = read_config(dir)?;
    let given = config.get("sweep").and_then(|sweep| sweep.get("name")).and_then(toml::Value::as_str);
    let folder = dir.file_name().map(|name| name.to_string_lossy().into_owned());
    let name = given.map(str::to_string).or(folder).unwrap_or_else(|| "sweep".into());
    let (keys, mut cells) = listed(&dir.join("results.csv"))?;
    let mut bytes = 0;
    for cell in &mut cells {
        let summary;
        (cell.state, summary) = state_now(dir, &cell.hash, &mut bytes)?;
        see(&cell.state, summary.as_ref());
    }
    let axes = keys.into_iter().enumerate().map(|(at, key)| Axis { key, values: distinct(&cells, at) }).collect();
    Ok(SweepTable { name, axes, cells, config })
}

/// `sweep.toml` of the sweep in `dir`.
pub(crate) fn read_config(dir: &Path) -> Result<toml::Table> {
    let path = dir.join("sweep.toml");
    let bad = |what: String| Error::bad_file(&path, what, "Give the folder of a sweep, as it was written");
    let text = String::from_utf8(run_folder::small_file(&path).map_err(|_| bad("there is no such plain file".into()))?);
    text.map_err(|e| bad(e.to_string()))?.parse().map_err(|e: toml::de::Error| bad(e.message().into()))
}

/// The state of a cell and its summary; adds to the `bytes` read. A cell that was cut short has no useful summary.
///
/// # Errors
/// [`Error::BadFile`] if the summaries are too large.
pub(crate) fn state(dir: &Path, hash: &str, bytes: &mut usize) -> Result<(CellState, Option<Summary>)> {
    let cell = dir.join("cells").join(hash);
    let text = run_folder::small_file(&cell.join(summary::FILE)).unwrap_or_default();
    *bytes += text.len();
    if *bytes > MOST_BYTES {
        return Err(Error::bad_file(cell, format!("the summaries have more than {MOST_BYTES} bytes"), "Split the sweep into several"));
    }
    let summary: Option<Summary> = serde_json::from_slice(&text).ok();
    let ended = summary.as_ref().map(|summary| &summary.stop).filter(|stopped| stopped.stop.is_final());
    let state = match ended {
        Some(stopped) if stopped.stop.failure().is_some() => CellState::Failed(stopped.sentence.clone()),
        Some(_) => CellState::Done,
        None => match run_folder::small_file(&failure(dir, hash)) {
            Ok(text) => CellState::Failed(String::from_utf8_lossy(&text[..text.len().min(4096)]).trim().into()),
            Err(_) => CellState::Missing,
        },
    };
    let summary = summary.filter(|_| state != CellState::Missing);
    Ok((state, summary))
}

/// As [`state`], and whether another process is at the cell: for whoever has the folder's turn, as cells are claimed in turn.
///
/// # Errors
/// Those of [`state`].
pub(crate) fn state_now(dir: &Path, hash: &str, bytes: &mut usize) -> Result<(CellState, Option<Summary>)> {
    let (state, summary) = state(dir, hash, bytes)?;
    let lock = File::open(dir.join("locks").join(hash));
    let is_claimed = || lock.is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)));
    match state {
        CellState::Missing if is_claimed() || run_folder::is_locked(&dir.join("cells").join(hash)) => Ok((CellState::Running, None)),
        state => Ok((state, summary)),
    }
}

/// Where the error of a failed cell is written.
pub(crate) fn failure(dir: &Path, hash: &str) -> std::path::PathBuf {
    dir.join("cells").join(format!("{hash}.failed"))
}

/// The keys of the axes and the cells of results.csv, whose states are still unknown.
fn listed(path: &Path) -> Result<(Vec<String>, Vec<Cell>)> {
    let bad = |what: String| Error::bad_file(path, what, "Run the sweep again, which writes it anew");
    let bytes = run_folder::small_file(path)?;
    let mut reader = csv::Reader::from_reader(&bytes[..]);
    let header = reader.headers().map_err(|e| bad(e.to_string()))?.clone();
    let end = header.iter().position(|column| column == STATE).filter(|_| header.get(0) == Some("hash"));
    let end = end.ok_or_else(|| bad(format!("the columns are not hash, the swept keys, and {STATE}")))?;
    let mut cells = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|e| bad(e.to_string()))?;
        let hash = record.get(0).unwrap_or_default();
        if !is_hash(hash) || cells.len() == MOST_CELLS {
            return Err(bad(format!("row {} is no cell, or one too many", cells.len() + 1)));
        }
        let values = record.iter().skip(1).take(end - 1).map(String::from).collect();
        cells.push(Cell { hash: hash.into(), values, state: CellState::Missing });
    }
    Ok((header.iter().skip(1).take(end - 1).map(String::from).collect(), cells))
}

/// A hash becomes part of a path, so it may have hexadecimal digits only.
fn is_hash(text: &str) -> bool {
    (8..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// The different values of an axis, in the order of the cells.
fn distinct(cells: &[Cell], axis: usize) -> Vec<String> {
    let mut seen = std::collections::HashSet::new();
    cells.iter().map(|cell| &cell.values[axis]).filter(|value| seen.insert(*value)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::descent::stop::Stop;

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("sweep.toml", "seed = 3\n[sweep]\nname = \"small\"\n");
        let rows = "aaaaaaaa,2,wide,x\nbbbbbbbb,2,shell,x\ncccccccc,3,wide,x\ndddddddd,3,shell,x\n";
        write("results.csv", &format!("hash,teacher.separation,start,state\n{rows}"));
        let summary = |stop: Stop| serde_json::to_string(&Summary { stop: stop.into(), ..Summary::default() }).unwrap();
        write("cells/aaaaaaaa/summary.json", &summary(Stop::MaxSteps { steps: 5 }));
        write("cells/bbbbbbbb/summary.json", &summary(Stop::Interrupted { step: 4 }));
        write("cells/cccccccc/summary.json", &summary(Stop::NonFinite { step: 3, replicate: 0, component: 0, step_size: 1.0 }));
        write("cells/dddddddd.failed", "it does not fit\n");
        folder
    }

    #[test]
    fn axes_states_and_summaries_come_back() {
        let folder = folder();
        let mut summaries = Vec::new();
        let table = read_table(folder.path(), &mut |state, summary| summaries.push((state.clone(), summary.cloned()))).unwrap();
        assert_eq!((table.name.as_str(), table.config["seed"].as_integer()), ("small", Some(3)));
        assert_eq!(table.axes[0], Axis { key: "teacher.separation".into(), values: vec!["2".into(), "3".into()] });
        assert_eq!(table.axes[1].values, ["wide", "shell"]);
        let states: Vec<&CellState> = table.cells.iter().map(|cell| &cell.state).collect();
        assert_eq!(states[..2], [&CellState::Done, &CellState::Missing]);
        std::fs::create_dir(folder.path().join("locks")).unwrap();
        let lock = File::create(folder.path().join("locks/bbbbbbbb")).unwrap();
        let now = || read_table(folder.path(), &mut |_, _| ()).unwrap().cells.into_iter().map(|cell| cell.state).collect::<Vec<_>>();
        lock.lock().unwrap();
        assert_eq!(now()[..2], [CellState::Done, CellState::Running], "another process is at it");
        drop(lock);
        assert_eq!(now()[..2], [CellState::Done, CellState::Missing]);
        assert!(matches!(states[2], CellState::Failed(why) if why.starts_with("step 3 of replicate 0")), "{states:?}");
        assert_eq!(states[3], &CellState::Failed("it does not fit".into()));
        assert_eq!(summaries.iter().map(|(_, summary)| summary.is_some()).collect::<Vec<_>>(), [true, false, true, false]);
        assert!(table.cells.iter().zip(&summaries).all(|(cell, seen)| cell.state == seen.0));
    }

    #[test]
    fn strangers_folders_are_refused() {
        let folder = folder();
        for text in ["", "hash,state\n../../etc,x\n", "state,hash\naaaaaaaa,x\n", "hash,a,state\naaaaaaaa,x\n"] {
            std::fs::write(folder.path().join("results.csv"), text).unwrap();
            assert!(matches!(read_table(folder.path(), &mut |_, _| ()), Err(Error::BadFile { .. })), "{text:?}");
        }
        assert!(matches!(read_table(&folder.path().join("cells"), &mut |_, _| ()), Err(Error::BadFile { .. })));
    }
}
