//! A batch of replicates on the device: its gradient, its descent, its metrics.

use super::session::Handle;
use crate::backend::share::Part;
use crate::backend::{GradientSums, MeasureSums, UnitProblem};
use crate::error::Result;
use crate::gpu::device::command::Dispatch;
use crate::gpu::device::fused::{self, Fused};
use crate::gpu::step::blend::most_walls;
use crate::gpu::step::finish::Finish;
use crate::gpu::step::model::{Model, padded, unpadded};
use crate::gpu::step::plan::groups_and_cell;
use crate::gpu::step::rows::{Form, Rows, Spec};
use crate::objective::divergence::{Divergence, Estimator, Sampler, Side, Storage};
use crate::objective::grid::{Grid, grid};
use crate::objective::groups::Groups;
use crate::random::streams::{Purpose, key};

pub struct Batch {
    handle: Handle,
    problem: UnitProblem,
    /// Which samples are this device's.
    part: Part,
    model: Model,
    gradient: Option<GradientWork>,
    /// The work of a step of descent, where the fused kernel does it: made when first asked for.
    descent: Option<GradientWork>,
    /// The last measurement of either side.
    measures: [Option<Rows>; 2],
}

struct GradientWork {
    rows: Rows,
    finish: Finish,
    grid: Option<Grid>,
}

impl Batch {
    /// # Errors
    /// [`crate::Error::TooLarge`], [`crate::Error::DeviceLost`].
    pub fn new(handle: Handle, problem: UnitProblem) -> Result<Self> {
        Self::of_part(handle, problem, Part::WHOLE)
    }

    /// Of a device that shares the samples with others; only [`Part::WHOLE`] of a grid.
    ///
    /// # Errors
    /// As [`Batch::new`].
    pub fn of_part(handle: Handle, problem: UnitProblem, part: Part) -> Result<Self> {
        let model = Model::new(&handle.context, &problem)?;
        let mut batch = Self { handle, problem, part, model, gradient: None, descent: None, measures: [None, None] };
        if batch.problem.sampler != Sampler::Grid {
            batch.gradient = Some(batch.work(None, None)?);
        }
        Ok(batch)
    }

    pub fn n_replicates(&self) -> usize {
        self.problem.n_replicates
    }

    fn form(&self) -> Form {
        let scattered = Form { stein: false, own_rows: false, scatter: true, extra: 0.0, most_walls: 0 };
        match (self.problem.divergence, self.problem.estimator) {
            (Divergence::Forward, _) => scattered,
            (_, Estimator::Pathwise) => Form { own_rows: true, ..scattered },
            (_, Estimator::ScoreFunction) => Form { extra: 1.0, ..scattered },
            (_, Estimator::Stein | Estimator::Auto) => Form {
                stein: true,
                own_rows: true,
                scatter: false,
                extra: 0.0,
                most_walls: most_walls(&self.problem, &self.handle.context.limits),
            },
        }
    }

    fn keys(&self, purpose: Purpose) -> Vec<[u32; 2]> {
        let first = self.problem.first_replicate;
        (first..first + self.problem.n_replicates as u32).map(|r| key(self.problem.seed, purpose, r)).collect()
    }

    /// The fused kernel for a step of descent, and its groups, where it suits the problem: the choice depends on nothing else.
    fn fused(&self) -> Option<(Groups, Fused)> {
        let quads = self.model.widths.features;
        let suits = self.form().stein && fused::QUADS.contains(&quads) && self.problem.storage == Storage::F32;
        let random = self.problem.sampler != Sampler::Grid;
        let sharing = self.handle.sharing.filter(|_| suits && random)?;
        let (groups, cell) = groups_and_cell(self.problem.groups());
        Some((groups, Fused { quads, cell, sharing: sharing.for_rows_of(quads, groups.n_samples), mixed: self.form().mixes() }))
    }

    fn work(&self, grid: Option<Grid>, fused: Option<(Groups, Fused)>) -> Result<GradientWork> {
        let (context, kernels) = (&self.handle.context, &self.handle.kernels);
        let groups = || fused.map_or_else(|| self.problem.groups(), |(groups, _)| groups);
        let spec = Spec {
            strata: self.problem.strata(),
            groups: grid.as_ref().map_or_else(groups, |g| Groups::single(g.weights.len())),
            part: self.part,
            fused: fused.map(|(_, fused)| fused),
            sampler: self.problem.sampler,
            net_size: self.problem.groups().group_size, // also where a step's groups are longer
            grid: grid.as_ref(),
            keys: self.keys(Purpose::Step),
            form: Some(self.form()),
            half: self.problem.storage == Storage::F16,
            row_budget: self.handle.row_budget,
        };
        let rows = Rows::new(context, kernels, &self.model, &spec)?;
        let finish = context.guarded(|| Finish::new(context, kernels, &self.model, &rows, self.form(), spec.strata))?;
        Ok(GradientWork { rows, finish, grid })
    }

