//! One random word → one standard normal, by the inverse of the distribution function.
//!
//! The word's sign bit is the sign; the other 31 bits m give the tail probability p = (m + ½)/2³², so |z| < 6.34.
//! With x = 1 − 2p and w = −ln(1 − x²) = −ln 4p(1−p), the quotient z/x is smooth in w (Giles 2010): a polynomial in w for
//! w < 6.25 and in √w beyond. The logarithm is our own too, because WGSL promises little about its built-in one.
//! Coefficients: Lawson-weighted least squares against 40-digit quantiles; maximum relative error of the fit 4e-8.
//!
//! GPU twin of [`normal_f32`]: `shaders/common/normal.wgsl`.

/// The polynomial in w serves up to here.
const CENTRAL_TO: f32 = 6.25;

#[allow(clippy::excessive_precision)] // the digits of the fit, as in the shader
const CENTRAL: [f32; 11] = [
    1.594348192e+00,
    3.504886329e-01,
    6.011494435e-03,
    -3.360872390e-03,
    1.414778380e-04,
    5.431878890e-05,
    -6.115514680e-06,
    -9.200754221e-07,
    2.745028382e-07,
    -2.572650537e-08,
    9.019532343e-10,
];
#[allow(clippy::excessive_precision)]
const TAIL: [f32; 10] = [
    3.303525686e+00,
    1.389136434e+00,
    4.989596084e-02,
    -4.492364079e-02,
    2.928812802e-02,
    -1.262853667e-02,
    3.044532845e-03,
    -1.824440405e-04,
    -8.120409620e-05,
    1.408328899e-05,
];
#[allow(clippy::excessive_precision)]
/// (ln(1+t) − t + t²/2)/t³ on [√½ − 1, √2 − 1].
const LOG1P: [f32; 7] =
    [3.333416581e-01, -2.500169873e-01, 1.995487064e-01, -1.656442732e-01, 1.497805566e-01, -1.437899321e-01, 8.671972901e-02];

/// ln 2 in two parts: products of the first with an exponent are exact.
const LN2_HIGH: f32 = 0.693_359_4;
const LN2_LOW: f32 = -2.121_944_4e-4;

#[inline(always)]
fn polynomial<const N: usize>(c: &[f32; N], x: f32) -> f32 {
    let mut y = c[N - 1];
    let mut i = N - 1;
    while i > 0 {
        i -= 1;
        y = y * x + c[i];
    }
    y
}

/// ln y for positive normal y, absolute error below 1e-7 near 1.
#[inline(always)]
fn ln(y: f32) -> f32 {
    let bits = y.to_bits().wrapping_sub(0x3f35_04f3); // √½ becomes the start of an octave
    let exponent = (bits as i32 >> 23) as f32;
    let t = f32::from_bits((bits & 0x007f_ffff).wrapping_add(0x3f35_04f3)) - 1.0;
    exponent * LN2_HIGH + (exponent * LN2_LOW + (t + t * t * (t * polynomial(&LOG1P, t) - 0.5)))
}

/// The normal of a word in single precision, without branches, so that loops over it vectorise.
#[inline(always)]
pub(crate) fn normal_f32(word: u32) -> f32 {
    let (x, w) = centred(word);
    let tail = polynomial(&TAIL, w.max(0.0).sqrt() - 2.5);
    signed(x * if w < CENTRAL_TO { polynomial(&CENTRAL, w - 1.0) } else { tail }, word)
}

/// [`normal_f32`] and true for a word outside the tails; any number and false for one of the thousandth in the tails.
#[inline(always)]
pub(crate) fn central_f32(word: u32) -> (f32, bool) {
    let (x, w) = centred(word);
    (signed(x * polynomial(&CENTRAL, w - 1.0), word), w < CENTRAL_TO)
}

/// x = 1 − 2p and w.
#[inline(always)]
fn centred(word: u32) -> (f32, f32) {
    let m = word << 1 | 1; // p = m / 2³³
    let p = (m & !(0xff >> m.leading_zeros())) as f32 * f32::from_bits((127 - 33) << 23); // 24 bits: exact
    let x = 0u32.wrapping_sub(m) as f32 * f32::from_bits((127 - 32) << 23); // 1 − 2p
    (x, -ln(4.0 * p * (1.0 - p)))
}

/// z with the sign of the word.
#[inline(always)]
fn signed(z: f32, word: u32) -> f32 {
    f32::from_bits(z.to_bits() | (word & 0x8000_0000))
}

/// The normal of a word in double precision: algorithm AS 241 (Wichura 1988), relative error about 1e-16.
pub fn normal_f64(word: u32) -> f64 {
    let p = f64::from(word << 1 | 1) / 2f64.powi(33);
    let q = 0.5 - p;
    let z = if q <= 0.425 {
        let r = 0.180_625 - q * q;
        q * ratio(&AS241_CENTRAL, r)
    } else {
        let r = (-p.ln()).sqrt();
        if r <= 5.0 { ratio(&AS241_MIDDLE, r - 1.6) } else { ratio(&AS241_FAR, r - 5.0) }
    };
    if word >> 31 == 1 { -z } else { z }
}

