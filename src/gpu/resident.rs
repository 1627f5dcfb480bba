//! A batch of replicates in the memory of a GPU: both mixtures, and which part of the work this GPU does.

use super::device::command::Dispatch;
use super::device::context::Context;
use super::device::fused::{self, Fused};
use super::handle::Handle;
use super::step::blend::most_walls;
use super::step::buffers::{Spec, Terms};
use super::step::model::{Model, index, padded, unpadded};
use super::step::plan::groups_and_cell;
use super::step::recording::Recording;
use crate::backend::UnitProblem;
use crate::backend::share::Part;
use crate::error::Result;
use crate::objective::divergence::{Side, Storage};
use crate::objective::form::{Draws, Form};
use crate::objective::grid::{Grid, grid};
use crate::objective::groups::Groups;
use crate::random::streams::{Purpose, key};

/// A batch of replicates whose mixtures are in the memory of one GPU, and that GPU's part of the work.
pub(super) struct ResidentProblem {
    pub handle: Handle,
    pub problem: UnitProblem,
    pub part: Part,
    pub model: Model,
}

impl ResidentProblem {
    /// Uploads the mixtures.
    pub(super) fn new(handle: Handle, problem: UnitProblem, part: Part) -> Result<Self> {
        let model = Model::new(&handle.context, &problem)?;
        Ok(Self { handle, problem, part, model })
    }

    pub(super) fn context(&self) -> &Context {
        &self.handle.context
    }

    /// Rows of the student's means, R·k.
    pub(super) fn n_rows(&self) -> usize {
        self.model.n_replicates * self.model.n_components[0]
    }

    /// The length of a padded row on the device.
    pub(super) fn row(&self) -> usize {
        4 * self.model.widths.features
    }

    pub(super) fn set_means(&self, means: &[f64]) {
        self.context().write(&self.model.means[0], &padded(means, self.model.rank));
    }

    /// The student's means.
    pub(super) fn means(&self) -> Result<Vec<f64>> {
        Ok(unpadded(&self.context().download(&self.model.means[0], self.n_rows() * self.row())?, self.model.rank))
    }

    /// The means of either side.
    pub(super) fn means_of(&self, side: Side) -> Result<Vec<f64>> {
        if side == Side::Student { self.means() } else { Ok(self.problem.teacher_means.clone()) }
    }

    /// Selects the draws of `step`.
    pub(super) fn set_step(&self, step: u64) {
        self.context().write(&self.model.state, &[step as u32]);
    }

    /// Keys of all replicates.
    pub(super) fn keys(&self, purpose: Purpose) -> Vec<[u32; 2]> {
        let first = self.problem.first_replicate;
        (first..first + self.problem.n_replicates as u32).map(|r| key(self.problem.seed, purpose, r)).collect()
    }

    /// The terms of a gradient row in the problem's form.
    pub(super) fn terms(&self) -> Terms {
        let scattered = Terms { stein: false, own_rows: false, scatter: true, extra: 0.0, most_walls: 0 };
        match self.problem.form {
            Form::Forward => scattered,
            Form::Pathwise => Terms { own_rows: true, ..scattered },
            Form::ScoreFunction => Terms { extra: 1.0, ..scattered },
            Form::Stein | Form::Mixed => Terms {
                stein: true,
                own_rows: true,
                scatter: false,
                extra: 0.0,
                most_walls: most_walls(&self.problem, &self.context().limits),
            },
        }
    }

    /// The fused kernel for a step of descent, and its groups, if it suits the problem. The choice depends on the problem and the device
    /// alone.
    pub(super) fn fused(&self) -> Option<(Groups, Fused)> {
        let quads = self.model.widths.features;
        let terms = self.terms();
        let suits = terms.stein && fused::QUADS.contains(&quads) && self.problem.storage == Storage::F32;
        let random = !self.problem.draws.is_grid();
        let sharing = self.handle.sharing.filter(|_| suits && random)?;
        let (groups, cell) = groups_and_cell(self.problem.groups());
        Some((groups, Fused { quads, cell, sharing: sharing.for_rows_of(quads, groups.n_samples), mixed: terms.mixes() }))
    }

    /// A grid fine enough for the current means; `None` for other draws.
    pub(super) fn grid(&self) -> Result<Option<Grid>> {
        let problem = &self.problem;
        let Draws::Grid(cap) = problem.draws else { return Ok(None) };
        let means = self.means()?;
        let centres = if problem.strata() == Side::Student { &means } else { &problem.teacher_means };
        let mixtures = [(&problem.student_weights[..], &means[..]), (&problem.teacher_weights[..], &problem.teacher_means[..])];
        grid(problem.rank, cap, centres, mixtures).map(Some)
    }

    /// An expectation over all components of a side, from independent draws in these groups.
    pub(super) fn spec(&self, strata: Side, groups: Groups, purpose: Purpose) -> Spec<'_> {
        Spec {
            strata,
            centres: &self.model.means[index(strata)],
            n_strata: self.model.n_components[index(strata)],
            groups,
            part: self.part,
            draws: Draws::Independent(groups.n_samples),
            net_size: 1,
            grid: None,
            keys: self.keys(purpose),
            terms: None,
            half: false,
            row_budget: self.handle.row_budget,
            fused: None,
        }
    }

    /// Records the dispatches of an expectation.
    pub(super) fn record(&self, spec: &Spec) -> Result<Recording> {
        Recording::new(self.context(), &self.handle.kernels, &self.model, spec)
    }

    /// Runs lists one after another, `steps` times, until it is told to stop.
    pub(super) fn run(&self, stage: &str, lists: &[&[Dispatch]], steps: u64) -> Result<()> {
        self.context().run_unless(&self.problem.interrupt, stage, lists, steps)
    }
}
