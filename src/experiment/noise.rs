//! Noise on both densities: a fixed heat-flow time, or a schedule that anneals it step by step.
//!
//! Heat flow for a time t adds t to both variances. The Ornstein–Uhlenbeck process for a time τ shrinks means by e^{−τ} and brings
//! variances to σ²e^{−2τ} + 1 − e^{−2τ}; in units of e^{−τ} that is heat flow for t = e^{2τ} − 1. So the two differ in the unit of time,
//! and in a factor of L and its gradient that the step size below cancels.
//!
//! Under a schedule the step size is in units of the noisy densities: it is multiplied by ((σ² + t)/σ²)². Otherwise steps under much noise
//! would hardly move the means, as ∂L/∂μ falls with the square of the variance.

use serde::{Deserialize, Serialize};
use toml::Value;

/// `objective.noise`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub enum Noise {
    /// A heat-flow time.
    Fixed(f64),
    Annealed(Annealing),
}

/// Noise that changes with the steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Annealing {
    #[serde(default)]
    pub kind: Kind,
    /// The time at step 0.
    pub from: f64,
    /// The time from step `steps` on; also for all measurements.
    #[serde(default)]
    pub to: f64,
    pub steps: u64,
    #[serde(default)]
    pub shape: Shape,
    /// The number of different times: the noise is constant for steps/levels steps.
    #[serde(default = "fifty")]
    pub levels: u64,
}

/// The unit of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Heat flow: t is added to both variances.
    #[default]
    Heat,
    /// Ornstein–Uhlenbeck.
    Ou,
}

/// How time changes from first to last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// 1 + time changes by equal factors.
    #[default]
    Geometric,
    Linear,
}

/// A range of steps under one noise.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level {
    /// Heat-flow time.
    pub noise: f64,
    /// The first step of the next level; `u64::MAX` for the last.
    pub end: u64,
}

fn fifty() -> u64 {
    50
}

impl Noise {
    /// The level of the step that begins at `step`.
    pub fn level(&self, step: u64) -> Level {
        match self {
            Noise::Fixed(noise) => Level { noise: *noise, end: u64::MAX },
            Noise::Annealed(annealing) => annealing.level(step),
        }
    }

    /// The heat-flow time of all measurements: that of the end.
    pub fn measured(&self) -> f64 {
        self.level(u64::MAX).noise
    }

    /// Steps until the noise no longer changes.
    pub fn steps(&self) -> u64 {
        if let Noise::Annealed(annealing) = self { annealing.steps } else { 0 }
    }

    /// What is wrong with the numbers, if anything.
    pub fn fault(&self) -> Option<String> {
        let bad = |name: &str, time: f64| (!(time.is_finite() && time >= 0.0)).then(|| format!("objective.noise{name} is {time:?}"));
        match self {
            Noise::Fixed(time) => bad("", *time),
            Noise::Annealed(s) => bad(".from", s.from)
                .or_else(|| bad(".to", s.to))
                .or_else(|| [s.from, s.to].iter().find_map(|time| bad(" as heat-flow time", heat(s.kind, *time))))
                .or_else(|| (s.levels == 0).then(|| "objective.noise.levels is 0".into())),
        }
    }
}

impl Annealing {
    fn level(&self, step: u64) -> Level {
        if step >= self.steps {
            return Level { noise: heat(self.kind, self.to), end: u64::MAX };
        }
        let levels = self.levels.min(self.steps);
        let wide = |a: u64, b: u64, c: u64| (u128::from(a) * u128::from(b) / u128::from(c)) as u64;
        let level = wide(step, levels, self.steps);
        // The first step of the next level: ⌈(level + 1)·steps/levels⌉.
        let end = (u128::from(level + 1) * u128::from(self.steps)).div_ceil(u128::from(levels)) as u64;
        let u = level as f64 / levels as f64;
        let time = match self.shape {
            Shape::Linear => self.from + (self.to - self.from) * u,
            Shape::Geometric => (self.from.ln_1p() * (1.0 - u) + self.to.ln_1p() * u).exp_m1(),
        };
        Level { noise: heat(self.kind, time), end }
    }
}

/// The heat-flow time that corresponds to a time.
fn heat(kind: Kind, time: f64) -> f64 {
    match kind {
        Kind::Heat => time,
        Kind::Ou => (2.0 * time).exp_m1(),
    }
}

impl TryFrom<Value> for Noise {
    type Error = String;

    fn try_from(value: Value) -> Result<Noise, String> {
        match value {
            Value::Float(time) => Ok(Noise::Fixed(time)),
            Value::Integer(time) => Ok(Noise::Fixed(time as f64)),
            Value::Table(table) => table.try_into().map(Noise::Annealed).map_err(|e: toml::de::Error| e.message().to_string()),
            other => Err(format!("a {} is no noise: give a time, or a table with from, to and steps", other.type_str())),
        }
    }
}

impl From<Noise> for Value {
    fn from(noise: Noise) -> Value {
        match noise {
            Noise::Fixed(time) => Value::Float(time),
            Noise::Annealed(annealing) => Value::try_from(annealing).unwrap_or(Value::Float(0.0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(kind: Kind, from: f64, shape: Shape) -> Noise {
        Noise::Annealed(Annealing { kind, from, to: 0.0, steps: 70, shape, levels: 8 })
    }

    #[test]
    fn levels_follow_each_other_without_gaps() {
        for steps in [1, 7, 70, u64::from(u32::MAX)] {
            let noise = Noise::Annealed(Annealing { kind: Kind::Heat, from: 99.0, to: 0.0, steps, shape: Shape::Geometric, levels: 8 });
            let (mut step, mut levels, mut last) = (0, 0, f64::INFINITY);
            while step < steps {
                let level = noise.level(step);
                assert!(level.end > step && level.noise < last);
                assert_eq!((noise.level(level.end - 1), level.end <= steps), (level, true));
                (step, levels, last) = (level.end, levels + 1, level.noise);
            }
            assert_eq!((step, levels), (steps, steps.min(8)));
            assert_eq!(noise.level(steps), Level { noise: 0.0, end: u64::MAX });
        }
    }

    #[test]
    fn shapes_and_kinds_are_what_they_say() {
        let near = |a: f64, b: f64| assert!((a - b).abs() <= 1e-13 * (1.0 + b), "{a} {b}"); // a few roundings
        near(schedule(Kind::Heat, 255.0, Shape::Geometric).level(35).noise, 15.0);
        near(schedule(Kind::Heat, 100.0, Shape::Linear).level(35).noise, 50.0);
        // Means shrink by e^−τ beside variance 1: in other units this is heat flow for e^2τ − 1.
        near(schedule(Kind::Ou, 2.0, Shape::Linear).level(35).noise, 2f64.exp() - 1.0);
        assert_eq!(schedule(Kind::Ou, 2.0, Shape::Linear).measured(), 0.0);
        assert_eq!(Noise::Fixed(0.5).level(7), Level { noise: 0.5, end: u64::MAX });
        assert!(
            schedule(Kind::Ou, 1e9, Shape::Linear).fault().is_some() && schedule(Kind::Heat, f64::NAN, Shape::Linear).fault().is_some()
        );
    }
}
