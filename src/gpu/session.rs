//! A problem open on one or more GPUs, which divide its replicates, strata or samples. Replicates run in batches that fit the buffers (with
//! a grid one by one, since each has its own nodes). The bits do not depend on the number of devices of one model.

use std::ops::Range;
use std::sync::Arc;

use super::batch::Batch;
use super::handle::Handle;
use super::measure;
use crate::backend::exchange::Exchange;
use crate::backend::share::{Part, Split};
use crate::backend::{GradientSums, MeasureSums, Rule, Session, UnitProblem};
use crate::error::{Error, Result};
use crate::gpu::step::plan::groups_and_cell;
use crate::objective::divergence::Side;

/// A problem with all its replicates.
pub(super) struct GpuSession {
    problem: UnitProblem,
    /// The batches of each device, replicates in order. If strata or samples are divided, every device has the same replicates.
    devices: Vec<Vec<Batch>>,
    split: Split,
    exchange: Arc<dyn Exchange<f32>>,
}

impl GpuSession {
    /// Allocates every batch, with as many replicates in each as fit one binding.
    ///
    /// # Errors
    /// [`Error::TooLarge`] if one replicate does not fit.
    pub(super) fn new(handles: &[&Handle], problem: &UnitProblem, split: Split, exchange: Arc<dyn Exchange<f32>>) -> Result<Self> {
        let of = |split: Split| match split {
            Split::Replicates => problem.n_replicates,
            Split::Strata => problem.n_replicates * problem.n_components(),
            // The number of groups of a step, which is the smallest.
            Split::Samples => groups_and_cell(problem.groups()).0.n_groups,
        };
        let split = if of(split) < 2 { Split::Replicates } else { split };
        let devices = open(&handles[..handles.len().min(of(split)).max(1)], problem, split)?;
        Ok(Self { problem: problem.clone(), devices, split, exchange })
    }

    /// Runs `work` on the batches of all devices at the same time.
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

    /// Runs `work` on each batch of devices that divide replicates, and returns the results in order.
    fn each<T: Send>(&mut self, work: impl Fn(&mut Batch) -> Result<T> + Sync) -> Result<Vec<T>> {
        let parts = self.on_all(|batches| batches.iter_mut().map(&work).collect::<Result<Vec<T>>>())?;
        Ok(parts.into_iter().flatten().collect())
    }

    /// The results of each batch in order: from its one device, or from all devices that divide it.
    fn found(&mut self, work: impl Fn(&mut Batch) -> Result<Vec<f32>> + Sync) -> Result<Vec<Vec<Vec<f32>>>> {
        if self.split == Split::Replicates {
            return Ok(self.each(work)?.into_iter().map(|whole| vec![whole]).collect());
        }
        let mut found = Vec::new();
        for at in 0..self.devices[0].len() {
            let parts = self.on_all(|batches| work(&mut batches[at]))?;
            found.push(self.exchange.all_gather(parts)?);
        }
        Ok(found)
    }

    /// Each batch once.
    fn batches(&self) -> impl Iterator<Item = &Batch> {
        let n = if self.split == Split::Replicates { self.devices.len() } else { 1 };
        self.devices[..n].iter().flatten()
    }

    /// A descent that devices divide: they exchange their results once a step, and each continues from all of them.
    fn descend_in_turns(&mut self, n_steps: u64) -> Result<()> {
        for at in 0..self.devices[0].len() {
            let mut found: Option<Vec<f32>> = None;
            for _ in 0..n_steps {
                let parts = self.on_all(|batches| batches[at].turn(found.as_deref(), true))?;
                found = Some(self.exchange.all_gather(parts)?.concat());
            }
            self.on_all(|batches| batches[at].turn(found.as_deref(), false))?;
        }
        Ok(())
    }
}

/// The batches of every device with its part. If strata or samples are divided, all devices have the same batches.
fn open(handles: &[&Handle], problem: &UnitProblem, split: Split) -> Result<Vec<Vec<Batch>>> {
    let n = problem.n_replicates;
    let mut most = n;
    loop {
        let open = |(handle, part): (&&Handle, Part)| batches(handle, problem, part.replicates(n), part, most);
        let devices = handles.iter().zip(Part::all(split, handles.len())).map(open).collect::<Result<Vec<_>>>()?;
        let together = devices.iter().filter_map(|batches| batches.first().map(Batch::n_replicates)).min().unwrap_or(most);
        let alike = devices.iter().all(|batches| batches.len() == devices[0].len());
        if split == Split::Replicates || alike || together >= most {
            return Ok(devices);
        }
        most = together;
    }
}

