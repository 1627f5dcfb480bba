//! `mixscore gradient`: ∂L/∂μ of a student with its standard errors, into one `.npz`.

use clap::ValueEnum;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::Common;
use super::exit::{Failure, Result};
use super::gradient_general;
use super::output::Target;
use super::pair::{Pair, have_common_variance};
use crate::mixture::files::{Values, check_finite, write_npz};
use crate::mixture::{GaussianMixture, Mixture};
use crate::number::plus_minus;
use crate::objective::divergence::{Divergence, Estimator, Sampler, Storage};
use crate::objective::general::Objective;
use crate::objective::groups::Estimate;
use crate::objective::neighbours::Neighbours;
use crate::problem::fit::Gradient;
use crate::problem::{GeneralProblem, Problem};

/// With fewer groups a standard error is known only to 1/√12 = 29 % or worse.
const FEW_GROUPS: usize = 8;

#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    pair: Pair,
    /// A Fisher divergence or a Kullback–Leibler one, and under which density the expectation is: the student's (reverse) or the teacher's.
    #[arg(long, value_enum, default_value_t)]
    divergence: Objective,
    /// Which unbiased estimator of the reverse gradient.
    #[arg(long, value_enum, default_value_t)]
    estimator: Estimator,
    /// Where the points come from.
    #[arg(long, value_enum, default_value_t)]
    sampler: Sampler,
    /// Samples per component of that density; for the grid, where it is optional, the most nodes per component.
    #[arg(long, value_name = "N")]
    samples: Option<usize>,
    /// Heat-flow time t added to both variances.
    #[arg(long, default_value_t = 0.0, allow_negative_numbers = true, value_name = "T")]
    noise: f64,
    /// Work in all d coordinates, not in the subspace of the means.
    #[arg(long)]
    no_reduce: bool,
    /// How a GPU stores means and draws.
    #[arg(long, value_enum, default_value_t)]
    storage: Storage,
    /// What rows may leave out: auto, exact, or the bias that a row may have, per weight and in units of σ.
    #[arg(long, default_value = "auto", value_name = "auto|exact|B")]
    neighbours: Neighbours,
    /// Where the arrays go: gradient (k,d), standard_error (k,d), divergence, divergence_standard_error; of covariances of other kinds and of
    /// KL also gradient_covariances and gradient_logits, each with its standard_error; - is standard output.
    #[arg(long, value_name = "G.npz")]
    output: PathBuf,
}

pub(super) fn run(common: &Common, arguments: &Arguments) -> Result<()> {
    let output = Target::of(common, &arguments.output, "npz", &arguments.pair.inputs())?;
    if arguments.samples.is_none() && arguments.sampler != Sampler::Grid {
        return Err(Failure::usage("--samples is missing", "Give --samples N, samples per component, or --sampler grid"));
    }
    let (mixtures, notes) = arguments.pair.read_any()?;
    let Some(divergence) = fisher(arguments.divergence).filter(|_| have_common_variance(&mixtures)) else {
        notes.iter().for_each(|note| common.say(note));
        return gradient_general::run(common, &arguments.general(mixtures, common.seed.unwrap_or(0))?, &output, &arguments.output);
    };
    let (student, teacher) = arguments.pair.read(common)?;
    let problem = arguments.problem(divergence, &student, teacher, common.seed.unwrap_or(0));
    problem.validate(student.means())?; // before a device is looked for
    let mut opened = common.open_device()?;
    let mut fit = problem.open(&mut *opened.backend, student.means())?;
    let result = fit.gradient(0)?.remove(0);
    output.write(|path| write(path, &student, &result))?;
    if let Some(coarse) = fit.coarse_grid()? {
        common.say(&coarse);
    }
    let certified_bias = fit.certified_bias()?;
    let norm = norm(&result);
    if problem.sampler != Sampler::Grid && result.n_groups < FEW_GROUPS {
        common.say(&format!("standard errors come from {} groups of samples only: they are rough", result.n_groups));
    }
    if let Some(note) = result.rare.sentence("the gradient and the divergence") {
        common.say(&note);
    }
    if let Some(whole) = whole_nets(&problem, fit.rank()) {
        common.say(&format!("--samples {whole} makes whole nets of Sobol points, which have less noise than these pairs"));
    }
    if common.json {
        return common.print_json(&json!({
            "schema": "mixscore.gradient/1",
            "divergence": result.divergence,
            "gradient_norm": norm,
            "objective": problem.divergence,
            "estimator": problem.estimator,
            "estimator_used": fit.estimator(),
            "sampler": fit.sampler(),
            "sampler_asked": problem.sampler,
            "samples": problem.n_samples,
            "n_groups": result.n_groups,
            "rare_draws": result.rare,
            "certified_bias": certified_bias,
            "subspace_dimensions": fit.rank(),
            "subspace_left_out": fit.left_out(),
            "seed": problem.seed,
            "device": opened.backend.describe().to_string(),
            "output": arguments.output.to_string_lossy(),
        }));
    }
    let name = if problem.divergence == Divergence::Reverse { "reverse" } else { "forward" };
    output
        .print(common, &format!("{name} Fisher divergence  {}", plus_minus(result.divergence.value, result.divergence.standard_error)))?;
    output.print(common, &format!("norm of its gradient       {}", plus_minus(norm.value, norm.standard_error)))?;
    let sampler = fit.sampler().to_possible_value().map_or(String::new(), |value| value.get_name().to_string());
    let samples = problem.n_samples.filter(|_| fit.sampler() != Sampler::Grid).map_or(String::new(), |n| format!("{n} per component, "));
    output.print(common, &format!("samples                    {samples}{}; estimator {}", sampler, fit.estimator()))?;
    output.print(common, &format!("written to {}", arguments.output.display()))
}

