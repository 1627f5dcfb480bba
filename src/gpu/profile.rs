//! The time of each kernel in a step. All its dispatches are repeated alone, in turns with the other kernels and with the measurement of
//! the device's speed limit, so that both see the machine at the same time.

use std::time::Instant;

use super::Gpu;
use super::batch::Batch;
use crate::backend::UnitProblem;
use crate::backend::share::Part;
use crate::error::Result;
use crate::gpu::device::command::Dispatch;
use crate::gpu::device::context::Context;
use crate::gpu::device::shaders::Kernel;

/// The time of one kernel in a step of descent.
#[derive(Debug, Clone, serde::Serialize)]
pub struct KernelTime {
    pub kernel: String,
    /// Dispatches per step.
    pub dispatches: usize,
    /// Operations per step, as counted for pacing: exact for products, including padding; approximate elsewhere.
    pub operations: f64,
    /// Wall-clock seconds of one step's dispatches, the median of the rounds.
    pub seconds: f64,
    /// The same by the device's own timestamps, if it has them.
    pub device_seconds: Option<f64>,
    /// Operations per second as a fraction of the device's limit, the median of the rounds.
    pub share_of_roof: f64,
}

/// How often every kernel, and the limit before it, is measured.
const ROUNDS: usize = 5;

/// All dispatches of one kernel in a step, and how many steps fill the wanted time.
struct Repeated {
    list: Vec<Dispatch>,
    steps: u64,
}

/// The result of one round, in seconds per step.
#[derive(Clone, Copy)]
struct Round {
    wall: f64,
    device: Option<f64>,
    share_of_roof: f64,
}

impl Gpu {
    /// Times the kernels of a step on `problem` with the student at `means` (R, k, rank), each for at least `seconds` a round.
    ///
    /// Each kernel runs alone, on what a whole step left in its buffers. Its sums grow, which does not change the time.
    pub fn profile(&mut self, problem: &UnitProblem, means: &[f64], seconds: f64) -> Result<Vec<KernelTime>> {
        let context = self.handle.context.clone();
        let mut batch = Batch::new(self.handle.clone(), problem.clone(), Part::WHOLE)?;
        batch.set_means(means);
        let list = batch.step_list()?;
        context.run(&list, 1)?;
        let mut kernels = Vec::new();
        for dispatch in &list {
            if !kernels.contains(&dispatch.kernel) {
                kernels.push(dispatch.kernel);
            }
        }
        let of = |kernel: Kernel| list.iter().filter(|dispatch| dispatch.kernel == kernel).cloned().collect();
        let kernels = kernels.into_iter().map(|kernel| Repeated::new(&context, of(kernel), seconds)).collect::<Result<Vec<_>>>()?;
        let roof = Repeated::new(&context, vec![self.multiply_adds()?], seconds)?;
        let mut rounds = vec![Vec::with_capacity(ROUNDS); kernels.len()];
        for _ in 0..ROUNDS {
            for (kernel, rounds) in kernels.iter().zip(&mut rounds) {
                let roof = roof.operations() / roof.time(&context)?.0;
                let (wall, device) = kernel.time(&context)?;
                rounds.push(Round { wall, device, share_of_roof: kernel.operations() / wall / roof });
            }
        }
        Ok(kernels.iter().zip(&rounds).map(|(kernel, rounds)| kernel.medians(rounds)).collect())
    }
}

impl Repeated {
    fn new(context: &Context, list: Vec<Dispatch>, seconds: f64) -> Result<Self> {
        let mut repeated = Self { list, steps: 1 };
        loop {
            let wall = repeated.time(context)?.0 * repeated.steps as f64;
            if wall >= seconds || repeated.steps >= 1 << 20 {
                return Ok(repeated);
            }
            repeated.steps = (repeated.steps as f64 * (1.2 * seconds / wall).clamp(2.0, 16.0)) as u64;
        }
    }

    /// Operations per step.
    fn operations(&self) -> f64 {
        self.list.iter().map(|dispatch| dispatch.operations).sum()
    }

    /// Seconds per step by the wall clock, and by the device's own clock.
    fn time(&self, context: &Context) -> Result<(f64, Option<f64>)> {
        let start = Instant::now();
        let device = context.timed(&self.list, self.steps)?;
        let steps = self.steps as f64;
        Ok((start.elapsed().as_secs_f64() / steps, device.map(|seconds| seconds / steps)))
    }

    fn medians(&self, rounds: &[Round]) -> KernelTime {
        KernelTime {
            kernel: self.list[0].kernel.name(),
            dispatches: self.list.len(),
            operations: self.operations(),
            seconds: median(rounds.iter().map(|round| round.wall)),
            device_seconds: rounds[0].device.map(|_| median(rounds.iter().filter_map(|round| round.device))),
            share_of_roof: median(rounds.iter().map(|round| round.share_of_roof)),
        }
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
