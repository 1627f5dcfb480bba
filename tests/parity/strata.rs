//! What devices know of a stratum: its energy, its measurement where only some are asked for; and work that is stopped midway.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use libtest_mimic::Failed;
use mixscore::backend::{Backend, Interrupt, MeasureSums, Rule, UnitProblem};
use mixscore::cpu::Cpu;
use mixscore::error::Error;
use mixscore::internals::random::{Purpose, key};
use mixscore::internals::reference::Point;
use mixscore::internals::reference::{Components, draw};
use mixscore::objective::{Divergence, Estimator, Sampler, Side};

use super::bits::{FORMS, long_case, same_bits};
use super::cases::{Case, all};
use super::device::Which;
use super::{normwise, within};

/// One side of replicate r, given the means of all.
fn of_replicate<'a>(problem: &'a UnitProblem, side: Side, means: &'a [f64], r: usize) -> Components<'a> {
    let row = means.len() / problem.n_replicates;
    Components { weights: problem.weights(side), means: &means[r * row..(r + 1) * row], rank: problem.rank }
}

/// ½|μᵢ−N|² − ½|μᵢ−M|² averaged over each group of each stratum, (R, k, G), in plain loops.
fn energies(problem: &UnitProblem, means: &[f64], step: u32) -> Vec<f64> {
    let (k, rank, groups) = (problem.n_components(), problem.rank, problem.groups());
    let square = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
    let mut out = Vec::new();
    for r in 0..problem.n_replicates {
        let (p, q) = (of_replicate(problem, Side::Student, means, r), of_replicate(problem, Side::Teacher, &problem.teacher_means, r));
        let key = key(problem.seed, Purpose::Step, problem.first_replicate + r as u32);
        for (i, g) in (0..k).flat_map(|i| (0..groups.n_groups).map(move |g| (i, g))) {
            let mut z = vec![0.0; rank];
            let of_sample = |s: usize| {
                draw(key, problem.draws, &groups, step, i as u32, s as u32, &mut z);
                let x: Vec<f64> = p.mean(i).iter().zip(&z).map(|(m, z)| m + z).collect();
                let at = Point::at(&p, &q, &x);
                0.5 * (square(p.mean(i), &at.n) - square(p.mean(i), &at.m))
            };
            out.push(groups.range(g).map(of_sample).sum::<f64>() / groups.range(g).len() as f64);
        }
    }
    out
}

/// Energies of every form whose strata are the student's, of few dimensions and many; forward strata have none.
pub(crate) fn energies_are_those_of_plain_loops(which: &Which) -> Result<(), Failed> {
    let Which::Adapter { .. } = which else { return Ok(()) };
    let mut device = which.open();
    for case in [all()[3].clone(), all()[7].clone(), Case { n_samples: 600, ..long_case() }] {
        let means = case.means(2);
        for (at, (divergence, estimator)) in FORMS.into_iter().enumerate() {
            let sampler = [Sampler::Philox, Sampler::Antithetic][at % 2];
            let problem = case.problem(2, divergence, estimator, sampler);
            let mut session = device.open(&problem)?;
            session.set(&means)?;
            let got = session.gradient(5)?.energy;
            if divergence == Divergence::Forward {
                if !got.is_empty() {
                    return Err("forward strata have energies".into());
                }
                continue;
            }
            let want = energies(&problem, &means, 5);
            let what = format!("{}, {estimator:?}", case.name);
            within(&what, normwise(&got, &want), 1e-4)?;
            // Planted: the energies of another step are others.
            if within("", normwise(&got, &energies(&problem, &means, 6)), 1e-3).is_ok() {
                return Err(format!("{what}: those of another step pass").into());
            }
        }
    }
    Ok(())
}