fn ratio(c: &[[f64; 8]; 2], r: f64) -> f64 {
    let horner = |c: &[f64; 8]| c.iter().rev().fold(0.0, |y, c| y * r + c);
    horner(&c[0]) / horner(&c[1])
}

#[allow(clippy::excessive_precision)] // the digits as published
const AS241_CENTRAL: [[f64; 8]; 2] = [
    [
        3.387_132_872_796_366_608,
        1.331_416_678_917_843_774_5e2,
        1.971_590_950_306_551_442_7e3,
        1.373_169_376_550_946_112_5e4,
        4.592_195_393_154_987_145_7e4,
        6.726_577_092_700_870_085_3e4,
        3.343_057_558_358_812_810_5e4,
        2.509_080_928_730_122_672_7e3,
    ],
    [
        1.0,
        4.231_333_070_160_091_125_2e1,
        6.871_870_074_920_579_082_9e2,
        5.394_196_021_424_751_107_7e3,
        2.121_379_430_158_659_586_7e4,
        3.930_789_580_009_271_061e4,
        2.872_908_573_572_194_267_4e4,
        5.226_495_278_852_854_561e3,
    ],
];
#[allow(clippy::excessive_precision)]
const AS241_MIDDLE: [[f64; 8]; 2] = [
    [
        1.423_437_110_749_683_577_34,
        4.630_337_846_156_545_295_9,
        5.769_497_221_460_691_405_5,
        3.647_848_324_763_204_605_04,
        1.270_458_252_452_368_382_58,
        2.417_807_251_774_506_117_7e-1,
        2.272_384_498_926_918_458_33e-2,
        7.745_450_142_783_414_076_4e-4,
    ],
    [
        1.0,
        2.053_191_626_637_758_821_87,
        1.676_384_830_183_803_849_4,
        6.897_673_349_851_000_045_5e-1,
        1.481_039_764_274_800_745_9e-1,
        1.519_866_656_361_645_719_66e-2,
        5.475_938_084_995_344_946e-4,
        1.050_750_071_644_416_843_24e-9,
    ],
];
#[allow(clippy::excessive_precision)]
const AS241_FAR: [[f64; 8]; 2] = [
    [
        6.657_904_643_501_103_777_2,
        5.463_784_911_164_114_369_9,
        1.784_826_539_917_291_335_8,
        2.965_605_718_285_048_912_3e-1,
        2.653_218_952_657_612_309_3e-2,
        1.242_660_947_388_078_438_6e-3,
        2.711_555_568_743_487_578_15e-5,
        2.010_334_399_292_288_132_65e-7,
    ],
    [
        1.0,
        5.998_322_065_558_879_376_9e-1,
        1.369_298_809_227_358_053_1e-1,
        1.487_536_129_085_061_485_25e-2,
        7.868_691_311_456_132_591e-4,
        1.846_318_317_510_054_681_8e-5,
        1.421_511_758_316_445_888_7e-7,
        2.044_263_103_389_939_785_64e-15,
    ],
];

#[cfg(test)]
mod tests {
    use super::*;

    /// z against values of the quantile function computed with 40 digits.
    #[test]
    fn double_precision_agrees_with_published_quantiles() {
        // The expected z is at the word's own p = (m + ½)/2³².
        for (word, z) in [(0u32, 6.337_957_754_553_79), (0x8000_0000, -6.337_957_754_553_79)] {
            assert!((normal_f64(word) - z).abs() <= 1e-8, "{word:#x}: {}", normal_f64(word));
        }
        let quarter = normal_f64(0x3fff_ffff); // p = ¼ − 2⁻³³
        assert!((quarter - 0.674_489_750_196_081_7).abs() <= 1e-9, "{quarter}");
    }

    /// Single against double precision over a band of 2²⁴ words at every magnitude.
    #[test]
    fn single_precision_is_within_four_ulp() {
        let (mut worst, mut at) = (0.0f64, 0);
        for i in 0..1u32 << 24 {
            let word = (i << 8 | i >> 16) ^ (i >> 3); // covers all high bits and many low ones
            for word in [word, word >> (i % 31)] {
                let (z, exact) = (f64::from(normal_f32(word)), normal_f64(word));
                let ulp = f64::from((exact.abs() as f32).next_up() - exact.abs() as f32);
                let err = (z - exact).abs() / ulp;
                assert!(err.is_finite(), "word {word:#x}");
                if err > worst {
                    (worst, at) = (err, word);
                }
            }
        }
        println!("worst error {worst:.2} ULP at word {at:#010x}");
        assert!(worst <= 4.0, "{worst} ULP at word {at:#x}");
    }
}
