//! A problem open on a device: gradients, descent and metrics in users' coordinates and units.

use rand::RngExt;
use rayon::prelude::*;

use crate::backend::{MeasureSums, Rule, Session, UnitProblem};
use crate::error::{Error, Result};
use crate::objective::divergence::{Sampler, Side};
use crate::objective::form::Draws;
use crate::objective::grid::nodes_for_exactness;
use crate::objective::groups::{Estimate, Groups};
use crate::problem::MOST_SAMPLES;
use crate::problem::rare::{self, RareDraws};
use crate::problem::reduction::{LeftOut, Subspace};
use crate::random::categorical::Categorical;
use crate::random::streams::{Purpose, stream};

/// ∂L/∂μ and L at one replicate's means.
#[derive(Debug, Clone)]
pub struct Gradient {
    /// (k, d)
    pub gradient: Vec<f64>,
    /// (k, d), of the estimate from its own samples; zero for a grid.
    pub standard_error: Vec<f64>,
    /// L from the same samples and neighbours. (The certified bias is that of the rows, not of L.)
    pub divergence: Estimate,
    /// The number of groups of samples, whose spread gives the standard errors; 1 for a grid, which has none.
    pub n_groups: usize,
    /// Whether the gradient or L rests on a few rare draws.
    pub rare: RareDraws,
}

/// Estimates of how far a student is from its teacher, by sampling both mixtures.
#[derive(Debug, Clone, Copy)]
pub struct Divergences {
    pub reverse_fisher: Estimate,
    pub forward_fisher: Estimate,
    /// KL(student ‖ teacher), in nats.
    pub kl_student_teacher: Estimate,
    /// KL(teacher ‖ student), in nats.
    pub kl_teacher_student: Estimate,
    pub total_variation: Estimate,
    /// Whether a Fisher divergence rests on a few rare draws.
    pub rare: RareDraws,
}

/// A problem open on a device.
pub struct Fit {
    pub(super) session: Box<dyn Session>,
    pub(super) subspaces: Vec<Subspace>,
    pub(super) unit: UnitProblem,
    /// √(σ² + t): the unit of the device's coordinates.
    pub(super) scale: f64,
    /// For each replicate, the largest distance of a student's start from the teacher's centroid, in units of `scale`.
    pub(super) begun: Vec<f64>,
    /// Whether gaps between far groups of means are shortened for a descent, which then checks whether they still suit.
    pub(super) follows_gaps: bool,
}

impl Fit {
    /// R.
    pub fn n_replicates(&self) -> usize {
        self.unit.n_replicates
    }

    /// The sampler in use: `auto` is resolved.
    pub fn sampler(&self) -> Sampler {
        self.unit.draws.sampler()
    }

