//! When work on a device has hung. A clock on the wall cannot tell: on a loaded machine a software adapter gets little of the processor, and a
//! process can be stopped and continued. So patience is counted in slices of waiting, and a software adapter, whose work is this
//! process's own, keeps it for as long as the process computes.

use std::time::Duration;

/// How long one wait is.
pub(super) const SLICE: Duration = Duration::from_secs(1);

/// Slices without progress after which a device has hung: no submission is made longer than a fraction of a second.
const MOST: u32 = 60;

/// Seconds of processor time that count as progress: a sixtieth of a core while patience lasts. Showing progress and the waiting itself take
/// less.
const PROGRESS: f64 = 1.0;

/// Slices of one submission, progress or not: a loop without an end computes too.
const MOST_OF_ALL: u32 = 3600;

/// What is left of the patience with one submission.
pub(super) struct Patience {
    /// Processor seconds at the last progress; `None` where the work is not this process's.
    processor: Option<f64>,
    idle: u32,
    all: u32,
}

impl Patience {
    /// `software`: the adapter computes on this process's threads.
    pub(super) fn new(software: bool) -> Patience {
        Patience { processor: if software { processor_seconds() } else { None }, idle: 0, all: 0 }
    }

    /// One more slice has passed. What is wrong, if patience has ended.
    pub(super) fn another(&mut self) -> Option<String> {
        self.passed(if self.processor.is_some() { processor_seconds() } else { None })
    }

    fn passed(&mut self, processor: Option<f64>) -> Option<String> {
        self.all += 1;
        self.idle += 1;
        if let (Some(before), Some(now)) = (self.processor, processor)
            && now - before > PROGRESS
        {
            (self.processor, self.idle) = (Some(now), 0);
        }
        if self.idle >= MOST {
            return Some(format!("work did not finish within {MOST} s, and nothing moved"));
        }
        (self.all >= MOST_OF_ALL).then(|| format!("work did not finish within {MOST_OF_ALL} s"))
    }
}

#[cfg(unix)]
fn processor_seconds() -> Option<f64> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Some(time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9)
}

#[cfg(not(unix))]
fn processor_seconds() -> Option<f64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_does_nothing_is_given_up_and_one_that_computes_slowly_is_not() {
        let mut still = Patience { processor: None, idle: 0, all: 0 };
        assert_eq!((1..).find(|_| still.passed(None).is_some()), Some(60));
        let mut deadlocked = Patience { processor: Some(5.0), idle: 0, all: 0 };
        assert_eq!((1..).find(|_| deadlocked.passed(Some(5.0)).is_some()), Some(60));
        let mut starved = Patience { processor: Some(5.0), idle: 0, all: 0 };
        assert_eq!((1..).find(|i| starved.passed(Some(5.0 + 0.02 * f64::from(*i))).is_some()), Some(3600));
    }

    #[cfg(unix)]
    #[test]
    fn the_processor_time_of_this_process_moves() {
        let before = processor_seconds().unwrap();
        let sum: f64 = (0..20_000_000).map(|i| f64::from(i).sqrt()).sum();
        assert!(sum > 0.0 && processor_seconds().unwrap() > before);
    }
}
