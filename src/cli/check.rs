//! `mixscore check`: known answers on the chosen device, then a table of its errors against the reference.

use serde::Serialize;
use serde_json::json;

use super::Common;
use crate::backend::{Backend, UnitProblem};
use crate::cpu::Cpu;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::gpu::{self, Choice, Gpu};
use crate::mixture::GaussianMixture;
use crate::objective::divergence::{Divergence, Estimator, Sampler, Side, Storage};
use crate::random::normal::normal_f64;
use crate::random::philox::{Philox, philox};
use crate::random::streams::{Purpose, stream};
use crate::reference::Reference;
use crate::self_check::polynomial_answers;

/// Log-densities and scores: a few dozen roundings of 6e-8 each.
const DENSITY: f64 = 1e-5;
/// Gradients are differences of sums that nearly cancel.
const GRADIENT: f64 = 1e-4;
/// Draws in half precision are each rounded by up to 2⁻¹¹ = 5e-4 of their size, and the points lie where they were rounded to.
const HALF: f64 = 2e-3;

#[derive(clap::Args)]
pub struct Arguments {
    /// How draws are stored on the device.
    #[arg(long, value_enum, default_value_t = Storage::F32)]
    storage: Storage,
}

/// One comparison.
#[derive(Serialize)]
struct Check {
    name: String,
    error: f64,
    bound: f64,
    passed: bool,
}

impl Check {
    /// Passes on error ≤ bound, so that NaN fails.
    fn new(name: impl Into<String>, error: f64, bound: f64) -> Self {
        Self { name: name.into(), error, bound, passed: error <= bound }
    }
}

/// The device that the user chose: a GPU can be asked for more than the seam offers.
pub(super) enum Chosen {
    Gpu(Box<Gpu>),
    Other(Box<dyn Backend>),
}

impl Chosen {
    pub(super) fn open(device: Device) -> Result<Self> {
        let gpu = |choice| gpu::open(choice).map(|g| Chosen::Gpu(Box::new(g)));
        match device {
            Device::Reference => Ok(Chosen::Other(Box::new(Reference))),
            Device::Cpu => Ok(Chosen::Other(Box::new(Cpu::new()))),
            Device::Gpu(index) => gpu(Choice::Real(index)),
            Device::Gpus => gpu::open_all().map(|g| Chosen::Gpu(Box::new(g))),
            Device::Software => gpu(Choice::Software),
            Device::Auto => gpu(Choice::Real(None)).or_else(|_| Ok(Chosen::Other(Box::new(Cpu::new())))),
        }
    }

    pub(super) fn backend(&mut self) -> &mut dyn Backend {
        match self {
            Chosen::Gpu(gpu) => &mut **gpu,
            Chosen::Other(backend) => &mut **backend,
        }
    }
}

pub fn run(common: &Common, arguments: &Arguments) -> Result<()> {
    let mut chosen = Chosen::open(common.device)?;
    let device = chosen.backend().describe();
    common.say(&format!("device: {device}"));
    let mut checks = match &mut chosen {
        Chosen::Gpu(gpu) => known_answers(gpu)?,
        Chosen::Other(_) => published_words(),
    };
    for (rank, k, n_teachers, n_samples) in [(1, 2, 1, 512), (2, 7, 5, 300), (31, 7, 5, 257), (64, 64, 16, 64)] {
        parity(chosen.backend(), [rank, k, n_teachers, n_samples], arguments.storage, &mut checks)?;
    }
    for (what, got, want) in polynomial_answers(&mut *chosen.backend().polynomials())? {
        checks.push(Check::new(format!("learn: {what}"), normwise(&got, &want), GRADIENT));
    }
    let failed: Vec<&Check> = checks.iter().filter(|c| !c.passed).collect();
    if common.json {
        common.print_json(&json!({ "schema": "mixscore.check/1", "device": device, "passed": failed.is_empty(), "checks": checks }))?;
    } else {
        for check in &checks {
            let Check { name, error, bound, passed } = check;
            common.print(&format!("{}  {name:<44} {error:9.2e}  at most {bound:.0e}", if *passed { "ok  " } else { "FAIL" }))?;
        }
    }
    match failed.first() {
        None => Ok(()),
        Some(c) => Err(Error::SelfCheck { device, what: format!("{}: {:e} is over {:e}", c.name, c.error, c.bound) }),
    }
}

