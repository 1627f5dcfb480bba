//! The loop: pieces of steps on the device, with logged steps, checkpoints, interruptions and a watch for NaN in between.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::backend::Rule;
use crate::error::Result;

use super::stop::Stop;
use crate::problem::fit::Fit;

/// One piece of steps takes about this long at the most, so that Ctrl-C and timed checkpoints are prompt.
const PIECE: Duration = Duration::from_millis(400);

/// What the loop follows.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The last step.
    pub steps: u64,
    /// Where to halt before that, with the same problem under other noise to go on with; at least `steps` if nowhere.
    pub until: u64,
    /// Steps between logged ones; the first and the last are always logged.
    pub log_every: u64,
    /// Log steps 1, 2, 3, 5, 8, … below `log_every`, too: their places on a logarithmic axis are nearly even.
    pub log_early: bool,
    /// How a step moves the parameters.
    pub rule: Rule,
    /// What users wrote for its step size, for messages.
    pub step_size: f64,
}

/// What resuming needs, as plain data.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    /// Steps made.
    pub step: u64,
    /// The device's coordinates of the means, shape (R, k, ϱ).
    pub coordinates: Vec<f64>,
    /// The length that is 1 in them: √(σ² + t).
    pub unit: f64,
    /// The newest logged step, if any, and the coordinates it had.
    pub logged: Option<(u64, Vec<f64>)>,
    /// Wall-clock seconds since the start, all sittings together.
    pub seconds: f64,
    /// The part of them spent in steps.
    pub descent_seconds: f64,
    /// Set once the descent has ended for good.
    pub stop: Option<Stop>,
}

/// What the loop calls on its way.
pub trait Keeper {
    /// A logged step: measures and writes. The device stands at `state`; `Some` ends the descent by a stop rule.
    ///
    /// # Errors
    /// Those of the device and of the files.
    fn log(&mut self, fit: &mut Fit, state: &State) -> Result<Option<Stop>>;

    /// After each piece and each logged step: the place for progress and for timed checkpoints.
    ///
    /// # Errors
    /// Those of the files.
    fn passed(&mut self, state: &State, logged: bool) -> Result<()>;
}

impl State {
    /// Before the first step.
    ///
    /// # Errors
    /// The device's.
    pub fn start(fit: &mut Fit) -> Result<State> {
        Ok(State {
            step: 0,
            coordinates: fit.coordinates()?,
            unit: fit.unit(),
            logged: None,
            seconds: 0.0,
            descent_seconds: 0.0,
            stop: None,
        })
    }

    /// Puts the device at the state, whose coordinates turn into its units if they were in others'.
    ///
    /// # Errors
    /// The device's.
    pub fn enter(&mut self, fit: &mut Fit) -> Result<()> {
        if self.unit != fit.unit() {
            let factor = self.unit / fit.unit();
            let logged = self.logged.iter_mut().flat_map(|(_, coordinates)| coordinates);
            self.coordinates.iter_mut().chain(logged).for_each(|y| *y *= factor);
            self.unit = fit.unit();
        }
        fit.set_coordinates(&self.coordinates)
    }

    /// Whether the present step has been logged.
    fn is_logged(&self) -> bool {
        self.logged.as_ref().is_some_and(|(step, _)| *step == self.step)
    }
}

impl Plan {
    fn is_logged(&self, step: u64) -> bool {
        step == self.steps || step.is_multiple_of(self.log_every) || self.early(step) == Some(step)
    }

    /// The first early step from `step` on.
    fn early(&self, step: u64) -> Option<u64> {
        let (mut early, mut next) = (1u64, 2u64);
        while early < step {
            (early, next) = (next, early.saturating_add(next));
        }
        (self.log_early && early < self.log_every).then_some(early)
    }

    fn next_logged(&self, step: u64) -> u64 {
        let early = self.early(step + 1).unwrap_or(u64::MAX);
        (step / self.log_every + 1).saturating_mul(self.log_every).min(early).min(self.steps).min(self.until.max(step + 1))
    }
}

/// Descends from `state`, where the device must stand already, until a rule or the user stops it. `state` ends at the last good step.
///
/// How the steps are cut into pieces, and where the descent is interrupted and resumed, changes no bit of the result.
///
/// # Errors
/// Those of the device and of the keeper. Non-finite means are no error here but [`Stop::NonFinite`].
pub fn descend(fit: &mut Fit, plan: &Plan, state: &mut State, keeper: &mut dyn Keeper, interrupted: &AtomicBool) -> Result<Stop> {
    let mut pace = Pace::default();
    let mut clock = Instant::now();
    loop {
        if plan.until < plan.steps && state.step >= plan.until {
            return Ok(Stop::MaxSteps { steps: state.step }); // what follows logs this step, as a resumed run would
        }
        if plan.is_logged(state.step)
            && !state.is_logged()
            && let Some(stop) = log(fit, state, keeper, &mut clock)?
        {
            return Ok(stop);
        }
        if state.step >= plan.steps {
            return Ok(Stop::MaxSteps { steps: state.step });
        }
        if interrupted.load(Ordering::SeqCst) {
            return Ok(Stop::Interrupted { step: state.step });
        }
        let n = pace.piece(plan.next_logged(state.step) - state.step);
        let begin = Instant::now();
        let broken = piece(fit, plan, state, n)?;
        pace.took(n, begin.elapsed());
        state.descent_seconds += begin.elapsed().as_secs_f64();
        tick(state, &mut clock);
        if let Some(stop) = broken {
            if !state.is_logged() {
                log(fit, state, keeper, &mut clock)?;
            }
            return Ok(stop);
        }
        keeper.passed(state, false)?;
    }
}

