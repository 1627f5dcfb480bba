//! Tests that the same bits come out however the work is divided, and whatever the buffers held before.

use libtest_mimic::Failed;
use mixscore::backend::{Backend, Rule};
use mixscore::gpu::Gpu;
use mixscore::internals::gpu::{SHARINGS, Sharing};
use mixscore::objective::{Divergence, Estimator, Sampler, Side};

use super::cases::{Case, all};
use super::device::Which;

/// A problem that needs several chunks and groups of several blocks.
pub(crate) fn long_case() -> Case {
    Case { n_samples: 9000, k: 3, n_teachers: 2, ..all()[3].clone() }
}

pub(crate) const FORMS: [(Divergence, Estimator); 5] = [
    (Divergence::Reverse, Estimator::Stein),
    (Divergence::Reverse, Estimator::Pathwise),
    (Divergence::Reverse, Estimator::ScoreFunction),
    (Divergence::Forward, Estimator::Stein),
    (Divergence::Reverse, Estimator::Auto),
];

/// Gradients, statistics and metrics of a case, and the means after two steps, as one list of numbers.
fn everything(backend: &mut dyn Backend, case: &Case, form: (Divergence, Estimator), sampler: Sampler) -> Result<Vec<f64>, Failed> {
    let mut session = backend.open(&case.problem(3, form.0, form.1, sampler))?;
    session.set(&case.means(3))?;
    let gradient = session.gradient(2)?;
    let measure = session.measure(Side::Teacher, None, 700, 1)?;
    session.descend(0, 2, &Rule::new(0.1, false))?;
    Ok([gradient.group_gradients, gradient.half_square, measure.log_ratio, measure.excess, session.parameters()?].concat())
}

pub(crate) fn same_bits(what: &str, a: &[f64], b: &[f64]) -> Result<(), Failed> {
    let differ = a.iter().zip(b).filter(|(a, b)| a.to_bits() != b.to_bits()).count();
    if a.len() == b.len() && !a.is_empty() && differ == 0 { Ok(()) } else { Err(format!("{what}: {differ} of {} differ", a.len()).into()) }
}

pub(crate) fn any_row_budget(which: &Which) -> Result<(), Failed> {
    same_as_usual(which, &long_case(), [256, 20_000].map(|rows| (format!("{rows} rows"), which.gpu().with_row_budget(rows))))
}

/// Checked kernels, and tiles of products: a tuner chooses among them.
pub(crate) fn checked_and_tiles(which: &Which) -> Result<(), Failed> {
    let shorter = Case { n_samples: 1500, ..long_case() };
    same_as_usual(which, &shorter, [("checked".into(), which.gpu().checked())])?;
    let wide = Case { k: 36, n_samples: 8, ..all()[7].clone() };
    let mut tiles = [32, 64].map(|columns| which.gpu().with_tiles(columns));
    for form in [FORMS[1], FORMS[3]] {
        let [narrow, wide] = tiles.each_mut().map(|gpu| everything(gpu, &wide, form, Sampler::Philox));
        same_bits(&format!("{form:?}, tiles of 32 columns"), &narrow?, &wide?)?;
    }
    Ok(())
}

/// Each of `others` finds what the adapter finds as it is opened: in every form, on this problem and a short one, for Sobol points too.
fn same_as_usual<const N: usize>(which: &Which, long: &Case, mut others: [(String, Gpu); N]) -> Result<(), Failed> {
    let mut usual = which.gpu();
    let random = FORMS.into_iter().flat_map(|form| [(form, long.clone(), Sampler::Philox), (form, all()[2].clone(), Sampler::Philox)]);
    for (form, case, sampler) in random.chain([FORMS[0], FORMS[1]].map(|form| (form, long.clone(), Sampler::Sobol))) {
        let want = everything(&mut usual, &case, form, sampler)?;
        for (name, gpu) in &mut others {
            same_bits(&format!("{form:?} {sampler:?}, {name}"), &everything(gpu, &case, form, sampler)?, &want)?;
        }
    }
    Ok(())
}

pub(crate) fn replicates_alone(which: &Which) -> Result<(), Failed> {
    let case = all()[2].clone();
    let others = FORMS.into_iter().flat_map(|f| [(f, Sampler::Philox), (f, Sampler::Grid)]);
    for (form, sampler) in others.chain([(FORMS[0], Sampler::Sobol), (FORMS[3], Sampler::Sobol), (FORMS[4], Sampler::Antithetic)]) {
        let mut backend = which.open();
        let together = case.problem(3, form.0, form.1, sampler);
        let (means, rule) = (case.means(3), Rule::new(0.05, false));
        let mut session = backend.open(&together)?;
        session.set(&means)?;
        session.descend(4, 2, &rule)?;
        let want = session.parameters()?;
        let (row, teacher_row) = (case.k * case.rank, case.n_teachers * case.rank);
        let mut got = Vec::new();
        for r in 0..3 {
            let mut alone = together.clone();
            alone.n_replicates = 1;
            alone.first_replicate += r as u32;
            alone.teacher_means = together.teacher_means[r * teacher_row..(r + 1) * teacher_row].to_vec();
            let mut session = backend.open(&alone)?;
            session.set(&means[r * row..(r + 1) * row])?;
            session.descend(4, 2, &rule)?;
            got.extend(session.parameters()?);
        }
        same_bits(&format!("{form:?} {sampler:?}"), &got, &want)?;
    }
    Ok(())
}

