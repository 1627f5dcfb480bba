//! A problem in users' coordinates: the definition of L and its estimator, checked and opened on a device.

pub(crate) mod fit;
mod frame;
pub(crate) mod gaps;
pub(crate) mod general;
mod rank;
pub(crate) mod rare;
pub(crate) mod reduction;
pub(crate) mod scales;

pub use fit::{Divergences, Fit, Gradient};
pub use general::{GeneralGradient, GeneralProblem};
pub use rare::{Rare, RareDraws};
pub use reduction::{LeftOut, Subspace};

use crate::backend::{Backend, Interrupt, UnitProblem};
use crate::error::{Error, Result};
use crate::mixture::{self, GaussianMixture};
use crate::objective::divergence::{Divergence, Estimator, Sampler, Storage};
use crate::objective::estimator::MOST_SOBOL_RANK;
use crate::objective::form::{Draws, Form};
use crate::objective::groups::Groups;
use crate::objective::neighbours::Neighbours;
use gaps::{Gaps, Margin};

/// Written to every run and cell; raised when the same draws give other bits on some device. 2: ϱ is the rank of the means. 3: descents
/// shorten gaps between far groups of means.
pub const NUMERICS_VERSION: u32 = 3;

/// The fewest points of a Sobol net with which `auto` uses them.
const LEAST_NET: usize = 8;

/// The most samples of a stratum: their indices, rounded up to whole groups, fit 32 bits.
const MOST_SAMPLES: usize = 1 << 31;

