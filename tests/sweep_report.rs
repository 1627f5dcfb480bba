//! The pages of sweeps and of comparisons: planted numbers stand in their places, hostile folders stay bounded and escaped, and
//! differences are those of hand arithmetic. `KEEP_REPORTS=DIR` keeps the folders, to look at the pages.

mod common;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use common::{assert_harmless, folder};
use mixscore::metrics::Metric;
use mixscore::report::compare;
use mixscore::report::write_sweep;
use serde_json::{Value, json};

fn write(path: PathBuf, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// A cell's values by axis, and its summary, or the text of its failure; null is nothing.
type Planted<'a> = (Vec<String>, Result<Value, &'a str>);

/// A sweep's folder with these cells: their values by axis, and their summary, or the text of their failure, or nothing.
fn sweep(folder: &Path, config: &str, axes: &[&str], cells: &[Planted]) {
    write(folder.join("sweep.toml"), config);
    let mut writer = csv::Writer::from_path(folder.join("results.csv")).unwrap();
    writer.write_record([&["hash"][..], axes, &["state"]].concat()).unwrap();
    for (at, (values, outcome)) in cells.iter().enumerate() {
        let hash = format!("{at:016x}");
        writer.write_record([&[hash.clone()][..], values, &["x".to_string()]].concat()).unwrap();
        match outcome {
            Ok(Value::Null) => {}
            Ok(summary) => write(folder.join("cells").join(&hash).join("summary.json"), &summary.to_string()),
            Err(why) => write(folder.join("cells").join(format!("{hash}.failed")), why),
        }
    }
    writer.flush().unwrap();
}

/// A cell of 4 replicates of 5 teachers, which ended with this share at the nearest teacher and this divergence.
fn summary(share: f64, divergence: f64) -> Value {
    let estimates = |values: [f64; 4]| values.map(|value| json!({"value": value, "standard_error": 0.01}));
    common::summary(json!({
        "replicates": 4,
        "nearest_at_start": {
            "share": share, "low": share - 0.01, "high": share + 0.01, "successes": 19, "trials": 20, "near_wall": null, "elsewhere": null,
        },
        "coverage": [1.0, 0.8, 1.0, 0.8], "student_weight_at_teachers": vec![[0.2; 5]; 4],
        "total_variation": estimates([0.1, 0.2, 0.3, 0.4]), "reverse_fisher": estimates([divergence; 4]),
    }))
}

fn page(folder: &Path) -> (String, String) {
    let finding = write_sweep(folder).unwrap();
    (finding, std::fs::read_to_string(folder.join("report.html")).unwrap())
}

/// The text of the cell in a map: the n-th `<table class="map">`, row and column by their places.
fn tile(html: &str, map: usize, row: usize, column: usize) -> String {
    let table = html.split("<table class=\"map\">").nth(map + 1).unwrap().split("</table>").next().unwrap();
    let body = table.split("<tbody>").nth(1).unwrap();
    let row = body.split("<tr>").nth(row + 1).unwrap();
    row.split("<td").nth(column + 1).unwrap().split("</td>").next().unwrap().split_once('>').unwrap().1.into()
}

/// Which cell has these values.
fn place(cells: &[Planted], d: &str, k: &str, separation: &str) -> usize {
    cells.iter().position(|cell| cell.0 == [d, k, separation]).unwrap()
}

fn text(v: &str) -> String {
    v.into()
}

const CONFIG: &str = "seed = 1\n[teacher]\nkind = \"separated\"\n[objective]\ndivergence = \"reverse\"\n[sweep]\nname = \"planted\"\n";

