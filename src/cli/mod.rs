//! The command line: one file per verb. Results go to stdout, talk and progress to stderr.

use std::any::TypeId;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use clap::{Arg, Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::device::{Device, Opened};
use crate::error::Error;
use crate::mixture::files::{read_any_mixture_with_notes, read_mixture_with_notes};
use crate::mixture::{CovarianceKind, GaussianMixture, Mixture};
use crate::number::count;
use exit::{Failure, Result};

mod bench;
mod check;
mod compare;
mod completions;
#[cfg(feature = "gpu")]
mod devices;
mod evaluate;
mod evaluate_general;
mod exit;
mod gradient;
mod gradient_general;
mod init;
mod keys;
mod learn;
mod man;
mod output;
mod pair;
mod presets;
mod progress;
mod report;
mod resume;
mod run;
mod sample;
mod score;
#[cfg(feature = "gpu")]
mod shaders;
mod signals;
mod sweep;
mod threads;

#[cfg(unix)]
pub use crate::memory::ProgramAllocator;

/// Score matching in Gaussian mixtures on any GPU: divergences, their gradients, and descent.
#[derive(Parser)]
#[command(name = "mixscore", version, long_version = concat!(env!("CARGO_PKG_VERSION"), " (", env!("MIXSCORE_BUILD"), ")"), about, max_term_width = 110)]
pub struct Cli {
    #[command(flatten)]
    pub common: Common,
    #[command(subcommand)]
    pub verb: Verb,
}

/// Options that every verb takes.
#[derive(Args, Clone)]
pub struct Common {
    /// auto, cpu, reference, gpu, gpu:N, gpus or software. gpus: all discrete GPUs, or else all integrated ones,
    /// which divide replicates, or samples too if they are the same model.
    #[arg(long, global = true, default_value = "auto", value_name = "DEVICE", value_parser = device)]
    pub device: Device,
    /// Seed of all random numbers; overrides a config's.
    #[arg(long, global = true, value_name = "N")]
    pub seed: Option<u64>,
    /// Threads that compute; left out: RAYON_NUM_THREADS, OMP_NUM_THREADS or SLURM_CPUS_PER_TASK, or else one per core.
    #[arg(long, global = true, value_name = "N")]
    pub threads: Option<usize>,
    /// Print exactly one JSON object on stdout.
    #[arg(long, global = true)]
    pub json: bool,
    /// No progress and no talk on stderr.
    #[arg(long, global = true)]
    pub quiet: bool,
}

fn device(text: &str) -> std::result::Result<Device, String> {
    let choices = "Choose auto, cpu, reference, gpu, gpu:N (N from `mixscore devices`), gpus or software";
    text.parse().map_err(|_| format!("there is no device {text:?}. {choices}."))
}

#[derive(Subcommand)]
pub enum Verb {
    /// Run one experiment, from a config file or a built-in preset, into a run folder.
    Run(run::Arguments),
    /// Run a grid of experiments, from a config file or a built-in preset; finished cells are kept and skipped.
    Sweep(sweep::Arguments),
    /// Go on with a stopped or killed run from its newest good checkpoint, bit for bit.
    Resume(resume::Arguments),
    /// Write DIR/report.html again, from the folder of a run, of a sweep or of what was learned.
    Report(report::Arguments),
    /// Put runs side by side on one page: their configs' differences, their ends in units of the error, their curves.
    Compare(compare::Arguments),
    /// The gradient of a divergence, with standard errors.
    Gradient(gradient::Arguments),
    /// Divergences, total variation and coverage of a student, with standard errors.
    Evaluate(evaluate::Arguments),
    /// Log-density and score of a mixture at points.
    Score(score::Arguments),
    /// Draw points from a mixture. The host draws, whatever the device; one that is asked for by name must be there.
    Sample(sample::Arguments),
    /// Learn a mixture and a sampler from points.
    Learn(learn::Arguments),
    /// List adapters and say which one `--device auto` takes, and why.
    #[cfg(feature = "gpu")]
    Devices(devices::Arguments),
    /// Compare this machine's device with the reference: known answers and a parity table.
    Check(check::Arguments),
    /// Throughput per kernel beside the device's own measured roof.
    Bench(bench::Arguments),
    /// List the built-in experiments.
    Presets(presets::Arguments),
    /// Write a commented config to start from.
    Init(init::Arguments),
    /// List every key of a config: type, default, unit, meaning, and what it depends on.
    Keys(keys::Arguments),
    /// Write every composed WGSL module.
    #[cfg(feature = "gpu")]
    Shaders(shaders::Arguments),
    /// Print a script by which a shell completes verbs and options.
    #[command(hide = true)]
    Completions(completions::Arguments),
    /// Write manual pages.
    #[command(hide = true)]
    Man(man::Arguments),
}

/// Parses the command line, runs the verb and turns an error into a message and an exit code.
pub fn main() -> ExitCode {
    // Negative numbers are passed to the option, which refuses them with its own message.
    let command = Cli::command().mut_args(with_counts).mut_subcommands(|verb| verb.allow_negative_numbers(true).mut_args(with_counts));
    let cli = match command.try_get_matches().and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    match threads::start(cli.common.threads).and_then(|()| dispatch(&cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            complain(&format!("mixscore: {failure}"));
            ExitCode::from(failure.exit_code())
        }
    }
}

/// Accepts counts as people write them, 1e4 and 10_000, in every option that takes one.
fn with_counts(arg: Arg) -> Arg {
    let of = arg.get_value_parser().type_id();
    if of == TypeId::of::<usize>() {
        arg.value_parser(|text: &str| usize::try_from(count(text)?).map_err(|_| "more than this machine can count".to_string()))
    } else if of == TypeId::of::<u64>() {
        arg.value_parser(count)
    } else {
        arg
    }
}

fn dispatch(cli: &Cli) -> Result<()> {
    let common = &cli.common;
    match &cli.verb {
        Verb::Run(arguments) => run::run(common, arguments),
        Verb::Sweep(arguments) => sweep::run(common, arguments),
        Verb::Resume(arguments) => resume::run(common, arguments),
        Verb::Report(arguments) => report::run(common, arguments),
        Verb::Compare(arguments) => compare::run(common, arguments),
        Verb::Gradient(arguments) => gradient::run(common, arguments),
        Verb::Evaluate(arguments) => evaluate::run(common, arguments),
        Verb::Score(arguments) => score::run(common, arguments),
        Verb::Sample(arguments) => sample::run(common, arguments),
        Verb::Learn(arguments) => learn::run(common, arguments),
        #[cfg(feature = "gpu")]
        Verb::Devices(arguments) => devices::run(common, arguments),
        Verb::Check(arguments) => check::run(common, arguments),
        Verb::Bench(arguments) => bench::run(common, arguments),
        Verb::Presets(arguments) => presets::run(common, arguments),
        Verb::Init(arguments) => init::run(common, arguments),
        Verb::Keys(arguments) => keys::run(common, arguments),
        #[cfg(feature = "gpu")]
        Verb::Shaders(arguments) => shaders::run(common, arguments),
        Verb::Completions(arguments) => completions::run(common, arguments),
        Verb::Man(arguments) => man::run(common, arguments),
    }
}

impl Common {
    /// Opens the device and says on stderr which one it is and why.
    pub fn open_device(&self) -> Result<Opened> {
        let opened = crate::device::open(self.device)?;
        self.say(&format!("device: {}", opened.why));
        Ok(opened)
    }

    /// Refuses `--device` for a verb that uses none.
    pub fn refuse_device(&self, verb: &str) -> Result<()> {
        match self.device {
            Device::Auto => Ok(()),
            device => Err(Failure::usage(format!("{verb} uses no device, so --device {device} would do nothing"), "Leave it out")),
        }
    }

    /// Opens the device for mixtures: `auto` is the CPU where some covariances are not common, which GPUs do not evaluate.
    pub fn open_device_for(&self, mixtures: &[&Mixture]) -> Result<Opened> {
        let is_common = mixtures.iter().all(|mixture| mixture.covariance_kind() == CovarianceKind::Common);
        let device = if self.device == Device::Auto && !is_common { Device::Cpu } else { self.device };
        Common { device, ..self.clone() }.open_device()
    }

    /// A mixture of any kind, and on stderr what people should know of how its file was understood.
    pub fn read_any_mixture(&self, path: &Path) -> crate::Result<Mixture> {
        let (mixture, notes) = read_any_mixture_with_notes(path)?;
        notes.iter().for_each(|note| self.say(note));
        Ok(mixture)
    }

    /// A mixture of one common variance, and on stderr what people should know of how its file was understood.
    ///
    /// # Errors
    /// What cannot be read.
    pub fn read_mixture(&self, path: &Path) -> crate::Result<GaussianMixture> {
        let (mixture, notes) = read_mixture_with_notes(path)?;
        notes.iter().for_each(|note| self.say(note));
        Ok(mixture)
    }

    /// A message on stderr, unless `--quiet`.
    pub fn say(&self, text: &str) {
        if !self.quiet {
            complain(text);
        }
    }

    /// Prints a result and a line feed on stdout. A closed pipe is no error: the reader has what it wanted.
    ///
    /// # Errors
    /// [`Error::Io`] if stdout cannot be written, for example on a full disk.
    pub fn print(&self, text: &str) -> Result<()> {
        Ok(print(text)?)
    }

    /// Prints the one JSON object of `--json` on stdout.
    pub fn print_json(&self, value: &serde_json::Value) -> Result<()> {
        self.print(&format!("{value:#}"))
    }
}

/// As [`Common::print`], as a callback for the library.
fn print(text: &str) -> crate::Result<()> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Error::io("stdout", error)),
        _ => Ok(()),
    }
}

/// A line on stderr; ignored if stderr is closed or full.
fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
