//! `mixscore learn`: a mixture and a sampler from points, or, for several numbers of points or degrees, a sweep over them.

use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::{Value, json};

use super::learn_source::{Source, preset, source};
use super::learn_sweep::{self, Cell};
use super::{Common, progress};
use crate::backend::polynomials::Polynomials;
use crate::device::Device;
use crate::diffusion::compare;
use crate::diffusion::learn::{Learned, Method, Options, Variance, learn};
use crate::diffusion::watch::Watch;
use crate::diffusion::{regression, regression_reference};
use crate::error::Result;
use crate::experiment::run_folder::{Output, Unborn, write_json};
use crate::mixture::GaussianMixture;
use crate::mixture::files::{write_mixture, write_points};
use crate::number::minus;
use crate::objective::groups::Estimate;
use crate::random::streams::RNG_VERSION;
use crate::report::learn::{Content, write_learned};
use crate::self_check::check_polynomials;

#[derive(clap::Args)]
pub struct Arguments {
    /// Points (n, d) in a .npy or .csv file; or learn-demo, learn-50d or learn-circle.
    #[arg(value_name = "DATA|PRESET")]
    pub(super) data: String,
    /// The folder for model.npz, samples.npy, summary.json and report.html; empty, or not there yet.
    #[arg(long, value_name = "DIR")]
    pub(super) output: PathBuf,
    /// Number of components; left out, it is found.
    #[arg(long, value_name = "K")]
    components: Option<usize>,
    /// Who learns.
    #[arg(long, value_enum, default_value_t = Method::PiecewisePolynomial)]
    method: Method,
    /// The common variance σ² of the components where it is known, or `estimate`: the default, but for presets, whose variance is 1.
    #[arg(long, value_parser = variance)]
    variance: Option<Variance>,
    /// Total degree of the polynomials. Several, as 1,2,3: a sweep, with a page of the errors.
    #[arg(long, value_delimiter = ',', default_value = "3", value_name = "D")]
    pub(super) degree: Vec<usize>,
    /// How many of the points to learn from, evenly spaced; a preset draws as many. Several, as 1000,10000: a sweep, with a page of the errors.
    #[arg(long, value_delimiter = ',', value_name = "N")]
    pub(super) points: Vec<usize>,
    /// Points to draw into samples.npy.
    #[arg(long, default_value_t = 100_000, value_name = "N")]
    samples: usize,
    /// Pairs of noised points at each noise level.
    #[arg(long, default_value_t = 1 << 17, value_name = "N")]
    pairs: usize,
    /// Starts that compete (em, ddpm).
    #[arg(long, default_value_t = 10, value_name = "N")]
    restarts: usize,
    /// Share of the points that is held out; the log-likelihood is theirs.
    #[arg(long, default_value_t = 0.1, value_name = "SHARE")]
    held_out: f64,
    /// The mixture that the points were drawn from: what was learned is compared with it.
    #[arg(long, value_name = "MIXTURE")]
    pub(super) truth: Option<PathBuf>,
}

fn variance(text: &str) -> std::result::Result<Variance, String> {
    match text {
        "estimate" => Ok(Variance::Estimate),
        _ => text.parse().map(Variance::Known).map_err(|_| "neither a number nor `estimate`".into()),
    }
}

pub fn run(common: &Common, arguments: &Arguments) -> Result<()> {
    let cells = learn_sweep::cells(&arguments.points, &arguments.degree);
    if cells.len() > 1 {
        return learn_sweep::run(common, arguments, &cells);
    }
    let output = Output::At(arguments.output.clone());
    output.check()?;
    let cell = cells[0];
    let options = options(common, arguments, cell);
    let mut polynomials = polynomials(common, &options)?;
    let source = source(&arguments.data, arguments.truth.as_deref(), cell.points, options.seed)?;
    let mut line = progress::Stages::new(common);
    let mut watch = Watch { interrupted: progress::interruption(), tell: &mut |stage, done| line.show(stage, done) };
    let (folder, summary) = learned(arguments, &source, &options, &output, &mut *polynomials, &mut watch)?;
    line.finish();
    if common.json {
        return common.print_json(&json!({"schema": "mixscore.learn/1", "folder": folder, "summary": summary}));
    }
    common.print(&told(&summary, &folder))
}

