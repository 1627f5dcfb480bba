//! The built-in data sets of the verb `learn`: points of a known mixture.

use super::points_of::draw;
use crate::error::Result;
use crate::mixture::GaussianMixture;
use crate::mixture::generate::{circle, separated, weighted};

/// A built-in data set.
#[derive(Debug, Clone, Copy)]
pub struct Preset {
    pub name: &'static str,
    /// A description in one line.
    pub about: &'static str,
    /// The number of points.
    pub count: usize,
    truth: fn() -> Result<GaussianMixture>,
}

/// All of them.
pub const PRESETS: [Preset; 3] = [
    Preset {
        name: "learn-demo",
        about: "Five modes in the plane, unevenly weighted: points become a sampler and a mixture.",
        count: 20_000,
        truth: || weighted(&circle(5, 4.0, 2)?, &[0.1, 0.15, 0.2, 0.25, 0.3]),
    },
    Preset {
        name: "learn-50d",
        about: "Twelve modes in 50 dimensions: all that matters happens in eleven of them.",
        count: 100_000,
        truth: || separated(12, 50, 5.0, 7),
    },
    Preset {
        name: "learn-circle",
        about: "Centres all along a circle, a continuous mixture: the sampler is right and no number of components is.",
        count: 20_000,
        truth: || circle(400, 0.1, 2), // neighbours a tenth of a standard deviation apart: radius 6.4
    },
];

impl Preset {
    /// The true mixture, which approximates a continuum in `learn-circle`.
    pub fn truth(&self) -> Result<GaussianMixture> {
        (self.truth)()
    }

    /// `count` points (count, d) of the truth; `None`: the preset's own number.
    pub fn points(&self, truth: &GaussianMixture, count: Option<usize>, seed: u64) -> Vec<f64> {
        draw(truth, count.unwrap_or(self.count), seed ^ 0xDA7A)
    }
}

/// The preset of that name.
pub(crate) fn find(name: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.name == name)
}

/// The name that is most similar to a mistyped one.
pub(crate) fn nearest(name: &str) -> Option<&'static str> {
    crate::error::most_similar(name, PRESETS.iter().map(|preset| preset.name))
}
