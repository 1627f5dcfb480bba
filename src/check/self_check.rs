//! The short self-check at the start of every run: a small problem on the device against the reference, in a fraction of a second.
//!
//! `mixscore check` is the long form.

use crate::backend::Backend;
use crate::backend::Rule;
use crate::backend::polynomials::{Cells, Polynomials, Step};
use crate::error::{Error, Result};
use crate::mixture::GaussianMixture;
use crate::objective::divergence::{Divergence, Estimator};
use crate::objective::hermite::Basis;
use crate::problem::Problem;
use crate::problem::fit::Fit;
use crate::reference::{Reference, ReferencePolynomials};

/// Relative to the largest number: single precision, a few hundred terms, two steps of descent.
const TOLERANCE: f64 = 1e-4;

/// Evaluates, differentiates, descends and measures on `backend`, and compares with the reference.
///
/// # Errors
/// [`Error::SelfCheck`] with what differs and by how much; the device's own errors.
pub fn self_check(backend: &mut dyn Backend) -> Result<()> {
    let teacher = GaussianMixture::new(vec![0.3, 0.7], vec![1.0, -0.5, 2.0, -1.5, 0.5, 0.0], 3, 1.0)?;
    let starts = [0.2, 1.1, -0.4, -1.3, 0.6, 0.9, 2.1, -0.8, 0.3, 0.1, -1.7, -0.6];
    let student = GaussianMixture::new(vec![0.1, 0.2, 0.3, 0.4], starts.to_vec(), 3, 1.0)?;
    let (got, want) =
        (backend.evaluate(&(&student).into(), starts[..].into(), true)?, Reference.evaluate(&(&student).into(), starts[..].into(), true)?);
    compare(backend, "log-density", &got.log_density, &want.log_density)?;
    compare(backend, "score", &got.score, &want.score)?;
    compare(backend, "responsibilities", &got.responsibilities, &want.responsibilities)?;
    for divergence in [Divergence::Reverse, Divergence::Forward] {
        let weights = student.weights().to_vec();
        // `auto` is what most runs use: these teachers are far enough apart for it to blend both forms of a row.
        let estimator = Estimator::Auto;
        let problem = Problem { divergence, estimator, n_samples: Some(300), seed: 5, ..Problem::new(weights, teacher.clone()) };
        let (mut fit, mut reference) = (problem.open(backend, &starts)?, problem.open(&mut Reference, &starts)?);
        for (what, got, want) in answers(&mut fit)?.into_iter().zip(answers(&mut reference)?).map(|(a, b)| (a.0, a.1, b.1)) {
            compare(backend, &format!("{what}, {divergence:?}"), &got, &want)?;
        }
    }
    Ok(())
}

/// As [`self_check`], for the learner's polynomials on a device.
pub fn check_polynomials(backend: &dyn Backend, own: &mut dyn Polynomials) -> Result<()> {
    for (what, got, want) in polynomial_answers(own)? {
        compare(backend, what, &got, &want)?;
    }
    Ok(())
}

