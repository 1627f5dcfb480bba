//! Several devices on one problem: whether they share replicates or samples, the bits are those of one device.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use libtest_mimic::Failed;
use mixscore::backend::Backend;
use mixscore::error::Error;
use mixscore::gpu::split::Split;
use mixscore::gpu::{Gpu, adapters, open_together};
use mixscore::objective::divergence::{Divergence, Estimator, Sampler, Side, Storage};

use super::cases::{Case, all};
use super::device::{FORMS, Which, long_case, same_bits};

/// Numbers by name: the gradient, ½|a|², two metrics, and the means after some steps.
type Found = [(&'static str, Vec<f64>); 5];

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
    session.set_means(&case.means(replicates))?;
    let gradient = session.gradient(2)?;
    // Fewer groups than devices, and more.
    let few = session.measure(Side::Student, 1, 1)?;
    let many = session.measure(Side::Teacher, 700, 1)?;
    session.descend(0, steps, &vec![1.0; case.k])?; // large, so that a changed sum shows in the means
    let means = session.means()?;
    if means == case.means(replicates) || means.iter().any(|m| !m.is_finite()) {
        return Err("the descent went nowhere".into());
    }
    Ok([
        ("gradient", gradient.group_gradients),
        ("½|a|²", gradient.half_square),
        ("ln p/q", few.log_ratio),
        ("excess", many.excess),
        ("means", means),
    ])
}

fn same(what: &str, got: &Found, want: &Found) -> Result<(), Failed> {
    got.iter().zip(want).try_for_each(|(got, want)| same_bits(&format!("{what}, {}", got.0), &got.1, &want.1))
}

/// Two devices of one adapter: the second gets the last of three replicates.
pub fn shared_replicates(which: &Which) -> Result<(), Failed> {
    let case = all()[2].clone();
    for (form, sampler) in FORMS.into_iter().flat_map(|f| [(f, Sampler::Antithetic), (f, Sampler::Grid)]) {
        let want = found(&mut which.gpu(), &case, 3, form, sampler, 2)?;
        let got = found(&mut which.together(2).splitting(Split::Replicates), &case, 3, form, sampler, 2)?;
        same(&format!("{form:?} {sampler:?}"), &got, &want)?;
    }
    Ok(())
}

/// Two, three and five devices of one adapter, each with some groups of the samples of one replicate, or of three.
pub fn shared_samples(which: &Which) -> Result<(), Failed> {
    let mut one = which.gpu();
    let mut several = [2, 3, 5].map(|n| (n, which.together(n).splitting(Split::Samples).with_row_budget(512)));
    // Few samples, groups of several blocks; and many components, in more dimensions than the fused kernel is for.
    let wide = Case { n_samples: 40, ..all()[7].clone() };
    let all_forms = |case: &Case, replicates: usize, steps: u64| FORMS.map(|form| (case.clone(), replicates, form, steps));
    let mut runs = all_forms(&all()[2], 1, 20).to_vec();
    runs.push((long_case(), 1, FORMS[0], 2));
    runs.push((Case { n_samples: 2000, ..long_case() }, 3, FORMS[1], 2));
    runs.push((wide.clone(), 1, FORMS[0], 2));
    runs.push((wide, 3, FORMS[3], 2));
    runs.push((Case { n_samples: 64, ..all()[2].clone() }, 2, FORMS[1], 5)); // nets that are shorter than a cell
    let n_random = runs.len() - 1;
    for (at, (case, replicates, form, steps)) in runs.into_iter().enumerate() {
        let sampler = if at == n_random { Sampler::Sobol } else { [Sampler::Philox, Sampler::Antithetic][at % 2] };
        let want = found(&mut one, &case, replicates, form, sampler, steps)?;
        for (n, gpu) in &mut several {
            let got = found(gpu, &case, replicates, form, sampler, steps)?;
            same(&format!("{}, {form:?} {sampler:?} on {n}", case.name), &got, &want)?;
        }
    }
    Ok(())
}

/// The same with the kernels one after another, with poisoned buffers, and on a grid, which is never cut.
pub fn shared_samples_in_all_modes(which: &Which) -> Result<(), Failed> {
    let case = all()[2].clone();
    let together = || which.together(2).splitting(Split::Samples);
    let stein = FORMS[0];
    let compare = |what: &str, mut one: Gpu, mut two: Gpu, case: &Case, sampler: Sampler| -> Result<(), Failed> {
        same(what, &found(&mut two, case, 1, stein, sampler, 3)?, &found(&mut one, case, 1, stein, sampler, 3)?)
    };
    compare("apart", which.gpu().with_sharing(None), together().with_sharing(None), &case, Sampler::Philox)?;
    compare("poisoned", which.gpu(), together().poisoned(), &case, Sampler::Philox)?;
    compare("Sobol", which.gpu(), together(), &Case { n_samples: 64, ..case.clone() }, Sampler::Sobol)?;
    compare("grid", which.gpu(), together(), &case, Sampler::Grid)
}

pub fn shared_samples_in_half_precision(which: &Which) -> Result<(), Failed> {
    let half = Case { name: "half".into(), ..all()[2].clone() };
    let found = |mut gpu: Gpu| found(&mut gpu, &half, 1, FORMS[0], Sampler::Philox, 3);
    same("half", &found(which.together(2).splitting(Split::Samples))?, &found(which.gpu())?)
}

type Fault = fn(&mut Vec<Vec<f32>>);

/// Between the devices a share is left out, counted twice, or takes another's place.
const FAULTS: [(&str, Fault); 3] = [
    ("left out", |parts| parts[1].iter_mut().for_each(|v| *v = 0.0)),
    ("counted twice", |parts| parts[1].iter_mut().for_each(|v| *v *= 2.0)),
    ("in another's place", |parts| parts.swap(0, 1)),
];

pub fn planted_shares(which: &Which) -> Result<(), Failed> {
    let Which::Adapter { index, .. } = which else { unreachable!("asked of adapters only") };
    let case = Case { n_samples: 512, ..all()[2].clone() };
    let run = |fault: Option<Fault>| -> Result<(Found, usize), Failed> {
        let count = Arc::new(AtomicUsize::new(0));
        let seen = count.clone();
        let gather = move |mut parts: Vec<Vec<f32>>| {
            seen.fetch_add(1, Ordering::Relaxed);
            if let Some(fault) = fault
                && parts[0].len() == parts[1].len()
            {
                fault(&mut parts);
            }
            Ok(parts)
        };
        let mut gpu = which.together(2).splitting(Split::Samples).gathering(Arc::new(gather));
        Ok((found(&mut gpu, &case, 1, FORMS[0], Sampler::Philox, 3)?, count.load(Ordering::Relaxed)))
    };
    let (want, gathered) = run(None)?;
    // The gradient, two metrics, three steps and the end of the last.
    if gathered != 7 {
        return Err(format!("sums were gathered {gathered} times instead of 7: do the devices share samples?").into());
    }
    for (name, fault) in FAULTS {
        let (got, _) = run(Some(fault))?;
        for (got, want) in got.iter().zip(&want).filter(|(got, _)| got.0 != "ln p/q") {
            // Another total of the same nodes is the same: the tree of two is a sum.
            let commutes = name == "in another's place" && got.0 == "means";
            if same_bits("", &got.1, &want.1).is_ok() != commutes {
                return Err(format!("a share that was {name} {} the {}", if commutes { "changed" } else { "did not change" }, got.0).into());
            }
        }
    }
    // Devices of different kinds, where the machine has any, keep their replicates to themselves.
    let names: Vec<String> = adapters().into_iter().map(|adapter| adapter.name).collect();
    if let Some(other) = names.iter().position(|name| *name != names[*index]) {
        let problem = case.problem(1, FORMS[0].0, FORMS[0].1, Sampler::Philox);
        if open_together(&[*index, other])?.splitting(Split::Samples).split(&problem) != Split::Replicates {
            return Err("devices of different kinds share samples".into());
        }
    }
    // What cannot be gathered ends the call with its error, on all devices.
    let refuse = |_| Err(Error::DeviceLost { what: "planted".into() });
    let mut gpu = which.together(3).splitting(Split::Samples).gathering(Arc::new(refuse));
    match found(&mut gpu, &case, 1, FORMS[0], Sampler::Philox, 3) {
        Err(error) if format!("{error:?}").contains("planted") => Ok(()),
        _ => Err("an exchange that failed was not noticed".into()),
    }
}
