//! Mends the journals of a run if they are not as its checkpoint recorded them: cut short, missing, or saved again by another program.
//!
//! The descent does not need them, so its result does not depend on this. Readable entries are kept, those of the first and of the last
//! logged step are measured again, and a sentence says what is missing between.

use std::path::{Path, PathBuf};

use super::config::Config;
use super::fingerprint::Fingerprint;
use super::levels::Levels;
use super::meter::Meter;
use super::records::{means_record, row_lines};
use super::row::{self, Row};
use super::run_folder::METRICS;
use super::salvage::{Entry, rows_by_step, trajectory_records};
use crate::descent::schedule::Schedule;
use crate::descent::state::State;
use crate::error::{Error, Result};
use crate::mixture::files::write_atomically;
use crate::problem::fit::Fit;

/// A logged step that was measured again.
pub(super) struct Logged {
    step: u64,
    rows: Vec<Row>,
    /// Shape (R, k, d).
    means: Vec<f64>,
}

/// Measures the first and the last step that were logged before `state`; `fit` stands at `state` before and after. The step before the last
/// one is unknown, so the last one's movement stays blank.
pub(super) fn measured_again(levels: &mut Levels, meter: &mut Meter, fit: &mut Fit, state: &State) -> Result<Vec<Logged>> {
    let Some((step, coordinates)) = &state.logged else { return Ok(Vec::new()) };
    let mut measure = |fit: &mut Fit, state: &State| -> Result<Logged> {
        let means = fit.lift(&state.coordinates)?;
        Ok(Logged { step: state.step, rows: meter.rows(fit, state, &means)?, means })
    };
    let mut at_start = levels.open(0, None)?;
    let start = State::start(&mut at_start)?;
    let mut all = vec![measure(&mut at_start, &start)?];
    if *step > 0 {
        let mut last = State { step: *step, coordinates: coordinates.clone(), logged: None, ..state.clone() };
        last.load_into(fit)?;
        all.push(measure(fit, &last)?);
        state.clone().load_into(fit)?;
    }
    Ok(all)
}

/// Mends the journals that have a fault, the sentence of [`Fingerprint::verify`], and updates their length. Returns a sentence for each
/// that had entries.
pub(super) fn repair(
    run: &Path,
    journals: &mut [Fingerprint],
    faults: &[Option<String>],
    logged: &[Logged],
    schedule: &Schedule,
    config: &Config,
) -> Result<Vec<String>> {
    let mut sentences = Vec::new();
    for (journal, fault) in journals.iter_mut().zip(faults) {
        let Some(fault) = fault else { continue };
        let was_empty = journal.length == 0;
        let path = run.join(&journal.name);
        let old = content(&path);
        let (head, kept, again) = match journal.name.as_str() {
            METRICS => of_metrics(&old, logged, config.replicates),
            _ => of_trajectory(&old, logged, config.log.trajectory),
        };
        let last = logged.last().map(|entry| entry.step);
        let entries = merged(kept, again);
        let new = [head, entries.iter().flat_map(|entry| entry.bytes.clone()).collect()].concat();
        // A table that people edited is kept aside. The trajectory is not text, and may be large.
        let is_lost = journal.name == METRICS && !new.starts_with(whole_lines(&old));
        let aside = if is_lost || !is_plain_or_missing(&path) { set_aside(&path)? } else { String::new() };
        write_atomically(&path, |out| out.write_all(&new))?;
        journal.length = new.len() as u64;
        if !was_empty {
            sentences
                .push(format!("{fault}; {}{aside}. The descent goes on from its own state, which is whole", gap(&entries, schedule, last)));
        }
    }
    Ok(sentences)
}

/// The first bytes of a journal, the entries to keep, and those measured again.
type Parts = (Vec<u8>, Vec<Entry>, Vec<Entry>);

