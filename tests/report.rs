//! The report page: made of a folder alone, closed to the network, harmless whatever the folder holds.
//! `KEEP_REPORTS=DIR` keeps the folders, to look at the pages.

mod common;

use std::fmt::Write as _;
use std::path::Path;

use common::{assert_harmless, folder, unbalanced};
use mixscore::backend::Rule;
use mixscore::mixture::files::{Values, write_mixture, write_npz};
use mixscore::reference::Reference;
use mixscore::report::write_run;
use mixscore::{Error, GaussianMixture, Problem, metrics};
use serde_json::json;

/// A small real descent, and the run folder that tells of it.
fn descend(folder: &Path, teacher: &GaussianMixture, starts: &[f64], k: usize, n_replicates: usize, steps: u64) {
    let d = teacher.n_features();
    let weights = vec![1.0 / k as f64; k];
    let problem = Problem { n_samples: Some(64), ..Problem::new(weights.clone(), teacher.clone()) };
    let mut backend = Reference;
    let mut fit = problem.open(&mut backend, starts).unwrap();
    let rule = Rule::new(0.5, true);
    let replicate_column = if n_replicates > 1 { "replicate," } else { "" };
    let mut csv = format!(
        "step,seconds,reverse_fisher,reverse_fisher_se,{replicate_column}forward_fisher,forward_fisher_se,kl_student_teacher,\
         kl_student_teacher_se,kl_teacher_student,kl_teacher_student_se,total_variation,total_variation_se,coverage,lyapunov\n"
    );
    let (mut path_steps, mut path) = (Vec::new(), Vec::new());
    let (mut step, mut next) = (0, 1);
    loop {
        let means = fit.means().unwrap();
        path_steps.push(step as i64);
        path.extend_from_slice(&means);
        for (r, (m, means)) in fit.measure(256, step).unwrap().iter().zip(means.chunks_exact(k * d)).enumerate() {
            let replicate = if n_replicates > 1 { format!("{r},") } else { String::new() };
            let pair = |e: mixscore::objective::Estimate| format!("{},{}", e.value, e.standard_error);
            let coverage = metrics::coverage(teacher, means, &weights).unwrap().share;
            let lyapunov = metrics::lyapunov(teacher, means, Some(&weights)).unwrap().map_or(String::new(), |v| v.to_string());
            let (kl, back) = (pair(m.kl_student_teacher), pair(m.kl_teacher_student));
            let (reverse, forward, tv) = (pair(m.reverse_fisher), pair(m.forward_fisher), pair(m.total_variation));
            writeln!(csv, "{step},{:.3},{reverse},{replicate}{forward},{kl},{back},{tv},{coverage},{lyapunov}", step as f64 * 0.01)
                .unwrap();
        }
        if step == steps {
            break;
        }
        fit.descend(step, next - step, &rule).unwrap();
        (step, next) = (next, (next + 1 + next / 8).min(steps));
    }
    let shape = if n_replicates > 1 { vec![n_replicates, k, d] } else { vec![k, d] };
    let path_shape: Vec<usize> = [path_steps.len()].into_iter().chain(shape.iter().copied()).collect();
    write_mixture(&folder.join("teacher.npz"), teacher).unwrap();
    for (name, means) in [("initial.npz", starts), ("student.npz", &path[path.len() - starts.len()..])] {
        write_npz(&folder.join(name), &[("means", &shape, Values::F64(means)), ("weights", &[k], Values::F64(&weights))]).unwrap();
    }
    let arrays = [("step", &[path_steps.len()][..], Values::I64(&path_steps)), ("means", &path_shape, Values::F64(&path))];
    write_npz(&folder.join("trajectory.npz"), &arrays).unwrap();
    std::fs::write(folder.join("metrics.csv"), csv).unwrap();
    let config = format!(
        "seed = 0\nreplicates = {n_replicates}\n[teacher]\nfile = \"teacher.npz\"\n[student]\nfile = \"start.npz\"\n[objective]\n\
         divergence = \"reverse\"\nestimator = \"auto\"\nsampler = \"auto\"\nsamples = 64\nnoise = 0.0\n[descent]\nstep_size = 0.5\n\
         divide_by_weight = true\nsteps = {steps}\n"
    );
    std::fs::write(folder.join("config.toml"), config).unwrap();
    let stop = json!({"kind": "max-steps", "steps": steps, "sentence": format!("all {steps} steps were made")});
    let summary = common::summary(json!({"stop": stop, "steps": steps, "device": "reference", "samples_per_second": 123456.0}));
    std::fs::write(folder.join("summary.json"), summary.to_string()).unwrap();
    std::fs::write(folder.join("environment.json"), "{\"version\": \"0.1.0\"}").unwrap();
}

