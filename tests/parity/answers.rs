//! Tests against known answers and limits: words and normals, Sobol points, long groups, p = q, half precision, what is too large.

use libtest_mimic::Failed;
use mixscore::backend::{Backend, UnitProblem};
use mixscore::error::Error;
use mixscore::internals::random::{normal_f64, philox, sobol};
use mixscore::objective::{Divergence, Draws, Estimator, Sampler, Storage};
use mixscore::reference::Reference;

use super::bits::{FORMS, same_bits};
use super::cases::{Case, all};
use super::device::Which;

pub(crate) fn words_and_normals(which: &Which) -> Result<(), Failed> {
    let key = [0x1234_5678, 0x9abc_def0];
    let n = 1 << 18; // four words each
    let (words, normals) = which.gpu().words(key, n)?;
    let mut worst = 0.0f64;
    for i in 0..n {
        let want = philox([i as u32, 1, 2, 3], key);
        if words[i] != want {
            return Err(format!("counter {i}: words {:x?} instead of {want:x?}", words[i]).into());
        }
        for (word, z) in want.iter().zip(normals[i]) {
            let exact = normal_f64(*word);
            let ulp = f64::from((exact.abs() as f32).next_up() - exact.abs() as f32);
            let err = (f64::from(z) - exact).abs() / ulp;
            // A NaN takes the place of any number.
            worst = if worst.is_nan() || worst >= err { worst } else { err }; // NaN stays
        }
    }
    if worst <= 4.0 { Ok(()) } else { Err(format!("normals: {worst} ULP").into()) }
}

/// Every coordinate that has direction numbers, and every digit of a long net; a table with one wrong bit is not the host's.
pub(crate) fn sobol_words(which: &Which) -> Result<(), Failed> {
    let (key, mut gpu) = ([0x1234_5678, 0x9abc_def0], which.gpu());
    for (n_nets, net_size, quads) in [(2, 4, sobol::COORDINATES / 4), (1, 1 << 13, 5), (3, 1, 2)] {
        let got = gpu.sobol_words(key, n_nets, net_size, quads)?;
        let want = |sample: usize, c: usize| sobol::word(key, 3, 5, (sample / net_size) as u32, (sample % net_size) as u32, c);
        for (at, words) in got.iter().enumerate() {
            let (sample, quad) = (at / quads, at % quads);
            for (lane, word) in words.iter().enumerate() {
                if *word != want(sample, 4 * quad + lane) {
                    return Err(format!("sample {sample} of nets of {net_size}, coordinate {}: {word:x}", 4 * quad + lane).into());
                }
            }
        }
        if net_size > 1 && got[quads][0] == want(0, 0) {
            return Err("planted: another point has the same word".into());
        }
    }
    Ok(())
}

/// What the comparison with the reference must catch: points that are as good, but not the ones.
pub(crate) fn other_points(which: &Which) -> Result<(), Failed> {
    let case = Case { n_samples: 256, ..all()[3].clone() };
    let gradient = |backend: &mut dyn Backend, problem: &UnitProblem, step: u64| -> Result<Vec<f64>, Failed> {
        let mut session = backend.open(problem)?;
        session.set(&case.means(1))?;
        Ok(session.gradient(step)?.group_gradients)
    };
    let problem = case.problem(1, Divergence::Reverse, Estimator::Pathwise, Sampler::Sobol);
    let want = gradient(&mut Reference, &problem, 5)?;
    super::within("the same points", super::normwise(&gradient(&mut *which.open(), &problem, 5)?, &want), 1e-4)?;
    let other = UnitProblem { first_replicate: 4, ..problem.clone() };
    let faults = [gradient(&mut *which.open(), &problem, 6)?, gradient(&mut *which.open(), &other, 5)?, {
        let row = case.k * case.rank;
        let mut nets = want.clone();
        nets[..2 * row].rotate_left(row); // two nets in each other's place
        nets
    }];
    for (at, fault) in faults.iter().enumerate() {
        if super::within("", super::normwise(fault, &want), 1e-3).is_ok() {
            return Err(format!("planted fault {at} passed").into());
        }
    }
    Ok(())
}