#[test]
fn planted_numbers_stand_in_their_cells() {
    let folder = folder("planted");
    let mut cells: Vec<Planted> = Vec::new();
    for d in ["50", "2"] {
        for k in ["5", "10", "20"] {
            for separation in ["10", "2", "4", "6"] {
                let high = separation != "2" && !(d == "50" && separation == "4" && k == "20");
                cells.push((vec![text(d), text(k), text(separation)], Ok(summary(if high { 0.97 } else { 0.6 }, 1e-4))));
            }
        }
    }
    let planted = place(&cells, "50", "10", "6");
    cells[planted].1 = Ok(summary(0.9513, 3.2e-7));
    let failed = place(&cells, "2", "20", "10");
    cells[failed].1 = Err("it <b>does not</b> fit");
    let missing = place(&cells, "2", "5", "2");
    cells[missing].1 = Ok(Value::Null);
    sweep(&folder.path, CONFIG, &["teacher.features", "student.components", "teacher.separation"], &cells);
    let (finding, html) = page(&folder.path);
    assert_harmless(&html);
    // Four quantities of two maps each, d = 2 before d = 50; rows: separation 2, 4, 6, 10; columns: k = 5, 10, 20.
    assert_eq!(html.matches("<table class=\"map\">").count(), 8);
    assert_eq!(tile(&html, 1, 2, 1), "<b>0.951</b><small>0.941–0.961</small>");
    assert_eq!(tile(&html, 1, 1, 2), "<b>0.600</b><small>0.590–0.610</small>");
    assert_eq!(tile(&html, 1, 2, 0), "<b>0.970</b><small>0.960–0.980</small>");
    assert_eq!(tile(&html, 7, 2, 1), "<b>−6.5</b><small>−6.5 to −6.5</small>");
    assert_eq!(tile(&html, 0, 3, 2), "<b>failed</b><small>see 1 below</small>");
    assert_eq!(tile(&html, 0, 0, 0), "<b>missing</b><small>not run</small>");
    // Mean 0.25 and standard deviation √(0.05/3), by Student's t with 3 degrees of freedom: ± 3.182·0.0645.
    assert_eq!(tile(&html, 4, 1, 1), "<b>0.250</b><small>0.045–0.455</small>");
    assert!(html.contains("it &lt;b&gt;does not&lt;/b&gt; fit") && html.contains("22 of 24 cells are done, 1 failed, 1 not run yet"));
    assert!(html.contains("blind"));
    let clauses = "with d = 2 from separation 4 on (0.970, 0.960 to 0.980, at k = 5, separation = 4); \
                   with d = 50 from separation 6 on (0.951, 0.941 to 0.961, at k = 10, separation = 6)";
    assert!(finding.contains("reaches 0.95") && html.contains(&finding), "{finding}");
    let (first, second) = clauses.split_once("; ").unwrap();
    assert!(finding.contains(second), "{finding}");
    assert!(finding.contains(first.split_once(", at").unwrap().0), "{finding}");
    assert_eq!(page(&folder.path).1, html, "the same folder gives the same page");
}

#[test]
fn one_numeric_axis_is_drawn_as_lines_and_none_as_a_map_of_words() {
    let lines = folder("lines");
    let mut cells: Vec<Planted> = Vec::new();
    for start in ["wide", "shell"] {
        for (i, separation) in ["2", "4", "8"].into_iter().enumerate() {
            cells.push((vec![text(start), text(separation)], Ok(summary(0.3 + 0.3 * i as f64, 1e-3))));
        }
    }
    cells[4].1 = Err("no");
    sweep(&lines.path, CONFIG, &["start", "teacher.separation"], &cells);
    let (_, html) = page(&lines.path);
    assert_harmless(&html);
    assert_eq!((html.matches("<svg ").count(), html.matches("class=\"map\"").count()), (4, 0));
    assert!(html.contains("wide") && html.contains("shell"));
    let words = folder("words");
    for cell in &mut cells {
        cell.0[1] = format!("law {}", cell.0[1]);
    }
    sweep(&words.path, CONFIG, &["start", "law"], &cells);
    let (finding, html) = page(&words.path);
    assert_harmless(&html);
    assert_eq!(tile(&html, 0, 2, 0), "<b>0.900</b><small>0.890–0.910</small>");
    assert_eq!(tile(&html, 0, 1, 1), "<b>failed</b><small>see 1 below</small>");
    assert!(finding.contains("lowest with 0.300") && finding.contains("highest with 0.900"), "{finding}");
    assert!(finding.ends_with("Most of that goes with law: 0.900 on average at law 8, 0.300 at law 2."), "{finding}");
}