/// Five teachers on a circle of neighbours 6 apart, and 20 students from afar.
fn circle(d: usize) -> GaussianMixture {
    let radius = 3.0 / (std::f64::consts::PI / 5.0).sin();
    let angle = |j: usize| j as f64 * 2.0 * std::f64::consts::PI / 5.0;
    let means = (0..5).flat_map(|j| (0..d).map(move |c| [angle(j).cos(), angle(j).sin()].get(c).map_or(0.0, |v| radius * v))).collect();
    GaussianMixture::uniform(means, d).unwrap()
}

fn page(folder: &Path) -> String {
    write_run(folder).unwrap();
    std::fs::read_to_string(folder.join("report.html")).unwrap()
}

#[test]
fn the_check_of_pages_notices_faults() {
    assert_eq!(unbalanced("<p>a</p>"), None);
    assert!(unbalanced("<p><b>a</p></b>").is_some());
    assert!(unbalanced("<p>a").is_some());
    assert!(std::panic::catch_unwind(|| assert_harmless("<script>1</script>")).is_err());
    assert!(std::panic::catch_unwind(|| assert_harmless("<a>http://example.org</a>")).is_err());
}

#[test]
fn a_run_in_the_plane_shows_paths_coverage_and_losses() {
    let folder = folder("plane");
    let starts: Vec<f64> = common::scattered(40, 3).iter().map(|v| 9.0 * v).collect();
    descend(&folder.path, &circle(2), &starts, 20, 1, 300);
    let html = page(&folder.path);
    assert_harmless(&html);
    assert_eq!(html.matches("<svg ").count(), 5);
    for word in [
        "In 300 steps the reverse Fisher divergence went from",
        "5 teacher components have a student",
        "blind",
        "all 300 steps were made",
        "step, on a scale of log(1 + step)",
        "95 % interval of the share",
    ] {
        assert!(html.contains(word), "{word}");
    }
    assert_eq!(html, page(&folder.path), "the same folder gives the same page");
}

#[test]
fn replicates_in_ten_dimensions_have_bands_and_a_principal_plane() {
    let folder = folder("replicates");
    let starts: Vec<f64> = common::scattered(6 * 10 * 10, 4).iter().map(|v| 6.0 * v).collect();
    descend(&folder.path, &circle(10), &starts, 10, 6, 60);
    let html = page(&folder.path);
    assert_harmless(&html);
    for word in ["medians of 6 replicates", "principal direction", "of 6 replicates have a student", "first of 6 replicates"] {
        assert!(html.contains(word), "{word}");
    }
}

#[test]
fn one_gaussian_teacher_has_its_lyapunov_sum_and_predicted_tail() {
    let folder = folder("one-gaussian");
    let teacher = GaussianMixture::uniform(vec![1.0], 1).unwrap();
    descend(&folder.path, &teacher, &[6.0, -4.0, 0.5, 3.0], 4, 1, 600);
    let html = page(&folder.path);
    assert_harmless(&html);
    for word in ["the Lyapunov sum rose at none of", "times the predicted tail", "with ϱ = 1 and c = 0.5"] {
        assert!(html.contains(word), "{word}");
    }
}