/// The definition of L and of the estimator of its gradient. The student's means are not part of it, because they move.
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
    /// Work in the subspace of the means (exact; [`crate::math`]).
    pub reduce: bool,
    pub storage: Storage,
    /// The bias that leaving out components may cause.
    pub neighbours: Neighbours,
    pub seed: u64,
    /// The index of the first replicate, so that a part of a run uses the draws of that part.
    pub first_replicate: u32,
    /// Stops gradients and measurements once it is set; a descent checks its own flag between steps.
    pub interrupt: Interrupt,
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
            neighbours: Neighbours::Auto,
            seed: 0,
            first_replicate: 0,
            interrupt: Interrupt::none(),
        }
    }

    /// Opens the problem with the student's means at `starts` (R, k, d).
    ///
    /// # Errors
    /// [`Error::BadInput`] if [`Problem::validate`] refuses it; the device's errors.
    pub fn open(&self, backend: &mut dyn Backend, starts: &[f64]) -> Result<Fit> {
        self.validate(starts)?;
        let row = self.student_weights.len() * self.teacher.n_features();
        let mut subspaces = self.subspaces(starts, std::slice::from_ref(&self.teacher), self.scale());
        for (subspace, start) in subspaces.iter_mut().zip(starts.chunks_exact(row)) {
            subspace.shorten_gaps(&self.teacher, start);
        }
        self.open_in(backend, starts, std::slice::from_ref(&self.teacher), subspaces)
    }

    /// As [`Problem::open`], with a teacher for each replicate if `teachers` are R: like `teacher` in all but the means. Gaps between far
    /// groups of means keep their length, so that the coordinates of the same problem under another noise differ by a factor only.
    pub fn open_each(&self, backend: &mut dyn Backend, starts: &[f64], teachers: &[GaussianMixture]) -> Result<Fit> {
        self.validate(starts)?;
        self.check_teachers(starts, teachers)?;
        self.open_in(backend, starts, teachers, self.subspaces(starts, teachers, self.scale()))
    }

    /// As [`Problem::open_each`], for a descent under one noise: `gaps` (R) between far groups of means are shortened, or those that suit
    /// the starts if it is `None`.
    pub fn open_with_gaps(
        &self,
        backend: &mut dyn Backend,
        starts: &[f64],
        teachers: &[GaussianMixture],
        gaps: Option<&[Gaps]>,
    ) -> Result<Fit> {
        self.validate(starts)?;
        self.check_teachers(starts, teachers)?;
        let row = self.student_weights.len() * self.teacher.n_features();
        let mut subspaces = self.subspaces(starts, teachers, self.scale());
        for (r, (subspace, start)) in subspaces.iter_mut().zip(starts.chunks_exact(row)).enumerate() {
            let own = match gaps {
                Some(gaps) => gaps.get(r).cloned().unwrap_or_default(),
                None => {
                    let teacher = &teachers[r % teachers.len()];
                    subspace.gaps_of(teacher.weights(), teacher.means(), start, Margin::Wide)
                }
            };
            subspace.take_gaps(own);
        }
        Ok(Fit { follows_gaps: true, ..self.open_in(backend, starts, teachers, subspaces)? })
    }

    fn check_teachers(&self, starts: &[f64], teachers: &[GaussianMixture]) -> Result<()> {
        let replicates = starts.len() / (self.student_weights.len() * self.teacher.n_features());
        if teachers.len() != 1 && teachers.len() != replicates {
            return Err(Error::bad_input(
                format!("{} teachers for {replicates} replicates", teachers.len()),
                "Give one for all, or one for each",
            ));
        }
        let of = |t: &GaussianMixture| (t.n_components(), t.n_features());
        match teachers.iter().position(|t| of(t) != of(&self.teacher) || t.variance() != self.teacher.variance()) {
            None => Ok(()),
            Some(r) => Err(Error::bad_input(
                format!(
                    "teacher {r} has (components, dimensions) {:?} and variance {}, the problem's has {:?} and {}",
                    of(&teachers[r]),
                    teachers[r].variance(),
                    of(&self.teacher),
                    self.teacher.variance()
                ),
                "Teachers of one problem differ in their means alone",
            )),
        }
    }

    /// Opens the problem in these subspaces.
    fn open_in(&self, backend: &mut dyn Backend, starts: &[f64], teachers: &[GaussianMixture], subspaces: Vec<Subspace>) -> Result<Fit> {
        let (k, d, scale) = (self.student_weights.len(), self.teacher.n_features(), self.scale());
        let pairs = || starts.chunks_exact(k * d).zip(teachers.iter().cycle());
        let teacher_means = subspaces.iter().zip(pairs()).flat_map(|(s, (_, teacher))| s.reduce(teacher.means())).collect();
        let unit = self.unit_problem(&subspaces, teacher_means)?;
        let coordinates: Vec<f64> = subspaces.iter().zip(pairs()).flat_map(|(s, (start, _))| s.reduce(start)).collect();
        let mut session = backend.open(&unit)?;
        session.set(&coordinates)?;
        let begun = coordinates.chunks_exact(k * unit.rank).map(|start| scales::farthest(start, unit.rank)).collect();
        Ok(Fit { session, subspaces, unit, scale, begun, follows_gaps: false })
    }

    /// ϱ with the student's means at `starts` (R, k, d) and one teacher for all replicates or one for each.
    pub fn rank(&self, starts: &[f64], teachers: &[GaussianMixture]) -> usize {
        self.subspaces(starts, teachers, 1.0).first().map_or(1, Subspace::rank)
    }

    /// √(σ² + t).
    fn scale(&self) -> f64 {
        (self.teacher.variance() + self.noise).sqrt()
    }

    /// The subspace of each replicate.
    fn subspaces(&self, starts: &[f64], teachers: &[GaussianMixture], scale: f64) -> Vec<Subspace> {
        let row = self.student_weights.len() * self.teacher.n_features();
        let pairs = teachers.iter().cycle().zip(starts.chunks_exact(row));
        if self.reduce { Subspace::of_each(pairs, scale) } else { pairs.map(|(teacher, _)| Subspace::full(teacher, scale)).collect() }
    }

    /// The sampler in `rank` coordinates: `auto` is resolved. In up to [`MOST_SOBOL_RANK`] dimensions Sobol points have 1.1 to 4 times less
    /// variance than antithetic pairs if they make whole nets of at least `LEAST_NET`. Otherwise `auto` means pairs, or independent draws
    /// if the number is odd.
    pub fn chosen_sampler(&self, rank: usize) -> Sampler {
        if self.sampler != Sampler::Auto {
            return self.sampler;
        }
        let n = self.n_samples.unwrap_or(0);
        let nets = Groups::nets(n);
        match n {
            _ if rank <= MOST_SOBOL_RANK && nets.are_whole() && nets.group_size >= LEAST_NET => Sampler::Sobol,
            4.. if n.is_multiple_of(2) => Sampler::Antithetic,
            _ => Sampler::Philox,
        }
    }

    /// The form of the gradient.
    pub fn form(&self) -> Form {
        Form::of(self.divergence, self.estimator, self.sampler)
    }

    /// The points of each stratum in `rank` coordinates, for a problem that [`Problem::validate`] passes: without a grid the number of
    /// samples is known.
    fn draws(&self, rank: usize) -> Draws {
        let n = self.n_samples.unwrap_or(0);
        match self.chosen_sampler(rank) {
            Sampler::Grid => Draws::Grid(self.n_samples),
            Sampler::Sobol => Draws::Nets(n),
            Sampler::Antithetic => Draws::Antithetic(n),
            Sampler::Philox | Sampler::Auto => Draws::Independent(n),
        }
    }

    /// Refuses invalid numbers; [`Problem::open`] calls this itself.
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
        check_samples(self.sampler, self.n_samples)
    }

    /// The problem in the coordinates of the device.
    fn unit_problem(&self, subspaces: &[Subspace], teacher_means: Vec<f64>) -> Result<UnitProblem> {
        let rank = subspaces[0].rank();
        Ok(UnitProblem {
            n_replicates: subspaces.len(),
            first_replicate: self.first_replicate,
            rank,
            student_weights: mixture::normalised(self.student_weights.clone())?,
            teacher_weights: self.teacher.weights().to_vec(),
            teacher_means,
            form: self.form(),
            draws: self.draws(rank),
            storage: self.storage,
            neighbours: self.neighbours,
            seed: self.seed,
            interrupt: self.interrupt.clone(),
        })
    }
}

/// Refuses numbers of samples that this sampler cannot draw.
fn check_samples(sampler: Sampler, n_samples: Option<usize>) -> Result<()> {
    let least = match sampler {
        Sampler::Antithetic => 4,
        _ => 2,
    };
    match (sampler, n_samples) {
        (Sampler::Grid, None) => Ok(()),
        (_, None) => Err(Error::MissingSamples),
        (_, Some(n)) if n > MOST_SAMPLES => Err(Error::bad_input(
            format!("{n} samples per component are more than the {MOST_SAMPLES} that random numbers have addresses for"),
            "Use fewer, and more steps",
        )),
        (Sampler::Antithetic, Some(n)) if n % 2 == 1 => {
            Err(Error::bad_input(format!("{n} antithetic samples do not make pairs"), "Use an even number"))
        }
        (Sampler::Sobol, Some(n)) if n >= least && !Groups::nets(n).are_whole() => {
            let net = Groups::nets(n).group_size;
            let below = n / net * net;
            Err(Error::bad_input(format!("{n} Sobol points are no whole nets of {net}"), format!("Use {below} or {}", below + net)))
        }
        (_, Some(n)) if n < least => Err(Error::TooFewSamples { n, least }),
        _ => Ok(()),
    }
}
