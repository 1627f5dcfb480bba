//! Which components a stratum may leave out, with a proved bound on the change of its gradient row.
//!
//! # The bound on a responsibility
//!
//! Let x = μᵢ + z, a (the *anchor*) the component nearest to μᵢ, D_j = |m_j − μᵢ| and g = |m_j − a|. The responsibility of j is at most
//! u/(1 + u) with u = q_j(x)/q_a(x), and u/(1 + u) ≤ uˢ for every s in [0, 1]. As ln u is normal with mean t = ln v_j/v_a − ½(D_j² − D_a²)
//! and variance g²,
//!
//! ```text
//! E ρ_j ≤ exp( s·t + ½s²g² ),   least at s = −t/g²                                                        (1)
//! ```
//!
//! and nearly always smaller: the density of ln u at y is at most exp(s·t + ½s²g²)·e^(−sy)/(g√2π) for s = −t/g², so for s in (0, 1)
//!
//! ```text
//! E ρ_j ≤ exp( s·t + ½s²g² )/(g√2π) · ∫ e^(−sy)/(1 + e^(−y)) dy = exp( s·t + ½s²g² ) · √(π/2)/(g sin πs)                (1′)
//! ```
//!
//! For the student its own component is the anchor, g = D_j = δ, s = ½ and the bound √(w_l/wᵢ)·exp(−δ²/8). The triangle inequality g ≤ D_j
//! + D_a gives a weaker one from distances to μᵢ alone, with Q = D_j − D_a and s = ½Q/(D_j + D_a):
//!
//! ```text
//! E ρ_j ≤ max(1, √(v_j/v_a)) · exp( −Q²/8 )                                                               (2)
//! ```
//!
//! # The bound on a row
//!
//! The row of one side is F = E[M + C(μᵢ − M)]. Keep the components K, drop D, and let tildes mark what K alone gives: with R = Σ_D ρ and Δ
//! = M_D − M̃ (means of the two parts), C = (1−R)C̃ + R·C_D + R(1−R)ΔΔᵀ, so that
//!
//! ```text
//! F − F̃ = E R[ Δ − C̃(μᵢ−M̃) + C_D(μᵢ−M) − (1−R)C̃Δ + (1−R)Δ⟨Δ, μᵢ−M⟩ ]
//! ```
//!
//! Let all of K lie within L of the anchor, a dropped component at d from it, and e = |μᵢ − a|. Then ‖C̃‖ ≤ L²,
//! |μᵢ − M̃| ≤ e + L, R|Δ|ⁿ ≤ Σ_D ρ (d+L)ⁿ for n = 1, 2, R‖C_D‖ ≤ Σ_D ρ d², and |μᵢ − M| ≤ e + L + Σ_D ρ d; products of two sums
//! over D are at most R Σ_D ρ (·)³ by the inequality of the means, and R(1−R) ≤ ¼. Together, with the lesser of (1) and (1′) for each E ρ,
//!
//! ```text
//! |F − F̃| ≤ Σ_D bound·[ (d+L) + L²(e+L) + d²(e+L) + d³ + L²(d+L) + (d+L)²(e+L) + ¼(d+L)³ ]                (3)
//! ```
//!
//! Components whose distance to μᵢ is beyond D_a + [`reach`] are never examined: (2) bounds all of them together. What remains is a smaller
//! mixture, whose Stein and score-function forms have the same mean, so (3) holds for any blend of them too.
//!
//! The proof is for exact distances. The computed ones have an error of about 2⁻⁵²·|μ|, which at means of 10⁶σ changes a bound by less than
//! a millionth of it; for means much further from the teacher's centroid than that, (3) is an estimate and no proof.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The bias that a gradient row may have because components are left out.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Neighbours {
    /// The engine's choice: a hundredth of σ over √n, with n samples of the stratum (see [`Neighbours::budget`]).
    #[default]
    Auto,
    /// No component is left out.
    Exact,
    /// At most this much, for |bias of ∂L/∂μᵢ|/wᵢ in units of σ (of √(σ² + t) if noise is added).
    Within(f64),
}

impl Neighbours {
    /// The largest certified bias of a row, per weight and in unit coordinates; `None` if nothing may be left out.
    ///
    /// A row per weight varies by about a tenth of σ to a few σ from sample to sample if components overlap, so its standard error from n
    /// samples is seldom below 0.1/√n. A hundredth is a few per cent of that, and it is known before the step. The budget is absolute: at
    /// an optimum the standard error goes to zero but the bias need not, unless both sides keep the same components.
    pub fn budget(self, n_samples: usize) -> Option<f64> {
        match self {
            Neighbours::Auto => Some(0.01 / (n_samples.max(1) as f64).sqrt()),
            Neighbours::Exact => None,
            Neighbours::Within(budget) => Some(budget),
        }
    }
}