/// The published answer at counter and key zero, of the words that the host makes.
fn published_words() -> Vec<Check> {
    let wrong = (philox([0; 4], [0; 2]) != [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]) as u8;
    vec![Check::new("Philox words, host against published", wrong.into(), 0.0)]
}

/// The device's words against the host's (exactly), and its normals against double precision (in ULP).
fn known_answers(gpu: &mut Gpu) -> Result<Vec<Check>> {
    let (key, n) = ([0xa409_3822, 0x299f_31d0], 1 << 16);
    let (words, normals) = gpu.words(key, n)?;
    let wrong = (0..n).filter(|i| words[*i] != philox([*i as u32, 1, 2, 3], key)).count();
    let mut worst = 0.0f64;
    for (words, normals) in words.iter().zip(&normals) {
        for (word, z) in words.iter().zip(normals) {
            let exact = normal_f64(*word);
            let ulp = f64::from((exact.abs() as f32).next_up() - exact.abs() as f32);
            let error = (f64::from(*z) - exact).abs() / ulp;
            worst = worse(worst, error);
        }
    }
    let mut checks = published_words();
    checks.push(Check::new(format!("Philox words, {n} counters, that differ"), wrong as f64, 0.0));
    checks.push(Check::new("normals, worst error in ULP", worst, 4.0));
    checks.push(sums(gpu)?);
    for quads in [2, 25] {
        checks.push(softmax(gpu, quads)?);
    }
    Ok(checks)
}

/// The device's sum by its fixed tree against the host's by the same tree: single precision, the same bits.
fn sums(gpu: &mut Gpu) -> Result<Check> {
    let (n, block) = (100_003, 256);
    let mut rng = stream(0, Purpose::Check, 0, 1);
    let values: Vec<[f32; 4]> = scattered(&mut rng, 4 * n).chunks_exact(4).map(|v| std::array::from_fn(|c| v[c] as f32)).collect();
    let add = |sum: [f32; 4], v: &[f32; 4]| std::array::from_fn(|c| sum[c] + v[c]);
    let blocks: Vec<[f32; 4]> = values.chunks(block).map(|block| block.iter().fold([0.0; 4], add)).collect();
    let want: [f32; 4] = blocks.iter().fold([0.0; 4], add);
    let got = gpu.sums(&values, block)?;
    let wrong = got.iter().zip(want).filter(|(got, want)| got.to_bits() != want.to_bits()).count();
    Ok(Check::new(format!("sum of {n} numbers by the fixed tree, bits"), wrong as f64, 0.0))
}

/// The device's responsibilities and log-sum-exp against double precision. Logits reach to ±60: e⁶⁰ alone would fit single precision,
/// its square would not.
fn softmax(gpu: &mut Gpu, quads: usize) -> Result<Check> {
    let mut rng = stream(0, Purpose::Check, 0, 2);
    let logits: Vec<f64> = scattered(&mut rng, 256 * 4 * quads).iter().map(|v| f64::from(*v as f32 * 60.0)).collect();
    let (got, masses) = gpu.softmax(&logits.iter().map(|v| *v as f32).collect::<Vec<f32>>(), quads)?;
    let mut worst = 0.0f64;
    let mut take = |got: f32, want: f64| {
        let error = (f64::from(got) - want).abs() / want.abs().max(1.0);
        worst = worse(worst, error);
    };
    for (row, logits) in logits.chunks_exact(4 * quads).enumerate() {
        let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mass: f64 = logits.iter().map(|v| (v - largest).exp()).sum();
        take(masses[row], largest + mass.ln());
        logits.iter().zip(&got[row * 4 * quads..]).for_each(|(v, got)| take(*got, (v - largest).exp() / mass));
    }
    // WGSL lets exp err by 3 ULP plus twice the argument's size in ULP; a share is at most e⁻ˣ, and x e⁻ˣ is small.
    Ok(Check::new(format!("softmax of {} logits", 4 * quads), worst, 2e-6))
}

/// Numbers in (−1, 1), exact in single precision.
fn scattered(rng: &mut Philox, n: usize) -> Vec<f64> {
    use rand::TryRng;
    let mut next = || match rng.try_next_u32() {
        Ok(word) => f64::from(word >> 8) / f64::from(1u32 << 23) - 1.0,
        Err(never) => match never {},
    };
    (0..n).map(|_| next()).collect()
}

