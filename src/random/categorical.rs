//! Draws from a finite distribution.

/// Categories by their cumulative weights, which need not sum to 1.
pub(crate) struct Categorical {
    cumulative: Vec<f64>,
}

impl Categorical {
    /// `None` if no weight is positive.
    pub(crate) fn new(weights: impl IntoIterator<Item = f64>) -> Option<Categorical> {
        let cumulative: Vec<f64> = weights
            .into_iter()
            .scan(0.0, |sum, weight| {
                *sum += weight;
                Some(*sum)
            })
            .collect();
        (*cumulative.last()? > 0.0).then_some(Categorical { cumulative })
    }

    /// For the weights of a mixture, which are positive.
    pub(crate) fn of_weights(weights: &[f64]) -> Categorical {
        Categorical::new(weights.iter().copied()).unwrap_or(Categorical { cumulative: vec![1.0] })
    }

    /// The category whose interval holds `u`, with u in [0, 1).
    pub(crate) fn at(&self, u: f64) -> usize {
        let last = self.cumulative.len() - 1;
        self.cumulative.partition_point(|c| *c <= u * self.cumulative[last]).min(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_category_has_its_share() {
        let three = Categorical::new([1.0, 0.0, 3.0]).unwrap();
        let n = 1000;
        let counts = (0..n).map(|i| three.at((f64::from(i) + 0.5) / f64::from(n))).fold([0; 3], |mut counts, c| {
            counts[c] += 1;
            counts
        });
        assert_eq!(counts, [250, 0, 750]);
        assert_eq!((three.at(0.0), three.at(1.0)), (0, 2));
        assert!(Categorical::new([0.0, 0.0]).is_none() && Categorical::new([]).is_none());
    }
}
