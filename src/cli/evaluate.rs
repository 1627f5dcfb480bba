//! `mixscore evaluate`: what can be said about a student, with standard errors, and what Fisher divergences cannot see.

use std::path::Path;

use serde_json::{Value, json};

use super::Common;
use super::evaluate_general::{self, Gridding, Told};
use super::exit::{Failure, Result};
use super::pair::{Pair, compatible};
use crate::backend::Backend;
use crate::error::Error;
use crate::metrics::annealed::{Annealed, annealed_kl};
use crate::metrics::quadrature::{self, Gridded, NoGrid, divergences_within};
use crate::metrics::{self, COVERAGE_RADIUS, Coverage, Metric, smoothed};
use crate::mixture::files::{Array, check_finite, read_means, read_variance, read_weights};
use crate::mixture::{GaussianMixture, Mixture};
use crate::number::{plus_minus, short};
use crate::objective::groups::Estimate;
use crate::problem::Problem;
use crate::problem::fit::Divergences;
use crate::report::BLIND;

#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    pair: Pair,
    /// Points per component of either mixture: standard errors of samples fall with its square root.
    #[arg(long, default_value_t = 16384, value_name = "N")]
    samples: usize,
    /// Where the points come from. Fisher divergences of separated modes come from the gaps between them, which samples miss.
    #[arg(long, value_enum, default_value_t, value_name = "SAMPLER")]
    sampler: Points,
    /// Heat-flow time t added to both variances: divergences and total variation are then of the smoothed densities, coverage of the means.
    #[arg(long, default_value_t = 0.0, allow_negative_numbers = true, value_name = "T")]
    noise: f64,
    /// KL(student ‖ teacher) once more, as the integral of the reverse Fisher divergence over noise: the two must agree.
    #[arg(long)]
    annealed: bool,
    /// Of a file of several replicates, means (R, k, d), only this one, from 0 on; left out: all, as lists.
    #[arg(long, value_name = "N")]
    replicate: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
enum Points {
    /// A grid of N nodes if the means span one or two dimensions and that is enough, else N samples.
    #[default]
    Auto,
    /// Independent samples.
    Philox,
    /// A grid of at least N nodes, in up to three dimensions; ± is the larger difference to coarser ones.
    Grid,
}

/// The results for one replicate.
struct Evaluated {
    divergences: Divergences,
    by_grid: bool,
    /// Why samples were used though no sampler was chosen, as a sentence without its full stop.
    no_grid: Option<String>,
    coverage: Coverage,
    matched: f64,
    annealed: Option<Annealed>,
}

pub(super) fn run(common: &Common, arguments: &Arguments) -> Result<()> {
    if let Some(pair) = evaluate_general::pair(common, &arguments.pair)? {
        return print_general(common, arguments, pair);
    }
    let teachers = mixtures(common, &arguments.pair.teacher)?;
    let students = chosen(mixtures(common, &arguments.pair.student)?, arguments)?;
    let teacher = |r: usize| &teachers[arguments.replicate.unwrap_or(r) % teachers.len()];
    if teachers.len() > 1 && arguments.replicate.map_or(students.len(), |r| r + 1) > teachers.len() {
        return Err(
            Error::bad_input(format!("there are {} teachers for more replicates", teachers.len()), "Give both files of one run").into()
        );
    }
    students.iter().enumerate().try_for_each(|(r, student)| compatible(student, teacher(r)))?;
    let seed = common.seed.unwrap_or(0);
    let problem = |r: usize| Problem {
        seed,
        noise: arguments.noise,
        n_samples: Some(arguments.samples),
        first_replicate: arguments.replicate.unwrap_or(r) as u32,
        ..Problem::new(students[r].weights().to_vec(), teacher(r).clone())
    };
    problem(0).validate(students[0].means())?; // before a device is opened
    let mut opened = common.open_device()?;
    let mut all = Vec::with_capacity(students.len());
    for (r, student) in students.iter().enumerate() {
        all.push(evaluated(common, arguments, &problem(r), student, &mut *opened.backend)?);
    }
    print(common, arguments, &all, &opened.backend.describe().to_string())
}

