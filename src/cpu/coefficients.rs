//! Sums over the rows of a stratum: the coefficients of a gradient row in either form, and the statistics beside them.
//!
//! Sixteen lanes in row order, then a tree.

use super::strips::{STRIP, Strip};
use crate::vector::lanes::{lanes, tree};
use crate::vector::vector_fn;

/// The numbers of one side of a tile.
pub(super) struct Columns<'a> {
    /// Rows between the starts of two columns.
    pub ld: usize,
    /// The component of the table that each column belongs to, shape (m).
    pub kept: &'a [u32],
    /// The patch's `inner` of these components, shape (strata, m).
    pub inner: &'a [f32],
    /// exp(logit − peak), ld × m.
    pub e: &'a [f32],
    /// D·e (Gram form) or ⟨ε_l, v⟩ (two products), ld × m.
    pub u: &'a [f32],
    /// 1/Σe, ld.
    pub inverse: &'a [f32],
    /// The sum of the other terms of the coefficient, ld.
    pub c: &'a [f32],
}

/// out_l = Σ weight·r_l·factor(l, r's scale, u_l, c) and, if asked, mass_l = Σ weight·r_l over the rows of `strips`, all of one stratum.
#[inline(always)]
fn column_sums(
    side: &Columns,
    strips: &[Strip],
    weight: &[f32],
    out: &mut [f32],
    mut mass: Option<&mut [f32]>,
    factor: impl Fn(usize, f32, f32, f32) -> f32,
) {
    for (l, out) in out.iter_mut().enumerate() {
        let (mut sum, mut plain) = ([0.0; STRIP], [0.0; STRIP]);
        for strip in strips {
            let at = l * side.ld + strip.row;
            let (e, u) = (lanes::<STRIP>(side.e, at), lanes::<STRIP>(side.u, at));
            let (scale, c) = (lanes::<STRIP>(side.inverse, strip.row), lanes::<STRIP>(side.c, strip.row));
            let weight = lanes::<STRIP>(weight, strip.row);
            for i in 0..STRIP {
                let r = e[i] * (weight[i] * scale[i]);
                sum[i] = r.mul_add(factor(l, scale[i], u[i], c[i]), sum[i]);
                plain[i] += r;
            }
        }
        *out = tree(sum);
        if let Some(mass) = &mut mass {
            mass[l] = tree(plain);
        }
    }
}

