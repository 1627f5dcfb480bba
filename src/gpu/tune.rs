//! Which way of sharing the fused kernel's work is fastest on an adapter: measured at first use, kept in the user's cache directory.
//!
//! Every candidate gives the same bits, which a test proves, so results do not hang on the stopwatch. MIXSCORE_TUNE=0 measures nothing,
//! MIXSCORE_TUNE=1 measures on software adapters as well; MIXSCORE_CACHE names another directory. A cache that is missing, broken or
//! read-only is never an error.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use super::adapter::Adapter;
use super::batch::Batch;
use super::context::Context;
use super::fused::{SHARINGS, Sharing};
use super::kernels::Kernels;
use super::session::Handle;
use crate::backend::UnitProblem;
use crate::error::Result;
use crate::objective::divergence::{Divergence, Estimator, Sampler, Storage};
use crate::objective::neighbours::Neighbours;

/// Goes up when kernels change so much that old choices mean nothing.
const VERSION: u32 = 3;

/// Timed runs of a variant, of which the fastest counts.
const RUNS: usize = 3;

/// What is fastest on this adapter: from the cache, or measured now and put there. Machines with subgroups of eight are not asked:
/// nothing but [`Sharing::Spread`] suits them.
pub fn sharing(context: &Arc<Context>) -> Sharing {
    let adapter = &context.adapter;
    let usual = Sharing::of(adapter);
    let wanted = std::env::var("MIXSCORE_TUNE").map_or(!adapter.software, |v| v == "1");
    if usual == Sharing::Spread || !wanted {
        return usual;
    }
    let candidates = SHARINGS.into_iter().filter(|sharing| *sharing != Sharing::Spread).collect::<Vec<_>>();
    let mut cache = Cache::read();
    let key = key(adapter);
    if let Some(known) = cache.choices.get(&key).and_then(|name| candidates.iter().find(|c| c.name() == *name)) {
        return *known;
    }
    let mut best = (f64::INFINITY, usual);
    for candidate in candidates {
        // A variant that a driver refuses is not the fastest.
        if let Ok(seconds) = seconds(context, candidate)
            && seconds < best.0
        {
            best = (seconds, candidate);
        }
    }
    cache.choices.insert(key, best.1.name());
    cache.write();
    best.1
}

/// What a choice is good for.
fn key(adapter: &Adapter) -> String {
    format!("{VERSION} {} {} {}", adapter.name, adapter.api, adapter.driver)
}

/// Seconds of a step at a size between those that people run.
fn seconds(context: &Arc<Context>, sharing: Sharing) -> Result<f64> {
    let (rank, k, n_teachers) = (12, 32, 16); // where all variants are kernels of their own
    let mean = |i: usize| f64::from((i * 7919 % 1000) as u16) / 500.0 - 1.0;
    let problem = UnitProblem {
        n_replicates: 1,
        first_replicate: 0,
        rank,
        student_weights: vec![1.0 / k as f64; k],
        teacher_weights: vec![1.0 / n_teachers as f64; n_teachers],
        teacher_means: (0..n_teachers * rank).map(|i| mean(3 * i)).collect(),
        divergence: Divergence::Reverse,
        estimator: Estimator::Stein,
        sampler: Sampler::Philox,
        n_samples: Some(if context.adapter.software { 64 } else { 4096 }),
        neighbours: Neighbours::Exact,
        storage: Storage::F32,
        seed: 0,
    };
    let kernels = Arc::new(Kernels::new(false, sharing == Sharing::Spread));
    let handle = Handle { context: context.clone(), kernels, row_budget: None, sharing: Some(sharing) };
    let mut batch = Batch::new(handle, problem)?;
    batch.set_means(&(0..k * rank).map(mean).collect::<Vec<_>>());
    let list = batch.step_list()?;
    context.run(&list, 1)?;
    let mut least = f64::INFINITY;
    for _ in 0..RUNS {
        let start = Instant::now();
        context.run(&list, 1)?;
        least = least.min(start.elapsed().as_secs_f64());
    }
    Ok(least)
}

/// The choices of this machine's adapters.
#[derive(Default, serde::Serialize, serde::Deserialize)]
struct Cache {
    choices: BTreeMap<String, String>,
}

impl Cache {
    fn path() -> Option<PathBuf> {
        let set = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        let home = || std::env::home_dir().map(|home| home.join(if cfg!(target_os = "macos") { "Library/Caches" } else { ".cache" }));
        let usual = || set("XDG_CACHE_HOME").or_else(|| set("LOCALAPPDATA")).or_else(home).map(|cache| cache.join("mixscore"));
        Some(set("MIXSCORE_CACHE").or_else(usual)?.join("tuning.json"))
    }

    fn read() -> Self {
        let text = Self::path().and_then(|path| std::fs::read_to_string(path).ok());
        text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
    }

    /// Written beside and renamed, so that no process ever reads half a file.
    fn write(&self) {
        let Some(path) = Self::path() else { return };
        let Some(folder) = path.parent() else { return };
        let written = || -> std::io::Result<()> {
            std::fs::create_dir_all(folder)?;
            let file = tempfile::NamedTempFile::new_in(folder)?;
            serde_json::to_writer_pretty(&file, self)?;
            file.persist(&path)?;
            Ok(())
        };
        // Without a cache the next process measures again: no error.
        let _ = written();
    }
}
