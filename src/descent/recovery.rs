//! Descent that survives lost devices: it reopens the device with half the memory and continues from the last good state, up to three
//! times.

use std::sync::atomic::AtomicBool;

use super::gradient_descent::{Observer, descend};
use super::schedule::Schedule;
use super::state::State;
use super::stop::Stop;
use crate::error::{Error, Result};
use crate::problem::fit::Fit;

/// The number of losses that a descent survives.
pub(crate) const MOST_LOSSES: u32 = 3;

/// As [`descend`], but if the device is lost, `reopen` opens the problem again (given the number of losses so far, and the error), and the
/// descent continues from the last good state. Draws are addressed by step, so nothing is sampled twice or skipped.
///
/// # Errors
/// The last [`Error::DeviceLost`] after [`MOST_LOSSES`] others; those of `reopen` and of [`descend`].
pub(crate) fn descend_through_losses(
    fit: &mut Fit,
    schedule: &Schedule,
    state: &mut State,
    observer: &mut dyn Observer,
    interrupted: &AtomicBool,
    reopen: &mut dyn FnMut(u32, &Error) -> Result<Fit>,
) -> Result<Stop> {
    let mut losses = 0;
    loop {
        match descend(fit, schedule, state, observer, interrupted) {
            Err(error @ Error::DeviceLost { .. }) if losses < MOST_LOSSES => {
                losses += 1;
                *fit = reopen(losses, &error)?;
                state.load_into(fit)?;
            }
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::{Backend, Description, Evaluation, GradientSums, MeasureSums, Points, Rule, Session, UnitProblem};
    use crate::cpu::Cpu;
    use crate::descent::gradient_descent::Logged;
    use crate::mixture::GaussianMixture;
    use crate::objective::divergence::Side;
    use crate::{Fit, Problem};

    /// The CPU, except that every `lifetime`-th call of `descend` loses the device half-way.
    struct Flaky {
        lifetime: u32,
    }

    struct FlakySession {
        inner: Box<dyn Session>,
        left: u32,
    }

    impl Backend for Flaky {
        fn describe(&self) -> Description {
            Cpu::new().describe()
        }
        fn evaluate(&mut self, mixture: &crate::mixture::Mixture, points: Points, responsibilities: bool) -> Result<Evaluation> {
            Cpu::new().evaluate(mixture, points, responsibilities)
        }
        fn polynomials(&self) -> Box<dyn crate::backend::polynomials::Polynomials> {
            Cpu::new().polynomials()
        }
        fn open(&mut self, problem: &UnitProblem) -> Result<Box<dyn Session>> {
            Ok(Box::new(FlakySession { inner: Cpu::new().open(problem)?, left: self.lifetime }))
        }
    }

    impl Session for FlakySession {
        fn set(&mut self, parameters: &[f64]) -> Result<()> {
            self.inner.set(parameters)
        }
        fn parameters(&mut self) -> Result<Vec<f64>> {
            self.inner.parameters()
        }
        fn gradient(&mut self, step: u64) -> Result<GradientSums> {
            self.inner.gradient(step)
        }
        fn descend(&mut self, first_step: u64, n_steps: u64, rule: &Rule) -> Result<()> {
            self.left = self.left.saturating_sub(1);
            if self.left == 0 {
                self.inner.descend(first_step, n_steps / 2, rule)?;
                return Err(Error::DeviceLost { what: "the device went away".into() });
            }
            self.inner.descend(first_step, n_steps, rule)
        }
        fn measure(&mut self, from: Side, strata: Option<&[u32]>, n_samples: usize, step: u64) -> Result<MeasureSums> {
            self.inner.measure(from, strata, n_samples, step)
        }
    }

    struct Silent;

    impl Observer for Silent {
        fn log(&mut self, _: &mut Fit, _: &State) -> Result<Logged> {
            Ok(Logged::default())
        }
        fn advanced(&mut self, _: &State, _: bool) -> Result<()> {
            Ok(())
        }
    }

    fn run(lifetimes: [u32; 4]) -> (Result<Stop>, State) {
        let teacher = GaussianMixture::uniform(vec![-2.0, 2.0], 1).unwrap();
        let problem = Problem { n_samples: Some(64), ..Problem::new(vec![0.5; 2], teacher) };
        let open = |lifetime: u32| problem.open(&mut Flaky { lifetime }, &[-0.5, 1.0]);
        let mut fit = open(lifetimes[0]).unwrap();
        let mut state = State::start(&mut fit).unwrap();
        let schedule = Schedule { steps: 40, until: u64::MAX, log_every: 4, log_early: false, rule: Rule::new(0.5, false), step_size: 0.5 };
        let mut reopen = |losses: u32, _: &Error| open(lifetimes[losses as usize]);
        let stop = descend_through_losses(&mut fit, &schedule, &mut state, &mut Silent, &AtomicBool::new(false), &mut reopen);
        (stop, state)
    }

    #[test]
    fn three_losses_change_no_bit() {
        let (stop, whole) = run([u32::MAX; 4]);
        assert_eq!(stop.unwrap(), Stop::MaxSteps { steps: 40 });
        let (stop, broken) = run([3, 2, 4, u32::MAX]);
        assert_eq!(stop.unwrap(), Stop::MaxSteps { steps: 40 });
        assert_eq!(broken.coordinates, whole.coordinates);
    }

    #[test]
    fn the_fourth_loss_is_an_error_and_the_last_good_state_kept() {
        let (stop, state) = run([3, 2, 4, 2]);
        assert!(matches!(stop, Err(Error::DeviceLost { .. })));
        assert!(state.step > 0 && state.coordinates.iter().all(|v| v.is_finite()));
    }
}
