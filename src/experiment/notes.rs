//! The notes at the end of a run, beside its numbers.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use crate::backend::Rule;
use crate::descent::oscillation::{Oscillation, oscillation};
use crate::descent::state::State;
use crate::descent::stop::Stop;
use crate::error::{Error, Result};
use crate::metrics::Metric;
use crate::number::short;
use crate::problem::fit::Fit;
use crate::problem::rare::RareDraws;

use super::config::Config;
use super::meter::Meter;
use super::row::has_not_fallen;
use super::run_folder::METRICS;

/// The fewest steps for a note on the end, and the objective, in units of σ, below which there is none.
const LEAST_STEPS: u64 = 8;
const LEAST_OBJECTIVE: f64 = 1e-3;

/// The notes of a run at `state`, where `fit` stands too. An interrupted run has none, because the user waits for its end.
///
/// # Errors
/// [`Error::BadFile`] if the run's metrics are not as it wrote them.
pub(super) fn of(
    run: &Path,
    meter: &mut Meter,
    state: &State,
    stop: &Stop,
    fit: &mut Fit,
    rule: &Rule,
    interrupted: &AtomicBool,
) -> Result<Vec<String>> {
    if !stop.is_final() {
        return Ok(Vec::new());
    }
    let rare = if_known(rare_draws(meter, fit, state))?;
    let moves = if_known(oscillates(run, meter.config, stop, fit, rule, interrupted))?;
    Ok([moves, rare].into_iter().flatten().collect())
}

/// A note that could not be found because of a lost device or a signal is left out.
fn if_known(note: Result<Option<String>>) -> Result<Option<String>> {
    match note {
        Err(Error::DeviceLost { .. } | Error::Stopped { .. }) => Ok(None),
        other => other,
    }
}

/// A note if the steps of a complete run oscillate at the end, and its objective does not fall.
fn oscillates(run: &Path, config: &Config, stop: &Stop, fit: &mut Fit, rule: &Rule, interrupted: &AtomicBool) -> Result<Option<String>> {
    let Stop::MaxSteps { steps } = *stop else { return Ok(None) };
    let metric = Metric::of(config.objective.divergence);
    let least = LEAST_OBJECTIVE / fit.scales(rule).of_objective;
    if steps < LEAST_STEPS || !has_not_fallen(&run.join(METRICS), metric, steps, least)? {
        return Ok(None);
    }
    let found = oscillation(fit, rule, steps, interrupted)?;
    Ok(found.map(|Oscillation { replicate, component, length }| {
        let step_size = config.descent.step_size;
        format!(
            "the steps only go to and fro: the mean of component {component} of replicate {replicate} moves {} σ at each and comes back, and the \
             {} does not fall. descent.step_size = {step_size} is too long for the curvature there; try {}",
            short(length),
            metric.title().to_lowercase().replace("fisher", "Fisher"),
            0.5 * step_size,
        )
    }))
}

/// A note if the Fisher divergences at the end rest on a few draws.
fn rare_draws(meter: &mut Meter, fit: &mut Fit, state: &State) -> Result<Option<String>> {
    let rare = meter.rare_draws(fit, state)?;
    Ok(if matches!(rare, RareDraws::Found(_)) { rare.sentence("the Fisher divergences at the end") } else { None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_device_costs_a_note_and_nothing_else() {
        assert_eq!(if_known(Err(Error::DeviceLost { what: "gpu: it went away".into() })).unwrap(), None);
        assert_eq!(if_known(Err(Error::Stopped { stage: "a measurement".into() })).unwrap(), None);
        assert_eq!(if_known(Ok(Some("a".into()))).unwrap(), Some("a".into()));
        assert!(if_known(Err(Error::bad_input("a", "b"))).is_err());
    }
}
