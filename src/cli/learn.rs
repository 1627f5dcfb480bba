//! `mixscore learn`: a mixture and a sampler from points, or, for several numbers of points or degrees, a sweep over them.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::Common;
use super::exit::{Failure, Result};
use super::output::refuse_inputs;
use super::progress::Stages;
use super::signals::interruption;
use crate::diffusion::compare::Sampled;
use crate::diffusion::options::{Method, Options, Variance};
use crate::experiment::learn::{self, Event, Outcome, Request};
use crate::experiment::learn_source::preset;
use crate::experiment::learn_summary::LearnSummary;
use crate::experiment::learn_sweep::{self, cells};
use crate::experiment::learn_task::Task;
use crate::experiment::run_folder::Output;
use crate::mixture::CovarianceKind;
use crate::mixture::files::{is_stream, read_any_mixture};
use crate::number::minus;
use crate::objective::groups::Estimate;
use crate::report::learn::{Content, write_learned};
use crate::report::learn_draws;
use crate::report::learn_sweep::{finding, write_learn_sweep};

#[derive(clap::Args)]
pub struct Arguments {
    /// Points (n, d) in a .npy, .npz or .csv file, or - for standard input; or learn-demo, learn-50d or learn-circle.
    #[arg(value_name = "DATA|PRESET")]
    data: PathBuf,
    /// The folder for model.npz, samples.npy, summary.json and report.html; empty, or not there yet.
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
    /// Number of components; left out, it is found.
    #[arg(long, value_name = "K")]
    components: Option<usize>,
    /// Who learns.
    #[arg(long, value_enum, default_value_t = Method::PiecewisePolynomial)]
    method: Method,
    /// The common variance σ² of the components if it is known, or `estimate` (the default, except for presets, whose variance is 1).
    #[arg(long, value_parser = variance)]
    variance: Option<Variance>,
    /// The form of the components' covariances; all but `common` with --method em.
    #[arg(long, value_enum, default_value_t = CovarianceKind::Common, value_name = "KIND")]
    covariance: CovarianceKind,
    /// Is added to every variance, in units of the points, so that none shrinks to nothing (covariances other than common).
    #[arg(long, default_value_t = 1e-6, value_name = "VARIANCE")]
    regularisation: f64,
    /// Where EM begins: an .npz file of means, weights and covariances (covariances other than common).
    #[arg(long, value_name = "MIXTURE")]
    start: Option<PathBuf>,
    /// Total degree of the polynomials. Several, as 1,2,3: a sweep, with a page of the errors.
    #[arg(long, value_delimiter = ',', default_value = "3", value_name = "D")]
    degree: Vec<usize>,
    /// How many of the points to learn from, chosen by a hash of seed and row number; a preset draws as many. Several, as 1000,10000: a sweep, with a page of the errors.
    #[arg(long, value_delimiter = ',', value_name = "N")]
    points: Vec<usize>,
    /// Points to draw into samples.npy.
    #[arg(long, default_value_t = 100_000, value_name = "N")]
    samples: usize,
    /// Pairs of noised points at each noise level.
    #[arg(long, default_value_t = 1 << 17, value_name = "N")]
    pairs: usize,
    /// Rounds of the search for components, each from new starts; starts that compete (ddpm).
    #[arg(long, default_value_t = 10, value_name = "N")]
    restarts: usize,
    /// EM ends when a step gains fewer nats per point (em).
    #[arg(long, default_value_t = 1e-10, value_name = "NATS")]
    tolerance: f64,
    /// EM ends after so many iterations (em).
    #[arg(long, default_value_t = 10_000, value_name = "N")]
    iterations: usize,
    /// Learn in units of each column's standard deviation: for columns in unlike units. model.npz is in users' units and has a variance for
    /// each column; model-standardised.npz is what was learned.
    #[arg(long)]
    standardise: bool,
    /// Share of the points that is held out; the log-likelihood is theirs.
    #[arg(long, default_value_t = 0.1, value_name = "SHARE")]
    held_out: f64,
    /// The mixture that the points were drawn from: what was learned is compared with it.
    #[arg(long, value_name = "MIXTURE")]
    truth: Option<PathBuf>,
}

fn variance(text: &str) -> std::result::Result<Variance, String> {
    match text {
        "estimate" => Ok(Variance::Estimate),
        _ => text.parse().map(Variance::Known).map_err(|_| "neither a number nor `estimate`".into()),
    }
}

pub(super) fn run(common: &Common, arguments: &Arguments) -> Result<()> {
    let (is_preset, has_truth) = (preset(&arguments.data).is_some(), arguments.truth.is_some());
    if is_preset && has_truth {
        return Err(Failure::Usage { what: format!("{} has its own truth", arguments.data.display()), remedy: "Leave --truth out".into() });
    }
    check_covariance(arguments)?;
    let cells = cells(&arguments.points, &arguments.degree);
    if cells.len() > 1 && !is_preset && !has_truth {
        return Err(Failure::usage(
            "a sweep shows how far from the truth one is",
            "Give the truth by --truth, or one number of points and one degree",
        ));
    }
    if cells.len() > 1 && is_stream(&arguments.data) {
        return Err(Failure::Usage {
            what: format!("{} can be read once, and a sweep reads its points for each cell", arguments.data.display()),
            remedy: "Save the points into a file".into(),
        });
    }
    let inputs = [("the data", arguments.data.as_path()), ("--truth", arguments.truth.as_deref().unwrap_or(&arguments.data))];
    for name in ["summary.json", "report.html"] {
        refuse_inputs(&arguments.output.join(name), &inputs)?;
    }
    let task = task(common, arguments)?;
    let mut show = Show { common, stages: None };
    let mut asked = Request { device: common.device, interrupted: interruption(), tell: &mut |event| show.event(event), page: &write_page };
    if let [cell] = cells[..] {
        let (folder, summary) = learn::run(&cell.task(&task), &Output::At(arguments.output.clone()), &mut asked)?;
        if common.json {
            return common.print_json(&json!({"schema": "mixscore.learn/1", "folder": folder.to_string_lossy(), "summary": summary}));
        }
        return common.print(&in_words(&summary, &folder));
    }
    let folder = &arguments.output;
    let summaries = learn_sweep::run(&task, &cells, folder, &mut asked)?;
    let summary = learn_sweep::write_summary(folder, &arguments.data.to_string_lossy(), &finding(&summaries), summaries)?;
    write_learn_sweep(&folder.join("report.html"), &summary)?;
    if common.json {
        return common.print_json(&json!({"schema": "mixscore.learn-sweep/1", "folder": folder.to_string_lossy(), "summary": summary}));
    }
    common.print(&format!("{}\nResults: {}\nReport:  {}", summary.finding, folder.display(), folder.join("report.html").display()))
}