impl std::str::FromStr for Neighbours {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match (text, text.parse::<f64>()) {
            ("auto", _) => Ok(Neighbours::Auto),
            ("exact", _) => Ok(Neighbours::Exact),
            (_, Ok(budget)) if budget.is_finite() && budget > 0.0 => Ok(Neighbours::Within(budget)),
            _ => Err(Error::bad_config(
                format!("neighbours is {text:?}"),
                "Give \"auto\", \"exact\", or a positive number: the bias that a row may have, per weight and in units of σ",
            )),
        }
    }
}

impl Serialize for Neighbours {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            Neighbours::Auto => serializer.serialize_str("auto"),
            Neighbours::Exact => serializer.serialize_str("exact"),
            Neighbours::Within(budget) => serializer.serialize_f64(*budget),
        }
    }
}

impl<'de> Deserialize<'de> for Neighbours {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "neighbours is \"auto\", \"exact\" or a positive number")]
        enum Said {
            Word(String),
            Number(f64),
        }
        let text = match Said::deserialize(deserializer)? {
            Said::Word(word) => word,
            Said::Number(number) => number.to_string(),
        };
        text.parse().map_err(|e: Error| serde::de::Error::custom(e))
    }
}

/// A component near a stratum.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Near {
    pub index: u32,
    /// |m_j − μᵢ|.
    pub distance: f64,
    /// |m_j − a|, where a is the nearest of all.
    pub from_anchor: f64,
}

/// Bounds are sorted into classes of this width in ln(bound); the upper edge of a class bounds all in it.
const WIDTH: f64 = 0.25;
const CLASSES: usize = 256;

/// How far beyond the nearest component others may be left out without examining them, so that together they take at most a tenth of
/// `budget`: (2) and (3) with L = d, for `n` components of weights up to `most` times the anchor's at distance `e`.
pub(crate) fn reach(budget: f64, n: usize, most: f64, e: f64) -> f64 {
    let mut reach = 4.0; // beyond √12 the bound times (3) falls with the distance
    while beyond(n, most, reach) * factor(reach + 2.0 * e, reach + 2.0 * e, e) > 0.1 * budget && reach < 1e3 {
        reach += 0.25;
    }
    reach
}

/// (2) summed over n components.
fn beyond(n: usize, most: f64, reach: f64) -> f64 {
    n as f64 * most.sqrt().max(1.0) * (-reach * reach / 8.0).exp()
}

/// The bracket of (3).
fn factor(d: f64, l: f64, e: f64) -> f64 {
    let far = d + l;
    far + l * l * (e + l) + d * d * (e + l) + d * d * d + l * l * far + far * far * (e + l) + 0.25 * far * far * far
}

/// The components that one side keeps in one stratum.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Kept {
    /// In the order of `near`, which is the order of indices.
    pub list: Vec<u32>,
    /// (3).
    pub certified: f64,
}

/// Keeps as few of `near` as (3) allows within `budget`.
///
/// `near` are all components within D_a + `reach` of μᵢ, in the order of their indices. `rest` is the number of the others, with weights up
/// to `most` times the anchor's. `log_weight` (all components) are ln v.
pub(crate) fn keep(near: &[Near], rest: usize, most: f64, reach: f64, log_weight: &[f64], budget: f64) -> Kept {
    let Some(anchor) = near.iter().min_by(|a, b| a.distance.total_cmp(&b.distance)) else {
        return Kept { list: Vec::new(), certified: 0.0 };
    };
    let e = anchor.distance;
    let class = |near: &Near| {
        let t = log_weight[near.index as usize] - log_weight[anchor.index as usize] - 0.5 * (near.distance - e) * (near.distance + e);
        let g2 = near.from_anchor * near.from_anchor;
        let s = (-t / g2).clamp(0.0, 1.0); // NaN if both are 0: coincident components are kept
        let narrower = (std::f64::consts::FRAC_PI_2.sqrt() / (near.from_anchor * (std::f64::consts::PI * s).sin())).ln();
        let key = s * t + 0.5 * s * s * g2 + if narrower < 0.0 && s > 0.0 && s < 1.0 { narrower } else { 0.0 };
        if key <= 0.0 { ((-key / WIDTH) as usize).min(CLASSES - 1) } else { 0 }
    };
    // Σd⁰ … Σd³ and the largest d of each class.
    let mut moments = [[0.0f64; 4]; CLASSES];
    let mut largest = [0.0f64; CLASSES];
    let classes: Vec<usize> = near.iter().map(class).collect();
    for (near, class) in near.iter().zip(&classes) {
        let d = near.from_anchor;
        for (sum, power) in moments[*class].iter_mut().zip([1.0, d, d * d, d * d * d]) {
            *sum += power;
        }
        largest[*class] = largest[*class].max(d);
    }
    let far = reach + 2.0 * e;
    let unseen = beyond(rest, most, reach);
    let mut dropped: [f64; 4] = std::array::from_fn(|power| unseen * far.powi(power as i32));
    let within: Vec<f64> = largest
        .iter()
        .scan(0.0f64, |l, d| {
            Some({
                *l = l.max(*d);
                *l
            })
        })
        .collect();
    // From the far end, as long as the bound allows. The first class holds the anchor and stays.
    let (mut cut, mut certified) = (CLASSES, bracket(&dropped, within[CLASSES - 1], e));
    let mut tried = dropped;
    for class in (1..CLASSES).rev() {
        let bound = (-(class as f64) * WIDTH).exp();
        tried.iter_mut().zip(&moments[class]).for_each(|(o, m)| *o += bound * m);
        let bias = bracket(&tried, within[class - 1], e);
        if bias <= budget {
            (cut, certified, dropped) = (class, bias, tried);
        }
    }
    debug_assert!(dropped[0] >= 0.0);
    Kept { list: near.iter().zip(&classes).filter(|(_, class)| **class < cut).map(|(near, _)| near.index).collect(), certified }
}