/// The Fisher divergence that is asked for.
fn fisher(objective: Objective) -> Option<Divergence> {
    match objective {
        Objective::Reverse => Some(Divergence::Reverse),
        Objective::Forward => Some(Divergence::Forward),
        Objective::ReverseKl | Objective::ForwardKl => None,
    }
}

/// A number of samples not much larger for which `auto` would take Sobol points, where it takes pairs now.
fn whole_nets(problem: &Problem, rank: usize) -> Option<usize> {
    let n = problem.n_samples?.checked_next_power_of_two()?;
    let larger = Problem { n_samples: Some(n), ..problem.clone() };
    let gains = problem.chosen_sampler(rank) == Sampler::Antithetic && larger.chosen_sampler(rank) == Sampler::Sobol;
    (problem.sampler == Sampler::Auto && gains).then_some(n)
}

impl Arguments {
    /// The problem of covariances of any kind.
    fn general(&self, [student, teacher]: [Mixture; 2], seed: u64) -> Result<GeneralProblem> {
        let of_common = [
            (self.estimator != Estimator::Auto, "--estimator"),
            (self.no_reduce, "--no-reduce"),
            (self.storage != Storage::default(), "--storage"),
            (self.neighbours != Neighbours::Auto, "--neighbours"),
        ];
        if let Some((_, option)) = of_common.into_iter().find(|(is_given, _)| *is_given) {
            return Err(Failure::usage(
                format!("{option} goes with Fisher divergences of two mixtures of one common variance"),
                "Leave it out, or give such mixtures",
            ));
        }
        let [student, teacher] = [student.smoothed(self.noise)?, teacher.smoothed(self.noise)?];
        Ok(GeneralProblem { student, teacher, objective: self.divergence, sampler: self.sampler, n_samples: self.samples, seed })
    }

    fn problem(&self, divergence: Divergence, student: &GaussianMixture, teacher: GaussianMixture, seed: u64) -> Problem {
        Problem {
            divergence,
            estimator: self.estimator,
            sampler: self.sampler,
            n_samples: self.samples,
            noise: self.noise,
            reduce: !self.no_reduce,
            storage: self.storage,
            neighbours: self.neighbours,
            seed,
            ..Problem::new(student.weights().to_vec(), teacher)
        }
    }
}

/// |∂L/∂μ| with the root-mean-square error of the whole gradient, √Σ se², for any correlation of its entries.
fn norm(result: &Gradient) -> Estimate {
    let length = |v: &[f64]| v.iter().map(|v| v * v).sum::<f64>().sqrt();
    Estimate { value: length(&result.gradient), standard_error: length(&result.standard_error) }
}

fn write(path: &Path, student: &GaussianMixture, result: &Gradient) -> crate::Result<()> {
    let Gradient { gradient, standard_error, divergence, .. } = result;
    check_finite("gradient", gradient)?;
    check_finite("standard_error", standard_error)?;
    check_finite("divergence", &[divergence.value, divergence.standard_error])?;
    let shape = [student.n_components(), student.n_features()];
    write_npz(
        path,
        &[
            ("gradient", &shape, Values::F64(gradient)),
            ("standard_error", &shape, Values::F64(standard_error)),
            ("divergence", &[], Values::F64(&[divergence.value])),
            ("divergence_standard_error", &[], Values::F64(&[divergence.standard_error])),
        ],
    )
}