/// The name of a result, the device's numbers, the reference's.
pub(super) type Answer = (&'static str, Vec<f64>, Vec<f64>);

/// Gram matrices and points after a step of the reverse diffusion: by the device and by the reference.
pub(super) fn polynomial_answers(own: &mut dyn Polynomials) -> Result<Vec<Answer>> {
    let basis = Basis::new(5, 3);
    let numbers = |n: usize, seed: f32| -> Vec<f32> { (0..n).map(|i| 3.0 * (i as f32 * seed).sin()).collect() };
    let (centres, coefficients) = (numbers(15, 1.7), numbers(15 * basis.len(), 0.9));
    let cells = Cells { basis: &basis, centres: &centres, sigma: 1.25 };
    let (y, target) = (numbers(5 * 300, 0.7321), numbers(5 * 300, 0.4142));
    let step = Step { cells, coefficients: &coefficients, pull: 0.1, spread: 0.4, key: [7, 9], step: 3 };
    // Compared separately, because counts of rows are small beside sums of their features.
    let sums = |device: &mut dyn Polynomials| -> Result<[Vec<f64>; 3]> {
        let grams = device.grams(&cells, &y, &target)?;
        let counts = grams.iter().map(|gram| gram.n as f64).collect();
        let sums = grams.into_iter().flat_map(|gram| [gram.gram, gram.moment].concat()).collect();
        let mut y = y.clone();
        device.reverse(&step, &mut y)?;
        Ok([counts, sums, y.into_iter().map(f64::from).collect()])
    };
    let names = ["rows of cells", "Gram matrices", "the reverse diffusion"];
    Ok(names.into_iter().zip(sums(own)?).zip(sums(&mut ReferencePolynomials)?).map(|((name, own), exact)| (name, own, exact)).collect())
}

/// The gradient, the means after two steps, and the metrics there.
fn answers(fit: &mut Fit) -> Result<Vec<(&'static str, Vec<f64>)>> {
    let gradient = fit.gradient(0)?.remove(0);
    fit.descend(0, 2, &Rule::new(0.5, false))?;
    let m = fit.measure(300, 2)?.remove(0);
    let metrics = [m.reverse_fisher, m.forward_fisher, m.kl_student_teacher, m.kl_teacher_student, m.total_variation];
    Ok(vec![
        ("gradient", gradient.gradient),
        ("divergence", vec![gradient.divergence.value]),
        ("means after two steps", fit.means()?),
        ("metrics", metrics.map(|e| e.value).to_vec()),
    ])
}

/// Fails if `got` differs from `want` by more than the tolerance.
fn compare(backend: &dyn Backend, what: &str, got: &[f64], want: &[f64]) -> Result<()> {
    let scale = want.iter().fold(0.0, |a: f64, v| a.max(v.abs()));
    // Each number on its own, because a maximum of errors would lose NaN.
    let bad = (0..want.len()).find(|i| !((got[*i] - want[*i]).abs() <= TOLERANCE * scale));
    bad.map_or(Ok(()), |i| {
        let what = format!("{what}: entry {i} is {:e} and by the reference {:e}, where the largest is {scale:.1e}", got[i], want[i]);
        Err(Error::SelfCheck { device: backend.describe().to_string(), what })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::polynomials::Gram;
    use crate::backend::{Description, Evaluation, Points, Session, UnitProblem};
    use crate::cpu::{Cpu, CpuPolynomials};
    use crate::objective::form::Form;

    /// The learner's polynomials with a fault in their sums, or in their step.
    struct FaultyPolynomials(fn(&mut Vec<Gram>), f32);

    impl Polynomials for FaultyPolynomials {
        fn grams(&mut self, cells: &Cells, y: &[f32], target: &[f32]) -> Result<Vec<Gram>> {
            let mut out = CpuPolynomials.grams(cells, y, target)?;
            self.0(&mut out);
            Ok(out)
        }
        fn reverse(&mut self, step: &Step, y: &mut [f32]) -> Result<()> {
            CpuPolynomials.reverse(&Step { pull: step.pull + self.1, ..*step }, y)
        }
    }

    #[test]
    fn good_polynomials_pass_and_faults_are_caught() {
        let check = |own: &mut dyn Polynomials| check_polynomials(&Cpu::new(), own);
        check(&mut CpuPolynomials).unwrap();
        check(&mut FaultyPolynomials(|_| (), 0.0)).unwrap();
        let faults: [fn(&mut Vec<Gram>); 3] =
            [|g| g[1].n += 1, |g| g[0].moment[2] = f64::NAN, |g| g[2].gram.iter_mut().for_each(|v| *v *= 1.01)];
        for fault in faults {
            assert!(matches!(check(&mut FaultyPolynomials(fault, 0.0)), Err(Error::SelfCheck { .. })));
        }
        assert!(matches!(check(&mut FaultyPolynomials(|_| (), 0.01)), Err(Error::SelfCheck { .. })));
    }

    /// The CPU with a fault in its evaluation, and if asked with other draws for forward problems.
    struct Faulty(fn(&mut Evaluation), bool);

    impl Backend for Faulty {
        fn describe(&self) -> Description {
            Cpu::new().describe()
        }
        fn evaluate(&mut self, mixture: &crate::mixture::Mixture, points: Points, responsibilities: bool) -> Result<Evaluation> {
            let mut out = Cpu::new().evaluate(mixture, points, responsibilities)?;
            self.0(&mut out);
            Ok(out)
        }
        fn polynomials(&self) -> Box<dyn Polynomials> {
            Cpu::new().polynomials()
        }
        fn open(&mut self, problem: &UnitProblem) -> Result<Box<dyn Session>> {
            let mut wrong = problem.clone();
            wrong.seed += u64::from(self.1 && problem.form == Form::Forward);
            Cpu::new().open(&wrong)
        }
    }

    #[test]
    fn good_devices_pass_and_faults_are_caught() {
        self_check(&mut Cpu::new()).unwrap();
        self_check(&mut Reference).unwrap();
        let faults: [fn(&mut Evaluation); 4] =
            [|e| e.score[3] *= 1.01, |e| e.log_density.swap(0, 1), |e| e.responsibilities[2] = f64::NAN, |e| e.score[0] = f64::NAN];
        for fault in faults {
            assert!(matches!(self_check(&mut Faulty(fault, false)), Err(Error::SelfCheck { .. })));
        }
        self_check(&mut Faulty(|_| (), false)).unwrap();
        assert!(matches!(self_check(&mut Faulty(|_| (), true)), Err(Error::SelfCheck { .. })));
    }
}
