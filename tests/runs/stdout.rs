//! A stdout that is closed or full: the first is no error, the second is one that is told.
#![cfg(target_os = "linux")]

use std::fs::OpenOptions;
use std::process::{Output, Stdio};

use mixscore::mixture::files::{Values, write_npz};

use crate::place::{Place, code, text};

/// The verb with its stdout on a disk that is full.
fn on_a_full_disk(place: &Place, line: &str) -> Output {
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    place.command(&line.split(' ').collect::<Vec<_>>()).stdout(full).output().unwrap()
}

/// The verb with its stdout in a pipe whose reader has gone.
fn into_a_closed_pipe(place: &Place, line: &str) -> Output {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    place.command(&line.split(' ').collect::<Vec<_>>()).stdout(Stdio::from(writer)).output().unwrap()
}

fn lines() -> Vec<String> {
    let pair = "--student a.npz --teacher a.npz --samples 16 --device cpu --quiet";
    let verbs = [
        "devices".to_string(),
        "presets".into(),
        format!("gradient {pair} --output g.npz"),
        format!("evaluate {pair}"),
        "sample --mixture a.npz --count 3 --output x.npy".into(),
        "run small.toml --device cpu --quiet".into(),
        "report r".into(),
    ];
    verbs.iter().flat_map(|line| [line.clone(), format!("{line} --json")]).collect()
}

fn place() -> Place {
    let place = Place::new();
    write_npz(&place.path("a.npz"), &[("means", &[2, 2], Values::F64(&[0.0, 1.0, 2.0, 3.0]))]).unwrap();
    place.run("r", &[]);
    place
}

#[test]
fn a_full_disk_is_told_with_exit_code_1() {
    let place = place();
    for line in lines() {
        let output = on_a_full_disk(&place, &line);
        let said = text(&output.stderr);
        assert_eq!(code(&output), 1, "{line}: {said}");
        assert!(said.contains("stdout") && said.contains("No space left") && !said.contains("panicked"), "{line}: {said}");
    }
}

#[test]
fn a_reader_that_went_away_is_no_error() {
    let place = place();
    for line in lines() {
        let output = into_a_closed_pipe(&place, &line);
        let said = text(&output.stderr);
        assert_eq!(code(&output), 0, "{line}: {said}");
        assert!(!said.contains("panicked") && !said.contains("Broken pipe"), "{line}: {said}");
    }
}

#[test]
fn a_full_stderr_changes_no_result() {
    let place = place();
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = place.command(&["evaluate", "--student", "a.npz", "--teacher", "a.npz", "--device", "cpu"]).stderr(full).output().unwrap();
    assert_eq!(code(&output), 0);
    assert!(text(&output.stdout).contains("reverse_fisher"));
}
