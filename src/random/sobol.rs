//! Scrambled Sobol points by address: coordinate c of point j of a net is a pure function, like every draw.
//!
//! The direction numbers are those of Joe and Kuo 2008 (`joe_kuo.txt`). Each coordinate of each net is scrambled by a hash that permutes
//! each digit by the digits before it (Laine and Karras 2011, with Vegdahl's constants), which is Owen's nested scrambling up to the
//! quality of the hash. Then a word of its own shifts it, so that each point is uniform in the cube and means over a net are unbiased for
//! any hash. Two nets share no word, so their spread is a standard error.
//!
//! Numbers are kept with their bits reversed, the coarsest digit lowest, because carries of a product go upwards.

use std::sync::LazyLock;

use super::streams::words;

/// Coordinates that have direction numbers; later ones are independent draws.
pub const COORDINATES: usize = 2048;

/// A net has at most 2 to this power points.
pub const DIGITS: usize = 32;

/// Blocks of words from here on are scrambles; those below are independent draws.
const SCRAMBLES: u32 = 1 << 31;

/// The random words that scramble one coordinate of one net.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scramble {
    pub seed: u32,
    pub shift: u32,
}

/// Direction numbers, bits reversed, shape (COORDINATES, DIGITS): point j is the exclusive or of those at the ones of j.
pub fn directions() -> &'static [[u32; DIGITS]] {
    static TABLE: LazyLock<Vec<[u32; DIGITS]>> = LazyLock::new(|| {
        // Dimension 1 is van der Corput's sequence: every digit of the index in its own place.
        let first = std::array::from_fn(|j| 1 << j);
        let rest = include_str!("joe_kuo.txt").lines().filter(|line| !line.starts_with('#')).map(of_line);
        std::iter::once(first).chain(rest).collect()
    });
    &TABLE
}

/// The directions of one line of the table: dimension, degree s, coefficients a, m₁ … m_s (Joe and Kuo 2008, equation 2).
fn of_line(line: &str) -> [u32; DIGITS] {
    let numbers: Vec<u32> = line.split(' ').map(|n| n.parse().expect("a table of our own")).collect();
    let (s, a, m) = (numbers[1] as usize, numbers[2], &numbers[3..]);
    let mut v = [0u32; DIGITS]; // the coarsest digit highest, as published
    for j in 0..DIGITS {
        v[j] = if j < s { m[j] << (31 - j) } else { v[j - s] ^ v[j - s] >> s };
        for q in 1..s.min(j + 1) {
            if j >= s && a >> (s - 1 - q) & 1 == 1 {
                v[j] ^= v[j - q];
            }
        }
    }
    v.map(u32::reverse_bits)
}

/// The scrambles of coordinates 2·pair and 2·pair + 1 of net `net`.
#[inline]
pub fn scrambles(key: [u32; 2], step: u32, stratum: u32, net: u32, pair: u32) -> [Scramble; 2] {
    let [a, b, c, d] = words(key, step, stratum, net, SCRAMBLES + pair);
    [Scramble { seed: a, shift: b }, Scramble { seed: c, shift: d }]
}

/// The word of a point from its coordinate `reversed` before scrambling.
#[inline(always)]
pub fn scrambled(reversed: u32, by: Scramble) -> u32 {
    let mut x = reversed;
    x ^= x.wrapping_mul(0x3d20_adea);
    x = x.wrapping_add(by.seed);
    x = x.wrapping_mul(by.seed >> 16 | 1);
    x ^= x.wrapping_mul(0x0552_6c56);
    x ^= x.wrapping_mul(0x53a2_2864);
    (x ^ by.shift).reverse_bits()
}

/// Coordinate `c` of point `index` before scrambling, bits reversed.
#[inline]
pub fn reversed(index: u32, c: usize) -> u32 {
    (0..DIGITS).filter(|j| index >> j & 1 == 1).fold(0, |x, j| x ^ directions()[c][j])
}

