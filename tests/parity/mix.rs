//! `auto`, which mixes two forms of a row: the mix that the means ask for, on every device.

use libtest_mimic::Failed;
use mixscore::backend::{Backend, Rule, UnitProblem};
use mixscore::gpu::Gpu;
use mixscore::internals::backend::Policy;
use mixscore::internals::objective::estimator::{self, Blend};
use mixscore::internals::random::{Purpose, key};
use mixscore::internals::reference::Point;
use mixscore::internals::reference::reverse_fisher::{add_own_score_function, add_stein};
use mixscore::internals::reference::{Components, draw};
use mixscore::objective::{Divergence, Estimator, Sampler};
use mixscore::objective::{Draws, Form};
use mixscore::reference::Reference;
use mixscore::{GaussianMixture, Problem};

use super::bits::same_bits;
use super::cases::{Case, all};
use super::device::Which;
use super::{normwise, within};

/// Student and teacher components, dimensions, spread, samples: few walls and many, fewer and more than dimensions, in few dimensions and
/// in more than the fused kernel is for.
const SIZES: [(usize, usize, usize, f64, usize); 10] = [
    (3, 5, 1, 12.0, 300),
    (6, 12, 2, 6.0, 300),
    (6, 9, 5, 4.0, 257),
    (20, 30, 9, 3.0, 96),
    (5, 40, 31, 2.5, 300),
    (4, 6, 64, 2.0, 64),
    (4, 80, 60, 2.0, 512),
    (5, 30, 90, 1.5, 128),
    (3, 120, 80, 1.5, 512),
    (1, 224, 216, 1.5, 896), // a factor of nearly as many rows as fit a workgroup
];

fn cases() -> impl Iterator<Item = Case> {
    let of = |(k, n_teachers, rank, separation, n_samples): (usize, usize, usize, f64, usize)| Case {
        name: format!("k={k},K={n_teachers},d={rank}"),
        k,
        n_teachers,
        rank,
        separation,
        n_samples,
        ..all()[2].clone()
    };
    SIZES.into_iter().map(of)
}

fn gradient(backend: &mut dyn Backend, problem: &UnitProblem, means: &[f64]) -> Result<Vec<f64>, Failed> {
    let mut session = backend.open(problem)?;
    session.set(means)?;
    Ok(session.gradient(5)?.group_gradients)
}

/// Gradients and a step with every wall that there may be, against the reference; both forms count.
pub(crate) fn agrees(which: &Which) -> Result<(), Failed> {
    let mut device = which.open();
    for case in cases() {
        for sampler in [Sampler::Antithetic, Sampler::Philox] {
            let problem = case.problem(2, Divergence::Reverse, Estimator::Auto, sampler);
            let problem = UnitProblem { draws: super::cases::draws(sampler, case.n_samples.next_multiple_of(2)), ..problem };
            let means = case.means(2);
            let want = gradient(&mut Reference, &problem, &means)?;
            let got = gradient(&mut *device, &problem, &means)?;
            let stein = gradient(&mut Reference, &UnitProblem { form: Form::Stein, ..problem.clone() }, &means)?;
            let apart = normwise(&want, &stein);
            within(&format!("{} {sampler:?}", case.name), normwise(&got, &want), 1e-4)?;
            if apart.is_nan() || apart < 0.01 {
                return Err(format!("{}: nothing is mixed, {apart:.1e}", case.name).into());
            }
            let mut ends = Vec::new();
            let rule = Rule::new(0.3, true);
            for backend in [&mut *device as &mut dyn Backend, &mut Reference] {
                let mut session = backend.open(&problem)?;
                session.set(&means)?;
                session.descend(5, 1, &rule)?;
                let step: Vec<f64> = session.parameters()?.iter().zip(&means).map(|(end, start)| end - start).collect();
                ends.push(step);
            }
            within(&format!("a step, {} {sampler:?}", case.name), normwise(&ends[0], &ends[1]), 1e-4)?;
        }
    }
    Ok(())
}

