//! A folder with a small config, the program run in it, and the comparison of runs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use mixscore::mixture::files::{Array, read_npz};
use serde_json::Value;

/// Four students, three teachers on a circle: forty steps are milliseconds of work.
pub(crate) const SMALL: &str = r#"
seed = 5
[teacher]
kind = "circle"
components = 3
separation = 5.0
[student]
components = 4
[student.start]
scheme = "wide"
scale = 1.5
[objective]
samples = 32
[descent]
steps = 40
[log]
every = 5
samples = 64
[checkpoint]
every_seconds = 0.0
"#;

/// A folder with a config in it, removed at the end.
pub(crate) struct Place {
    pub folder: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Place {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("small.toml"), SMALL).unwrap();
        Place { folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mixscore"));
        command.current_dir(self.folder.path()).args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(crate) fn mixscore(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// A run of small.toml into `folder` on the CPU, which must succeed.
    pub(crate) fn run(&self, folder: &str, sets: &[&str]) {
        let output = self.mixscore(&with_sets(folder, sets));
        assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    }

    pub(crate) fn refused(&self, arguments: &[&str], exit: i32, words: &str) {
        let begin = Instant::now();
        let output = self.mixscore(arguments);
        let said = text(&output.stderr);
        assert_eq!(code(&output), exit, "{arguments:?}: {said}");
        assert!(said.contains(words), "{arguments:?} said {said:?}, without {words:?}");
        assert!(!said.contains("panicked"), "{said}");
        // The promise is one second; the machine may be busy with other tests.
        assert!(begin.elapsed() <= Duration::from_secs(10), "{arguments:?} took {:?}", begin.elapsed());
    }
}

pub(crate) fn with_sets<'a>(folder: &'a str, sets: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec!["run", "small.toml", "--device", "cpu", "--quiet", "--output", folder];
    sets.iter().for_each(|set| arguments.extend(["--set", set]));
    arguments
}

pub(crate) fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or(-1)
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub(crate) fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

pub(crate) fn array(path: &Path, name: &str) -> Array {
    read_npz(path).unwrap().into_iter().find(|(other, _)| other == name).unwrap().1
}

/// The lines of metrics.csv, cell by cell, without the seconds.
pub(crate) fn cells(path: &Path) -> Vec<Vec<String>> {
    let cells = |line: &str| line.split(',').enumerate().filter(|(at, _)| *at != 1).map(|(_, cell)| cell.to_string()).collect();
    std::fs::read_to_string(path).unwrap().lines().map(cells).collect()
}

/// Whether two runs ended with the same bits.
pub(crate) fn same_results(a: &Path, b: &Path) -> Result<(), String> {
    for name in ["student.npz", "trajectory.npz", "teacher.npz", "initial.npz"] {
        if std::fs::read(a.join(name)).unwrap() != std::fs::read(b.join(name)).unwrap() {
            return Err(format!("{name} differs"));
        }
    }
    if cells(&a.join("metrics.csv")) != cells(&b.join("metrics.csv")) {
        return Err("metrics.csv differs".into());
    }
    Ok(())
}

/// Every file of a folder with its bytes.
pub(crate) fn snapshot(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        match entry.path() {
            path if path.is_dir() => files.extend(snapshot(&path)),
            path => drop(files.insert(path.clone(), std::fs::read(&path).unwrap())),
        }
    }
    files
}
