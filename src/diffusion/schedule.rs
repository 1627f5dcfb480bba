//! The ladder of noise levels, in units of σ₀² = 1.

/// The spacing of the ladder: a smaller κ gives more levels. 0.12 gives 40 to 50.
pub(crate) const KAPPA: f64 = 0.12;
/// The last noise level. Below it the regression's noise grows while its bias no longer falls.
pub(crate) const LOWEST: f64 = 0.05;

/// Noise levels t from the highest (at least `highest`, where the data look like one Gaussian) down to [`LOWEST`].
///
/// t_k + 1 = (t_{k+1} + 1)·max(e^{−2κ}, (t_{k+1} + 1)^{−κ}): geometric while t is large, and finer towards t = 0.
pub(crate) fn levels(highest: f64, kappa: f64) -> Vec<f64> {
    let mut levels = vec![highest.max(2.0 * LOWEST)];
    loop {
        let above = 1.0 + levels[levels.len() - 1];
        let t = above * (-2.0 * kappa).exp().max(above.powf(-kappa)) - 1.0;
        levels.push(t.max(LOWEST));
        if t <= LOWEST {
            return levels;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ladder_falls_from_the_highest_to_the_lowest() {
        let levels = levels(300.0, KAPPA);
        assert!((40..=60).contains(&levels.len()), "{} levels", levels.len());
        assert!(levels.windows(2).all(|w| w[1] < w[0]) && levels[0] == 300.0 && levels[levels.len() - 1] == LOWEST);
        assert!(levels.windows(2).all(|w| (w[1] + 1.0) / (w[0] + 1.0) >= (-2.0 * KAPPA).exp() - 1e-12));
    }
}
