//! The addresses of all random numbers.
//!
//! key = first two words of Philox(counter = [purpose, replicate, "mixs", version], key = seed) counter = [coordinate block, sample,
//! stratum, step]; a block holds four coordinates, one word each counter = [2³¹ + coordinate / 2, net, stratum, step] for the scrambles of
//! Sobol points (`sobol`)
//!
//! Nothing else enters: a draw is the same for every backend, chunk size, thread count and number of devices.

use super::philox::{Philox, philox};

/// Written to every run; changes when any draw changes.
pub const RNG_VERSION: u32 = 1;

/// The use of a draw: draws for different purposes are independent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Purpose {
    /// The samples that a gradient step uses.
    Step = 1,
    /// The samples that a metric uses, x ~ student.
    MeasureStudent = 2,
    /// The samples that a metric uses, x ~ teacher.
    MeasureTeacher = 3,
    /// Random starts of the student.
    Start = 4,
    /// Generated teachers.
    Teacher = 5,
    /// The verb `sample`.
    Sample = 6,
    /// Known-answer checks and benchmarks.
    Check = 7,
    /// Which points the verb `learn` holds out.
    LearnSplit = 40,
    /// Starts of EM and of the DDPM learner.
    LearnSeeding = 41,
    /// Noise on the points that a learner regresses on; the step is the noise level.
    LearnNoise = 42,
    /// The reverse diffusion; the step is the noise level.
    LearnSampler = 43,
    /// The points of the presets of `learn`.
    LearnData = 44,
    /// Points by which a learned density is compared with the truth.
    LearnMeasure = 45,
    /// The choice of some rows of a table.
    Rows = 46,
}

/// The key of a purpose and replicate under the user's seed.
pub fn key(seed: u64, purpose: Purpose, replicate: u32) -> [u32; 2] {
    let words = philox([purpose as u32, replicate, u32::from_le_bytes(*b"mixs"), RNG_VERSION], [seed as u32, (seed >> 32) as u32]);
    [words[0], words[1]]
}

/// The four words for coordinates 4·block … 4·block + 3.
#[inline(always)]
pub(crate) fn words(key: [u32; 2], step: u32, stratum: u32, sample: u32, block: u32) -> [u32; 4] {
    philox([block, sample, stratum, step], key)
}

/// A stream for the host's own draws (starts, teachers), one per (purpose, replicate, stratum).
pub fn stream(seed: u64, purpose: Purpose, replicate: u32, stratum: u32) -> Philox {
    Philox::new(key(seed, purpose, replicate), [0, stratum, 0])
}
