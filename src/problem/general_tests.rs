use super::*;
use crate::mixture::{Covariance, CovarianceKind};

fn full(factors: [[f64; 3]; 2]) -> Covariance {
    Covariance::Full(factors.iter().flat_map(|[a, b, c]| [a * a, a * b, a * b, b * b + c * c]).collect())
}

fn mixture(weights: [f64; 2], means: &[f64], covariance: Covariance) -> Mixture {
    Mixture::new(weights.to_vec(), means.to_vec(), means.len() / 2, covariance).unwrap()
}

fn pairs() -> [(Mixture, Mixture); 3] {
    [
        (
            mixture([0.3, 0.7], &[-1.0, 1.5], Covariance::Spherical(vec![0.5, 2.0])),
            mixture([0.6, 0.4], &[-0.5, 2.0], Covariance::Spherical(vec![1.0, 0.8])),
        ),
        (
            mixture([0.6, 0.4], &[0.5, -1.0, -1.0, 0.5], Covariance::Diagonal(vec![0.5, 1.5, 2.0, 0.8])),
            mixture([0.5, 0.5], &[0.0, 0.0, 1.0, -1.0], Covariance::Diagonal(vec![1.0, 1.0, 1.5, 0.6])),
        ),
        (
            mixture([0.5, 0.5], &[-1.0, 0.0, 1.0, 0.5], full([[1.0, 0.5, 0.8], [0.7, -0.4, 1.1]])),
            mixture([0.3, 0.7], &[0.0, -0.5, 0.5, 1.0], full([[0.9, 0.3, 1.2], [1.3, -0.6, 0.7]])),
        ),
    ]
}

fn problem((student, teacher): &(Mixture, Mixture), objective: Objective, sampler: Sampler, n_samples: Option<usize>) -> GeneralProblem {
    GeneralProblem { student: student.clone(), teacher: teacher.clone(), objective, sampler, n_samples, seed: 1 }
}

fn on_grid(pair: &(Mixture, Mixture), objective: Objective) -> GeneralGradient {
    problem(pair, objective, Sampler::Grid, None).gradient().unwrap()
}

/// Reverse Fisher and reverse KL: twelve digits that were computed elsewhere. Derivatives by logarithms of variances are those by variances
/// times these.
#[test]
fn gradients_on_a_grid_are_the_known_ones() {
    let [a, b, c] = pairs();
    let by_logarithm = |of: &GeneralGradient, p: &Mixture, scale: f64| -> Vec<f64> {
        let own = &of.gradient[of.parameters.covariances()..of.parameters.logits()];
        own.iter().zip(p.covariance().values()).map(|(g, v)| scale * g * v).collect()
    };
    let close = |what: &str, got: &[f64], want: &[f64]| {
        assert!(got.iter().zip(want).all(|(a, b)| (a - b).abs() <= 1e-10), "{what}: {got:?} for {want:?}");
    };
    type Known<'a> = (&'a (Mixture, Mixture), Objective, &'a [f64], &'a [f64], f64);
    // Of the diagonal case: by logarithms of deviations, twice those of variances.
    let cases: [Known; 4] = [
        (&a, Objective::Reverse, &[-0.075802632923, 0.177279778131], &[-0.085643291962, 0.216626924885], -0.010108786261),
        (&a, Objective::ReverseKl, &[-0.009719312583, 0.147985446075], &[-0.016586920428, 0.130318554784], -0.039675324200),
        (
            &b,
            Objective::Reverse,
            &[0.055119561273, -0.514142137075, -0.373421033258, 0.238752210329],
            &[-0.812129512004, 0.960664762658, 0.593817840849, -0.214077522260],
            -0.040319318450,
        ),
        (
            &b,
            Objective::ReverseKl,
            &[-0.110355825686, -0.243949657502, -0.317632925259, 0.176976236343],
            &[-0.256692563571, 0.504135880322, 0.356866366693, -0.044389203015],
            -0.143431254864,
        ),
    ];
    for (pair, objective, means, variances, logit) in cases {
        let got = on_grid(pair, objective);
        let scale = if pair.0.covariance_kind() == CovarianceKind::Diagonal { 2.0 } else { 1.0 };
        let logits = got.parameters.logits();
        close("means", &got.gradient[..means.len()], means);
        close("covariances", &by_logarithm(&got, &pair.0, scale), variances);
        close("logits", &got.gradient[logits..], &[logit, -logit]);
        assert!(got.standard_error.iter().all(|e| *e == 0.0), "a grid that is fine enough has no error");
    }
    let got = on_grid(&c, Objective::Reverse);
    let g = &got.gradient[4..12];
    close("means", &got.gradient[..4], &[-1.099382569160, 0.311714466806, 0.333163555599, -0.007286193628]);
    let want = [-0.033210393566, 0.412732735048, -0.823997235484, -0.979307218442, -0.243044711632, 0.291208278155];
    close("covariances", &[g[0], g[2], g[3], g[4], g[6], g[7]], &want);
    close("logits", &got.gradient[12..], &[0.281845403977, -0.281845403977]);
    assert!((got.value.value - 1.344132943707).abs() <= 1e-10 && g[1] == g[2]);
    let got = on_grid(&c, Objective::ReverseKl);
    close("means", &got.gradient[..4], &[-0.551182106704, -0.055595853295, 0.060750125458, -0.024131119982]);
    close("logits", &got.gradient[12..], &[0.265734588218, -0.265734588218]);
    let forward = on_grid(&a, Objective::Forward);
    close("means", &forward.gradient[..2], &[-0.066696543788, 0.068558016921]);
    close("covariances", &by_logarithm(&forward, &a.0, 1.0), &[-0.117034677266, 0.000735531674]);
    let forward = on_grid(&c, Objective::Forward);
    close("means", &forward.gradient[..4], &[-0.001295422452, -0.277855622646, 0.277992350235, 0.088779761672]);
}

