//! KL as an integral of the reverse Fisher divergence over noise: KL(p‖q) = ∫₀^∞ L(p * N(0,tI), q * N(0,tI)) dt.
//!
//! With s = ln(1 + t/σ²) the integrand L·(σ² + t) changes on a scale of 1 while t is below the mixtures' spread, and falls as e^−s beyond.
//! The rule is Gauss–Kronrod on panels in s. Its error is estimated by the Gauss rule inside it, and the tail beyond the last panel by the
//! asymptotic form L ∝ (σ² + t)^−2. Every node has its own draws, so the squares of standard errors add up.

use crate::backend::Backend;
use crate::error::Result;
use crate::mixture::squared_distance;
use crate::objective::groups::Estimate;
use crate::problem::Problem;

/// Nodes of the 15-point Kronrod rule on [0, 1], half of [−1, 1], their weights, and those of the 7-point Gauss rule inside it.
const NODES: [f64; 8] = [
    0.991_455_371_120_812_6,
    0.949_107_912_342_758_5,
    0.864_864_423_359_769_1,
    0.741_531_185_599_394_4,
    0.586_087_235_467_691_1,
    0.405_845_151_377_397_2,
    0.207_784_955_007_898_47,
    0.0,
];
const KRONROD: [f64; 8] = [
    0.022_935_322_010_529_224,
    0.063_092_092_629_978_55,
    0.104_790_010_322_250_18,
    0.140_653_259_715_525_92,
    0.169_004_726_639_267_9,
    0.190_350_578_064_785_4,
    0.204_432_940_075_298_9,
    0.209_482_141_084_727_83,
];
const GAUSS: [f64; 4] = [0.129_484_966_168_869_7, 0.279_705_391_489_276_7, 0.381_830_050_505_118_9, 0.417_959_183_673_469_4];

/// The last noise level, in squares of the means' spread: beyond it lies a millionth of the integral.
const BEYOND: f64 = 1e6;

/// The approximate length of a panel in s.
const PANEL: f64 = 3.0;

/// The integral and its errors.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Annealed {
    pub kl: Estimate,
    /// The approximate error of the rule. It includes sampling noise, so it is rather too large.
    pub quadrature_error: f64,
    /// The number of noise levels at which L was measured.
    pub n_levels: usize,
}