/// Some strata, one of them twice: each place has draws of its own, and the numbers are the CPU's.
pub(crate) fn chosen_strata_are_measured(which: &Which) -> Result<(), Failed> {
    let case = Case { k: 7, ..all()[2].clone() };
    let problem = case.problem(2, Divergence::Reverse, Estimator::Stein, Sampler::Philox);
    let measure = |backend: &mut dyn Backend, from: Side, strata: Option<&[u32]>| -> Result<MeasureSums, Failed> {
        let mut session = backend.open(&problem)?;
        session.set(&case.means(2))?;
        // What was measured before, of other strata, other sizes, or at other means, must not show.
        session.measure(from, Some(&[1, 1, 1, 1]), 700, 3)?;
        session.measure(from, None, 300, 4)?;
        Ok(session.measure(from, strata, 700, 4)?)
    };
    for from in [Side::Student, Side::Teacher] {
        let device = &mut *which.open();
        let n = problem.weights(from).len();
        let chosen = [3, 0, 3, 1];
        let (got, want) = (measure(device, from, Some(&chosen))?, measure(&mut Cpu::new(), from, Some(&chosen))?);
        within(&format!("{from:?} ½|a|²"), normwise(&got.half_square, &want.half_square), 1e-4)?;
        within(&format!("{from:?} log ratio"), normwise(&got.log_ratio, &want.log_ratio), 1e-4)?;
        within(&format!("{from:?} excess"), normwise(&got.excess, &want.excess), 1e-4)?;
        let other = measure(device, from, Some(&[3, 0, 2, 1]))?;
        if within("", normwise(&other.half_square, &want.half_square), 1e-3).is_ok() {
            return Err(format!("{from:?}: planted, another stratum passes").into());
        }
        let groups = got.groups.n_groups;
        if got.log_ratio.len() != 2 * chosen.len() * groups || got.log_ratio[..groups] == got.log_ratio[2 * groups..3 * groups] {
            return Err(format!("{from:?}: a stratum that is named twice has the same draws twice").into());
        }
        // All of them, named in order, are all of them.
        let named: Vec<u32> = (0..n as u32).collect();
        same_bits(&format!("{from:?}, all"), &measure(device, from, Some(&named))?.excess, &measure(device, from, None)?.excess)?;
    }
    Ok(())
}

/// A gradient, a descent and a measurement stop when they are told to, at once or midway, and the session goes on as if they had not run.
pub(crate) fn work_stops_when_told(which: &Which) -> Result<(), Failed> {
    let Which::Adapter { .. } = which else { return Ok(()) };
    let case = Case { n_samples: 4096, k: 20, ..all()[4].clone() };
    let flag = Arc::new(AtomicBool::new(false));
    let quiet = case.problem(1, Divergence::Reverse, Estimator::Auto, Sampler::Philox);
    let problem = UnitProblem { interrupt: Interrupt::from(flag.clone()), ..quiet.clone() };
    let rule = Rule::new(0.1, false);
    let mut device = which.open();
    let want = {
        let mut session = device.open(&quiet)?;
        session.set(&case.means(1))?;
        [session.gradient(3)?.group_gradients, session.measure(Side::Teacher, None, 500, 3)?.excess].concat()
    };
    let mut session = device.open(&problem)?;
    session.set(&case.means(1))?;
    let stopped = |what: &str, result: Result<(), Error>| match result {
        Err(Error::Stopped { .. }) => Ok(()),
        other => Err(Failed::from(format!("{what} was told to stop: {other:?}"))),
    };
    flag.store(true, Ordering::Relaxed);
    stopped("a gradient", session.gradient(3).map(drop))?;
    stopped("a descent", session.descend(0, 3, &rule))?;
    stopped("a measurement", session.measure(Side::Teacher, None, 500, 3).map(drop))?;
    // Midway, of work that would take hours.
    for what in ["a descent", "a measurement"] {
        flag.store(false, Ordering::Relaxed);
        let start = Instant::now();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(300));
                flag.store(true, Ordering::Relaxed);
            });
            stopped(
                what,
                match what {
                    "a descent" => session.descend(0, 1 << 40, &rule),
                    _ => session.measure(Side::Student, None, 1 << 26, 1).map(drop),
                },
            )
        })?;
        within(&format!("seconds until {what} stops"), start.elapsed().as_secs_f64(), 30.0)?;
    }
    flag.store(false, Ordering::Relaxed);
    session.set(&case.means(1))?;
    let got = [session.gradient(3)?.group_gradients, session.measure(Side::Teacher, None, 500, 3)?.excess].concat();
    same_bits("after it was stopped", &got, &want)
}
