//! Checkpoints: a state file with every bit, and a manifest, written last, that vouches for all that a resume relies on.
//!
//! ```text
//! checkpoints/000042.state           one line of JSON, then little-endian float64: coordinates, coordinates at the last logged step
//! checkpoints/000042.manifest.json   length and BLAKE3 of the state, of the problem's files and of the journals up to here, and the
//!                                    versions of the draws and of the estimator `auto`
//! checkpoints/LATEST                 "000042", a hint for people; a resume looks for itself
//! ```
//!
//! The manifest's last line is the BLAKE3 of the text before it, so a flipped bit is found wherever it is.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::mixture::files::write_atomically;
use crate::objective::estimator::AUTO_VERSION;
use crate::random::streams::RNG_VERSION;

use super::gradient_descent::State;
use super::journal::hash_prefix;
use super::stop::Stop;

/// The sub-folder of a run folder.
pub const FOLDER: &str = "checkpoints";

const SCHEMA: &str = "mixscore.checkpoint/2";

/// Manifests are small; a larger file is none.
const MOST_MANIFEST: u64 = 1 << 16;

/// A file and how much of it a checkpoint relies on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Relative to the run folder.
    pub name: String,
    pub length: u64,
    /// Of the first `length` bytes.
    pub blake3: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    schema: String,
    number: u64,
    step: u64,
    versions: Versions,
    files: Vec<Record>,
}

/// What decides the numbers of a run besides its files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Versions {
    /// [`RNG_VERSION`].
    pub rng: u32,
    /// [`AUTO_VERSION`].
    pub auto: u32,
}

impl Versions {
    /// Of this program.
    pub const OWN: Versions = Versions { rng: RNG_VERSION, auto: AUTO_VERSION };

    /// Whether this program goes on with the numbers of the run in `run`; the version of `auto` counts where the run `uses_auto`.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] (exit 7).
    pub fn check(self, run: &Path, uses_auto: bool) -> Result<()> {
        let what = if self.rng != Versions::OWN.rng {
            format!("the run was begun with version {} of the draws, and this program has version {}", self.rng, Versions::OWN.rng)
        } else if uses_auto && self.auto != Versions::OWN.auto {
            format!(
                "the run was begun with version {} of the estimator `auto`, and in this program that name stands for version {}",
                self.auto,
                Versions::OWN.auto
            )
        } else {
            return Ok(());
        };
        Err(Error::Checkpoint { path: run.into(), what, remedy: ANOTHER_PROGRAM.into() })
    }
}

const ANOTHER_PROGRAM: &str =
    "Resume it with the program that began it (`version` in its environment.json), or start the run again, into another folder";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    step: u64,
    seconds: f64,
    descent_seconds: f64,
    logged_step: Option<u64>,
    stop: Option<Stop>,
    numbers: usize,
    /// Of the coordinates: [`State::unit`].
    unit: f64,
}

/// A checkpoint that verified.
pub struct Found {
    pub number: u64,
    pub state: State,
    pub versions: Versions,
    /// The records that came with it, the state's own first.
    pub files: Vec<Record>,
    /// One sentence for each newer checkpoint that did not verify.
    pub skipped: Vec<String>,
}

impl Record {
    /// A record of a whole plain file.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn of(run: &Path, name: &str) -> Result<Record> {
        let path = run.join(name);
        let length = std::fs::symlink_metadata(&path).map_err(|e| Error::io(&path, e))?.len();
        let hash = hash_prefix(&path, length).map_err(|e| Error::io(&path, e))?.finalize();
        Ok(Record::new(name, length, hash))
    }

    /// From numbers already known.
    pub fn new(name: &str, length: u64, hash: blake3::Hash) -> Record {
        Record { name: name.into(), length, blake3: hash.to_hex().to_string() }
    }

    fn verify(&self, run: &Path) -> std::result::Result<(), String> {
        match hash_prefix(&run.join(&self.name), self.length) {
            Err(error) => Err(format!("{}: {error}", self.name)),
            Ok(hasher) if hasher.finalize().to_hex().as_str() == self.blake3 => Ok(()),
            Ok(_) => Err(format!("{} is not as it was written", self.name)),
        }
    }
}

