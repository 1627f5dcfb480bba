//! Normals from many words at a time.

use crate::random::normal::{central_f32, normal_f32};

/// out = the normals of `words`, with the same bits as [`normal_f32`]. The tails' polynomial is only computed if some word needs it.
#[inline(always)]
pub(crate) fn normals<const N: usize>(words: &[u32; N], out: &mut [f32; N]) {
    let mut tails = 0u32;
    for i in 0..N {
        let (z, central) = central_f32(words[i]);
        out[i] = z;
        tails |= u32::from(!central);
    }
    if tails != 0 {
        for i in 0..N {
            out[i] = normal_f32(words[i]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_the_normals_of_the_words_wherever_the_tails_are() {
        let mut tails = 0;
        for block in 0..20_000u32 {
            let words: [u32; 16] = std::array::from_fn(|i| (16 * block + i as u32).wrapping_mul(0x9E37_79B9) >> (block % 3 * 5));
            let mut out = [f32::NAN; 16];
            normals(&words, &mut out);
            tails += words.iter().filter(|word| !central_f32(**word).1).count();
            assert_eq!(out.map(f32::to_bits), words.map(|word| normal_f32(word).to_bits()), "{words:?}");
        }
        assert!(tails > 100, "only {tails} words of the tails were seen");
    }
}
