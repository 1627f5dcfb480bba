//! How the samples of a stratum are divided into blocks and groups: the fixed tree of every sum, by the sample index.
//!
//! A block is at most [`BLOCK`] consecutive samples, summed first. A group is a run of whole blocks, or a part of one; its blocks are added
//! in order. Standard errors come from the spread of the group means. Nothing here depends on the device, the chunk size or the number of
//! threads.

/// Samples in a block: chunks of work are multiples of it, and at most this many terms are added in a row.
pub(crate) const BLOCK: usize = 256;

/// The most groups: standard errors have MAX_GROUPS − 1 degrees of freedom, that is a relative error of 1/√62 = 13 %.
pub(crate) const MAX_GROUPS: usize = 32;

/// The fewest nets: their standard errors have NETS − 1 degrees of freedom.
pub(crate) const NETS: usize = 16;

/// The division of `n_samples` samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Groups {
    pub n_samples: usize,
    pub n_groups: usize,
    /// Samples in every group but the last: a power of two up to `BLOCK`, or a multiple of it.
    pub group_size: usize,
}

impl Groups {
    /// At least two samples fall in a group when `paired`, so that antithetic pairs stay together.
    ///
    /// `per_group` is how many numbers a session keeps for one group. If all groups would keep more than 2²⁵ of them, there are fewer
    /// groups (never under eight).
    pub fn new(n_samples: usize, paired: bool, per_group: usize) -> Self {
        let most = ((1usize << 25) / per_group.max(1)).clamp(8, MAX_GROUPS);
        let least = if paired { 2 } else { 1 };
        let share = n_samples.div_ceil(most).max(least);
        let group_size = if share <= BLOCK { share.next_power_of_two() } else { share.next_multiple_of(BLOCK) };
        Self { n_samples, n_groups: n_samples.div_ceil(group_size), group_size }
    }

    /// Groups that are scrambled nets of 2^m points each, as large as possible with at least [`NETS`] of them.
    ///
    /// Fewer and larger nets have less variance; more nets give a better standard error (16 give it to 18 %). All must be whole: a net that
    /// lacks points is so noisy that it would spoil the mean and its standard error. There is no cap on memory, because the devices that
    /// have nets keep only the gradient of a group.
    pub fn nets(n_samples: usize) -> Self {
        let group_size = 1 << (n_samples / NETS).max(1).ilog2();
        Self { n_samples, n_groups: n_samples.div_ceil(group_size), group_size }
    }

    /// Whether all groups are of the same size.
    pub fn are_whole(&self) -> bool {
        self.n_samples.is_multiple_of(self.group_size)
    }

    /// One group of all samples, for deterministic rules, which have no standard error.
    pub fn single(n_samples: usize) -> Self {
        Self { n_samples, n_groups: 1, group_size: n_samples.next_multiple_of(BLOCK) }
    }

    /// Samples that are summed in a row: the group, or a block of it.
    pub fn block_size(&self) -> usize {
        self.group_size.min(BLOCK)
    }

    /// The samples of group g.
    pub fn range(&self, g: usize) -> std::ops::Range<usize> {
        g * self.group_size..((g + 1) * self.group_size).min(self.n_samples)
    }

    /// The fraction of all samples that group g holds.
    pub fn fraction(&self, g: usize) -> f64 {
        self.range(g).len() as f64 / self.n_samples as f64
    }

    /// √(f/(G−1)), where f is the group's fraction: the squares of (ȳ_g − ȳ) times this add up to the variance of ȳ. The estimate is
    /// unbiased for equal groups, and for groups of any size if the variance of a group's mean is proportional to one over its size
    /// (independent draws).
    ///
    /// With one group the standard error is zero, which is right for a deterministic rule only.
    pub fn deviation_scale(&self, g: usize) -> f64 {
        if self.n_groups < 2 { 0.0 } else { (self.fraction(g) / (self.n_groups - 1) as f64).sqrt() }
    }
}

