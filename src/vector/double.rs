//! Sums in double precision: eight lanes, then a tree; the same bits on every machine.

use super::vector_fn;

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

/// Σ (a − b)², for loops that are vector code themselves.
#[inline(always)]
pub fn square_of_difference(a: &[f64], b: &[f64]) -> f64 {
    eight_sums(
        a,
        b,
        #[inline(always)]
        |a, b, sum| (a - b).mul_add(a - b, sum),
    )
}

/// Σ ab, for loops that are vector code themselves.
#[inline(always)]
pub fn inner_product(a: &[f64], b: &[f64]) -> f64 {
    eight_sums(
        a,
        b,
        #[inline(always)]
        |a, b, sum| a.mul_add(b, sum),
    )
}

vector_fn! {
    /// Σ ab.
    pub fn dot(a: &[f64], b: &[f64]) -> f64 {
        inner_product(a, b)
    }
}

vector_fn! {
    /// Σ (a − b)².
    pub fn squared_distance(a: &[f64], b: &[f64]) -> f64 {
        square_of_difference(a, b)
    }
}
