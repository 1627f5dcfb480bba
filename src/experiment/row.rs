//! One row of `metrics.csv`: the measurements of one replicate at one logged step.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::metrics::Metric;
use crate::objective::groups::Estimate;
use crate::problem::fit::Divergences;

/// The measurement of one metric.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Measurement {
    Estimate {
        value: Option<f64>,
        standard_error: Option<f64>,
    },
    /// A number without a standard error.
    Exact(Option<f64>),
}

impl Measurement {
    /// Not measured yet.
    fn blank(metric: Metric) -> Measurement {
        if metric.has_standard_error() { Measurement::Estimate { value: None, standard_error: None } } else { Measurement::Exact(None) }
    }

    pub fn value(&self) -> Option<f64> {
        match self {
            Measurement::Estimate { value, .. } | Measurement::Exact(value) => *value,
        }
    }

    pub fn standard_error(&self) -> Option<f64> {
        match self {
            Measurement::Estimate { standard_error, .. } => *standard_error,
            Measurement::Exact(_) => None,
        }
    }

    /// Its cells, in the order of [`Metric::columns`].
    fn cells(&mut self) -> impl Iterator<Item = &mut Option<f64>> {
        let (value, error) = match self {
            Measurement::Estimate { value, standard_error } => (value, Some(standard_error)),
            Measurement::Exact(value) => (value, None),
        };
        [value].into_iter().chain(error)
    }
}

/// A row, as plain data.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub step: u64,
    /// Wall-clock seconds since the start.
    pub seconds: f64,
    pub replicate: usize,
    /// In the order of [`Metric::ALL`]; blank if there is no finite value.
    measurements: [Measurement; Metric::ALL.len()],
}

impl Row {
    /// A row with blank cells.
    pub fn new(step: u64, seconds: f64, replicate: usize) -> Row {
        Row { step, seconds, replicate, measurements: Metric::ALL.map(Measurement::blank) }
    }

    pub fn measurement(&self, metric: Metric) -> Measurement {
        self.measurements[metric as usize]
    }

    /// The value of a metric; `None` if its cell is blank.
    pub fn get(&self, metric: Metric) -> Option<f64> {
        self.measurement(metric).value()
    }

    /// Fills the cell of a metric without a standard error; a value that is not finite leaves it blank.
    pub fn set(&mut self, metric: Metric, value: f64) {
        self.measurements[metric as usize] = Measurement::Exact(Some(value).filter(|v| v.is_finite()));
    }

    /// Fills the cells of the metrics that are estimated.
    pub fn set_divergences(&mut self, divergences: &Divergences) {
        for metric in Metric::ALL {
            let estimate = metric.estimate(divergences).filter(|e| e.value.is_finite() && e.standard_error.is_finite());
            if let Some(Estimate { value, standard_error }) = estimate {
                self.measurements[metric as usize] = Measurement::Estimate { value: Some(value), standard_error: Some(standard_error) };
            }
        }
    }

    /// The line of the file, with its line feed. `{:?}` prints the shortest digits that read back to the same bits.
    pub fn line(&self, with_replicate: bool) -> String {
        let mut line = format!("{},{:.3}", self.step, self.seconds);
        for mut measurement in self.measurements {
            for cell in measurement.cells() {
                line.push(',');
                line.extend(cell.map(|v| format!("{v:?}")));
            }
        }
        if with_replicate {
            line += &format!(",{}", self.replicate);
        }
        line.push('\n');
        line
    }
}

/// The first line of the file.
pub(crate) fn header(with_replicate: bool) -> String {
    let columns: Vec<String> = Metric::ALL.into_iter().flat_map(Metric::columns).collect();
    format!("step,seconds,{}{}\n", columns.join(","), if with_replicate { ",replicate" } else { "" })
}

/// The rows of the first logged step, and of the last one that is no later than `end`.
///
/// # Errors
/// [`Error::BadFile`] if the file is not as a run wrote it.
pub(crate) fn first_and_last(path: &Path, end: u64) -> Result<(Vec<Row>, Vec<Row>)> {
    let (mut first, mut last): (Vec<Row>, Vec<Row>) = (Vec::new(), Vec::new());
    for_each(path, &mut |row| {
        if first.first().is_none_or(|f| f.step == row.step) {
            first.push(row.clone());
        }
        if row.step > end {
            return;
        }
        if last.first().is_some_and(|l| l.step != row.step) {
            last.clear();
        }
        last.push(row);
    })?;
    Ok((first, last))
}

