//! Checkpoints: a state file with every bit, and a manifest, written last, with the fingerprints of every file that a resume uses.
//!
//! A resume relies on the state and on the problem's files. The journals are noted too, but a checkpoint is good without them.
//!
//! ```text
//! checkpoints/000042.state           one line of JSON, then little-endian float64: coordinates, those at the last logged step and at the last good one
//! checkpoints/000042.manifest.json   length and BLAKE3 of the state, of the problem's files and of the journals up to here, and the
//!                                    versions of the draws, of the estimator `auto` and of the numerics
//! checkpoints/LATEST                 "000042", a hint for people; a resume looks for itself
//! ```
//!
//! The manifest's last line is the BLAKE3 of the text before it, so that any flipped bit is found.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::mixture::files::write_atomically;
use crate::objective::estimator::AUTO_VERSION;
use crate::problem::NUMERICS_VERSION;
use crate::random::streams::RNG_VERSION;

use super::fingerprint::Fingerprint;
use super::run_folder::{CHECKPOINTS, JOURNALS, PROBLEM_FILES};
use super::state_file::{decode, encode};
use crate::descent::state::State;

const SCHEMA: &str = "mixscore.checkpoint/2";

/// A larger file is no manifest.
const MOST_MANIFEST: u64 = 1 << 16;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    schema: String,
    number: u64,
    step: u64,
    versions: Versions,
    files: Vec<Fingerprint>,
}

/// The versions that determine the numbers of a run, besides its files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Versions {
    /// [`RNG_VERSION`].
    pub rng: u32,
    /// [`AUTO_VERSION`].
    pub auto: u32,
    /// [`NUMERICS_VERSION`]; the earliest programs did not write it.
    #[serde(default = "first")]
    pub numerics: u32,
}

impl Versions {
    /// The versions of this program.
    pub(crate) const OWN: Versions = Versions { rng: RNG_VERSION, auto: AUTO_VERSION, numerics: NUMERICS_VERSION };

    /// Whether this program can continue the numbers of the run in `run`; the version of `auto` matters if the run `uses_auto`.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] if a version differs.
    pub(crate) fn check(self, run: &Path, uses_auto: bool) -> Result<()> {
        let what = if self.rng != Versions::OWN.rng {
            format!("the run was begun with version {} of the draws, and this program has version {}", self.rng, Versions::OWN.rng)
        } else if uses_auto && self.auto != Versions::OWN.auto {
            format!(
                "the run was begun with version {} of the estimator `auto`, and in this program that name stands for version {}",
                self.auto,
                Versions::OWN.auto
            )
        } else if self.numerics != Versions::OWN.numerics {
            format!(
                "the run was begun with version {} of the numerics, and this program has version {}",
                self.numerics,
                Versions::OWN.numerics
            )
        } else {
            return Ok(());
        };
        Err(Error::Checkpoint { path: run.into(), what, remedy: ANOTHER_PROGRAM.into() })
    }
}

fn first() -> u32 {
    1
}

const ANOTHER_PROGRAM: &str =
    "Resume it with the program that began it (`version` in its environment.json), or start the run again, into another folder";

/// A checkpoint whose files are as they were written.
pub(crate) struct Found {
    pub number: u64,
    pub state: State,
    pub versions: Versions,
    /// [`JOURNALS`] at the time of the checkpoint; not verified.
    pub journals: Vec<Fingerprint>,
    /// One sentence for each newer checkpoint that did not verify.
    pub skipped: Vec<String>,
}

