//! What a chart shows of a metric at a logged step: a number and the ends of its band.

use super::interval::Interval;
use super::run_folder::Run;
use crate::metrics::Metric;

/// Half-widths of a band around a single run, in standard errors.
const HALF_WIDTH: f64 = 2.0;

/// The fraction of replicates below the lower end of a band, and above its upper end.
const TAIL: f64 = 0.05;

/// For one run its value ± 2 standard errors; for replicates their median and 5th to 95th percentiles; for fractions of yes-or-no items in
/// each replicate, their mean and its Wilson interval. `None` if there is no number.
pub(super) fn band(run: &Run, metric: Metric, t: usize) -> Option<Interval> {
    let metrics = &run.metrics;
    if metrics.n_replicates == 1 {
        let value = metrics.quantile(metric, t, 0.5)?;
        let half = metrics.standard_error(metric, t).map_or(0.0, |error| HALF_WIDTH * error);
        return Some(Interval { value, low: value - half, high: value + half });
    }
    if let Some(trials) = n_trials(run, metric) {
        return Interval::of_shares(&metrics.values(metric, t), trials);
    }
    let quantile = |share| metrics.quantile(metric, t, share);
    Some(Interval { value: quantile(0.5)?, low: quantile(TAIL)?, high: quantile(1.0 - TAIL)? })
}

/// The number of yes-or-no items in each replicate behind a fraction; `None` if the metric is no such fraction, or the number is not in the
/// folder.
pub(super) fn n_trials(run: &Run, metric: Metric) -> Option<usize> {
    match metric {
        Metric::Coverage => run.teacher.as_ref().map(|teacher| teacher.n_components()),
        Metric::NearestAtStart => run.initial.as_ref().or(run.student.as_ref()).map(|students| students.weights.len()),
        _ => None,
    }
}

/// What the bands show, in words.
pub(super) fn words(run: &Run) -> String {
    match run.metrics.n_replicates {
        1 => "Bands: ± 2 standard errors.".into(),
        r => format!("Thick lines: medians of {r} replicates; bands: their 5th to 95th percentiles; thin lines: single replicates."),
    }
}

/// What a bar with an arrow down means, in words.
pub(super) fn bound_words(run: &Run) -> &'static str {
    match run.metrics.n_replicates {
        1 => " A bar with an arrow down: within 2 standard errors of zero, and the bar is value + 2 standard errors.",
        _ => " A bar with an arrow down: some of the middle 90 % of replicates are at zero or below, and the bar is their 95th percentile.",
    }
}
