//! A batch of replicates on a GPU: its gradient, its descent, its measurements.

use super::device::command::Dispatch;
use super::device::fused::Fused;
use super::handle::Handle;
use super::measure::{Measures, averages};
use super::resident::ResidentProblem;
use super::step::buffers::Spec;
use super::step::finish::Finish;
use super::step::model::unpadded;
use super::step::recording::Recording;
use crate::backend::share::{Part, Split, joined};
use crate::backend::{GradientSums, UnitProblem};
use crate::error::Result;
use crate::objective::divergence::{Side, Storage};
use crate::objective::grid::Grid;
use crate::objective::groups::Groups;
use crate::random::streams::Purpose;

pub(super) struct Batch {
    resident: ResidentProblem,
    gradient: Option<Work>,
    /// The recorded step of descent, if the fused kernel does it; recorded on first use.
    descent: Option<Work>,
    measures: Measures,
}

/// A recorded gradient.
struct Work {
    recording: Recording,
    finish: Finish,
    grid: Option<Grid>,
}

impl Work {
    /// Allocates and records a gradient.
    fn new(resident: &ResidentProblem, grid: Option<Grid>, fused: Option<(Groups, Fused)>) -> Result<Self> {
        let (problem, terms) = (&resident.problem, resident.terms());
        let random = || fused.map_or_else(|| problem.groups(), |(groups, _)| groups);
        let groups = grid.as_ref().map_or_else(random, |g| Groups::single(g.weights.len()));
        let spec = Spec {
            draws: problem.draws,
            net_size: problem.groups().group_size, // for a step too, whose groups are longer
            grid: grid.as_ref(),
            terms: Some(terms),
            half: problem.storage == Storage::F16,
            fused: fused.map(|(_, fused)| fused),
            ..resident.spec(problem.strata(), groups, Purpose::Step)
        };
        let recording = resident.record(&spec)?;
        let (context, kernels) = (resident.context(), &resident.handle.kernels);
        let finish = context.guarded(|| Finish::new(context, kernels, &resident.model, &recording, terms, spec.strata))?;
        Ok(Self { recording, finish, grid })
    }

    /// The recorded gradient for the current means, which decide how fine a grid is.
    fn of_gradient<'a>(resident: &ResidentProblem, kept: &'a mut Option<Self>) -> Result<&'a Self> {
        let grid = resident.grid()?;
        let nodes = |grid: &Option<Grid>| grid.as_ref().map(|grid| grid.nodes.clone());
        // A recording that no longer fits frees its memory first.
        let work = match kept.take().filter(|work| nodes(&work.grid) == nodes(&grid)) {
            Some(work) => work,
            None => Self::new(resident, grid, None)?,
        };
        Ok(kept.insert(work))
    }

    /// The recorded step of descent for the current means, by the fused kernel if that suits the problem.
    fn of_descent<'a>(resident: &ResidentProblem, gradient: &'a mut Option<Self>, descent: &'a mut Option<Self>) -> Result<&'a Self> {
        let Some(fused) = resident.fused() else { return Self::of_gradient(resident, gradient) };
        let work = match descent.take() {
            Some(work) => work,
            None => Self::new(resident, None, Some(fused))?,
        };
        Ok(descent.insert(work))
    }

    /// Rows of the gradient in this device's part, shape (own rows, own groups, 4·feature quads).
    fn own_rows(&self, resident: &ResidentProblem) -> Result<Vec<f32>> {
        let (k, width) = (resident.model.n_components[0], resident.row());
        let rows = &self.recording.rows;
        let (n_rows, n_groups) = (resident.n_rows(), rows.groups.n_groups);
        let all: Vec<f32> = resident.context().download(&self.finish.group_gradients, n_rows * n_groups * width)?;
        let at = |row: usize, g: usize| ((row / k * n_groups + g) * k + row % k) * width;
        let own = resident.part.strata(n_rows).flat_map(|row| rows.own_nodes.groups.clone().map(move |g| at(row, g)));
        Ok(own.flat_map(|at| &all[at..at + width]).copied().collect())
    }
}

impl Batch {
    /// Allocates a batch for a device that does `part`; a grid is made when the means are known.
    pub(super) fn new(handle: Handle, problem: UnitProblem, part: Part) -> Result<Self> {
        let resident = ResidentProblem::new(handle, problem, part)?;
        let is_random = !resident.problem.draws.is_grid();
        let gradient = is_random.then(|| Work::new(&resident, None, None)).transpose()?;
        Ok(Self { resident, gradient, descent: None, measures: Measures::default() })
    }

    pub(super) fn n_replicates(&self) -> usize {
        self.resident.problem.n_replicates
    }

    pub(super) fn set_means(&mut self, means: &[f64]) {
        self.resident.set_means(means);
    }

