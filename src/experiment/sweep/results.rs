//! `results.csv`: one row per cell, with the measurements at its end averaged over the replicates.

use std::path::Path;

use super::design::Design;
use super::folder::turn;
use super::table::{CellState, STATE, state_now};
use crate::error::Result;
use crate::experiment::nearest::Proportion;
use crate::experiment::row::Measurement;
use crate::experiment::summary::Summary;
use crate::metrics::Metric;
use crate::mixture::files::write_atomically;
use crate::objective::groups::Estimate;

/// The last metric of [`Metric::ALL`] that has columns here; later ones are for the last step only, or fractions with an interval.
const LAST: Metric = Metric::Lyapunov;

/// Writes the table of all cells, done or not, from their folders.
pub(crate) fn write(folder: &Path, plan: &Design) -> Result<()> {
    let _turn = turn(folder);
    let mut rows = vec![header(plan)];
    for cell in &plan.cells {
        let (state, summary) = state_now(folder, &cell.hash, &mut 0)?;
        let mut row = [std::slice::from_ref(&cell.hash), &cell.values].concat();
        row.push(state.word().into());
        row.extend(measured(summary.as_ref()));
        row.push(if let CellState::Failed(why) = state { why } else { String::new() });
        rows.push(row);
    }
    write_atomically(&folder.join("results.csv"), |out| {
        let mut writer = csv::Writer::from_writer(out);
        rows.iter().try_for_each(|row| writer.write_record(row))?;
        writer.flush()
    })
}

fn metrics() -> impl Iterator<Item = Metric> {
    Metric::ALL.into_iter().filter(|metric| *metric <= LAST)
}

fn header(plan: &Design) -> Vec<String> {
    let mut header = [&["hash".into()][..], &plan.axes].concat();
    header.extend([STATE, "stop", "steps", "replicates", "seconds"].map(String::from));
    header.extend(metrics().flat_map(|metric| [metric.name().into(), format!("{}_se", metric.name())]));
    header.extend(["", "_low", "_high", "_trials"].map(|part| format!("{}{part}", Metric::NearestAtStart.name())));
    header.push("error".into());
    header
}

/// The columns between state and error; blank if unknown.
fn measured(summary: Option<&Summary>) -> Vec<String> {
    let plain = |number: f64| serde_json::json!(number).to_string();
    let mut row = match summary {
        Some(s) => vec![s.stop.stop.kind().into(), s.steps.to_string(), s.replicates.to_string(), plain(s.seconds)],
        None => vec![String::new(); 4],
    };
    for metric in metrics() {
        let (mean, error) = mean_over_replicates(summary.map_or(&[], |summary| summary.last.get(metric)));
        row.extend([mean, error].map(|number| number.map_or(String::new(), |v| format!("{v:?}"))));
    }
    match summary.and_then(|summary| summary.nearest_at_start) {
        Some(at) => {
            let Proportion { share, low, high, trials, .. } = at.all;
            row.extend([plain(share), plain(low), plain(high), trials.to_string()]);
        }
        None => row.extend(vec![String::new(); 4]),
    }
    row
}

/// The mean of a metric over the replicates and its standard error: from their spread, or the estimate's own if there is one replicate.
/// Unknown if it is unknown for one replicate.
fn mean_over_replicates(replicates: &[Measurement]) -> (Option<f64>, Option<f64>) {
    if let [one] = replicates {
        return (one.value(), one.standard_error());
    }
    let Some(values) = replicates.iter().map(Measurement::value).collect::<Option<Vec<f64>>>().filter(|values| !values.is_empty()) else {
        return (None, None);
    };
    let mean = Estimate::of_mean(&values);
    (Some(mean.value), Some(mean.standard_error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_and_errors_over_replicates() {
        let estimate = |value, standard_error| Measurement::Estimate { value: Some(value), standard_error };
        let (mean, error) = mean_over_replicates(&[1.0, 2.0, 3.0].map(|value| estimate(value, None)));
        assert_eq!(mean, Some(2.0));
        assert!((error.unwrap() - (1.0f64 / 3.0).sqrt()).abs() <= 1e-15); // rounding
        assert_eq!(mean_over_replicates(&[estimate(1.0, Some(0.5))]), (Some(1.0), Some(0.5)));
        assert_eq!(mean_over_replicates(&[Measurement::Exact(Some(0.25))]), (Some(0.25), None));
        assert_eq!(mean_over_replicates(&[0.25, f64::NAN].map(|v| Measurement::Exact(Some(v).filter(|v| v.is_finite())))), (None, None));
        assert_eq!(mean_over_replicates(&[]), (None, None));
    }
}