/// The word of coordinate `c` < [`COORDINATES`] of point `index` of net `net`.
///
/// It is uniform as a number in [0, 1). `random::normal` takes its halves in opposite directions, which is one more scrambling.
pub fn word(key: [u32; 2], step: u32, stratum: u32, net: u32, index: u32, c: usize) -> u32 {
    scrambled(reversed(index, c), scrambles(key, step, stratum, net, c as u32 / 2)[c % 2])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::streams::{Purpose, key};

    fn net(seed: u64, net_index: u32, n: u32, c: usize) -> Vec<u32> {
        let key = key(seed, Purpose::Check, 0);
        (0..n).map(|j| word(key, 3, 5, net_index, j, c)).collect()
    }

    #[test]
    fn the_table_is_the_published_one() {
        assert_eq!(directions().len(), COORDINATES);
        // Points 11, 37 and 63, in 64ths, as SciPy's `qmc.Sobol` has them (it goes through the indices in the order of Gray's code).
        for (c, points) in [(0, [52, 41, 63]), (1, [44, 59, 21]), (2, [52, 47, 1]), (6, [36, 45, 63]), (2047, [12, 63, 1])] {
            assert_eq!([11, 37, 63].map(|j| reversed(j, c).reverse_bits() >> 26), points, "coordinate {c}");
        }
    }

    /// One point of 2^m in each interval of length 2^−m, before and after scrambling, in every coordinate.
    #[test]
    fn every_coordinate_of_a_net_is_stratified() {
        for c in 0..COORDINATES {
            for m in [4, 9] {
                let mut cells: Vec<u32> = net(1, 2, 1 << m, c).iter().map(|x| x >> (32 - m)).collect();
                cells.sort_unstable();
                assert!(cells.iter().copied().eq(0..1 << m), "coordinate {c}, 2^{m} points");
            }
        }
    }

    /// The first two coordinates are a (0, 2)-sequence: one point in each of the elementary boxes of area 2^−m.
    #[test]
    fn the_first_two_coordinates_fill_every_elementary_box() {
        let m = 8;
        let (x, y) = (net(9, 0, 1 << m, 0), net(9, 0, 1 << m, 1));
        for of_x in 0..=m {
            let cell = |v: u32, digits: u32| u64::from(v) >> (32 - digits);
            let mut boxes: Vec<u64> = x.iter().zip(&y).map(|(x, y)| cell(*x, of_x) << (m - of_x) | cell(*y, m - of_x)).collect();
            boxes.sort_unstable();
            assert!(boxes.into_iter().eq(0..1 << m), "2^-{of_x} by 2^-{}", m - of_x);
        }
    }

    /// The mean of a net has the variance that nested scrambling gives a linear function: 1/(12 n³).
    #[test]
    fn scrambling_reaches_the_rate_of_nested_scrambling() {
        for (m, c) in [(4u32, 0), (4, 700), (7, 1), (7, 2000)] {
            let n = f64::from(1u32 << m);
            let nets = 2000;
            let square = |g: u32| {
                let mean = net(4, g, 1 << m, c).iter().map(|w| (f64::from(*w) + 0.5) / 2f64.powi(32)).sum::<f64>() / n;
                (mean - 0.5).powi(2)
            };
            let ratio = (0..nets).map(square).sum::<f64>() / f64::from(nets) * 12.0 * n.powi(3);
            // Means over 2000 nets of a sum of many uniform variables squared: five standard errors of √(2/2000).
            assert!((ratio - 1.0).abs() <= 0.16, "2^{m} points, coordinate {c}: {ratio} times the variance of nested scrambling");
        }
    }

    /// Points are uniform, and coordinates and nets independent: no mean, no correlation over many nets.
    #[test]
    fn points_are_uniform_and_nets_and_coordinates_independent() {
        let nets = 4000;
        let centred = |w: u32| (f64::from(w) / 2f64.powi(32) - 0.5) * 12f64.sqrt();
        for index in [0, 1, 13] {
            let of = |g: u32, c: usize| centred(word(key(7, Purpose::Check, 0), 3, 5, g, index, c));
            let mean = |f: &dyn Fn(u32) -> f64| (0..nets).map(f).sum::<f64>() / f64::from(nets).sqrt();
            // Sums of 4000 terms of variance one: five standard errors.
            assert!(mean(&|g| of(g, 2)).abs() <= 5.0, "mean");
            assert!(mean(&|g| of(g, 2) * of(g, 3)).abs() <= 5.0, "coordinates");
            assert!(mean(&|g| of(g, 2) * of(g + 1, 2)).abs() <= 5.0, "nets");
            // A square has mean 1 and variance 4/5.
            assert!(mean(&|g| of(g, 2).powi(2) - 1.0).abs() <= 5.0, "variance");
        }
    }
}