/// Of mixtures that are no case of one common variance.
fn print_general(common: &Common, arguments: &Arguments, pair: [Mixture; 2]) -> Result<()> {
    if arguments.annealed {
        return Err(Failure::usage("--annealed goes with one common variance of both mixtures", "Leave it out"));
    }
    if arguments.replicate.is_some_and(|r| r > 0) {
        return Err(Failure::usage("both files hold one mixture", "Leave --replicate out"));
    }
    let gridding = match arguments.sampler {
        Points::Auto => Gridding::IfItPays,
        Points::Philox => Gridding::Never,
        Points::Grid => Gridding::Asked,
    };
    let Told { divergences, by_grid, no_grid, coverage, matched, device } =
        evaluate_general::told(common, pair, arguments.samples, arguments.noise, gridding)?;
    for (name, e) in named_estimates(&divergences) {
        check_finite(name, &[e.value, e.standard_error])?;
    }
    print(common, arguments, &[Evaluated { divergences, by_grid, no_grid, coverage, matched, annealed: None }], &device)
}

/// One JSON object, or a table of each replicate.
fn print(common: &Common, arguments: &Arguments, all: &[Evaluated], device: &str) -> Result<()> {
    if common.json {
        return common.print_json(&object(all, arguments, common.seed.unwrap_or(0), device));
    }
    let tables: Vec<String> =
        all.iter().enumerate().map(|(r, one)| if all.len() > 1 { format!("replicate {r}\n{}", table(one)) } else { table(one) }).collect();
    let noisy = if arguments.noise > 0.0 { format!("{}.\n", smoothed(arguments.noise)) } else { String::new() };
    common.print(&format!("{}\n{noisy}{BLIND}", tables.join("\n")))
}

/// The results for one student.
fn evaluated(
    common: &Common,
    arguments: &Arguments,
    problem: &Problem,
    student: &GaussianMixture,
    backend: &mut dyn Backend,
) -> Result<Evaluated> {
    let means = student.means();
    let (on_grid, no_grid) = match arguments.sampler {
        Points::Auto => match divergences_within(problem, means, arguments.samples)? {
            Gridded::Taken(divergences) => (Some(divergences), None),
            Gridded::Refused(why) => (None, Some(no_grid(why))),
        },
        Points::Philox => (None, None),
        Points::Grid => (Some(quadrature::divergences(problem, means, arguments.samples)?), None),
    };
    let by_grid = on_grid.is_some();
    let divergences = match on_grid {
        Some(divergences) => divergences,
        None => {
            let mut fit = problem.open(backend, means)?;
            if let Some(drawn) = fit.drawn_strata() {
                common.say(&drawn);
            }
            fit.measure(arguments.samples, 0)?[0]
        }
    };
    for (name, e) in named_estimates(&divergences) {
        check_finite(name, &[e.value, e.standard_error])?;
    }
    let annealed = arguments.annealed.then(|| annealed_kl(problem, means, backend, arguments.samples)).transpose()?;
    let coverage = metrics::coverage(&problem.teacher, means, student.weights())?;
    let matched = metrics::matched_distance(&problem.teacher, means, student.weights())?;
    Ok(Evaluated { divergences, by_grid, no_grid, coverage, matched, annealed })
}

/// Why there is no grid, with the options that would give one; a sentence without its full stop.
fn no_grid(why: NoGrid) -> String {
    match why {
        NoGrid::TooManyDimensions { .. } => why.to_string(),
        NoGrid::SlowDimensions { rank } => format!("a grid in {rank} dimensions is slow; --sampler grid takes it all the same"),
        NoGrid::Slow => "a grid of so many components and nodes is slow; --sampler grid takes it all the same".into(),
        NoGrid::TooFewNodes { needed } => {
            format!("a grid takes {needed} nodes per component; --samples {needed} or --sampler grid allows them")
        }
    }
}

/// The mixture of a file, or those of its replicates, which share weights and variance.
fn mixtures(common: &Common, path: &Path) -> Result<Vec<GaussianMixture>> {
    let Array { shape, values } = read_means(path)?;
    let [_, k, d] = shape[..] else { return Ok(vec![common.read_mixture(path)?]) };
    let weights = read_weights(path)?.unwrap_or_else(|| vec![1.0 / k as f64; k]);
    let variance = read_variance(path)?.unwrap_or(1.0);
    let mixture = |means: &[f64]| GaussianMixture::new(weights.clone(), means.to_vec(), d, variance);
    let all = values.chunks_exact((k * d).max(1)).map(mixture).collect::<crate::Result<Vec<_>>>()?;
    if all.is_empty() {
        Err(Error::bad_file(path, format!("means has shape {shape:?}"), "Give (k, d) or (R, k, d)").into())
    } else {
        Ok(all)
    }
}

