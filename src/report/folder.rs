//! The page of a folder of any verb.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::learn::{Content, write_learned};
use super::learn_sweep::write_learn_sweep;
use super::run::write_run;
use super::sweep::write_sweep;
use crate::diffusion::search_general::ruler;
use crate::error::{Error, Result};
use crate::experiment::learn::{MODEL, MODEL_STANDARDISED};
use crate::experiment::learn_source::source;
use crate::experiment::learn_summary::{self, LearnSummary};
use crate::experiment::run_folder::small_file;
use crate::experiment::summary::FILE;
use crate::experiment::sweep::folder::turn;
use crate::mixture::CovarianceKind;
use crate::mixture::files::{is_stream, read_any_mixture, read_mixture, read_npy};

/// The beginning of every `summary.json`.
#[derive(Deserialize)]
struct Head {
    schema: String,
}

/// Writes `folder/report.html` again from the other files of a folder that `mixscore run`, `sweep` or `learn` wrote, and returns its path.
/// A mixture that was learned from a file needs that file at its old place.
///
/// # Errors
/// [`Error::BadFile`] for a folder that none of them wrote.
pub fn write(folder: &Path) -> Result<PathBuf> {
    let (page, summary) = (folder.join("report.html"), folder.join(FILE));
    if folder.join("sweep.toml").exists() {
        let _turn = turn(folder);
        write_sweep(folder)?;
    } else if folder.join("metrics.csv").exists() || !summary.exists() {
        write_run(folder)?;
    } else {
        let bytes = small_file(&summary)?;
        let bad = |e: serde_json::Error| Error::bad_file(&summary, e.to_string(), "Learn again");
        let Head { schema } = serde_json::from_slice(&bytes).map_err(bad)?;
        match schema.as_str() {
            learn_summary::SCHEMA => write_learned_again(folder, &serde_json::from_slice(&bytes).map_err(bad)?, &page)?,
            learn_summary::SWEEP_SCHEMA => write_learn_sweep(&page, &serde_json::from_slice(&bytes).map_err(bad)?)?,
            _ => write_run(folder)?,
        }
    }
    Ok(page)
}

/// Draws the page from model, drawn points and summary, and from the points that were learned from.
fn write_learned_again(folder: &Path, summary: &LearnSummary, page: &Path) -> Result<()> {
    let asked = &summary.asked;
    if is_stream(Path::new(&asked.data)) {
        return Err(Error::bad_file(folder, "it was learned from points of a pipe, which are gone", "Save the points and learn again"));
    }
    let source = source(Path::new(&asked.data), asked.truth.as_deref(), Some(asked.points), asked.options.seed)?;
    let model = if summary.standardised.is_some() { MODEL_STANDARDISED } else { MODEL };
    let samples = read_npy(&folder.join("samples.npy"))?;
    let (mixture, general) = match summary.covariance_type {
        CovarianceKind::Common => (read_mixture(&folder.join(model))?, None),
        _ => {
            let general = read_any_mixture(&folder.join(model))?;
            (ruler(&general)?, Some(general))
        }
    };
    if [source.d, samples.shape.last().copied().unwrap_or(0)] != [mixture.n_features(); 2] {
        return Err(Error::bad_file(folder, "points, drawn points and model have different dimensions", "Learn again"));
    }
    let inside = |points: Vec<f64>| match &summary.standardised {
        Some(own) => own.inside(&points),
        None => points,
    };
    let (samples, points) = (&inside(samples.values), &inside(source.points));
    let truth = source.truth.as_ref().filter(|_| general.is_none());
    write_learned(page, &Content { summary, mixture: &mixture, general: general.as_ref(), samples, points, truth })
}
