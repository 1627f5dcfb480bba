//! The speed of a descent step at several sizes on the chosen device, and on a GPU of each of its kernels, relative to the device's speed
//! limit measured in the same process.

use std::time::Instant;

use serde::Serialize;

use super::problems::{normwise, problem};
use super::roof::Roof;
use crate::backend::{Backend, Rule, Session, UnitProblem};
use crate::device::Chosen;
use crate::error::{Error, Result};
#[cfg(feature = "gpu")]
use crate::gpu::profile::KernelTime;
use crate::reference::Reference;

/// (samples, d, k, K), where d is the dimension of the subspace that a device sees.
const SIZES: [[usize; 4]; 8] = [
    [65_536, 2, 8, 4],
    [65_536, 8, 16, 4],
    [65_536, 32, 32, 16],
    [65_536, 64, 64, 16],
    [65_536, 48, 256, 64],
    [65_536, 80, 64, 16],
    [16_384, 64, 1024, 64],
    [16_384, 288, 256, 32],
];

/// A software adapter gets one sample in this many, and no size with more than [`SOFTWARE_PAIRS`] pairs of components.
const SOFTWARE_SHARE: usize = 8;
const SOFTWARE_PAIRS: usize = 1 << 17;

/// The time for which each kernel runs alone.
#[cfg(feature = "gpu")]
const KERNEL_SECONDS: f64 = 0.03;

/// Repeats, whose median counts.
const REPEATS: usize = 5;

/// A step of descent at one size.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Throughput {
    pub d: usize,
    pub k: usize,
    pub n_teachers: usize,
    pub samples: usize,
    /// Normwise error of the gradient against the reference, on fewer samples.
    pub parity_error: f64,
    /// Wall-clock time of one step of descent.
    pub milliseconds: f64,
    pub sample_components_per_second: f64,
    pub gflops: f64,
    /// The fraction of the measured speed limit.
    pub share_of_roof: f64,
    /// On a GPU: the kernels of the step.
    pub kernels: Vec<KernelThroughput>,
}

/// All dispatches of one kernel in a step, run alone.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct KernelThroughput {
    pub kernel: String,
    pub dispatches: usize,
    pub milliseconds: f64,
    /// By the device's own timestamps, if it has them.
    pub device_milliseconds: Option<f64>,
    pub sample_components_per_second: f64,
    pub gflops: f64,
    /// The fraction of the speed limit measured in the same rounds.
    pub share_of_roof: f64,
}

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    /// Samples per step in all; `None`: by size, and an eighth of that on a software adapter.
    pub samples: Option<usize>,
    /// Seconds for measuring each size.
    pub seconds: f64,
}