/// All objectives, by all parameters, of all kinds, against differences of fourth order of the objective on the same grid.
#[test]
fn gradients_are_differences_of_the_objective() {
    let (p, q) = &pairs()[2];
    let common = mixture([0.5, 0.5], &[-1.0, 0.0, 1.0, 0.5], Covariance::Common(0.9));
    let tied = mixture([0.5, 0.5], &[-1.0, 0.0, 1.0, 0.5], Covariance::Tied(vec![1.0, 0.4, 0.4, 0.8]));
    for student in [&common, &common.widened(CovarianceKind::Spherical).unwrap(), &pairs()[1].0, &tied, p] {
        for objective in Objective::ALL {
            // One grid for all of them.
            let at = |student: Mixture| problem(&(student, q.clone()), objective, Sampler::Grid, Some(91 * 91)).gradient().unwrap();
            let value = |student: Mixture| at(student).value.value;
            let got = at(student.clone());
            let layout = got.parameters;
            let moved = |at: usize, by: f64| {
                let (mut means, mut covariance, mut logits) = (
                    student.means().to_vec(),
                    student.covariance().values().to_vec(),
                    student.weights().iter().map(|w| w.ln()).collect::<Vec<f64>>(),
                );
                if at < layout.covariances() {
                    means[at] += by;
                } else if at < layout.logits() {
                    let at = at - layout.covariances();
                    covariance[at] += by;
                    let (block, row, column) = (at / 4 * 4, at % 4 / 2, at % 2);
                    if matches!(layout.kind, CovarianceKind::Tied | CovarianceKind::Full) && row != column {
                        covariance[block + column * 2 + row] += by;
                    }
                } else {
                    logits[at - layout.logits()] += by;
                }
                let total: f64 = logits.iter().map(|l| l.exp()).sum();
                let weights = logits.iter().map(|l| l.exp() / total).collect();
                Mixture::new(weights, means, 2, Covariance::of_kind(layout.kind, covariance)).unwrap()
            };
            for at in 0..layout.len() {
                let h = 5e-4;
                let difference = (8.0 * (value(moved(at, h)) - value(moved(at, -h)))
                    - (value(moved(at, 2.0 * h)) - value(moved(at, -2.0 * h))))
                    / (12.0 * h);
                let is_matrix = matches!(layout.kind, CovarianceKind::Tied | CovarianceKind::Full);
                let place = at.wrapping_sub(layout.covariances());
                // Both entries off the diagonal move together.
                let twice = is_matrix && (layout.covariances()..layout.logits()).contains(&at) && place % 4 / 2 != place % 2;
                let want = got.gradient[at] * if twice { 2.0 } else { 1.0 };
                assert!((difference - want).abs() <= 1e-8, "{objective:?}, {}, {at}: {difference} for {want}", layout.kind);
            }
        }
    }
}