/// A problem of one replicate, and the student's means.
pub(super) fn problem(rank: usize, k: usize, n_teachers: usize, n_samples: usize) -> (UnitProblem, Vec<f64>) {
    let mut rng = stream(0, Purpose::Check, 0, (rank + k) as u32);
    // Neighbours overlap in any dimension: |μ − m|² grows with the spread squared times the rank.
    let spread = (4.0 / (rank as f64).sqrt()).min(2.0) as f32;
    let mut means = |n: usize| scattered(&mut rng, n * rank).iter().map(|v| f64::from(*v as f32 * spread)).collect::<Vec<f64>>();
    let (student, teacher_means) = (means(k), means(n_teachers));
    let problem = UnitProblem {
        n_replicates: 1,
        first_replicate: 0,
        rank,
        student_weights: vec![1.0 / k as f64; k],
        teacher_weights: vec![1.0 / n_teachers as f64; n_teachers],
        teacher_means,
        divergence: Divergence::Reverse,
        estimator: Estimator::Stein,
        sampler: Sampler::Philox,
        n_samples: Some(n_samples),
        storage: Storage::F32,
        neighbours: crate::objective::neighbours::Neighbours::Exact,
        seed: 0,
    };
    (problem, student)
}

/// The larger of two errors, where NaN is larger than every number and stays.
fn worse(a: f64, b: f64) -> f64 {
    if a.is_nan() || a >= b { a } else { b }
}

/// ‖got − want‖ / ‖want‖.
pub(super) fn normwise(got: &[f64], want: &[f64]) -> f64 {
    let error: f64 = got.iter().zip(want).map(|(g, w)| (g - w).powi(2)).sum();
    let scale: f64 = want.iter().map(|w| w * w).sum();
    if got.len() == want.len() { (error / scale).sqrt() } else { f64::NAN }
}

fn parity(device: &mut dyn Backend, [rank, k, n_teachers, n]: [usize; 4], storage: Storage, checks: &mut Vec<Check>) -> Result<()> {
    let gradient_bound = if storage == Storage::F16 { HALF } else { GRADIENT };
    let size = format!("d={rank} k={k} K={n_teachers}");
    let (problem, means) = problem(rank, k, n_teachers, n);
    let mixture = GaussianMixture::new(problem.student_weights.clone(), means.clone(), rank, 1.0)?;
    let points: Vec<f64> = means.iter().chain(&problem.teacher_means).map(|m| 1.25 * m).collect();
    let (got, want) = (device.evaluate(&mixture, &points, false)?, Reference.evaluate(&mixture, &points, false)?);
    checks.push(Check::new(format!("{size} log-density"), normwise(&got.log_density, &want.log_density), DENSITY));
    checks.push(Check::new(format!("{size} score"), normwise(&got.score, &want.score), DENSITY));
    let forms = [
        ("Stein", Divergence::Reverse, Estimator::Stein),
        ("auto", Divergence::Reverse, Estimator::Auto),
        ("pathwise", Divergence::Reverse, Estimator::Pathwise),
        ("forward", Divergence::Forward, Estimator::Stein),
    ];
    for (name, divergence, estimator) in forms {
        let problem = UnitProblem { divergence, estimator, ..problem.clone() };
        let stored = UnitProblem { storage, ..problem.clone() };
        let (mut a, mut b) = (device.open(&stored)?, Reference.open(&problem)?);
        a.set_means(&means)?;
        b.set_means(&means)?;
        let (got, want) = (a.gradient(1)?, b.gradient(1)?);
        let error = normwise(&got.group_gradients, &want.group_gradients);
        checks.push(Check::new(format!("{size} gradient, {name}"), error, gradient_bound));
        if name == "Stein" {
            let (got, want) = (a.measure(Side::Student, n, 1)?, b.measure(Side::Student, n, 1)?);
            checks.push(Check::new(format!("{size} ½|a|²"), normwise(&got.half_square, &want.half_square), GRADIENT));
            checks.push(Check::new(format!("{size} ln p − ln q"), normwise(&got.log_ratio, &want.log_ratio), GRADIENT));
        }
    }
    Ok(())
}
