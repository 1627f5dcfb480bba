//! `mixscore learn`: a mixture and a sampler from points.

use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::{Value, json};

use super::Common;
use super::progress;
use crate::device::Device;
use crate::diffusion::compare;
use crate::diffusion::learn::{Learned, Method, Options, Variance, learn};
use crate::diffusion::presets;
use crate::diffusion::watch::Watch;
use crate::error::{Error, Result};
use crate::experiment::run_folder::{Output, Unborn, write_json};
use crate::mixture::GaussianMixture;
use crate::mixture::files::{Values, read_mixture, read_points, write_mixture, write_npy};
use crate::objective::groups::Estimate;
use crate::random::streams::RNG_VERSION;
use crate::report::learn::{Content, write_learned};

#[derive(clap::Args)]
pub struct Arguments {
    /// Points (n, d) in a .npy or .csv file; or learn-demo, learn-50d or learn-circle.
    #[arg(value_name = "DATA|PRESET")]
    data: String,
    /// The folder for model.npz, samples.npy, summary.json and report.html; empty, or not there yet.
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
    /// Number of components; left out, it is found.
    #[arg(long, value_name = "K")]
    components: Option<usize>,
    /// Who learns.
    #[arg(long, value_enum, default_value_t = Method::PiecewisePolynomial)]
    method: Method,
    /// The common variance σ² of the components where it is known, or `estimate`: the default, but for presets, whose variance is 1.
    #[arg(long, value_parser = variance)]
    variance: Option<Variance>,
    /// Total degree of the polynomials.
    #[arg(long, default_value_t = 3, value_name = "D")]
    degree: usize,
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
    truth: Option<PathBuf>,
}

fn variance(text: &str) -> std::result::Result<Variance, String> {
    match text {
        "estimate" => Ok(Variance::Estimate),
        _ => text.parse().map(Variance::Known).map_err(|_| "neither a number nor `estimate`".into()),
    }
}

/// Points and, where it is known, their truth.
struct Source {
    points: Vec<f64>,
    d: usize,
    truth: Option<GaussianMixture>,
}

pub fn run(common: &Common, arguments: &Arguments) -> Result<()> {
    let output = Output::At(arguments.output.clone());
    output.check()?;
    let preset = preset(&arguments.data);
    let options = Options {
        method: arguments.method,
        components: arguments.components,
        degree: arguments.degree,
        variance: arguments.variance.unwrap_or(if preset.is_some() { Variance::Known(1.0) } else { Variance::Estimate }),
        pairs: arguments.pairs,
        restarts: arguments.restarts,
        held_out: arguments.held_out,
        samples: arguments.samples,
        seed: common.seed.unwrap_or(0),
    };
    if matches!(common.device, Device::Gpu(_) | Device::Gpus | Device::Software) {
        // As `sample`: a device that is asked for by name must be there. The learners themselves run on this machine's cores.
        crate::device::open(common.device)?;
        common.say("learn computes on the CPU, whatever the device");
    }
    let source = source(arguments, &options)?;
    let began = Instant::now();
    let mut line = progress::Stages::new(common);
    let learned = learn(
        &source.points,
        source.d,
        &options,
        &mut Watch { interrupted: progress::interruption(), tell: &mut |stage, done| line.show(stage, done) },
    )?;
    line.finish();
    let n = source.points.len() / source.d;
    let mut summary = summary(&arguments.data, n, &learned, &options, began.elapsed().as_secs_f64());
    if let Some(truth) = &source.truth {
        add_truth(&mut summary, &learned, truth, options.seed)?;
    }
    let folder = write(&output, &summary, &learned, &source)?;
    if common.json {
        return common.print_json(&json!({"schema": "mixscore.learn/1", "folder": folder, "summary": summary}));
    }
    common.print(&told(&summary, &learned, &folder))
}

/// The preset of this name, where no file has it.
fn preset(data: &str) -> Option<&'static presets::Preset> {
    presets::find(data).filter(|_| !Path::new(data).exists())
}

/// A file of that name, else the preset of that name.
fn source(arguments: &Arguments, options: &Options) -> Result<Source> {
    let path = Path::new(&arguments.data);
    if let Some(preset) = preset(&arguments.data) {
        if arguments.truth.is_some() {
            return Err(Error::Usage { what: format!("{} has its own truth", preset.name), remedy: "Leave --truth out".into() });
        }
        let truth = preset.truth()?;
        return Ok(Source { points: preset.points(&truth, options), d: truth.n_features(), truth: Some(truth) });
    }
    if path.symlink_metadata().is_err()
        && let Some(nearest) = presets::nearest(&arguments.data)
    {
        return Err(Error::bad_file(path, "there is no such file or preset", format!("Did you mean the preset {nearest}")));
    }
    let points = read_points(path)?;
    let d = points.shape[1];
    let truth = arguments.truth.as_deref().map(read_mixture).transpose()?;
    if let Some(truth) = &truth {
        compare::check_truth(truth, d)?;
    }
    Ok(Source { points: points.values, d, truth })
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
    let samples = super::pair::to_f32("samples", &learned.samples)?;
    write_npy(&at.join("samples.npy"), &[samples.len() / d, d], Values::F32(&samples))?;
    write_json(&at.join("summary.json"), summary)?;
    let content =
        Content { summary, mixture: &learned.mixture, samples: &learned.samples, points: &source.points, truth: source.truth.as_ref() };
    write_learned(&at.join("report.html"), &content)?;
    unborn.publish(output)
}

fn told(summary: &Value, learned: &Learned, folder: &Path) -> String {
    let mut text =
        format!("{} components with variance {:.4}: {}.\n", learned.mixture.n_components(), learned.mixture.variance(), learned.why);
    if learned.held_out.value.is_finite() {
        text += &format!("Held-out log-likelihood {:.4} ± {:.4} nats per point", learned.held_out.value, learned.held_out.standard_error);
        if let Some(truth) = summary["truth_held_out_log_likelihood"]["value"].as_f64() {
            text += &format!("; the truth's {truth:.4}");
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
    for note in &learned.notes {
        text += &format!("Note: {note}.\n");
    }
    text + &format!("Results: {}\nReport:  {}", folder.display(), folder.join("report.html").display())
}
