//! How long each kernel of a step takes: all its dispatches, again and again, alone.

use std::time::Instant;

use super::Gpu;
use super::batch::Batch;
use super::context::Context;
use super::kernels::Dispatch;
use crate::backend::UnitProblem;
use crate::error::Result;

/// One kernel's part in a step of descent.
#[derive(Debug, Clone, serde::Serialize)]
pub struct KernelTime {
    pub kernel: &'static str,
    /// Dispatches in a step.
    pub dispatches: usize,
    /// Operations in a step, by the ledger that paces submissions: exact for products, padding included; about right elsewhere.
    pub operations: f64,
    /// Wall clock of one step's dispatches.
    pub seconds: f64,
    /// The same by the device's own timestamps, where it has them.
    pub device_seconds: Option<f64>,
}

impl Gpu {
    /// Times the kernels of a step on `problem` with the student at `means` (R, k, rank), each for at least `seconds`.
    ///
    /// Kernels run apart from each other on what a whole step left in their buffers; their sums grow, which costs no time.
    ///
    /// # Errors
    /// Those of a session.
    pub fn profile(&mut self, problem: &UnitProblem, means: &[f64], seconds: f64) -> Result<Vec<KernelTime>> {
        let context = self.handle.context.clone();
        let mut batch = Batch::new(self.handle.clone(), problem.clone())?;
        batch.set_means(means);
        let list = batch.step_list()?;
        context.run(&list, 1)?;
        let mut seen = Vec::new();
        for dispatch in &list {
            if !seen.contains(&dispatch.kernel) {
                seen.push(dispatch.kernel);
            }
        }
        seen.into_iter().map(|kernel| time(&context, kernel, &list, seconds)).collect()
    }
}

/// All dispatches of `kernel` in `list`, repeated until they take `seconds`.
fn time(context: &Context, kernel: &'static str, list: &[Dispatch], seconds: f64) -> Result<KernelTime> {
    let own: Vec<Dispatch> = list.iter().filter(|dispatch| dispatch.kernel == kernel).cloned().collect();
    let mut repeats = 1;
    loop {
        let start = Instant::now();
        let device = context.timed(&own, repeats)?;
        let wall = start.elapsed().as_secs_f64();
        if wall >= seconds || repeats >= 1 << 20 {
            return Ok(KernelTime {
                kernel,
                dispatches: own.len(),
                operations: own.iter().map(|dispatch| dispatch.operations).sum(),
                seconds: wall / repeats as f64,
                device_seconds: device.map(|seconds| seconds / repeats as f64),
            });
        }
        repeats = (repeats as f64 * (1.2 * seconds / wall).clamp(2.0, 16.0)) as u64;
    }
}
