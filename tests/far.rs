//! Distances of 10⁰ to 10¹²σ and offsets of 10⁰ to 10¹⁵σ: differences count, wherever they are taken.

mod common;

use common::{Tolerance, assert_close, assert_normwise, uneven};
use std::sync::atomic::AtomicBool;

use mixscore::backend::{Backend, Evaluation, Rule};
use mixscore::cpu::Cpu;
use mixscore::descent::{Logged, Observer, Schedule, State, Stop, descend};
use mixscore::internals::metrics::quadrature;
use mixscore::mixture::{Covariance, CovarianceKind, Mixture};
use mixscore::objective::Sampler;
use mixscore::reference::Reference;
use mixscore::{Fit, GaussianMixture, Problem};

/// ln p and ∇ln p of a mixture in one dimension, from differences to the component nearest to x, which is far from all the others or
/// near to one of them.
fn exactly(weights: &[f64], means: &[f64], x: f64) -> (f64, f64, Vec<f64>) {
    let near = (0..means.len()).fold(0, |a, i| if (means[i] - x).abs() < (means[a] - x).abs() { i } else { a });
    let of = |i: usize| (weights[i] / weights[near]).ln() - 0.5 * (means[near] - means[i]) * ((x - means[i]) + (x - means[near]));
    let shares: Vec<f64> = (0..means.len()).map(|i| of(i).exp()).collect();
    let mass: f64 = shares.iter().sum();
    let r: Vec<f64> = shares.iter().map(|s| s / mass).collect();
    let score = (means[near] - x) + r.iter().zip(means).map(|(r, m)| r * (m - means[near])).sum::<f64>();
    let log_density = weights[near].ln() - 0.5 * (x - means[near]).powi(2) + mass.ln() - 0.5 * (2.0 * std::f64::consts::PI).ln();
    (log_density, score, r)
}

