//! The loop: batches of steps on the device, with logged steps, checkpoints, interruptions and a test for NaN in between.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::schedule::Schedule;
use super::state::State;
use super::stop::Stop;
use crate::error::Result;
use crate::problem::fit::Fit;

/// A batch of steps takes about this long at the most, so that Ctrl-C and timed checkpoints are prompt.
const BATCH: Duration = Duration::from_millis(400);

/// What the loop calls on its way.
pub trait Observer {
    /// At a logged step, with the device at `state`: measures and writes. `Some` ends the descent by a stop rule.
    fn log(&mut self, fit: &mut Fit, state: &State) -> Result<Option<Stop>>;

    /// After each batch and each logged step: the place for progress and for timed checkpoints.
    fn advanced(&mut self, state: &State, logged: bool) -> Result<()>;
}

/// Descends from `state`, where the device must stand already, until a rule or the user stops it. `state` ends at the last good step.
///
/// How the steps are cut into batches, and where the descent is interrupted and resumed, changes no bit of the result.
///
/// # Errors
/// Those of the device and of the observer. Non-finite means are no error here but [`Stop::NonFinite`].
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
            && let Some(stop) = log(fit, state, observer, &mut clock)?
        {
            return Ok(stop);
        }
        if state.step >= schedule.steps {
            return Ok(Stop::MaxSteps { steps: state.step });
        }
        if interrupted.load(Ordering::SeqCst) {
            return Ok(Stop::Interrupted { step: state.step });
        }
        let n = pace.batch(schedule.next_logged(state.step) - state.step);
        let begin = Instant::now();
        let broken = batch(fit, schedule, state, n)?;
        pace.took(n, begin.elapsed());
        state.descent_seconds += begin.elapsed().as_secs_f64();
        tick(state, &mut clock);
        if let Some(stop) = broken {
            if !state.is_logged() {
                log(fit, state, observer, &mut clock)?;
            }
            return Ok(stop);
        }
        observer.advanced(state, false)?;
    }
}

fn log(fit: &mut Fit, state: &mut State, observer: &mut dyn Observer, clock: &mut Instant) -> Result<Option<Stop>> {
    tick(state, clock);
    let stop = observer.log(fit, state)?;
    state.logged = Some((state.step, state.coordinates.clone()));
    tick(state, clock);
    if stop.is_none() {
        observer.advanced(state, true)?;
    }
    Ok(stop)
}

/// Adds the time since the last tick to the state.
fn tick(state: &mut State, clock: &mut Instant) {
    state.seconds += clock.elapsed().as_secs_f64();
    *clock = Instant::now();
}

/// `n` steps. If they end non-finite, they are made again one by one up to the last good one, where state and device are left.
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

/// How many steps fit into a [`BATCH`], learnt from the batches before.
#[derive(Default)]
struct Pace {
    steps: u64,
}

impl Pace {
    fn batch(&self, most: u64) -> u64 {
        self.steps.clamp(1, most)
    }

    /// Doubles from a single step on, and never beyond what the last batch's speed allows.
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
