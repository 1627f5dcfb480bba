//! Why a descent ended: an enum that carries its sentence.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::number::short;

/// The end of a descent, with the numbers that decided it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Stop {
    /// All steps were made.
    MaxSteps { steps: u64 },
    /// The measured divergence of every replicate is at most the tolerance.
    DivergenceBelow { step: u64, value: f64, tolerance: f64 },
    /// The largest movement of a mean per step, since the previous logged step, is at most the tolerance in every replicate.
    MovementBelow { step: u64, value: f64, tolerance: f64 },
    /// The gradient of every replicate has at most this norm.
    GradientBelow { step: u64, value: f64, tolerance: f64 },
    /// The next step would have produced NaN or infinity; the state before it is kept.
    NonFinite { step: u64, replicate: usize, component: usize, step_size: f64 },
    /// The descent diverged; the state of `good`, the last good logged step, is kept.
    Diverged {
        step: u64,
        replicate: usize,
        sign: Sign,
        good: u64,
        step_size: f64,
        /// A step size to continue with.
        safe: f64,
        /// Whether that is proved to be safe, or a guess.
        #[serde(default)]
        is_safe: bool,
    },
    /// Ctrl-C or SIGTERM; a checkpoint was kept.
    Interrupted { step: u64 },
}

/// The sign that a descent diverges ([`super::monitor`]).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Sign {
    /// A mean is far from the teacher's centroid, relative to the reach of all means at the start; both in σ of the densities with their
    /// noise. `is_lost`: every step takes it farther; else it was seen to go farther.
    MeanRunsOff { component: usize, distance: f64, reach: f64, is_lost: bool },
    /// The objective stays far above its value at the start; `None` is not finite.
    ObjectiveStaysAbove { value: Option<f64>, start: Option<f64>, since: u64 },
}

impl Stop {
    /// The error of a program whose run ended this way, if its values are not finite or diverged.
    pub fn failure(&self) -> Option<Error> {
        match self {
            Stop::NonFinite { step, replicate, component, step_size } => {
                Some(Error::NonFinite { step: *step, replicate: *replicate, component: *component, step_size: *step_size })
            }
            Stop::Diverged { safe, .. } => Some(Error::Diverged { what: self.to_string(), safe: *safe }),
            _ => None,
        }
    }

    /// The number of steps made.
    pub fn steps_made(&self) -> Option<u64> {
        if let Stop::Diverged { step, .. } = self { Some(*step) } else { None }
    }

    /// Whether a resumed run has nothing left to do.
    pub fn is_final(&self) -> bool {
        !matches!(self, Stop::Interrupted { .. })
    }

    /// The name in `summary.json`.
    pub fn kind(&self) -> &'static str {
        match self {
            Stop::MaxSteps { .. } => "max-steps",
            Stop::DivergenceBelow { .. } => "divergence-below",
            Stop::MovementBelow { .. } => "movement-below",
            Stop::GradientBelow { .. } => "gradient-below",
            Stop::NonFinite { .. } => "non-finite",
            Stop::Diverged { .. } => "diverged",
            Stop::Interrupted { .. } => "interrupted",
        }
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stop::MaxSteps { steps } => write!(f, "all {steps} steps were made"),
            Stop::DivergenceBelow { step, value, tolerance } => {
                write!(f, "at step {step} the divergence {value:.3e} was at most descent.divergence_tolerance = {tolerance:e}")
            }
            Stop::MovementBelow { step, value, tolerance } => {
                write!(f, "at step {step} no mean moved more than {value:.3e} per step, at most descent.movement_tolerance = {tolerance:e}")
            }
            Stop::GradientBelow { step, value, tolerance } => {
                write!(f, "at step {step} the gradient's norm {value:.3e} was at most descent.gradient_tolerance = {tolerance:e}")
            }
            Stop::NonFinite { step, replicate, component, step_size } => write!(
                f,
                "step {step} of replicate {replicate} made the mean of component {component} non-finite (descent.step_size = {step_size}); the state before it is kept"
            ),
            Stop::Diverged { step, replicate, sign, good, step_size, safe, is_safe } => write!(
                f,
                "by step {step} replicate {replicate} had diverged: {sign}. descent.step_size = {step_size} is too long, {}; the \
                 state of step {good}, the last good one that was logged, is kept",
                if *is_safe { format!("and {safe} is safe") } else { format!("try {safe}") }
            ),
            Stop::Interrupted { step } => write!(f, "interrupted at step {step}"),
        }
    }
}

impl fmt::Display for Sign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Sign::MeanRunsOff { component, distance, reach, is_lost } => write!(
                f,
                "the mean of component {component} is {} σ from the teacher's centroid, beyond a reach of {} σ at the start, and {}",
                short(*distance),
                short(*reach),
                if *is_lost { "every step takes it farther" } else { "it was nearer at the look before" }
            ),
            Sign::ObjectiveStaysAbove { value, start, since } => {
                match start {
                    Some(start) => write!(f, "the divergence that is minimised began with {}", short(*start))?,
                    None => write!(f, "the divergence that is minimised was not finite at the start")?,
                }
                match value {
                    Some(value) => write!(f, ", is far above that since step {since}, and does not fall: it is {} now", short(*value)),
                    None => write!(f, " and is no longer finite, after it was far above that since step {since}"),
                }
            }
        }
    }
}

