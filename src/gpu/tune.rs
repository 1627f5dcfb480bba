//! The fastest variants of the kernels on an adapter: measured on first use, and kept in the user's cache directory.
//!
//! First the fused kernel's rows per invocation, then the columns of the products' tiles, then the size of a chunk: each is measured with
//! the best of those before. All give the same bits, as tests prove, so results do not depend on the measurement. MIXSCORE_TUNE=0 measures
//! nothing, MIXSCORE_TUNE=1 measures on software adapters as well; MIXSCORE_CACHE names another directory. A cache that is missing, broken
//! or read-only is never an error.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use super::batch::Batch;
use super::handle::Handle;
use crate::backend::UnitProblem;
use crate::backend::share::Part;
use crate::error::Result;
use crate::gpu::device::adapter::Adapter;
use crate::gpu::device::context::Context;
use crate::gpu::device::fused::{SHARINGS, Sharing};
use crate::gpu::device::kernels::{Kernels, Variant};
use crate::gpu::device::limits::SCRATCH_BYTES;
use crate::objective::form::{Draws, Form};

/// Raised when kernels change so much that old choices are meaningless.
const VERSION: u32 = 5;

/// Timed runs of a variant; the fastest counts.
const RUNS: usize = 3;

/// Columns of a product's tile, and scratch bytes of a chunk.
const WIDEST: [usize; 2] = [64, 32];
const SCRATCH: [u64; 3] = [SCRATCH_BYTES, SCRATCH_BYTES / 4, 4 * SCRATCH_BYTES];

/// The alternatives to a choice in one respect, this choice first.
type Variants = fn(Tuning) -> Vec<Tuning>;

/// The choices for an adapter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tuning {
    pub sharing: Sharing,
    pub widest: usize,
    pub scratch: u64,
}

impl Tuning {
    /// The choices for an adapter without measurements.
    fn usual(adapter: &Adapter) -> Self {
        let sharing = Sharing::of(adapter);
        Self { sharing, widest: Variant::usual(sharing == Sharing::Spread).widest, scratch: SCRATCH[0] }
    }

    /// The kernels with this choice.
    pub(super) fn variant(self) -> Variant {
        Variant { checked: false, spread: self.sharing == Sharing::Spread, widest: self.widest }
    }

    /// The name of the choice in the cache.
    fn name(self) -> String {
        format!("{}, {} columns, {} MiB", self.sharing.name(), self.widest, self.scratch >> 20)
    }

    /// The alternatives in each respect, with the problem that distinguishes them. On machines with subgroups of eight only
    /// [`Sharing::Spread`] suits; elsewhere it does not run or has other bits.
    fn variants(self) -> [(Variants, Size); 3] {
        let sharings = |from: Self| {
            let alike = |sharing: &Sharing| (*sharing == Sharing::Spread) == (from.sharing == Sharing::Spread);
            SHARINGS.into_iter().filter(alike).map(|sharing| Self { sharing, ..from }).collect()
        };
        let tiles = |from: Self| WIDEST.map(|widest| Self { widest, ..from }).to_vec();
        let chunks = |from: Self| SCRATCH.map(|scratch| Self { scratch, ..from }).to_vec();
        [(sharings, Size::Narrow), (tiles, Size::Wide), (chunks, Size::Wide)]
    }

    /// Everything that [`tuned`] may choose.
    fn all(self) -> Vec<Self> {
        self.variants().into_iter().fold(vec![self], |all, (variants, _)| all.into_iter().flat_map(variants).collect())
    }
}

/// A problem to measure, in the range of what people run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Size {
    /// For the fused kernel, in as many dimensions as it has all its variants for.
    Narrow,
    /// For products.
    Wide,
}

/// The fastest choices on this adapter, from the cache, or measured now and cached. The context uses that chunk size from now on.
pub(super) fn tuned(context: &mut Arc<Context>) -> Tuning {
    let adapter = context.adapter.clone();
    let usual = Tuning::usual(&adapter);
    let wanted = std::env::var("MIXSCORE_TUNE").map_or(!adapter.software, |v| v == "1");
    if !wanted {
        return usual;
    }
    let mut cache = Cache::read();
    let key = key(&adapter);
    let known = cache.choices.get(&key).and_then(|name| usual.all().into_iter().find(|tuning| tuning.name() == *name));
    let best = known.unwrap_or_else(|| {
        let best =
            usual.variants().into_iter().fold(usual, |best, (variants, size)| fastest(context, &variants(best), size).unwrap_or(best));
        cache.choices.insert(key, best.name());
        cache.write();
        best
    });
    set_scratch(context, best.scratch);
    best
}

/// The fastest of `candidates`; `None` if there is only one, or if the driver refuses all of them.
fn fastest(context: &mut Arc<Context>, candidates: &[Tuning], size: Size) -> Option<Tuning> {
    let mut best = None;
    for candidate in candidates.iter().filter(|_| candidates.len() > 1) {
        set_scratch(context, candidate.scratch);
        // A variant that the driver refuses is not a candidate.
        if let Ok(seconds) = seconds(context, *candidate, size)
            && best.is_none_or(|(least, _)| seconds < least)
        {
            best = Some((seconds, *candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// Only for a context that nobody else holds yet.
fn set_scratch(context: &mut Arc<Context>, bytes: u64) {
    if let Some(context) = Arc::get_mut(context) {
        context.limits.scratch = bytes;
    }
}

/// What the choices depend on.
fn key(adapter: &Adapter) -> String {
    format!("{VERSION} {} {} {}", adapter.name, adapter.api, adapter.driver)
}

/// Seconds per step.
fn seconds(context: &Arc<Context>, tuning: Tuning, size: Size) -> Result<f64> {
    let (rank, k, n_teachers, n_samples) = match (size, context.adapter.software) {
        (Size::Narrow, false) => (12, 32, 16, 4096),
        (Size::Narrow, true) => (12, 32, 16, 64),
        (Size::Wide, false) => (128, 128, 64, 1024),
        (Size::Wide, true) => (128, 48, 36, 64),
    };
    let mean = |i: usize| f64::from((i * 7919 % 1000) as u16) / 500.0 - 1.0;
    let teacher_means = (0..n_teachers * rank).map(|i| mean(3 * i)).collect();
    let problem = UnitProblem::with_equal_weights(rank, k, teacher_means, Form::Mixed, Draws::Independent(n_samples));
    let kernels = Arc::new(Kernels::new(tuning.variant()));
    let handle = Handle { context: context.clone(), kernels, row_budget: None, sharing: Some(tuning.sharing) };
    let mut batch = Batch::new(handle, problem, Part::WHOLE)?;
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

/// The choices for this machine's adapters.
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

    /// Written beside and renamed, so that no process reads half a file.
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
        // A failure is no error: the next process measures again.
        let _ = written();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_choice_has_its_own_name_and_keeps_the_bits_of_the_usual_one() {
        for (sharing, n) in [(Sharing::Memory(4), 3 * 2 * 3), (Sharing::Spread, 2 * 3)] {
            let usual = Tuning { sharing, widest: 64, scratch: SCRATCH_BYTES };
            let names: std::collections::BTreeSet<String> = usual.all().into_iter().map(Tuning::name).collect();
            assert_eq!(names.len(), n);
            assert_eq!(usual.all().len(), n);
            assert!(usual.all().iter().all(|t| t.variant().spread == usual.variant().spread && !t.variant().checked));
            assert!(usual.all().contains(&usual));
        }
    }
}
