//! Several devices on one problem: whether they share replicates, strata or samples, the bits are those of one device.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use libtest_mimic::Failed;
use mixscore::backend::{Backend, Rule};
use mixscore::error::{Error, Result as Exchanged};
use mixscore::gpu::{Gpu, adapters, open_together};
use mixscore::internals::backend::Exchange;
use mixscore::internals::backend::Policy;
use mixscore::internals::backend::Split;
use mixscore::objective::{Divergence, Estimator, Sampler, Side, Storage};

use super::bits::{FORMS, long_case, same_bits};
use super::cases::{Case, all};
use super::device::Which;

/// Numbers by name: the gradient, ½|a|², three metrics, and the means after some steps.
type Found = [(&'static str, Vec<f64>); 6];

fn found(
    gpu: &mut Gpu,
    case: &Case,
    replicates: usize,
    form: (Divergence, Estimator),
    sampler: Sampler,
    steps: u64,
) -> Result<Found, Failed> {
    let mut problem = case.problem(replicates, form.0, form.1, sampler);
    if case.name.contains("half") {
        problem.storage = Storage::F16;
    }
    let mut session = gpu.open(&problem)?;
    session.set(&case.means(replicates))?;
    let gradient = session.gradient(2)?;
    // Fewer groups than devices, and more; fewer strata than devices, and one of them twice.
    let few = session.measure(Side::Student, None, 1, 1)?;
    let many = session.measure(Side::Teacher, None, 700, 1)?;
    let last = case.k as u32 - 1;
    let chosen = session.measure(Side::Student, Some(&[last, 0, last]), 320, 1)?;
    session.descend(0, steps, &Rule::new(1.0, false))?; // large, so that a changed sum shows in the means
    let means = session.parameters()?;
    if means == case.means(replicates) || means.iter().any(|m| !m.is_finite()) {
        return Err("the descent went nowhere".into());
    }
    Ok([
        ("gradient", gradient.group_gradients),
        ("½|a|²", gradient.half_square),
        ("ln p/q", few.log_ratio),
        ("excess", many.excess),
        ("excess of chosen strata", chosen.excess),
        ("means", means),
    ])
}

fn same(what: &str, got: &Found, want: &Found) -> Result<(), Failed> {
    got.iter().zip(want).try_for_each(|(got, want)| same_bits(&format!("{what}, {}", got.0), &got.1, &want.1))
}

/// Two devices of one adapter: the second gets the last of three replicates.
pub(crate) fn shared_replicates(which: &Which) -> Result<(), Failed> {
    let Which::Adapter { .. } = which else { return Ok(()) }; // the CPU backend is one device
    let case = all()[2].clone();
    for (form, sampler) in FORMS.into_iter().flat_map(|f| [(f, Sampler::Antithetic), (f, Sampler::Grid)]) {
        let want = found(&mut which.gpu(), &case, 3, form, sampler, 2)?;
        let got = found(&mut which.together(2).splitting(Policy::Replicates), &case, 3, form, sampler, 2)?;
        same(&format!("{form:?} {sampler:?}"), &got, &want)?;
    }
    Ok(())
}

/// Two, three and five devices of one adapter, each with some strata of one replicate, or of three: of every form whose rows own them.
pub(crate) fn shared_strata(which: &Which) -> Result<(), Failed> {
    let few = all()[2].clone(); // two strata: fewer than devices
    let seven = Case { k: 7, ..few.clone() };
    let wide = Case { n_samples: 40, ..all()[7].clone() };
    let nets = Case { n_samples: 64, ..seven.clone() }; // shorter than a cell
    let (stein, mixed) = (FORMS[0], FORMS[4]);
    let runs = [
        (seven.clone(), 1, stein, Sampler::Philox, 20),
        (seven.clone(), 1, mixed, Sampler::Antithetic, 20),
        (seven.clone(), 1, stein, Sampler::Grid, 3),
        (few.clone(), 1, mixed, Sampler::Philox, 5),
        (few, 3, stein, Sampler::Antithetic, 5),
        (Case { n_samples: 2000, ..long_case() }, 1, mixed, Sampler::Philox, 2),
        (wide.clone(), 1, stein, Sampler::Antithetic, 2),
        (wide, 2, mixed, Sampler::Philox, 2),
        (nets, 2, mixed, Sampler::Sobol, 5),
    ];
    shared(which, Split::Strata, &runs)
}

/// The same of samples, for the forms whose rows are sums over all strata.
pub(crate) fn shared_samples(which: &Which) -> Result<(), Failed> {
    let wide = Case { n_samples: 40, ..all()[7].clone() };
    let nets = Case { n_samples: 64, ..all()[2].clone() };
    let [pathwise, score_function, forward] = [FORMS[1], FORMS[2], FORMS[3]];
    let runs = [
        (all()[2].clone(), 1, pathwise, Sampler::Philox, 20),
        (all()[2].clone(), 1, score_function, Sampler::Antithetic, 20),
        (all()[2].clone(), 1, forward, Sampler::Philox, 20),
        (long_case(), 1, forward, Sampler::Antithetic, 2), // groups of several blocks
        (Case { n_samples: 2000, ..long_case() }, 3, pathwise, Sampler::Philox, 2),
        (wide.clone(), 1, score_function, Sampler::Philox, 2),
        (wide, 3, forward, Sampler::Antithetic, 2),
        (nets, 2, pathwise, Sampler::Sobol, 5),
    ];
    shared(which, Split::Samples, &runs)
}

/// A case, its replicates, form, sampler and steps.
type Run = (Case, usize, (Divergence, Estimator), Sampler, u64);

fn shared(which: &Which, split: Split, runs: &[Run]) -> Result<(), Failed> {
    let mut one = which.gpu();
    let mut several = [2, 3, 5].map(|n| (n, which.together(n).splitting(Policy::WithinReplicates).with_row_budget(512)));
    for (case, replicates, form, sampler, steps) in runs {
        let want = found(&mut one, case, *replicates, *form, *sampler, *steps)?;
        for (n, gpu) in &mut several {
            let what = format!("{}, {form:?} {sampler:?} on {n}", case.name);
            if gpu.split(&case.problem(*replicates, form.0, form.1, *sampler)) != split {
                return Err(format!("{what}: another split").into());
            }
            same(&what, &found(gpu, case, *replicates, *form, *sampler, *steps)?, &want)?;
        }
    }
    Ok(())
}

/// The same with the kernels one after another, with poisoned buffers, and on a grid, which only strata share.
pub(crate) fn shared_in_all_modes(which: &Which) -> Result<(), Failed> {
    let case = Case { k: 7, ..all()[2].clone() };
    let together = || which.together(3).splitting(Policy::WithinReplicates);
    let [stein, _, _, forward, mixed] = FORMS;
    let compare = |what: &str, [mut one, mut three]: [Gpu; 2], case: &Case, form, sampler: Sampler| -> Result<(), Failed> {
        same(what, &found(&mut three, case, 1, form, sampler, 3)?, &found(&mut one, case, 1, form, sampler, 3)?)
    };
    for form in [stein, forward, mixed] {
        let apart = [which.gpu().with_sharing(None), together().with_sharing(None)];
        compare(&format!("apart, {form:?}"), apart, &case, form, Sampler::Philox)?;
        compare(&format!("poisoned, {form:?}"), [which.gpu(), together().poisoned()], &case, form, Sampler::Philox)?;
    }
    compare("grid", [which.gpu(), together()], &case, forward, Sampler::Grid)?;
    Ok(())
}

pub(crate) fn shared_in_half_precision(which: &Which) -> Result<(), Failed> {
    let half = Case { name: "half".into(), k: 7, ..all()[2].clone() };
    let found = |mut gpu: Gpu| found(&mut gpu, &half, 1, FORMS[0], Sampler::Philox, 3);
    same("half", &found(which.together(3).splitting(Policy::WithinReplicates))?, &found(which.gpu())?)
}

type Fault = fn(&mut Vec<Vec<f32>>);

/// Between the devices a share is left out, counted twice, or takes another's place.
const FAULTS: [(&str, Fault); 3] = [
    ("left out", |parts| parts[1].iter_mut().for_each(|v| *v = 0.0)),
    ("counted twice", |parts| parts[1].iter_mut().for_each(|v| *v *= 2.0)),
    ("in another's place", |parts| parts.swap(0, 1)),
];

/// An exchange that counts how often it is used, and does this to what goes through.
struct Planted {
    count: Arc<AtomicUsize>,
    fault: Option<Fault>,
}

impl Exchange<f32> for Planted {
    fn all_gather(&self, mut parts: Vec<Vec<f32>>) -> Exchanged<Vec<Vec<f32>>> {
        self.count.fetch_add(1, Ordering::Relaxed);
        if let Some(fault) = self.fault
            && parts[0].len() == parts[1].len()
        {
            fault(&mut parts);
        }
        Ok(parts)
    }
}

/// An exchange that fails.
struct Refuses;

impl Exchange<f32> for Refuses {
    fn all_gather(&self, _: Vec<Vec<f32>>) -> Exchanged<Vec<Vec<f32>>> {
        Err(Error::DeviceLost { what: "planted".into() })
    }
}

pub(crate) fn planted_shares(which: &Which) -> Result<(), Failed> {
    let Which::Adapter { index, .. } = which else { unreachable!("asked of adapters only") };
    let case = Case { n_samples: 512, k: 6, n_teachers: 6, ..all()[2].clone() }; // all in two equal halves
    for form in [FORMS[0], FORMS[3]] {
        let run = |fault: Option<Fault>| -> Result<(Found, usize), Failed> {
            let count = Arc::new(AtomicUsize::new(0));
            let exchange = Arc::new(Planted { count: count.clone(), fault });
            let mut gpu = which.together(2).splitting(Policy::WithinReplicates).exchanging(exchange);
            Ok((found(&mut gpu, &case, 1, form, Sampler::Philox, 3)?, count.load(Ordering::Relaxed)))
        };
        let (want, gathered) = run(None)?;
        // The gradient, three metrics, three steps.
        if gathered != 7 {
            return Err(format!("{form:?}: parts were gathered {gathered} times instead of 7: do the devices share a replicate?").into());
        }
        let is_sum = form == FORMS[3];
        for (name, fault) in FAULTS {
            let (got, _) = run(Some(fault))?;
            for (got, want) in got.iter().zip(&want) {
                // One group has no other half; chosen strata of unequal halves pass untouched.
                let untouched = if is_sum { "ln p/q" } else { "excess of chosen strata" };
                // Another total of the same nodes is the same: the tree of two is a sum.
                let commutes = is_sum && name == "in another's place" && got.0 == "means";
                if same_bits("", &got.1, &want.1).is_ok() != (commutes || got.0 == untouched) {
                    return Err(format!("{form:?}: a share that was {name} does not show, or shows, in the {}", got.0).into());
                }
            }
        }
    }
    // Devices of different kinds, where the machine has any, keep their replicates to themselves.
    let names: Vec<String> = adapters().into_iter().map(|adapter| adapter.name).collect();
    if let Some(other) = names.iter().position(|name| *name != names[*index]) {
        let problem = case.problem(1, FORMS[0].0, FORMS[0].1, Sampler::Philox);
        if open_together(&[*index, other])?.splitting(Policy::WithinReplicates).split(&problem) != Split::Replicates {
            return Err("devices of different kinds share a replicate".into());
        }
    }
    // What cannot be exchanged ends the call with its error, on all devices.
    let mut gpu = which.together(3).splitting(Policy::WithinReplicates).exchanging(Arc::new(Refuses));
    match found(&mut gpu, &case, 1, FORMS[0], Sampler::Philox, 3) {
        Err(error) if format!("{error:?}").contains("planted") => Ok(()),
        _ => Err("an exchange that failed was not noticed".into()),
    }
}