vector_fn! {
    /// out_l = Σ weight·r_l(1 + ½((Dr)_l − inner_l + c)) and mass_l = Σ weight·r_l, for rows of one stratum.
    pub(super) fn by_distances(side: &Columns, strips: &[Strip], weight: &[f32], out: &mut [f32], mass: Option<&mut [f32]>) {
        let inner = &side.inner[strips[0].stratum * out.len()..][..out.len()];
        column_sums(side, strips, weight, out, mass, #[inline(always)] |l, scale, u, c| u.mul_add(scale, c - inner[l]).mul_add(0.5, 1.0));
    }
}

vector_fn! {
    /// out_l = Σ weight·r_l(1 + u_l − c) and mass_l = Σ weight·r_l.
    pub(super) fn by_means(side: &Columns, strips: &[Strip], weight: &[f32], out: &mut [f32], mass: Option<&mut [f32]>) {
        column_sums(side, strips, weight, out, mass, #[inline(always)] |_, _, u, c| 1.0 + (u - c));
    }
}

vector_fn! {
    /// out_l = Σ weight·r_l(u_l − c), which add up to zero.
    pub(super) fn of_covariance(side: &Columns, strips: &[Strip], weight: &[f32], out: &mut [f32]) {
        column_sums(side, strips, weight, out, None, #[inline(always)] |_, _, u, c| u - c);
    }
}

vector_fn! {
    /// out_c = Σ weight·½(energy of the teacher's side − of the student's)·z_c over the rows of `strips`, for draws (ldz × rank).
    pub(super) fn energy_sums(energies: [&[f32]; 2], strips: &[Strip], weight: &[f32], z: &[f32], ldz: usize, out: &mut [f32]) {
        let mut sums = vec![[0.0f32; STRIP]; out.len()];
        for strip in strips {
            let ([p, q], weight) = (energies.map(|energy| lanes::<STRIP>(energy, strip.row)), lanes::<STRIP>(weight, strip.row));
            let mut share = [0.0f32; STRIP];
            for i in 0..STRIP {
                share[i] = 0.5 * weight[i] * (q[i] - p[i]) * if i < 8 { strip.low.1 } else { strip.high.1 };
            }
            for (axis, sum) in sums.iter_mut().enumerate() {
                let (low, high) = (lanes::<8>(z, axis * ldz + strip.low.0), lanes::<8>(z, axis * ldz + strip.high.0));
                for i in 0..8 {
                    sum[i] = share[i].mul_add(low[i], sum[i]);
                    sum[8 + i] = share[8 + i].mul_add(high[i], sum[8 + i]);
                }
            }
        }
        for (out, sum) in out.iter_mut().zip(sums) {
            *out = tree(sum);
        }
    }
}

vector_fn! {
    /// Σ weight·½|w − v|² and Σ weight·½(|w|² − |v|²) over the rows of `strips`, for v, w (ld × rank).
    pub(super) fn statistics(v: &[f32], w: &[f32], ld: usize, rank: usize, strips: &[Strip], weight: &[f32]) -> [f32; 2] {
        let (mut sum, mut energy_sum) = ([0.0f32; STRIP], [0.0f32; STRIP]);
        for strip in strips {
            let (mut square, mut energy) = ([0.0f32; STRIP], [0.0f32; STRIP]);
            for axis in 0..rank {
                let (v, w) = (lanes::<STRIP>(v, axis * ld + strip.row), lanes::<STRIP>(w, axis * ld + strip.row));
                for i in 0..STRIP {
                    square[i] = (w[i] - v[i]).mul_add(w[i] - v[i], square[i]);
                    energy[i] = (w[i] - v[i]).mul_add(w[i] + v[i], energy[i]);
                }
            }
            let weight = lanes::<STRIP>(weight, strip.row);
            for i in 0..STRIP {
                sum[i] += 0.5 * weight[i] * square[i];
                energy_sum[i] += 0.5 * weight[i] * energy[i];
            }
        }
        [tree(sum), tree(energy_sum)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_have_one_order_whatever_the_instructions() {
        let values = |n: usize, by: f32| -> Vec<f32> { (0..n).map(|i| ((i * 37 % 101) as f32 - 50.0) * by).collect() };
        for n in [1, 2, 5, 13] {
            let rows = n * STRIP;
            let (e, u, weight) = (values(rows, 0.1234), values(rows, 0.77), values(rows, 0.31));
            let (inverse, c) = (vec![0.5; rows], vec![0.25; rows]);
            let columns = Columns { ld: rows, kept: &[0], inner: &[], e: &e, u: &u, inverse: &inverse, c: &c };
            let strip = |s: usize| Strip { row: s * STRIP, stratum: 0, low: (0, 1.0), high: (8, 1.0) };
            let (mut sum, mut mass) = ([0.0], [0.0]);
            by_means(&columns, &(0..n).map(strip).collect::<Vec<_>>(), &weight, &mut sum, Some(&mut mass));
            let r = |row: usize| e[row] * (weight[row] * 0.5);
            let lane = |lane: usize| (lane..rows).step_by(STRIP).fold(0.0f32, |sum, row| r(row).mul_add(1.0 + (u[row] - 0.25), sum));
            assert_eq!(sum[0].to_bits(), tree(std::array::from_fn(lane)).to_bits(), "{n} strips");
            let lane = |lane: usize| (lane..rows).step_by(STRIP).fold(0.0f32, |sum, row| sum + r(row));
            assert_eq!(mass[0].to_bits(), tree(std::array::from_fn(lane)).to_bits(), "{n} strips");
            let (exact, size) = (0..rows).map(|row| f64::from(r(row))).fold((0.0, 0.0), |(sum, size), v| (sum + v, size + v.abs()));
            assert!(
                (f64::from(mass[0]) - exact).abs() <= 6e-8 * (n + 4) as f64 * size,
                "rounding of {n} additions in a lane and four of the tree"
            );
        }
    }
}
