//! Everything that a device computes about a case.

use mixscore::backend::Polynomials;
use mixscore::backend::{Description, Evaluation, GradientSums, MeasureSums, Points, Rule, UnitProblem};
use mixscore::objective::Side;
use mixscore::{Backend, Divergences, Gradient, Result, Session};

use super::draw::Case;

/// What a device says of a case.
pub(crate) struct Findings {
    pub evaluation: Evaluation,
    /// Of each replicate.
    pub gradients: Vec<Gradient>,
    /// Of a row of the gradient, from components that were left out.
    pub certified_bias: f64,
    pub divergences: Vec<Divergences>,
    /// (R, k, d): from where and to where a descent goes.
    pub start: Vec<f64>,
    pub end: Vec<f64>,
}

/// All of it, on a device whose problem is first changed by `fault`.
pub(crate) fn find(case: &Case, device: &mut dyn Backend, fault: fn(&mut UnitProblem)) -> Result<Findings> {
    let evaluation = device.evaluate(&(&case.teachers[0]).into(), (&case.points).into(), true)?;
    let mut fit = case.problem.open_each(&mut Single { device, fault }, &case.starts, &case.teachers)?;
    let start = fit.means()?;
    let certified_bias = fit.certified_bias()?;
    let gradients = fit.gradient(case.step)?;
    let divergences = fit.measure(case.n_measured, case.step)?;
    fit.descend(case.step, case.n_steps, &case.rule())?;
    Ok(Findings { evaluation, gradients, certified_bias, divergences, start, end: fit.means()? })
}

/// A device that is told means in single precision, as GPUs keep them: so all have the same, and nothing is left to tell them apart but
/// how they compute.
struct Single<'a> {
    device: &'a mut dyn Backend,
    fault: fn(&mut UnitProblem),
}

struct SingleSession(Box<dyn Session>);

fn rounded(means: &[f64]) -> Vec<f64> {
    means.iter().map(|m| f64::from(*m as f32)).collect()
}

impl Backend for Single<'_> {
    fn describe(&self) -> Description {
        self.device.describe()
    }

    fn evaluate(&mut self, mixture: &mixscore::mixture::Mixture, points: Points, responsibilities: bool) -> Result<Evaluation> {
        self.device.evaluate(mixture, points, responsibilities)
    }

    fn polynomials(&self) -> Box<dyn Polynomials> {
        self.device.polynomials()
    }

    fn open(&mut self, problem: &UnitProblem) -> Result<Box<dyn Session>> {
        let mut problem = UnitProblem { teacher_means: rounded(&problem.teacher_means), ..problem.clone() };
        (self.fault)(&mut problem);
        Ok(Box::new(SingleSession(self.device.open(&problem)?)))
    }
}

impl Session for SingleSession {
    fn set(&mut self, parameters: &[f64]) -> Result<()> {
        self.0.set(&rounded(parameters))
    }

    fn parameters(&mut self) -> Result<Vec<f64>> {
        self.0.parameters()
    }

    fn gradient(&mut self, step: u64) -> Result<GradientSums> {
        self.0.gradient(step)
    }

    fn descend(&mut self, first_step: u64, n_steps: u64, rule: &Rule) -> Result<()> {
        self.0.descend(first_step, n_steps, rule)
    }

    fn certified_bias(&mut self) -> Result<f64> {
        self.0.certified_bias()
    }

    fn measure(&mut self, from: Side, strata: Option<&[u32]>, n_samples: usize, step: u64) -> Result<MeasureSums> {
        self.0.measure(from, strata, n_samples, step)
    }
}
