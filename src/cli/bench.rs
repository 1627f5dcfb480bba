//! `mixscore bench`: a gradient step at several sizes on the chosen device, and on a GPU each of its kernels, beside the roof measured on
//! the same device in the same process.

use std::time::Instant;

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat};
use serde::Serialize;
use serde_json::json;

use super::Common;
use super::check::{Chosen, normwise, problem};
use crate::backend::{Backend, Rule, Session};
use crate::error::{Error, Result};
use crate::gpu::probe::Roof;
use crate::gpu::profile::KernelTime;
use crate::reference::Reference;

#[derive(clap::Args)]
pub struct Arguments {
    /// Samples per step in all [default: 65536 or 16384 by size, on a software adapter an eighth].
    #[arg(long, value_name = "N")]
    samples: Option<usize>,
    /// Print a table for a README instead.
    #[arg(long)]
    markdown: bool,
    /// Seconds to measure each size for.
    #[arg(long, default_value_t = 1.0, value_name = "S")]
    seconds: f64,
}

/// (samples, d, k, K), d being the dimensions of the subspace that a device sees.
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

/// A software adapter gets this part of the samples, and no size with more than [`SOFTWARE_PAIRS`] pairs of components.
const SOFTWARE_SHARE: usize = 8;
const SOFTWARE_PAIRS: usize = 1 << 17;

/// Seconds for which each kernel runs alone.
const KERNEL_SECONDS: f64 = 0.03;

/// Repeats whose median is given.
const REPEATS: usize = 5;

#[derive(Serialize)]
struct Row {
    d: usize,
    k: usize,
    n_teachers: usize,
    samples: usize,
    /// Normwise error of the gradient against the reference, on fewer samples.
    parity_error: f64,
    /// Wall time of one step of descent.
    milliseconds: f64,
    sample_components_per_second: f64,
    gflops: f64,
    /// Of the measured roof.
    share_of_roof: f64,
    /// On a GPU: what the step consists of.
    kernels: Vec<KernelRow>,
}

/// All dispatches of one kernel in a step, run alone.
#[derive(Serialize)]
struct KernelRow {
    kernel: String,
    dispatches: usize,
    milliseconds: f64,
    /// By the device's own timestamps, where it has them.
    device_milliseconds: Option<f64>,
    sample_components_per_second: f64,
    gflops: f64,
    /// Of the roof measured in the same rounds.
    share_of_roof: f64,
}

pub fn run(common: &Common, arguments: &Arguments) -> Result<()> {
    if arguments.samples == Some(0) || !(arguments.seconds.is_finite() && arguments.seconds > 0.0) {
        return Err(Error::Usage { what: "nothing to measure".into(), remedy: "Give positive --samples and --seconds".into() });
    }
    let mut chosen = Chosen::open(common.device)?;
    let device = chosen.backend().describe().to_string();
    common.say(&format!("device: {device}"));
    let mut roof = measured_roof(&mut chosen)?;
    common.say(&format!("roof: {:.1} GFLOP/s, copy {:.1} GB/s, both measured here", roof.gflops, roof.gigabytes_per_second));
    let software = matches!(&chosen, Chosen::Gpu(gpu) if gpu.adapter().software);
    let mut rows = Vec::new();
    for [samples, d, k, n_teachers] in SIZES {
        if software && k * (k + n_teachers) > SOFTWARE_PAIRS {
            continue;
        }
        if !rows.is_empty() {
            roof = roof.or_higher(measured_roof(&mut chosen)?); // the machine may have had other work before
        }
        let samples = arguments.samples.unwrap_or(if software { samples / SOFTWARE_SHARE } else { samples });
        let row = measure(&mut chosen, &device, &roof, [samples, d, k, n_teachers], arguments.seconds)?;
        if arguments.markdown && !common.json {
            common.print(&markdown(&row, rows.is_empty()))?;
        } else if !common.json {
            common.print(&text(&row, rows.is_empty()))?;
        }
        rows.push(row);
    }
    if common.json {
        common.print_json(&json!({ "schema": "mixscore.bench/1", "device": device, "roof": roof, "rows": rows }))?;
    }
    Ok(())
}

fn measured_roof(chosen: &mut Chosen) -> Result<Roof> {
    match chosen {
        Chosen::Gpu(gpu) => gpu.roof(),
        Chosen::Other(_) => Ok(host_roof()),
    }
}

fn text(row: &Row, first: bool) -> String {
    let head = "    d     k     K   samples   ms/step   samples·components/s   GFLOP/s   of roof   parity";
    let mut lines = Vec::from_iter(first.then(|| head.to_string()));
    let Row { d, k, n_teachers, samples, milliseconds, sample_components_per_second: rate, gflops, .. } = row;
    let share = 100.0 * row.share_of_roof;
    let parity = row.parity_error;
    lines.push(format!("{d:5} {k:5} {n_teachers:5} {samples:9} {milliseconds:9.3} {rate:22.3e} {gflops:9.2} {share:8.1}% {parity:8.1e}"));
    for kernel in &row.kernels {
        let KernelRow { kernel: name, dispatches, milliseconds, sample_components_per_second: rate, gflops, .. } = kernel;
        let device = kernel.device_milliseconds.map_or(String::new(), |ms| format!("   {ms:.3} ms by its own clock"));
        let share = 100.0 * kernel.share_of_roof;
        lines.push(format!("      {name:<21} ×{dispatches:<5} {milliseconds:9.3} {rate:22.3e} {gflops:9.2} {share:8.1}%{device}"));
    }
    lines.join("\n")
}