/// Whether `metric` has not fallen since the middle of `steps` steps, in some replicate with a value above `least`.
pub(crate) fn has_not_fallen(path: &Path, metric: Metric, steps: u64, least: f64) -> Result<bool> {
    let (mut middle, mut end): (Vec<Row>, Vec<Row>) = (Vec::new(), Vec::new());
    for_each(path, &mut |row| {
        let kept = if row.step <= steps / 2 { &mut middle } else { &mut end };
        if kept.first().is_some_and(|other| other.step != row.step) {
            kept.clear();
        }
        kept.push(row);
    })?;
    let pairs = middle.iter().zip(&end).filter_map(|(a, b)| Some((a.get(metric)?, b.get(metric)?)));
    Ok(pairs.into_iter().any(|(before, after)| after > least && after > 0.8 * before))
}

/// Reads `metrics.csv` row by row.
fn for_each(path: &Path, see: &mut dyn FnMut(Row)) -> Result<()> {
    let bad = |what: String| Error::bad_file(path, what, "Restore the file as the run wrote it");
    let mut reader = csv::Reader::from_path(path).map_err(|e| bad(e.to_string()))?;
    for record in reader.records() {
        let record = record.map_err(|e| bad(e.to_string()))?;
        see(parsed(&record).ok_or_else(|| bad(format!("line {} is no row of metrics", record.position().map_or(0, |p| p.line()))))?);
    }
    Ok(())
}

fn parsed(record: &csv::StringRecord) -> Option<Row> {
    let mut cells = record.iter();
    let mut row = Row::new(cells.next()?.parse().ok()?, cells.next()?.parse().ok()?, 0);
    for place in row.measurements.iter_mut().flat_map(Measurement::cells) {
        let cell = cells.next()?;
        *place = if cell.is_empty() { None } else { Some(cell.parse().ok()?) };
    }
    if let Some(cell) = cells.next() {
        row.replicate = cell.parse().ok()?;
    }
    Some(row)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::rare::RareDraws;

    #[test]
    fn rows_come_back_bit_for_bit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.csv");
        let mut text = header(true);
        let mut rows = Vec::new();
        for step in [0, 10] {
            for replicate in 0..2 {
                let mut row = Row::new(step, 0.5, replicate);
                let estimate = Estimate { value: 1.0 / 3.0 + step as f64, standard_error: 0.1 };
                row.set_divergences(&Divergences {
                    reverse_fisher: estimate,
                    forward_fisher: Estimate { standard_error: f64::NAN, ..estimate },
                    kl_student_teacher: estimate,
                    kl_teacher_student: estimate,
                    total_variation: estimate,
                    rare: RareDraws::None,
                });
                row.set(Metric::Movement, 1e-300);
                row.set(Metric::Lyapunov, f64::NAN);
                assert_eq!((row.get(Metric::Lyapunov), row.get(Metric::Movement)), (None, Some(1e-300)));
                assert_eq!((row.get(Metric::ForwardFisher), row.get(Metric::ReverseFisher)), (None, Some(estimate.value)));
                text += &row.line(true);
                rows.push(row);
            }
        }
        std::fs::write(&path, &text).unwrap();
        assert!(!text.to_lowercase().contains("nan"));
        assert!(text.starts_with("step,seconds,reverse_fisher,reverse_fisher_se,"));
        let (first, last) = first_and_last(&path, u64::MAX).unwrap();
        assert_eq!((first.as_slice(), last.as_slice()), (&rows[..2], &rows[2..]));
        assert_eq!(first_and_last(&path, 9).unwrap().1, rows[..2]);
        assert!(
            has_not_fallen(&path, Metric::ReverseFisher, 15, 1.0).unwrap()
                && !has_not_fallen(&path, Metric::ReverseFisher, 15, 20.0).unwrap()
        );
    }
}