pub(crate) fn steps_in_many_calls(which: &Which) -> Result<(), Failed> {
    let case = all()[2].clone();
    for (form, sampler) in FORMS.into_iter().flat_map(|f| [(f, Sampler::Antithetic), (f, Sampler::Grid)]) {
        let mut backend = which.open();
        let mut ends = Vec::new();
        for cuts in [vec![6], vec![1, 2, 3]] {
            let mut session = backend.open(&case.problem(2, form.0, form.1, sampler))?;
            session.set(&case.means(2))?;
            let mut step = 7;
            for n in cuts {
                session.descend(step, n, &Rule::new(0.05, false))?;
                step += n;
                let means = session.parameters()?;
                session.set(&means)?;
            }
            ends.push(session.parameters()?);
        }
        same_bits(&format!("{form:?} {sampler:?}"), &ends[0], &ends[1])?;
    }
    Ok(())
}

/// Every buffer starts as NaN and ends in a canary: what no kernel writes would show in the results.
pub(crate) fn poison(which: &Which) -> Result<(), Failed> {
    let forms = FORMS.into_iter().map(|form| (form, Sampler::Philox));
    let (mut clean, mut poisoned) = (which.gpu(), which.gpu().poisoned().with_row_budget(256));
    for (form, sampler) in forms.chain([(FORMS[0], Sampler::Grid), (FORMS[3], Sampler::Antithetic), (FORMS[0], Sampler::Sobol)]) {
        for at in [0, 2, 4] {
            let case = all()[at].clone();
            if sampler == Sampler::Grid && case.rank > 2 {
                continue;
            }
            let want = everything(&mut clean, &case, form, sampler)?;
            let got = everything(&mut poisoned, &case, form, sampler)?;
            same_bits(&format!("{form:?} {sampler:?} {}", case.name), &got, &want)?;
            untouched(&poisoned)?;
        }
    }
    Ok(())
}

fn untouched(gpu: &Gpu) -> Result<(), Failed> {
    let overwritten = gpu.overwritten()?;
    if overwritten.is_empty() { Ok(()) } else { Err(format!("written past the end: {overwritten:?}").into()) }
}

/// The canary and the poison must catch a kernel that was told one row too many or one too few.
pub(crate) fn poison_shows(which: &Which) -> Result<(), Failed> {
    let (n, values) = (100, vec![[1.0f32; 4]; 101]);
    for (told, tail, complete) in [(n, true, true), (n + 1, false, true), (n - 1, true, false)] {
        let mut gpu = which.gpu().poisoned();
        let got = gpu.copied(&values, n, told)?;
        let numbers = got.iter().flatten().all(|v| *v == 1.0);
        if untouched(&gpu).is_ok() != tail || numbers != complete {
            return Err(format!("told {told} of {n}: the tail or the poison did not show it").into());
        }
    }
    Ok(())
}

/// Three steps of descent with each way of sharing that the adapter has, and with the kernels one after another.
pub(crate) fn any_sharing(which: &Which) -> Result<(), Failed> {
    let cases = [all()[2].clone(), all()[4].clone(), Case { rank: 64, k: 9, n_samples: 300, ..all()[4].clone() }, all()[7].clone()];
    // The default mixes two forms, by fused kernels of its own. (One kernel after another, it needs sums over a row's coordinates.)
    let auto = cases.iter().filter(|case| case.rank <= 64).map(|case| (case, Estimator::Auto));
    for (case, estimator) in cases.iter().map(|case| (case, Estimator::Stein)).chain(auto) {
        let problem = case.problem(2, Divergence::Reverse, estimator, Sampler::Philox);
        let descend = |sharing: Option<Sharing>| -> Result<(Vec<f64>, Vec<f64>), Failed> {
            let mut session = which.gpu().with_sharing(sharing).open(&problem)?;
            session.set(&case.means(2))?;
            session.descend(3, 3, &Rule::new(0.1, false))?;
            let means = session.parameters()?;
            session.set(&case.means(2))?; // the same for all: means after steps of one way are not another's
            Ok((means, session.gradient(4)?.group_gradients))
        };
        let apart = descend(None)?;
        let mut first: Option<Vec<f64>> = None;
        for sharing in SHARINGS.into_iter().filter(|s| s.runs_on(which.gpu().adapter())) {
            let got = descend(Some(sharing))?;
            // The fused kernel adds in its own order; products are the same sums for any tile.
            super::within(&format!("{}, {estimator:?}, {sharing:?}", case.name), super::normwise(&got.0, &apart.0), 1e-6)?;
            same_bits(&format!("fused, {}, {sharing:?}", case.name), &got.0, first.get_or_insert_with(|| got.0.clone()))?;
            super::within(&format!("{}, {estimator:?}, {sharing:?}", case.name), super::normwise(&got.1, &apart.1), 1e-6)?;
            // Kernels for machines with subgroups of eight add up a row in their own order.
            if sharing != Sharing::Spread {
                same_bits(&format!("{}, {sharing:?}", case.name), &got.1, &apart.1)?;
            }
        }
    }
    Ok(())
}
