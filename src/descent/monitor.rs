//! Whether a descent diverges, judged from its means and its objective so far. Plain data and arithmetic, so that a resumed run, on any
//! number of devices, decides the same.
//!
//! Far from all others a mean moves as μ ← μ − c(μ − N): N lies in the hull of the teacher's means, and c is the step in units of the
//! curvature there (c = `step_size`/σ⁴, times wᵢ if steps are not divided by weights). So μ − N is multiplied by 1 − c. If c ≤ 2, later
//! steps bring back a mean that a rare draw at a wall between two teachers threw out. If c > 2, a mean is lost for good once (c − 2)|μ| >
//! 2c·max|mⱼ|, both from the teacher's centroid. If the curvature is not known, as for the forward divergence and for noisy forms, a mean
//! counts as lost if it is far out and farther at each look.
//!
//! The objective is a second sign, if it stays far above its start for so many steps that one kick would be forgotten. With c > 2 that is
//! enough. With shorter steps it may be a noise floor above a start that was better, so it must also keep growing: from look to look to
//! twice its highest value so far, after the time in which any floor is reached.

use serde::{Deserialize, Serialize};

use super::stop::Sign;
use crate::problem::scales::Scales;

/// Means move this far, in σ, in any problem.
const ROOM: f64 = 3.0;

/// A distance, in units of the reach (see [`Scales`]), that no single kick and no harmless mean at the end of a run exceeds.
const FAR: f64 = 3.0;
const VERY_FAR: f64 = 10.0;

/// The objective is far above its start if it exceeds it by this factor, and this value in units of σ.
const ABOVE: f64 = 10.0;
const LEAST_OBJECTIVE: f64 = 0.1;

/// A state is no worse than the start up to this factor, because the objective is measured with an error.
const NO_WORSE: f64 = 1.5;

/// The objective must stay above its start for this many relaxation times 1/c of the slowest mean.
const PATIENCE: f64 = 5.0;

/// With short steps: looks in a row at which the objective doubles its highest value. Noise does that in less than one of a thousand runs,
/// because a new highest value becomes rarer with time.
const DOUBLINGS: u32 = 4;

/// The inputs of one look at a descent.
#[derive(Debug, Clone, Copy)]
pub struct Look<'a> {
    pub step: u64,
    pub is_last: bool,
    /// (R, k, ϱ)
    pub coordinates: &'a [f64],
    /// The minimised divergence of each replicate; `None` if it is not finite. Empty if it was not measured.
    pub objective: &'a [Option<f64>],
}

/// What all looks so far have found.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Monitor {
    seen: Vec<History>,
}

/// The history of one replicate.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct History {
    /// The first measured value of the objective.
    start: Option<f64>,
    /// The number of measurements.
    measured: u64,
    /// The step since which it is far above its start, and its value then.
    above: Option<(u64, f64)>,
    /// Whether the last value was worse than the start.
    is_worse: bool,
    /// Its highest value while far above its start, and how many looks in a row have doubled that.
    #[serde(default)]
    highest: f64,
    #[serde(default)]
    doublings: u32,
    /// The farthest mean at the last two looks, in units of the reach.
    distances: [f64; 2],
}

impl Monitor {
    /// The sign of divergence and its replicate, if there is one.
    pub fn look(&mut self, look: &Look, scales: &Scales) -> Option<(usize, Sign)> {
        let n_replicates = scales.begun.len();
        self.seen.resize(n_replicates, History::default());
        let row = look.coordinates.len() / n_replicates;
        let of = |(r, seen): (usize, &mut History)| {
            let own = &look.coordinates[r * row..(r + 1) * row];
            let sign = seen.means(look, scales, r, own);
            let above = look.objective.get(r).and_then(|value| seen.objective(*value, look, scales));
            sign.or(above).map(|sign| (r, sign))
        };
        let signs: Vec<_> = self.seen.iter_mut().enumerate().map(of).collect();
        signs.into_iter().flatten().next()
    }

    /// Whether no replicate was worse at the last look than at the start.
    pub fn is_good(&self) -> bool {
        self.seen.iter().all(|seen| seen.distances[1] <= 1.0 && !seen.is_worse)
    }
}

