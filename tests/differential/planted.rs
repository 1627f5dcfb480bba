//! Planted faults: the comparison must catch each, or agreement proves nothing.

use libtest_mimic::{Failed, Trial};
use mixscore::backend::UnitProblem;
use mixscore::objective::Draws;
use mixscore::reference::Reference;

use super::compare::compare;
use super::draw::{Case, Weights};
use super::findings::{Findings, find};

type Fault<T> = fn(&mut T);

/// A device that solves another problem.
const PROBLEMS: [(&str, Fault<UnitProblem>); 6] = [
    ("another seed", |problem| problem.seed ^= 1 << 40),
    ("another replicate's draws", |problem| problem.first_replicate += 1),
    ("one sample more", |problem| problem.draws = Draws::Independent(problem.groups().n_samples + 1)),
    ("a student's weight", |problem| problem.student_weights[0] *= 1.01),
    ("a teacher's weight", |problem| problem.teacher_weights[0] *= 1.01),
    ("a teacher's mean", |problem| problem.teacher_means[0] += 0.01),
];

/// A device that spoils what it found.
const RESULTS: [(&str, Fault<Findings>); 12] = [
    ("two numbers of a gradient swapped", |found| {
        let gradient = &mut found.gradients[0].gradient;
        let last = gradient.len() - 1;
        gradient.swap(0, last);
    }),
    ("a gradient that lacks a chunk of 200", |found| found.gradients[0].gradient.iter_mut().for_each(|g| *g *= 0.995)),
    ("a number that is none", |found| found.gradients[0].gradient[0] = f64::NAN),
    ("a number that is not there", |found| found.gradients[0].gradient.truncate(1)),
    ("standard errors a hundredth too large", |found| found.gradients[0].standard_error.iter_mut().for_each(|e| *e *= 1.01)),
    ("another number of groups", |found| found.gradients[0].n_groups += 1),
    ("a divergence a thousandth too large", |found| found.gradients[0].divergence.value *= 1.001),
    ("a measure a thousandth too large", |found| found.divergences[0].kl_student_teacher.value *= 1.001),
    ("a measure of standard error zero", |found| found.divergences[0].reverse_fisher.standard_error = 0.0),
    ("a descent a thousandth too far", |found| {
        found.end.iter_mut().zip(&found.start).for_each(|(end, start)| *end += 0.001 * (*end - start));
    }),
    ("the score of a neighbouring point", |found| found.evaluation.score.rotate_left(1)),
    ("responsibilities of another component", |found| found.evaluation.responsibilities.rotate_left(1)),
];

/// An ordinary case of independent draws, with two components of either side at least.
fn ordinary() -> Case {
    let is_ordinary = |case: &Case| {
        let problem = &case.problem;
        let few = 2..=9;
        problem.chosen_sampler(problem.rank(&case.starts, &case.teachers)) == mixscore::objective::Sampler::Philox
            && few.contains(&case.n_components())
            && few.contains(&problem.teacher.n_components())
            && problem.teacher.n_features() > 1
            && (Some(63)..=Some(1000)).contains(&problem.n_samples)
            && problem.storage == Default::default()
            && (1.0..4.0).contains(&case.separation)
            && case.weights != Weights::Extreme
    };
    (0..).map(Case::of_seed).find(is_ordinary).unwrap()
}

fn caught(case: &Case, got: &Findings, want: &Findings) -> Result<(), Failed> {
    match compare(case, false, got, want) {
        Err(_) => Ok(()),
        Ok(()) => Err(format!("it passed in {case}").into()),
    }
}

/// One trial for each fault, and one that nothing is found where there is none.
pub(crate) fn trials() -> Vec<Trial> {
    let of_case = |fault: fn(&mut UnitProblem)| -> Result<(Case, Findings), Failed> {
        let case = ordinary();
        let found = find(&case, &mut Reference, fault)?;
        Ok((case, found))
    };
    let mut out = vec![Trial::test("planted::nothing", move || {
        let (case, found) = of_case(|_| {})?;
        compare(&case, false, &found, &found).map_err(Failed::from)
    })];
    out.extend(PROBLEMS.map(|(name, fault)| {
        Trial::test(format!("planted::{name}"), move || {
            let ((case, want), (_, got)) = (of_case(|_| {})?, of_case(fault)?);
            caught(&case, &got, &want)
        })
    }));
    out.extend(RESULTS.map(|(name, spoil)| {
        Trial::test(format!("planted::{name}"), move || {
            let ((case, want), (_, mut got)) = (of_case(|_| {})?, of_case(|_| {})?);
            spoil(&mut got);
            caught(&case, &got, &want)
        })
    }));
    out
}