/// The replicates of `range` on one device, as many per batch as fit, and at most `most`.
fn batches(handle: &Handle, problem: &UnitProblem, range: Range<usize>, part: Part, most: usize) -> Result<Vec<Batch>> {
    let teacher_row = problem.n_teacher_components() * problem.rank;
    let open = |first: usize, n: usize| {
        let mut own = problem.clone();
        own.n_replicates = n;
        own.first_replicate = problem.first_replicate + first as u32;
        own.teacher_means = problem.teacher_means[first * teacher_row..(first + n) * teacher_row].to_vec();
        Batch::new(handle.clone(), own, part)
    };
    let mut together = if problem.draws.is_grid() { 1 } else { range.len().min(most).max(1) };
    loop {
        let firsts = range.clone().step_by(together);
        match firsts.map(|first| open(first, together.min(range.end - first))).collect() {
            Err(Error::TooLarge { .. }) if together > 1 => together = together.div_ceil(2),
            result => return result,
        }
    }
}

impl Session for GpuSession {
    fn set(&mut self, parameters: &[f64]) -> Result<()> {
        let (row, own_replicates) = (self.problem.layout().len(), self.split == Split::Replicates);
        let mut rest = parameters;
        for batches in &mut self.devices {
            if !own_replicates {
                rest = parameters;
            }
            for batch in batches {
                let (own, after) = rest.split_at(batch.n_replicates() * row);
                batch.set_means(own);
                rest = after;
            }
        }
        Ok(())
    }

    fn parameters(&mut self) -> Result<Vec<f64>> {
        match self.split {
            Split::Replicates => Ok(self.each(|batch| batch.means())?.concat()),
            // All devices have the same means.
            Split::Strata | Split::Samples => Ok(self.batches().map(Batch::means).collect::<Result<Vec<_>>>()?.concat()),
        }
    }

    fn gradient(&mut self, step: u64) -> Result<GradientSums> {
        let found = self.found(|batch| batch.gradient(step))?;
        let mut all = GradientSums { groups: Vec::new(), group_gradients: Vec::new(), half_square: Vec::new(), energy: Vec::new() };
        for (batch, parts) in self.batches().zip(&found) {
            let part = batch.gradient_of(self.split, parts);
            all.groups.extend(part.groups);
            all.group_gradients.extend(part.group_gradients);
            all.half_square.extend(part.half_square);
            all.energy.extend(part.energy);
        }
        Ok(all)
    }

    fn descend(&mut self, first_step: u64, n_steps: u64, rule: &Rule) -> Result<()> {
        let rates = rule.rates(&self.problem.student_weights);
        self.devices.iter_mut().flatten().for_each(|batch| batch.begin_descent(first_step, &rates));
        match self.split {
            Split::Replicates => self.each(|batch| batch.steps(n_steps)).map(|_| ()),
            Split::Strata | Split::Samples => self.descend_in_turns(n_steps),
        }
    }

    fn measure(&mut self, from: Side, strata: Option<&[u32]>, n_samples: usize, step: u64) -> Result<MeasureSums> {
        let found = self.found(|batch| batch.measure(from, strata, n_samples, step))?;
        let n_strata = strata.map_or(self.problem.weights(from).len(), <[u32]>::len);
        let of = |(batch, parts): (&Batch, &Vec<Vec<f32>>)| measure::sums(self.split, parts, batch.n_replicates() * n_strata, n_samples);
        let parts: Vec<MeasureSums> = self.batches().zip(&found).map(of).collect();
        let join = |pick: fn(&MeasureSums) -> &Vec<f64>| parts.iter().flat_map(|p| pick(p).iter().copied()).collect();
        Ok(MeasureSums {
            groups: parts[0].groups,
            half_square: join(|p| &p.half_square),
            log_ratio: join(|p| &p.log_ratio),
            excess: join(|p| &p.excess),
        })
    }
}
