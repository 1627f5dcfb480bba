//! A number with its 95 % interval: a fraction, a mean or a median, each over the replicates of a cell.

use crate::experiment::nearest::wilson_ends;
use crate::objective::groups::Estimate;

/// The 97.5 % quantile of the standard normal.
const Z: f64 = 1.959_963_984_540_054;

/// For more samples the normal distribution gives the interval of a median well enough.
const MANY: usize = 1000;

/// A number and the ends of its interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Interval {
    pub value: f64,
    pub low: f64,
    pub high: f64,
}

impl Interval {
    /// From an estimate and its standard error; `None` if one is not finite.
    pub(super) fn of_estimate(value: f64, standard_error: f64) -> Option<Interval> {
        Self::around(value, Z * standard_error)
    }

    /// For the mean of independent values, by Student's t; `None` for fewer than two.
    pub(super) fn of_mean(values: &[f64]) -> Option<Interval> {
        let (mean, error) = mean_and_error(values)?;
        Self::around(mean, t_quantile(values.len() - 1) * error)
    }

    /// For fractions `shares` (R) of `trials` each: Wilson's interval with the actual number of trials, or with a smaller one if the
    /// replicates differ by more than independent trials would.
    pub(super) fn of_shares(shares: &[f64], trials: usize) -> Option<Interval> {
        let n = (shares.len() * trials) as f64;
        let share = shares.iter().sum::<f64>() / shares.len() as f64;
        if !(n > 0.0 && (0.0..=1.0).contains(&share)) {
            return None;
        }
        let expected = share * (1.0 - share) / n;
        let found = mean_and_error(shares).map_or(0.0, |(_, error)| error * error);
        let effect = if expected > 0.0 { (found / expected).max(1.0) } else { 1.0 };
        let (low, high) = wilson_ends(share, n / effect);
        Some(Interval { value: share, low, high })
    }

    /// For the median of independent values of any distribution, by order statistics. With fewer than six values the interval is their
    /// range, and has a lower confidence.
    pub(super) fn of_median(values: &[f64]) -> Option<Interval> {
        let n = values.len();
        if n == 0 || values.iter().any(|v| !v.is_finite()) {
            return None;
        }
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let cut = cut_of_median(n);
        Some(Interval { value: 0.5 * (sorted[(n - 1) / 2] + sorted[n / 2]), low: sorted[cut], high: sorted[n - 1 - cut] })
    }

    /// The same number with its interval cut to [low, high].
    pub(super) fn within(self, low: f64, high: f64) -> Interval {
        Interval { low: self.low.max(low).min(self.value), high: self.high.min(high).max(self.value), ..self }
    }

    fn around(value: f64, half: f64) -> Option<Interval> {
        (value.is_finite() && half.is_finite()).then_some(Interval { value, low: value - half, high: value + half })
    }
}

/// The mean and its standard error from the spread; `None` for fewer than two values or a value that is not finite.
pub(super) fn mean_and_error(values: &[f64]) -> Option<(f64, f64)> {
    let Estimate { value, standard_error } = Estimate::of_mean(values);
    (values.len() > 1 && standard_error.is_finite()).then_some((value, standard_error))
}

/// The 97.5 % quantile of Student's t: two exact values, then the Cornish–Fisher series, accurate to 0.2 %.
fn t_quantile(freedom: usize) -> f64 {
    let n = freedom as f64;
    match freedom {
        0 => f64::INFINITY,
        1 => 12.706_205,
        2 => 4.302_653,
        _ => Z + 2.372_271 / n + 2.822_497 / (n * n) + 2.555_850 / (n * n * n) + 1.589_5 / (n * n * n * n),
    }
}

/// How many values at either end the 95 % interval of a median of `n` leaves out: c with P(at most c of n throws are heads) ≤ 2.5 %.
fn cut_of_median(n: usize) -> usize {
    if n > MANY {
        return ((n as f64 - Z * (n as f64).sqrt()) / 2.0).floor() as usize - 1;
    }
    // The binomial probability of i heads in n throws, summed while both tails hold at most 5 %.
    let (mut term, mut tail, mut cut) = (0.5f64.powi(n as i32), 0.0, 0);
    while 2.0 * (tail + term) <= 0.05 {
        tail += term;
        term *= (n - cut) as f64 / (cut + 1) as f64;
        cut += 1;
    }
    cut.saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t_quantiles_agree_with_tables() {
        for (freedom, quantile) in [(1, 12.706), (2, 4.303), (3, 3.182), (5, 2.571), (9, 2.262), (30, 2.042), (1_000_000, 1.960)] {
            assert!((t_quantile(freedom) / quantile - 1.0).abs() <= 2e-3, "{freedom}: {}", t_quantile(freedom)); // the series' error
        }
    }

    /// Published in tables of the sign test: of 10 values the 2nd to the 9th, of 20 the 6th to the 15th, of 100 the 40th to the 61st.
    #[test]
    fn medians_lie_between_the_order_statistics_of_the_sign_test() {
        for (n, cut) in [(1, 0), (5, 0), (6, 0), (10, 1), (20, 5), (100, 39), (1000, 468), (1001, 468)] {
            assert_eq!(cut_of_median(n), cut, "{n}");
        }
        let values: Vec<f64> = (0..10).map(|i| f64::from((i * 7) % 10)).collect();
        assert_eq!(Interval::of_median(&values), Some(Interval { value: 4.5, low: 1.0, high: 8.0 }));
        assert_eq!(Interval::of_median(&[1.0, f64::NAN]), None);
    }

    #[test]
    fn means_and_shares() {
        let three = Interval::of_mean(&[1.0, 2.0, 3.0]).unwrap();
        assert!((three.high - (2.0 + 4.302_653 / 3f64.sqrt())).abs() <= 1e-5, "{three:?}"); // digits of the quantile
        // 81 of 263 is in Newcombe 1998, table I: 0.2553 to 0.3662.
        let plain = Interval::of_shares(&[81.0 / 263.0], 263).unwrap();
        assert!((plain.low - 0.2553).abs() <= 5e-5 && (plain.high - 0.3662).abs() <= 5e-5, "{plain:?}");
        // All or none in each replicate: this counts as ten trials, not a hundred.
        let lumped: Vec<f64> = (0..10).map(|r| f64::from(r % 2)).collect();
        let (wide, narrow) = (Interval::of_shares(&lumped, 10).unwrap(), Interval::of_shares(&[0.5; 10], 10).unwrap());
        assert!(wide.low <= 0.26 && narrow.low >= 0.40, "{wide:?} {narrow:?}");
        assert_eq!(Interval::of_shares(&[], 10), None);
        assert_eq!(Interval::of_shares(&[f64::NAN], 10), None);
    }
}