/// A number and its standard error.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Estimate {
    #[serde(deserialize_with = "crate::number::or_nan")]
    pub value: f64,
    #[serde(deserialize_with = "crate::number::or_nan")]
    pub standard_error: f64,
}

impl Estimate {
    /// The mean of independent values, and its standard error from their spread; NaN if there are none.
    pub fn of_mean(values: &[f64]) -> Self {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / (n - 1.0);
        Self { value: mean, standard_error: (variance / n).sqrt() }
    }

    /// The estimate from the means of groups.
    pub fn from_groups(groups: &Groups, mean_of: impl Fn(usize) -> f64) -> Self {
        let value: f64 = (0..groups.n_groups).map(|g| groups.fraction(g) * mean_of(g)).sum();
        let variance: f64 = (0..groups.n_groups).map(|g| (groups.deviation_scale(g) * (mean_of(g) - value)).powi(2)).sum();
        Self { value, standard_error: variance.sqrt() }
    }

    /// Σ cᵢ·(independent estimate i).
    pub fn combine(parts: impl IntoIterator<Item = (f64, Estimate)>) -> Self {
        let (mut value, mut variance) = (0.0, 0.0);
        for (c, e) in parts {
            value += c * e.value;
            variance += (c * e.standard_error).powi(2);
        }
        Self { value, standard_error: variance.sqrt() }
    }

    /// Both numbers times c.
    pub fn scaled(self, c: f64) -> Self {
        Self { value: c * self.value, standard_error: c.abs() * self.standard_error }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_is_in_one_group_and_blocks_align() {
        for n in [1, 2, 3, 20, 33, 255, 256, 257, 1000, 4096, 8192, 8193, 100_000, 1 << 18] {
            for paired in [false, true] {
                let groups = Groups::new(n, paired, 1);
                let total: usize = (0..groups.n_groups).map(|g| groups.range(g).len()).sum();
                assert_eq!(total, n);
                assert!(groups.n_groups <= MAX_GROUPS);
                assert!(BLOCK.is_multiple_of(groups.block_size()) && groups.group_size.is_multiple_of(groups.block_size()));
                assert!(!paired || groups.group_size.is_multiple_of(2));
            }
        }
    }

    #[test]
    fn nets_are_powers_of_two_and_cover_all_samples() {
        for n in [1, 2, 15, 16, 17, 100, 1000, 4096, 5000, 100_000, 1 << 18] {
            let nets = Groups::nets(n);
            assert!(nets.group_size.is_power_of_two() && nets.n_groups <= 2 * NETS && nets.n_groups >= NETS.min(n));
            assert_eq!((0..nets.n_groups).map(|g| nets.range(g).len()).sum::<usize>(), n);
        }
    }

    #[test]
    fn standard_error_of_unequal_groups_is_unbiased() {
        // Nine values in groups of four, four and one: the expectation over permutations of the values equals σ²/n.
        let groups = Groups { n_samples: 9, n_groups: 3, group_size: 4 };
        let values = [1.0, 4.0, 2.0, 8.0, 5.0, 7.0, 3.0, 9.0, 6.0];
        let mean = 5.0;
        let variance: f64 = values.iter().map(|v: &f64| (v - mean).powi(2)).sum::<f64>() / 8.0;
        let (mut total, mut count) = (0.0, 0.0);
        let mut order: Vec<usize> = (0..9).collect();
        let mut word = 1u64;
        for _ in 0..200_000 {
            for i in (1..9).rev() {
                word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                order.swap(i, (word >> 33) as usize % (i + 1));
            }
            let mean_of = |g: usize| groups.range(g).map(|i| values[order[i]]).sum::<f64>() / groups.range(g).len() as f64;
            total += Estimate::from_groups(&groups, mean_of).standard_error.powi(2);
            count += 1.0;
        }
        // The mean of 200 000 draws is within 1 % of its expectation.
        assert!((total / count / (variance / 9.0) - 1.0).abs() <= 0.01, "{} vs {}", total / count, variance / 9.0);
    }
}