/// A cell of 2 replicates of one teacher, where this many had all their students at its mean, measured under some noise.
fn one_teacher(arrived: usize, noise: f64) -> Value {
    let weights: Vec<[f64; 1]> = (0..2).map(|r| [if r < arrived { 1.0 } else { 0.2 }]).collect();
    let l = json!({"value": 1e-3, "standard_error": 1e-5});
    common::summary(json!({"noise": noise, "coverage": [1.0, 1.0], "student_weight_at_teachers": weights, "reverse_fisher": [l, l]}))
}

#[test]
fn with_one_teacher_the_finding_counts_the_runs_in_which_all_students_arrive() {
    let folder = folder("one-teacher");
    let cells = |short: usize| -> Vec<Planted<'static>> {
        (0..10).map(|i| (vec![i.to_string()], Ok(one_teacher(if i < short { 1 } else { 2 }, 0.0)))).collect()
    };
    sweep(&folder.path, CONFIG, &["x"], &cells(0));
    let (finding, html) = page(&folder.path);
    assert!(
        finding.starts_with("In 20 of 20 runs all students end within 0.75σ of the teacher’s one mean (a share of 1.000, 95 % interval"),
        "{finding}"
    );
    assert!(html.contains("Student weight at the teacher") && !html.contains("<h2>Coverage"));
    sweep(&folder.path, CONFIG, &["x"], &cells(8));
    let (finding, html) = page(&folder.path);
    assert_harmless(&html);
    assert!(
        finding.contains("In 12 of 20 runs")
            && finding.contains("They do not at x = 0 in 1 of 2 runs (0.600 of the student weight is there); at x = 1")
            && finding.ends_with("; and 2 more."),
        "{finding}"
    );
}

#[test]
fn groups_that_a_sentence_cannot_bear_are_counted() {
    let folder = folder("groups");
    let mut cells: Vec<Planted> = Vec::new();
    for d in 1..=9 {
        cells.extend(["2", "4", "8"].map(|separation| (vec![d.to_string(), text(separation)], Ok(summary(0.98, 1e-3)))));
    }
    sweep(&folder.path, CONFIG, &["teacher.features", "teacher.separation"], &cells);
    let (finding, _) = page(&folder.path);
    assert!(finding.contains("with d = 6 ") && !finding.contains("with d = 7 ") && finding.contains("; and 3 more"), "{finding}");
}

#[test]
fn noise_that_varies_or_follows_a_schedule_is_told() {
    let folder = folder("noise");
    let told = |noises: [f64; 3], config: &str| {
        let cells: Vec<Planted> = (0..3).map(|i| (vec![i.to_string()], Ok(one_teacher(2, noises[i])))).collect();
        sweep(&folder.path, config, &["noise"], &cells);
        page(&folder.path).1
    };
    let vary = told([0.0, 1.5, 3.0], CONFIG);
    assert!(vary.contains("from 0 to 3: across noises they cannot be compared"));
    assert!(told([2.0; 3], CONFIG).contains("after heat flow of time 2"));
    let plain = told([0.0; 3], CONFIG);
    assert!(!plain.contains("heat flow") && !plain.contains("schedule"));
    let scheduled = format!("{CONFIG}[[sweep.bundles.noise]]\n\"objective.noise\" = {{ from = 9.0, steps = 5 }}\n");
    assert!(told([0.0; 3], &scheduled).contains("Where noise follows a schedule"));
}

