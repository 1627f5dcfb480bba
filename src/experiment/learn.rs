//! Learning from points into a folder: model, drawn points, summary and page.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use super::learn_source::{Source, source};
use super::learn_summary::LearnSummary;
use super::learn_task::Task;
use super::run_folder::{Output, StagedFolder, write_json};
use super::standardise::Standardisation;
use crate::backend::polynomials::Polynomials;
use crate::check::check_polynomials;
use crate::cpu::CpuPolynomials;
use crate::device::{self, Device};
use crate::diffusion::learn::learn;
use crate::diffusion::learned::Learned;
use crate::diffusion::options::Method;
use crate::diffusion::watch::Watch;
use crate::error::{Error, Result};
use crate::mixture::files::{Values, write_any_mixture, write_mixture, write_npy, write_points};
use crate::mixture::{CovarianceKind, Mixture};

/// The learned mixture, in users' units; and in standardised units, if columns were standardised.
pub const MODEL: &str = "model.npz";
pub const MODEL_STANDARDISED: &str = "model-standardised.npz";

/// The events of learning, for display.
#[derive(Debug)]
pub enum Event<'a> {
    /// The `at`-th cell of a sweep begins, counted from 1.
    Cell { at: usize, of: usize, name: &'a str },
    /// A sentence that people should see.
    Note { text: &'a str },
    /// `done` (0 to 1) of a stage.
    Stage { name: &'a str, done: f64 },
    /// One folder is complete.
    Finished,
}

/// How a learner is run: everything but the task.
pub struct Request<'a> {
    pub device: Device,
    /// Set by Ctrl-C: the computation ends at its next check, and nothing is written.
    pub interrupted: &'a AtomicBool,
    pub tell: &'a mut dyn FnMut(&Event),
    /// Adds the page to the unfinished folder.
    pub page: &'a dyn Fn(&Path, &Outcome) -> Result<()>,
}

/// The result, the points it was learned from, and `summary.json`.
pub struct Outcome {
    pub source: Source,
    pub learned: Learned,
    pub summary: LearnSummary,
}

/// Learns and writes the folder. Returns its path and its summary.
///
/// # Errors
/// A folder that is not empty, points that cannot be read or learned from, no device, an interruption.
pub fn run(task: &Task, output: &Output, asked: &mut Request) -> Result<(PathBuf, LearnSummary)> {
    output.check()?;
    let options = &task.options;
    let mut polynomials = polynomials(asked.device, options.method, asked.tell)?;
    let mut source = source(&task.data, task.truth.as_deref(), task.points, options.seed)?;
    if options.covariance != CovarianceKind::Common {
        refuse_truth(task)?;
        source.truth = None; // a preset's own
    }
    source.notes.iter().for_each(|text| (asked.tell)(&Event::Note { text }));
    let own = if options.standardise { Some(standardised(&mut source)?) } else { None };
    let began = Instant::now();
    let tell = &mut *asked.tell;
    let mut watch = Watch { interrupted: asked.interrupted, tell: &mut |name, done| tell(&Event::Stage { name, done }) };
    let mut learned = learn(&source.points, source.d, options, &mut *polynomials, &mut watch)?;
    if learned.draws.as_ref().is_some_and(|draws| !draws.faults.is_empty()) {
        (asked.tell)(&Event::Note { text: "the drawn points are not to be used as they are: the notes say for which components" });
    }
    if let Some(own) = &own {
        learned.held_out.value += own.log_unit();
        learned.train_log_likelihood += own.log_unit();
    }
    let n = source.points.len() / source.d;
    let seconds = began.elapsed().as_secs_f64();
    let summary = LearnSummary { standardised: own, ..LearnSummary::of(task, n, &learned, source.truth.as_ref(), seconds)? };
    let outcome = Outcome { source, learned, summary };
    let folder = write(output, &outcome, asked.page)?;
    (asked.tell)(&Event::Finished);
    Ok((folder, outcome.summary))
}

/// What is compared with a truth has one common variance.
fn refuse_truth(task: &Task) -> Result<()> {
    if task.truth.is_some() {
        return Err(Error::bad_input(
            format!("a truth is compared with mixtures of one common variance, and {} covariances are asked for", task.options.covariance),
            "Leave out the truth and compare the held-out log-likelihood, or learn a common variance",
        ));
    }
    if task.options.standardise && task.options.start.is_some() {
        return Err(Error::bad_input(
            "a start is given, and points are to be standardised, which changes its units",
            "Leave out one of the two",
        ));
    }
    Ok(())
}

/// The device's way with polynomials, where the method has polynomials and the device a way of its own.
fn polynomials(choice: Device, method: Method, tell: &mut dyn FnMut(&Event)) -> Result<Box<dyn Polynomials>> {
    let opened = device::open(choice)?; // a device that is asked for by name must exist, even if the method does not use it
    if method != Method::PiecewisePolynomial {
        tell(&Event::Note { text: "this method computes on the CPU, whatever the device" });
        return Ok(Box::new(CpuPolynomials));
    }
    if choice == Device::Reference {
        tell(&Event::Note { text: "Gram matrices and sampling in double precision and plain loops, all else as on the CPU" });
        return Ok(opened.backend.polynomials());
    }
    let mut own = opened.backend.polynomials();
    check_polynomials(&*opened.backend, &mut *own)?;
    tell(&Event::Note { text: &format!("Gram matrices and sampling on {}; all else on the CPU", opened.why) });
    Ok(own)
}

/// Scales the points to units of their columns.
fn standardised(source: &mut Source) -> Result<Standardisation> {
    if source.truth.is_some() {
        return Err(Error::bad_input(
            "points are to be standardised beside a truth, which has no common variance in units of their columns",
            "Leave out one of the two",
        ));
    }
    let own = Standardisation::of(&source.points, source.d)?;
    source.points = own.inside(&source.points);
    Ok(own)
}

fn write(output: &Output, outcome: &Outcome, page: &dyn Fn(&Path, &Outcome) -> Result<()>) -> Result<PathBuf> {
    let staged = StagedFolder::new(output)?;
    let (at, d) = (staged.path(), outcome.source.d);
    let mixture = &outcome.learned.mixture;
    let samples = &outcome.learned.samples;
    if !outcome.learned.labels.is_empty() {
        write_npy(&at.join("labels.npy"), &[outcome.learned.labels.len()], Values::I64(&outcome.learned.labels))?;
    }
    if let Some(general) = &outcome.learned.general {
        write_general(at, outcome, general)?;
    } else if let Some(own) = &outcome.summary.standardised {
        write_mixture(&at.join(MODEL_STANDARDISED), mixture)?;
        write_any_mixture(&at.join(MODEL), &own.outside_mixture(&mixture.into())?)?;
        let least = own.deviations.iter().copied().fold(f64::INFINITY, f64::min);
        write_points(&at.join("samples.npy"), d, &own.outside(samples), least * mixture.variance().sqrt())?;
    } else {
        write_mixture(&at.join(MODEL), mixture)?;
        write_points(&at.join("samples.npy"), d, samples, mixture.variance().sqrt())?;
    }
    write_json(&at.join("summary.json"), &serde_json::json!(outcome.summary))?;
    page(at, outcome)?;
    staged.publish(output)
}

/// The model and the drawn points, where covariances are of another kind than the common variance.
fn write_general(at: &Path, outcome: &Outcome, mixture: &Mixture) -> Result<()> {
    let (d, samples) = (mixture.n_features(), &outcome.learned.samples);
    let Some(own) = &outcome.summary.standardised else {
        write_any_mixture(&at.join(MODEL), mixture)?;
        write_points(&at.join("samples.npy"), d, samples, mixture.deviations()[0])?;
        return Ok(());
    };
    let outside = own.outside_mixture(mixture)?;
    write_any_mixture(&at.join(MODEL_STANDARDISED), mixture)?;
    write_any_mixture(&at.join(MODEL), &outside)?;
    write_points(&at.join("samples.npy"), d, &own.outside(samples), outside.deviations()[0])?;
    Ok(())
}
