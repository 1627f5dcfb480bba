//! Softmax and posterior means over strips of sixteen rows.
//!
//! Matrices are column-major, one column per component or coordinate. Exponentials stay unnormalised: `inverse` holds 1/Σ of each row, and
//! later passes multiply by it.

use std::f32::consts::LOG2_E;

use crate::vector::lanes::{LANES, lanes, lanes_mut};
use crate::vector::vector_fn;

/// Rows that are processed together.
pub(super) const STRIP: usize = LANES;

/// Terms r_l·D² below this log₂, relative to the largest responsibility, are left out if they are so in all rows of a tile. D² is the
/// largest squared distance in the tile's table, because a coefficient is r_l(1 + ⟨μ_l − M, μᵢ − M⟩). The limit is a 256th of the rounding
/// of a single-precision sum that begins with one.
const FAINT: f32 = -32.0;

/// The log₂ responsibility that makes a term [`FAINT`], for squared distances `inner` (up to one constant for each stratum).
pub(super) fn faint(inner: &[f32]) -> f32 {
    let furthest = inner.iter().fold(0.0, |most, v| if v.abs() > most { v.abs() } else { most });
    FAINT - (1.0 + furthest).log2()
}

/// Sixteen rows of one stratum. Their logits come from two runs of eight rows of a product, each with its sign.
#[derive(Debug, Clone, Copy)]
pub(super) struct Strip {
    pub row: usize,
    /// The index of the stratum in its patch.
    pub stratum: usize,
    pub low: (usize, f32),
    pub high: (usize, f32),
}

/// The logits of a strip (base 2) from a column of products.
#[inline(always)]
fn logits(x: &[f32], strip: &Strip, offset: f32) -> [f32; STRIP] {
    let (low, high) = (lanes::<8>(x, strip.low.0), lanes::<8>(x, strip.high.0));
    let (low_scale, high_scale) = (strip.low.1 * LOG2_E, strip.high.1 * LOG2_E);
    let mut y = [0.0; STRIP];
    for i in 0..8 {
        y[i] = low[i].mul_add(low_scale, offset);
        y[8 + i] = high[i].mul_add(high_scale, offset);
    }
    y
}

/// 2ˣ for x ≤ 0 within 2 ULP; 2⁻¹²⁶ if the true value is smaller.
#[inline(always)]
fn exp2(x: f32) -> f32 {
    const ROUND: f32 = 12_582_912.0; // 1.5·2²³: adding it leaves the nearest integer in the low bits
    let x = if x < -126.0 { -126.0 } else { x };
    let shifted = x + ROUND;
    let r = x - (shifted - ROUND);
    let p = 1.535_336_2e-4f32;
    let p = p.mul_add(r, 1.339_887_4e-3);
    let p = p.mul_add(r, 9.618_437e-3);
    let p = p.mul_add(r, 5.550_332_5e-2);
    let p = p.mul_add(r, 2.402_264_8e-1);
    let p = p.mul_add(r, 6.931_472e-1);
    let p = p.mul_add(r, 1.0);
    f32::from_bits(p.to_bits().wrapping_add(shifted.to_bits() << 23))
}

vector_fn! {
    /// e = 2^(x·log₂e + offset − peak) of each row of the strips, and 1/Σe; x (ldx × m) are products, `offset` has shape (strata, m). A
    /// column is left out if all its numbers are below `faint`; `kept` lists the columns of e.
    pub(super) fn softmax(
        x: &[f32],
        ldx: usize,
        strips: &[Strip],
        offset: &[f32],
        m: usize,
        faint: f32,
        e: &mut [f32],
        ld: usize,
        peak: &mut [f32],
        inverse: &mut [f32],
        kept: &mut Vec<u32>,
    ) {
        for strip in strips {
            let offset = &offset[strip.stratum * m..][..m];
            let mut peaks = [f32::MIN; STRIP];
            for l in 0..m {
                let y = logits(&x[l * ldx..], strip, offset[l]);
                for i in 0..STRIP {
                    peaks[i] = if y[i] > peaks[i] { y[i] } else { peaks[i] };
                }
            }
            *lanes_mut(peak, strip.row) = peaks;
            *lanes_mut(inverse, strip.row) = [0.0; STRIP];
        }
        kept.clear();
        for l in 0..m {
            let column = &mut e[kept.len() * ld..][..ld];
            let mut seen = [0u32; STRIP];
            for strip in strips {
                let (mut y, peaks) = (logits(&x[l * ldx..], strip, offset[strip.stratum * m + l]), lanes::<STRIP>(peak, strip.row));
                for i in 0..STRIP {
                    y[i] -= peaks[i];
                    seen[i] |= u32::from(!(y[i] < faint)); // NaN counts as seen
                }
                *lanes_mut(column, strip.row) = y;
            }
            if seen == [0; STRIP] {
                continue;
            }
            for strip in strips {
                let (y, mass) = (lanes_mut(column, strip.row), lanes_mut(inverse, strip.row));
                for i in 0..STRIP {
                    y[i] = exp2(y[i]);
                    mass[i] += y[i];
                }
            }
            kept.push(l as u32);
        }
        for strip in strips {
            let mass = lanes_mut(inverse, strip.row);
            *mass = mass.map(|mass| 1.0 / mass);
        }
    }
}