fn chosen(mut students: Vec<GaussianMixture>, arguments: &Arguments) -> Result<Vec<GaussianMixture>> {
    match arguments.replicate {
        None => Ok(students),
        Some(r) if r < students.len() => Ok(vec![students.swap_remove(r)]),
        Some(r) => Err(Failure::usage(
            format!("--replicate {r}: {} has {}", arguments.pair.student.display(), students.len()),
            format!("Give a number from 0 to {}", students.len() - 1),
        )),
    }
}

/// One JSON object; with several replicates every result is a list.
fn object(all: &[Evaluated], arguments: &Arguments, seed: u64, device: &str) -> Value {
    let listed = |of: &dyn Fn(&Evaluated) -> Value| match all {
        [one] => of(one),
        all => Value::Array(all.iter().map(of).collect()),
    };
    let estimate = |e: Estimate| serde_json::to_value(e).unwrap_or(Value::Null);
    let mut object = json!({
        "schema": "mixscore.evaluate/1",
        "replicates": all.len(),
        "coverage": listed(&|one| json!(one.coverage.share)),
        "covered": listed(&|one| json!(one.coverage.covered)),
        "teacher_components": all[0].coverage.n_teacher_components,
        "student_weight": listed(&|one| json!(one.coverage.student_weight)),
        "coverage_radius": COVERAGE_RADIUS,
        "matched_distance": listed(&|one| json!(one.matched)),
        "samples": arguments.samples,
        "sampler": listed(&|one| json!(if one.by_grid { "grid" } else { "philox" })),
        "no_grid": listed(&|one| json!(one.no_grid)),
        "rare_draws": listed(&|one| json!(one.divergences.rare)),
        "noise": arguments.noise,
        "seed": seed,
        "device": device,
        "note": BLIND,
    });
    for (at, (name, _)) in named_estimates(&all[0].divergences).iter().enumerate() {
        object[*name] = listed(&|one| estimate(named_estimates(&one.divergences)[at].1));
    }
    if arguments.annealed {
        object["kl_annealed"] = listed(&|one| {
            one.annealed.map_or(Value::Null, |a| {
                json!({
                    "value": a.kl.value,
                    "standard_error": a.kl.standard_error,
                    "quadrature_error": a.quadrature_error,
                    "levels": a.n_levels,
                })
            })
        });
    }
    object
}

fn named_estimates(d: &Divergences) -> Vec<(&'static str, Estimate)> {
    Metric::ALL.into_iter().filter_map(|metric| Some((metric.name(), metric.estimate(d)?))).collect()
}

fn table(one: &Evaluated) -> String {
    let line = |name: &str, e: Estimate| format!("{name:<20}{}\n", plus_minus(e.value, e.standard_error));
    let mut text: String = named_estimates(&one.divergences).iter().map(|(name, e)| line(name, *e)).collect();
    if let Some(a) = one.annealed {
        text += line("kl_annealed", a.kl).trim_end();
        let apart = (a.kl.value - one.divergences.kl_student_teacher.value).abs();
        let known = 3.0 * a.kl.standard_error.hypot(one.divergences.kl_student_teacher.standard_error) + a.quadrature_error;
        let verdict = if apart <= known { "agrees with" } else { "DISAGREES with" };
        text += &format!(", quadrature ± {} over {} noises; {verdict} kl_student_teacher\n", short(a.quadrature_error), a.n_levels);
    }
    let Coverage { covered, n_teacher_components: n, .. } = one.coverage;
    let s = if n == 1 { "" } else { "s" };
    if let Some(why) = &one.no_grid {
        text += &format!("                    by samples: {why}\n");
    }
    if let Some(note) = one.divergences.rare.sentence("the Fisher divergences") {
        text += &format!("                    note: {note}\n");
    }
    if one.by_grid {
        text += "                    by a grid: ± is the larger difference to grids of twice and three times the spacing\n";
    }
    text += &format!("{:<20}{covered} of {n} teacher component{s} with a student within {COVERAGE_RADIUS}σ\n", "coverage");
    text + &format!("{:<20}{}\n", "matched_distance", short(one.matched))
}
