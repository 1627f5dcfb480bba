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

vector_fn! {
    /// Σ (a − b)².
    pub(crate) fn squared_distance(a: &[f64], b: &[f64]) -> f64 {
        square_of_difference(a, b)
    }
}