/// Intermediate results, for display.
#[derive(Debug)]
pub(crate) enum Event<'a> {
    Roof(&'a Roof),
    Measured(&'a Throughput),
}

/// Measures every size that suits the device. Returns the results with the highest speed limit that was seen.
///
/// # Errors
/// [`Error::SelfCheck`] if a gradient is wrong; the device's; those of `tell`.
pub(crate) fn bench(chosen: &mut Chosen, effort: Effort, tell: &mut dyn FnMut(Event) -> Result<()>) -> Result<(Roof, Vec<Throughput>)> {
    let mut roof = Roof::of(chosen)?;
    tell(Event::Roof(&roof))?;
    let software = chosen.is_software();
    let mut rows = Vec::new();
    for [samples, d, k, n_teachers] in SIZES {
        if software && k * (k + n_teachers) > SOFTWARE_PAIRS {
            continue;
        }
        if !rows.is_empty() {
            roof = roof.or_higher(Roof::of(chosen)?); // the machine may have been busy before
        }
        let samples = effort.samples.unwrap_or(if software { samples / SOFTWARE_SHARE } else { samples });
        let row = measure(chosen, &roof, [samples, d, k, n_teachers], effort.seconds)?;
        tell(Event::Measured(&row))?;
        rows.push(row);
    }
    Ok((roof, rows))
}

fn measure(chosen: &mut Chosen, roof: &Roof, sizes: [usize; 4], seconds: f64) -> Result<Throughput> {
    let [samples, d, k, n_teachers] = sizes;
    let parity_error = checked_error(chosen, d, k, n_teachers)?;
    let per_stratum = samples.div_ceil(k);
    let (problem, means) = problem(d, k, n_teachers, per_stratum);
    let mut session = chosen.backend().open(&problem)?;
    session.set(&means)?;
    let seconds = median_step(&mut *session, seconds)?;
    drop(session);
    let samples = per_stratum * k;
    let both = (k + n_teachers) as f64;
    let kernels = kernels(chosen, &problem, &means, samples as f64 * both)?;
    // Counted are the logits and the cheaper way from responsibilities to coefficients, whatever the device really does.
    let products = 2.0 * d as f64 * both;
    let moments = (4.0 * d as f64 * both).min(2.0 * (k * k + n_teachers * n_teachers) as f64);
    let gflops = samples as f64 * (products + moments) / seconds / 1e9;
    Ok(Throughput {
        d,
        k,
        n_teachers,
        samples,
        parity_error,
        milliseconds: 1e3 * seconds,
        sample_components_per_second: samples as f64 * both / seconds,
        gflops,
        share_of_roof: gflops / roof.gflops,
        kernels,
    })
}

#[cfg(not(feature = "gpu"))]
fn kernels(_: &mut Chosen, _: &UnitProblem, _: &[f64], _: f64) -> Result<Vec<KernelThroughput>> {
    Ok(Vec::new())
}

/// The kernels of the step, on a GPU.
#[cfg(feature = "gpu")]
fn kernels(chosen: &mut Chosen, problem: &UnitProblem, means: &[f64], sample_components: f64) -> Result<Vec<KernelThroughput>> {
    let Chosen::Gpu(gpu) = chosen else { return Ok(Vec::new()) };
    let times = gpu.profile(problem, means, KERNEL_SECONDS)?;
    Ok(times.into_iter().map(|time| kernel_row(time, sample_components)).collect())
}

#[cfg(feature = "gpu")]
fn kernel_row(time: KernelTime, sample_components: f64) -> KernelThroughput {
    let gflops = time.operations / time.seconds / 1e9;
    KernelThroughput {
        kernel: time.kernel,
        dispatches: time.dispatches,
        milliseconds: 1e3 * time.seconds,
        device_milliseconds: time.device_seconds.map(|seconds| 1e3 * seconds),
        sample_components_per_second: sample_components / time.seconds,
        gflops,
        share_of_roof: time.share_of_roof,
    }
}

/// The error of a gradient and of a step against the reference, on few samples. It is refused if large, since the speed would mean nothing.
fn checked_error(chosen: &mut Chosen, d: usize, k: usize, n_teachers: usize) -> Result<f64> {
    let (problem, means) = problem(d, k, n_teachers, 16);
    let (mut a, mut b) = (chosen.backend().open(&problem)?, Reference.open(&problem)?);
    a.set(&means)?;
    b.set(&means)?;
    let gradient = normwise(&a.gradient(0)?.group_gradients, &b.gradient(0)?.group_gradients);
    // A step of descent may use other kernels.
    a.descend(0, 1, &Rule::new(0.1, false))?;
    b.descend(0, 1, &Rule::new(0.1, false))?;
    let error = gradient.hypot(normwise(&a.parameters()?, &b.parameters()?)); // NaN of either stays
    if error <= 1e-4 {
        return Ok(error);
    }
    Err(Error::SelfCheck {
        device: chosen.backend().describe().to_string(),
        what: format!("the gradient at d={d} k={k} K={n_teachers} is wrong by {error:e}"),
    })
}

/// Seconds of one step: the median of several measurements after a warm-up, or one measurement if a single step takes all the time. The
/// means do not move.
fn median_step(session: &mut dyn Session, seconds: f64) -> Result<f64> {
    let still = Rule::new(0.0, false);
    let timed = |session: &mut dyn Session, steps: u64| -> Result<f64> {
        let start = Instant::now();
        session.descend(0, steps, &still)?;
        session.parameters()?; // the device has finished
        Ok(start.elapsed().as_secs_f64() / steps as f64)
    };
    timed(session, 1)?;
    let one = timed(session, 1)?;
    if one >= seconds {
        return Ok(one);
    }
    let steps = (seconds / REPEATS as f64 / one).clamp(1.0, 1e4) as u64;
    let mut times = (0..REPEATS).map(|_| timed(session, steps)).collect::<Result<Vec<f64>>>()?;
    times.sort_by(f64::total_cmp);
    Ok(times[REPEATS / 2])
}