    /// The current means.
    pub(super) fn means(&self) -> Result<Vec<f64>> {
        self.resident.means()
    }

    /// The dispatches of one step of descent at the current means, up to the exchange if several devices divide it. Rates are zero until a
    /// descent sets them.
    pub(super) fn step_list(&mut self) -> Result<Vec<Dispatch>> {
        Ok(Work::of_descent(&self.resident, &mut self.gradient, &mut self.descent)?.finish.step.begin.clone())
    }

    /// Rows of the gradient in this device's part (own rows, own groups, 4·feature quads), then its sums of statistics (own pairs, own
    /// groups, 4).
    pub(super) fn gradient(&mut self, step: u64) -> Result<Vec<f32>> {
        let resident = &self.resident;
        resident.set_step(step);
        let work = Work::of_gradient(resident, &mut self.gradient)?;
        resident.run("a gradient", &[&work.recording.statistics, &work.finish.groups_list], 1)?;
        let mut found = work.own_rows(resident)?;
        found.extend(work.recording.rows.statistics(resident.context())?);
        Ok(found)
    }

    /// The gradient from the results of all devices.
    pub(super) fn gradient_of(&self, split: Split, parts: &[Vec<f32>]) -> GradientSums {
        let ResidentProblem { problem, model, .. } = &self.resident;
        let groups = self.gradient.as_ref().map_or_else(|| problem.groups(), |work| work.recording.rows.groups);
        let (n_rows, n_groups, width) = (self.resident.n_rows(), groups.n_groups, self.resident.row());
        let own_rows = Part::all(split, parts.len()).map(|part| part.strata(n_rows).len() * part.groups(n_groups).len() * width);
        let (rows, statistics): (Vec<&[f32]>, Vec<&[f32]>) = parts.iter().zip(own_rows).map(|(part, end)| part.split_at(end)).unzip();
        let rows = joined(split, &rows, n_rows, n_groups, width);
        let k = model.n_components[0];
        let by_group =
            (0..model.n_replicates).flat_map(|r| (0..n_groups).flat_map(move |g| (0..k).map(move |i| (r * k + i) * n_groups + g)));
        let group_gradients = by_group.flat_map(|at| unpadded(&rows[at * width..][..width], model.rank)).collect();
        let n_strata = problem.n_replicates * problem.weights(problem.strata()).len();
        let statistics = joined(split, &statistics, n_strata, n_groups, 4);
        let [half_square, _, _, energy] = averages(&statistics, &groups, problem.draws.is_grid());
        let energy = if problem.strata() == Side::Student { energy } else { Vec::new() };
        GradientSums { groups: vec![groups; model.n_replicates], group_gradients, half_square, energy }
    }

    /// Prepares for steps from `first_step` on.
    pub(super) fn begin_descent(&mut self, first_step: u64, rates: &[f64]) {
        self.resident.set_step(first_step);
        let rates: Vec<f32> = rates.iter().map(|r| *r as f32).collect();
        self.resident.context().write(&self.resident.model.rates, &rates);
    }

    /// Makes `n` steps on a device that has all of the batch.
    pub(super) fn steps(&mut self, n: u64) -> Result<()> {
        let Self { resident, gradient, descent, .. } = self;
        let together = if resident.problem.draws.is_grid() { 1 } else { n };
        for _ in 0..n.checked_div(together).unwrap_or(0) {
            let work = Work::of_descent(resident, gradient, descent)?;
            resident.run("a descent", &[&work.finish.step.begin], together)?;
        }
        Ok(())
    }

    /// Ends the step that was begun, if `found` has the results of all devices, and begins another one if there is a `next`. Returns this
    /// device's results of the new step.
    pub(super) fn turn(&mut self, found: Option<&[f32]>, next: bool) -> Result<Vec<f32>> {
        let Self { resident, gradient, descent, .. } = self;
        let begun = descent.as_ref().or(gradient.as_ref());
        if let (Some(found), Some(work)) = (found, begun) {
            resident.context().write(&work.finish.step.shared, found);
        }
        let step = &Work::of_descent(resident, gradient, descent)?.finish.step;
        let end: &[Dispatch] = if found.is_some() { &step.end } else { &[] };
        let begin: &[Dispatch] = if next { &step.begin } else { &[] };
        resident.run("a descent", &[end, begin], 1)?;
        if next { resident.context().download_from(&step.shared, step.own.start, step.own.len()) } else { Ok(Vec::new()) }
    }

    /// Sums of statistics for this device's part, as in [`Measures::measure`].
    pub(super) fn measure(&mut self, from: Side, strata: Option<&[u32]>, n_samples: usize, step: u64) -> Result<Vec<f32>> {
        self.measures.measure(&self.resident, from, strata, n_samples, step)
    }
}
