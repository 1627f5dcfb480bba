//! When a device counts as hung. Wall-clock time does not tell: on a loaded machine a software adapter gets little processor time, and a
//! process can be stopped and continued. So the limit is in slices of waiting. A software adapter computes in this process, so it may go on
//! as long as the process uses processor time.

use std::time::Duration;

/// The length of one wait.
pub(super) const SLICE: Duration = Duration::from_secs(1);

/// A device has hung after this many slices without progress: no submission is made longer than a fraction of a second.
const MOST: u32 = 60;

/// Seconds of processor time that count as progress: a sixtieth of a core over all slices. Displaying progress and waiting take less.
const PROGRESS: f64 = 1.0;

/// The most slices of one submission even with progress, because an endless loop computes too.
const MOST_OF_ALL: u32 = 3600;

/// How much longer to wait for one submission.
pub(super) struct Patience {
    /// Processor seconds at the last progress; `None` if the work is not done in this process.
    processor: Option<f64>,
    idle: u32,
    all: u32,
}

impl Patience {
    /// `software`: the adapter computes on this process's threads.
    pub(super) fn new(software: bool) -> Patience {
        Patience { processor: if software { processor_seconds() } else { None }, idle: 0, all: 0 }
    }

    /// Counts one more slice. Returns what is wrong if the limit is reached.
    pub(super) fn another(&mut self) -> Option<String> {
        self.passed(if self.processor.is_some() { processor_seconds() } else { None })
    }

    /// Counts a slice; `processor` is this process's processor time so far.
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
