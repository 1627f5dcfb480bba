//! The two-stage learner of Shah, Chen and Klivans (2023): gradient descent on the DDPM loss at high noise, where it acts like power
//! iteration on the points' covariance, then at low noise, where it acts like EM. Several starts compete.

use super::parametric::{REFINEMENT, descend, refine, weighed};
use super::pass;
use super::seeding;
use super::tiles::Tiles;
use super::watch::Watch;
use crate::error::{Error, Result};
use crate::mixture::GaussianMixture;
use crate::random::streams::{Purpose, stream};

/// Points for the competition of starts.
const MOST_FOR_STARTS: usize = 1 << 14;
/// Steps of each stage in the competition.
const STEPS: usize = 25;
/// The low noise level of the competition, in units of σ₀².
const LOW: f64 = 0.4;

/// The best of `starts` descents to `components`, refined on all points. `spread` is the points' largest variance in a direction.
///
/// # Errors
/// [`Error::BadInput`] for fewer different points than components; [`Error::Stopped`].
pub(crate) fn fit(tiles: &Tiles, components: usize, starts: usize, spread: f64, seed: u64, watch: &mut Watch) -> Result<GaussianMixture> {
    let few = tiles.thinned(MOST_FOR_STARTS);
    // At high noise σ is comparable with the distance of the modes, so that all modes act together.
    let high = (0.25 * (spread - 1.0)).max(LOW);
    let mut best: Option<(f64, GaussianMixture)> = None;
    for start in 0..starts.max(1) {
        let mut rng = stream(seed, Purpose::LearnSeeding, start as u32, 1);
        let means = seeding::best_starts(&few, components, &mut rng).ok_or_else(|| {
            Error::bad_input(
                format!("there are fewer than {components} different points among {}", few.n),
                "Ask for fewer components, or remove duplicates",
            )
        })?;
        let mut mixture = GaussianMixture::new(vec![1.0 / components as f64; components], means, few.d, 1.0)?;
        for (stage, t) in [high, LOW].into_iter().enumerate() {
            for step in 0..STEPS {
                watch.at("DDPM descents", (start as f64 + 0.5 * (stage as f64 + step as f64 / STEPS as f64)) / starts.max(1) as f64)?;
                mixture = weighed(&few, descend(&few, &mixture, t, 1.0, seed, stage as u32, watch)?.0)?;
            }
        }
        let log_likelihood = pass::sums(&few, &mixture).log_likelihood;
        if best.as_ref().is_none_or(|(value, _)| log_likelihood > *value) {
            best = Some((log_likelihood, mixture));
        }
    }
    match best {
        Some((_, mixture)) => refine(tiles, mixture, &REFINEMENT, seed, watch),
        None => Err(Error::bad_input("the DDPM learner had no start", "Report this as a bug")),
    }
}
