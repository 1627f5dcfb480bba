//! The schedule of a descent: how many steps, how long each is, and which of them are logged.

use crate::backend::Rule;

/// The inputs of the loop.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// The last step.
    pub steps: u64,
    /// Where to pause before the last step, because later steps have another noise level; at least `steps` if nowhere.
    pub until: u64,
    /// Steps between logged ones; the first and the last are always logged.
    pub log_every: u64,
    /// Also log steps 1, 2, 3, 5, 8, … (Fibonacci numbers) below `log_every`: nearly even on a logarithmic axis.
    pub log_early: bool,
    /// How a step moves the parameters.
    pub rule: Rule,
    /// The step size as the user wrote it, for messages.
    pub step_size: f64,
}

impl Schedule {
    pub(super) fn is_logged(&self, step: u64) -> bool {
        step == self.steps || step.is_multiple_of(self.log_every) || self.early(step) == Some(step)
    }

    /// Steps between looks at the means ([`super::monitor`]): the logged ones, or eighths of the interval if these are far apart. It does
    /// not depend on the last step, so that a run that is extended behaves as one that was longer from the start.
    fn look_every(&self) -> u64 {
        let between = self.log_every.max(1);
        if between <= 16 { between } else { between.div_ceil(8) }
    }

    /// Whether a look at `step` is remembered. Early logged steps are too close together for that.
    pub(super) fn is_regular(&self, step: u64) -> bool {
        step.is_multiple_of(self.log_every) || step.is_multiple_of(self.look_every())
    }

    /// Whether the means are checked: at regular steps and at the last one.
    pub(super) fn is_looked_at(&self, step: u64) -> bool {
        step == self.steps || self.is_regular(step)
    }

    /// The latest end of the next batch of steps.
    pub(super) fn next_end(&self, step: u64) -> u64 {
        self.next_logged(step).min((step / self.look_every() + 1).saturating_mul(self.look_every()))
    }

    /// The first early step at or after `step`.
    fn early(&self, step: u64) -> Option<u64> {
        let (mut early, mut next) = (1u64, 2u64);
        while early < step {
            (early, next) = (next, early.saturating_add(next));
        }
        (self.log_early && early < self.log_every).then_some(early)
    }

    /// All logged steps, from 0 on.
    pub fn logged_steps(&self) -> impl Iterator<Item = u64> {
        std::iter::successors(Some(0), |step| (*step < self.steps).then(|| self.next_logged(*step)))
    }

    /// The next logged step after `step`, or the pause if it comes first.
    pub(super) fn next_logged(&self, step: u64) -> u64 {
        let early = self.early(step + 1).unwrap_or(u64::MAX);
        (step / self.log_every + 1).saturating_mul(self.log_every).min(early).min(self.steps).min(self.until.max(step + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(steps: u64, log_every: u64, log_early: bool) -> Schedule {
        Schedule { steps, until: u64::MAX, log_every, log_early, rule: Rule::new(1.0, false), step_size: 1.0 }
    }

    #[test]
    fn the_first_and_the_last_step_are_logged() {
        let schedule = schedule(25, 10, false);
        let logged: Vec<u64> = (0..=25).filter(|s| schedule.is_logged(*s)).collect();
        assert_eq!(logged, [0, 10, 20, 25]);
        assert_eq!([0, 9, 10, 20, 24].map(|s| schedule.next_logged(s)), [10, 10, 20, 25, 25]);
    }

    #[test]
    fn looks_do_not_depend_on_the_last_step() {
        for every in [1, 10, 16, 40, 100, 1000] {
            let [short, long] = [40, 1000].map(|steps| schedule(steps, every, false));
            assert!((0..=40).all(|step| short.is_regular(step) == long.is_regular(step)), "logged every {every}");
            assert!(short.is_looked_at(40) && long.is_looked_at(1000));
        }
    }

    #[test]
    fn early_steps_are_logged_besides() {
        let short = schedule(50, 20, true);
        let logged: Vec<u64> = (0..=50).filter(|s| short.is_logged(*s)).collect();
        assert_eq!(logged, [0, 1, 2, 3, 5, 8, 13, 20, 40, 50]);
        assert_eq!(short.logged_steps().collect::<Vec<_>>(), logged, "what comes next is what is logged");
        assert_eq!(schedule(u64::MAX, u64::MAX, true).next_logged(u64::MAX - 1), u64::MAX);
        assert_eq!((0..=4).filter(|s| schedule(4, 1, true).is_logged(*s)).count(), 5);
    }
}