/// (3) from Σ bound·dⁿ for n = 0 … 3.
fn bracket(s: &[f64; 4], l: f64, e: f64) -> f64 {
    if s[0] == 0.0 {
        return 0.0;
    }
    let far = [s[1] + l * s[0], s[2] + 2.0 * l * s[1] + l * l * s[0], s[3] + 3.0 * l * s[2] + 3.0 * l * l * s[1] + l * l * l * s[0]];
    far[0] + l * l * (e + l) * s[0] + (e + l) * s[2] + s[3] + l * l * far[0] + (e + l) * far[1] + 0.25 * far[2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bracket_is_the_sum_of_its_terms() {
        let (l, e) = (1.7, 0.4);
        let dropped = [(0.3, 2.0), (0.01, 5.0), (1e-4, 9.0)];
        let sums: [f64; 4] = std::array::from_fn(|power| dropped.iter().map(|(b, d): &(f64, f64)| b * d.powi(power as i32)).sum());
        let want: f64 = dropped.iter().map(|(b, d)| b * factor(*d, l, e)).sum();
        assert!((bracket(&sums, l, e) - want).abs() <= 1e-12 * want);
    }

    /// E ρ of every component of a mixture in one dimension, by the trapezoid rule, against the classes' bounds.
    #[test]
    fn responsibilities_are_within_their_bounds() {
        for (centre, means, weights) in [
            (0.0f64, vec![0.0, 3.0, 6.0, -9.0], vec![0.25; 4]),
            (1.0, vec![-2.0, 5.0, 5.5, 12.0], vec![0.1, 0.5, 0.3, 0.1]),
            (20.0, vec![0.0, 3.0, -4.0], vec![0.6, 0.3, 0.1]),
        ] {
            let a = (0..means.len()).min_by(|a, b| (means[*a] - centre).abs().total_cmp(&(means[*b] - centre).abs())).unwrap();
            let mut mass = vec![0.0; means.len()];
            for node in -1600..=1600 {
                let z = f64::from(node) / 200.0;
                let share = (-0.5 * z * z).exp() / (2.0 * std::f64::consts::PI).sqrt() / 200.0;
                let logit = |j: usize| f64::ln(weights[j]) - 0.5 * (centre + z - means[j]).powi(2);
                let peak = (0..means.len()).map(logit).fold(f64::MIN, f64::max);
                let total: f64 = (0..means.len()).map(|j| (logit(j) - peak).exp()).sum();
                (0..means.len()).for_each(|j| mass[j] += share * (logit(j) - peak).exp() / total);
            }
            for j in 0..means.len() {
                let (d_j, d_a, g) = ((means[j] - centre).abs(), (means[a] - centre).abs(), (means[j] - means[a]).abs());
                let t = f64::ln(weights[j] / weights[a]) - 0.5 * (d_j * d_j - d_a * d_a);
                let s = if g > 0.0 { (-t / (g * g)).clamp(0.0, 1.0) } else { 0.0 };
                let narrower = (std::f64::consts::FRAC_PI_2.sqrt() / (g * (std::f64::consts::PI * s).sin())).min(1.0);
                let bound = (s * t + 0.5 * s * s * g * g).exp() * if s > 0.0 && s < 1.0 { narrower } else { 1.0 };
                assert!(mass[j] <= bound * (1.0 + 1e-9), "component {j} from {centre}: {} over {bound}", mass[j]);
                let weak = beyond(1, weights[j] / weights[a], d_j - d_a);
                assert!(mass[j] <= weak * (1.0 + 1e-9), "component {j} from {centre}: {} over {weak}", mass[j]);
            }
        }
    }

    #[test]
    fn words_and_numbers_are_read() {
        assert_eq!("auto".parse::<Neighbours>().unwrap(), Neighbours::Auto);
        assert_eq!("1e-3".parse::<Neighbours>().unwrap(), Neighbours::Within(1e-3));
        for wrong in ["", "none", "-1", "0", "NaN", "inf"] {
            assert!(wrong.parse::<Neighbours>().is_err(), "{wrong}");
        }
    }
}
