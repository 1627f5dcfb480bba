//! The claims for one Gaussian teacher, in numbers: the Lyapunov sum falls at every step, and L ends on its predicted tail.

use super::band::band;
use super::curves::tail;
use super::run_folder::Run;
use crate::metrics::Metric;
use crate::number::{plus_minus, short};

/// Step size times steps from which on only the tail remains: the rest of the sum is then about a per cent of it.
const LONG: f64 = 100.0;

/// Rises of the Lyapunov sum below this fraction are rounding in single precision.
const ROUNDING: f64 = 1e-6;

/// The clauses that hold for this run, for the end of its finding.
pub(super) fn clauses(run: &Run) -> Vec<String> {
    lyapunov(run).into_iter().chain(on_the_tail(run)).collect()
}

/// The number of logged steps, over all replicates, at which the Lyapunov sum is larger than at the previous one.
fn lyapunov(run: &Run) -> Option<String> {
    let reverse = run.setting("objective", "divergence").is_none_or(|v| v.as_str() == Some("reverse"));
    let replicates = run.metrics.column(Metric::Lyapunov).filter(|_| reverse)?;
    let pairs = || replicates.iter().flat_map(|r| r.windows(2)).filter(|pair| pair[0].is_finite() && pair[1].is_finite());
    let rises: Vec<f64> = pairs().map(|pair| pair[1] / pair[0] - 1.0).filter(|rise| *rise > ROUNDING).collect();
    let n = pairs().count();
    match rises.len() {
        _ if n == 0 => None,
        0 => Some(format!("the Lyapunov sum rose at none of {n} logged steps")),
        up => {
            let most = rises.iter().copied().fold(0.0, f64::max);
            Some(format!("the Lyapunov sum rose at {up} of {n} logged steps, by {} at the most", percent_or_times(most)))
        }
    }
}

/// L at the end in units of ϱσ⁶/(32c²t²).
fn on_the_tail(run: &Run) -> Option<String> {
    let tail = tail(run)?;
    let (last, step) = run.metrics.steps.iter().enumerate().next_back().filter(|(_, t)| tail.step_size * **t >= LONG)?;
    let (end, predicted) = (band(run, Metric::ReverseFisher, last)?, tail.divergence(*step));
    let ratio = match run.metrics.n_replicates {
        1 => plus_minus(end.value / predicted, (end.high - end.value) / 2.0 / predicted),
        _ => format!("{} ({} to {})", short(end.value / predicted), short(end.low / predicted), short(end.high / predicted)),
    };
    Some(format!("L at the end is {ratio} times the predicted tail"))
}

/// For example "0.3 %", or "7 times" for a multiple.
fn percent_or_times(rise: f64) -> String {
    if rise < 10.0 { format!("{} %", short(100.0 * rise)) } else { format!("{} times", short(rise)) }
}