/// One Gaussian teacher: Σ⟨S(μᵢ−m), ∂μᵢ⟩ + 2Σ tr[(SΣᵢ−I)Gᵢ] = 2 KL-side L, for any student.
#[test]
fn one_gaussian_teacher_has_its_identities() {
    let (p, _) = pairs()[2].clone();
    let (a, b, c) = (1.3, -0.6, 0.7);
    let t = vec![a * a, a * b, a * b, b * b + c * c];
    let determinant = t[0] * t[3] - t[1] * t[2];
    let s = [t[3] / determinant, -t[1] / determinant, -t[2] / determinant, t[0] / determinant];
    let m = [0.5, 1.0];
    let q = Mixture::new(vec![1.0], m.to_vec(), 2, Covariance::Full(t)).unwrap();
    let left = |of: &GeneralGradient| {
        let mut sum = 0.0;
        for i in 0..2 {
            let e: Vec<f64> = (0..2).map(|c| p.mean(i)[c] - m[c]).collect();
            let sigma = p.covariance().matrix(i, 2);
            for row in 0..2 {
                sum += (s[row * 2] * e[0] + s[row * 2 + 1] * e[1]) * of.gradient[i * 2 + row];
                for column in 0..2 {
                    let product = s[row * 2] * sigma[column] + s[row * 2 + 1] * sigma[2 + column];
                    sum += 2.0 * (product - f64::from(u8::from(row == column))) * of.gradient[4 + i * 4 + column * 2 + row];
                }
            }
        }
        sum
    };
    let pair = (p.clone(), q);
    let (fisher, kl) = (on_grid(&pair, Objective::Reverse), on_grid(&pair, Objective::ReverseKl));
    assert!((left(&fisher) - 38.3892122611).abs() <= 1e-9, "{}", left(&fisher));
    assert!((fisher.value.value - 6.588258465272).abs() <= 1e-10 && (kl.value.value - 2.211542777595).abs() <= 1e-10);
    assert!((left(&kl) - 2.0 * fisher.value.value).abs() <= 1e-10, "{}", left(&kl));
}

/// 60 seeds, three samplers: errors in units of their standard errors have the spread of one, for every parameter.
#[test]
fn standard_errors_are_calibrated() {
    let pair = &pairs()[2];
    for objective in Objective::ALL {
        let exact = on_grid(pair, objective);
        for sampler in [Sampler::Philox, Sampler::Antithetic, Sampler::Sobol] {
            let mut square = 0.0;
            for seed in 0..60 {
                let got = GeneralProblem { seed, ..problem(pair, objective, sampler, Some(512)) }.gradient().unwrap();
                let of = |at: usize| ((got.gradient[at] - exact.gradient[at]) / got.standard_error[at]).powi(2);
                square += (0..exact.gradient.len()).map(of).sum::<f64>() / exact.gradient.len() as f64 / 60.0;
            }
            // Entries hang together: chance is about a sixth; sixteen nets have a t-distribution with 15 degrees of freedom.
            assert!((0.6..=1.7).contains(&square), "{objective:?} {sampler:?}: {square}");
        }
    }
}

#[test]
fn what_cannot_be_computed_is_refused() {
    let pair = &pairs()[2];
    let said = |problem: GeneralProblem| problem.gradient().unwrap_err().to_string();
    assert!(said(problem(pair, Objective::Reverse, Sampler::Auto, Some(2))).contains("Use at least 4"));
    assert!(said(problem(pair, Objective::Reverse, Sampler::Antithetic, Some(7))).contains("an even number"));
    assert!(said(problem(pair, Objective::Reverse, Sampler::Sobol, Some(5000))).contains("no whole nets of 256"));
    assert!(said(problem(pair, Objective::Reverse, Sampler::Grid, Some(100))).contains("Use at least 289 samples"));
    let other = (pair.0.clone(), pairs()[0].1.clone());
    assert!(said(problem(&other, Objective::Reverse, Sampler::Auto, Some(8))).contains("2 dimensions and the teacher 1"));
}

/// A grid that is too coarse for a component a hundred times narrower says so.
#[test]
fn coarse_grids_have_an_error() {
    let line = |weights: Vec<f64>, means: Vec<f64>, variances: Vec<f64>| {
        Mixture::new(weights, means, 1, Covariance::Spherical(variances)).unwrap()
    };
    let pair = (line(vec![1.0], vec![0.0], vec![1.0]), line(vec![0.8, 0.2], vec![0.0, 0.5], vec![1.0, 1e-4]));
    let exact = on_grid(&pair, Objective::ReverseKl).value;
    let coarse = problem(&pair, Objective::ReverseKl, Sampler::Grid, Some(61)).gradient().unwrap().value;
    assert!((exact.value - 0.1777).abs() <= 1e-4 && exact.standard_error == 0.0, "{exact:?}");
    assert!((coarse.value - exact.value).abs() <= 5.0 * coarse.standard_error, "{coarse:?} for {exact:?}");
}