/// Any ranges of strata, devices that share them, and the checked mode; with fewer walls than dimensions, and with more.
pub(crate) fn one_set_of_bits(which: &Which) -> Result<(), Failed> {
    for case in [3, 7].map(|at| cases().nth(at).unwrap()) {
        let problem = case.problem(2, Divergence::Reverse, Estimator::Auto, Sampler::Antithetic);
        let run = |gpu: &mut Gpu| -> Result<Vec<f64>, Failed> {
            let mut session = gpu.open(&problem)?;
            session.set(&case.means(2))?;
            let mut out = session.gradient(3)?.group_gradients;
            session.descend(4, 2, &Rule::new(0.1, false))?;
            out.extend(session.parameters()?);
            Ok(out)
        };
        let want = run(&mut which.gpu())?;
        let together = |n: usize| which.together(n).splitting(Policy::WithinReplicates);
        let others = [which.gpu().with_smaller_chunks(20), which.gpu().checked(), which.gpu().poisoned(), together(2), together(3)];
        for (at, mut gpu) in others.into_iter().enumerate() {
            same_bits(&format!("{}, variant {at}", case.name), &run(&mut gpu)?, &want)?;
        }
    }
    Ok(())
}

/// Far from all teachers, and in the midst of the walls between them: rounding in units of that distance must not be what f steps by.
pub(crate) fn far_from_teachers(which: &Which) -> Result<(), Failed> {
    let (rank, distance) = (3, 1e5);
    let angles = [0.1, 1.2, 2.1, 3.3, 4.4, 5.5f64];
    let base = all()[2].problem(1, Divergence::Reverse, Estimator::Auto, Sampler::Philox);
    let problem = UnitProblem {
        rank,
        student_weights: vec![1.0],
        teacher_weights: vec![1.0 / 6.0; 6],
        teacher_means: angles.iter().flat_map(|a| [distance, 12.0 * a.cos(), 12.0 * a.sin()]).collect(),
        draws: Draws::Independent(2048),
        ..base
    };
    let means = [0.2, 0.1, -0.3];
    let (want, got) = (gradient(&mut Reference, &problem, &means)?, gradient(&mut *which.open(), &problem, &means)?);
    let n = want.len() / rank;
    for c in 0..rank {
        let of = |groups: &[f64]| groups.iter().skip(c).step_by(rank).sum::<f64>() / n as f64;
        let (mean, off) = (of(&want), of(&got) - of(&want));
        let square = want.iter().skip(c).step_by(rank).map(|g| (g - mean).powi(2)).sum::<f64>();
        let standard_error = (square / (n * (n - 1)) as f64).sqrt();
        // In single precision 1e5 is rounded to 0.008, and f has products of that with the teachers' distance, 12.
        within(&format!("entry {c}, ± {standard_error:.1e}"), off.abs(), 0.1)?;
    }
    Ok(())
}

/// What may be wrong with a mix and leaves its mean as it is.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    None,
    /// Γ is another stratum's.
    AnotherStratum,
    /// f is not less its value at the centre.
    NoLevel,
    /// Γ is that of the teacher's walls alone.
    OneSide,
}

/// Rows of one replicate, (G, k, rank), sample by sample.
fn rows(case: &Case, problem: &UnitProblem, fault: Fault) -> Vec<f64> {
    let (means, groups, rank) = (case.means(1), problem.groups(), case.rank);
    let p = Components { weights: &problem.student_weights, means: &means, rank };
    let q = Components { weights: &problem.teacher_weights, means: &problem.teacher_means, rank };
    let log_weights = [p, q].map(|side| side.weights.iter().map(|w| w.ln()).collect::<Vec<f64>>());
    let whole = [p, q].map(|side| side.means);
    let mixtures = [0, 1].map(|s| estimator::Components { log_weights: &log_weights[s], means: whole[s], squares: None });
    let blend = |i: usize| {
        let near = [0, 1].map(|s| (fault == Fault::OneSide && s == 0).then_some(&[][..]));
        Blend::new(p.mean(i), mixtures, near, groups.n_samples)
    };
    let key = key(problem.seed, Purpose::Step, problem.first_replicate);
    let mut out = Vec::new();
    for g in 0..groups.n_groups {
        for i in 0..p.len() {
            let (mut stein, mut score, mut z) = (vec![0.0; rank], vec![0.0; rank], vec![0.0; rank]);
            let level = blend(i).map_or(0.0, |blend| if fault == Fault::NoLevel { 0.0 } else { blend.level });
            let weight = p.weights[i] / groups.range(g).len() as f64;
            for s in groups.range(g) {
                draw(key, problem.draws, &groups, 5, i as u32, s as u32, &mut z);
                let x: Vec<f64> = p.mean(i).iter().zip(&z).map(|(m, z)| m + z).collect();
                let at = Point::at(&p, &q, &x);
                add_stein(&p, &q, i, &at, weight, &mut stein);
                add_own_score_function(&p, i, &x, &at, level, weight, &mut score);
            }
            let of = if fault == Fault::AnotherStratum { (i + 1) % p.len() } else { i };
            blend(of).iter().for_each(|blend| blend.apply(&mut stein, &score));
            out.extend(stein);
        }
    }
    out
}

