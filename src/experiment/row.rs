//! One row of `metrics.csv`: what was measured of one replicate at one logged step.

use std::path::Path;

use crate::error::{Error, Result};
use crate::problem::fit::Divergences;

/// The measured columns, after `step,seconds`. A divergence stands beside its standard error; blank means that there is no finite value.
pub const COLUMNS: [&str; 16] = [
    "reverse_fisher",
    "reverse_fisher_se",
    "forward_fisher",
    "forward_fisher_se",
    "kl_student_teacher",
    "kl_student_teacher_se",
    "kl_teacher_student",
    "kl_teacher_student_se",
    "total_variation",
    "total_variation_se",
    "coverage",         // share of teacher components with a student within 0.75 σ
    "matched_distance", // Σ wᵢ |μᵢ − nearest teacher mean|
    "lyapunov",         // for one Gaussian teacher: Σ|μᵢ−m|², or Σ wᵢ|μᵢ−m|² with divide_by_weight
    "movement",         // the farthest that a mean moved per step, since the row before
    "gradient_norm",    // measured where descent.gradient_tolerance asks for it
    "nearest_at_start", // share of students within 0.75 σ of the teacher mean that was nearest at their start
];

/// The columns that stand beside a standard error.
pub const ESTIMATES: [&str; 5] = ["reverse_fisher", "forward_fisher", "kl_student_teacher", "kl_teacher_student", "total_variation"];

/// A row, as plain data.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub step: u64,
    /// Wall-clock seconds since the start.
    pub seconds: f64,
    pub replicate: usize,
    /// By [`COLUMNS`]; `None` is a blank cell.
    pub values: [Option<f64>; COLUMNS.len()],
}

impl Row {
    /// A row with blank cells.
    pub fn new(step: u64, seconds: f64, replicate: usize) -> Row {
        Row { step, seconds, replicate, values: [None; COLUMNS.len()] }
    }

    /// The value of a column; `None` where the cell is blank or there is no such column.
    pub fn get(&self, column: &str) -> Option<f64> {
        COLUMNS.iter().position(|c| *c == column).and_then(|at| self.values[at])
    }

    /// Fills a cell; a value that is not finite leaves it blank.
    pub fn set(&mut self, column: &str, value: f64) {
        if let Some(at) = COLUMNS.iter().position(|c| *c == column) {
            self.values[at] = value.is_finite().then_some(value);
        }
    }

    /// Fills the ten cells of the divergences.
    pub fn set_divergences(&mut self, d: &Divergences) {
        let estimates = [d.reverse_fisher, d.forward_fisher, d.kl_student_teacher, d.kl_teacher_student, d.total_variation];
        for (name, estimate) in ESTIMATES.into_iter().zip(estimates) {
            if estimate.value.is_finite() && estimate.standard_error.is_finite() {
                self.set(name, estimate.value);
                self.set(&format!("{name}_se"), estimate.standard_error);
            }
        }
    }

    /// The line of the file, with its line feed. `{:?}` prints the shortest digits that read back to the same bits.
    pub fn line(&self, with_replicate: bool) -> String {
        let mut line = format!("{},{:.3}", self.step, self.seconds);
        for value in &self.values {
            line.push(',');
            line.extend(value.map(|v| format!("{v:?}")));
        }
        if with_replicate {
            line += &format!(",{}", self.replicate);
        }
        line.push('\n');
        line
    }
}

/// The first line of the file.
pub fn header(with_replicate: bool) -> String {
    format!("step,seconds,{}{}\n", COLUMNS.join(","), if with_replicate { ",replicate" } else { "" })
}

/// The rows of the first logged step and those of the last.
///
/// # Errors
/// [`Error::BadFile`] where the file is not as a run wrote it.
pub fn first_and_last(path: &Path) -> Result<(Vec<Row>, Vec<Row>)> {
    let bad = |what: String| Error::bad_file(path, what, "Restore the file as the run wrote it");
    let mut reader = csv::Reader::from_path(path).map_err(|e| bad(e.to_string()))?;
    let (mut first, mut last): (Vec<Row>, Vec<Row>) = (Vec::new(), Vec::new());
    for record in reader.records() {
        let record = record.map_err(|e| bad(e.to_string()))?;
        let row = parsed(&record).ok_or_else(|| bad(format!("line {} is no row of metrics", record.position().map_or(0, |p| p.line()))))?;
        if first.first().is_none_or(|f| f.step == row.step) {
            first.push(row.clone());
        }
        if last.first().is_some_and(|l| l.step != row.step) {
            last.clear();
        }
        last.push(row);
    }
    Ok((first, last))
}

fn parsed(record: &csv::StringRecord) -> Option<Row> {
    let mut row = Row::new(record.get(0)?.parse().ok()?, record.get(1)?.parse().ok()?, 0);
    for (at, value) in row.values.iter_mut().enumerate() {
        let cell = record.get(2 + at)?;
        *value = if cell.is_empty() { None } else { Some(cell.parse().ok()?) };
    }
    if let Some(cell) = record.get(2 + COLUMNS.len()) {
        row.replicate = cell.parse().ok()?;
    }
    Some(row)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_bit_for_bit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.csv");
        let mut text = header(true);
        let mut rows = Vec::new();
        for step in [0, 10] {
            for replicate in 0..2 {
                let mut row = Row::new(step, 0.5, replicate);
                row.set("reverse_fisher", 1.0 / 3.0 + step as f64);
                row.set("movement", 1e-300);
                row.set("lyapunov", f64::NAN);
                assert_eq!((row.get("lyapunov"), row.get("movement")), (None, Some(1e-300)));
                text += &row.line(true);
                rows.push(row);
            }
        }
        std::fs::write(&path, &text).unwrap();
        assert!(!text.to_lowercase().contains("nan"));
        assert!(text.starts_with("step,seconds,reverse_fisher,reverse_fisher_se,"));
        let (first, last) = first_and_last(&path).unwrap();
        assert_eq!((first.as_slice(), last.as_slice()), (&rows[..2], &rows[2..]));
    }
}