#[test]
fn a_lyapunov_sum_that_rises_is_told() {
    let folder = folder("rises");
    std::fs::write(folder.path.join("metrics.csv"), "step,reverse_fisher,lyapunov\n0,5,4\n10,1,2\n20,1,3\n30,1,3\n").unwrap();
    assert!(page(&folder.path).contains("the Lyapunov sum rose at 1 of 3 logged steps, by 50 % at the most"));
    std::fs::write(folder.path.join("metrics.csv"), "step,reverse_fisher,lyapunov\n0,5,4\n10,1,\n20,1,3\n").unwrap();
    assert!(!page(&folder.path).contains("logged steps"), "a blank says nothing");
}

#[test]
fn a_diverged_run_shows_what_is_sensible_and_says_so() {
    let folder = folder("diverged");
    let starts: Vec<f64> = common::scattered(12, 5).iter().map(|v| 9.0 * v).collect();
    descend(&folder.path, &circle(2), &starts, 6, 1, 10);
    let before = page(&folder.path);
    assert!(!before.contains("leave the picture"));
    // The first mean flies off by a factor of 1000 a step.
    let (n_steps, k) = (13, 6);
    let steps: Vec<i64> = (0..n_steps).collect();
    let row = |t: i64| starts.iter().enumerate().map(move |(i, v)| if i < 2 { v * 1e3f64.powi(t as i32) } else { *v });
    let means: Vec<f64> = (0..n_steps).flat_map(row).collect();
    let arrays = [("step", &[n_steps as usize][..], Values::I64(&steps)), ("means", &[n_steps as usize, k, 2][..], Values::F64(&means))];
    write_npz(&folder.path.join("trajectory.npz"), &arrays).unwrap();
    let html = page(&folder.path);
    assert_harmless(&html);
    let farthest = (starts[0].hypot(starts[1]).log10() + 36.0).floor() as i32;
    let power: String = farthest.to_string().chars().map(|c| "⁰¹²³⁴⁵⁶⁷⁸⁹".chars().nth(c as usize - '0' as usize).unwrap()).collect();
    assert!(html.contains("1 of the 6 paths leave the picture, as far as") && html.contains(&format!("·10{power} from")), "10{power}");
    // The axes are those of the starts and the teacher: tens, not powers of ten.
    let paths = html.split("Paths of the means").nth(1).unwrap().split("</svg>").next().unwrap();
    assert!(!paths.contains("10³") && paths.contains("10\n"), "{paths}");
}

#[test]
fn numbers_not_told_from_zero_are_bounds() {
    let folder = folder("bounds");
    let rows = "0,0,5,0.1\n10,1,0.5,0.05\n100,2,0.001,0.002\n200,3,-0.001,0.001\n";
    std::fs::write(folder.path.join("metrics.csv"), format!("step,seconds,kl_student_teacher,kl_student_teacher_se\n{rows}")).unwrap();
    let html = page(&folder.path);
    assert_harmless(&html);
    assert!(html.contains("A bar with an arrow down: within 2 standard errors of zero"));
    // Above zero everywhere: no bars, and no words for them.
    std::fs::write(folder.path.join("metrics.csv"), "step,seconds,kl_student_teacher,kl_student_teacher_se\n0,0,5,0.1\n9,1,1,0.1\n")
        .unwrap();
    assert!(!page(&folder.path).contains("arrow down"));
}

#[test]
fn what_is_missing_or_broken_drops_its_part_only() {
    let folder = folder("broken");
    let starts: Vec<f64> = common::scattered(12, 5).iter().map(|v| 9.0 * v).collect();
    descend(&folder.path, &circle(2), &starts, 6, 1, 10);
    let whole = page(&folder.path).matches("<svg ").count();
    std::fs::write(folder.path.join("trajectory.npz"), b"PK\x03\x04 nothing").unwrap();
    std::fs::write(folder.path.join("summary.json"), "{").unwrap();
    let html = page(&folder.path);
    assert_harmless(&html);
    assert!(html.contains("left out: ") && html.contains("trajectory.npz") && html.contains("straight lines"));
    for name in ["teacher.npz", "config.toml", "summary.json", "environment.json", "initial.npz"] {
        std::fs::remove_file(folder.path.join(name)).unwrap();
    }
    let html = page(&folder.path);
    assert_harmless(&html);
    assert_eq!(html.matches("<svg ").count(), whole - 2, "paths and coverage need the teacher");
}