/// The parts of a mended `metrics.csv`.
fn of_metrics(old: &[u8], logged: &[Logged], n_replicates: usize) -> Parts {
    let header = row::header(n_replicates > 1);
    let last = logged.last().map(|entry| entry.step);
    let kept = last.map_or(Vec::new(), |last| rows_by_step(&String::from_utf8_lossy(old), &header, n_replicates, last));
    let again = logged.iter().map(|entry| Entry { step: entry.step, bytes: row_lines(&entry.rows).into_bytes() });
    (header.into_bytes(), kept, again.collect())
}

/// The parts of a mended trajectory.
fn of_trajectory(old: &[u8], logged: &[Logged], is_kept: bool) -> Parts {
    let again = logged.iter().filter(|_| is_kept).map(|entry| Entry { step: entry.step, bytes: means_record(entry.step, &entry.means) });
    let again: Vec<Entry> = again.collect();
    let kept = again.last().map_or(Vec::new(), |last| trajectory_records(old, last.bytes.len(), last.step));
    (Vec::new(), kept, again)
}

/// Both by step; an entry that was kept precedes one that was measured again.
fn merged(kept: Vec<Entry>, again: Vec<Entry>) -> Vec<Entry> {
    let mut entries = [kept, again].concat();
    entries.sort_by_key(|entry| entry.step); // stable
    entries.dedup_by_key(|entry| entry.step);
    entries
}

/// The logged steps up to `last` that are missing.
fn gap(entries: &[Entry], schedule: &Schedule, last: Option<u64>) -> String {
    let logged = schedule.logged_steps().take_while(|step| last.is_some_and(|last| *step <= last));
    let missing: Vec<u64> = logged.filter(|step| entries.binary_search_by_key(step, |entry| entry.step).is_err()).collect();
    match missing[..] {
        [] => "no logged step is missing in it now".into(),
        [step] => format!("logged step {step} is missing in it now"),
        [first, .., last] => format!("{} logged steps from {first} to {last} are missing in it now", missing.len()),
    }
}

/// The bytes of a plain file; empty for any other.
fn content(path: &Path) -> Vec<u8> {
    let is_plain = std::fs::symlink_metadata(path).is_ok_and(|found| found.is_file());
    if is_plain { std::fs::read(path).unwrap_or_default() } else { Vec::new() }
}

fn is_plain_or_missing(path: &Path) -> bool {
    std::fs::symlink_metadata(path).map_or(true, |found| found.is_file())
}

fn whole_lines(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1)]
}

