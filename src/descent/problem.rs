//! A problem in users' coordinates, opened on a backend: the translation between (R, k, d) means and what the device holds.

use rayon::prelude::*;

use crate::backend::{Backend, MeasureSums, Session, UnitProblem};
use crate::error::{Error, Result};
use crate::mixture::{self, GaussianMixture};
use crate::objective::divergence::{Divergence, Estimator, Sampler, Side, Storage};
use crate::objective::groups::{Estimate, Groups};
use crate::objective::subspace::Subspace;

/// Samples of a stratum at the most: their indices, rounded up to whole groups, stay within 32 bits.
const MOST_SAMPLES: usize = 1 << 31;

/// Everything that defines L and how its gradient is estimated. The student's means are not part of it: they move.
#[derive(Debug, Clone)]
pub struct Problem {
    /// w, shape (k).
    pub student_weights: Vec<f64>,
    /// The target; its variance is the student's too.
    pub teacher: GaussianMixture,
    pub divergence: Divergence,
    pub estimator: Estimator,
    pub sampler: Sampler,
    /// Samples per stratum; `None` only for the grid.
    pub n_samples: Option<usize>,
    /// Heat-flow time t ≥ 0, added to both variances.
    pub noise: f64,
    /// Work in the subspace of the means (exact; math.md §7).
    pub reduce: bool,
    pub storage: Storage,
    pub seed: u64,
    /// The index of the first replicate, so that a part of a run draws as that part.
    pub first_replicate: u32,
}

/// ∂L/∂μ and L at one replicate's means.
#[derive(Debug, Clone)]
pub struct Gradient {
    /// (k, d)
    pub gradient: Vec<f64>,
    /// (k, d), of the estimate from its own samples; zero for a grid.
    pub standard_error: Vec<f64>,
    /// L by the same samples.
    pub divergence: Estimate,
    /// Groups of samples whose spread the standard errors come from; 1 for a grid, which has none.
    pub n_groups: usize,
}

/// What can be said about a student by sampling both mixtures.
#[derive(Debug, Clone, Copy)]
pub struct Divergences {
    pub reverse_fisher: Estimate,
    pub forward_fisher: Estimate,
    /// KL(student ‖ teacher), in nats.
    pub kl_student_teacher: Estimate,
    /// KL(teacher ‖ student), in nats.
    pub kl_teacher_student: Estimate,
    pub total_variation: Estimate,
}

impl Problem {
    /// The reverse divergence to `teacher` with the engine's choices and 4096 samples per component.
    pub fn new(student_weights: Vec<f64>, teacher: GaussianMixture) -> Self {
        Self {
            student_weights,
            teacher,
            divergence: Divergence::Reverse,
            estimator: Estimator::Auto,
            sampler: Sampler::Auto,
            n_samples: Some(4096),
            noise: 0.0,
            reduce: true,
            storage: Storage::F32,
            seed: 0,
            first_replicate: 0,
        }
    }

    /// Opens the problem with the student's means at `starts` (R, k, d).
    ///
    /// # Errors
    /// [`Error::BadInput`] where numbers make no problem; the device's errors.
    pub fn open(&self, backend: &mut dyn Backend, starts: &[f64]) -> Result<Fit> {
        let (k, d) = (self.student_weights.len(), self.teacher.n_features());
        self.validate(starts)?;
        let scale = (self.teacher.variance() + self.noise).sqrt();
        let subspaces: Vec<Subspace> = starts
            .chunks_exact(k * d)
            .map(|start| if self.reduce { Subspace::of_means(&self.teacher, start, scale) } else { Subspace::full(&self.teacher, scale) })
            .collect();
        let unit = self.unit_problem(&subspaces)?;
        let coordinates: Vec<f64> = subspaces.iter().zip(starts.chunks_exact(k * d)).flat_map(|(s, start)| s.reduce(start)).collect();
        let mut session = backend.open(&unit)?;
        session.set_means(&coordinates)?;
        Ok(Fit { session, subspaces, unit, scale })
    }

    /// Refuses numbers that make no problem; [`Problem::open`] asks this itself.
    ///
    /// # Errors
    /// [`Error::BadInput`].
    pub fn validate(&self, starts: &[f64]) -> Result<()> {
        let (k, d) = (self.student_weights.len(), self.teacher.n_features());
        let row = k * d;
        if row == 0 || starts.is_empty() || !starts.len().is_multiple_of(row) {
            return Err(Error::bad_input(
                format!("{} numbers do not make starts of {k} means in {d} dimensions", starts.len()),
                "Give student and teacher the same number of dimensions",
            ));
        }
        if let Some(at) = starts.iter().position(|v| !v.is_finite()) {
            return Err(Error::bad_input(
                format!("the start of replicate {}, component {}, coordinate {} is {}", at / row, at % row / d, at % d, starts[at]),
                "Give finite numbers",
            ));
        }
        if !(self.noise.is_finite() && self.noise >= 0.0) {
            return Err(Error::bad_input(format!("noise is {}", self.noise), "Give a finite time that is not negative"));
        }
        mixture::normalised(self.student_weights.clone())?;
        self.check_samples()
    }

