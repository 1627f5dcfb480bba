//! `metrics.csv` as columns by name: for each replicate, a value at each logged step.

use std::collections::BTreeMap;
use std::path::Path;

use super::bounded::read_bytes;
use crate::error::{Error, Result};
use crate::metrics::Metric;

/// Larger files are not read.
const MOST_BYTES: u64 = 128 << 20;

/// The logged metrics; a blank or unreadable cell is NaN.
#[derive(Debug, Clone, Default)]
pub(super) struct Table {
    /// The logged steps in order, shape (T).
    pub steps: Vec<f64>,
    pub n_replicates: usize,
    /// Each of shape (R, T).
    columns: BTreeMap<String, Vec<Vec<f64>>>,
}

impl Table {
    /// Reads the file.
    ///
    /// # Errors
    /// [`Error::BadFile`] with the first line that does not belong to a table of metrics.
    pub(super) fn read(path: &Path) -> Result<Table> {
        let bytes = read_bytes(path, MOST_BYTES)?;
        let bad = |what: String| Error::bad_file(path, what, "Restore it, or run the experiment again");
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(&bytes[..]);
        let header = reader.headers().map_err(|e| bad(format!("no header can be read ({e})")))?.clone();
        if header.len() > 1000 {
            return Err(bad(format!("{} columns are no table of metrics", header.len())));
        }
        let Some(step_column) = header.iter().position(|name| name == "step") else {
            return Err(bad("there is no column `step`".into()));
        };
        let replicate_column = header.iter().position(|name| name == "replicate");
        let mut rows = Vec::new();
        for (line, record) in reader.records().enumerate() {
            let record = record.map_err(|e| bad(format!("row {} cannot be read ({e})", line + 1)))?;
            let cell = |c: usize| record.get(c).unwrap_or("");
            let step: u64 = cell(step_column).parse().map_err(|_| bad(format!("row {}: the step is no whole number", line + 1)))?;
            let replicate: u64 = match replicate_column {
                None => 0,
                Some(c) => cell(c).parse().map_err(|_| bad(format!("row {}: the replicate is no whole number", line + 1)))?,
            };
            rows.push((step, replicate, record.iter().map(|c| c.parse().unwrap_or(f64::NAN)).collect::<Vec<f64>>()));
        }
        Self::arrange(&header, &rows).ok_or_else(|| bad("steps and replicates do not make a table".into()))
    }

    /// `None` if the table would be far larger than its rows.
    fn arrange(header: &csv::StringRecord, rows: &[(u64, u64, Vec<f64>)]) -> Option<Table> {
        let index = |keys: &mut dyn Iterator<Item = u64>| -> BTreeMap<u64, usize> {
            let sorted: std::collections::BTreeSet<u64> = keys.collect();
            sorted.into_iter().enumerate().map(|(i, key)| (key, i)).collect()
        };
        let (steps, replicates) = (index(&mut rows.iter().map(|r| r.0)), index(&mut rows.iter().map(|r| r.1)));
        if steps.len().checked_mul(replicates.len())? > 4 * rows.len() {
            return None;
        }
        let mut columns = BTreeMap::new();
        for (c, name) in header.iter().enumerate() {
            let mut column = vec![vec![f64::NAN; steps.len()]; replicates.len()];
            for (step, replicate, values) in rows {
                column[replicates[replicate]][steps[step]] = values.get(c).copied().unwrap_or(f64::NAN);
            }
            columns.insert(name.to_string(), column);
        }
        Some(Table { steps: steps.keys().map(|s| *s as f64).collect(), n_replicates: replicates.len(), columns })
    }

    /// The values (R, T) of a metric, at least one of them a number.
    pub(super) fn column(&self, metric: Metric) -> Option<&[Vec<f64>]> {
        self.columns.get(metric.name()).filter(|c| c.iter().flatten().any(|v| v.is_finite())).map(Vec::as_slice)
    }

    /// The standard error of a metric in the first replicate at row t.
    pub(super) fn standard_error(&self, metric: Metric, t: usize) -> Option<f64> {
        let column = metric.columns().nth(1).and_then(|name| self.columns.get(&name))?;
        Some(column.first()?[t]).filter(|error| error.is_finite())
    }

    /// The numbers of a metric at row t, by replicate; missing ones are left out.
    pub(super) fn values(&self, metric: Metric, t: usize) -> Vec<f64> {
        self.column(metric).unwrap_or_default().iter().map(|replicate| replicate[t]).filter(|v| v.is_finite()).collect()
    }

    /// The quantile of a metric over replicates at row t.
    pub(super) fn quantile(&self, metric: Metric, t: usize, share: f64) -> Option<f64> {
        let mut values = self.values(metric, t);
        values.sort_by(f64::total_cmp);
        let place = share * values.len().checked_sub(1)? as f64;
        let (low, high) = (values[place.floor() as usize], values[place.ceil() as usize]);
        Some(low + (high - low) * place.fract())
    }
}