pub(super) fn options(common: &Common, arguments: &Arguments, cell: Cell) -> Options {
    let known = preset(&arguments.data).map_or(Variance::Estimate, |_| Variance::Known(1.0));
    Options {
        method: arguments.method,
        components: arguments.components,
        degree: cell.degree,
        variance: arguments.variance.unwrap_or(known),
        pairs: arguments.pairs,
        restarts: arguments.restarts,
        held_out: arguments.held_out,
        samples: arguments.samples,
        seed: common.seed.unwrap_or(0),
    }
}

/// All that the result depends on but the points themselves.
pub(super) fn asked(arguments: &Arguments, options: &Options, points: usize) -> Value {
    let variance = match options.variance {
        Variance::Known(variance) => json!(variance),
        Variance::Estimate => json!("estimate"),
    };
    json!({"data": arguments.data, "truth": arguments.truth, "points": points, "method": options.method, "components": options.components,
        "variance": variance, "degree": options.degree, "pairs": options.pairs, "restarts": options.restarts,
        "held_out": options.held_out, "samples": options.samples, "seed": options.seed})
}

/// Learns, and writes the folder: the folder and its summary.
pub(super) fn learned(
    arguments: &Arguments,
    source: &Source,
    options: &Options,
    output: &Output,
    polynomials: &mut dyn Polynomials,
    watch: &mut Watch,
) -> Result<(PathBuf, Value)> {
    let began = Instant::now();
    let learned = learn(&source.points, source.d, options, polynomials, watch)?;
    let n = source.points.len() / source.d;
    let mut summary = summary(&arguments.data, n, &learned, options, began.elapsed().as_secs_f64());
    summary["asked"] = asked(arguments, options, n);
    if let Some(truth) = &source.truth {
        add_truth(&mut summary, &learned, truth, options.seed)?;
    }
    Ok((write(output, &summary, &learned, source)?, summary))
}

/// The device's way with polynomials, where the method has polynomials and the device a way of its own.
pub(super) fn polynomials(common: &Common, options: &Options) -> Result<Box<dyn Polynomials>> {
    let opened = crate::device::open(common.device)?; // a device that is asked for by name must be there, whatever the method
    if options.method != Method::PiecewisePolynomial {
        common.say("this method computes on the CPU, whatever the device");
        return Ok(Box::new(regression::Fast));
    }
    if common.device == Device::Reference {
        common.say("Gram matrices and sampling in double precision and plain loops, all else as on the CPU");
        return Ok(Box::new(regression_reference::Plain));
    }
    Ok(match opened.backend.polynomials() {
        Some(mut own) => {
            check_polynomials(&*opened.backend, &mut *own)?;
            common.say(&format!("Gram matrices and sampling on {}; all else on the CPU", opened.why));
            own
        }
        None => Box::new(regression::Fast),
    })
}

