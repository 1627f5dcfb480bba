//! The finding in a sentence, and the table of metrics at the start and at the end.

use serde_json::Value;

use super::band::trials;
use super::bars::Covered;
use super::interval::Interval;
use super::one_gaussian;
use super::run_folder::Run;
use crate::experiment::nearest::NEAR_WALL;
use crate::metrics::{COVERAGE_RADIUS, smoothed};
use crate::number::{plus_minus, setting, short};

/// Said wherever a Fisher divergence is shown.
pub const BLIND: &str = "Both Fisher divergences are blind to the relative weights of separated modes and to missing modes: \
                         read them together with KL, total variation and coverage.";

/// Metric, column, unit.
pub const METRICS: [(&str, &str, &str); 11] = [
    ("Reverse Fisher divergence", "reverse_fisher", "1/unit²"),
    ("Forward Fisher divergence", "forward_fisher", "1/unit²"),
    ("KL(student ‖ teacher)", "kl_student_teacher", "nat"),
    ("KL(teacher ‖ student)", "kl_teacher_student", "nat"),
    ("Total variation", "total_variation", "share"),
    ("Coverage", "coverage", "share"),
    ("Distance of matched means", "matched_distance", "unit"),
    ("Ended at the teacher nearest at the start", "nearest_at_start", "share"),
    ("Lyapunov sum", "lyapunov", "unit²"),
    ("Movement per step", "movement", "unit"),
    ("Gradient norm", "gradient_norm", "1/unit³"),
];

/// A line of the table.
pub struct Row {
    pub name: String,
    pub unit: &'static str,
    pub first: String,
    pub last: String,
}

/// Every metric that was logged. With replicates: the median and the 5th to the 95th percentile; of shares the mean and its interval.
pub fn table(run: &Run) -> Vec<Row> {
    let present = METRICS.iter().filter(|(_, column, _)| run.metrics.column(column).is_some());
    let named = |name: &str, column: &str| match trials(run, column).filter(|n| n * run.metrics.n_replicates > 1) {
        Some(_) => format!("{name} (95 % Wilson interval)"),
        None => name.into(),
    };
    present
        .map(|(name, column, unit)| Row { name: named(name, column), unit, first: at_start(run, column), last: at_end(run, column) })
        .collect()
}

fn at_start(run: &Run, column: &str) -> String {
    cell(run, column, (0..run.metrics.steps.len()).find(|t| run.metrics.quantile(column, *t, 0.5).is_some()))
}

/// The summary's estimate where it has one, else the last one logged.
fn at_end(run: &Run, column: &str) -> String {
    let summary = [&run.summary, &run.summary["final"], &run.summary["metrics"]].into_iter().map(|v| &v[column]).find(|v| v.is_object());
    let numbers = summary.and_then(|v| Some((v["value"].as_f64()?, v["standard_error"].as_f64().unwrap_or(0.0))));
    match numbers.filter(|_| run.metrics.n_replicates == 1) {
        Some((value, error)) => plus_minus(value, error),
        None => cell(run, column, (0..run.metrics.steps.len()).rev().find(|t| run.metrics.quantile(column, *t, 0.5).is_some())),
    }
}

fn cell(run: &Run, column: &str, row: Option<usize>) -> String {
    let Some(t) = row else { return "–".into() };
    let quantile = |share| run.metrics.quantile(column, t, share).unwrap_or(f64::NAN);
    if let Some(share) = share_at(run, column, t) {
        return share;
    }
    if run.metrics.n_replicates == 1 {
        let error = run.metrics.quantile(&format!("{column}_se"), t, 0.5).unwrap_or(0.0);
        return plus_minus(quantile(0.5), error);
    }
    format!("{} ({} to {})", short(quantile(0.5)), short(quantile(0.05)), short(quantile(0.95)))
}

/// A share of things that are or are not so, with its 95 % Wilson interval.
fn share_at(run: &Run, column: &str, t: usize) -> Option<String> {
    let shares: Vec<f64> = run.metrics.column(column)?.iter().map(|r| r[t]).filter(|v| v.is_finite()).collect();
    let trials = trials(run, column).filter(|n| n * shares.len() > 1)?;
    let i = Interval::of_shares(&shares, trials)?;
    Some(format!("{} ({} to {})", short(i.value), short(i.low), short(i.high)))
}

