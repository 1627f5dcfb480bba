use super::*;
use crate::mixture::Covariance;

fn full(factors: [[f64; 3]; 2]) -> Covariance {
    Covariance::Full(factors.iter().flat_map(|[a, b, c]| [a * a, a * b, a * b, b * b + c * c]).collect())
}

fn mixture(weights: [f64; 2], means: &[f64], covariance: Covariance) -> Mixture {
    Mixture::new(weights.to_vec(), means.to_vec(), means.len() / 2, covariance).unwrap()
}

/// g, the symmetric K (11, 21, 22) and e of one sample x = μᵢ + Lᵢε, from what it adds.
fn one_sample(p: &Mixture, q: &Mixture, objective: Objective, i: usize, epsilon: &[f64]) -> (Vec<f64>, Vec<f64>, f64, f64) {
    // All covariances full, so that all of K shows.
    let p = p.widened(crate::mixture::CovarianceKind::Full).unwrap();
    let (general, d, w) = (General::new(&p, q), epsilon.len(), p.weights()[i]);
    let x: Vec<f64> = (0..d).map(|c| p.mean(i)[c] + p.factor(i).coloured(epsilon, c)).collect();
    let mut gradient = vec![0.0; general.parameters.len()];
    let value = general.add(objective, i, &x, 1.0, &mut gradient);
    let own = |at: usize| 2.0 * gradient[general.parameters.covariances() + i * d * d + at] / w;
    let k = if d == 1 { vec![own(0)] } else { vec![own(0), own(2), own(3)] };
    let e = gradient[general.parameters.logits() + i] / (w * (1.0 - w));
    (gradient[i * d..][..d].iter().map(|g| g / w).collect(), k, e, value)
}

/// Without any quadrature: twelve digits that were computed elsewhere.
#[test]
fn single_samples_are_what_they_should_be() {
    let a = (
        mixture([0.3, 0.7], &[-1.0, 1.5], Covariance::Spherical(vec![0.5, 2.0])),
        mixture([0.6, 0.4], &[-0.5, 2.0], Covariance::Spherical(vec![1.0, 0.8])),
    );
    let b = (
        mixture([0.6, 0.4], &[0.5, -1.0, -1.0, 0.5], Covariance::Diagonal(vec![0.5, 1.5, 2.0, 0.8])),
        mixture([0.5, 0.5], &[0.0, 0.0, 1.0, -1.0], Covariance::Diagonal(vec![1.0, 1.0, 1.5, 0.6])),
    );
    let c = (
        mixture([0.5, 0.5], &[-1.0, 0.0, 1.0, 0.5], full([[1.0, 0.5, 0.8], [0.7, -0.4, 1.1]])),
        mixture([0.3, 0.7], &[0.0, -0.5, 0.5, 1.0], full([[0.9, 0.3, 1.2], [1.3, -0.6, 0.7]])),
    );
    type Known<'a> = (&'a (Mixture, Mixture), usize, &'a [f64], &'a [f64], &'a [f64], f64, &'a [f64], f64);
    let cases: [Known; 3] = [
        (&a, 0, &[1.2], &[-1.493796047697], &[-0.460576118325], 0.134248146825, &[-0.093927286295], -0.254868800683),
        (
            &b,
            1,
            &[-0.7, 0.4],
            &[-1.475683722841, 0.415428398624],
            &[0.993382023959, -0.438616995374, -0.284106847401],
            1.232341350468,
            &[-1.486357858135, 0.477528413461],
            1.535552585280,
        ),
        (
            &c,
            0,
            &[0.3, -1.1],
            &[-2.728070552697, 1.164577506599],
            &[-2.683753527115, 3.466780369830, -3.676982899623],
            2.631018988795,
            &[-1.799744671648, 1.328435054020],
            0.465505264286,
        ),
    ];
    for ((p, q), i, epsilon, f, k, e, delta, log_ratio) in cases {
        let close = |got: &[f64], want: &[f64]| got.iter().zip(want).all(|(a, b)| (a - b).abs() <= 2e-12) && got.len() == want.len();
        let (got_f, got_k, got_e, value) = one_sample(p, q, Objective::Reverse, i, epsilon);
        assert!(close(&got_f, f) && close(&got_k, k) && close(&[got_e], &[e]), "{got_f:?} {got_k:?} {got_e}");
        assert!(close(&[value], &[0.5 * inner(delta, delta)]));
        let (got_delta, _, got_e, value) = one_sample(p, q, Objective::ReverseKl, i, epsilon);
        assert!(close(&got_delta, delta) && close(&[got_e, value], &[log_ratio; 2]), "{got_delta:?} {got_e}");
    }
}

#[test]
fn equal_mixtures_have_no_gradient_in_any_sample() {
    let p = mixture([0.3, 0.7], &[0.0, -0.5, 0.5, 1.0], full([[0.9, 0.3, 1.2], [1.3, -0.6, 0.7]]));
    let general = General::new(&p, &p);
    for objective in [Objective::Reverse, Objective::ReverseKl, Objective::Forward] {
        for x in [[0.3, 0.1], [-2.0, 5.0], [30.0, 1.0]] {
            let mut gradient = vec![0.0; general.parameters.len()];
            assert_eq!(general.add(objective, 1, &x, 1.0, &mut gradient), 0.0);
            assert!(gradient.iter().all(|g| *g == 0.0), "{objective:?} {gradient:?}");
        }
    }
}
