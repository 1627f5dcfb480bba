//! The cells of a sweep that this process runs: all of them, or part I of N parts of about equal cost.

use std::str::FromStr;

use crate::error::{Error, Result};

/// Part `index` of `count`, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    pub index: usize,
    pub count: usize,
}

impl Shard {
    /// All cells.
    pub const ALL: Shard = Shard { index: 0, count: 1 };

    /// The part of a job array's task, from SLURM_ARRAY_TASK_ID and similar variables; all cells if there are none.
    ///
    /// # Errors
    /// [`Error::BadChoice`] for a task whose place in the array is unclear.
    pub fn of_job_array(variable: impl Fn(&str) -> Option<String>) -> Result<Shard> {
        let number = |name: &str| variable(name).and_then(|text| text.trim().parse::<usize>().ok());
        let (Some(id), Some(count)) = (number("SLURM_ARRAY_TASK_ID"), number("SLURM_ARRAY_TASK_COUNT")) else { return Ok(Shard::ALL) };
        let step = number("SLURM_ARRAY_TASK_STEP").unwrap_or(1).max(1);
        // Arrays may begin at any number. Without the first number, arrays from 1 to N and from 0 to N−1 still cover all parts.
        let index = match number("SLURM_ARRAY_TASK_MIN") {
            Some(first) => id.checked_sub(first).map(|n| n / step).filter(|index| *index < count),
            None => (id <= count).then(|| id % count.max(1)),
        };
        index.map(|index| Shard { index, count }).ok_or_else(|| Error::BadChoice {
            what: format!("the job array's task {id} is none of {count} in a row"),
            remedy: "Number its tasks without gaps, or give the share I/N".into(),
        })
    }

    /// The indices of this part's cells, given the cost of each: the most expensive cells are dealt out first, forwards and backwards in
    /// turn.
    pub fn cells(self, costs: &[f64]) -> Vec<usize> {
        let mut order: Vec<usize> = (0..costs.len()).collect();
        order.sort_by(|a, b| costs[*b].total_cmp(&costs[*a]).then(a.cmp(b)));
        let mine = |at: usize| {
            let (round, place) = (at / self.count, at % self.count);
            (if round.is_multiple_of(2) { place } else { self.count - 1 - place }) == self.index
        };
        let mut cells: Vec<usize> = order.into_iter().enumerate().filter(|(at, _)| mine(*at)).map(|(_, cell)| cell).collect();
        cells.sort_unstable();
        cells
    }
}

impl FromStr for Shard {
    type Err = Error;

    /// "I/N" with I from 1 to N, or from 0 to N−1: N means the same part as 0.
    fn from_str(text: &str) -> Result<Shard> {
        let numbers = text.split_once('/').and_then(|(i, n)| Some((i.trim().parse::<usize>().ok()?, n.trim().parse::<usize>().ok()?)));
        match numbers {
            Some((index, count)) if count > 0 && index <= count => Ok(Shard { index: index % count, count }),
            _ => Err(Error::BadChoice {
                what: format!("{} is no share I/N", text.escape_debug()),
                remedy: "Give I from 1 to N (or from 0 to N − 1), as 1/4".into(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_disjoint_complete_and_even() {
        let costs: Vec<f64> = (0..97).map(|n| f64::from(n % 7) + 1.0).collect();
        for count in [1, 2, 3, 10, 200] {
            let shares: Vec<Vec<usize>> = (0..count).map(|index| Shard { index, count }.cells(&costs)).collect();
            let mut all = shares.concat();
            all.sort_unstable();
            assert_eq!(all, (0..97).collect::<Vec<_>>());
            let work: Vec<f64> = shares.iter().map(|share| share.iter().map(|cell| costs[*cell]).sum()).collect();
            let (least, most) = (work.iter().copied().fold(f64::MAX, f64::min), work.iter().copied().fold(0.0, f64::max));
            assert!(most - least <= 7.0 + 7.0, "{work:?}"); // the most expensive cell, and the imbalance of one round
        }
    }

    #[test]
    fn both_ways_of_counting_fall_on_all_shares() {
        for range in [1..=3, 0..=2] {
            let mut found: Vec<usize> = range.map(|i| format!("{i}/3").parse::<Shard>().unwrap().index).collect();
            found.sort_unstable();
            assert_eq!(found, [0, 1, 2]);
        }
        for bad in ["4/3", "1", "0/0", "a/b", "-1/2", ""] {
            assert!(matches!(bad.parse::<Shard>(), Err(Error::BadChoice { .. })), "{bad}");
        }
    }

    #[test]
    fn job_arrays_may_begin_anywhere() {
        let of = |id: usize, others: &[(&str, usize)]| {
            Shard::of_job_array(|name| {
                let found = others.iter().find(|(other, _)| *other == name).map(|(_, n)| *n);
                if name == "SLURM_ARRAY_TASK_ID" { Some(id.to_string()) } else { found.map(|n| n.to_string()) }
            })
        };
        let (count, min, step) = ("SLURM_ARRAY_TASK_COUNT", "SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_STEP");
        assert_eq!(of(1, &[(count, 4), (min, 1)]).unwrap(), Shard { index: 0, count: 4 });
        assert_eq!(of(4, &[(count, 4), (min, 1)]).unwrap(), Shard { index: 3, count: 4 });
        assert_eq!(of(0, &[(count, 4), (min, 0)]).unwrap().index, 0);
        assert_eq!(of(12, &[(count, 4), (min, 0), (step, 4)]).unwrap().index, 3);
        assert_eq!(of(4, &[(count, 4)]).unwrap().index, 0);
        assert!(of(7, &[(count, 3), (min, 1)]).is_err());
        assert_eq!(of(7, &[]).unwrap(), Shard::ALL);
    }
}
