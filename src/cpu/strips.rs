//! The loops of the Stein pass over strips of sixteen rows: softmax, then the coefficients in either of their two forms.
//!
//! Matrices are column-major, one column per component or coordinate. Exponentials stay unnormalised; `inverse` holds 1/Σ of each
//! row, so no pass only divides. Sums over rows: sixteen lanes in row order, then a tree.

use std::f32::consts::LOG2_E;
use std::sync::Arc;

use crate::vector::vector_fn;

/// Rows that are worked on at a time.
pub const STRIP: usize = 16;

/// Log₂ of the terms r_l·D², relative to the largest responsibility, that are left out where all rows of a tile have less, D² being the
/// largest squared distance in the tile's table, since a coefficient is r_l(1 + ⟨μ_l − M, μᵢ − M⟩): a 256th of what single precision
/// adds to a sum that begins with one.
const FAINT: f32 = -32.0;

/// Where responsibilities are [`FAINT`], for squared distances `inner` (up to one for each stratum).
pub fn faint(inner: &[f32]) -> f32 {
    let furthest = inner.iter().fold(0.0, |most, v| if v.abs() > most { v.abs() } else { most });
    FAINT - (1.0 + furthest).log2()
}

/// Sixteen rows of one stratum, and where their logits come from: two runs of eight rows of a product, each with its sign.
#[derive(Debug, Clone, Copy)]
pub struct Strip {
    pub row: usize,
    /// The stratum's place in its patch.
    pub stratum: usize,
    pub low: (usize, f32),
    pub high: (usize, f32),
}

/// One side's numbers of a tile.
pub struct Columns<'a> {
    /// Rows between columns.
    pub ld: usize,
    /// Which component of the patch each column is, shape (m).
    pub kept: Arc<[u32]>,
    /// The patch's `inner` of these components, shape (strata, m).
    pub inner: &'a [f32],
    /// exp(logit − peak), ld × m.
    pub e: &'a [f32],
    /// D·e (Gram form) or ⟨ε_l, v⟩ (two products), ld × m.
    pub u: &'a [f32],
    /// 1/Σe, ld.
    pub inverse: &'a [f32],
    /// What the other terms of the coefficient add up to, ld.
    pub c: &'a [f32],
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

/// 2ˣ for x ≤ 0 within 2 ULP; 2⁻¹²⁶ where the true value is smaller.
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

#[inline(always)]
fn lanes<const N: usize>(values: &[f32], at: usize) -> &[f32; N] {
    values[at..at + N].try_into().expect("N numbers")
}

#[inline(always)]
fn lanes_mut(values: &mut [f32], at: usize) -> &mut [f32; STRIP] {
    (&mut values[at..at + STRIP]).try_into().expect("sixteen numbers")
}

#[inline(always)]
fn tree(mut sum: [f32; STRIP]) -> f32 {
    let mut half = STRIP / 2;
    while half > 0 {
        for i in 0..half {
            sum[i] += sum[i + half];
        }
        half /= 2;
    }
    sum[0]
}

vector_fn! {
    /// e = 2^(x·log₂e + offset − peak) of each row of the strips, and 1/Σe; x (ldx × m) are products, `offset` (strata, m). Columns all
    /// of whose numbers are below `faint` are left out; `kept` says which the columns of e are.
    pub fn softmax(
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
                    seen[i] |= u32::from(!(y[i] < faint)); // a number that is none is seen
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
    pub fn gram_offsets(
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
    pub fn turn_to_centre(
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
    pub fn gram_coefficients(side: &Columns, strips: &[Strip], weight: &[f32], out: &mut [f32], mass: Option<&mut [f32]>) {
        let inner = &side.inner[strips[0].stratum * out.len()..][..out.len()];
        column_sums(side, strips, weight, out, mass, #[inline(always)] |l, scale, u, c| u.mul_add(scale, c - inner[l]).mul_add(0.5, 1.0));
    }
}

vector_fn! {
    /// out_l = Σ weight·r_l(1 + u_l − c) and mass_l = Σ weight·r_l.
    pub fn product_coefficients(side: &Columns, strips: &[Strip], weight: &[f32], out: &mut [f32], mass: Option<&mut [f32]>) {
        column_sums(side, strips, weight, out, mass, #[inline(always)] |_, _, u, c| 1.0 + (u - c));
    }
}

vector_fn! {
    /// out_c = Σ weight·½(energy of the teacher's side − of the student's)·z_c over the rows of `strips`, for draws (ldz × rank).
    pub fn energy_sums(energies: [&[f32]; 2], strips: &[Strip], weight: &[f32], z: &[f32], ldz: usize, out: &mut [f32]) {
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
    /// Σ weight·½|w − v|² over the rows of `strips`, for v, w (ld × rank).
    pub fn half_square(v: &[f32], w: &[f32], ld: usize, rank: usize, strips: &[Strip], weight: &[f32]) -> f32 {
        let mut sum = [0.0f32; STRIP];
        for strip in strips {
            let mut square = [0.0f32; STRIP];
            for axis in 0..rank {
                let (v, w) = (lanes::<STRIP>(v, axis * ld + strip.row), lanes::<STRIP>(w, axis * ld + strip.row));
                for i in 0..STRIP {
                    square[i] = (w[i] - v[i]).mul_add(w[i] - v[i], square[i]);
                }
            }
            let weight = lanes::<STRIP>(weight, strip.row);
            for i in 0..STRIP {
                sum[i] += 0.5 * weight[i] * square[i];
            }
        }
        tree(sum)
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
