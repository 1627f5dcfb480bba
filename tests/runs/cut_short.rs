//! Runs that were killed, interrupted or damaged, and what `resume` makes of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use mixscore::internals::objective::estimator::AUTO_VERSION;
use mixscore::internals::random::RNG_VERSION;
use mixscore::problem::NUMERICS_VERSION;

use super::place::{Place, code, json, same_results, snapshot, text, with_sets};

/// Waits until a run has written `lines` lines of metrics.
fn wait_for_lines(child: &mut Child, metrics: &Path, lines: usize) {
    let begin = Instant::now();
    while std::fs::read_to_string(metrics).map_or(0, |text| text.lines().count()) < lines {
        assert!(child.try_wait().unwrap().is_none(), "the run ended before it was interrupted");
        assert!(begin.elapsed() <= Duration::from_secs(60), "no metrics after a minute");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// kill −9 at 25 moments spread over a run; half of the resumed runs are killed once more.
#[test]
fn killed_runs_resume_bit_for_bit() {
    let place = Place::new();
    let sets = ["descent.steps=400", "log.every=10", "log.early=true"];
    let begin = Instant::now();
    place.run("whole", &sets);
    let whole = begin.elapsed();
    let mut killed_midway = 0;
    for trial in 0..25u32 {
        let folder = format!("k{trial}");
        let run = place.path(&folder);
        let mut child = place.command(&with_sets(&folder, &sets)).spawn().unwrap();
        std::thread::sleep(whole * trial / 25);
        child.kill().unwrap();
        child.wait().unwrap();
        if !run.exists() {
            continue; // killed before the folder appeared, whole, with its first checkpoint
        }
        if trial % 2 == 0 {
            let mut child = place.command(&["resume", &folder, "--quiet"]).spawn().unwrap();
            std::thread::sleep(whole / 4);
            child.kill().unwrap();
            child.wait().unwrap();
        }
        killed_midway += u32::from(!run.join("summary.json").exists());
        let output = place.mixscore(&["resume", &folder, "--quiet"]);
        assert_eq!(code(&output), 0, "trial {trial}: {}", text(&output.stderr));
        same_results(&place.path("whole"), &run).unwrap_or_else(|what| panic!("trial {trial}: {what}"));
        std::fs::remove_dir_all(&run).unwrap();
    }
    // Otherwise the kills came too early or too late to prove anything.
    assert!(killed_midway >= 5, "only {killed_midway} of 25 kills met a descent");
}

/// Ctrl-C and SIGTERM: exit 130, everything written, and the rest done by `resume`.
#[test]
fn an_interrupted_run_goes_on_as_if_it_had_not_been() {
    let place = Place::new();
    let sets = ["descent.steps=20000", "log.every=500", "checkpoint.every_seconds=3600.0"];
    place.run("whole", &sets);
    for (folder, signal) in [("c", "-INT"), ("t", "-TERM")] {
        let run = place.path(folder);
        let mut child = place.command(&with_sets(folder, &sets)).spawn().unwrap();
        wait_for_lines(&mut child, &run.join("metrics.csv"), 4);
        assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
        let output = child.wait_with_output().unwrap();
        assert_eq!(code(&output), 130, "{}", text(&output.stderr));
        assert!(text(&output.stderr).contains("mixscore resume"), "{}", text(&output.stderr));
        let summary = json(&run.join("summary.json"));
        assert_eq!(summary["stop"]["kind"], "interrupted");
        assert!(summary["steps"].as_u64().unwrap() < 20_000);
        assert!(run.join("report.html").is_file() && run.join("student.npz").is_file());
        assert_eq!(code(&place.mixscore(&["resume", folder, "--quiet"])), 0);
        same_results(&place.path("whole"), &run).unwrap();
        assert_eq!(json(&run.join("environment.json"))["sittings"].as_array().unwrap().len(), 2);
    }
}

/// A run that was killed midway, with two checkpoints behind it, beside the whole one.
pub(crate) fn broken_off(place: &Place) -> PathBuf {
    broken_off_with(place, &["descent.steps=1000"])
}

pub(crate) fn broken_off_with(place: &Place, sets: &[&str]) -> PathBuf {
    place.run("whole", sets);
    let mut child = place.command(&with_sets("r", sets)).spawn().unwrap();
    wait_for_lines(&mut child, &place.path("r/metrics.csv"), 20);
    child.kill().unwrap();
    child.wait().unwrap();
    // The newest manifest vouches for a state; a state without one is what the kill cut short.
    place.path("r")
}

/// The newest file of a kind that a manifest vouches for.
fn newest(run: &Path, ending: &str) -> PathBuf {
    let manifests = snapshot(&run.join("checkpoints")).into_keys().filter(|path| path.to_string_lossy().ends_with(".manifest.json"));
    PathBuf::from(manifests.max().unwrap().to_string_lossy().replace(".manifest.json", ending))
}

pub(crate) fn restore(run: &Path, files: &BTreeMap<PathBuf, Vec<u8>>) {
    std::fs::remove_dir_all(run).unwrap();
    std::fs::create_dir_all(run.join("checkpoints")).unwrap();
    files.iter().for_each(|(path, bytes)| std::fs::write(path, bytes).unwrap());
}

pub(crate) fn flip(path: &Path, at: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[at] ^= 4;
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn a_damaged_newest_checkpoint_is_skipped_aloud() {
    let place = Place::new();
    let run = broken_off(&place);
    let files = snapshot(&run);
    for ending in [".state", ".manifest.json"] {
        for cut in [false, true] {
            let path = newest(&run, ending);
            let length = files[&path].len();
            if cut {
                std::fs::write(&path, &files[&path][..length - 1]).unwrap()
            } else {
                flip(&path, length / 2)
            }
            let output = place.mixscore(&["resume", "r"]);
            assert_eq!(code(&output), 0, "{}", text(&output.stderr));
            assert!(text(&output.stderr).contains("is skipped"), "{}", text(&output.stderr));
            same_results(&place.path("whole"), &run).unwrap();
            restore(&run, &files);
        }
    }
    // A journal that grew beyond the checkpoint is cut back.
    let mut longer = files[&run.join("metrics.csv")].clone();
    longer.extend(b"99999,half a row");
    std::fs::write(run.join("metrics.csv"), longer).unwrap();
    assert_eq!(code(&place.mixscore(&["resume", "r", "--quiet"])), 0);
    same_results(&place.path("whole"), &run).unwrap();
}

/// Changes all manifests of a run as another program might have written them, seals included.
fn rewrite_manifests(run: &Path, from: &str, to: &str) {
    for (path, bytes) in
        snapshot(&run.join("checkpoints")).into_iter().filter(|(path, _)| path.to_string_lossy().ends_with(".manifest.json"))
    {
        let body = text(&bytes[..bytes.len() - 65]);
        assert!(body.contains(from), "{body}");
        let body = body.replace(from, to);
        std::fs::write(path, format!("{body}{}\n", blake3::hash(body.as_bytes()).to_hex())).unwrap();
    }
}

/// A run whose draws or whose `auto` other programs understood otherwise: no numbers of two kinds in one run.
#[test]
fn a_run_of_another_version_is_refused_where_the_version_counts() {
    let place = Place::new();
    let run = broken_off(&place);
    let files = snapshot(&run);
    let (rng, auto) = (format!("\"rng\": {RNG_VERSION}"), format!("\"auto\": {AUTO_VERSION}"));
    let numerics = format!("\"numerics\": {NUMERICS_VERSION}");
    for (from, to, words) in [
        (&rng, "\"rng\": 99", "version 99 of the draws"),
        (&auto, "\"auto\": 99", "version 99 of the estimator `auto`"),
        (&auto, "\"auto\": 99", "or start the run again, into another folder"),
        (&numerics, "\"numerics\": 99", "version 99 of the numerics"),
        (&format!(",\n    {numerics}"), "", "version 1 of the numerics"), // as before there were any
        (&"mixscore.checkpoint/2".into(), "mixscore.checkpoint/1", "of another run or version"),
    ] {
        rewrite_manifests(&run, from, to);
        let before = snapshot(&run);
        place.refused(&["resume", "r", "--quiet"], 7, words);
        assert!(snapshot(&run) == before, "{to}: resuming touched the folder");
        restore(&run, &files);
    }
    // Sealed anew without a change, it goes on.
    rewrite_manifests(&run, &auto, &auto);
    assert_eq!(code(&place.mixscore(&["resume", "r", "--quiet"])), 0);
    same_results(&place.path("whole"), &run).unwrap();
    // A run in Stein's own form does not ask what `auto` stands for.
    let mut child = place.command(&with_sets("stein", &["descent.steps=1000", "objective.estimator=\"stein\""])).spawn().unwrap();
    wait_for_lines(&mut child, &place.path("stein/metrics.csv"), 20);
    child.kill().unwrap();
    child.wait().unwrap();
    rewrite_manifests(&place.path("stein"), &auto, "\"auto\": 99");
    assert_eq!(code(&place.mixscore(&["resume", "stein", "--quiet"])), 0);
}

#[test]
fn what_cannot_be_resumed_is_refused_and_left_alone() {
    let place = Place::new();
    let run = broken_off(&place);
    let files = snapshot(&run);
    for name in [".state", ".manifest.json", "config.toml", "teacher.npz", "initial.npz"] {
        for path in files.keys().filter(|path| path.to_string_lossy().ends_with(name)) {
            flip(path, files[path].len() / 3);
        }
        let before = snapshot(&run);
        place.refused(&["resume", "r"], 7, "is skipped");
        assert!(snapshot(&run) == before, "{name}: resuming touched the folder");
        restore(&run, &files);
    }
    std::fs::remove_dir_all(run.join("checkpoints")).unwrap();
    place.refused(&["resume", "r"], 7, "before its first checkpoint");
    restore(&run, &files);
    let lock = std::fs::File::options().write(true).open(run.join("checkpoints/lock")).unwrap();
    lock.lock().unwrap();
    place.refused(&["resume", "r", "--device", "cpu"], 4, "another process");
    drop(lock);
    // A link or a pipe in the place of a file.
    std::fs::remove_file(run.join("teacher.npz")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", run.join("teacher.npz")).unwrap();
    place.refused(&["resume", "r"], 7, "not a plain file");
    std::fs::remove_file(run.join("config.toml")).unwrap();
    assert!(Command::new("mkfifo").arg(run.join("config.toml")).status().unwrap().success());
    place.refused(&["resume", "r"], 4, "no plain file");
}
