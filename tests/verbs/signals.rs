//! Signals that end a run, as batch systems, terminals and nohup send them.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::Place;

/// A run that would take hours, in `folder`; `ignored` signals are ignored from its beginning on.
fn begun(place: &Place, folder: &str, ignored: &str) -> Child {
    let trap = if ignored.is_empty() { String::new() } else { format!("trap '' {ignored};") };
    let run = "run quickstart --set descent.steps=1000000 --device cpu --quiet";
    let child = Command::new("sh")
        .args(["-c", &format!("{trap} exec \"$0\" {run} --output {folder}"), env!("CARGO_BIN_EXE_mixscore")])
        .current_dir(place.path(""))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // Signals are listened to before the folder appears.
    let began = Instant::now();
    while !place.path(&format!("{folder}/metrics.csv")).exists() {
        assert!(began.elapsed() < Duration::from_secs(120), "no run began");
        std::thread::sleep(Duration::from_millis(20));
    }
    child
}

fn send(child: &Child, signal: &str) {
    assert!(Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status().unwrap().success());
}

/// It has ended with everything written.
fn ended(mut child: Child, folder: &Path) {
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(folder.join("summary.json").is_file() && folder.join("student.npz").is_file());
}

#[test]
fn what_batch_systems_send_before_a_time_limit_ends_a_run_with_its_results() {
    let place = Place::new();
    for signal in ["USR1", "USR2", "XCPU", "HUP"] {
        let child = begun(&place, signal, "");
        send(&child, signal);
        ended(child, &place.path(signal));
    }
}

#[test]
fn signals_that_come_twice_in_a_moment_are_one() {
    let place = Place::new();
    for (signal, times) in [("TERM", 2), ("INT", 2), ("TERM", 5)] {
        let folder = format!("{signal}{times}");
        let child = begun(&place, &folder, "");
        for _ in 0..times {
            send(&child, signal);
        }
        ended(child, &place.path(&folder));
    }
}

#[test]
fn signals_that_were_ignored_stay_ignored() {
    let place = Place::new();
    for signal in ["HUP", "INT", "USR1"] {
        let mut child = begun(&place, signal, signal);
        send(&child, signal);
        std::thread::sleep(Duration::from_millis(500));
        assert_eq!(child.try_wait().unwrap(), None, "{signal} ended it");
        send(&child, "TERM");
        ended(child, &place.path(signal));
    }
}
