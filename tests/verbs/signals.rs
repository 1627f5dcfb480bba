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

/// Whether this signal was ignored when the tests began, as HUP is under nohup: then it is ignored by all that they start.
fn is_ignored(number: u32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    ignored.is_some_and(|mask| mask >> (number - 1) & 1 == 1)
}

/// It has ended with everything written.
fn ended(mut child: Child, folder: &Path) {
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(folder.join("summary.json").is_file() && folder.join("student.npz").is_file());
}

#[test]
fn what_batch_systems_send_before_a_time_limit_ends_a_run_with_its_results() {
    let place = Place::new();
    const HUP: u32 = 1;
    for signal in ["USR1", "USR2", "XCPU", "HUP"].into_iter().filter(|signal| *signal != "HUP" || !is_ignored(HUP)) {
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

/// Whoever waits for points that do not come has nothing to write: it ends at once.
#[test]
fn a_command_that_waits_for_its_input_ends_at_once() {
    let place = Place::new();
    place.mixture("m.npz", &[1.0], &[0.0, 0.0], 2, 1.0);
    for arguments in ["score --mixture m.npz --points - --output o.npz --device cpu", "learn - --output l --device cpu"] {
        for signal in ["TERM", "INT"] {
            let mut child = Command::new(env!("CARGO_BIN_EXE_mixscore"))
                .args(arguments.split(' '))
                .current_dir(place.path(""))
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            let pipe = child.stdin.take();
            std::thread::sleep(Duration::from_secs(2));
            let sent = Instant::now();
            send(&child, signal);
            let output = child.wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.code() == Some(130) && sent.elapsed() < Duration::from_secs(1), "{arguments} {signal}: {said}");
            assert!(said.contains("waited for its input") && !place.path("o.npz").exists() && !place.path("l").exists(), "{said}");
            drop(pipe);
        }
    }
}