    /// The gradient's work at the current means: a grid is as fine as they need.
    fn current_work(&mut self) -> Result<&GradientWork> {
        if self.problem.sampler == Sampler::Grid {
            let means = self.means()?;
            let problem = &self.problem;
            let centres = if problem.strata() == Side::Student { &means } else { &problem.teacher_means };
            let mixtures = [(&problem.student_weights[..], &means[..]), (&problem.teacher_weights[..], &problem.teacher_means[..])];
            let next = grid(problem.rank, problem.n_samples, centres, mixtures)?;
            let same = |work: &GradientWork| work.grid.as_ref().is_some_and(|g| g.nodes == next.nodes);
            if !self.gradient.as_ref().is_some_and(same) {
                self.gradient = Some(self.work(Some(next), None)?);
            }
        }
        match &self.gradient {
            Some(work) => Ok(work),
            None => unreachable!("only a grid's work waits for the means"),
        }
    }

    /// The work of a step of descent at the current means.
    fn descent_work(&mut self) -> Result<&GradientWork> {
        if let Some(fused) = self.fused()
            && self.descent.is_none()
        {
            self.descent = Some(self.work(None, Some(fused))?);
        }
        if self.descent.is_none() {
            return self.current_work();
        }
        match &self.descent {
            Some(work) => Ok(work),
            None => unreachable!("just seen"),
        }
    }

    /// The dispatches of one step of descent at the current means; rates are zero until a descent sets them.
    ///
    /// # Errors
    /// Those of a session.
    pub fn step_list(&mut self) -> Result<Vec<Dispatch>> {
        Ok(self.descent_work()?.finish.step_list.clone())
    }

    pub fn set_means(&mut self, means: &[f64]) {
        self.handle.context.write(&self.model.means[0], &padded(means, self.model.rank));
    }

    pub fn means(&self) -> Result<Vec<f64>> {
        let n = self.model.n_replicates * self.model.n_components[0] * self.model.widths.features * 4;
        Ok(unpadded(&self.handle.context.download(&self.model.means[0], n)?, self.model.rank))
    }

    /// The gradients of this device's groups (R, own groups, k, feature quads), then their sums of statistics (pairs, own groups, 4).
    pub fn gradient(&mut self, step: u64) -> Result<Vec<f32>> {
        let context = self.handle.context.clone();
        context.write(&self.model.state, &[step as u32]);
        let (n_replicates, width) = (self.model.n_replicates, 4 * self.model.n_components[0] * self.model.widths.features);
        let work = self.current_work()?;
        context.run(&work.rows.statistics_list, 1)?;
        context.run(&work.finish.groups_list, 1)?;
        let mut sums = work.rows.own_groups(&context, &work.finish.group_gradients, n_replicates, width)?;
        sums.extend(work.rows.statistics(&context)?);
        Ok(sums)
    }

    /// A gradient from what every device found.
    pub fn gradient_of(&self, parts: &[Vec<f32>]) -> GradientSums {
        let grid = self.gradient.as_ref().filter(|work| work.grid.is_some());
        let groups = grid.map_or_else(|| self.problem.groups(), |work| work.rows.groups);
        let n_replicates = self.model.n_replicates;
        let width = 4 * self.model.n_components[0] * self.model.widths.features;
        let ends = parts.iter().enumerate().map(|(index, _)| {
            let own = Part { index, of: parts.len() }.groups(groups.n_groups).len();
            n_replicates * own * width
        });
        let (gradients, statistics): (Vec<&[f32]>, Vec<&[f32]>) = parts.iter().zip(ends).map(|(part, end)| part.split_at(end)).unzip();
        let group_gradients = unpadded(&interleaved(&gradients, groups.n_groups, width), self.model.rank);
        let [half_square, _, _] = averages(&interleaved(&statistics, groups.n_groups, 4), &groups, grid.is_some());
        GradientSums { groups: vec![groups; n_replicates], group_gradients, half_square }
    }

    /// Ready for a descent in turns: see [`Batch::turn`].
    pub fn begin_turns(&mut self, first_step: u64, rates: &[f64]) -> Result<()> {
        let context = self.handle.context.clone();
        let rates: Vec<f32> = rates.iter().map(|r| *r as f32).collect();
        context.write(&self.model.state, &[first_step as u32]);
        context.write(&self.descent_work()?.finish.rates, &rates);
        Ok(())
    }

