//! `results.csv`: one row per cell, with what was measured at its end averaged over the replicates.

use std::path::Path;

use serde_json::Value;

use super::design::Design;
use super::folder::turn;
use super::table::{CellState, STATE, state};
use crate::error::Result;
use crate::experiment::row::ESTIMATES;
use crate::mixture::files::write_atomically;

/// Metrics without a standard error of their own.
const PLAIN: [&str; 3] = ["coverage", "matched_distance", "lyapunov"];

/// Writes the table of all cells, done or not, from what their folders say.
///
/// # Errors
/// [`Error::Io`].
pub fn write(folder: &Path, plan: &Design) -> Result<()> {
    let _turn = turn(folder);
    let mut rows = vec![header(plan)];
    for cell in &plan.cells {
        let (state, summary) = state(folder, &cell.hash, &mut 0)?;
        let mut row = vec![cell.hash.clone()];
        row.extend_from_slice(&cell.values);
        row.extend(measured(&state, &summary));
        rows.push(row);
    }
    write_atomically(&folder.join("results.csv"), |out| {
        let mut writer = csv::Writer::from_writer(out);
        rows.iter().try_for_each(|row| writer.write_record(row))?;
        writer.flush()
    })
}

fn header(plan: &Design) -> Vec<String> {
    let mut header = vec!["hash".to_string()];
    header.extend_from_slice(&plan.axes);
    header.extend([STATE, "stop", "steps", "replicates", "seconds"].map(String::from));
    for name in ESTIMATES.iter().chain(&PLAIN) {
        header.extend([name.to_string(), format!("{name}_se")]);
    }
    header.extend(
        ["nearest_at_start", "nearest_at_start_low", "nearest_at_start_high", "nearest_at_start_trials", "error"].map(String::from),
    );
    header
}

/// The cells of a row from the state on; blank where nothing is known.
fn measured(state: &CellState, summary: &Value) -> Vec<String> {
    let text = |pointer: &str| match summary.pointer(pointer) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    };
    let mut row = vec![state.word().into(), text("/stop/kind"), text("/steps"), text("/replicates"), text("/seconds")];
    for name in ESTIMATES.iter().chain(&PLAIN) {
        let (mean, error) = mean_over_replicates(summary.get(name).unwrap_or(&Value::Null));
        row.extend([mean, error].map(|number| number.map_or(String::new(), |v| format!("{v:?}"))));
    }
    row.extend(["share", "low", "high", "trials"].map(|name| text(&format!("/nearest_at_start/{name}"))));
    row.push(if let CellState::Failed(why) = state { why.clone() } else { String::new() });
    row
}

/// The mean of a metric over the replicates and its standard error: from their spread, or the estimate's own where there is one
/// replicate. Unknown as soon as one replicate's is.
fn mean_over_replicates(metric: &Value) -> (Option<f64>, Option<f64>) {
    let value = |entry: &Value| entry.as_f64().or_else(|| entry.get("value")?.as_f64());
    let Value::Array(replicates) = metric else {
        return (value(metric), metric.get("standard_error").and_then(Value::as_f64));
    };
    let Some(values) = replicates.iter().map(value).collect::<Option<Vec<f64>>>().filter(|values| values.len() > 1) else {
        return (None, None);
    };
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / (n - 1.0);
    (Some(mean), Some((variance / n).sqrt()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn means_and_errors_over_replicates() {
        let (mean, error) = mean_over_replicates(&json!([{"value": 1.0}, {"value": 2.0}, {"value": 3.0}]));
        assert_eq!(mean, Some(2.0));
        assert!((error.unwrap() - (1.0f64 / 3.0).sqrt()).abs() <= 1e-15); // rounding
        assert_eq!(mean_over_replicates(&json!({"value": 1.0, "standard_error": 0.5})), (Some(1.0), Some(0.5)));
        assert_eq!(mean_over_replicates(&json!(0.25)), (Some(0.25), None));
        assert_eq!(mean_over_replicates(&json!([0.25, null])), (None, None));
        assert_eq!(mean_over_replicates(&Value::Null), (None, None));
    }
}
