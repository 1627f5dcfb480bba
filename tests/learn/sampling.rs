//! The sampler: points that are drawn against the truth.

use mixscore::cpu::CpuPolynomials;
use mixscore::diffusion::{Options, learn};
use mixscore::internals::diffusion::PRESETS;
use mixscore::internals::diffusion::compare;
use mixscore::internals::diffusion::draw;

use crate::truth::unwatched;

/// All presets at full size; the two in the plane are also in the quick tests, smaller.
#[test]
#[ignore = "a minute"]
fn presets_reach_their_truths() {
    for preset in &PRESETS {
        for seed in 0..2 {
            let options = Options { seed, ..Options::default() };
            let truth = preset.truth().unwrap();
            let points = preset.points(&truth, None, seed);
            let learned = unwatched(|w| learn(&points, truth.n_features(), &options, &mut CpuPolynomials, w)).unwrap();
            let sampled = compare::sampled(&learned.samples, &truth, seed).unwrap();
            let mixture = compare::total_variation(&learned.mixture, &truth, seed).unwrap();
            println!("{} {seed}: {sampled:?} mixture {mixture:?} {} {:?}", preset.name, learned.why, learned.seconds);
            let bound = if preset.name == "learn-circle" { 0.06 } else { 0.05 };
            assert!(sampled.total_variation.value <= bound, "{}", preset.name);
            assert!(sampled.mode_mass_error.is_none_or(|e| e <= 0.02) && sampled.stray <= 0.005, "{}", preset.name);
        }
    }
}

/// As many points as bins, and far more: chance makes of the truth's own points what `by_chance` says.
#[test]
fn chance_alone_is_told_also_of_sparse_bins() {
    let truth = PRESETS[0].truth().unwrap();
    for n in [300, 3000, 100_000] {
        let own: Vec<f64> =
            (0..10).map(|seed| compare::sampled(&draw(&truth, n, 50 + seed), &truth, 0).unwrap().total_variation.value).collect();
        let sampled = compare::sampled(&draw(&truth, n, 1), &truth, 0).unwrap();
        let mean = own.iter().sum::<f64>() / 10.0;
        let err = (mean - sampled.by_chance).abs();
        // Counts add up to n, which makes their spread a little less than Poisson's: a hundredth covers it.
        assert!(err <= 5.0 * sampled.total_variation.standard_error / 10f64.sqrt() + 0.01 * mean, "{n}: {mean} vs {}", sampled.by_chance);
    }
}
