//! `auto`, which mixes two forms of a row: the mix that the means ask for, on every device.

use libtest_mimic::Failed;
use mixscore::backend::{Backend, UnitProblem};
use mixscore::objective::divergence::{Divergence, Estimator, Sampler};
use mixscore::objective::estimator::{self, Blend};
use mixscore::objective::groups::Groups;
use mixscore::random::streams::{Purpose, key};
use mixscore::reference::posterior::Point;
use mixscore::reference::reverse_fisher::{add_own_score_function, add_stein};
use mixscore::reference::{Components, Reference, draw::draw};

use super::cases::{Case, all};
use super::device::Which;
use super::{normwise, within};

/// Student and teacher components, dimensions, spread, samples: few walls and many, fewer and more than dimensions, in few dimensions and
/// in more than the fused kernel is for.
const SIZES: [(usize, usize, usize, f64, usize); 9] = [
    (3, 5, 1, 12.0, 300),
    (6, 12, 2, 6.0, 300),
    (6, 9, 5, 4.0, 257),
    (20, 30, 9, 3.0, 96),
    (5, 40, 31, 2.5, 300),
    (4, 6, 64, 2.0, 64),
    (4, 80, 60, 2.0, 512),
    (5, 30, 90, 1.5, 128),
    (3, 120, 80, 1.5, 512),
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
    session.set_means(means)?;
    Ok(session.gradient(5)?.group_gradients)
}

/// Gradients and a step with every wall that there may be, against the reference; both forms count.
pub fn agrees(which: &Which) -> Result<(), Failed> {
    let mut device = which.open();
    for case in cases() {
        for sampler in [Sampler::Antithetic, Sampler::Philox] {
            let problem = case.problem(2, Divergence::Reverse, Estimator::Auto, sampler);
            let problem = UnitProblem { n_samples: Some(case.n_samples.next_multiple_of(2)), ..problem };
            let means = case.means(2);
            let want = gradient(&mut Reference, &problem, &means)?;
            let got = gradient(&mut *device, &problem, &means)?;
            let stein = gradient(&mut Reference, &UnitProblem { estimator: Estimator::Stein, ..problem.clone() }, &means)?;
            let apart = normwise(&want, &stein);
            println!("{} {sampler:?}: {:.1e}, Stein's form alone {apart:.1e}", case.name, normwise(&got, &want));
            within(&format!("{} {sampler:?}", case.name), normwise(&got, &want), 1e-4)?;
            if !(apart > 0.01) {
                return Err(format!("{}: nothing is mixed, {apart:.1e}", case.name).into());
            }
            let mut ends = Vec::new();
            let rates: Vec<f64> = problem.student_weights.iter().map(|w| 0.3 / w).collect();
            for backend in [&mut *device as &mut dyn Backend, &mut Reference] {
                let mut session = backend.open(&problem)?;
                session.set_means(&means)?;
                session.descend(5, 1, &rates)?;
                let step: Vec<f64> = session.means()?.iter().zip(&means).map(|(end, start)| end - start).collect();
                ends.push(step);
            }
            println!("    a step: {:.1e}", normwise(&ends[0], &ends[1]));
            within(&format!("a step, {} {sampler:?}", case.name), normwise(&ends[0], &ends[1]), 1e-4)?;
        }
    }
    Ok(())
}
