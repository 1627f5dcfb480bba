//! Philox4x32-10 (Salmon, Moraes, Dror, Shaw 2011): four random words from a counter and a key, without state.
//!
//! GPU twin: `shaders/common/philox.wgsl`.

use std::convert::Infallible;

use rand::TryRng;

const MULTIPLIER: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];

/// The four words at `counter` under `key`.
#[inline(always)] // so that loops over it vectorise
pub fn philox(counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    // Words are kept in 64 bits, and upper halves are read only from products: vector code then needs no packing in between.
    let mut counter = counter.map(u64::from);
    for _ in 0..10 {
        let a = u64::from(MULTIPLIER[0]) * (counter[0] & 0xffff_ffff);
        let b = u64::from(MULTIPLIER[1]) * (counter[2] & 0xffff_ffff);
        counter = [(b >> 32) ^ counter[1] ^ u64::from(key[0]), b, (a >> 32) ^ counter[3] ^ u64::from(key[1]), a];
        key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
    }
    counter.map(|word| word as u32)
}

/// The words from `counter` on, as a generator of `rand` for `rand_distr` and other code that reads a stream.
///
/// The first word of the counter (the block) advances; the other three are the address.
#[derive(Debug, Clone)]
pub struct Philox {
    key: [u32; 2],
    counter: [u32; 4],
    words: [u32; 4],
    used: usize,
}

impl Philox {
    /// The stream of `key` that begins at block 0 of the address `[sample, stratum, step]`.
    pub fn new(key: [u32; 2], address: [u32; 3]) -> Self {
        Self { key, counter: [0, address[0], address[1], address[2]], words: [0; 4], used: 4 }
    }
}

impl TryRng for Philox {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        if self.used == 4 {
            self.words = philox(self.counter, self.key);
            // A block counter that wraps would repeat the stream after 2³⁴ words; no caller draws that many from one address.
            self.counter[0] = self.counter[0].wrapping_add(1);
            self.used = 0;
        }
        self.used += 1;
        Ok(self.words[self.used - 1])
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let low = self.try_next_u32()?;
        Ok(u64::from(low) | u64::from(self.try_next_u32()?) << 32)
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for chunk in bytes.chunks_mut(4) {
            chunk.copy_from_slice(&self.try_next_u32()?.to_le_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Published known answers (Random123's kat_vectors, philox4x32 10).
    #[test]
    fn published_vectors() {
        assert_eq!(philox([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(philox([!0; 4], [!0; 2]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        assert_eq!(
            philox([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0]),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn works_as_a_generator_of_rand_distr() {
        use rand_distr::{Distribution, StandardNormal};
        let mut rng = Philox::new([7, 8], [0, 0, 0]);
        let n = 20_000;
        let draws: Vec<f64> = (0..n).map(|_| StandardNormal.sample(&mut rng)).collect();
        let mean = draws.iter().sum::<f64>() / f64::from(n);
        let variance = draws.iter().map(|z| z * z).sum::<f64>() / f64::from(n);
        // Six standard errors: 1/√n and √(2/n).
        assert!(mean.abs() <= 6.0 / f64::from(n).sqrt(), "mean {mean}");
        assert!((variance - 1.0).abs() <= 6.0 * (2.0 / f64::from(n)).sqrt(), "variance {variance}");
    }
}
