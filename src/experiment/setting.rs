//! The problem of a config, and the files of a run folder that hold it.
//!
//! A new run writes its problem and reads it back before it starts, so that a resumed run begins with the same bits.

use std::path::Path;

use crate::backend::{Backend, Interrupt};
use crate::descent::initial;
use crate::error::{Error, Result};
use crate::mixture::files::{Array, Values, read_means, read_npz, read_variance, read_weights, write_mixture, write_npz};
use crate::mixture::{GaussianMixture, is_same_variance, normalised};
use crate::objective::divergence::Sampler;
use crate::problem::Problem;
use crate::problem::fit::Fit;
use crate::problem::gaps::Gaps;

use super::config::Config;
use super::limits;
use super::noise::Noise;
use super::teacher::Teacher;
use super::workload::{Workload, available_memory};

/// The teacher or teachers, and the students' starts.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// One for all replicates, or one for each; they differ in the means only.
    pub teachers: Vec<GaussianMixture>,
    /// w, shape (k).
    pub weights: Vec<f64>,
    /// Shape (R, k, d).
    pub starts: Vec<f64>,
}

impl Setting {
    /// Reads or generates the teacher and the starts; relative paths begin at `base`.
    pub fn of(config: &Config, base: &Path) -> Result<Setting> {
        if let Some(generator) = config.teacher.generator() {
            let (n_teachers, n_features) = generator.size();
            let each = matches!(config.teacher, Teacher::GeneratedEach(_));
            if each {
                limits::check_size(config, n_teachers, n_features)?;
            }
            let workload = Workload::of(config, config.student.components.unwrap_or(0), n_teachers, n_features, each);
            available_memory().map_or(Ok(()), |available| workload.check_memory(available))?;
        }
        let teachers = config.teacher.mixtures(base, config.seed, config.replicates)?;
        let setting = match &config.student.file {
            Some(file) => from_file(config, teachers, &base.join(file))?,
            None => from_scheme(config, teachers)?,
        };
        if config.objective.sampler == Sampler::Grid {
            limits::check_grid(setting.rank(config))?;
        }
        setting.problem(config, config.objective.noise.measured()).validate(&setting.starts)?;
        Ok(setting)
    }

    /// The teacher of a replicate.
    pub fn teacher(&self, replicate: usize) -> &GaussianMixture {
        &self.teachers[replicate % self.teachers.len()]
    }

    /// The estimated cost of running it.
    pub fn workload(&self, config: &Config) -> Workload {
        Workload::of(config, self.n_components(), self.n_teacher_components(), self.n_features(), self.teachers.len() > 1)
    }

    /// K.
    pub fn n_teacher_components(&self) -> usize {
        self.teachers[0].n_components()
    }

    /// d.
    pub fn n_features(&self) -> usize {
        self.teachers[0].n_features()
    }

    /// The problem under heat-flow time `noise` on a device, with the students at their starts.
    pub fn open(&self, config: &Config, noise: f64, backend: &mut dyn Backend) -> Result<Fit> {
        self.problem(config, noise).open_each(backend, &self.starts, &self.teachers)
    }

    /// As [`Setting::open`], with these gaps between far groups of means shortened, or those that suit the starts. Under a noise schedule
    /// no gaps are shortened, so that the coordinates of all levels differ by a factor only.
    pub fn open_with_gaps(&self, config: &Config, noise: f64, backend: &mut dyn Backend, gaps: Option<&[Gaps]>) -> Result<Fit> {
        match config.objective.noise {
            Noise::Fixed(_) => self.problem(config, noise).open_with_gaps(backend, &self.starts, &self.teachers, gaps),
            Noise::Annealed(_) => self.open(config, noise, backend),
        }
    }

    /// k.
    pub fn n_components(&self) -> usize {
        self.weights.len()
    }

    /// ϱ, the number of coordinates of the descent from these starts.
    pub fn rank(&self, config: &Config) -> usize {
        self.problem(config, 0.0).rank(&self.starts, &self.teachers)
    }

    /// The sampler; `auto` is resolved.
    pub fn chosen_sampler(&self, config: &Config) -> Sampler {
        match config.objective.sampler {
            Sampler::Auto => self.problem(config, 0.0).chosen_sampler(self.rank(config)),
            sampler => sampler,
        }
    }

    /// The problem for these students under a heat-flow time.
    pub fn problem(&self, config: &Config, noise: f64) -> Problem {
        Problem {
            student_weights: self.weights.clone(),
            teacher: self.teachers[0].clone(),
            divergence: config.objective.divergence,
            estimator: config.objective.estimator,
            sampler: config.objective.sampler,
            n_samples: config.objective.samples,
            noise,
            reduce: config.objective.reduce,
            storage: config.objective.storage,
            neighbours: config.objective.neighbours,
            seed: config.seed,
            first_replicate: 0,
            interrupt: Interrupt::none(),
        }
    }

    /// Writes `teacher.npz` and `initial.npz`.
    pub fn write(&self, run: &Path) -> Result<()> {
        let path = run.join("teacher.npz");
        match &self.teachers[..] {
            [teacher] => write_mixture(&path, teacher)?,
            teachers => {
                let means: Vec<f64> = teachers.iter().flat_map(|teacher| teacher.means()).copied().collect();
                write_means(&path, teachers[0].weights(), &means, self.n_features(), teachers[0].variance())?;
            }
        }
        self.write_students(&run.join("initial.npz"), &self.starts)
    }