    /// The name of the gradient's estimator: `auto` is resolved.
    pub fn estimator(&self) -> &'static str {
        self.unit.form.name()
    }

    /// k.
    pub fn n_components(&self) -> usize {
        self.unit.n_components()
    }

    /// ϱ, the number of coordinates that the device works in.
    pub fn rank(&self) -> usize {
        self.unit.rank
    }

    /// The largest part of the means, over replicates, that the coordinates drop as rounding.
    pub fn left_out(&self) -> LeftOut {
        self.subspaces.iter().map(Subspace::left_out).fold(LeftOut::default(), |a, b| if b.largest >= a.largest { b } else { a })
    }

    /// The length of one unit of the device's coordinates: √(σ² + t).
    pub fn unit(&self) -> f64 {
        self.scale
    }

    /// The student's means, shape (R, k, d).
    pub fn means(&mut self) -> Result<Vec<f64>> {
        let coordinates = self.session.parameters()?;
        self.lift(&coordinates)
    }

    /// Means (R, k, d) from coordinates (R, k, ϱ).
    ///
    /// # Errors
    /// [`Error::BadInput`] for a wrong number of coordinates.
    pub fn lift(&self, coordinates: &[f64]) -> Result<Vec<f64>> {
        self.check_coordinates(coordinates)?;
        let row = self.unit.n_components() * self.unit.rank;
        Ok(self.subspaces.iter().zip(coordinates.chunks_exact(row)).flat_map(|(s, y)| s.lift(y)).collect())
    }

    fn check_coordinates(&self, coordinates: &[f64]) -> Result<()> {
        let (r, k, rank) = (self.n_replicates(), self.n_components(), self.rank());
        if coordinates.len() == r * k * rank {
            return Ok(());
        }
        Err(Error::bad_input(
            format!("{} coordinates for {r} replicates of {k} means in {rank} coordinates, which are {}", coordinates.len(), r * k * rank),
            "Give what Fit::coordinates gave, shape (R, k, ϱ)",
        ))
    }

    /// The device's own coordinates of the means (R, k, ϱ). A checkpoint keeps these, because they restore every bit.
    pub fn coordinates(&mut self) -> Result<Vec<f64>> {
        self.session.parameters()
    }

    /// Sets the student to coordinates from [`Fit::coordinates`].
    ///
    /// # Errors
    /// [`Error::BadInput`] for a wrong number of them, or one that is not finite; the device's.
    pub fn set_coordinates(&mut self, coordinates: &[f64]) -> Result<()> {
        self.check_coordinates(coordinates)?;
        if let Some(at) = coordinates.iter().position(|y| !y.is_finite()) {
            return Err(Error::bad_input(
                format!("coordinate {at} of {} is {}", coordinates.len(), coordinates[at]),
                "Give finite numbers",
            ));
        }
        self.session.set(coordinates)
    }

    /// Gradient and divergence of each replicate at the current means, from the draws of `step`.
    pub fn gradient(&mut self, step: u64) -> Result<Vec<Gradient>> {
        let sums = self.session.gradient(step)?;
        let weights = self.unit.weights(self.unit.strata());
        let n_groups = sums.groups[0].n_groups;
        let (row, strata) = (n_groups * self.unit.n_components() * self.unit.rank, weights.len() * n_groups);
        Ok((0..self.n_replicates())
            .map(|r| {
                let (gradient, standard_error) =
                    lift_groups(&self.subspaces[r], self.scale.powi(-3), &sums.groups[r], &sums.group_gradients[r * row..(r + 1) * row]);
                let half_square = &sums.half_square[r * strata..(r + 1) * strata];
                let divergence = stratified(weights, &sums.groups[r], half_square);
                let rare = rare::of_gradient(&sums.groups[r], &sums.group_gradients[r * row..(r + 1) * row]).worse(rare::of_mean(
                    weights,
                    &sums.groups[r],
                    half_square,
                ));
                Gradient { gradient, standard_error, divergence: divergence.scaled(self.scale.powi(-2)), n_groups, rare }
            })
            .collect())
    }

    /// The largest certified bias of a row of ∂L/∂μ at the current means, from components that steps leave out (Euclidean norm).
    pub fn certified_bias(&mut self) -> Result<f64> {
        Ok(self.session.certified_bias()? * self.scale.powi(-3))
    }

    /// A warning if the grid is capped below what an error of 1e-10 needs at the current means: its standard error of zero does not show
    /// that error.
    pub fn coarse_grid(&mut self) -> Result<Option<String>> {
        let Draws::Grid(Some(cap)) = self.unit.draws else { return Ok(None) };
        let (means, rank) = (self.session.parameters()?, self.unit.rank);
        let rows = means.chunks_exact(self.unit.n_components() * rank);
        let teachers = self.unit.teacher_means.chunks_exact(self.unit.n_teacher_components() * rank);
        let needed = rows
            .zip(teachers)
            .map(|(p, q)| {
                let centres = if self.unit.strata() == Side::Student { p } else { q };
                nodes_for_exactness(rank, centres, [(&self.unit.student_weights, p), (&self.unit.teacher_weights, q)])
            })
            .fold(0.0, f64::max);
        Ok((cap as f64 + 0.5 < needed).then(|| {
            format!("the grid is capped at {cap} nodes per component where 1e-10 takes {needed}: its error is not in the standard errors")
        }))
    }

    /// `n_steps` of gradient descent from `first_step` on, by `rule` in users' units.
    ///
    /// # Errors
    /// [`Error::BadInput`] for a step size that is not positive and finite; the device's.
    pub fn descend(&mut self, first_step: u64, n_steps: u64, rule: &Rule) -> Result<()> {
        if !(rule.step_size.is_finite() && rule.step_size > 0.0) {
            return Err(Error::bad_input(
                format!("the step size is {}", rule.step_size),
                "Give a positive number; 0.5 to 1 is safe by weight",
            ));
        }
        self.session.descend(first_step, n_steps, &Rule { unit: self.scale, ..*rule })
    }

    /// The divergences of each replicate, from `n_samples` points per component of each side, drawn for `step`. If a side has too many
    /// components for that, some are drawn by weight, provided that the device can leave the others out.
    ///
    /// # Errors
    /// [`Error::BadInput`] for fewer than two samples, which have no standard error, or more than there are addresses for; the device's.
    pub fn measure(&mut self, n_samples: usize, step: u64) -> Result<Vec<Divergences>> {
        if !(2..=MOST_SAMPLES).contains(&n_samples) {
            return Err(Error::bad_input(
                format!("{n_samples} samples per component to measure by"),
                format!("Give 2 to {MOST_SAMPLES}: one has no standard error"),
            ));
        }
        let student = self.side(Side::Student, n_samples, step)?;
        let teacher = self.side(Side::Teacher, n_samples, step)?;
        let units = self.scale.powi(-2);
        Ok((0..self.n_replicates())
            .map(|r| {
                let of_student = student.mean(r, |sums| &sums.log_ratio);
                let of_teacher = teacher.mean(r, |sums| &sums.log_ratio);
                let excess = [&student, &teacher].map(|side| side.mean(r, |sums| &sums.excess));
                // On most machines (·)₊ of NaN is 0, so if the densities overflowed, total variation is set to NaN.
                let known = if (of_student.value + of_teacher.value).is_finite() { 1.0 } else { f64::NAN };
                Divergences {
                    reverse_fisher: student.mean(r, |sums| &sums.half_square).scaled(units),
                    forward_fisher: teacher.mean(r, |sums| &sums.half_square).scaled(units),
                    kl_student_teacher: of_student,
                    kl_teacher_student: of_teacher.scaled(-1.0),
                    // Both are unbiased and independent, so their average is never worse than the worse one.
                    total_variation: Estimate::combine(excess.map(|e| (0.5 * known, e))),
                    rare: student.rare(r).worse(teacher.rare(r)),
                }
            })
            .collect())
    }

    /// A note if a side has so many components that only some of them are measured.
    pub fn drawn_strata(&self) -> Option<String> {
        let sides = [(Side::Teacher, "teacher"), (Side::Student, "student")].into_iter().filter(|(side, _)| self.is_drawn(*side));
        let told: Vec<String> = sides
            .map(|(side, name)| {
                let n = self.unit.weights(side).len();
                format!("the {name} has {n} components: its side of every measure is from {} of them, drawn anew each time", n_drawn(n))
            })
            .collect();
        (!told.is_empty()).then(|| told.join("; "))
    }

    /// Whether a side has too many components to measure all.
    fn is_drawn(&self, side: Side) -> bool {
        let (n, both) = (self.unit.weights(side).len(), self.unit.n_components() + self.unit.n_teacher_components());
        n > MOST_STRATA || n > FEW_STRATA && n * both * self.unit.rank > MOST_COORDINATES
    }

    /// Measures one side: all of its strata, or some drawn by weight.
    fn side(&mut self, side: Side, n_samples: usize, step: u64) -> Result<Measured> {
        let weights = self.unit.weights(side).to_vec();
        if self.is_drawn(side) {
            let drawn = drawn_by_weight(&weights, side, self.unit.seed, step);
            let sums = self.session.measure(side, Some(&drawn), n_samples.div_ceil(FEWER_SAMPLES), step)?;
            return Ok(Measured { sums, weights: None, n_strata: drawn.len() });
        }
        let sums = self.session.measure(side, None, n_samples, step)?;
        Ok(Measured { sums, n_strata: weights.len(), weights: Some(weights) })
    }
}

