//! Whether an estimate rests on a few rare draws, as it does if the main contribution lies in the gaps between modes. Then neither the
//! estimate nor its standard error can be trusted.
//!
//! The variance of a mean of groups is Σ(ȳ_g − ȳ)², up to constants, over the groups of all strata. With ordinary draws each of some 32
//! groups contributes to it; if one draw in a thousand matters, the group that has it contributes nearly all.

use serde::Serialize;

use crate::objective::groups::Groups;

/// The probability of a false alarm for ordinary draws.
const BY_CHANCE: f64 = 1e-6;

/// If ordinary draws come this close to the largest possible fraction, there are too few groups to tell: fewer than nine.
const NEARLY_ALL: f64 = 0.99;

/// Standard errors below this fraction of the value are rounding in single precision.
const ROUNDING: f64 = 1e-5;

/// Whether one group of samples carries most of the variance of an estimate. In JSON: null, the finding, or only the groups if they cannot
/// tell.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(untagged)]
pub enum RareDraws {
    /// No more than by chance.
    None,
    /// One group does.
    Found(Rare),
    /// The groups cannot tell: they are too few, or their components were themselves drawn.
    Unknown { n_groups: usize, group_size: usize },
}

/// One group of samples carries most of the variance of an estimate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Rare {
    /// The fraction of the variance.
    pub share: f64,
    /// Groups of a stratum, and samples in each.
    pub n_groups: usize,
    pub group_size: usize,
}

impl RareDraws {
    /// A sentence without its full stop, if there is something to say; `what` is in the plural, such as "the Fisher divergences".
    pub fn sentence(&self, what: &str) -> Option<String> {
        match self {
            RareDraws::None => None,
            RareDraws::Found(Rare { share, n_groups, group_size }) => Some(format!(
                "{what} and their standard errors rest on a few rare draws: one of {n_groups} groups of {group_size} samples carries {:.0} % of \
                 the variance. Their true values may be many standard errors away, as where they come from the gaps between modes",
                100.0 * share
            )),
            RareDraws::Unknown { n_groups, group_size } => Some(format!(
                "whether {what} and their standard errors rest on a few rare draws is unknown: {n_groups} groups of {group_size} samples do not tell"
            )),
        }
    }

    /// The result for both together: the worse one that was found, if any.
    pub fn worse(self, other: RareDraws) -> RareDraws {
        use RareDraws::{Found, None};
        match (self, other) {
            (Found(a), Found(b)) => Found(if b.share > a.share { b } else { a }),
            (Found(a), _) | (_, Found(a)) => Found(a),
            (None, other) => other,
            (unknown, _) => unknown,
        }
    }
}

/// For Σ wᵢ(mean of stratum i), from means of groups (C, G).
pub(crate) fn of_mean(weights: &[f64], groups: &Groups, means: &[f64]) -> RareDraws {
    let strata = || weights.iter().zip(means.chunks_exact(groups.n_groups));
    let mean = |of: &[f64]| (0..groups.n_groups).map(|g| groups.fraction(g) * of[g]).sum::<f64>();
    let value: f64 = strata().map(|(w, of)| w * mean(of)).sum();
    let parts = strata().flat_map(|(w, of)| {
        let mean = mean(of);
        (0..groups.n_groups).map(move |g| (w * groups.deviation_scale(g) * (of[g] - mean)).powi(2))
    });
    of_parts(parts, value.abs(), groups)
}

/// For a gradient with all its rows, from the gradients of its groups (G, k, ϱ).
pub(crate) fn of_gradient(groups: &Groups, group_gradients: &[f64]) -> RareDraws {
    let row = group_gradients.len() / groups.n_groups;
    let mean: Vec<f64> = (0..row).map(|c| (0..groups.n_groups).map(|g| groups.fraction(g) * group_gradients[g * row + c]).sum()).collect();
    let parts = (0..groups.n_groups).map(|g| {
        let own = group_gradients[g * row..(g + 1) * row].iter().zip(&mean);
        own.map(|(y, mean)| (groups.deviation_scale(g) * (y - mean)).powi(2)).sum()
    });
    of_parts(parts, mean.iter().map(|v| v * v).sum::<f64>().sqrt(), groups)
}

/// From the parts of the groups in the variance of `value`.
fn of_parts(parts: impl Iterator<Item = f64>, value: f64, groups: &Groups) -> RareDraws {
    let Groups { n_groups, group_size, .. } = *groups;
    let (sum, largest) = parts.fold((0.0, 0.0f64), |(sum, largest), part| (sum + part, largest.max(part)));
    if !(sum.is_finite() && sum.sqrt() > ROUNDING * value) {
        return RareDraws::None;
    }
    let share = largest / sum;
    if chance(NEARLY_ALL * (1.0 - 1.0 / n_groups as f64), n_groups) > BY_CHANCE {
        return RareDraws::Unknown { n_groups, group_size };
    }
    if chance(share, n_groups) < BY_CHANCE { RareDraws::Found(Rare { share, n_groups, group_size }) } else { RareDraws::None }
}