fn devices() -> Vec<(&'static str, Box<dyn Backend>)> {
    let mut all: Vec<(&'static str, Box<dyn Backend>)> = vec![("reference", Box::new(Reference)), ("cpu", Box::new(Cpu::new()))];
    match mixscore::device::open(mixscore::device::Device::Software) {
        Ok(opened) => all.push(("software", opened.backend)),
        Err(why) => println!("software is left out: {why}"),
    }
    all
}

/// What a device evaluates.
fn kinds(device: &str) -> impl Iterator<Item = CovarianceKind> {
    CovarianceKind::ALL.into_iter().filter(move |kind| device != "software" || *kind == CovarianceKind::Common)
}

#[test]
fn densities_and_scores_at_every_distance_and_offset() {
    for (name, mut device) in devices() {
        for distance in (0..=12).map(|e| 10f64.powi(e)) {
            for offset in [0.0].into_iter().chain((0..=15).map(|e| 10f64.powi(e))) {
                // What is stored is what is meant: far out, neighbouring numbers are 1/8 apart.
                let at = |v: f64| offset + v;
                let (weights, means) = ([0.2, 0.3, 0.5], [at(0.0), at(distance), at(distance + 2.5)]);
                let points = [at(0.75), at(-2.0), at(distance + 0.5), at(distance + 1.5), at(distance - 1.0), at(0.5 * distance + 0.25)];
                let mixture = GaussianMixture::new(weights.to_vec(), means.to_vec(), 1, 1.0).unwrap();
                let got: Vec<(CovarianceKind, Evaluation)> = kinds(name)
                    .map(|kind| {
                        let mixture = Mixture::from(&mixture).widened(kind).unwrap();
                        (kind, device.evaluate(&mixture, (&points[..]).into(), true).unwrap())
                    })
                    .collect();
                for ((kind, got), (s, x)) in got.iter().flat_map(|got| points.iter().enumerate().map(move |point| (got, point))) {
                    let (log_density, score, r) = exactly(&weights, &means, *x);
                    let what = format!("{name}, {kind}, distance {distance:e}, offset {offset:e}, point {s}");
                    let bound = if name == "reference" { 1e-12 } else { 3e-6 };
                    let near = Tolerance { bound: bound * (1.0 + score.abs()), why: "the device's precision" };
                    assert_close(&format!("{what}: score"), got.score[s], score, &near);
                    let of_log = Tolerance { bound: bound * (1.0 + log_density.abs()), why: "the device's precision" };
                    assert_close(&format!("{what}: log-density"), got.log_density[s], log_density, &of_log);
                    // Half way between far components their shares hang on every digit of x; they are one or the other.
                    let shares = Tolerance { bound: bound * 10.0, why: "exponentials of logits" };
                    for (got, want) in got.responsibilities[3 * s..3 * s + 3].iter().zip(&r) {
                        assert_close(&format!("{what}: responsibility"), *got, *want, &shares);
                    }
                }
            }
        }
    }
}

/// Points far off the line of the means, many dimensions, and fill values.
#[test]
fn shares_do_not_depend_on_what_all_components_have_in_common() {
    for (name, mut device) in [("reference", Box::new(Reference) as Box<dyn Backend>), ("cpu", Box::new(Cpu::new()))] {
        let bound = if name == "reference" { 1e-12 } else { 1e-6 };
        for far in [0.0f64, 1.0, 3e3, 1e4, -1e5, 1e8, 1e12, 1e15, 1e20] {
            let mixture = GaussianMixture::new(vec![0.5; 2], vec![-1.0, 0.0, 1.0, 0.0], 2, 1.0).unwrap();
            for x in [0.3f64, -0.1, 0.7, 0.0] {
                let got = device.evaluate(&(&mixture).into(), (&[x, far][..]).into(), true).unwrap();
                let want = 1.0 / (1.0 + (-2.0 * x).exp());
                assert_close(&format!("{name}: {x}, {far:e}"), got.responsibilities[1], want, &Tolerance { bound, why: "one exponential" });
                let log_density = got.log_density[0] / (-0.5 * far * far).min(-1.0);
                assert!((far.abs() < 1e3 || (log_density - 1.0).abs() <= 1e-5) && log_density.is_finite(), "{name}: {far:e}");
            }
        }
        let d = 100_000;
        let base: Vec<f64> = common::scattered(d, 1).iter().map(|v| 5.0 * v).collect();
        let mut other = base.clone();
        other[0] += 1.0;
        let mixture = GaussianMixture::uniform([base.clone(), other].concat(), d).unwrap();
        for seed in 2..6 {
            let x: Vec<f64> = common::scattered(d, seed).iter().zip(&base).map(|(z, b)| b + 1.7 * z).collect();
            let got = device.evaluate(&(&mixture).into(), (&x).into(), true).unwrap();
            let want = 1.0 / (1.0 + (-(x[0] - base[0] - 0.5)).exp());
            assert_close(&format!("{name}: d = {d}"), got.responsibilities[1], want, &Tolerance { bound, why: "one exponential" });
        }
    }
}

/// Two clusters, students a little beside their teachers: L = ½Σwδ² and ∂L/∂μ = wδ, whatever lies between.
#[test]
fn gradients_and_divergences_of_far_clusters() {
    for (name, mut device) in devices() {
        let bound = if name == "reference" { 1e-9 } else { 1e-5 };
        for distance in [50.0].into_iter().chain((2..=12).map(|e| 10f64.powi(e))) {
            for offset in [0.0, 1.0, 1e3, 1e6, 1e9, 1e12] {
                let weights = vec![0.3, 0.7];
                let teacher = [offset, offset + distance];
                let student = [offset + 0.3, offset + distance + 0.3];
                let delta = [student[0] - teacher[0], student[1] - teacher[1]];
                let value = 0.5 * (0.3 * delta[0] * delta[0] + 0.7 * delta[1] * delta[1]);
                let teacher = GaussianMixture::new(weights.clone(), teacher.to_vec(), 1, 1.0).unwrap();
                let problem = Problem { n_samples: Some(256), sampler: Sampler::Philox, ..Problem::new(weights, teacher) };
                let mut fit = problem.open(device.as_mut(), &student).unwrap();
                let what = format!("{name}, distance {distance:e}, offset {offset:e}");
                let got = fit.gradient(0).unwrap().remove(0);
                let why = "the device's precision, of means 100σ apart at the most";
                assert_close(&format!("{what}: L"), got.divergence.value, value, &Tolerance { bound, why });
                assert_normwise(&what, &got.gradient, &[0.3 * delta[0], 0.7 * delta[1]], &Tolerance { bound: 10.0 * bound, why });
                let measured = fit.measure(256, 0).unwrap().remove(0);
                for estimate in [measured.reverse_fisher, measured.forward_fisher] {
                    assert_close(&format!("{what}: measured"), estimate.value, value, &Tolerance { bound, why });
                }
                let kl = measured.kl_student_teacher;
                assert_close(&format!("{what}: KL"), kl.value, value, &Tolerance { bound: 6.0 * kl.standard_error + bound, why });
                let last =
                    student.map(|m| (m.next_up() - m).abs()).into_iter().fold(if name == "software" { 5e-6 } else { 1e-15 }, f64::max);
                assert_normwise(
                    "means",
                    &fit.means().unwrap(),
                    &student,
                    &Tolerance { bound: 2.0 * last / (offset + 1.0), why: "they come back" },
                );
            }
        }
    }
}

struct Silent;

impl Observer for Silent {
    fn log(&mut self, _: &mut Fit, _: &State) -> mixscore::Result<Logged> {
        Ok(Logged::default())
    }
    fn advanced(&mut self, _: &State, _: bool) -> mixscore::Result<()> {
        Ok(())
    }
}

/// The means after so many steps with half the way each, and how often the coordinates were changed.
fn descended(device: &mut dyn Backend, problem: &Problem, start: &[f64], steps: u64) -> (Vec<f64>, u32) {
    let teachers = std::slice::from_ref(&problem.teacher);
    let rule = Rule::new(0.5, true);
    let schedule = Schedule { steps, until: u64::MAX, log_every: 4, log_early: false, rule, step_size: 0.5 };
    let mut fit = problem.open_with_gaps(device, start, teachers, None).unwrap();
    let mut state = State::start(&mut fit).unwrap();
    for changes in 0..20 {
        state.load_into(&mut fit).unwrap();
        let stop = descend(&mut fit, &schedule, &mut state, &mut Silent, &AtomicBool::new(false)).unwrap();
        if state.step >= steps {
            assert_eq!(stop, Stop::MaxSteps { steps });
            return (fit.means().unwrap(), changes);
        }
        let gaps = fit.other_gaps(&state.coordinates).unwrap();
        fit = problem.open_with_gaps(device, start, teachers, Some(&gaps)).unwrap();
    }
    panic!("the coordinates change at every logged step");
}

/// Steps of half the way to a teacher that all other clusters are far from, begun beside it and begun far away, where the coordinates
/// change as the students come near; in one dimension, on a diagonal of the plane, and in three dimensions.
#[test]
fn descents_between_far_clusters_keep_their_digits() {
    for (name, mut device) in devices() {
        for distance in (2..=12).step_by(2).map(|e| 10f64.powi(e)) {
            for offset in [0.0, 1e3, 1e9, 1e12] {
                for direction in [&[1.0][..], &[0.6, 0.8], &[0.0, -0.8, 0.6]] {
                    let at = |v: f64| direction.iter().map(|u| offset + u * v).collect::<Vec<f64>>();
                    let teacher = [at(0.0), at(distance), at(1.5 * distance)].concat();
                    for beside in [3.0, 0.2 * distance] {
                        let start = [at(beside), at(distance - beside), at(1.5 * distance + beside)].concat();
                        let mixture = GaussianMixture::new(vec![0.2, 0.3, 0.5], teacher.clone(), direction.len(), 1.0).unwrap();
                        let problem = Problem { n_samples: Some(64), ..Problem::new(vec![0.2, 0.3, 0.5], mixture) };
                        let (means, changes) = descended(device.as_mut(), &problem, &start, 120);
                        let what = format!("{name}, distance {distance:e}, offset {offset:e}, d = {}, from {beside:e}", direction.len());
                        let digits = if name == "software" { 2e-4 } else { 1e-9 };
                        // A number of that size in double precision, and one of the plane's turned coordinates.
                        let stored = 8.0 * f64::EPSILON * (offset + distance);
                        for (got, want) in means.iter().zip(&teacher) {
                            let tolerance = Tolerance { bound: digits + stored, why: "single precision of 1000σ" };
                            assert_close(&what, *got, *want, &tolerance);
                        }
                        assert!(distance < 1e6 || beside < 10.0 || changes > 0, "{what}: the coordinates never changed");
                    }
                }
            }
        }
    }
}

/// In the plane and in many dimensions; a student that has no teacher near keeps its distance; and quadrature.
#[test]
fn what_counts_is_not_shortened() {
    for (name, mut device) in devices() {
        for (far, expected) in [([0.0, 4e4], 4e4), ([3e4, 4e4], 5e4), ([-6e5, 8e5], 1e6)] {
            // Teacher components at 0 and far; both students at 0: the divergence is that of students that see one teacher.
            let teacher = GaussianMixture::new(vec![0.5; 2], [[0.0, 0.0], far].concat(), 2, 1.0).unwrap();
            let problem = Problem { n_samples: Some(256), sampler: Sampler::Philox, ..Problem::new(vec![0.5; 2], teacher) };
            let half_way = [0.4 * far[0], 0.4 * far[1]];
            let mut fit = problem.open(device.as_mut(), &[[0.5, 0.0], half_way].concat()).unwrap();
            let want = 0.5 * (0.5 * 0.25 + 0.5 * (0.4f64 * expected).powi(2));
            let got = fit.gradient(0).unwrap().remove(0).divergence.value;
            assert_close(&format!("{name}, {expected:e}"), got / want, 1.0, &Tolerance { bound: 1e-5, why: "single precision" });
        }
    }
    for (distance, offset) in [(1e6, 0.0), (1e12, 0.0), (1e9, 1e9), (1e12, 1e12)] {
        let (teacher, student) = (vec![offset, offset + distance], [offset + 0.3, offset + distance + 0.3]);
        let value: f64 = (0..2).map(|i| 0.5 * uneven(2)[i] * f64::powi(student[i] - teacher[i], 2)).sum();
        let problem = Problem::new(uneven(2), GaussianMixture::new(uneven(2), teacher, 1, 1.0).unwrap());
        let quadrature::Gridded::Taken(got) = quadrature::divergences_within(&problem, &student, 1 << 14).unwrap() else {
            panic!("two dimensions or fewer, and no walls within reach: {distance:e}, {offset:e}")
        };
        assert_close("L by quadrature", got.reverse_fisher.value, value, &Tolerance { bound: 1e-9, why: "exact" });
    }
}

/// Random mixtures of every kind: the CPU against the reference, and this against densities and differences of its own.
#[test]
fn covariances_of_every_kind_are_evaluated() {
    let mut state = 1u64;
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        2.0 * (state >> 11) as f64 / 2f64.powi(53) - 1.0
    };
    for (k, d) in [(1, 1), (3, 1), (2, 2), (5, 7), (9, 33)] {
        for kind in CovarianceKind::ALL {
            // Σ = (M Mᵀ)/d + 0.05 I, some components much narrower than others.
            let square: Vec<f64> = (0..k)
                .flat_map(|i| {
                    let (m, scale): (Vec<f64>, f64) = ((0..d * d).map(|_| random()).collect(), 10f64.powi(-(i as i32 % 3)));
                    let inner = move |a: usize, b: usize| (0..d).map(|c| m[a * d + c] * m[b * d + c]).sum::<f64>() / d as f64;
                    (0..d * d).map(|at| scale * (inner(at / d, at % d) + if at / d == at % d { 0.05 } else { 0.0 })).collect::<Vec<f64>>()
                })
                .collect();
            let values = match kind {
                CovarianceKind::Common => vec![square[0]],
                CovarianceKind::Spherical => (0..k).map(|i| square[i * d * d]).collect(),
                CovarianceKind::Diagonal => (0..k * d).map(|at| square[at / d * d * d + at % d * (d + 1)]).collect(),
                CovarianceKind::Tied => square[..d * d].to_vec(),
                CovarianceKind::Full => square,
            };
            // Components over each other, and points in and far outside of them.
            let (means, weights): (Vec<f64>, Vec<f64>) = ((0..k * d).map(|_| 0.2 * random()).collect(), vec![1.0 / k as f64; k]);
            let mixture = Mixture::new(weights, means.clone(), d, Covariance::of_kind(kind, values)).unwrap();
            let near: Vec<f64> =
                means.chunks_exact(d).flat_map(|m| [0.0, 0.1, 0.5].map(|by| m.iter().map(move |m| m + by))).flatten().collect();
            let far: Vec<f64> = means.iter().map(|m| m + 40.0).collect();
            for points in [&far, &near] {
                let got = Cpu::new().evaluate(&mixture, points.into(), true).unwrap();
                let want = Reference.evaluate(&mixture, points.into(), true).unwrap();
                let what = format!("{kind}, k = {k}, d = {d}");
                let is_mixed = want.responsibilities.iter().any(|r| (0.05..0.95).contains(r));
                assert!(is_mixed || k == 1 || points == &far, "{what}: each point belongs to one component");
                let single = Tolerance { bound: 1e-6, why: "exponentials are in single precision" };
                assert_normwise(&format!("{what}: log-density"), &got.log_density, &want.log_density, &single);
                for (got, want) in got.score.chunks_exact(d).zip(want.score.chunks_exact(d)) {
                    // At a mean the score is nothing beside one deviation's.
                    let size = want.iter().fold(1.0 / mixture.deviations()[1], |a, v| a.max(v.abs()));
                    let near = Tolerance { bound: 1e-6 * size, ..single };
                    got.iter().zip(want).for_each(|(got, want)| assert_close(&format!("{what}: score"), *got, *want, &near));
                }
                assert_normwise(&format!("{what}: responsibilities"), &got.responsibilities, &want.responsibilities, &single);
            }
            let (points, want) = (&near, Reference.evaluate(&mixture, (&near).into(), true).unwrap());
            let what = format!("{kind}, k = {k}, d = {d}");
            let x = &points[..d];
            let here = |x: &[f64]| Reference.evaluate(&mixture, x.into(), false).unwrap().log_density[0];
            assert_close(
                &what,
                here(x),
                naive(&mixture, x),
                &Tolerance { bound: 1e-9 * (1.0 + here(x).abs()), why: "an elimination of its own" },
            );
            for c in 0..d.min(3) {
                let moved = |by: f64| here(&x.iter().enumerate().map(|(a, v)| if a == c { v + by } else { *v }).collect::<Vec<f64>>());
                let h = 1e-3 * mixture.deviations()[0];
                let difference = (8.0 * (moved(h) - moved(-h)) - (moved(2.0 * h) - moved(-2.0 * h))) / (12.0 * h);
                let near = Tolerance { bound: 1e-7 * (1.0 / h + want.score[c].abs()) * 1e-3, why: "differences of fourth order" };
                assert_close(&format!("{what}: score {c}"), want.score[c], difference, &near);
            }
        }
    }
}

