//! The numbers of a config, checked before memory is allocated for them.

use crate::error::{Error, Result};

use super::config::Config;
use crate::objective::grid::MOST_DIMENSIONS;

/// The most numbers in all starts together, R·k·d: 8 GiB of float64.
const MOST_NUMBERS: u64 = 1 << 30;

/// The most numbers in a trajectory: 2 GiB of float64.
const MOST_TRAJECTORY: u64 = 1 << 28;

/// The most components of one mixture, and the most replicates.
const MOST_COMPONENTS: usize = 1 << 24;

/// Refuses numbers that no experiment can have.
///
/// # Errors
/// [`Error::BadConfig`] with the key, its value and its limits.
pub(crate) fn check(config: &Config) -> Result<()> {
    within("replicates", config.replicates as u64, 1, MOST_COMPONENTS as u64)?;
    within("descent.steps", config.descent.steps, 0, u64::from(u32::MAX))?;
    within("log.every", config.log.every, 1, u64::from(u32::MAX))?;
    within("log.samples", config.log.samples as u64, 2, u64::from(u32::MAX))?;
    if let Some(samples) = config.objective.samples {
        within("objective.samples", samples as u64, 1, u64::from(u32::MAX))?;
    }
    let descent = &config.descent;
    if !(descent.step_size.is_finite() && descent.step_size > 0.0) {
        return Err(Error::bad_config(
            format!("descent.step_size is {:?}", descent.step_size),
            "Give a positive number; 0.5 to 1 is safe with divide_by_weight",
        ));
    }
    for (key, value) in [
        ("descent.gradient_tolerance", descent.gradient_tolerance),
        ("descent.divergence_tolerance", descent.divergence_tolerance),
        ("descent.movement_tolerance", descent.movement_tolerance),
        ("checkpoint.every_seconds", config.checkpoint.every_seconds),
    ] {
        if !(value.is_finite() && value >= 0.0) {
            return Err(Error::bad_config(format!("{key} is {value:?}"), "Give a finite number that is not negative"));
        }
    }
    if let Some(fault) = config.objective.noise.fault() {
        return Err(Error::bad_config(fault, "Give a finite number that is not negative"));
    }
    check_student(config)
}

fn check_student(config: &Config) -> Result<()> {
    let student = &config.student;
    match (&student.file, student.components, &student.start) {
        (Some(_), None, None) => return Ok(()),
        (None, Some(components), _) => within("student.components", components as u64, 1, MOST_COMPONENTS as u64)?,
        (Some(_), ..) => {
            return Err(Error::bad_config(
                "[student] has a file and also components or a start",
                "A file says both: remove student.components and [student.start], or remove student.file",
            ));
        }
        (None, ..) => {
            return Err(Error::bad_config(
                "[student] has no start",
                "Give file = \"start.npz\", or components = N and a scheme under [student.start]",
            ));
        }
    }
    let components = student.components.unwrap_or(0);
    match &student.weights {
        Some(weights) if weights.len() != components => Err(Error::bad_config(
            format!("student.weights has {} numbers for {components} components", weights.len()),
            "Give one weight per component, or none for equal weights",
        )),
        _ => Ok(()),
    }
}

/// Refuses a problem of R·k·d numbers, or a trajectory of them, that is too large for a machine.
///
/// # Errors
/// [`Error::BadConfig`] with the figures.
pub(crate) fn check_size(config: &Config, n_components: usize, n_features: usize) -> Result<()> {
    let numbers = (config.replicates as u64).saturating_mul(n_components as u64).saturating_mul(n_features as u64);
    if numbers > MOST_NUMBERS {
        return Err(Error::bad_config(
            format!(
                "{} replicates of {n_components} components in {n_features} dimensions are {numbers} numbers, more than {MOST_NUMBERS}",
                config.replicates
            ),
            "Use fewer replicates, components or dimensions",
        ));
    }
    let rows = config.descent.steps / config.log.every + 2;
    let trajectory = numbers.saturating_mul(rows);
    if config.log.trajectory && trajectory > MOST_TRAJECTORY {
        return Err(Error::bad_config(
            format!("the trajectory of {rows} logged steps would hold {trajectory} numbers, more than {MOST_TRAJECTORY}"),
            "Set log.trajectory = false, or a larger log.every",
        ));
    }
    Ok(())
}

/// Refuses a grid in too many coordinates `rank`, before anything is written.
pub(crate) fn check_grid(rank: usize) -> Result<()> {
    if rank <= MOST_DIMENSIONS {
        return Ok(());
    }
    Err(Error::bad_config(
        format!("objective.sampler is \"grid\" and the means span {rank} dimensions, where a grid works in at most {MOST_DIMENSIONS}"),
        "Set objective.sampler = \"antithetic\", or \"philox\"",
    ))
}

fn within(key: &str, value: u64, least: u64, most: u64) -> Result<()> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(Error::bad_config(format!("{key} is {value}"), format!("Give a number from {least} to {most}")))
}