/// The probability that one of G groups of ordinary draws has more than `share` ≥ ½ of the variance. For a given group of one stratum it is
/// that of (G − 1)/G·Beta(1/2, (G − 2)/2); for several strata or coordinates together it is less.
fn chance(share: f64, n_groups: usize) -> f64 {
    let n = n_groups as f64;
    if share < 0.5 || n_groups < 3 {
        return 1.0;
    }
    n * beta_tail(share * n / (n - 1.0), n_groups - 2)
}

/// P(B > x) for B ~ Beta(1/2, ν/2), which is t²/(t² + ν) of Student's t: by its finite sum, to 1e-15.
fn beta_tail(x: f64, nu: usize) -> f64 {
    let (sine, square) = (x.clamp(0.0, 1.0).sqrt(), 1.0 - x.clamp(0.0, 1.0));
    let is_odd = nu % 2 == 1;
    let (mut term, mut sum) = (if is_odd { square.sqrt() } else { 1.0 }, 0.0);
    for i in (2 + usize::from(is_odd)..=nu).step_by(2) {
        sum += term;
        term *= square * (i - 1) as f64 / i as f64;
    }
    let below = if is_odd { (sine.asin() + sine * sum) / std::f64::consts::FRAC_PI_2 } else { sine * sum };
    (1.0 - below).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tails_are_those_of_beta() {
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-14, "{a} {b}");
        for x in [0.0, 0.1f64, 0.5, 0.9, 1.0] {
            near(beta_tail(x, 1), 1.0 - x.sqrt().asin() / std::f64::consts::FRAC_PI_2);
            near(beta_tail(x, 2), 1.0 - x.sqrt());
            near(beta_tail(x, 3), 1.0 - (x.sqrt().asin() + (x * (1.0 - x)).sqrt()) / std::f64::consts::FRAC_PI_2);
            near(beta_tail(x, 4), 1.0 - x.sqrt() * (1.5 - 0.5 * x));
        }
        // Student's t with 30 degrees of freedom exceeds ±2.042 with probability 5 %, and with 14 exceeds ±2.977 with 1 %.
        let beyond = |t: f64, nu: usize| beta_tail(t * t / (t * t + nu as f64), nu);
        assert!((beyond(2.042272, 30) - 0.05).abs() < 1e-6 && (beyond(2.976843, 14) - 0.01).abs() < 1e-6);
        assert!((0.5..2.0).contains(&(chance(0.625, 32) / 1e-6)) && (2e-5..1e-4).contains(&chance(0.75, 16)));
    }

    /// Means of G groups: one is off by `off`, the others vary by one.
    fn one_off(n_groups: usize, off: f64) -> RareDraws {
        let groups = Groups { n_samples: 64 * n_groups, n_groups, group_size: 64 };
        let means: Vec<f64> = (0..n_groups).map(|g| if g == 1 { off } else { 0.5 * f64::from(g % 2 == 0) }).collect();
        of_mean(&[1.0], &groups, &means)
    }

    #[test]
    fn the_limit_is_that_of_the_groups_at_hand() {
        for n_groups in [9, 10, 12, 16, 17, 31, 32] {
            assert!(matches!(one_off(n_groups, 100.0), RareDraws::Found(_)), "{n_groups} groups");
            assert_eq!(one_off(n_groups, 1.0), RareDraws::None, "{n_groups} groups");
        }
        // Ordinary draws put 80 % of the variance in one of 16 groups once in 190 000 times, and in one of 32 never.
        let share = |n_groups, off| match one_off(n_groups, off) {
            RareDraws::Found(rare) => rare.share,
            _ => 0.0,
        };
        assert!(share(16, 2.75) == 0.0 && share(32, 4.0) > 0.6);
        for n_groups in [2, 3, 5, 8] {
            assert_eq!(one_off(n_groups, 100.0), RareDraws::Unknown { n_groups, group_size: 64 });
        }
        assert_eq!(one_off(5, 0.0).worse(one_off(32, 100.0)), one_off(32, 100.0));
        assert_eq!(one_off(32, 1.0).worse(one_off(5, 100.0)), one_off(5, 100.0));
    }

    #[test]
    fn json_is_null_or_what_is_known() {
        let json = |of: RareDraws| serde_json::to_value(of).unwrap();
        assert_eq!(json(one_off(32, 1.0)), serde_json::Value::Null);
        assert!(json(one_off(32, 100.0))["share"].as_f64() > Some(0.9));
        assert_eq!(json(one_off(5, 1.0)), serde_json::json!({ "n_groups": 5, "group_size": 64 }));
    }
}
