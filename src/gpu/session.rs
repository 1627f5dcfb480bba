//! A problem open on one or more GPUs, which share out replicates or the samples of each; replicates go through in batches that fit the
//! buffers (a grid: one by one, since each has its own nodes). No bit depends on how many devices of a kind there are.

use std::ops::Range;
use std::sync::Arc;

use super::batch::{Batch, measure_of};
use crate::backend::share::{Gather, Part};
use crate::backend::split::Split;
use crate::backend::{GradientSums, MeasureSums, Session, UnitProblem};
use crate::error::{Error, Result};
use crate::gpu::device::context::Context;
use crate::gpu::device::fused::Sharing;
use crate::gpu::device::kernels::Kernels;
use crate::gpu::step::plan::groups_and_cell;
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
    /// Of each device; replicates in order. Where samples are shared, every device has the same ones.
    devices: Vec<Vec<Batch>>,
    split: Split,
    gather: Gather,
    /// Numbers in the means of one replicate.
    row: usize,
}

impl GpuSession {
    /// Allocates every batch, with as many replicates in each as fit one binding.
    ///
    /// # Errors
    /// [`Error::TooLarge`] where even one replicate does not fit.
    pub fn new(handles: &[&Handle], problem: &UnitProblem, split: Split, gather: Gather) -> Result<Self> {
        // The least groups of anything that they do in turns.
        let of = handles.len().min(groups_and_cell(problem.groups()).0.n_groups);
        let split = if of < 2 || problem.sampler == Sampler::Grid { Split::Replicates } else { split };
        let n = problem.n_replicates;
        let devices = match split {
            Split::Replicates => {
                let share = n.div_ceil(handles.len()).max(1);
                let ranges = (0..n).step_by(share).map(|first| first..n.min(first + share));
                handles.iter().zip(ranges).map(|(handle, range)| batches(handle, problem, range, Part::WHOLE, n)).collect::<Result<_>>()?
            }
            Split::Samples => shared(&handles[..of], problem)?,
        };
        Ok(Self { devices, split, gather, row: problem.n_components() * problem.rank })
    }

    /// What `work` makes of every device, side by side.
    fn on_all<T: Send>(&mut self, work: impl Fn(&mut [Batch]) -> Result<T> + Sync) -> Result<Vec<T>> {
        match &mut self.devices[..] {
            [only] => Ok(vec![work(only)?]),
            devices => std::thread::scope(|scope| {
                let work = &work;
                let threads: Vec<_> = devices.iter_mut().map(|batches| scope.spawn(move || work(batches))).collect();
                threads.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
            }),
        }
    }

    /// What the devices that have batches of their own make of them, in order.
    fn each<T: Send>(&mut self, work: impl Fn(&mut Batch) -> Result<T> + Sync) -> Result<Vec<T>> {
        let parts = self.on_all(|batches| batches.iter_mut().map(&work).collect::<Result<Vec<T>>>())?;
        Ok(parts.into_iter().flatten().collect())
    }

    /// What every device found about a batch, batch after batch: of the one that has it, or of all that share its samples.
    fn found(&mut self, work: impl Fn(&mut Batch) -> Result<Vec<f32>> + Sync) -> Result<Vec<Vec<Vec<f32>>>> {
        if self.split == Split::Replicates {
            return Ok(self.each(work)?.into_iter().map(|whole| vec![whole]).collect());
        }
        let mut found = Vec::new();
        for at in 0..self.devices[0].len() {
            let parts = self.on_all(|batches| work(&mut batches[at]))?;
            found.push((self.gather)(parts)?);
        }
        Ok(found)
    }

    /// The batches, each once.
    fn batches(&self) -> impl Iterator<Item = &Batch> {
        let n = if self.split == Split::Samples { 1 } else { self.devices.len() };
        self.devices[..n].iter().flatten()
    }

    /// A descent whose samples are shared: the devices exchange nodes once a step, and each takes it with the same totals.
    fn descend_in_turns(&mut self, first_step: u64, n_steps: u64, rates: &[f64]) -> Result<()> {
        for at in 0..self.devices[0].len() {
            self.on_all(|batches| batches[at].begin_turns(first_step, rates))?;
            let mut nodes: Option<Vec<f32>> = None;
            for step in 0..=n_steps {
                let next = step < n_steps;
                let parts = self.on_all(|batches| batches[at].turn(nodes.as_deref(), next))?;
                nodes = Some((self.gather)(parts)?.concat());
            }
        }
        Ok(())
    }
}