fn summary(data: &str, n: usize, learned: &Learned, options: &Options, seconds: f64) -> Value {
    let stages: serde_json::Map<String, Value> = learned.seconds.iter().map(|(stage, s)| ((*stage).into(), json!(s))).collect();
    json!({
        "schema": "mixscore.learn/1",
        "data": data,
        "points": n,
        "features": learned.mixture.n_features(),
        "method": options.method,
        "degree": options.degree,
        "pairs": options.pairs,
        "seed": options.seed,
        "rng_version": RNG_VERSION,
        "components": learned.mixture.n_components(),
        "components_why": learned.why,
        "weights_why": "weights are mean responsibilities of the points: score matching hardly sees them where modes are separated",
        "variance": learned.mixture.variance(),
        "variance_was_given": matches!(options.variance, Variance::Known(_)),
        "trained_on": learned.n_train,
        "held_out": learned.held_out_points.len() / learned.mixture.n_features(),
        "held_out_log_likelihood": estimate(learned.held_out),
        "train_log_likelihood": learned.train_log_likelihood,
        "principal_directions": learned.rank,
        "samples": learned.samples.len() / learned.mixture.n_features(),
        "samples_from": learned.samples_from,
        "em_iterations": learned.em.map(|em| em.0),
        "em_seconds_per_iteration": learned.em.map(|em| em.1 / em.0 as f64),
        "levels": learned.levels,
        "seconds": seconds,
        "stages": stages,
        "notes": learned.notes,
    })
}

/// Null where nothing was held out.
fn estimate(e: Estimate) -> Value {
    if e.value.is_finite() { json!({"value": e.value, "standard_error": e.standard_error}) } else { Value::Null }
}

fn add_truth(summary: &mut Value, learned: &Learned, truth: &GaussianMixture, seed: u64) -> Result<()> {
    summary["divergence"] = json!(compare::divergence(truth, &learned.mixture, seed)?);
    summary["total_variation"] = json!(compare::total_variation(&learned.mixture, truth, seed)?);
    if !learned.samples.is_empty() {
        summary["sampler"] = json!(compare::sampled(&learned.samples, truth, seed)?);
    }
    let d = truth.n_features();
    let own: Vec<f64> = learned.held_out_points.chunks_exact(d).map(|x| compare::log_density(truth, x)).collect();
    summary["truth_held_out_log_likelihood"] = estimate(crate::diffusion::learn::mean_of(&own, 0.0));
    Ok(())
}

fn write(output: &Output, summary: &Value, learned: &Learned, source: &Source) -> Result<PathBuf> {
    let unborn = Unborn::new(output)?;
    let (at, d) = (unborn.path(), source.d);
    write_mixture(&at.join("model.npz"), &learned.mixture)?;
    write_points(&at.join("samples.npy"), d, &learned.samples, learned.mixture.variance().sqrt())?;
    write_json(&at.join("summary.json"), summary)?;
    let content =
        Content { summary, mixture: &learned.mixture, samples: &learned.samples, points: &source.points, truth: source.truth.as_ref() };
    write_learned(&at.join("report.html"), &content)?;
    unborn.publish(output)
}

fn told(summary: &Value, folder: &Path) -> String {
    let number = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
    let mut text = format!(
        "{} components with variance {:.4}: {}.\n",
        summary["components"],
        number(&summary["variance"]),
        summary["components_why"].as_str().unwrap_or_default()
    );
    let held_out = &summary["held_out_log_likelihood"];
    if held_out.is_object() {
        let (value, error) = (number(&held_out["value"]), number(&held_out["standard_error"]));
        let error = if error.is_finite() { format!(" ± {error:.4}") } else { String::new() };
        text += &format!("Held-out log-likelihood {}{error} nats per point", minus(value, 4));
        if let Some(truth) = summary["truth_held_out_log_likelihood"]["value"].as_f64() {
            text += &format!("; the truth's {}", minus(truth, 4));
        }
        text += ".\n";
    }
    if let Some(value) = summary["total_variation"]["value"].as_f64() {
        text += &format!("Total variation to the truth: mixture {value:.4}");
        if let (Some(drawn), Some(chance)) =
            (summary["sampler"]["total_variation"]["value"].as_f64(), summary["sampler"]["by_chance"].as_f64())
        {
            text += &format!(", histogram of the drawn points {drawn:.4} (of which {chance:.4} is chance)");
        }
        text += ".\n";
    }
    for note in summary["notes"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        text += &format!("Note: {note}.\n");
    }
    text + &format!("Results: {}\nReport:  {}", folder.display(), folder.join("report.html").display())
}