/// KL(student ‖ teacher) under `problem`'s noise, with the student at `means` (k, d), from `n_samples` points per component and noise
/// level.
pub fn annealed_kl(problem: &Problem, means: &[f64], backend: &mut dyn Backend, n_samples: usize) -> Result<Annealed> {
    let variance = problem.teacher.variance() + problem.noise;
    let d = problem.teacher.n_features();
    let centre = problem.teacher.centroid();
    let spread =
        means.chunks_exact(d).chain(problem.teacher.means().chunks_exact(d)).map(|m| squared_distance(m, &centre)).fold(0.0, f64::max);
    let end = (BEYOND * (1.0 + spread / variance)).ln();
    let panels = (end / PANEL).ceil() as usize;
    let half = end / panels as f64 / 2.0;
    let mut step = 0;
    // L·(σ² + t) at s, with its standard error.
    let mut integrand = |s: f64| -> Result<Estimate> {
        let noisy = Problem { noise: problem.noise + variance * s.exp_m1(), ..problem.clone() };
        let measured = noisy.open(backend, means)?.measure(n_samples, step)?[0].reverse_fisher;
        step += 1;
        Ok(measured.scaled(variance * s.exp()))
    };
    let (mut terms, mut quadrature_error) = (Vec::new(), 0.0);
    for panel in 0..panels {
        let centre = (2 * panel + 1) as f64 * half;
        let mut difference = 0.0;
        for (at, node) in NODES.iter().enumerate() {
            // Every other node, including the middle, is a Gauss node.
            let gauss = if at % 2 == 1 { GAUSS[at / 2] } else { 0.0 };
            let sides: &[f64] = if *node == 0.0 { &[0.0] } else { &[-1.0, 1.0] };
            for side in sides {
                let value = integrand(centre + side * node * half)?;
                difference += half * (KRONROD[at] - gauss) * value.value;
                terms.push((half * KRONROD[at], value));
            }
        }
        quadrature_error += difference.abs();
    }
    // If L falls as (σ² + t)^−2 the tail equals the integrand. If the centroids agree, L falls faster and the tail is half of that.
    let tail = integrand(end)?;
    terms.push((1.0, tail));
    quadrature_error += 0.5 * tail.value;
    Ok(Annealed { kl: Estimate::combine(terms), quadrature_error, n_levels: step as usize })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mixture::GaussianMixture;
    use crate::reference::Reference;

    #[test]
    fn rules_are_exact_for_polynomials() {
        let rule = |power: i32, weights: &dyn Fn(usize) -> f64| -> f64 {
            (0..8).map(|at| if at == 7 { weights(7) * NODES[7].powi(power) } else { 2.0 * weights(at) * NODES[at].powi(power) }).sum()
        };
        for power in [0, 2, 4, 8, 12, 22] {
            let exact = 2.0 / f64::from(power + 1);
            let kronrod = rule(power, &|at| KRONROD[at]);
            assert!((kronrod - exact).abs() <= 1e-14, "{power}: {kronrod} {exact}"); // digits of the constants
            let gauss = rule(power, &|at| if at % 2 == 1 { GAUSS[at / 2] } else { 0.0 });
            assert!(power > 13 || (gauss - exact).abs() <= 1e-14, "{power}: {gauss} {exact}");
        }
    }

    #[test]
    fn two_gaussians_have_their_known_divergence() {
        // KL = ½|μ − m|²/σ², and L does not vary over samples: only the quadrature is tested.
        for (distance, variance, noise) in [(0.5, 1.0, 0.0), (30.0, 1.0, 0.0), (3.0, 4.0, 0.0), (3.0, 1.0, 3.0)] {
            let teacher = GaussianMixture::new(vec![1.0], vec![distance, 0.0], 2, variance).unwrap();
            let problem = Problem { noise, ..Problem::new(vec![1.0], teacher) };
            let got = annealed_kl(&problem, &[0.0, 0.0], &mut Reference, 4).unwrap();
            let exact = 0.5 * distance * distance / (variance + noise);
            assert!((got.kl.value - exact).abs() <= got.quadrature_error + 1e-9 * exact, "{got:?} {exact}");
            assert!(got.quadrature_error <= 1e-5 * exact, "{got:?}"); // half of the tail, a millionth, and the difference of the rules
        }
    }

    #[test]
    fn a_pair_of_mixtures_has_the_divergence_of_quadrature() {
        let teacher = GaussianMixture::new(vec![0.5, 0.5], vec![-3.2, 2.5], 1, 1.0).unwrap();
        let problem = Problem::new(vec![0.3, 0.7], teacher);
        let got = annealed_kl(&problem, &[-3.0, 3.0], &mut crate::cpu::Cpu::new(), 4096).unwrap();
        // By adaptive quadrature of both sides: 0.17505.
        let bound = 5.0 * got.kl.standard_error + got.quadrature_error;
        assert!((got.kl.value - 0.17505).abs() <= bound && bound <= 0.005, "{got:?}");
        // L at these noise levels, by the same quadrature.
        for (t, exact) in [(0.0, 0.094571), (1.0, 0.022603), (3.0, 0.0087213), (10.0, 0.0034853), (30.0, 0.00080814)] {
            let noisy = Problem { noise: t, ..problem.clone() };
            let l = noisy.open(&mut crate::cpu::Cpu::new(), &[-3.0, 3.0]).unwrap().measure(65536, 0).unwrap()[0].reverse_fisher;
            assert!((l.value - exact).abs() <= 5.0 * l.standard_error && l.standard_error <= 0.01 * exact, "{t}: {l:?}");
        }
    }
}
