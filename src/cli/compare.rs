//! `mixscore compare`: runs side by side, as a page and as a short table.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::Common;
use super::exit::Result;
use super::output::{files_within, refuse_inputs};
use crate::mixture::files::destination;
use crate::report::compare::{Comparison, Line, compare};

#[derive(clap::Args)]
pub struct Arguments {
    /// Run folders, two to five; the first is what the others are compared with.
    #[arg(value_name = "DIR", required = true)]
    folders: Vec<PathBuf>,
    /// The page.
    #[arg(long, value_name = "FILE.html", default_value = "compare.html")]
    output: PathBuf,
}

pub(super) fn run(common: &Common, arguments: &Arguments) -> Result<()> {
    let read: Vec<PathBuf> = arguments.folders.iter().flat_map(|folder| files_within(folder)).collect();
    refuse_inputs(&arguments.output, &read.iter().map(|path| ("the run's", path.as_path())).collect::<Vec<_>>())?;
    let comparison = compare(&arguments.folders)?;
    comparison.write(&destination(&arguments.output))?;
    if common.json {
        return common.print_json(&object(&comparison, arguments));
    }
    let names: Vec<String> = comparison.names().into_iter().map(|(letter, name)| format!("{letter}: {name}")).collect();
    let names = [names, comparison.failures()].concat();
    let (header, rows) = comparison.table();
    let mut table = vec![header];
    table.extend(rows);
    let config: Vec<Vec<String>> = comparison.config.iter().map(|(key, values)| [std::slice::from_ref(key), values].concat()).collect();
    let differ = if config.is_empty() { "the configs do not differ\n".into() } else { format!("\n{}", aligned(&config)) };
    common.print(&format!("{}\n\n{}{differ}\nReport: {}", names.join("\n"), aligned(&table), arguments.output.display()))
}

/// Columns two spaces apart; text on the left.
fn aligned(rows: &[Vec<String>]) -> String {
    let width = |c: usize| rows.iter().filter_map(|row| row.get(c)).map(|cell| cell.chars().count()).max().unwrap_or(0);
    let line = |row: &Vec<String>| {
        let cells = row.iter().enumerate().map(|(c, cell)| format!("{cell}{}", " ".repeat(width(c) - cell.chars().count())));
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

fn object(comparison: &Comparison, arguments: &Arguments) -> Value {
    let metric = |line: &Line| {
        let estimate = |v: &Option<(f64, f64)>| v.map(|(value, error)| json!({"value": value, "standard_error": error}));
        let away: Vec<Option<f64>> = (0..line.values.len()).map(|at| line.in_errors(at)).collect();
        json!({
            "name": line.metric,
            "unit": line.metric.unit(),
            "values": line.values.iter().map(estimate).collect::<Vec<_>>(),
            "difference_in_standard_errors": away,
        })
    };
    let config = comparison.config.iter().map(|(key, values)| (key.clone(), json!(values)));
    json!({
        "schema": "mixscore.compare/1",
        "runs": arguments.folders.iter().map(|folder| folder.to_string_lossy()).collect::<Vec<_>>(),
        "finding": comparison.finding(),
        "config_differences": Value::Object(config.collect()),
        "metrics": comparison.metrics.iter().map(metric).collect::<Vec<_>>(),
        "output": arguments.output.to_string_lossy(),
    })
}
