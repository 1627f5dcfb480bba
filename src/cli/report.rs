//! `mixscore report`: the page of a run, of a sweep or of what was learned, again, from its folder.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::Common;
use super::exit::Result;
use crate::error::Error;
use crate::experiment::learn_source::source;
use crate::experiment::run_folder::small_file;
use crate::mixture::files::{read_mixture, read_npy};
use crate::report::learn::{Content, write_learned};
use crate::report::learn_sweep::write_learn_sweep;

#[derive(clap::Args)]
pub struct Arguments {
    /// A folder as `mixscore run`, `sweep` or `learn` wrote it. What was learned from a file needs that file, where it was.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

pub fn run(common: &Common, arguments: &Arguments) -> Result<()> {
    let folder = &arguments.folder;
    let page = folder.join("report.html");
    if folder.join("sweep.toml").exists() {
        crate::report::write_sweep(folder)?;
    } else if let Some(summary) = learned(folder)? {
        match summary["schema"].as_str() {
            Some("mixscore.learn/1") => write_learned_again(folder, &summary, &page)?,
            _ => write_learn_sweep(&page, &summary)?,
        }
    } else {
        crate::report::write_run(folder)?;
    }
    if common.json {
        return common.print_json(&json!({ "schema": "mixscore.report/1", "output": page.to_string_lossy() }));
    }
    common.print(&page.display().to_string())
}

/// The summary of a folder that `mixscore learn` wrote.
fn learned(folder: &Path) -> Result<Option<Value>> {
    let path = folder.join("summary.json");
    if folder.join("metrics.csv").exists() || !path.exists() {
        return Ok(None);
    }
    let summary: Value = serde_json::from_slice(&small_file(&path)?).map_err(|e| Error::bad_file(&path, e.to_string(), "Learn again"))?;
    Ok(summary["schema"].as_str().is_some_and(|schema| schema.starts_with("mixscore.learn")).then_some(summary))
}

/// The page from model, drawn points and summary, and from the points that were learned from.
fn write_learned_again(folder: &Path, summary: &Value, page: &Path) -> crate::Result<()> {
    let asked = &summary["asked"];
    let text = |key: &str| asked[key].as_str();
    let (Some(data), Some(count)) = (text("data"), asked["points"].as_u64()) else {
        return Err(Error::bad_file(folder.join("summary.json"), "it does not say what was learned from", "Learn again"));
    };
    let source = source(data, text("truth").map(Path::new), Some(count as usize), asked["seed"].as_u64().unwrap_or(0))?;
    let (mixture, samples) = (read_mixture(&folder.join("model.npz"))?, read_npy(&folder.join("samples.npy"))?);
    if [source.d, samples.shape.last().copied().unwrap_or(0)] != [mixture.n_features(); 2] {
        return Err(Error::bad_file(folder, "points, drawn points and model have different dimensions", "Learn again"));
    }
    let (samples, points, truth) = (&samples.values, &source.points, source.truth.as_ref());
    write_learned(page, &Content { summary, mixture: &mixture, samples, points, truth })
}