/// Tolerances of the stop rules, which are tested at logged steps; zero turns a rule off.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tolerances {
    /// On the measured divergence that is minimised.
    pub divergence: f64,
    /// On the Euclidean norm of ∂L/∂μ.
    pub gradient: f64,
    /// On the largest movement of a mean per step, since the previous logged step.
    pub movement: f64,
}

/// The inputs of the stop rules for one replicate; `None` is unknown, and above every tolerance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measured {
    pub divergence: Option<f64>,
    pub gradient: Option<f64>,
    pub movement: Option<f64>,
}

impl Tolerances {
    /// The first rule that holds for every replicate, if any.
    pub fn reached(&self, step: u64, replicates: &[Measured]) -> Option<Stop> {
        if let Some(value) = all_at_most(replicates.iter().map(|r| r.divergence), self.divergence) {
            return Some(Stop::DivergenceBelow { step, value, tolerance: self.divergence });
        }
        if let Some(value) = all_at_most(replicates.iter().map(|r| r.gradient), self.gradient) {
            return Some(Stop::GradientBelow { step, value, tolerance: self.gradient });
        }
        let value = all_at_most(replicates.iter().map(|r| r.movement), self.movement)?;
        Some(Stop::MovementBelow { step, value, tolerance: self.movement })
    }
}

/// The largest value, if the tolerance is on and no value is above it.
fn all_at_most(values: impl Iterator<Item = Option<f64>>, tolerance: f64) -> Option<f64> {
    if tolerance <= 0.0 {
        return None;
    }
    let values: Option<Vec<f64>> = values.map(|value| value.filter(|v| *v <= tolerance)).collect();
    values.map(|values| values.into_iter().fold(f64::NEG_INFINITY, f64::max))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_serdes_and_sentences_have_numbers() {
        for stop in [
            Stop::MaxSteps { steps: 3 },
            Stop::DivergenceBelow { step: 3, value: 1e-4, tolerance: 2e-4 },
            Stop::MovementBelow { step: 3, value: 1e-4, tolerance: 2e-4 },
            Stop::GradientBelow { step: 3, value: 1e-4, tolerance: 2e-4 },
            Stop::NonFinite { step: 3, replicate: 0, component: 1, step_size: 1e9 },
            Stop::Diverged {
                step: 3,
                replicate: 1,
                sign: Sign::MeanRunsOff { component: 2, distance: 31.0, reach: 5.0, is_lost: true },
                good: 0,
                step_size: 3.0,
                safe: 1.0,
                is_safe: true,
            },
            Stop::Diverged {
                step: 3,
                replicate: 0,
                sign: Sign::ObjectiveStaysAbove { value: Some(1e3), start: Some(0.5), since: 2 },
                good: 1,
                step_size: 3.0,
                safe: 1.0,
                is_safe: false,
            },
            Stop::Interrupted { step: 3 },
        ] {
            let value = serde_json::to_value(&stop).unwrap();
            assert_eq!(value["kind"], stop.kind());
            assert_eq!(serde_json::from_value::<Stop>(value).unwrap(), stop);
            let said = stop.to_string();
            assert!(said.contains('3'), "{said}");
            if let Stop::Diverged { is_safe, .. } = stop {
                assert_eq!((said.contains("1 is safe"), said.contains("try 1"), said.contains("every step")), (is_safe, !is_safe, is_safe));
            }
        }
    }

    #[test]
    fn a_rule_holds_where_it_holds_for_every_replicate() {
        let of = |divergence: Option<f64>, gradient: Option<f64>, movement: Option<f64>| Measured { divergence, gradient, movement };
        let rules = Tolerances { divergence: 0.5, gradient: 0.0, movement: 0.1 };
        let (near, far) = (of(Some(0.25), Some(0.0), Some(0.05)), of(Some(0.75), Some(0.0), Some(0.1)));
        assert_eq!(rules.reached(7, &[near, near]), Some(Stop::DivergenceBelow { step: 7, value: 0.25, tolerance: 0.5 }));
        assert_eq!(rules.reached(7, &[near, far]), Some(Stop::MovementBelow { step: 7, value: 0.1, tolerance: 0.1 }));
        assert_eq!(rules.reached(7, &[near, of(None, Some(0.0), None)]), None, "what is unknown is above every tolerance");
        assert_eq!(Tolerances { divergence: 0.0, movement: 0.0, ..rules }.reached(7, &[near]), None, "zero is off");
        let by_gradient = Tolerances { gradient: 1.0, ..rules };
        assert_eq!(by_gradient.reached(7, &[far]), Some(Stop::GradientBelow { step: 7, value: 0.0, tolerance: 1.0 }));
    }
}
