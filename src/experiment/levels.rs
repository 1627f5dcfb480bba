//! The descent through the levels of noise: one problem after another, with the students carried over.

use std::sync::atomic::AtomicBool;

use crate::backend::Rule;
use crate::descent::gradient_descent::Observer;
use crate::descent::recovery::descend_through_losses;
use crate::descent::schedule::Schedule;
use crate::descent::state::State;
use crate::descent::stop::Stop;
use crate::device::{self, Device, Opened};
use crate::error::{Error, Result};
use crate::problem::fit::Fit;
use crate::problem::gaps::Gaps;

use super::config::Config;
use super::noise::{Level, Noise};
use super::setting::Setting;

/// A problem that is opened on a device at one level of noise after another.
pub(crate) struct Levels<'a> {
    pub config: &'a Config,
    pub setting: &'a Setting,
    pub opened: &'a mut Opened,
    /// The user's choice, for opening it again after a loss.
    pub device: Device,
}

impl Levels<'_> {
    /// The problem under the noise of the step that begins at `step`, with `gaps` shortened, or those that suit the starts.
    pub(crate) fn open(&mut self, step: u64, gaps: Option<&[Gaps]>) -> Result<Fit> {
        self.setting.open_with_gaps(self.config, self.level(step).noise, self.opened.backend.as_mut(), gaps)
    }

    /// The problem that is measured, if it differs from that of the descent: under a noise schedule it is the last one.
    pub(crate) fn measured(&mut self) -> Result<Option<Fit>> {
        match &self.config.objective.noise {
            Noise::Fixed(_) => Ok(None),
            Noise::Annealed(_) => self.open(u64::MAX, None).map(Some),
        }
    }

    /// Descends from `state`, at whose level `fit` stands, until a rule or the user stops it.
    pub(crate) fn descend(
        &mut self,
        fit: &mut Fit,
        state: &mut State,
        observer: &mut dyn Observer,
        interrupted: &AtomicBool,
    ) -> Result<Stop> {
        loop {
            let level = self.level(state.step);
            state.load_into(fit)?;
            let schedule = self.schedule(level);
            let (config, setting, device) = (self.config, self.setting, self.device);
            let opened = &mut *self.opened;
            let gaps = state.gaps.clone();
            let mut reopen = |losses: u32, _: &Error| {
                *opened = device::reopen(device, losses)?;
                setting.open_with_gaps(config, level.noise, opened.backend.as_mut(), Some(&gaps))
            };
            let stop = descend_through_losses(fit, &schedule, state, observer, interrupted, &mut reopen)?;
            if !matches!(stop, Stop::MaxSteps { .. }) || state.step >= schedule.steps {
                return Ok(stop);
            }
            let gaps = fit.other_gaps(&state.coordinates).unwrap_or_else(|| state.gaps.clone());
            *fit = self.open(state.step, Some(&gaps))?;
        }
    }

    fn level(&self, step: u64) -> Level {
        self.config.objective.noise.level(step)
    }

    /// The rule of the step at `step`.
    pub(crate) fn rule(&self, step: u64) -> Rule {
        self.schedule(self.level(step)).rule
    }

    /// The schedule of all levels together, with the rates of the first one.
    pub(crate) fn whole_schedule(&self) -> Schedule {
        Schedule { until: u64::MAX, ..self.schedule(self.level(0)) }
    }

    /// Under a noise schedule the step size is in units of the noisy densities.
    fn schedule(&self, level: Level) -> Schedule {
        let (descent, variance) = (&self.config.descent, self.setting.teacher(0).variance());
        let units = match self.config.objective.noise {
            Noise::Fixed(_) => 1.0,
            Noise::Annealed(_) => ((variance + level.noise) / variance).powi(2),
        };
        let rule = Rule::new(descent.step_size * units, descent.divide_by_weight);
        let log = &self.config.log;
        Schedule { steps: descent.steps, until: level.end, log_every: log.every, log_early: log.early, rule, step_size: descent.step_size }
    }
}
