//! What the metrics average at one point x of either mixture: ½|a|², ln p(x) − ln q(x), and the excess of one density over the other.

use super::Components;
use super::density::log_density;
use super::posterior::Point;
use crate::objective::divergence::Side;

/// ½|a|², ln p − ln q, and (1 − q/p)₊ for x ~ student or (1 − p/q)₊ for x ~ teacher.
pub(crate) fn at_point(from: Side, p: &Components, q: &Components, x: &[f64]) -> [f64; 3] {
    let log_ratio = log_density(p, x) - log_density(q, x);
    let excess = 1.0 - if from == Side::Student { (-log_ratio).exp() } else { log_ratio.exp() };
    [Point::at(p, q, x).half_square(), log_ratio, excess.max(0.0)]
}
