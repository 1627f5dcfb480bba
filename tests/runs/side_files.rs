//! Tables and trajectories that lost their tail, are gone, or were saved by another program: the descent goes on, and what is lost is said.

use std::path::Path;

use super::cut_short::{broken_off, broken_off_with, flip, restore};
use super::place::{Place, array, cells, code, json, snapshot, text};

type Damage = (&'static str, fn(&Path));

const METRICS: &str = "metrics.csv";
const TRAJECTORY: &str = "checkpoints/trajectory.f64";

fn cut(path: &Path, left: impl Fn(usize) -> usize) {
    let bytes = std::fs::read(path).unwrap();
    std::fs::write(path, &bytes[..left(bytes.len())]).unwrap();
}

fn link_to_zero(path: &Path) {
    std::fs::remove_file(path).unwrap();
    std::os::unix::fs::symlink("/dev/zero", path).unwrap();
}

/// The table as a spreadsheet of another country saves it.
fn saved_again(path: &Path) {
    let table = std::fs::read_to_string(path).unwrap();
    std::fs::write(path, format!("\u{feff}{}", table.replace(',', ";").replace('.', ",").replace('\n', "\r\n"))).unwrap();
}

const DAMAGES: [Damage; 10] = [
    (TRAJECTORY, |path| cut(path, |n| n - 200)),
    (TRAJECTORY, |path| cut(path, |_| 10)),
    (TRAJECTORY, |path| std::fs::remove_file(path).unwrap()),
    (TRAJECTORY, |path| flip(path, 7)), // a step that is none
    (TRAJECTORY, link_to_zero),
    (METRICS, |path| cut(path, |n| n - 900)),
    (METRICS, |path| cut(path, |_| 0)),
    (METRICS, |path| std::fs::remove_file(path).unwrap()),
    (METRICS, saved_again),
    (METRICS, link_to_zero),
];

/// The rows of `run` are rows of `whole`; but the row that was measured again does not know how far means moved before it. Returns how many
/// rows are missing.
fn missing_rows(whole: &Path, run: &Path) -> usize {
    let (whole, rows) = (cells(&whole.join(METRICS)), cells(&run.join(METRICS)));
    assert_eq!(whole[0], rows[0]);
    let movement = rows[0].iter().position(|column| column == "movement").unwrap();
    let mut blank = 0;
    for row in &rows[1..] {
        let other = whole.iter().find(|other| (&other[0], other.last()) == (&row[0], row.last())).unwrap();
        let differs = (0..row.len()).filter(|at| row[*at] != other[*at]).collect::<Vec<_>>();
        assert!(differs.is_empty() || differs == [movement] && row[movement].is_empty(), "step {}: {row:?}, {other:?}", row[0]);
        blank += usize::from(!differs.is_empty());
    }
    assert!(blank <= 2, "{blank} rows were measured again");
    assert_eq!((&rows[1][0], &rows[rows.len() - 1][0]), (&whole[1][0], &whole[whole.len() - 1][0]), "first and last row");
    whole.len() - rows.len()
}

/// As [`missing_rows`], of the trajectory, bit for bit.
fn missing_means(whole: &Path, run: &Path) -> usize {
    let arrays = |run: &Path| ["step", "means"].map(|name| array(&run.join("trajectory.npz"), name).values);
    let ([steps, means], [left, left_means]) = (arrays(whole), arrays(run));
    let row = means.len() / steps.len();
    for (at, step) in left.iter().enumerate() {
        let there = steps.iter().position(|other| other == step).unwrap();
        assert_eq!(left_means[at * row..(at + 1) * row], means[there * row..(there + 1) * row], "step {step}");
    }
    assert_eq!((left[0], left.last()), (0.0, steps.last()));
    steps.len() - left.len()
}

#[test]
fn a_damaged_table_or_trajectory_keeps_no_run_from_going_on() {
    let place = Place::new();
    let run = broken_off(&place);
    let (files, whole) = (snapshot(&run), place.path("whole"));
    for (case, (name, damage)) in DAMAGES.into_iter().enumerate() {
        damage(&run.join(name));
        let output = place.mixscore(&["resume", "r", "--quiet"]); // a loss is said all the same
        let said = text(&output.stderr);
        assert_eq!(code(&output), 0, "case {case}: {said}");
        assert!(said.contains(name) && said.contains("logged step") && said.contains("goes on from its own state"), "case {case}: {said}");
        assert_eq!(std::fs::read(whole.join("student.npz")).unwrap(), std::fs::read(run.join("student.npz")).unwrap(), "case {case}");
        let lost = [missing_rows(&whole, &run), missing_means(&whole, &run)];
        let expected = if name == METRICS { lost[1] == 0 } else { lost[0] == 0 };
        assert!(expected, "case {case}: {lost:?}: what was whole has no gap");
        assert!(lost.iter().all(|n| *n == 0) == said.contains("no logged step is missing"), "case {case}: {lost:?}, {said}");
        let [summary, other] = [&run, &whole].map(|run| json(&run.join("summary.json")));
        assert_eq!((&summary["reverse_fisher"], &summary["first"]), (&other["reverse_fisher"], &other["first"]), "case {case}");
        let environment = json(&run.join("environment.json"));
        assert!(environment["sittings"][1]["notes"][0].as_str().unwrap().contains(name), "case {case}: the loss is written down");
        assert!(text(&place.mixscore(&["resume", "r"]).stdout).contains("finished before"), "case {case}");
        if run.join("metrics.csv.damaged").symlink_metadata().is_ok() {
            std::fs::remove_file(run.join("metrics.csv.damaged")).unwrap();
        }
        restore(&run, &files);
    }
}

#[test]
fn a_repair_that_is_killed_is_made_again() {
    let place = Place::new();
    let run = broken_off_with(&place, &["descent.steps=20000", "log.every=100"]);
    for _ in 0..3 {
        cut(&run.join(METRICS), |n| n / 2);
        std::fs::remove_file(run.join(TRAJECTORY)).unwrap();
        let mut child = place.command(&["resume", "r", "--quiet"]).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(60));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert_eq!(code(&place.mixscore(&["resume", "r", "--quiet"])), 0);
    assert_eq!(std::fs::read(place.path("whole/student.npz")).unwrap(), std::fs::read(run.join("student.npz")).unwrap());
    assert!(missing_rows(&place.path("whole"), &run) > 0 && missing_means(&place.path("whole"), &run) > 0);
}

/// Replicates have a row each; without a trajectory there is none to lose; under annealed noise the first step is at another level.
#[test]
fn other_kinds_of_runs_are_mended_too() {
    for sets in [
        &["descent.steps=1000", "replicates=3"][..],
        &["descent.steps=1000", "log.trajectory=false"],
        &["descent.steps=1000", "objective.noise={ from = 30.0, steps = 900, levels = 30 }"],
        &["descent.steps=1000", "descent.gradient_tolerance=1e-12"],
    ] {
        let place = Place::new();
        let run = broken_off_with(&place, sets);
        cut(&run.join(METRICS), |n| n / 2);
        std::fs::remove_file(run.join(TRAJECTORY)).unwrap();
        let output = place.mixscore(&["resume", "r"]);
        assert_eq!(code(&output), 0, "{sets:?}: {}", text(&output.stderr));
        let whole = place.path("whole");
        assert_eq!(std::fs::read(whole.join("student.npz")).unwrap(), std::fs::read(run.join("student.npz")).unwrap(), "{sets:?}");
        assert!(missing_rows(&whole, &run) > 0, "{sets:?}");
        let has_trajectory = run.join("trajectory.npz").exists();
        assert_eq!(has_trajectory, !sets.contains(&"log.trajectory=false"));
        assert_eq!(text(&output.stderr).matches("goes on from its own state").count(), 1 + usize::from(has_trajectory), "{sets:?}");
        assert!(!has_trajectory || missing_means(&whole, &run) > 0, "{sets:?}");
    }
}

#[test]
fn a_finished_run_gets_back_what_it_lost() {
    let place = Place::new();
    place.run("r", &[]);
    let rows = cells(&place.path("r/metrics.csv"));
    std::fs::remove_file(place.path("r/metrics.csv")).unwrap();
    let output = place.mixscore(&["resume", "r"]);
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("7 logged steps from 5 to 35 are missing"), "{}", text(&output.stderr));
    assert_eq!(cells(&place.path("r/metrics.csv")).len(), 3);
    assert_eq!(cells(&place.path("r/metrics.csv"))[1], rows[1]);
}