/// Writes checkpoint `number`, which relies on `files`, and then removes all but this and the one before.
///
/// # Errors
/// [`Error::Io`]; the checkpoints before are untouched then.
pub fn write(run: &Path, number: u64, state: &State, files: &[Record]) -> Result<()> {
    let bytes = encode(state);
    let name = format!("{FOLDER}/{number:06}.state");
    put(&run.join(&name), &bytes)?;
    let mut all = vec![Record::new(&name, bytes.len() as u64, blake3::hash(&bytes))];
    all.extend_from_slice(files);
    let manifest = Manifest { schema: SCHEMA.into(), number, step: state.step, versions: Versions::OWN, files: all };
    let mut text = serde_json::to_string_pretty(&manifest).map_err(|e| Error::io(run, e.into()))? + "\n";
    text += &format!("{}\n", blake3::hash(text.as_bytes()).to_hex());
    put(&manifest_path(run, number), text.as_bytes())?;
    put(&run.join(FOLDER).join("LATEST"), format!("{number:06}\n").as_bytes())?;
    for old in numbers(run)?.into_iter().filter(|n| *n + 1 < number) {
        remove(run, old);
    }
    Ok(())
}

/// The newest checkpoint that verifies and relies on exactly the files of `expected` (names relative to the run folder).
///
/// # Errors
/// [`Error::Checkpoint`] (exit 7) with what is wrong with each, where none can be used.
pub fn newest(run: &Path, expected: &[&str]) -> Result<Found> {
    let mut skipped = Vec::new();
    for number in numbers(run)?.into_iter().rev() {
        match read(run, number, expected) {
            Ok((state, manifest)) => {
                return Ok(Found { number, state, versions: manifest.versions, files: manifest.files, skipped });
            }
            Err(why) => skipped.push(format!("checkpoint {number:06} is skipped: {why}")),
        }
    }
    let what = if skipped.is_empty() { "the run was stopped before its first checkpoint".into() } else { skipped.join("; ") };
    Err(Error::Checkpoint { path: run.into(), what, remedy: "Start the run again, into another folder".into() })
}

/// Removes the checkpoints after `number`, none of which verified.
///
/// # Errors
/// [`Error::Io`] where the folder cannot be listed.
pub fn forget_after(run: &Path, number: u64) -> Result<()> {
    numbers(run)?.into_iter().filter(|n| *n > number).for_each(|n| remove(run, n));
    Ok(())
}

fn read(run: &Path, number: u64, expected: &[&str]) -> std::result::Result<(State, Manifest), String> {
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
    let manifest: Manifest = serde_json::from_str(body)
        .map_err(|e| format!("its manifest is of another kind, as other versions of this program write ({e})"))?;
    let state_name = format!("{FOLDER}/{number:06}.state");
    let names: Vec<&str> = manifest.files.iter().map(|f| f.name.as_str()).collect();
    if manifest.schema != SCHEMA || manifest.number != number || names.first() != Some(&state_name.as_str()) || names[1..] != *expected {
        return Err("its manifest is of another run or version".into());
    }
    for file in &manifest.files {
        file.verify(run)?;
    }
    let bytes = std::fs::read(run.join(&state_name)).map_err(|e| e.to_string())?;
    let state = decode(&bytes).filter(|s| s.step == manifest.step).ok_or("its state cannot be understood")?;
    Ok((state, manifest))
}

fn encode(state: &State) -> Vec<u8> {
    let header = Header {
        step: state.step,
        seconds: state.seconds,
        descent_seconds: state.descent_seconds,
        logged_step: state.logged.as_ref().map(|(step, _)| *step),
        stop: state.stop.clone(),
        numbers: state.coordinates.len(),
        unit: state.unit,
    };
    let mut bytes = serde_json::to_vec(&header).expect("a header of plain numbers is JSON");
    bytes.push(b'\n');
    let logged = state.logged.as_ref().map_or(&[][..], |(_, coordinates)| coordinates);
    bytes.extend(state.coordinates.iter().chain(logged).flat_map(|v| v.to_le_bytes()));
    bytes
}