vector_fn! {
    /// c = Σ r_l (inner_l − (Dr)_l) and the energy Σ r_l (inner_l − ½(Dr)_l) of each row, from e and u = D·e. The energy is
    /// |centre − Σ r_l ε_l|² less that of the component that dominates at the centre.
    pub(super) fn gram_offsets(
        e: &[f32],
        u: &[f32],
        ld: usize,
        strips: &[Strip],
        inner: &[f32],
        m: usize,
        inverse: &[f32],
        c: &mut [f32],
        energy: &mut [f32],
    ) {
        for strip in strips {
            let inner = &inner[strip.stratum * m..][..m];
            let scale = *lanes::<STRIP>(inverse, strip.row);
            let (mut linear, mut square) = ([0.0; STRIP], [0.0; STRIP]);
            for l in 0..m {
                let (e, u) = (lanes::<STRIP>(e, l * ld + strip.row), lanes::<STRIP>(u, l * ld + strip.row));
                for i in 0..STRIP {
                    linear[i] = e[i].mul_add(inner[l], linear[i]);
                    square[i] = (e[i] * scale[i]).mul_add(u[i], square[i]);
                }
            }
            let (c, energy) = (lanes_mut(c, strip.row), lanes_mut(energy, strip.row));
            for i in 0..STRIP {
                c[i] = (linear[i] - square[i]) * scale[i];
                energy[i] = 0.5f32.mul_add(-square[i], linear[i]) * scale[i];
            }
        }
    }
}

vector_fn! {
    /// v (ld × rank), which holds Σ e_l ε_l, becomes centre − Σ r_l ε_l, c = ⟨Σ r_l ε_l, v⟩ and the energy |v|² − |centre|² − level;
    /// `centre` (strata, rank), `level` (strata).
    pub(super) fn turn_to_centre(
        v: &mut [f32],
        ld: usize,
        strips: &[Strip],
        centre: &[f32],
        level: &[f32],
        rank: usize,
        inverse: &[f32],
        c: &mut [f32],
        energy: &mut [f32],
    ) {
        for strip in strips {
            let centre = &centre[strip.stratum * rank..][..rank];
            let scale = *lanes::<STRIP>(inverse, strip.row);
            let (mut along_v, mut along_centre) = ([0.0f32; STRIP], [0.0f32; STRIP]);
            for axis in 0..rank {
                let v = lanes_mut(v, axis * ld + strip.row);
                for i in 0..STRIP {
                    let mean = v[i] * scale[i];
                    v[i] = centre[axis] - mean;
                    along_v[i] = mean.mul_add(v[i], along_v[i]);
                    along_centre[i] = mean.mul_add(centre[axis], along_centre[i]);
                }
            }
            *lanes_mut(c, strip.row) = along_v;
            let energy = lanes_mut(energy, strip.row);
            for i in 0..STRIP {
                energy[i] = -along_v[i] - along_centre[i] - level[strip.stratum];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp2_is_within_two_ulp() {
        let mut worst = 0.0f64;
        for i in 0..1_000_000 {
            let x = -125.9 * (i as f32 / 1e6);
            let exact = f64::from(x).exp2();
            let ulp = f64::from((exact as f32).next_up() - exact as f32);
            let err = (f64::from(exp2(x)) - exact).abs() / ulp;
            assert!(err.is_finite(), "2^{x}");
            worst = worst.max(err);
        }
        assert!(worst <= 2.0, "{worst} ULP");
        assert_eq!(exp2(0.0), 1.0);
        assert!(exp2(-1e30) <= 2e-38 && exp2(f32::NAN).is_nan());
    }
}
