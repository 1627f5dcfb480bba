//! The finding in a sentence, and the table of metrics at the start and at the end.

use super::band::n_trials;
use super::bars::Covered;
use super::interval::Interval;
use super::one_gaussian;
use super::run_folder::Run;
use crate::descent::stop::Stop;
use crate::experiment::nearest::{AtNearest, NEAR_WALL, Proportion};
use crate::experiment::summary::Summary;
use crate::metrics::{COVERAGE_RADIUS, Metric, smoothed};
use crate::number::{plus_minus, setting, short};

/// Printed wherever a Fisher divergence is shown.
pub const BLIND: &str = "Both Fisher divergences are blind to the relative weights of separated modes and to missing modes: \
                         read them together with KL, total variation and coverage.";

/// A line of the table.
pub(super) struct Row {
    pub name: String,
    pub unit: &'static str,
    pub first: String,
    pub last: String,
}

/// Every metric that was logged. With replicates: the median and the 5th to the 95th percentile; for fractions the mean and its interval.
pub(super) fn table(run: &Run) -> Vec<Row> {
    let present = Metric::ALL.into_iter().filter(|metric| run.metrics.column(*metric).is_some());
    let named = |metric: Metric| match n_trials(run, metric).filter(|n| n * run.metrics.n_replicates > 1) {
        Some(_) => format!("{} (95 % Wilson interval)", metric.title()),
        None => metric.title().into(),
    };
    present
        .map(|metric| Row { name: named(metric), unit: metric.unit(), first: at_start(run, metric), last: at_end(run, metric) })
        .collect()
}

/// The value at the first logged step that has one.
fn at_start(run: &Run, metric: Metric) -> String {
    cell(run, metric, (0..run.metrics.steps.len()).find(|t| !run.metrics.values(metric, *t).is_empty()))
}

/// The value at the step at which the run ended.
fn at_end(run: &Run, metric: Metric) -> String {
    cell(run, metric, run.end().filter(|t| !run.metrics.values(metric, *t).is_empty()))
}

fn cell(run: &Run, metric: Metric, row: Option<usize>) -> String {
    let Some(t) = row else { return "–".into() };
    let quantile = |share| run.metrics.quantile(metric, t, share).unwrap_or(f64::NAN);
    if let Some(share) = share_at(run, metric, t) {
        return share;
    }
    if run.metrics.n_replicates == 1 {
        return plus_minus(quantile(0.5), run.metrics.standard_error(metric, t).unwrap_or(0.0));
    }
    format!("{} ({} to {})", short(quantile(0.5)), short(quantile(0.05)), short(quantile(0.95)))
}

/// A fraction of yes-or-no items, with its 95 % Wilson interval.
fn share_at(run: &Run, metric: Metric, t: usize) -> Option<String> {
    let shares = run.metrics.values(metric, t);
    let trials = n_trials(run, metric).filter(|n| n * shares.len() > 1)?;
    let i = Interval::of_shares(&shares, trials)?;
    Some(format!("{} ({} to {})", short(i.value), short(i.low), short(i.high)))
}

/// The finding, from the log alone.
pub(super) fn sentence(run: &Run, covered: Option<&Covered>) -> String {
    let steps = run.end().map_or(0.0, |end| run.metrics.steps[end]);
    let forward = run.setting("objective", "divergence").is_some_and(|v| v.as_str() == Some("forward"));
    let (name, metric) = if forward { ("forward", Metric::ForwardFisher) } else { ("reverse", Metric::ReverseFisher) };
    let mut text = run.summary.as_ref().and_then(cut_short).unwrap_or_default();
    text += &format!("In {steps} steps the {name} Fisher divergence went from {} to {}", at_start(run, metric), at_end(run, metric));
    if run.metrics.n_replicates > 1 {
        text += &format!(" (medians of {} replicates, with their 5th to 95th percentiles)", run.metrics.n_replicates);
    }
    if let Some(covered) = covered {
        text += &format!("; {}", coverage(covered));
    }
    if let Some(at) = run.summary.as_ref().and_then(|summary| summary.nearest_at_start) {
        let interval = format!("{} (95 % interval {} to {})", short(at.all.share), short(at.all.low), short(at.all.high));
        text += &format!("; the share of students at the teacher nearest to their start is {interval}");
        text += &at_walls(&at).unwrap_or_default();
    }
    if run.metrics.column(Metric::TotalVariation).is_some() {
        text += &format!("; the total variation to the teacher is {}", at_end(run, Metric::TotalVariation));
    }
    for clause in one_gaussian::clauses(run) {
        text += &format!("; {clause}");
    }
    match run.setting("objective", "noise").and_then(|v| v.as_float().or(v.as_integer().map(|v| v as f64))) {
        Some(noise) if noise > 0.0 => text += &format!(". {}.", smoothed(noise)),
        _ => text += ".",
    }
    for note in run.summary.iter().flat_map(|summary| &summary.notes).take(MOST_NOTES) {
        text += &format!(" Note that {}.", note.chars().take(500).collect::<String>());
    }
    text
}