/// The nodes of a grid are one group: so many that one workgroup cannot take them all (Mesa's software Vulkan ends its loops).
pub(crate) fn long_group(which: &Which) -> Result<(), Failed> {
    let means = [0.0, 0.5, 6.4, 0.0, 0.0, 6.4];
    let case = Case { k: 3, n_teachers: 3, rank: 2, ..all()[2].clone() };
    for form in &FORMS[..4] {
        let problem =
            UnitProblem { draws: Draws::Grid(None), teacher_means: means.to_vec(), ..case.problem(1, form.0, form.1, Sampler::Grid) };
        let start: Vec<f64> = means.iter().zip(case.means(1)).map(|(m, off)| m + 0.3 * off).collect();
        let gradient = |mut backend: Box<dyn Backend>| -> Result<_, Failed> {
            let mut session = backend.open(&problem)?;
            session.set(&start)?;
            Ok(session.gradient(0)?)
        };
        let (got, want) = (gradient(which.open())?, gradient(Box::new(Reference))?);
        if want.groups[0].n_samples < 50_000 {
            return Err(format!("{} nodes: too few to show anything", want.groups[0].n_samples).into());
        }
        super::within(&format!("{form:?}"), super::normwise(&got.group_gradients, &want.group_gradients), 1e-4)?;
    }
    Ok(())
}

pub(crate) fn means_round_trip(which: &Which) -> Result<(), Failed> {
    let case = all()[4].clone();
    let mut backend = which.open();
    let mut session = backend.open(&case.problem(2, Divergence::Reverse, Estimator::Stein, Sampler::Philox))?;
    session.set(&case.means(2))?;
    let first = session.parameters()?;
    session.set(&first)?;
    same_bits("means", &session.parameters()?, &case.means(2))
}

pub(crate) fn zero_at_the_optimum(which: &Which) -> Result<(), Failed> {
    let case = Case { k: 5, n_teachers: 5, ..all()[4].clone() };
    let mut backend = which.open();
    for form in FORMS {
        let problem = case.problem(1, form.0, form.1, Sampler::Philox);
        let mut session = backend.open(&problem)?;
        session.set(&problem.teacher_means)?;
        let sums = session.gradient(1)?;
        let largest = sums.group_gradients.iter().chain(&sums.half_square).fold(0.0f64, |a, v| if v.abs() <= a { a } else { v.abs() });
        // Both sides are the same sums of the same numbers by the same kernels.
        super::within(&format!("{form:?}"), largest, 0.0)?;
    }
    Ok(())
}

pub(crate) fn half_precision(which: &Which) -> Result<(), Failed> {
    let mut gpu = which.gpu();
    let samplers = [Sampler::Antithetic, Sampler::Sobol];
    for ((form, at), sampler) in FORMS.into_iter().flat_map(|f| [(f, 2), (f, 4)]).zip(samplers.into_iter().cycle()) {
        let case = all()[at].clone();
        let single = case.problem(2, form.0, form.1, sampler);
        let single = UnitProblem { draws: super::cases::draws(sampler, 512), ..single };
        let half = UnitProblem { storage: Storage::F16, ..single.clone() };
        let mut gradients = Vec::new();
        for problem in [&single, &half] {
            let mut session = gpu.open(problem)?;
            session.set(&case.means(2))?;
            gradients.push(session.gradient(3)?.group_gradients);
        }
        // Each coordinate of a draw is rounded by up to 2⁻¹¹ of its size.
        super::within(&format!("{form:?} {sampler:?}"), super::normwise(&gradients[1], &gradients[0]), 2e-3)?;
        if gradients[0] == gradients[1] {
            return Err("half precision changed nothing: was it used?".into());
        }
    }
    Ok(())
}

/// A problem that no adapter holds is refused with figures, before memory is taken.
pub(crate) fn too_large(which: &Which) -> Result<(), Failed> {
    let case = Case { k: 1, n_teachers: 1, rank: 1 << 22, ..all()[0].clone() };
    match which.open().open(&case.problem(1, Divergence::Reverse, Estimator::Stein, Sampler::Philox)) {
        Err(Error::TooLarge { .. }) => Ok(()),
        Err(other) => Err(format!("another error: {other}").into()),
        Ok(_) => Err("it was accepted".into()),
    }
}
