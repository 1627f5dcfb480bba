//! Known answers for a GPU: its words, normals, sums and softmax against the host's.

use super::Comparison;
use super::known_answers::of_host;
use super::problems::scattered;
use crate::error::Result;
use crate::gpu::Gpu;
use crate::random::normal::normal_f64;
use crate::random::philox::philox;
use crate::random::streams::{Purpose, stream};

/// The device's words against the host's (exactly), and its normals against double precision (in ULP).
pub(super) fn of_gpu(gpu: &mut Gpu) -> Result<Vec<Comparison>> {
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
    let mut checks = of_host();
    checks.push(Comparison::new(format!("Philox words, {n} counters, that differ"), wrong as f64, 0.0));
    checks.push(Comparison::new("normals, worst error in ULP", worst, 4.0));
    checks.push(sums(gpu)?);
    for quads in [2, 25] {
        checks.push(softmax(gpu, quads)?);
    }
    Ok(checks)
}

/// The device's sum against the host's by the same fixed tree in single precision: the bits must agree.
fn sums(gpu: &mut Gpu) -> Result<Comparison> {
    let (n, block) = (100_003, 256);
    let mut rng = stream(0, Purpose::Check, 0, 1);
    let values: Vec<[f32; 4]> = scattered(&mut rng, 4 * n).chunks_exact(4).map(|v| std::array::from_fn(|c| v[c] as f32)).collect();
    let add = |sum: [f32; 4], v: &[f32; 4]| std::array::from_fn(|c| sum[c] + v[c]);
    let blocks: Vec<[f32; 4]> = values.chunks(block).map(|block| block.iter().fold([0.0; 4], add)).collect();
    let want: [f32; 4] = blocks.iter().fold([0.0; 4], add);
    let got = gpu.sums(&values, block)?;
    let wrong = got.iter().zip(want).filter(|(got, want)| got.to_bits() != want.to_bits()).count();
    Ok(Comparison::new(format!("sum of {n} numbers by the fixed tree, bits"), wrong as f64, 0.0))
}

/// The device's responsibilities and log-sum-exp against double precision. Logits reach ±60: e⁶⁰ fits single precision, its square does
/// not.
fn softmax(gpu: &mut Gpu, quads: usize) -> Result<Comparison> {
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
    // WGSL allows exp an error of 3 ULP plus twice the argument's size in ULP; a responsibility is at most e⁻ˣ, and x e⁻ˣ is small.
    Ok(Comparison::new(format!("softmax of {} logits", 4 * quads), worst, 2e-6))
}

/// The larger of two errors; NaN counts as largest.
fn worse(a: f64, b: f64) -> f64 {
    if a.is_nan() || a >= b { a } else { b }
}