impl History {
    /// Whether the farthest mean of replicate r shows that the descent diverges.
    fn means(&mut self, look: &Look, scales: &Scales, r: usize, coordinates: &[f64]) -> Option<Sign> {
        let rank = coordinates.len() / scales.rates.len();
        let lengths = coordinates.chunks_exact(rank).map(|y| y.iter().map(|v| v * v).sum::<f64>().sqrt());
        let (component, distance) = lengths.enumerate().fold((0, 0.0), |far, next| if next.1 > far.1 { next } else { far });
        let reach = scales.begun[r].max(scales.teacher[r]) + ROOM;
        let ratio = distance / reach;
        let [before, last] = self.distances;
        self.distances = [last, ratio];
        let c = scales.rates[component];
        let is_lost = scales.is_linear && (c - 2.0) * distance > c * (2.0 * scales.teacher[r] + ROOM);
        let is_rising = before > FAR && last > 1.05 * before && ratio > 1.05 * last;
        // Such a mean comes back, only later.
        let comes_back = scales.is_linear && c <= 2.0;
        let at_the_end = look.is_last && !comes_back && ratio > VERY_FAR && ratio > 1.05 * last;
        (ratio > FAR && (is_lost || is_rising) || at_the_end).then_some(Sign::MeanRunsOff { component, distance, reach, is_lost })
    }

    /// Whether the objective of a replicate shows that the descent diverges.
    fn objective(&mut self, value: Option<f64>, look: &Look, scales: &Scales) -> Option<Sign> {
        let value = value.unwrap_or(f64::MAX);
        let start = *self.start.get_or_insert(value);
        self.measured += 1;
        self.is_worse = value > NO_WORSE * start;
        let is_above = value > ABOVE * start && value * scales.of_objective > LEAST_OBJECTIVE;
        if !(is_above || self.distances[1] > VERY_FAR && value > start) {
            (self.above, self.highest, self.doublings) = (None, 0.0, 0);
            return None;
        }
        let (since, then) = *self.above.get_or_insert((look.step, value));
        let has_doubled = value >= 2.0 * self.highest || value == f64::MAX;
        self.doublings = if has_doubled { self.doublings + 1 } else { 0 };
        self.highest = self.highest.max(value);
        let is_old = (look.step - since) as f64 * scales.slowest >= PATIENCE;
        // At the end the objective is judged at once if it was above its start before, was never measured otherwise, or cannot come back.
        let is_due = look.is_last && (look.step > since || self.measured == 2 || scales.is_linear);
        let stays = if scales.is_steep() { value >= 0.5 * then && (is_old || is_due) } else { is_old && self.doublings >= DOUBLINGS };
        let finite = |v: f64| (v < f64::MAX).then_some(v);
        (stays && look.step > 0).then(|| Sign::ObjectiveStaysAbove { value: finite(value), start: finite(start), since })
    }
}

/// A safe step by the same analysis, given the `step_size` that diverged. For the reverse divergence: c = 1 for the heaviest mean, half of
/// the largest that contracts; for noisy forms a tenth of the step that failed. For the forward divergence one component may have all the
/// responsibility, and walls between far students, whose steepness grows with their distance, may pass through the teacher.
pub(crate) fn safe_step(step_size: f64, scales: &Scales) -> f64 {
    let walls = if scales.is_linear { 1.0 } else { scales.begun.iter().copied().fold(1.0, f64::max) };
    let steepest = walls * scales.rates.iter().copied().fold(0.0, f64::max);
    rounded_down(if steepest > 1.0 { step_size / steepest } else { 0.1 * step_size })
}

