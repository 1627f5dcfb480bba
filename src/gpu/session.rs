//! A problem open on one or more GPUs: replicates are shared out among them, and go through each in batches that fit its buffers (a
//! grid: one by one, since each has its own nodes). No bit depends on how many devices of a kind there are.

use std::ops::Range;
use std::sync::Arc;

use super::batch::Batch;
use super::context::Context;
use super::fused::Sharing;
use super::kernels::Kernels;
use crate::backend::{GradientSums, MeasureSums, Session, UnitProblem};
use crate::error::{Error, Result};
use crate::objective::divergence::{Sampler, Side};

/// The device as a session holds it.
#[derive(Clone)]
pub struct Handle {
    pub context: Arc<Context>,
    pub kernels: Arc<Kernels>,
    /// Most rows of a chunk; `None`: what suits the adapter.
    pub row_budget: Option<usize>,
    /// How the fused kernel's invocations share its work; `None`: that kernel is not used.
    pub sharing: Option<Sharing>,
}

/// All replicates.
pub struct GpuSession {
    /// Of each device; replicates in order.
    devices: Vec<Vec<Batch>>,
    /// Numbers in the means of one replicate.
    row: usize,
}

impl GpuSession {
    /// Allocates every batch, with as many replicates in each as fit one binding.
    ///
    /// # Errors
    /// [`Error::TooLarge`] where even one replicate does not fit.
    pub fn new(handles: &[&Handle], problem: &UnitProblem) -> Result<Self> {
        if problem.sampler == Sampler::Sobol {
            return Err(Error::bad_input("Sobol points are not on GPUs yet", "Use --sampler antithetic, or --device cpu"));
        }
        let share = problem.n_replicates.div_ceil(handles.len()).max(1);
        let ranges = (0..problem.n_replicates).step_by(share).map(|first| first..problem.n_replicates.min(first + share));
        let devices = handles.iter().zip(ranges).map(|(handle, range)| batches(handle, problem, range)).collect::<Result<_>>()?;
        Ok(Self { devices, row: problem.n_components() * problem.rank })
    }

    fn batches(&mut self) -> impl Iterator<Item = &mut Batch> {
        self.devices.iter_mut().flatten()
    }

    /// What `work` makes of every batch, in order; devices work side by side.
    fn each<T: Send>(&mut self, work: impl Fn(&mut Batch) -> Result<T> + Sync) -> Result<Vec<T>> {
        let on_one = |batches: &mut Vec<Batch>| batches.iter_mut().map(&work).collect::<Result<Vec<T>>>();
        let parts: Result<Vec<Vec<T>>> = match &mut self.devices[..] {
            [only] => Ok(vec![on_one(only)?]),
            devices => std::thread::scope(|scope| {
                let threads: Vec<_> = devices.iter_mut().map(|batches| scope.spawn(|| on_one(batches))).collect();
                threads.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
            }),
        };
        Ok(parts?.into_iter().flatten().collect())
    }
}

/// The replicates of `range` on one device, as many together as fit.
fn batches(handle: &Handle, problem: &UnitProblem, range: Range<usize>) -> Result<Vec<Batch>> {
    let teacher_row = problem.n_teacher_components() * problem.rank;
    let part = |first: usize, n: usize| {
        let mut part = problem.clone();
        part.n_replicates = n;
        part.first_replicate = problem.first_replicate + first as u32;
        part.teacher_means = problem.teacher_means[first * teacher_row..(first + n) * teacher_row].to_vec();
        Batch::new(handle.clone(), part)
    };
    let mut together = if problem.sampler == Sampler::Grid { 1 } else { range.len() };
    loop {
        let firsts = range.clone().step_by(together);
        match firsts.map(|first| part(first, together.min(range.end - first))).collect() {
            Err(Error::TooLarge { .. }) if together > 1 => together = together.div_ceil(2),
            result => return result,
        }
    }
}

impl Session for GpuSession {
    fn set_means(&mut self, means: &[f64]) -> Result<()> {
        let mut rest = means;
        let row = self.row;
        for batch in self.batches() {
            let (own, after) = rest.split_at(batch.n_replicates() * row);
            batch.set_means(own);
            rest = after;
        }
        Ok(())
    }

    fn means(&mut self) -> Result<Vec<f64>> {
        Ok(self.each(|batch| batch.means())?.concat())
    }

    fn gradient(&mut self, step: u64) -> Result<GradientSums> {
        let mut all = GradientSums { groups: Vec::new(), group_gradients: Vec::new(), half_square: Vec::new() };
        for part in self.each(|batch| batch.gradient(step))? {
            all.groups.extend(part.groups);
            all.group_gradients.extend(part.group_gradients);
            all.half_square.extend(part.half_square);
        }
        Ok(all)
    }

    fn descend(&mut self, first_step: u64, n_steps: u64, rates: &[f64]) -> Result<()> {
        self.each(|batch| batch.descend(first_step, n_steps, rates)).map(|_| ())
    }

    fn measure(&mut self, from: Side, n_samples: usize, step: u64) -> Result<MeasureSums> {
        let parts = self.each(|batch| batch.measure(from, n_samples, step))?;
        let join = |pick: fn(&MeasureSums) -> &Vec<f64>| parts.iter().flat_map(|p| pick(p).iter().copied()).collect();
        Ok(MeasureSums {
            groups: parts[0].groups,
            half_square: join(|p| &p.half_square),
            log_ratio: join(|p| &p.log_ratio),
            excess: join(|p| &p.excess),
        })
    }
}