/// All replicates on every device, each with its part of the samples, in the same batches everywhere.
fn shared(handles: &[&Handle], problem: &UnitProblem) -> Result<Vec<Vec<Batch>>> {
    let mut most = problem.n_replicates;
    loop {
        let parts = (0..handles.len()).map(|index| Part { index, of: handles.len() });
        let open = |(handle, part)| batches(handle, problem, 0..problem.n_replicates, part, most);
        let devices = handles.iter().copied().zip(parts).map(open).collect::<Result<Vec<_>>>()?;
        let together = devices.iter().filter_map(|batches| batches.first().map(Batch::n_replicates)).min().unwrap_or(most);
        if devices.iter().all(|batches| batches.len() == devices[0].len()) || together >= most {
            return Ok(devices);
        }
        most = together;
    }
}

/// The replicates of `range` on one device, as many together as fit, and no more than `most`.
fn batches(handle: &Handle, problem: &UnitProblem, range: Range<usize>, part: Part, most: usize) -> Result<Vec<Batch>> {
    let teacher_row = problem.n_teacher_components() * problem.rank;
    let open = |first: usize, n: usize| {
        let mut own = problem.clone();
        own.n_replicates = n;
        own.first_replicate = problem.first_replicate + first as u32;
        own.teacher_means = problem.teacher_means[first * teacher_row..(first + n) * teacher_row].to_vec();
        Batch::of_part(handle.clone(), own, part)
    };
    let mut together = if problem.sampler == Sampler::Grid { 1 } else { range.len().min(most).max(1) };
    loop {
        let firsts = range.clone().step_by(together);
        match firsts.map(|first| open(first, together.min(range.end - first))).collect() {
            Err(Error::TooLarge { .. }) if together > 1 => together = together.div_ceil(2),
            result => return result,
        }
    }
}

impl Session for GpuSession {
    fn set_means(&mut self, means: &[f64]) -> Result<()> {
        let (row, all) = (self.row, self.split == Split::Samples);
        let mut rest = means;
        for batches in &mut self.devices {
            if all {
                rest = means;
            }
            for batch in batches {
                let (own, after) = rest.split_at(batch.n_replicates() * row);
                batch.set_means(own);
                rest = after;
            }
        }
        Ok(())
    }

    fn means(&mut self) -> Result<Vec<f64>> {
        match self.split {
            Split::Replicates => Ok(self.each(|batch| batch.means())?.concat()),
            // All devices have the same.
            Split::Samples => Ok(self.batches().map(Batch::means).collect::<Result<Vec<_>>>()?.concat()),
        }
    }

    fn gradient(&mut self, step: u64) -> Result<GradientSums> {
        let found = self.found(|batch| batch.gradient(step))?;
        let mut all = GradientSums { groups: Vec::new(), group_gradients: Vec::new(), half_square: Vec::new() };
        for (batch, parts) in self.batches().zip(&found) {
            let part = batch.gradient_of(parts);
            all.groups.extend(part.groups);
            all.group_gradients.extend(part.group_gradients);
            all.half_square.extend(part.half_square);
        }
        Ok(all)
    }

    fn descend(&mut self, first_step: u64, n_steps: u64, rates: &[f64]) -> Result<()> {
        match self.split {
            Split::Replicates => self.each(|batch| batch.descend(first_step, n_steps, rates)).map(|_| ()),
            Split::Samples => self.descend_in_turns(first_step, n_steps, rates),
        }
    }

    fn measure(&mut self, from: Side, n_samples: usize, step: u64) -> Result<MeasureSums> {
        let found = self.found(|batch| batch.measure(from, n_samples, step))?;
        let parts: Vec<MeasureSums> = found.iter().map(|parts| measure_of(parts, n_samples)).collect();
        let join = |pick: fn(&MeasureSums) -> &Vec<f64>| parts.iter().flat_map(|p| pick(p).iter().copied()).collect();
        Ok(MeasureSums {
            groups: parts[0].groups,
            half_square: join(|p| &p.half_square),
            log_ratio: join(|p| &p.log_ratio),
            excess: join(|p| &p.excess),
        })
    }
}