/// The finding, from the log alone.
pub fn sentence(run: &Run, covered: Option<&Covered>) -> String {
    let steps = run.metrics.steps.last().copied().unwrap_or(0.0);
    let forward = run.setting("objective", "divergence").is_some_and(|v| v.as_str() == Some("forward"));
    let (name, column) = if forward { ("forward", "forward_fisher") } else { ("reverse", "reverse_fisher") };
    let mut text = cut_short(&run.summary).unwrap_or_default();
    text += &format!("In {steps} steps the {name} Fisher divergence went from {} to {}", at_start(run, column), at_end(run, column));
    if run.metrics.n_replicates > 1 {
        text += &format!(" (medians of {} replicates, with their 5th to 95th percentiles)", run.metrics.n_replicates);
    }
    if let Some(covered) = covered {
        text += &format!("; {}", coverage(covered));
    }
    if let Some((share, low, high)) = at_nearest(&run.summary) {
        let interval = format!("{} (95 % interval {} to {})", short(share), short(low), short(high));
        text += &format!("; the share of students at the teacher nearest to their start is {interval}");
        text += &at_walls(&run.summary["nearest_at_start"]).unwrap_or_default();
    }
    if run.metrics.column("total_variation").is_some() {
        text += &format!("; the total variation to the teacher is {}", at_end(run, "total_variation"));
    }
    for clause in one_gaussian::clauses(run) {
        text += &format!("; {clause}");
    }
    match run.setting("objective", "noise").and_then(|v| v.as_float().or(v.as_integer().map(|v| v as f64))) {
        Some(noise) if noise > 0.0 => text + ". " + &smoothed(noise) + ".",
        _ => text + ".",
    }
}

/// How many teacher components have a student, or how many replicates one at each, with the interval of the share.
fn coverage(covered: &Covered) -> String {
    let (n, r) = (covered.student_weight.len(), covered.shares.len());
    let interval = |shares: &[f64], trials: usize, of: &str| {
        let interval = Interval::of_shares(shares, trials).filter(|_| shares.len() * trials > 1);
        interval.map_or(String::new(), |i| format!(" (95 % interval of {of} {} to {})", short(i.low), short(i.high)))
    };
    match (r, n) {
        (1, 1) if covered.complete == 1 => format!("a student is within {COVERAGE_RADIUS}σ of the teacher’s mean"),
        (1, 1) => format!("no student is within {COVERAGE_RADIUS}σ of the teacher’s mean"),
        (1, _) => {
            let covered_share = covered.shares[0];
            format!(
                "{:.0} of {n} teacher components have a student within {COVERAGE_RADIUS}σ{}",
                covered_share * n as f64,
                interval(&covered.shares, n, "the share")
            )
        }
        _ => {
            let complete = covered.complete as f64 / r as f64;
            format!(
                "{} of {r} replicates have a student within {COVERAGE_RADIUS}σ of {}{}",
                covered.complete,
                if n == 1 { "the teacher’s mean".into() } else { format!("each of the {n} teacher components") },
                interval(&[complete], r, "the share")
            )
        }
    }
}

/// The share of students within the coverage radius of the teacher mean that was nearest at their start, with its Wilson interval.
fn at_nearest(summary: &Value) -> Option<(f64, f64, f64)> {
    let share = &summary["nearest_at_start"];
    Some((share["share"].as_f64()?, share["low"].as_f64()?, share["high"].as_f64()?))
}

/// Whether those that ended elsewhere began near a wall; nothing where none did.
fn at_walls(share: &Value) -> Option<String> {
    let count = |which: &str| {
        let [hits, trials] = ["successes", "trials"].map(|name| share[which][name].as_u64().unwrap_or(0));
        (trials - hits.min(trials), trials)
    };
    let ((near, of_near), (far, of_far)) = (count("near_wall"), count("elsewhere"));
    (near + far > 0).then(|| {
        format!(
            " (elsewhere ended {near} of the {of_near} that started within {NEAR_WALL}σ of a wall between the cells of two teacher means, \
             and {far} of the {of_far} others)"
        )
    })
}

