use super::*;
use crate::cpu::Cpu;
use crate::mixture::Covariance;
use crate::reference::Reference;

fn mixture(weights: [f64; 2], means: &[f64], covariance: Covariance) -> Mixture {
    Mixture::new(weights.to_vec(), means.to_vec(), means.len() / 2, covariance).unwrap()
}

/// A Aᵀ of lower factors (a11, a21, a22).
fn full(factors: [[f64; 3]; 2]) -> Covariance {
    Covariance::Full(factors.iter().flat_map(|[a, b, c]| [a * a, a * b, a * b, b * b + c * c]).collect())
}

struct Case {
    name: &'static str,
    p: Mixture,
    q: Mixture,
    /// Reverse and forward Fisher, KL(p‖q), KL(q‖p), total variation.
    exact: [f64; 5],
}

/// Pairs whose divergences are known to twelve digits (total variation to seven), by independent quadrature.
fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "spherical, on a line",
            p: mixture([0.3, 0.7], &[-1.0, 1.5], Covariance::Spherical(vec![0.5, 2.0])),
            q: mixture([0.6, 0.4], &[-0.5, 2.0], Covariance::Spherical(vec![1.0, 0.8])),
            exact: [0.101960515709, 0.062130152701, 0.048338626646, 0.031163777882, 0.069310313423],
        },
        Case {
            name: "diagonal, in the plane",
            p: mixture([0.6, 0.4], &[0.5, -1.0, -1.0, 0.5], Covariance::Diagonal(vec![0.5, 1.5, 2.0, 0.8])),
            q: mixture([0.5, 0.5], &[0.0, 0.0, 1.0, -1.0], Covariance::Diagonal(vec![1.0, 1.0, 1.5, 0.6])),
            exact: [0.722008877245, 0.738924780928, 0.417481990536, 0.383916722285, 0.24546032],
        },
        Case {
            name: "full, in the plane",
            p: mixture([0.5, 0.5], &[-1.0, 0.0, 1.0, 0.5], full([[1.0, 0.5, 0.8], [0.7, -0.4, 1.1]])),
            q: mixture([0.3, 0.7], &[0.0, -0.5, 0.5, 1.0], full([[0.9, 0.3, 1.2], [1.3, -0.6, 0.7]])),
            exact: [1.344132943707, 1.976625383623, 0.583170133532, 0.646677451543, 0.32723890],
        },
    ]
}

fn values(of: &Divergences) -> [Estimate; 5] {
    [of.reverse_fisher, of.forward_fisher, of.kl_student_teacher, of.kl_teacher_student, of.total_variation]
}

#[test]
fn quadrature_gives_the_known_divergences() {
    for Case { name, p, q, exact } in cases() {
        let got = by_quadrature(&p, &q, 1, false).unwrap().unwrap();
        for (c, (got, exact)) in values(&got).iter().zip(exact).enumerate() {
            // Total variation has a kink: its error is known.
            let bound = if c == 4 { got.standard_error.max(1e-6) } else { 1e-10 };
            assert!((got.value - exact).abs() <= bound, "{name}, {c}: {got:?} for {exact}");
            assert!(got.standard_error <= if c == 4 { 1e-3 } else { 1e-8 }, "{name}, {c}: {got:?}");
        }
    }
}

#[test]
fn samples_give_the_known_divergences_within_their_errors() {
    for Case { name, p, q, exact } in cases() {
        for (device, backend) in [("cpu", &mut Cpu::new() as &mut dyn Backend), ("reference", &mut Reference)] {
            let got = sampled(&p, &q, 20_000, 3, backend).unwrap();
            for (c, (got, exact)) in values(&got).iter().zip(exact).enumerate() {
                assert!((got.value - exact).abs() <= 4.5 * got.standard_error, "{name} on {device}, {c}: {got:?} for {exact}");
                assert!(got.standard_error <= 0.05 * exact, "{name} on {device}, {c}: {got:?}");
            }
        }
    }
}

