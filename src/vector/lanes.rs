//! Loops over the samples of a tile, compiled for the best vector instructions of this machine.
//!
//! Sums have a fixed order: sixteen lanes, then a tree. Small functions are `inline(always)`, for loops that are vector code themselves.

use crate::random::philox::philox;

use super::normals::normals;
use super::vector_fn;

/// Samples per vector step; tiles are padded to a multiple.
pub const LANES: usize = 16;

/// Runs `work` compiled for AVX-512, AVX2, NEON or the baseline, whichever this machine has.
#[inline(always)]
pub fn vectorised<R>(work: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(work)
}

/// eˣ for x ≤ 88, within 2 ULP; 1e-38 where the true value is smaller.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    const ROUND: f32 = 12_582_912.0; // 1.5·2²³: adding it leaves the nearest integer in the low bits
    let x = x.clamp(-87.0, 88.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = x - n * 0.693_359_4 - n * -2.121_944_4e-4;
    let p = 1.987_569_1e-4;
    let p = p * r + 1.398_2e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 0.166_666_65;
    let p = p * r + 0.5;
    let y = (p * r * r + r) + 1.0;
    y * f32::from_bits((shifted.to_bits() << 23).wrapping_add(0x3f80_0000))
}

/// Draws z for sixteen samples of a coordinate block: column `c` of `z` (leading dimension `ld`) from row `s`.
#[inline(always)]
pub fn draw(key: [u32; 2], step: u32, stratum: u32, first: u32, block: u32, out: &mut [[f32; LANES]; 4]) {
    let mut words = [[0u32; LANES]; 4];
    for lane in 0..LANES {
        let four = philox([block, first + lane as u32, stratum, step], key);
        for c in 0..4 {
            words[c][lane] = four[c];
        }
    }
    for (words, out) in words.iter().zip(out) {
        normals(words, out);
    }
}

vector_fn! {
    /// Logits (ld × k, column-major, without offsets) become responsibilities; `peak` and `mass` (ld) give their log-sum-exp.
    /// The mass is added up in double precision: in single, a thousand equal terms round to one side, and ln p − ln q of mixtures that
    /// nearly coincide is smaller than that.
    pub fn softmax(logits: &mut [f32], offset: &[f32], ld: usize, peak: &mut [f32], mass: &mut [f64]) {
        peak.fill(f32::MIN);
        for (column, offset) in logits.chunks_exact_mut(ld).zip(offset) {
            for (x, peak) in column.iter_mut().zip(peak.iter_mut()) {
                *x += offset;
                *peak = if *x > *peak { *x } else { *peak };
            }
        }
        mass.fill(0.0);
        for column in logits.chunks_exact_mut(ld) {
            for ((x, peak), mass) in column.iter_mut().zip(peak.iter()).zip(mass.iter_mut()) {
                *x = exp(*x - peak);
                *mass += f64::from(*x);
            }
        }
        let mut inverse = [0.0f32; crate::objective::groups::BLOCK];
        for (i, m) in inverse.iter_mut().zip(mass.iter()) {
            *i = (1.0 / m) as f32;
        }
        for column in logits.chunks_exact_mut(ld) {
            for (x, inverse) in column.iter_mut().zip(&inverse) {
                *x *= inverse;
            }
        }
    }
}

vector_fn! {
    /// squares (ld × k) += Σ (x − μ)² over the columns of x, for rows μ of `means` that lie `row` apart.
    pub fn add_squares(x: &[f32], means: &[f32], row: usize, ld: usize, squares: &mut [f32]) {
        let mut sum = [0.0f32; crate::objective::groups::BLOCK];
        for (l, column) in squares.chunks_exact_mut(ld).enumerate() {
            sum.fill(0.0); // each block of coordinates in a sum of its own
            for (x, mu) in x.chunks_exact(ld).zip(&means[l * row..]) {
                for (sum, x) in sum.iter_mut().zip(x) {
                    *sum += (x - mu) * (x - mu);
                }
            }
            column.iter_mut().zip(&sum).for_each(|(o, s)| *o += s);
        }
    }
}

/// The `N` numbers from `at` on, for loops over whole vectors.
#[inline(always)]
pub fn lanes<const N: usize>(values: &[f32], at: usize) -> &[f32; N] {
    values[at..at + N].try_into().expect("N numbers")
}

/// As [`lanes`], to be written.
#[inline(always)]
pub fn lanes_mut(values: &mut [f32], at: usize) -> &mut [f32; LANES] {
    (&mut values[at..at + LANES]).try_into().expect("sixteen numbers")
}

/// The sum of all lanes: halves are added until one is left.
#[inline(always)]
pub fn tree(mut sum: [f32; LANES]) -> f32 {
    let mut half = LANES / 2;
    while half > 0 {
        for i in 0..half {
            sum[i] += sum[i + half];
        }
        half /= 2;
    }
    sum[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_within_two_ulp() {
        let mut worst = 0.0f64;
        for i in 0..1_000_000 {
            let x = -86.9 + 173.0 * i as f32 / 1e6;
            let exact = f64::from(x).exp();
            let ulp = f64::from((exact as f32).next_up() - exact as f32);
            let err = (f64::from(exp(x)) - exact).abs() / ulp;
            assert!(err.is_finite(), "e^{x}");
            worst = worst.max(err);
        }
        assert!(worst <= 2.0, "{worst} ULP");
        assert_eq!(exp(0.0), 1.0);
        assert!(exp(-1e30) <= 2e-38);
    }

    /// A thousand equal terms, which single precision adds up a few millionths too low: more than nearly equal mixtures differ by.
    #[test]
    fn the_mass_of_many_components_is_not_rounded_to_one_side() {
        let (k, logit) = (1024, -0.7f32);
        let mut logits = vec![logit; k * LANES];
        logits[..LANES].fill(0.0);
        let (mut peak, mut mass) = ([0.0; LANES], [0.0; LANES]);
        softmax(&mut logits, &vec![0.0; k], LANES, &mut peak, &mut mass);
        let exact = 1.0 + (k - 1) as f64 * f64::from(exp(logit));
        assert!(mass.iter().all(|mass| (mass - exact).abs() <= 1e-12 * exact), "{} for {exact}", mass[0]);
        let single = (1..k).fold(1.0f32, |sum, _| sum + exp(logit));
        assert!((f64::from(single) - exact).abs() > 1e-7 * exact, "single precision would do: {single}");
    }
}