/// A side with more components than this is not measured whole (a teacher may be the points of a file), because every sample costs the
/// logits of all components.
const MOST_STRATA: usize = 4096;

/// Sides with more components than this are not measured whole either, if the samples would visit more coordinates of means than this.
const FEW_STRATA: usize = 256;
const MOST_COORDINATES: usize = 1 << 34;

/// The most components that are drawn, and the factor by which each then gets fewer samples.
const SOME_STRATA: usize = 1024;
const FEWER_SAMPLES: usize = 64;

/// The measured sums of one side's strata.
struct Measured {
    sums: MeasureSums,
    /// The weights of all strata; `None` if the strata were drawn by weight.
    weights: Option<Vec<f64>>,
    n_strata: usize,
}

impl Measured {
    /// Whether ½|a|² rests on a few draws; unknown for strata that were drawn.
    fn rare(&self, replicate: usize) -> RareDraws {
        let Groups { n_groups, group_size, .. } = self.sums.groups;
        let Some(weights) = &self.weights else { return RareDraws::Unknown { n_groups, group_size } };
        let row = self.n_strata * n_groups;
        let values = &self.sums.half_square[replicate * row..(replicate + 1) * row];
        rare::of_mean(weights, &self.sums.groups, values)
    }

    /// The mean of one statistic over the side in a replicate.
    fn mean(&self, replicate: usize, pick: fn(&MeasureSums) -> &Vec<f64>) -> Estimate {
        let row = self.n_strata * self.sums.groups.n_groups;
        let values = &pick(&self.sums)[replicate * row..(replicate + 1) * row];
        match &self.weights {
            Some(weights) => stratified(weights, &self.sums.groups, values),
            None => {
                // Every stratum's mean is its own group: the spread of these groups covers the variation within and between strata.
                let groups = &self.sums.groups;
                let mean = |values: &[f64]| (0..groups.n_groups).map(|g| groups.fraction(g) * values[g]).sum::<f64>();
                let means: Vec<f64> = values.chunks_exact(groups.n_groups).map(mean).collect();
                Estimate::from_groups(&Groups { n_samples: means.len(), n_groups: means.len(), group_size: 1 }, |g| means[g])
            }
        }
    }
}

