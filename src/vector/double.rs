//! Sums in double precision: eight lanes, then a tree; the same bits on every machine.

use super::vector_fn;

/// sum ← term(a, b, sum) over all elements, in eight lanes, then a tree.
#[inline(always)]
fn eight_sums(a: &[f64], b: &[f64], term: impl Fn(f64, f64, f64) -> f64) -> f64 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut sum = [0.0f64; 8];
    for (a, b) in a.iter().zip(b) {
        for i in 0..8 {
            sum[i] = term(a[i], b[i], sum[i]);
        }
    }
    for (i, (a, b)) in a_rest.iter().zip(b_rest).enumerate() {
        sum[i] = term(*a, *b, sum[i]);
    }
    ((sum[0] + sum[4]) + (sum[2] + sum[6])) + ((sum[1] + sum[5]) + (sum[3] + sum[7]))
}

/// Σ (a − b)², to be inlined into vector code.
#[inline(always)]
pub(crate) fn square_of_difference(a: &[f64], b: &[f64]) -> f64 {
    eight_sums(
        a,
        b,
        #[inline(always)]
        |a, b, sum| (a - b).mul_add(a - b, sum),
    )
}

/// Σ ab, to be inlined into vector code.
#[inline(always)]
pub(crate) fn inner_product(a: &[f64], b: &[f64]) -> f64 {
    eight_sums(
        a,
        b,
        #[inline(always)]
        |a, b, sum| a.mul_add(b, sum),
    )
}

/// Σ (a − b)v, to be inlined into vector code.
#[inline(always)]
pub(crate) fn inner_of_difference(a: &[f64], b: &[f64], v: &[f64]) -> f64 {
    inner_of_differences(a, b, v, &[])
}

/// Σ (a − b)(c − d), to be inlined into vector code; a missing d is 0.
#[inline(always)]
pub(crate) fn inner_of_differences(a: &[f64], b: &[f64], c: &[f64], d: &[f64]) -> f64 {
    let mut sum = [0.0f64; 8];
    let whole = a.len() / 8 * 8;
    let less = |at: usize| if d.is_empty() { 0.0 } else { d[at] };
    for at in (0..whole).step_by(8) {
        for i in 0..8 {
            sum[i] = (a[at + i] - b[at + i]).mul_add(c[at + i] - less(at + i), sum[i]);
        }
    }
    for at in whole..a.len() {
        sum[at - whole] = (a[at] - b[at]).mul_add(c[at] - less(at), sum[at - whole]);
    }
    ((sum[0] + sum[4]) + (sum[2] + sum[6])) + ((sum[1] + sum[5]) + (sum[3] + sum[7]))
}

/// eˣ for x ≤ 709, within 2 ULP, for loops that are vector code themselves; 3e-308 where the true value is smaller.
#[inline(always)]
pub(crate) fn exp(x: f64) -> f64 {
    const ROUND: f64 = 6_755_399_441_055_744.0; // 1.5·2⁵²: adding it leaves the nearest integer in the low bits
    const LN_2: [f64; 2] = [6.931_471_803_691_238e-1, 1.908_214_929_270_587_7e-10]; // the first has 32 bits: its multiples are exact
    let x = x.clamp(-708.0, 709.0);
    let shifted = x.mul_add(std::f64::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = n.mul_add(-LN_2[1], n.mul_add(-LN_2[0], x));
    // Taylor's series: at |r| ≤ ½ ln 2 the first term left out is 4e-18.
    let mut p = 1.0 / 6_227_020_800.0;
    for c in [479_001_600.0f64, 39_916_800.0, 3_628_800.0, 362_880.0, 40_320.0, 5_040.0, 720.0, 120.0, 24.0, 6.0, 2.0] {
        p = r.mul_add(p, c.recip());
    }
    let y = (p * r).mul_add(r, r) + 1.0;
    y * f64::from_bits((shifted.to_bits() << 52).wrapping_add(0x3ff0_0000_0000_0000))
}

vector_fn! {
    /// Σ (a − b)².
    pub(crate) fn squared_distance(a: &[f64], b: &[f64]) -> f64 {
        square_of_difference(a, b)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_within_two_ulp() {
        let mut worst = 0.0f64;
        for i in 0..1_000_000 {
            let x = -707.9 + 1416.0 * f64::from(i) / 1e6;
            let exact = x.exp();
            let err = (exp(x) - exact).abs() / (exact.next_up() - exact);
            assert!(err.is_finite(), "e^{x}");
            worst = worst.max(err);
        }
        assert!(worst <= 2.0, "{worst} ULP");
        assert_eq!(exp(0.0), 1.0);
        assert!(exp(-1e300) <= 4e-308);
    }
}