    /// Writes means (R, k, d), or (k, d) for one replicate, with weights and variance.
    pub fn write_students(&self, path: &Path, means: &[f64]) -> Result<()> {
        write_means(path, &self.weights, means, self.n_features(), self.teachers[0].variance())
    }

    /// Reads what [`Setting::write`] wrote.
    pub fn read(run: &Path) -> Result<Setting> {
        let (weights, starts, ..) = arrays_of(&run.join("initial.npz"))?;
        Ok(Setting { teachers: read_teachers(&run.join("teacher.npz"))?, weights, starts })
    }
}

/// The teachers of a run's `teacher.npz`: one, or one for each replicate.
pub(crate) fn read_teachers(path: &Path) -> Result<Vec<GaussianMixture>> {
    let (weights, means, d, variance) = arrays_of(path)?;
    let row = weights.len() * d;
    if row == 0 || means.is_empty() || !means.len().is_multiple_of(row) {
        let what = format!("{} numbers are no means of {} components in {d} dimensions", means.len(), weights.len());
        return Err(Error::bad_file(path, what, "Restore the file as the run wrote it"));
    }
    means.chunks_exact(row).map(|means| GaussianMixture::new(weights.clone(), means.to_vec(), d, variance)).collect()
}

/// Writes means (R, k, d), or (k, d) for one replicate, with the weights (k) and the variance of all.
fn write_means(path: &Path, weights: &[f64], means: &[f64], d: usize, variance: f64) -> Result<()> {
    let k = weights.len();
    let shape = [means.len() / (k * d), k, d];
    let shape = if shape[0] == 1 { &shape[1..] } else { &shape[..] };
    let variance = [variance];
    write_npz(
        path,
        &[("weights", &[k], Values::F64(weights)), ("means", shape, Values::F64(means)), ("variance", &[], Values::F64(&variance))],
    )
}

/// Weights (k), means (…, k, d), d, and the variance, from a file that a run wrote.
fn arrays_of(path: &Path) -> Result<(Vec<f64>, Vec<f64>, usize, f64)> {
    let mut arrays = read_npz(path)?;
    let mut take = |name: &str| arrays.iter().position(|(other, _)| other == name).map(|at| arrays.swap_remove(at).1);
    let (Some(means), Some(weights), Some(variance)) = (take("means"), take("weights"), take("variance")) else {
        return Err(Error::bad_file(path, "there are no means, weights and variance in it", "Restore the file as the run wrote it"));
    };
    let (d, variance) = (means.shape.last().copied().unwrap_or(0), variance.values.first().copied().unwrap_or(1.0));
    Ok((weights.values, means.values, d, variance))
}

fn from_scheme(config: &Config, teachers: Vec<GaussianMixture>) -> Result<Setting> {
    let (Some(k), Some(scheme)) = (config.student.components, &config.student.start) else {
        return Err(Error::bad_config("[student] has no start", "Give components and a scheme under [student.start]"));
    };
    let d = teachers[0].n_features();
    limits::check_size(config, k, d)?;
    let mut starts = Vec::with_capacity(config.replicates * k * d);
    for replicate in 0..config.replicates {
        starts.extend(initial::start(scheme, k, &teachers[replicate % teachers.len()], config.seed, replicate as u32)?);
    }
    let weights = normalised(config.student.weights.clone().unwrap_or_else(|| vec![1.0 / k as f64; k]))?;
    Ok(Setting { teachers, weights, starts })
}

fn from_file(config: &Config, teachers: Vec<GaussianMixture>, path: &Path) -> Result<Setting> {
    let Array { shape, values } = read_means(path)?;
    let (replicates, k, d) = match shape[..] {
        [k, d] => (1, k, d),
        [r, k, d] => (r, k, d),
        _ => return Err(Error::bad_file(path, format!("means has shape {shape:?}"), "Give (k, d) or (R, k, d)")),
    };
    let teacher = &teachers[0];
    if d != teacher.n_features() {
        return Err(Error::bad_file(
            path,
            format!("the means have {d} dimensions and the teacher's {}", teacher.n_features()),
            "Give student and teacher the same number of dimensions",
        ));
    }
    if replicates != 1 && replicates != config.replicates {
        return Err(Error::bad_file(
            path,
            format!("the starts are for {replicates} replicates and the config's replicates is {}", config.replicates),
            format!("Set replicates = {replicates}, or give starts of shape (k, d) for all"),
        ));
    }
    limits::check_size(config, k, d)?;
    same_variance(path, teacher)?;
    let starts = if replicates == config.replicates { values } else { values.repeat(config.replicates) };
    Ok(Setting { weights: weights_of(config, path, k)?, teachers, starts })
}

/// The weights of the config, or else of the file, or else equal ones.
fn weights_of(config: &Config, path: &Path, k: usize) -> Result<Vec<f64>> {
    let weights = match &config.student.weights {
        Some(weights) => normalised(weights.clone())?,
        None => read_weights(path)?.unwrap_or_else(|| vec![1.0 / k as f64; k]),
    };
    if weights.len() != k {
        return Err(Error::bad_config(format!("{} student weights for {k} means", weights.len()), "Give one weight per component"));
    }
    Ok(weights)
}

/// Refuses a file with another variance than the teacher's: other covariances are not available yet.
fn same_variance(path: &Path, teacher: &GaussianMixture) -> Result<()> {
    match read_variance(path)? {
        Some(variance) if !is_same_variance(variance, teacher.variance()) => Err(Error::bad_file(
            path,
            format!("the student's variance is {variance} and the teacher's {}", teacher.variance()),
            "Give both the same variance",
        )),
        _ => Ok(()),
    }
}