/// Writes checkpoint `number` with the fingerprints `files` of [`PROBLEM_FILES`] and [`JOURNALS`], then removes all but this and the
/// previous one.
///
/// # Errors
/// [`Error::Io`]; then the earlier checkpoints are untouched.
pub(crate) fn write(run: &Path, number: u64, state: &State, files: &[Fingerprint]) -> Result<()> {
    let bytes = encode(state);
    let name = format!("{CHECKPOINTS}/{number:06}.state");
    write_bytes(&run.join(&name), &bytes)?;
    let mut all = vec![Fingerprint::new(&name, bytes.len() as u64, blake3::hash(&bytes))];
    all.extend_from_slice(files);
    let manifest = Manifest { schema: SCHEMA.into(), number, step: state.step, versions: Versions::OWN, files: all };
    let mut text = serde_json::to_string_pretty(&manifest).map_err(|e| Error::io(run, e.into()))? + "\n";
    text += &format!("{}\n", blake3::hash(text.as_bytes()).to_hex());
    write_bytes(&manifest_path(run, number), text.as_bytes())?;
    write_bytes(&run.join(CHECKPOINTS).join("LATEST"), format!("{number:06}\n").as_bytes())?;
    for old in numbers(run)?.into_iter().filter(|n| *n + 1 < number) {
        remove(run, old);
    }
    Ok(())
}

/// The newest checkpoint whose state and problem are as they were written.
///
/// # Errors
/// [`Error::Checkpoint`] if none can be used, with what is wrong with each.
pub(crate) fn newest(run: &Path) -> Result<Found> {
    let mut skipped = Vec::new();
    for number in numbers(run)?.into_iter().rev() {
        match read(run, number) {
            Ok((state, versions, journals)) => return Ok(Found { number, state, versions, journals, skipped }),
            Err(why) => skipped.push(format!("checkpoint {number:06} is skipped: {why}")),
        }
    }
    let what = if skipped.is_empty() { "the run was stopped before its first checkpoint".into() } else { skipped.join("; ") };
    Err(Error::Checkpoint { path: run.into(), what, remedy: "Start the run again, into another folder".into() })
}

/// Removes the checkpoints after `number`, none of which can be used.
pub(crate) fn forget_after(run: &Path, number: u64) -> Result<()> {
    numbers(run)?.into_iter().filter(|n| *n > number).for_each(|n| remove(run, n));
    Ok(())
}

fn read(run: &Path, number: u64) -> std::result::Result<(State, Versions, Vec<Fingerprint>), String> {
    let path = manifest_path(run, number);
    let length = std::fs::symlink_metadata(&path).map_err(|e| e.to_string())?;
    if !length.is_file() || length.len() > MOST_MANIFEST {
        return Err("its manifest is no small plain file".into());
    }
    let text = std::fs::read_to_string(&path).map_err(|e| format!("its manifest cannot be read ({e})"))?;
    let damaged = || "its manifest is damaged".to_string();
    // 64 hexadecimal digits and a line feed.
    let (body, seal) = text.len().checked_sub(65).and_then(|at| text.split_at_checked(at)).ok_or_else(damaged)?;
    if seal != format!("{}\n", blake3::hash(body.as_bytes()).to_hex()) {
        return Err(damaged());
    }
    let mut manifest: Manifest = serde_json::from_str(body)
        .map_err(|e| format!("its manifest is of another kind, as other versions of this program write ({e})"))?;
    let state_name = format!("{CHECKPOINTS}/{number:06}.state");
    let expected = [&[state_name.as_str()][..], &PROBLEM_FILES, &JOURNALS].concat();
    let is_same = expected.iter().eq(manifest.files.iter().map(|file| &file.name));
    if manifest.schema != SCHEMA || manifest.number != number || !is_same {
        return Err("its manifest is of another run or version".into());
    }
    let journals = manifest.files.split_off(1 + PROBLEM_FILES.len());
    for file in &manifest.files {
        file.verify(run)?;
    }
    let bytes = std::fs::read(run.join(&state_name)).map_err(|e| e.to_string())?;
    let state = decode(&bytes).filter(|s| s.step == manifest.step).ok_or("its state cannot be understood")?;
    Ok((state, manifest.versions, journals))
}

/// The numbers of all manifests, ascending.
fn numbers(run: &Path) -> Result<Vec<u64>> {
    let folder = run.join(CHECKPOINTS);
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io(folder, error)),
    };
    let mut numbers: Vec<u64> =
        entries.flatten().filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".manifest.json")?.parse().ok()).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

