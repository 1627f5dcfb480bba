//! A problem open on a GPU: replicates in batches that fit its buffers (a grid: one by one, since each has its own nodes).

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
    batches: Vec<Batch>,
    /// Numbers in the means of one replicate.
    row: usize,
}

impl GpuSession {
    /// Allocates every batch, with as many replicates in each as fit one binding.
    ///
    /// # Errors
    /// [`Error::TooLarge`] where even one replicate does not fit.
    pub fn new(handle: &Handle, problem: &UnitProblem) -> Result<Self> {
        if problem.sampler == Sampler::Sobol {
            return Err(Error::bad_input("Sobol points are not on GPUs yet", "Use --sampler antithetic, or --device cpu"));
        }
        let mut together = if problem.sampler == Sampler::Grid { 1 } else { problem.n_replicates.max(1) };
        loop {
            match Self::with_batches_of(handle, problem, together) {
                Err(Error::TooLarge { .. }) if together > 1 => together = together.div_ceil(2),
                result => return result,
            }
        }
    }

    fn with_batches_of(handle: &Handle, problem: &UnitProblem, together: usize) -> Result<Self> {
        let teacher_row = problem.n_teacher_components() * problem.rank;
        let part = |first: usize| {
            let n = together.min(problem.n_replicates - first);
            let mut part = problem.clone();
            part.n_replicates = n;
            part.first_replicate = problem.first_replicate + first as u32;
            part.teacher_means = problem.teacher_means[first * teacher_row..(first + n) * teacher_row].to_vec();
            Batch::new(handle.clone(), part)
        };
        let batches = (0..problem.n_replicates).step_by(together).map(part).collect::<Result<_>>()?;
        Ok(Self { batches, row: problem.n_components() * problem.rank })
    }
}

impl Session for GpuSession {
    fn set_means(&mut self, means: &[f64]) -> Result<()> {
        let mut rest = means;
        for batch in &mut self.batches {
            let (own, after) = rest.split_at(batch.n_replicates() * self.row);
            batch.set_means(own);
            rest = after;
        }
        Ok(())
    }

    fn means(&mut self) -> Result<Vec<f64>> {
        let parts: Vec<Vec<f64>> = self.batches.iter().map(Batch::means).collect::<Result<_>>()?;
        Ok(parts.concat())
    }

    fn gradient(&mut self, step: u64) -> Result<GradientSums> {
        let mut all = GradientSums { groups: Vec::new(), group_gradients: Vec::new(), half_square: Vec::new() };
        for batch in &mut self.batches {
            let part = batch.gradient(step)?;
            all.groups.extend(part.groups);
            all.group_gradients.extend(part.group_gradients);
            all.half_square.extend(part.half_square);
        }
        Ok(all)
    }

    fn descend(&mut self, first_step: u64, n_steps: u64, rates: &[f64]) -> Result<()> {
        self.batches.iter_mut().try_for_each(|batch| batch.descend(first_step, n_steps, rates))
    }

    fn measure(&mut self, from: Side, n_samples: usize, step: u64) -> Result<MeasureSums> {
        let parts: Vec<MeasureSums> = self.batches.iter_mut().map(|b| b.measure(from, n_samples, step)).collect::<Result<_>>()?;
        let join = |pick: fn(&MeasureSums) -> &Vec<f64>| parts.iter().flat_map(|p| pick(p).iter().copied()).collect();
        Ok(MeasureSums {
            groups: parts[0].groups,
            half_square: join(|p| &p.half_square),
            log_ratio: join(|p| &p.log_ratio),
            excess: join(|p| &p.excess),
        })
    }
}
