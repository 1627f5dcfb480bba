//! Loops over the samples of a tile, compiled for the best vector instructions of this machine.
//!
//! Sums have a fixed order: sixteen lanes, then a tree. Small functions are `inline(always)`, so that they become part of vector code.

use crate::random::philox::philox;

use super::normals::normals;

/// Samples per vector step; tiles are padded to a multiple.
pub(crate) const LANES: usize = 16;

/// Runs `work` compiled for AVX-512, AVX2, NEON or the baseline, whichever this machine has.
#[inline(always)]
pub(crate) fn vectorised<R>(work: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(work)
}

/// eˣ for x ≤ 88, within 2 ULP; 1e-38 if the true value is smaller.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
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
pub(crate) fn draw(key: [u32; 2], step: u32, stratum: u32, first: u32, block: u32, out: &mut [[f32; LANES]; 4]) {
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

/// The `N` numbers from `at` on, for loops over whole vectors.
#[inline(always)]
pub(crate) fn lanes<const N: usize>(values: &[f32], at: usize) -> &[f32; N] {
    values[at..at + N].try_into().expect("N numbers")
}

/// As [`lanes`], for writing.
#[inline(always)]
pub(crate) fn lanes_mut(values: &mut [f32], at: usize) -> &mut [f32; LANES] {
    (&mut values[at..at + LANES]).try_into().expect("sixteen numbers")
}

/// The sum of all lanes: the upper half is added to the lower half until one lane is left.
#[inline(always)]
pub(crate) fn tree(mut sum: [f32; LANES]) -> f32 {
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
}