fn manifest_path(run: &Path, number: u64) -> PathBuf {
    run.join(CHECKPOINTS).join(format!("{number:06}.manifest.json"))
}

/// The manifest goes first, because the state is unused without it. A file that cannot be removed does no harm.
fn remove(run: &Path, number: u64) {
    let _ = std::fs::remove_file(manifest_path(run, number));
    let _ = std::fs::remove_file(run.join(CHECKPOINTS).join(format!("{number:06}.state")));
}

fn write_bytes(path: &Path, bytes: &[u8]) -> Result<()> {
    write_atomically(path, |w| w.write_all(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::descent::monitor::Monitor;

    fn state(step: u64) -> State {
        let coordinates = vec![1.0 / 3.0, -0.0, f64::MIN_POSITIVE / 2.0, step as f64];
        let logged = Some((step, vec![0.1; 4]));
        State {
            step,
            coordinates,
            unit: 1.0,
            gaps: Vec::new(),
            logged,
            good: None,
            monitor: Monitor::default(),
            seconds: 0.1,
            descent_seconds: 1e-9,
            stop: None,
        }
    }

    /// A run folder with its problem and two checkpoints.
    fn run() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join(CHECKPOINTS)).unwrap();
        PROBLEM_FILES.iter().for_each(|name| std::fs::write(folder.path().join(name), name).unwrap());
        let problem = PROBLEM_FILES.iter().map(|name| Fingerprint::of(folder.path(), name).unwrap());
        let journals = JOURNALS.iter().map(|name| Fingerprint::new(name, 3, blake3::hash(b"abc")));
        let files: Vec<Fingerprint> = problem.chain(journals).collect();
        for (number, step) in [(1, 0), (2, 10), (3, 20)] {
            write(folder.path(), number, &state(step), &files).unwrap();
        }
        folder
    }

    #[test]
    fn two_are_kept_and_the_newest_comes_back_bit_for_bit() {
        let folder = run();
        assert_eq!(numbers(folder.path()).unwrap(), [2, 3]);
        let found = newest(folder.path()).unwrap();
        assert_eq!((found.number, found.skipped.len()), (3, 0));
        let bits = |s: &State| s.coordinates.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&found.state), bits(&state(20)));
        assert_eq!(found.state, state(20));
        assert_eq!(found.journals.iter().map(|j| j.length).collect::<Vec<_>>(), [3, 3], "known, though there are none in the folder");
    }

    #[test]
    fn every_truncation_and_every_flipped_bit_is_found() {
        let folder = run();
        for name in ["000003.state", "000003.manifest.json"] {
            let path = folder.path().join(CHECKPOINTS).join(name);
            let good = std::fs::read(&path).unwrap();
            let damaged = (0..good.len()).map(|n| good[..n].to_vec()).chain((0..8 * good.len()).map(|bit| {
                let mut bytes = good.clone();
                bytes[bit / 8] ^= 1 << (bit % 8);
                bytes
            }));
            for (case, bytes) in damaged.enumerate() {
                std::fs::write(&path, bytes).unwrap();
                let found = newest(folder.path()).unwrap();
                assert_eq!((found.number, found.state.step, found.skipped.len()), (2, 10, 1), "{name}, case {case}");
            }
            std::fs::write(&path, good).unwrap();
            assert_eq!(newest(folder.path()).unwrap().number, 3);
        }
    }

    #[test]
    fn another_config_or_no_checkpoint_is_exit_7() {
        let folder = run();
        std::fs::write(folder.path().join("config.toml"), "another one").unwrap(); // as long as the right one
        let error = newest(folder.path()).err().unwrap();
        assert!(matches!(error, Error::Checkpoint { .. }));
        assert!(error.to_string().contains("config.toml is not as it was written"), "{error}");
        std::fs::remove_dir_all(folder.path().join(CHECKPOINTS)).unwrap();
        let error = newest(folder.path()).err().unwrap();
        assert!(error.to_string().contains("before its first checkpoint"), "{error}");
    }
}
