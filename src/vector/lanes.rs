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
    /// V = e − V, for columns c of V (ld × rank) that hold Σ r_l ε_l.
    pub fn subtract_from(e: &[f32], v: &mut [f32], ld: usize) {
        for (column, e) in v.chunks_exact_mut(ld).zip(e) {
            for v in column {
                *v = e - *v;
            }
        }
    }
}

vector_fn! {
    /// out (ld) = Σ_c (e_c − v_c) b_c over columns of V and B (ld × rank).
    pub fn inner_from(e: &[f32], v: &[f32], b: &[f32], ld: usize, out: &mut [f32]) {
        out.fill(0.0);
        for ((v, b), e) in v.chunks_exact(ld).zip(b.chunks_exact(ld)).zip(e) {
            for ((o, v), b) in out.iter_mut().zip(v).zip(b) {
                *o += (e - v) * b;
            }
        }
    }
}

vector_fn! {
    /// A = W − V column by column, and half (ld) = ½|a|².
    pub fn residual(w: &[f32], v: &[f32], a: &mut [f32], ld: usize, half: &mut [f32]) {
        half.fill(0.0);
        for ((w, v), a) in w.chunks_exact(ld).zip(v.chunks_exact(ld)).zip(a.chunks_exact_mut(ld)) {
            for (((w, v), a), half) in w.iter().zip(v).zip(a).zip(half.iter_mut()) {
                *a = w - v;
                *half += 0.5 * *a * *a;
            }
        }
    }
}

vector_fn! {
    /// out (samples) = Σ_c (e_c − f_c)(e_c + f_c + 2z_c) over columns of z (ld × rank): |e + z|² − |f + z|².
    pub fn difference_of_squares(e: &[f32], f: &[f32], z: &[f32], ld: usize, out: &mut [f64]) {
        out.fill(0.0);
        for ((e, f), z) in e.iter().zip(f).zip(z.chunks_exact(ld)) {
            let (e, f) = (f64::from(*e), f64::from(*f));
            for (o, z) in out.iter_mut().zip(z) {
                *o += (e - f) * (e + f + 2.0 * f64::from(*z));
            }
        }
    }
}

vector_fn! {
    /// Σ weight·value over a run of samples.
    pub fn weighted_sum(weight: &[f32], value: &[f32]) -> f32 {
        let mut lanes = [0.0f32; LANES];
        let (mut w, mut v) = (weight.chunks_exact(LANES), value.chunks_exact(LANES));
        for (w, v) in (&mut w).zip(&mut v) {
            for lane in 0..LANES {
                lanes[lane] += w[lane] * v[lane];
            }
        }
        for (lane, (w, v)) in w.remainder().iter().zip(v.remainder()).enumerate() {
            lanes[lane] += w * v;
        }
        tree(lanes)
    }
}

vector_fn! {
    /// out_l = Σ weight·r_l·(base + u_l − c) over samples `first` …, as many as weights: one coefficient from each column of r and u.
    pub fn coefficients(weight: &[f32], r: &[f32], u: &[f32], c: &[f32], ld: usize, first: usize, base: f32, out: &mut [f32]) {
        let n = weight.len();
        let whole = n / LANES * LANES;
        let c = &c[first..first + n];
        for (l, out) in out.iter_mut().enumerate() {
            let (r, u) = (&r[l * ld + first..][..n], &u[l * ld + first..][..n]);
            let mut lanes = [0.0f32; LANES];
            let mut s = 0;
            while s < whole {
                for lane in 0..LANES {
                    lanes[lane] += weight[s + lane] * r[s + lane] * (base + (u[s + lane] - c[s + lane]));
                }
                s += LANES;
            }
            for lane in 0..n - whole {
                lanes[lane] += weight[s + lane] * r[s + lane] * (base + (u[s + lane] - c[s + lane]));
            }
            *out = tree(lanes);
        }
    }
}

vector_fn! {
    /// R becomes weight·r and U becomes H = weight·r∘(u − c + extra), zero beyond the weights; `out` are the sums of H's columns.
    pub fn weigh(weight: &[f32], extra: Option<&[f32]>, c: &[f32], ld: usize, r: &mut [f32], u: &mut [f32], out: &mut [f64]) {
        let n = weight.len();
        for ((r, u), out) in r.chunks_exact_mut(ld).zip(u.chunks_exact_mut(ld)).zip(out) {
            let mut lanes = [0.0f64; LANES];
            for s in 0..ld {
                r[s] *= if s < n { weight[s] } else { 0.0 };
                u[s] = r[s] * ((u[s] - c[s]) + extra.map_or(0.0, |extra| extra[s]));
                lanes[s % LANES] += f64::from(u[s]);
            }
            *out = lanes.iter().sum();
        }
    }
}

#[inline(always)]
fn tree(mut lanes: [f32; LANES]) -> f32 {
    let mut half = LANES / 2;
    while half > 0 {
        for lane in 0..half {
            lanes[lane] += lanes[lane + half];
        }
        half /= 2;
    }
    lanes[0]
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

    #[test]
    fn sums_have_one_order_whatever_the_instructions() {
        let values: Vec<f32> = (0..200).map(|i| ((i * 37 % 101) as f32 - 50.0) * 0.1234).collect();
        let ones = vec![1.0; 200];
        for n in [1, 2, 15, 16, 17, 64, 200] {
            let plain = weighted_sum(&ones[..n], &values[..n]);
            let lanes = |lane: usize| values[..n].iter().skip(lane).step_by(LANES).fold(0.0, |sum, v| sum + v);
            assert_eq!(plain.to_bits(), tree(std::array::from_fn(lanes)).to_bits());
            let exact: f64 = values[..n].iter().map(|v| f64::from(*v)).sum();
            assert!((f64::from(plain) - exact).abs() <= 200.0 * 6.2 * 6e-8, "rounding of {n} terms up to 6.2");
        }
    }
}