/// The most notes of a summary in a finding.
const MOST_NOTES: usize = 4;

/// How many teacher components have a student, or how many replicates have one at each, with the interval of the fraction.
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

/// Whether those that ended elsewhere began near a wall; `None` if there are none.
fn at_walls(at: &AtNearest) -> Option<String> {
    let missed = |share: Option<Proportion>| share.map_or((0, 0), |s| (s.trials - s.successes.min(s.trials), s.trials));
    let ((near, of_near), (far, of_far)) = (missed(at.near_wall), missed(at.elsewhere));
    (near + far > 0).then(|| {
        format!(
            " (elsewhere ended {near} of the {of_near} that started within {NEAR_WALL}σ of a wall between the cells of two teacher means, \
             and {far} of the {of_far} others)"
        )
    })
}

/// Why the run was cut short, if it was.
fn cut_short(summary: &Summary) -> Option<String> {
    let reason: String = summary.stop.sentence.chars().take(500).collect();
    match summary.stop.stop {
        Stop::NonFinite { .. } => Some(format!("The run diverged: {reason}. Try a smaller step. Up to there: ")),
        Stop::Diverged { .. } => Some(format!("The run failed: {reason}. Up to that state: ")),
        Stop::Interrupted { .. } => Some(format!("The run is not finished: {reason}; it can be resumed. So far: ")),
        _ => None,
    }
}

/// Name and value of each fact about the run, from summary, environment and config.
pub(super) fn facts(run: &Run) -> Vec<(String, String)> {
    let mut facts: Vec<(String, String)> = Vec::new();
    let mut add = |name: &str, value: Option<String>| facts.extend(value.map(|v| (name.to_string(), v)));
    if let Some(summary) = &run.summary {
        add("Stopped because", Some(summary.stop.sentence.clone()));
        add("Device", summary.device.clone());
        add("Steps", Some(summary.steps.to_string()));
        add("Time", Some(format!("{} s", short(summary.seconds))));
        add("Samples per second", summary.samples_per_second.map(short));
    }
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

/// For example "reverse Fisher divergence; estimator auto: stein+score-function, sampler sobol, 256 samples per component".
fn objective(run: &Run) -> Option<String> {
    let setting = |key: &str| run.setting("objective", key).map(setting);
    let mut words = format!("{} Fisher divergence", setting("divergence")?);
    if let Some(asked) = setting("estimator") {
        let used = run.summary.as_ref().map(|summary| &summary.estimator_used).filter(|used| **used != asked);
        words += &format!("; estimator {asked}{}", used.map_or(String::new(), |used| format!(": {used}")));
    }
    // A sampler in a run's config is the one in use, because `auto` is resolved before it is written.
    words += &setting("sampler").map(|sampler| format!(", sampler {sampler}")).unwrap_or_default();
    words += &setting("samples").map(|n| format!(", {n} samples per component")).unwrap_or_default();
    words += &setting("noise").filter(|noise| noise != "0").map(|t| format!(", noise {t}")).unwrap_or_default();
    Some(words)
}

/// For example "1 component", "5 components".
fn counted(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}
