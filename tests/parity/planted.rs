//! Planted faults: the comparison must catch each, or the suite proves nothing.

use libtest_mimic::{Failed, Trial};
use mixscore::backend::Backend;
use mixscore::objective::{Divergence, Estimator, Sampler};
use mixscore::reference::Reference;

use super::cases::{Case, all};
use super::{normwise, within};

type Fault = fn(&mut Vec<f64>);

const FAULTS: [(&str, Fault); 4] = [
    ("two rows swapped", |g| {
        let half = g.len() / 2;
        let (a, b) = g.split_at_mut(half);
        a[..3].swap_with_slice(&mut b[..3]);
    }),
    ("a factor 1.01", |g| g.iter_mut().for_each(|v| *v *= 1.01)),
    ("one NaN", |g| g[1] = f64::NAN),
    ("one number missing", |g| g.truncate(g.len() - 1)),
];

fn gradient(case: &Case, spoil: impl Fn(&mut Vec<f64>)) -> Result<Vec<f64>, Failed> {
    let mut problem = case.problem(1, Divergence::Reverse, Estimator::Stein, Sampler::Philox);
    spoil(&mut problem.student_weights);
    let mut session = Reference.open(&problem)?;
    session.set(&case.means(1))?;
    Ok(session.gradient(0)?.group_gradients)
}

fn caught(name: &str, err: f64) -> Result<(), Failed> {
    match within(name, err, 2e-4) {
        Err(_) => Ok(()),
        Ok(()) => Err(format!("{name} passed with error {err:e}").into()),
    }
}

/// One trial for each fault.
pub(crate) fn trials() -> Vec<Trial> {
    let case = all()[3].clone();
    let mut out: Vec<Trial> = FAULTS
        .into_iter()
        .map(|(name, fault)| {
            let case = case.clone();
            Trial::test(format!("planted::{name}"), move || {
                let want = gradient(&case, |_| {})?;
                let mut got = want.clone();
                fault(&mut got);
                caught(name, normwise(&got, &want))
            })
        })
        .collect();
    out.push(Trial::test("planted::a wrong weight", move || {
        let (want, got) = (gradient(&case, |_| {})?, gradient(&case, |w| w[0] *= 1.01)?);
        caught("a wrong weight", normwise(&got, &want))
    }));
    out
}