fn n_drawn(n: usize) -> usize {
    (n / 16).min(SOME_STRATA)
}

/// Strata drawn with their weights as probabilities; heavy ones may be drawn several times.
fn drawn_by_weight(weights: &[f64], side: Side, seed: u64, step: u64) -> Vec<u32> {
    let purpose = if side == Side::Student { Purpose::MeasureStudent } else { Purpose::MeasureTeacher };
    let mut rng = stream(seed, purpose, u32::MAX, step as u32);
    let strata = Categorical::of_weights(weights);
    (0..n_drawn(weights.len())).map(|_| strata.at(rng.random()) as u32).collect()
}

/// Σ wᵢ·(mean of stratum i) with its standard error, from group means (C, G).
fn stratified(weights: &[f64], groups: &Groups, group_means: &[f64]) -> Estimate {
    Estimate::combine(
        weights.iter().zip(group_means.chunks_exact(groups.n_groups)).map(|(w, means)| (*w, Estimate::from_groups(groups, |g| means[g]))),
    )
}

/// ∂L/∂μ (k, d) and its standard errors from the groups' gradients (G, k, ϱ). The deviations of the groups are lifted, because standard
/// errors of rotated coordinates need their covariance.
fn lift_groups(subspace: &Subspace, factor: f64, groups: &Groups, group_gradients: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let rank = subspace.rank();
    let k = group_gradients.len() / (groups.n_groups * rank);
    let rows: Vec<(Vec<f64>, Vec<f64>)> = (0..k)
        .into_par_iter()
        .map(|i| {
            let of_group = |g: usize| &group_gradients[(g * k + i) * rank..][..rank];
            let mean: Vec<f64> = (0..rank).map(|c| (0..groups.n_groups).map(|g| groups.fraction(g) * of_group(g)[c]).sum()).collect();
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