/// 200 seeds: errors in units of their standard errors have the spread of one.
#[test]
fn standard_errors_are_calibrated() {
    let Case { p, q, exact, .. } = cases().swap_remove(2);
    let mut squares = [0.0; 5];
    for seed in 0..200 {
        let got = sampled(&p, &q, 300, seed, &mut Cpu::new()).unwrap();
        for (square, (got, exact)) in squares.iter_mut().zip(values(&got).iter().zip(exact)) {
            *square += ((got.value - exact) / got.standard_error).powi(2) / 200.0;
        }
    }
    // Chance: a tenth of a mean of 200 squares; heavy tails of Fisher divergences add to it.
    assert!(squares.iter().all(|square| (0.6..=1.6).contains(square)), "{squares:?}");
}

#[test]
fn equal_mixtures_have_no_divergence_at_all() {
    let Case { p, .. } = cases().swap_remove(2);
    let got = sampled(&p, &p, 100, 1, &mut Cpu::new()).unwrap();
    assert_eq!(values(&got).map(|e| e.value), [0.0; 5]);
}

/// One mixture in three forms, and as a common variance.
#[test]
fn forms_of_one_mixture_agree() {
    let q = mixture([0.3, 0.7], &[0.0, -0.5, 0.5, 1.0], full([[0.9, 0.3, 1.2], [1.3, -0.6, 0.7]]));
    let p = mixture([0.5, 0.5], &[-1.0, 0.0, 1.0, 0.5], Covariance::Common(0.8));
    let want = values(&by_quadrature(&p, &q, 1, false).unwrap().unwrap());
    for kind in crate::mixture::CovarianceKind::ALL {
        let got = values(&by_quadrature(&p.widened(kind).unwrap(), &q, 1, false).unwrap().unwrap());
        assert!(got.iter().zip(&want).all(|(a, b)| (a.value - b.value).abs() <= 1e-12), "{kind}: {got:?} {want:?}");
    }
}

/// A component a hundred times narrower inside a wide one.
#[test]
fn narrow_components_are_not_missed() {
    let p = mixture([0.5, 0.5], &[0.0, 0.5], Covariance::Spherical(vec![1.0, 1e-4]));
    let q = mixture([0.8, 0.2], &[0.0, 0.5], Covariance::Spherical(vec![1.0, 1e-4]));
    let got = by_quadrature(&p, &q, 1, false).unwrap().unwrap();
    // Almost apart: ½ ln(½/.8) + ½ ln(½/.2), less what the wide one has under the narrow one.
    let apart = 0.5 * (0.5f64 / 0.8).ln() + 0.5 * (0.5f64 / 0.2).ln();
    assert!((got.kl_student_teacher.value - apart).abs() <= 0.02 && got.kl_student_teacher.standard_error <= 1e-8, "{got:?} {apart}");
    let drawn = sampled(&p, &q, 200_000, 1, &mut Cpu::new()).unwrap().kl_student_teacher;
    assert!((drawn.value - got.kl_student_teacher.value).abs() <= 4.5 * drawn.standard_error, "{drawn:?} {got:?}");
}

#[test]
fn coverage_counts_in_deviations_of_the_teacher() {
    let teacher = mixture([0.5, 0.5], &[0.0, 10.0], Covariance::Spherical(vec![1.0, 16.0]));
    let student = mixture([0.5, 0.5], &[1.0, 12.0], Covariance::Common(1.0));
    let got = coverage(&student, &teacher).unwrap();
    assert_eq!((got.covered, got.student_weight), (1, vec![0.0, 0.5]), "1 is one deviation, 2 is half of one");
    assert_eq!(matched_distance(&student, &teacher).unwrap(), 1.5);
    let flat = Mixture::new(vec![1.0], vec![0.0, 0.0], 2, Covariance::Common(1.0)).unwrap();
    assert!(coverage(&flat, &teacher).unwrap_err().to_string().contains("the student has 2 dimensions and the teacher 1"));
}