fn decode(bytes: &[u8]) -> Option<State> {
    let end = bytes.iter().position(|b| *b == b'\n')?;
    let header: Header = serde_json::from_slice(&bytes[..end]).ok()?;
    let (chunks, rest) = bytes[end + 1..].as_chunks::<8>();
    let mut values: Vec<f64> = chunks.iter().map(|c| f64::from_le_bytes(*c)).collect();
    let whole = header.numbers.checked_mul(1 + usize::from(header.logged_step.is_some()))?;
    if !rest.is_empty() || values.len() != whole || values.iter().any(|v| !v.is_finite()) || !(header.unit > 0.0 && header.unit.is_finite())
    {
        return None;
    }
    let logged = values.split_off(header.numbers);
    Some(State {
        step: header.step,
        coordinates: values,
        unit: header.unit,
        logged: header.logged_step.map(|step| (step, logged)),
        seconds: header.seconds,
        descent_seconds: header.descent_seconds,
        stop: header.stop,
    })
}

/// The numbers of all manifests, ascending.
fn numbers(run: &Path) -> Result<Vec<u64>> {
    let folder = run.join(FOLDER);
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
    run.join(FOLDER).join(format!("{number:06}.manifest.json"))
}

/// The manifest goes first: without it the state is nothing. What cannot be removed does no harm.
fn remove(run: &Path, number: u64) {
    let _ = std::fs::remove_file(manifest_path(run, number));
    let _ = std::fs::remove_file(run.join(FOLDER).join(format!("{number:06}.state")));
}

fn put(path: &Path, bytes: &[u8]) -> Result<()> {
    write_atomically(path, |w| w.write_all(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(step: u64) -> State {
        let coordinates = vec![1.0 / 3.0, -0.0, f64::MIN_POSITIVE / 2.0, step as f64];
        let logged = Some((step, vec![0.1; 4]));
        State { step, coordinates, unit: 1.0, logged, seconds: 0.1, descent_seconds: 1e-9, stop: None }
    }

    /// A run folder with one problem file and two checkpoints.
    fn run() -> (tempfile::TempDir, Vec<Record>) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join(FOLDER)).unwrap();
        std::fs::write(folder.path().join("config.toml"), "seed = 0\n").unwrap();
        let files = vec![Record::of(folder.path(), "config.toml").unwrap()];
        for (number, step) in [(1, 0), (2, 10), (3, 20)] {
            write(folder.path(), number, &state(step), &files).unwrap();
        }
        (folder, files)
    }

    #[test]
    fn two_are_kept_and_the_newest_comes_back_bit_for_bit() {
        let (folder, _) = run();
        assert_eq!(numbers(folder.path()).unwrap(), [2, 3]);
        let found = newest(folder.path(), &["config.toml"]).unwrap();
        assert_eq!((found.number, found.skipped.len()), (3, 0));
        let bits = |s: &State| s.coordinates.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&found.state), bits(&state(20)));
        assert_eq!(found.state, state(20));
    }

    #[test]
    fn every_truncation_and_every_flipped_bit_is_found() {
        let (folder, _) = run();
        for name in ["000003.state", "000003.manifest.json"] {
            let path = folder.path().join(FOLDER).join(name);
            let good = std::fs::read(&path).unwrap();
            let damaged = (0..good.len()).map(|n| good[..n].to_vec()).chain((0..8 * good.len()).map(|bit| {
                let mut bytes = good.clone();
                bytes[bit / 8] ^= 1 << (bit % 8);
                bytes
            }));
            for (case, bytes) in damaged.enumerate() {
                std::fs::write(&path, bytes).unwrap();
                let found = newest(folder.path(), &["config.toml"]).unwrap();
                assert_eq!((found.number, found.state.step, found.skipped.len()), (2, 10, 1), "{name}, case {case}");
            }
            std::fs::write(&path, good).unwrap();
            assert_eq!(newest(folder.path(), &["config.toml"]).unwrap().number, 3);
        }
    }

    #[test]
    fn another_config_or_no_checkpoint_is_exit_7() {
        let (folder, _) = run();
        std::fs::write(folder.path().join("config.toml"), "seed = 1\n").unwrap();
        let error = newest(folder.path(), &["config.toml"]).err().unwrap();
        assert!(matches!(error, Error::Checkpoint { .. }));
        assert!(error.to_string().contains("config.toml is not as it was written"), "{error}");
        std::fs::remove_dir_all(folder.path().join(FOLDER)).unwrap();
        let error = newest(folder.path(), &["config.toml"]).err().unwrap();
        assert!(error.to_string().contains("before its first checkpoint"), "{error}");
    }
}