/// Why the run is not what it was meant to be, where it is not.
fn cut_short(summary: &Value) -> Option<String> {
    let reason: String = stop(summary)?.chars().take(500).collect();
    match summary["stop"]["kind"].as_str() {
        Some("non-finite") => Some(format!("The run diverged: {reason}. Try a smaller step. Up to there: ")),
        Some("interrupted") => Some(format!("The run is not finished: {reason}; it can be resumed. So far: ")),
        _ => None,
    }
}

/// What was run: name and value, from summary, environment and config.
pub fn facts(run: &Run) -> Vec<(String, String)> {
    let mut facts: Vec<(String, String)> = Vec::new();
    let mut add = |name: &str, value: Option<String>| facts.extend(value.map(|v| (name.to_string(), v)));
    add("Stopped because", stop(&run.summary));
    add("Device", plain(&run.summary["device"]).or_else(|| plain(&run.environment["device"])));
    add("Steps", plain(&run.summary["steps"]));
    add("Time", run.summary["seconds"].as_f64().map(|s| format!("{} s", short(s))));
    add("Samples per second", run.summary["samples_per_second"].as_f64().map(short));
    add("Replicates", (run.metrics.n_replicates > 1).then(|| run.metrics.n_replicates.to_string()));
    if let Some(teacher) = &run.teacher {
        let shape = format!(
            "{} in {}, variance {}",
            counted(teacher.n_components(), "component"),
            counted(teacher.n_features(), "dimension"),
            short(teacher.variance())
        );
        add("Teacher", Some(shape));
    }
    add("Student", run.student.as_ref().or(run.initial.as_ref()).map(|s| counted(s.weights.len(), "component")));
    add("Objective", objective(run));
    let step = run.setting("descent", "step_size").map(|v| {
        let by_weight = run.setting("descent", "divide_by_weight").and_then(toml::Value::as_bool).unwrap_or(true);
        format!("{}, on ∂L/∂μᵢ{}", setting(v), if by_weight { " / wᵢ" } else { "" })
    });
    add("Step size", step);
    add("Seed", run.config.as_ref().and_then(|c| c.get("seed")).map(setting));
    facts
}

/// As "reverse Fisher divergence; estimator auto: stein+score-function, sampler sobol, 256 samples per component".
fn objective(run: &Run) -> Option<String> {
    let setting = |key: &str| run.setting("objective", key).map(setting);
    let mut words = format!("{} Fisher divergence", setting("divergence")?);
    for (key, separator) in [("estimator", "; "), ("sampler", ", ")] {
        let used = |asked: String| match plain(&run.summary[format!("{key}_used")]).filter(|used| *used != asked) {
            Some(used) => format!("{separator}{key} {asked}: {used}"),
            None => format!("{separator}{key} {asked}"),
        };
        words += &setting(key).map(used).unwrap_or_default();
    }
    words += &setting("samples").map(|n| format!(", {n} samples per component")).unwrap_or_default();
    words += &setting("noise").filter(|noise| noise != "0").map(|t| format!(", noise {t}")).unwrap_or_default();
    Some(words)
}

/// As "1 component", "5 components".
fn counted(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// A scalar as text.
pub fn plain(v: &Value) -> Option<String> {
    match v {
        Value::String(s) => Some(s.clone()),
        Value::Number(n) => Some(n.to_string()),
        Value::Bool(b) => Some(b.to_string()),
        _ => None,
    }
}

/// `stop` is a sentence, or an object that has one beside its kind and numbers.
fn stop(summary: &Value) -> Option<String> {
    let stop = &summary["stop"];
    let sentence = ["sentence", "message", "reason"].iter().find_map(|key| plain(&stop[*key]));
    let extra = ["stop_sentence", "stop_reason", "sentence"].iter().find_map(|key| plain(&summary[*key]));
    extra.or(sentence).or_else(|| plain(stop)).or_else(|| plain(&stop["kind"]))
}