/// ln p(x) by Gauss's elimination on each covariance.
fn naive(mixture: &Mixture, x: &[f64]) -> f64 {
    let d = x.len();
    let density = |i: usize| {
        let mut a = mixture.covariance().matrix(i, d);
        let e: Vec<f64> = x.iter().zip(mixture.mean(i)).map(|(x, m)| x - m).collect();
        let (mut b, mut log_determinant) = (e.clone(), 0.0);
        for p in 0..d {
            log_determinant += a[p * d + p].ln();
            for row in p + 1..d {
                let factor = a[row * d + p] / a[p * d + p];
                (p..d).for_each(|c| a[row * d + c] -= factor * a[p * d + c]);
                b[row] -= factor * b[p];
            }
        }
        for p in (0..d).rev() {
            b[p] = (b[p] - (p + 1..d).map(|c| a[p * d + c] * b[c]).sum::<f64>()) / a[p * d + p];
        }
        let square: f64 = b.iter().zip(&e).map(|(b, e)| b * e).sum();
        mixture.weights()[i].ln() - 0.5 * (square + log_determinant + d as f64 * (2.0 * std::f64::consts::PI).ln())
    };
    let logs: Vec<f64> = (0..mixture.n_components()).map(density).collect();
    let peak = logs.iter().fold(f64::NEG_INFINITY, |a, b| a.max(*b));
    peak + logs.iter().map(|l| (l - peak).exp()).sum::<f64>().ln()
}