#[test]
fn hostile_and_huge_folders_stay_bounded_and_escaped() {
    let hostile = folder("hostile");
    let evil = "<script>alert(1)</script>\u{202e}".repeat(200);
    let mut bad = summary(0.5, 1e300);
    let huge = u64::MAX;
    let wall = json!({"share": -1e300, "low": 2.0, "high": 1e300, "successes": huge, "trials": 1});
    bad["nearest_at_start"] =
        json!({"share": 1e300, "low": -1e300, "high": 1e300, "successes": huge, "trials": 0, "near_wall": wall, "elsewhere": wall});
    bad["reverse_fisher"] = json!([{"value": -1e300, "standard_error": null}, {"value": 0.0, "standard_error": -1e300}]);
    bad["device"] = json!(evil);
    bad["coverage"] = json!([-7.0, 1e300]);
    bad["student_weight_at_teachers"] = json!([[], [1e300]]);
    bad["seconds"] = json!(1e308);
    let cells = vec![
        (vec![evil.clone(), text("1e308")], Ok(bad)),
        (vec![text(""), text("-1e308")], Ok(summary(1.0, 0.0))),
        (vec![text("b"), text("nan")], Err(evil.as_str())),
        (vec![text("b"), text("inf")], Ok(json!([[]]))),
    ];
    let config = "[sweep]\nname = \"<script>alert(1)</script>\"\n[teacher]\n\"<img src=x>\" = \"</pre>\"\n[objective]\nnoise = 1e308\n";
    sweep(&hostile.path, config, &["<svg onload=1>", "x"], &cells);
    let (_, html) = page(&hostile.path);
    let escaped = html.replace("\u{fffd}", "");
    assert!(!escaped.contains("<script") && !escaped.contains("<img") && !escaped.contains("<svg onload"));
    assert!(html.contains("&lt;script&gt;alert(1)") && html.len() < 60_000, "{}", html.len());
    let huge = folder("huge");
    let cells = (0..20_000).map(|i| (vec![(i % 100).to_string(), (i / 100 % 50).to_string(), (i / 5000).to_string()], Ok(Value::Null)));
    let mut cells: Vec<Planted> = cells.collect();
    for cell in cells.iter_mut().step_by(7) {
        cell.1 = Err("no");
    }
    cells[50].1 = Ok(summary(0.5, 1e-3));
    sweep(&huge.path, CONFIG, &["a", "b", "c"], &cells);
    let (_, html) = page(&huge.path);
    assert_harmless(&html);
    assert!(html.len() < 3_000_000, "{}", html.len());
    for word in
        ["The maps show 40 of 100 values of a", "The maps show 12 of 50 values of b", "The first 2000 of 20000", "more; results.csv"]
    {
        assert!(html.contains(word), "{word}");
    }
}

/// A run folder with a final row of each of these values and standard errors.
fn run(folder: &Path, config: &str, rows: &[(f64, f64)]) {
    let replicate = |r: usize| if rows.len() > 1 { format!(",{r}") } else { String::new() };
    let mut text = format!("step,seconds,reverse_fisher,reverse_fisher_se,coverage{}\n", if rows.len() > 1 { ",replicate" } else { "" });
    for step in [0, 10] {
        for (r, (value, error)) in rows.iter().enumerate() {
            let value = if step == 0 { 100.0 } else { *value };
            text += &format!("{step},1,{value},{error},0.5{}\n", replicate(r));
        }
    }
    write(folder.join("metrics.csv"), &text);
    write(folder.join("config.toml"), config);
}