fn log(fit: &mut Fit, state: &mut State, keeper: &mut dyn Keeper, clock: &mut Instant) -> Result<Option<Stop>> {
    tick(state, clock);
    let stop = keeper.log(fit, state)?;
    state.logged = Some((state.step, state.coordinates.clone()));
    tick(state, clock);
    if stop.is_none() {
        keeper.passed(state, true)?;
    }
    Ok(stop)
}

/// Adds the time since the last tick to the state.
fn tick(state: &mut State, clock: &mut Instant) {
    state.seconds += clock.elapsed().as_secs_f64();
    *clock = Instant::now();
}

/// `n` steps. If they end non-finite, they are made again one by one up to the last good one, where state and device are left.
fn piece(fit: &mut Fit, plan: &Plan, state: &mut State, n: u64) -> Result<Option<Stop>> {
    fit.descend(state.step, n, &plan.rule)?;
    let after = fit.coordinates()?;
    if first_bad(&after).is_none() {
        state.step += n;
        state.coordinates = after;
        return Ok(None);
    }
    fit.set_coordinates(&state.coordinates)?;
    for _ in 0..n {
        fit.descend(state.step, 1, &plan.rule)?;
        let after = fit.coordinates()?;
        if let Some(at) = first_bad(&after) {
            fit.set_coordinates(&state.coordinates)?;
            let row = at / fit.rank();
            let (replicate, component) = (row / fit.n_components(), row % fit.n_components());
            return Ok(Some(Stop::NonFinite { step: state.step + 1, replicate, component, step_size: plan.step_size }));
        }
        state.step += 1;
        state.coordinates = after;
    }
    Ok(None)
}

fn first_bad(coordinates: &[f64]) -> Option<usize> {
    coordinates.iter().position(|v| !v.is_finite())
}

/// How many steps fit into a [`PIECE`], learnt from the pieces before.
#[derive(Default)]
struct Pace {
    steps: u64,
}

impl Pace {
    fn piece(&self, most: u64) -> u64 {
        self.steps.clamp(1, most)
    }

    /// Doubles from a single step on, and never beyond what the last piece's speed allows.
    fn took(&mut self, n: u64, time: Duration) {
        let affordable = (n as f64 * PIECE.as_secs_f64() / time.as_secs_f64().max(1e-9)) as u64;
        self.steps = affordable.clamp(1, self.steps.max(n).saturating_mul(2));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_and_the_last_step_are_logged() {
        let plan = Plan { steps: 25, until: u64::MAX, log_every: 10, log_early: false, rule: Rule::new(1.0, false), step_size: 1.0 };
        let logged: Vec<u64> = (0..=25).filter(|s| plan.is_logged(*s)).collect();
        assert_eq!(logged, [0, 10, 20, 25]);
        assert_eq!([0, 9, 10, 20, 24].map(|s| plan.next_logged(s)), [10, 10, 20, 25, 25]);
    }

    #[test]
    fn early_steps_are_logged_besides() {
        let early =
            |steps, log_every| Plan { steps, until: u64::MAX, log_every, log_early: true, rule: Rule::new(1.0, false), step_size: 1.0 };
        let plan = early(50, 20);
        let logged: Vec<u64> = (0..=50).filter(|s| plan.is_logged(*s)).collect();
        assert_eq!(logged, [0, 1, 2, 3, 5, 8, 13, 20, 40, 50]);
        let mut reached = vec![0];
        while reached.last() != Some(&50) {
            reached.push(plan.next_logged(reached[reached.len() - 1]));
        }
        assert_eq!(reached, logged, "what comes next is what is logged");
        assert_eq!(early(u64::MAX, u64::MAX).next_logged(u64::MAX - 1), u64::MAX);
        assert_eq!((0..=4).filter(|s| early(4, 1).is_logged(*s)).count(), 5);
    }

    #[test]
    fn pieces_grow_while_steps_are_fast_and_shrink_when_slow() {
        let mut pace = Pace::default();
        assert_eq!(pace.piece(100), 1);
        for expected in [2, 4, 8] {
            let n = pace.piece(100);
            pace.took(n, Duration::from_micros(n));
            assert_eq!(pace.piece(100), expected);
        }
        pace.took(8, Duration::from_secs(8));
        assert_eq!(pace.piece(100), 1);
    }
}
