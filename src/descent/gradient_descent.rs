//! The descent loop: batches of steps on the device, and between them logged steps, checkpoints, interruptions and a test for NaN.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::monitor::{Look, safe_step};
use super::schedule::Schedule;
use super::state::State;
use super::stop::{Sign, Stop};
use crate::error::Result;
use crate::problem::fit::Fit;

/// The longest time of a batch of steps, so that Ctrl-C and timed checkpoints are prompt.
const BATCH: Duration = Duration::from_millis(400);

/// Callbacks of the loop.
pub trait Observer {
    /// At a logged step, with the device at `state`: measures and writes.
    fn log(&mut self, fit: &mut Fit, state: &State) -> Result<Logged>;

    /// After each batch and each logged step: for progress and timed checkpoints.
    fn advanced(&mut self, state: &State, logged: bool) -> Result<()>;
}

/// The result of a logged step.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Logged {
    /// A stop rule that ends the descent.
    pub stop: Option<Stop>,
    /// The minimised divergence of each replicate, `None` if it is not finite; empty if it was not measured.
    pub objective: Vec<Option<f64>>,
}

/// Descends from `state`, at which the device must stand already, until a rule or the user stops it. `state` ends at the last good step.
///
/// The result has the same bits however the steps are divided into batches, and wherever the descent is interrupted and resumed.
///
/// # Errors
/// Those of the device and of the observer. Non-finite means and divergence are no errors here but [`Stop::NonFinite`] and
/// [`Stop::Diverged`].
pub fn descend(
    fit: &mut Fit,
    schedule: &Schedule,
    state: &mut State,
    observer: &mut dyn Observer,
    interrupted: &AtomicBool,
) -> Result<Stop> {
    let mut pace = Pace::default();
    let mut clock = Instant::now();
    loop {
        if schedule.until < schedule.steps && state.step >= schedule.until {
            return Ok(Stop::MaxSteps { steps: state.step }); // the next level of noise logs this step, as a resumed run would
        }
        if schedule.is_logged(state.step)
            && !state.is_logged()
            && let Some(stop) = log(fit, schedule, state, observer, &mut clock)?
        {
            return Ok(stop);
        }
        if state.step >= schedule.steps {
            return Ok(Stop::MaxSteps { steps: state.step });
        }
        if schedule.is_looked_at(state.step) && state.is_logged() && fit.other_gaps(&state.coordinates).is_some() {
            return Ok(Stop::MaxSteps { steps: state.step }); // the caller opens the problem again, in coordinates that suit it now
        }
        if interrupted.load(Ordering::SeqCst) {
            return Ok(Stop::Interrupted { step: state.step });
        }
        let n = pace.batch(schedule.next_end(state.step) - state.step);
        let begin = Instant::now();
        let broken = batch(fit, schedule, state, n)?;
        pace.took(n, begin.elapsed());
        state.descent_seconds += begin.elapsed().as_secs_f64();
        tick(state, &mut clock);
        if let Some(stop) = broken {
            if !state.is_logged() {
                measure(fit, state, observer, &mut clock)?;
            }
            return Ok(stop);
        }
        if schedule.is_looked_at(state.step)
            && !schedule.is_logged(state.step)
            && let Some(found) = look(fit, schedule, state, &[])
        {
            measure(fit, state, observer, &mut clock)?;
            return back(fit, schedule, state, found);
        }
        observer.advanced(state, false)?;
    }
}

/// Has a step measured, and checks the result.
fn log(fit: &mut Fit, schedule: &Schedule, state: &mut State, observer: &mut dyn Observer, clock: &mut Instant) -> Result<Option<Stop>> {
    let logged = measure(fit, state, observer, clock)?;
    let found = if schedule.is_looked_at(state.step) { look(fit, schedule, state, &logged.objective) } else { None };
    if let Some(found) = found {
        return back(fit, schedule, state, found).map(Some);
    }
    if schedule.is_regular(state.step) && state.monitor.is_good() {
        state.good = state.logged.clone();
    }
    if logged.stop.is_none() {
        observer.advanced(state, true)?;
    }
    Ok(logged.stop)
}