/// Rounded down to two digits.
fn rounded_down(v: f64) -> f64 {
    let digit = 10f64.powf(v.log10().floor() - 1.0);
    let v = (v / digit * (1.0 + 1e-12)).floor() * digit;
    format!("{v:.1e}").parse().unwrap_or(v)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scales(c: f64, teacher: f64, is_linear: bool) -> Scales {
        Scales { begun: vec![2.0], teacher: vec![teacher], rates: vec![c], slowest: c.min(1.0), is_linear, of_objective: 1.0 }
    }

    /// One mean and the objective ½|y|² under y ← (1 − c)y, with a look every `every` steps.
    fn linear(c: f64, every: u64, steps: u64, start: f64, scales: &Scales) -> Option<(u64, Sign)> {
        let (mut monitor, mut y) = (Monitor::default(), start);
        for step in 0..=steps {
            if step % every == 0 || step == steps {
                let look = Look { step, is_last: step == steps, coordinates: &[y], objective: &[Some(0.5 * y * y)] };
                if let Some((_, sign)) = monitor.look(&look, scales) {
                    return Some((step, sign));
                }
            }
            y *= 1.0 - c;
        }
        None
    }

    #[test]
    fn what_grows_is_found_and_what_shrinks_is_not() {
        for every in [1, 3, 10, 50] {
            for c in [2.05, 2.5, 4.0, 30.0] {
                let end = linear(c, every, 100, 1.0, &scales(c, 0.0, true));
                assert!(end.is_some(), "{c} {every}");
                let end = linear(c, every, 100, 1.0, &scales(c, 0.0, false));
                assert!(end.is_some(), "{c} {every}, by looks alone");
            }
            for c in [1e-3, 0.5, 1.0, 1.9, 1.999, 2.0] {
                assert_eq!(linear(c, every, 100, 1.0, &scales(c, 0.0, true)), None, "{c} {every}");
            }
        }
        assert!(linear(2.5, 10, 10, 1e-3, &scales(2.5, 0.0, true)).is_none(), "so little that nobody sees it");
        assert!(matches!(linear(2.5, 10, 20, 1e-3, &scales(2.5, 0.0, true)), Some((20, Sign::ObjectiveStaysAbove { .. }))));
    }

    /// A kick to fifty times the reach that decays at rate c.
    #[test]
    fn a_kick_is_no_divergence() {
        for c in [0.05, 0.5, 1.0] {
            for (every, kicked) in [(1, 3), (10, 7), (10, 10), (10, 96)] {
                let (mut monitor, mut y, scales) = (Monitor::default(), 1.0, scales(c, 5.0, true));
                for step in 0..=100 {
                    if step % every == 0 {
                        let look = Look { step, is_last: step == 100, coordinates: &[y], objective: &[Some(0.5 * y * y)] };
                        assert_eq!(monitor.look(&look, &scales), None, "c = {c}, step {step}, kicked at {kicked}, looked every {every}");
                    }
                    y = if step == kicked { 400.0 } else { (1.0 - c) * y };
                }
            }
        }
    }

    /// L = c·d/2n·(1 ± 0.5) from a start of nearly zero, as for steps of 4 samples in ten dimensions.
    #[test]
    fn a_noise_floor_is_no_divergence() {
        let rise = |c: f64, step: u64| 1.0 - (1.0 - c).powi(2 * step as i32);
        for c in [0.02, 0.1, 0.5, 1.0, 2.0] {
            for (every, steps, floor) in [(1, 400, 0.6), (10, 400, 0.6), (7, 1000, 50.0), (1, 1000, 1e3)] {
                let (mut monitor, scales) = (Monitor::default(), scales(c, 0.0, true));
                for step in (0..=steps).filter(|step| step % every == 0 || *step == steps) {
                    let objective = 0.03 + floor * rise(c, step) * (1.0 + 0.5 * (2.4 * step as f64).sin());
                    let look = Look { step, is_last: step == steps, coordinates: &[1.0], objective: &[Some(objective)] };
                    assert_eq!(monitor.look(&look, &scales), None, "c = {c}, step {step}, looked every {every}, floor {floor}");
                }
            }
        }
    }

    /// Growth without end is found with short steps too, and non-finite values have their own words.
    #[test]
    fn growth_is_divergence_at_any_step() {
        let (mut monitor, scales) = (Monitor::default(), scales(0.5, 0.0, false));
        let value = |step: u64| if step < 90 { Some(0.1 * 1.1f64.powi(step as i32)) } else { None };
        let mut found = (0..=200u64)
            .step_by(10)
            .filter_map(|step| monitor.look(&Look { step, is_last: false, coordinates: &[1.0], objective: &[value(step)] }, &scales));
        let (_, sign) = found.next().unwrap();
        assert!(matches!(sign, Sign::ObjectiveStaysAbove { value: Some(_), start: Some(_), .. }), "{sign:?}");
        let (_, sign) = found.last().unwrap();
        assert!(matches!(sign, Sign::ObjectiveStaysAbove { value: None, start: Some(_), .. }), "{sign:?}");
        assert!(sign.to_string().contains("no longer finite") && !sign.to_string().contains("308"), "{sign}");
    }

    #[test]
    fn safe_steps_are_half_of_what_contracts() {
        assert_eq!(safe_step(5.0, &scales(5.0, 0.0, true)), 1.0);
        assert_eq!(safe_step(3.0, &scales(12.0, 0.0, true)), 0.25);
        assert_eq!(safe_step(0.5, &scales(0.5, 0.0, true)), 0.05, "what ran off though it contracts was noise");
        assert_eq!(safe_step(1.0, &scales(4.0, 0.0, false)), 0.12, "a start at 2");
    }
}