    fn check_samples(&self) -> Result<()> {
        let least = if self.sampler == Sampler::Antithetic { 4 } else { 2 };
        match (self.sampler, self.n_samples) {
            (Sampler::Sobol, _) => Err(Error::bad_input("the sobol sampler is not available yet", "Use antithetic, philox or grid")),
            (Sampler::Grid, None) => Ok(()),
            (_, None) => Err(Error::bad_input("the number of samples is missing", "Give --samples N, or --sampler grid")),
            (_, Some(n)) if n > MOST_SAMPLES => Err(Error::bad_input(
                format!("{n} samples per component are more than the {MOST_SAMPLES} that random numbers have addresses for"),
                "Use fewer, and more steps",
            )),
            (Sampler::Antithetic, Some(n)) if n % 2 == 1 => {
                Err(Error::bad_input(format!("{n} antithetic samples do not make pairs"), "Use an even number"))
            }
            (_, Some(n)) if n < least => {
                Err(Error::bad_input(format!("{n} samples per component have no standard error"), format!("Use at least {least}")))
            }
            _ => Ok(()),
        }
    }

    fn unit_problem(&self, subspaces: &[Subspace]) -> Result<UnitProblem> {
        Ok(UnitProblem {
            n_replicates: subspaces.len(),
            first_replicate: self.first_replicate,
            rank: subspaces[0].rank(),
            student_weights: mixture::normalised(self.student_weights.clone())?,
            teacher_weights: self.teacher.weights().to_vec(),
            teacher_means: subspaces.iter().flat_map(|s| s.reduce(self.teacher.means())).collect(),
            divergence: self.divergence,
            estimator: self.estimator.resolved(),
            sampler: self.sampler.resolved(),
            n_samples: self.n_samples,
            storage: self.storage,
            seed: self.seed,
        })
    }
}

/// A problem open on a device.
pub struct Fit {
    session: Box<dyn Session>,
    subspaces: Vec<Subspace>,
    unit: UnitProblem,
    scale: f64,
}

impl Fit {
    /// R.
    pub fn n_replicates(&self) -> usize {
        self.unit.n_replicates
    }

    /// ϱ, the number of coordinates that the device works in.
    pub fn rank(&self) -> usize {
        self.unit.rank
    }

    /// The student's means, shape (R, k, d).
    ///
    /// # Errors
    /// The device's.
    pub fn means(&mut self) -> Result<Vec<f64>> {
        let coordinates = self.session.means()?;
        Ok(self.lift(&coordinates))
    }

    /// Means (R, k, d) of coordinates (R, k, ϱ).
    pub fn lift(&self, coordinates: &[f64]) -> Vec<f64> {
        let row = self.unit.n_components() * self.unit.rank;
        self.subspaces.iter().zip(coordinates.chunks_exact(row)).flat_map(|(s, y)| s.lift(y)).collect()
    }

    /// The device's own coordinates of the means (R, k, ϱ): what a checkpoint keeps, because they restore every bit.
    ///
    /// # Errors
    /// The device's.
    pub fn coordinates(&mut self) -> Result<Vec<f64>> {
        self.session.means()
    }

    /// Puts the student back at [`Fit::coordinates`].
    ///
    /// # Errors
    /// The device's.
    pub fn set_coordinates(&mut self, coordinates: &[f64]) -> Result<()> {
        self.session.set_means(coordinates)
    }

    /// Gradient and divergence of each replicate at the current means, from the draws of `step`.
    ///
    /// # Errors
    /// The device's.
    pub fn gradient(&mut self, step: u64) -> Result<Vec<Gradient>> {
        let sums = self.session.gradient(step)?;
        let weights = self.unit.weights(self.unit.strata());
        let n_groups = sums.groups[0].n_groups;
        let (row, strata) = (n_groups * self.unit.n_components() * self.unit.rank, weights.len() * n_groups);
        Ok((0..self.n_replicates())
            .map(|r| {
                let (gradient, standard_error) =
                    lift_groups(&self.subspaces[r], self.scale.powi(-3), &sums.groups[r], &sums.group_gradients[r * row..(r + 1) * row]);
                let divergence = stratified(weights, &sums.groups[r], &sums.half_square[r * strata..(r + 1) * strata]);
                Gradient { gradient, standard_error, divergence: divergence.scaled(self.scale.powi(-2)), n_groups }
            })
            .collect())
    }

