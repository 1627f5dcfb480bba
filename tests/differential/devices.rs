//! The devices under test. An open GPU has compiled kernels, so it is kept for the next case of its kind.

use std::collections::HashMap;
use std::sync::Mutex;

use mixscore::Backend;
use mixscore::cpu::Cpu;
#[cfg(feature = "gpu")]
use mixscore::gpu::{self, Gpu};
#[cfg(feature = "gpu")]
use mixscore::internals::gpu::{SHARINGS, Sharing};

use super::draw::Case;

/// A device under test.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Which {
    Cpu,
    /// `plain`: its usual kernels are those for subgroups of eight, and here it runs those that real GPUs run.
    #[cfg(feature = "gpu")]
    Adapter {
        index: usize,
        plain: bool,
    },
}

/// The CPU backend and every adapter, in both shapes of the kernels where it has both.
pub(crate) fn all() -> Vec<Which> {
    [Which::Cpu].into_iter().chain(adapters()).collect()
}

#[cfg(feature = "gpu")]
fn adapters() -> Vec<Which> {
    let shapes = |adapter: &gpu::Adapter| if Sharing::of(adapter) == Sharing::Spread { vec![false, true] } else { vec![false] };
    let of = |(index, adapter): (usize, gpu::Adapter)| shapes(&adapter).into_iter().map(move |plain| Which::Adapter { index, plain });
    gpu::adapters().into_iter().enumerate().flat_map(of).collect()
}

#[cfg(not(feature = "gpu"))]
fn adapters() -> Vec<Which> {
    Vec::new()
}

type Kind = (Which, Option<usize>);

/// Those that are open and at rest.
#[derive(Default)]
pub(crate) struct Pool(Mutex<HashMap<Kind, Vec<Box<dyn Backend>>>>);

impl Pool {
    /// What `work` makes of a device that nobody else uses meanwhile. One that failed is not used again.
    pub(crate) fn with<T, E>(&self, which: &Which, case: &Case, work: impl FnOnce(&mut dyn Backend) -> Result<T, E>) -> Result<T, E> {
        let kind = (which.clone(), case.rows);
        let resting = self.0.lock().unwrap().get_mut(&kind).and_then(Vec::pop);
        let mut device = resting.unwrap_or_else(|| which.open(case.rows));
        let result = work(device.as_mut())?;
        self.0.lock().unwrap().entry(kind).or_default().push(device);
        Ok(result)
    }
}

impl Which {
    pub(crate) fn name(&self) -> String {
        match self {
            Which::Cpu => "cpu".into(),
            #[cfg(feature = "gpu")]
            Which::Adapter { index, plain } => format!("gpu{index}{}", if *plain { "[plain]" } else { "" }),
        }
    }

    /// Whether a GPU lacks half precision; the CPU backend takes such a problem in single precision.
    pub(crate) fn lacks_half(&self) -> bool {
        match self {
            Which::Cpu => false,
            #[cfg(feature = "gpu")]
            Which::Adapter { index, .. } => !gpu::adapters()[*index].half_precision,
        }
    }

    #[cfg_attr(not(feature = "gpu"), allow(unused_variables))]
    fn open(&self, rows: Option<usize>) -> Box<dyn Backend> {
        match self {
            Which::Cpu => Box::new(Cpu::new()),
            #[cfg(feature = "gpu")]
            Which::Adapter { index, plain } => {
                let gpu = gpu::open_together(&[*index]).unwrap();
                let gpu = if *plain { gpu.with_sharing(Some(SHARINGS[0])) } else { gpu };
                Box::new(rows.into_iter().fold(gpu, Gpu::with_row_budget))
            }
        }
    }
}