    /// Half a step or two halves of a descent whose samples are shared: ends the last step with the nodes of all devices, if there was
    /// one, and begins the `next`, if there is one; the nodes of this device.
    pub fn turn(&mut self, last: Option<&[f32]>, next: bool) -> Result<Vec<f32>> {
        let context = self.handle.context.clone();
        let work = self.descent_work()?;
        let Some(turn) = &work.finish.turn else { unreachable!("only devices that share samples take turns") };
        if let Some(nodes) = last {
            context.write(&turn.nodes, nodes);
        }
        match (last, next) {
            (Some(_), true) => context.run(&turn.both, 1)?,
            (Some(_), false) => context.run(&turn.second_half, 1)?,
            (None, true) => context.run(&turn.first_half, 1)?,
            (None, false) => {}
        }
        if !next {
            return Ok(Vec::new());
        }
        let (share, width) = (&work.rows.share, 4 * work.rows.nodes.quads);
        context.download_from(&turn.nodes, share.first_node * width, share.nodes.len() * width)
    }

    pub fn descend(&mut self, first_step: u64, n_steps: u64, rates: &[f64]) -> Result<()> {
        let context = self.handle.context.clone();
        let rates: Vec<f32> = rates.iter().map(|r| *r as f32).collect();
        context.write(&self.model.state, &[first_step as u32]);
        let together = if self.problem.sampler == Sampler::Grid { 1 } else { n_steps };
        let mut done = 0;
        while done < n_steps {
            let work = self.descent_work()?;
            context.write(&work.finish.rates, &rates);
            context.run(&work.finish.step_list, together)?;
            done += together;
        }
        Ok(())
    }

    /// Sums of statistics over this device's groups, shape (pairs, own groups, 4).
    pub fn measure(&mut self, from: Side, n_samples: usize, step: u64) -> Result<Vec<f32>> {
        let context = self.handle.context.clone();
        let groups = measure_groups(n_samples);
        let slot = crate::gpu::step::model::index(from);
        if self.measures[slot].as_ref().is_none_or(|rows| rows.groups != groups) {
            let purpose = [Purpose::MeasureStudent, Purpose::MeasureTeacher][slot];
            let spec = Spec {
                strata: from,
                groups,
                part: self.part,
                sampler: Sampler::Philox,
                net_size: 1,
                grid: None,
                keys: self.keys(purpose),
                form: None,
                half: false,
                row_budget: self.handle.row_budget,
                fused: None,
            };
            self.measures[slot] = None; // its memory first
            self.measures[slot] = Some(Rows::new(&context, &self.handle.kernels, &self.model, &spec)?);
        }
        context.write(&self.model.state, &[step as u32]);
        let Some(rows) = &self.measures[slot] else { unreachable!("just made") };
        context.run(&rows.statistics_list, 1)?;
        rows.statistics(&context)
    }
}

fn measure_groups(n_samples: usize) -> Groups {
    Groups::new(n_samples, false, 1)
}

/// A measurement from what every device found.
pub fn measure_of(parts: &[Vec<f32>], n_samples: usize) -> MeasureSums {
    let groups = measure_groups(n_samples);
    let parts: Vec<&[f32]> = parts.iter().map(Vec::as_slice).collect();
    let [half_square, log_ratio, excess] = averages(&interleaved(&parts, groups.n_groups, 4), &groups, false);
    MeasureSums { groups, half_square, log_ratio, excess }
}

/// (rows, groups, width) from each device's (rows, own groups, width).
fn interleaved(parts: &[&[f32]], n_groups: usize, width: usize) -> Vec<f32> {
    let own = |index: usize| Part { index, of: parts.len() }.groups(n_groups).len() * width;
    let rows = parts.iter().map(|part| part.len()).sum::<usize>() / (n_groups * width);
    let of_row = |row: usize| parts.iter().enumerate().flat_map(move |(index, part)| &part[row * own(index)..(row + 1) * own(index)]);
    (0..rows).flat_map(of_row).copied().collect()
}

/// Averages over each group from sums of shape (pairs, G, 4); the nodes of a deterministic rule have weights that sum to one.
fn averages(sums: &[f32], groups: &Groups, deterministic: bool) -> [Vec<f64>; 3] {
    let count = |g: usize| if deterministic { 1.0 } else { groups.range(g).len() as f64 };
    let pick = |c: usize| sums.chunks_exact(4).enumerate().map(|(at, s)| f64::from(s[c]) / count(at % groups.n_groups)).collect();
    [pick(0), pick(1), pick(2)]
}