/// All but what the cells of a sweep differ in.
fn task(common: &Common, arguments: &Arguments) -> Result<Task> {
    let is_known = preset(&arguments.data).is_some() && arguments.covariance == CovarianceKind::Common;
    let known = if is_known { Variance::Known(1.0) } else { Variance::Estimate };
    let start = arguments.start.as_ref().map(|path| read_any_mixture(path)?.widened(arguments.covariance)).transpose()?;
    let options = Options {
        method: arguments.method,
        components: arguments.components,
        variance: arguments.variance.unwrap_or(known),
        covariance: arguments.covariance,
        regularisation: arguments.regularisation,
        start,
        pairs: arguments.pairs,
        restarts: arguments.restarts,
        tolerance: arguments.tolerance,
        iterations: arguments.iterations,
        standardise: arguments.standardise,
        held_out: arguments.held_out,
        samples: arguments.samples,
        seed: common.seed.unwrap_or(0),
        ..Options::default()
    };
    Ok(Task { data: arguments.data.clone(), truth: arguments.truth.clone(), points: None, options })
}

/// Refuses what other covariances than the common variance do not go with.
fn check_covariance(arguments: &Arguments) -> Result<()> {
    let kind = arguments.covariance;
    if kind == CovarianceKind::Common {
        return match &arguments.start {
            Some(_) => Err(Failure::usage("--start is for covariances other than common", "Add --covariance full, or leave --start out")),
            None => Ok(()),
        };
    }
    if arguments.method != Method::Em {
        return Err(Failure::usage(
            format!("{kind} covariances are learned by EM alone: the other methods know one common variance"),
            "Add --method em",
        ));
    }
    if matches!(arguments.variance, Some(Variance::Known(_))) {
        return Err(Failure::usage(
            format!("--variance is the common variance, and {kind} covariances are estimated"),
            "Leave --variance out",
        ));
    }
    Ok(())
}

fn write_page(folder: &Path, outcome: &Outcome) -> crate::Result<()> {
    let Outcome { source, learned, summary } = outcome;
    let (samples, points, truth) = (&learned.samples, &source.points, source.truth.as_ref());
    write_learned(
        &folder.join("report.html"),
        &Content { summary, mixture: &learned.mixture, general: learned.general.as_ref(), samples, points, truth },
    )
}

/// Shows events.
struct Show<'a> {
    common: &'a Common,
    /// The progress in the current folder.
    stages: Option<Stages>,
}

impl Show<'_> {
    fn event(&mut self, event: &Event) {
        match event {
            Event::Cell { at, of, name } => self.common.say(&format!("cell {at} of {of}: {name}")),
            Event::Note { text } => self.common.say(text),
            Event::Stage { name, done } => self.stages.get_or_insert_with(|| Stages::new(self.common)).show(name, *done),
            Event::Finished => self.stages.take().iter().for_each(Stages::finish),
        }
    }
}

/// The result in a few sentences.
fn in_words(summary: &LearnSummary, folder: &Path) -> String {
    let LearnSummary { components, variance, components_why, against_truth: truth, .. } = summary;
    let mut text = match summary.covariance_type {
        CovarianceKind::Common => format!("{components} components with variance {variance:.4}: {components_why}.\n"),
        kind => format!("{components} components with {kind} covariances: {components_why}.\n"),
    };
    if let Some(Estimate { value, standard_error }) = summary.held_out_log_likelihood {
        let error = if standard_error.is_finite() { format!(" ± {standard_error:.4}") } else { String::new() };
        text += &format!("Held-out log-likelihood {}{error} nats per point", minus(value, 4));
        if let Some(own) = truth.as_ref().and_then(|truth| truth.truth_held_out_log_likelihood) {
            text += &format!("; the truth's {}", minus(own.value, 4));
        }
        text += ".\n";
    }
    if let Some(truth) = truth {
        text += &format!("Total variation to the truth: mixture {:.4}", truth.total_variation.value);
        if let Some(Sampled { total_variation, by_chance, .. }) = &truth.sampler {
            text += &format!(", histogram of the drawn points {:.4} (of which {by_chance:.4} is chance)", total_variation.value);
        }
        text += ".\n";
    }
    let compared = summary.draws.as_ref().map_or(String::new(), learn_draws::in_words);
    text += &if compared.is_empty() { compared } else { format!("{compared}\n") };
    for note in &summary.notes {
        text += &format!("Note: {note}.\n");
    }
    text + &format!("Results: {}\nReport:  {}", folder.display(), folder.join("report.html").display())
}