    /// `n_steps` of gradient descent from `first_step` on; `rates` (k) multiply ∂L/∂μ in users' units.
    ///
    /// # Errors
    /// The device's.
    pub fn descend(&mut self, first_step: u64, n_steps: u64, rates: &[f64]) -> Result<()> {
        // y = μ/s and ∂L/∂μ = (∂L/∂y in unit coordinates)/s³.
        let unit_rates: Vec<f64> = rates.iter().map(|rate| rate / self.scale.powi(4)).collect();
        self.session.descend(first_step, n_steps, &unit_rates)
    }

    /// The divergences of each replicate, from `n_samples` points per component of each side, drawn for `step`.
    ///
    /// # Errors
    /// The device's.
    pub fn measure(&mut self, n_samples: usize, step: u64) -> Result<Vec<Divergences>> {
        let student = self.session.measure(Side::Student, n_samples, step)?;
        let teacher = self.session.measure(Side::Teacher, n_samples, step)?;
        let units = self.scale.powi(-2);
        Ok((0..self.n_replicates())
            .map(|r| {
                let mean = |side: Side, sums: &MeasureSums, values: &[f64]| {
                    let weights = self.unit.weights(side);
                    let row = weights.len() * sums.groups.n_groups;
                    stratified(weights, &sums.groups, &values[r * row..(r + 1) * row])
                };
                let of_student = mean(Side::Student, &student, &student.log_ratio);
                let of_teacher = mean(Side::Teacher, &teacher, &teacher.log_ratio);
                let excess = [mean(Side::Student, &student, &student.excess), mean(Side::Teacher, &teacher, &teacher.excess)];
                // (·)₊ of NaN is 0 on most machines: where the densities overflowed, total variation is not known either.
                let known = if (of_student.value + of_teacher.value).is_finite() { 1.0 } else { f64::NAN };
                Divergences {
                    reverse_fisher: mean(Side::Student, &student, &student.half_square).scaled(units),
                    forward_fisher: mean(Side::Teacher, &teacher, &teacher.half_square).scaled(units),
                    kl_student_teacher: of_student,
                    kl_teacher_student: of_teacher.scaled(-1.0),
                    // Both are unbiased and independent; their average is never worse than the worse one.
                    total_variation: Estimate::combine(excess.map(|e| (0.5 * known, e))),
                }
            })
            .collect())
    }
}

/// Σ wᵢ·(mean of stratum i) with its standard error, from group means (C, G).
fn stratified(weights: &[f64], groups: &Groups, group_means: &[f64]) -> Estimate {
    Estimate::combine(
        weights.iter().zip(group_means.chunks_exact(groups.n_groups)).map(|(w, means)| (*w, Estimate::from_groups(groups, |g| means[g]))),
    )
}

/// ∂L/∂μ (k, d) and its standard errors from what each group saw (G, k, ϱ): the groups' deviations are lifted, because
/// standard errors of rotated coordinates need their covariance.
fn lift_groups(subspace: &Subspace, factor: f64, groups: &Groups, group_gradients: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let rank = subspace.rank();
    let k = group_gradients.len() / (groups.n_groups * rank);
    let rows: Vec<(Vec<f64>, Vec<f64>)> = (0..k)
        .into_par_iter()
        .map(|i| {
            let of_group = |g: usize| &group_gradients[(g * k + i) * rank..][..rank];
            let mean: Vec<f64> = (0..rank).map(|c| (0..groups.n_groups).map(|g| groups.share(g) * of_group(g)[c]).sum()).collect();
            let deviations: Vec<f64> = (0..groups.n_groups)
                .flat_map(|g| of_group(g).iter().zip(&mean).map(move |(y, mean)| groups.deviation_scale(g) * (y - mean)))
                .collect();
            let gradient = subspace.lift_vectors(&mean, factor);
            let mut variance = vec![0.0; gradient.len()];
            for deviation in subspace.lift_vectors(&deviations, factor).chunks_exact(gradient.len()) {
                variance.iter_mut().zip(deviation).for_each(|(v, y)| *v += y * y);
            }
            (gradient, variance.iter().map(|v| v.sqrt()).collect())
        })
        .collect();
    (rows.iter().flat_map(|row| row.0.iter().copied()).collect(), rows.iter().flat_map(|row| row.1.iter().copied()).collect())
}
