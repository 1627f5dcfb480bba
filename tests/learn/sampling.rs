//! The sampler: points that are drawn against the truth.

use mixscore::diffusion::compare;
use mixscore::diffusion::learn::{Options, learn};
use mixscore::diffusion::presets::PRESETS;
use mixscore::diffusion::regression::Fast;

use crate::truth::unwatched;

/// All presets at full size; the two in the plane are also in the quick tests, smaller.
#[test]
#[ignore = "a minute"]
fn presets_reach_their_truths() {
    for preset in &PRESETS {
        for seed in 0..2 {
            let options = Options { seed, ..Options::default() };
            let truth = preset.truth().unwrap();
            let points = preset.points(&truth, &options);
            let learned = unwatched(|w| learn(&points, truth.n_features(), &options, &mut Fast, w)).unwrap();
            let sampled = compare::sampled(&learned.samples, &truth, seed).unwrap();
            let mixture = compare::total_variation(&learned.mixture, &truth, seed).unwrap();
            println!("{} {seed}: {sampled:?} mixture {mixture:?} {} {:?}", preset.name, learned.why, learned.seconds);
            let bound = if preset.name == "learn-circle" { 0.06 } else { 0.05 };
            assert!(sampled.total_variation.value <= bound, "{}", preset.name);
            assert!(sampled.mode_mass_error.is_none_or(|e| e <= 0.02) && sampled.stray <= 0.005, "{}", preset.name);
        }
    }
}