#[test]
fn differences_are_those_of_hand_arithmetic() {
    let place = folder("compare");
    let [a, b, c] = ["a", "b<i>", "c"].map(|name| place.path.join(name));
    let config = |step: &str| format!("seed = 3\n[descent]\nstep_size = {step}\nsteps = 10\n[log]\nevery = 5\n");
    run(&a, &config("0.5"), &[(1.0, 0.3)]);
    run(&b, &config("0.25"), &[(3.0, 0.4)]);
    // Mean 2 and standard deviation 1 of three replicates: 1/√3 is the error of their mean.
    run(&c, &config("0.5"), &[(1.0, 9.0), (2.0, 9.0), (3.0, 9.0)]);
    let comparison = compare(&[&a, &b, &c]).unwrap();
    assert_eq!(comparison.config, [(text("descent.step_size"), ["0.5", "0.25", "0.5"].map(String::from).to_vec())]);
    let line = &comparison.metrics[0];
    assert_eq!((line.metric, line.values[1]), (Metric::ReverseFisher, Some((3.0, 0.4))));
    // (3 − 1)/√(0.3² + 0.4²) = 4, and (2 − 1)/√(0.3² + 1/3) = 1.536 946 6.
    assert!((line.in_errors(1).unwrap() - 4.0).abs() <= 1e-12, "{line:?}"); // rounding
    assert!((line.in_errors(2).unwrap() - 1.536_946_6).abs() <= 1e-6, "{line:?}"); // digits written here
    assert_eq!(line.in_errors(0), None);
    let coverage = comparison.metrics.iter().find(|line| line.metric == Metric::Coverage).unwrap();
    assert_eq!((coverage.values[0].unwrap().0, coverage.in_errors(1)), (0.5, None));
    let output = place.path.join("compare.html");
    comparison.write(&output).unwrap();
    let html = std::fs::read_to_string(output).unwrap();
    assert_harmless(&html);
    assert!(html.contains("<small>+4.0</small>") && html.contains("<td>descent.step_size</td><td>0.5</td><td>0.25</td><td>0.5</td>"));
    assert!(html.contains("b&lt;i&gt;") && !html.contains("<td>descent.steps</td>"));
}

fn mixscore(folder: &Path, line: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mixscore")).args(line.split_whitespace()).current_dir(folder).output().unwrap()
}

#[test]
fn the_verbs_say_what_they_found_or_a_way_out() {
    let place = folder("verbs");
    run(&place.path.join("a"), "seed = 1", &[(1.0, 0.3)]);
    run(&place.path.join("b"), "seed = 2", &[(3.0, 0.4)]);
    sweep(&place.path.join("s"), CONFIG, &["x"], &[(vec![text("1")], Ok(summary(0.5, 1e-3)))]);
    let said = |line: &str, code: i32| {
        let output = mixscore(&place.path, line);
        assert_eq!(output.status.code(), Some(code), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(if code == 0 { output.stdout } else { output.stderr }).unwrap()
    };
    let table = said("compare a b", 0);
    assert!(table.contains("A: a\nB: b") && table.contains("+4.0") && table.contains("seed") && table.contains("compare.html"), "{table}");
    let object: Value = serde_json::from_str(&said("compare a b --json --output c.html", 0)).unwrap();
    assert_eq!((&object["schema"], &object["output"]), (&json!("mixscore.compare/1"), &json!("c.html")));
    assert!((object["metrics"][0]["difference_in_standard_errors"][1].as_f64().unwrap() - 4.0).abs() <= 1e-12); // rounding
    assert_eq!(object["config_differences"], json!({"seed": ["1", "2"]}));
    assert!(place.path.join("c.html").exists() && place.path.join("compare.html").exists());
    assert!(said("compare a", 2).contains("Give 2 to 5"));
    assert!(said("compare a nowhere", 4).contains("no such folder"));
    assert!(said("compare a s", 4).contains("a sweep's folder"));
    said("report s", 0);
    assert!(std::fs::read_to_string(place.path.join("s/report.html")).unwrap().contains("mixscore sweep planted"));
}

#[test]
fn a_sweep_ends_with_its_finding_and_its_page() {
    let place = folder("end");
    let config = "[teacher]\nkind = \"circle\"\ncomponents = 3\n[student]\ncomponents = 3\n[student.start]\nscheme = \"wide\"\n\
                  [objective]\nsamples = 32\n[descent]\nsteps = 2\n[log]\nsamples = 32\n[sweep.grid]\n\"teacher.separation\" = [4, 8]\n";
    write(place.path.join("s.toml"), config);
    let output = mixscore(&place.path, "sweep s.toml --output out --device reference --quiet");
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(
        text.starts_with("With separation = 4: share of students at the teacher nearest at their start")
            && text.contains("95 % intervals")
            && text.contains("Report:  out/report.html"),
        "{text}"
    );
    assert!(std::fs::read_to_string(place.path.join("out/report.html")).unwrap().contains("2 of 2 cells are done"));
}
