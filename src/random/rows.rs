//! Choosing some rows of a table, by a hash of a seed and the row's number.
//!
//! Every n-th row could belong to one of ten instruments that write in turn, and the first rows to one of several joined files. The hash
//! does not depend on the order. With the same seed, a smaller choice is a subset of a larger one.

use super::streams::{Purpose, key, words};

/// `count` of the rows 0 … n − 1 in rising order: those with the smallest hashes. All rows if `count` ≥ n.
pub fn chosen(n: usize, count: usize, seed: u64) -> Vec<usize> {
    if count >= n {
        return (0..n).collect();
    }
    if count == 0 {
        return Vec::new();
    }
    let key = key(seed, Purpose::Rows, 0);
    let mut hashed: Vec<(u64, usize)> = (0..n).map(|row| (hash(key, row as u64), row)).collect();
    hashed.select_nth_unstable(count - 1);
    hashed.truncate(count);
    let mut rows: Vec<usize> = hashed.into_iter().map(|(_, row)| row).collect();
    rows.sort_unstable();
    rows
}

/// The hash of a row: the first two words at its address.
fn hash(key: [u32; 2], row: u64) -> u64 {
    let [a, b, ..] = words(key, (row >> 32) as u32, 0, row as u32, 0);
    u64::from(a) << 32 | u64::from(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of rows in periods of 10, 7 and 4096, every phase is taken about as often as by chance.
    #[test]
    fn no_period_is_favoured() {
        for (n, count, period) in [(10_000, 1000, 10), (10_000, 2000, 7), (100_000, 20_000, 4096), (1 << 17, 1 << 14, 2)] {
            for seed in 0..3 {
                let rows = chosen(n, count, seed);
                assert!(rows.len() == count && rows.windows(2).all(|w| w[0] < w[1]) && rows[count - 1] < n);
                let off = off_by(&rows, n, period);
                assert!(off.abs() <= 1.0, "{n} {count} {period}: χ² is off by {off} times what is allowed");
            }
        }
        // Planted: every tenth row, and a twelfth of the rows moved to the phase of 0.
        let every_tenth: Vec<usize> = (0..1000).map(|i| i * 10).collect();
        assert!(off_by(&every_tenth, 10_000, 10) > 100.0);
        let moved: Vec<usize> =
            chosen(10_000, 1000, 0).into_iter().enumerate().map(|(at, row)| if at % 12 == 0 { row - row % 10 } else { row }).collect();
        assert!(off_by(&moved, 10_000, 10) > 1.0, "a twelfth of the rows moved: {}", off_by(&moved, 10_000, 10));
    }

    /// χ² of the rows' phases less its mean, divided by the allowed deviation: five standard deviations, and a little more for few degrees
    /// of freedom.
    fn off_by(rows: &[usize], n: usize, period: usize) -> f64 {
        let mut phases = vec![0.0f64; period];
        rows.iter().for_each(|row| phases[row % period] += 1.0);
        let (mean, free) = (rows.len() as f64 / period as f64, (period - 1) as f64);
        // For draws without replacement: χ² with period − 1 degrees of freedom, times the fraction of rows left out.
        let square: f64 = phases.iter().map(|f| (f - mean).powi(2) / mean).sum::<f64>() / (1.0 - rows.len() as f64 / n as f64);
        (square - free) / (5.0 * (2.0 * free).sqrt() + 5.0)
    }

    #[test]
    fn fewer_rows_are_a_part_of_more_and_seeds_differ() {
        let (few, many) = (chosen(5000, 100, 4), chosen(5000, 300, 4));
        assert!(few.iter().all(|row| many.binary_search(row).is_ok()));
        assert_ne!(few, chosen(5000, 100, 5));
        assert_eq!((chosen(5, 9, 0), chosen(5, 0, 0), chosen(0, 3, 0)), (vec![0, 1, 2, 3, 4], vec![], vec![]));
    }
}