#[test]
fn text_of_the_folder_is_escaped() {
    let folder = folder("<b>&'quoted'");
    std::fs::write(folder.path.join("metrics.csv"), "step,seconds,reverse_fisher,reverse_fisher_se\n0,0,1,0.1\n5,1,0.5,0.05\n").unwrap();
    std::fs::write(folder.path.join("config.toml"), "name = \"<script>alert(1)</script>\"").unwrap();
    let stop = json!({"kind": "max-steps", "steps": 5, "sentence": "\u{202e}gnorw<img src=x onerror=1>"});
    let summary = common::summary(json!({"stop": stop, "device": "<script>"}));
    std::fs::write(folder.path.join("summary.json"), summary.to_string()).unwrap();
    std::fs::write(folder.path.join("environment.json"), r#"{"version": "<svg onload=1>", "command_line": ["", "</dd>"]}"#).unwrap();
    write_run(&folder.path).unwrap();
    let html = std::fs::read_to_string(folder.path.join("report.html")).unwrap();
    assert_eq!(unbalanced(&html), None);
    for raw in ["<script", "<img", "<svg onload", "<b>", "\u{202e}"] {
        assert!(!html.contains(raw), "{raw}");
    }
    assert!(html.contains("&lt;script&gt;alert(1)") && html.contains("&lt;b&gt;&amp;'quoted"));
}

#[test]
fn hostile_metrics_are_refused_or_drawn_without_harm() {
    let folder = folder("hostile");
    let metrics = folder.path.join("metrics.csv");
    let refused: [&[u8]; 6] =
        [b"", b"seconds,reverse_fisher\n0,1\n", b"step,x\nfirst,1\n", b"step,x\n-1,1\n", b"step,x\n1,2,3\n", b"step,x\n0,\xff\n"];
    for bytes in refused {
        std::fs::write(&metrics, bytes).unwrap();
        let error = write_run(&folder.path).expect_err(&String::from_utf8_lossy(bytes));
        assert!(matches!(error, Error::BadFile { .. }), "{error}");
        assert!(!folder.path.join("report.html").exists());
    }
    let diagonal: String = (0..4000).map(|i| format!("{i},{i},1\n")).collect();
    std::fs::write(&metrics, format!("step,replicate,reverse_fisher\n{diagonal}")).unwrap();
    assert!(write_run(&folder.path).is_err(), "a table far larger than its rows");
    let drawn = [
        "0,NaN,inf\n1,-inf,1e308\n2,1e308,1e308\n18446744073709551615,1e-308,0\n",
        "0,0,0\n0,0,0\n",
        "",
        "7,1e400,-1\n",
        "0,1,1e300\n1,1,1\n",
        "0,-1,1\n5,-2,1\n",
    ];
    for rows in drawn {
        std::fs::write(&metrics, format!("step,reverse_fisher,reverse_fisher_se\n{rows}")).unwrap();
        assert_harmless(&page(&folder.path));
    }
}

#[test]
fn a_folder_that_is_no_run_is_refused() {
    let folder = folder("empty");
    assert!(matches!(write_run(&folder.path), Err(Error::BadFile { .. })));
    assert!(matches!(write_run(&folder.path.join("nowhere")), Err(Error::BadFile { .. })));
    std::fs::create_dir(folder.path.join("metrics.csv")).ok();
    assert!(matches!(write_run(&folder.path), Err(Error::BadFile { .. })));
}