/// The comparison must see a mix that is not the one that was meant, though it has the same mean.
pub(crate) fn planted(which: &Which) -> Result<(), Failed> {
    for case in cases().skip(1).take(3) {
        let problem = case.problem(1, Divergence::Reverse, Estimator::Auto, Sampler::Philox);
        let got = gradient(&mut *which.open(), &problem, &case.means(1))?;
        for fault in [Fault::None, Fault::AnotherStratum, Fault::NoLevel, Fault::OneSide] {
            let error = normwise(&rows(&case, &problem, fault), &got);
            if within("", error, 1e-4).is_ok() != (fault == Fault::None) {
                return Err(format!("{}: {fault:?} gives an error of {error:.1e}", case.name).into());
            }
        }
    }
    Ok(())
}

/// Over many steps: the mean is that of a grid, standard errors are those claimed, and the noise is far below that of Stein's form.
pub(crate) fn less_noise(which: &Which) -> Result<(), Failed> {
    const STEPS: usize = 150;
    let (k, teacher) = (4, GaussianMixture::uniform(super::cases::scattered(6, 3).iter().map(|v| 9.0 * v).collect(), 2)?);
    let means: Vec<f64> = super::cases::scattered(2 * k, 5).iter().map(|v| 9.0 * v).collect();
    let base = Problem { n_samples: Some(1024), ..Problem::new(vec![1.0 / k as f64; k], teacher) };
    let mut backend = which.open();
    let exact = Problem { sampler: Sampler::Grid, n_samples: None, ..base.clone() }.open(&mut Reference, &means)?.gradient(0)?.remove(0);
    let mut variances = Vec::new();
    for estimator in [Estimator::Auto, Estimator::Stein] {
        let mut fit = Problem { estimator, sampler: Sampler::Philox, ..base.clone() }.open(&mut *backend, &means)?;
        let (mut sums, mut squares, mut claimed) = (vec![0.0; 2 * k], vec![0.0; 2 * k], 0.0);
        for step in 0..STEPS {
            let out = fit.gradient(step as u64)?.remove(0);
            for (e, (g, want)) in out.gradient.iter().zip(&exact.gradient).enumerate() {
                sums[e] += (g - want) / STEPS as f64;
                squares[e] += (g - want).powi(2) / STEPS as f64;
            }
            claimed += out.standard_error.iter().map(|s| s * s).sum::<f64>() / STEPS as f64;
        }
        for (e, (mean, square)) in sums.iter().zip(&squares).enumerate() {
            // In units of the mean's own deviation: beyond 5 in one of 1e6 entries.
            within(&format!("{estimator:?}, mean of entry {e}"), mean.abs() / (square / STEPS as f64).sqrt(), 5.0)?;
        }
        let variance: f64 = squares.iter().sum();
        // A variance over 150 steps is known to 12 % at worst, where one entry has all of it; what is claimed, much better.
        within(&format!("{estimator:?}, claimed {claimed:.2e} of {variance:.2e}"), (claimed / variance).ln().abs(), 0.4)?;
        variances.push(variance);
    }
    let gain = variances[1] / variances[0];
    println!("{}: variance {gain:.1} times less than that of Stein's form", which.name());
    if gain >= 15.0 { Ok(()) } else { Err(format!("variance only {gain} times less").into()) }
}