/// Renames the file, whatever it is, to the first free of NAME.damaged, NAME.damaged-2, …; returns a clause that says so. A plain file also
/// keeps its own name until it is replaced, so that a kill in between loses nothing.
fn set_aside(path: &Path) -> Result<String> {
    let name = |n: u32| if n == 1 { format!("{}.damaged", path.display()) } else { format!("{}.damaged-{n}", path.display()) };
    let free = (1..).map(|n| PathBuf::from(name(n))).find(|other| other.symlink_metadata().is_err());
    let other = free.expect("there are more names than files");
    let moved = if is_plain_or_missing(path) { std::fs::copy(path, &other).map(drop) } else { std::fs::rename(path, &other) };
    moved.map_err(|e| Error::io(path, e))?;
    Ok(format!(" (as it was it is kept as {})", other.file_name().unwrap_or_default().to_string_lossy()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Rule;
    use crate::experiment::run_folder::TRAJECTORY;
    use crate::experiment::{presets, reading};
    use crate::metrics::Metric;

    fn logged(step: u64) -> Logged {
        let mut row = Row::new(step, 0.5, 0);
        row.set(Metric::Coverage, 0.25);
        Logged { step, rows: vec![row], means: vec![step as f64; 2] }
    }

    /// The contents of a run folder after a repair, for a run of 40 steps logged at every tenth; and the sentences.
    fn repaired(metrics: Option<&[u8]>, trajectory: Option<&[u8]>, last: u64) -> (tempfile::TempDir, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("checkpoints")).unwrap();
        for (name, bytes) in [(METRICS, metrics), (TRAJECTORY, trajectory)] {
            bytes.iter().for_each(|bytes| std::fs::write(folder.path().join(name), bytes).unwrap());
        }
        let config = reading::config_from(presets::find("quickstart").unwrap().text, &["replicates=1".into()], None).unwrap();
        let schedule =
            Schedule { steps: 40, until: u64::MAX, log_every: 10, log_early: false, rule: Rule::new(1.0, false), step_size: 1.0 };
        let mut journals = [METRICS, TRAJECTORY].map(|name| Fingerprint::new(name, 1000, blake3::hash(b"")));
        let faults = journals.clone().map(|journal| Some(format!("{} is broken", journal.name)));
        let sentences = repair(folder.path(), &mut journals, &faults, &[logged(0), logged(last)], &schedule, &config).unwrap();
        for journal in &journals {
            assert_eq!(std::fs::metadata(folder.path().join(&journal.name)).unwrap().len(), journal.length);
        }
        (folder, sentences)
    }

    fn lines(steps: &[u64]) -> String {
        row::header(false) + &steps.iter().map(|step| row_lines(&logged(*step).rows)).collect::<String>()
    }

    fn records(steps: &[u64]) -> Vec<u8> {
        steps.iter().flat_map(|step| means_record(*step, &logged(*step).means)).collect()
    }

    #[test]
    fn what_is_gone_begins_again_with_the_first_and_the_last_logged_step() {
        let (folder, sentences) = repaired(None, None, 30);
        assert_eq!(std::fs::read_to_string(folder.path().join(METRICS)).unwrap(), lines(&[0, 30]));
        assert_eq!(std::fs::read(folder.path().join(TRAJECTORY)).unwrap(), records(&[0, 30]));
        for sentence in sentences {
            assert!(sentence.contains("2 logged steps from 10 to 20 are missing"), "{sentence}");
        }
    }

    #[test]
    fn what_lost_its_tail_keeps_the_rest() {
        let (table, path) = (lines(&[0, 10, 20]), records(&[0, 10, 20]));
        let (folder, sentences) = repaired(Some(&table.as_bytes()[..table.len() - 3]), Some(&path[..path.len() - 3]), 40);
        assert_eq!(std::fs::read_to_string(folder.path().join(METRICS)).unwrap(), lines(&[0, 10, 40]));
        assert_eq!(std::fs::read(folder.path().join(TRAJECTORY)).unwrap(), records(&[0, 10, 40]));
        assert!(sentences.iter().all(|sentence| sentence.contains("2 logged steps from 20 to 30")), "{sentences:?}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "nothing but half a line was lost, so nothing is set aside");
    }

    #[test]
    fn what_a_spreadsheet_saved_is_read_again_and_kept_beside() {
        let foreign = format!("\u{feff}{}", lines(&[0, 10, 20])).replace(',', ";").replace('.', ",").replace('\n', "\r\n");
        let (folder, sentences) = repaired(Some(foreign.as_bytes()), Some(&records(&[0, 10, 20])), 20);
        assert_eq!(std::fs::read_to_string(folder.path().join(METRICS)).unwrap(), lines(&[0, 10, 20]));
        assert_eq!(std::fs::read(folder.path().join("metrics.csv.damaged")).unwrap(), foreign.as_bytes());
        assert!(sentences[0].contains("no logged step is missing") && sentences[0].contains("metrics.csv.damaged"), "{sentences:?}");
    }

    #[test]
    fn steps_after_the_last_logged_one_and_nonsense_are_left_out() {
        let noise: Vec<u8> = (0..5000u32).map(|n| (n * n % 251) as u8).collect();
        let (folder, _) = repaired(Some(lines(&[0, 10, 20, 30]).as_bytes()), Some(&noise), 10);
        assert_eq!(std::fs::read_to_string(folder.path().join(METRICS)).unwrap(), lines(&[0, 10]));
        assert_eq!(std::fs::read(folder.path().join(TRAJECTORY)).unwrap(), records(&[0, 10]));
    }
}