fn markdown(row: &Row, first: bool) -> String {
    let head = "| samples | d | k | K | ms a step | samples·components/s | GFLOP/s | of the roof |\n|---|---|---|---|---|---|---|---|";
    let mut lines = Vec::from_iter(first.then(|| head.to_string()));
    let Row { samples, d, k, n_teachers, milliseconds, sample_components_per_second: rate, gflops, share_of_roof: share, .. } = row;
    lines.push(format!("| {samples} | {d} | {k} | {n_teachers} | {milliseconds:.2} | {rate:.2e} | {gflops:.1} | {:.0} % |", 100.0 * share));
    lines.join("\n")
}

fn measure(chosen: &mut Chosen, device: &str, roof: &Roof, sizes: [usize; 4], seconds: f64) -> Result<Row> {
    let [samples, d, k, n_teachers] = sizes;
    let parity_error = parity(chosen, device, d, k, n_teachers)?;
    let per_stratum = samples.div_ceil(k);
    let (problem, means) = problem(d, k, n_teachers, per_stratum);
    let mut session = chosen.backend().open(&problem)?;
    session.set(&means)?;
    let seconds = median_step(&mut *session, seconds)?;
    drop(session);
    let samples = per_stratum * k;
    let both = (k + n_teachers) as f64;
    let kernels = match chosen {
        Chosen::Gpu(gpu) => gpu.profile(&problem, &means, KERNEL_SECONDS)?,
        Chosen::Other(_) => Vec::new(),
    };
    let kernels = kernels.into_iter().map(|time| kernel_row(time, samples as f64 * both)).collect();
    // Logits, then the cheaper of the two ways from responsibilities to coefficients: the same ledger whatever the device really does.
    let products = 2.0 * d as f64 * both;
    let moments = (4.0 * d as f64 * both).min(2.0 * (k * k + n_teachers * n_teachers) as f64);
    let gflops = samples as f64 * (products + moments) / seconds / 1e9;
    Ok(Row {
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

fn kernel_row(time: KernelTime, sample_components: f64) -> KernelRow {
    let gflops = time.operations / time.seconds / 1e9;
    KernelRow {
        kernel: time.kernel,
        dispatches: time.dispatches,
        milliseconds: 1e3 * time.seconds,
        device_milliseconds: time.device_seconds.map(|seconds| 1e3 * seconds),
        sample_components_per_second: sample_components / time.seconds,
        gflops,
        share_of_roof: time.share_of_roof,
    }
}

/// Speed of wrong numbers is of no use.
fn parity(chosen: &mut Chosen, device: &str, d: usize, k: usize, n_teachers: usize) -> Result<f64> {
    let (problem, means) = problem(d, k, n_teachers, 16);
    let (mut a, mut b) = (chosen.backend().open(&problem)?, Reference.open(&problem)?);
    a.set(&means)?;
    b.set(&means)?;
    let gradient = normwise(&a.gradient(0)?.group_gradients, &b.gradient(0)?.group_gradients);
    // A step of descent may take other kernels.
    a.descend(0, 1, &Rule::new(0.1, false))?;
    b.descend(0, 1, &Rule::new(0.1, false))?;
    let error = gradient.hypot(normwise(&a.parameters()?, &b.parameters()?)); // NaN of either stays
    if error <= 1e-4 {
        return Ok(error);
    }
    Err(Error::SelfCheck { device: device.into(), what: format!("the gradient at d={d} k={k} K={n_teachers} is wrong by {error:e}") })
}

/// Seconds of one step, the median of several measurements after a warm-up, or one measurement where a step alone takes all the time.
/// The means stay where they are.
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

/// The CPU's roof: a large product in single precision by the library that the CPU backend uses, and a copy on one core.
fn host_roof() -> Roof {
    let n = 1024;
    let a = Mat::<f32>::from_fn(n, n, |i, j| ((i + 3 * j) % 7) as f32);
    let mut c = Mat::<f32>::zeros(n, n);
    let threads = faer::Par::rayon(0);
    let mut product = || matmul(c.as_mut(), Accum::Replace, a.as_ref(), a.as_ref(), 1.0, threads);
    let gemm = best_of_five(&mut product);
    let source = vec![1.0f32; 16 << 20];
    let mut destination = vec![0.0f32; source.len()];
    let copy = best_of_five(&mut || destination.copy_from_slice(std::hint::black_box(&source)));
    std::hint::black_box((&c, &destination));
    Roof { gflops: 2.0 * (n as f64).powi(3) / gemm / 1e9, gigabytes_per_second: 8.0 * source.len() as f64 / copy / 1e9 }
}

fn best_of_five(work: &mut dyn FnMut()) -> f64 {
    work();
    let once = |work: &mut dyn FnMut()| {
        let start = Instant::now();
        work();
        start.elapsed().as_secs_f64()
    };
    (0..5).map(|_| once(work)).fold(f64::INFINITY, f64::min)
}