/// Calls the observer at a logged step, and counts its time.
fn measure(fit: &mut Fit, state: &mut State, observer: &mut dyn Observer, clock: &mut Instant) -> Result<Logged> {
    tick(state, clock);
    let logged = observer.log(fit, state)?;
    state.logged = Some((state.step, state.coordinates.clone()));
    tick(state, clock);
    Ok(logged)
}

/// Updates the monitor. A last step that is checked only because it is the last is not remembered, because a run that continues beyond it
/// never had it.
fn look(fit: &Fit, schedule: &Schedule, state: &mut State, objective: &[Option<f64>]) -> Option<(usize, Sign)> {
    let mut monitor = state.monitor.clone();
    let look = Look { step: state.step, is_last: state.step == schedule.steps, coordinates: &state.coordinates, objective };
    let found = monitor.look(&look, &fit.scales(&schedule.rule));
    if schedule.is_regular(state.step) {
        state.monitor = monitor;
    }
    found
}

/// Returns from a bad state to the last good one.
fn back(fit: &mut Fit, schedule: &Schedule, state: &mut State, (replicate, sign): (usize, Sign)) -> Result<Stop> {
    let (step, step_size) = (state.step, schedule.step_size);
    if let Some((good, coordinates)) = state.good.clone() {
        (state.step, state.coordinates) = (good, coordinates);
        fit.set_coordinates(&state.coordinates)?;
    }
    let scales = fit.scales(&schedule.rule);
    let (safe, is_safe) = (safe_step(step_size, &scales), scales.throws_out());
    Ok(Stop::Diverged { step, replicate, sign, good: state.step, step_size, safe, is_safe })
}

/// Adds the time since the last call to the state.
fn tick(state: &mut State, clock: &mut Instant) {
    state.seconds += clock.elapsed().as_secs_f64();
    *clock = Instant::now();
}

/// Makes `n` steps. If they end non-finite, it repeats them one by one up to the last good one and leaves state and device there.
fn batch(fit: &mut Fit, schedule: &Schedule, state: &mut State, n: u64) -> Result<Option<Stop>> {
    fit.descend(state.step, n, &schedule.rule)?;
    let after = fit.coordinates()?;
    if first_non_finite(&after).is_none() {
        state.step += n;
        state.coordinates = after;
        return Ok(None);
    }
    fit.set_coordinates(&state.coordinates)?;
    for _ in 0..n {
        fit.descend(state.step, 1, &schedule.rule)?;
        let after = fit.coordinates()?;
        if let Some(at) = first_non_finite(&after) {
            fit.set_coordinates(&state.coordinates)?;
            let row = at / fit.rank();
            let (replicate, component) = (row / fit.n_components(), row % fit.n_components());
            return Ok(Some(Stop::NonFinite { step: state.step + 1, replicate, component, step_size: schedule.step_size }));
        }
        state.step += 1;
        state.coordinates = after;
    }
    Ok(None)
}

fn first_non_finite(coordinates: &[f64]) -> Option<usize> {
    coordinates.iter().position(|v| !v.is_finite())
}

/// How many steps fit into a [`BATCH`], estimated from earlier batches.
#[derive(Default)]
struct Pace {
    steps: u64,
}

impl Pace {
    fn batch(&self, most: u64) -> u64 {
        self.steps.clamp(1, most)
    }

    /// The number doubles from one step on, up to what the speed of the last batch allows.
    fn took(&mut self, n: u64, time: Duration) {
        let affordable = (n as f64 * BATCH.as_secs_f64() / time.as_secs_f64().max(1e-9)) as u64;
        self.steps = affordable.clamp(1, self.steps.max(n).saturating_mul(2));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_grow_while_steps_are_fast_and_shrink_when_slow() {
        let mut pace = Pace::default();
        assert_eq!(pace.batch(100), 1);
        for expected in [2, 4, 8] {
            let n = pace.batch(100);
            pace.took(n, Duration::from_micros(n));
            assert_eq!(pace.batch(100), expected);
        }
        pace.took(8, Duration::from_secs(8));
        assert_eq!(pace.batch(100), 1);
    }
}
