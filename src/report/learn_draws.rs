//! How the drawn points compare with the data, in words, for the page and the verb.

use crate::diffusion::draws::{Component, Draws};
use crate::diffusion::energy::TwoSample;
use crate::number::{plus_minus, short};
use crate::objective::groups::Estimate;

/// The most components that are listed.
const MOST_ROWS: usize = 200;

/// Two sentences: the component that is farthest off, and the two-sample test.
pub(crate) fn in_words(draws: &Draws) -> String {
    let mut text = String::new();
    if let Some((l, c)) = draws.worst() {
        let variance = c.variance_in_words(c.variance_along.or(c.variance));
        text += &format!(
            "Drawn points beside {} points, component {l}, which is farthest off: share {} for {}, mean off by {}σ, {variance}.",
            draws.points,
            plus_minus(c.share.value, c.share.standard_error),
            plus_minus(c.share_of_points.value, c.share_of_points.standard_error),
            short(c.mean_distance.value)
        );
    }
    if let Some(TwoSample { energy_distance: Estimate { value, standard_error }, p, against, .. }) = &draws.two_sample {
        let gap = if text.is_empty() { "" } else { " " };
        text += &format!("{gap}Energy distance to the {against} {} σ, p = {}.", plus_minus(*value, *standard_error), short(*p));
    }
    text
}

/// The same for the page's list of facts.
pub(crate) fn facts(draws: Option<&Draws>) -> Vec<(String, String)> {
    let Some(draws) = draws else { return Vec::new() };
    let verdict = match draws.faults.len() {
        0 => "no fault found".to_string(),
        n => format!("not to be used for {n} of {} components: see the notes", draws.components.len()),
    };
    let mut facts = vec![("Drawn points beside the points".to_string(), verdict)];
    if let Some(test) = &draws.two_sample {
        let distance = plus_minus(test.energy_distance.value, test.energy_distance.standard_error);
        facts.push((format!("Energy distance of drawn points to {} {} (σ)", test.points, test.against), distance));
        facts.push(("Its p".into(), short(test.p)));
    }
    facts
}

/// Shares, means and variances by component, as a listing.
pub(crate) fn listing(draws: &Draws) -> (String, String) {
    let ratio = |ratio: Option<Estimate>| ratio.map_or("–".to_string(), |ratio| short(ratio.value));
    let mut text = format!(
        "{:>9}  {:>20}  {:>20}  {:>14}  {:>14}  {:>14}\n",
        "component", "share of the draws", "of the points", "mean off (σ)", "variance ratio", "along the line"
    );
    for (l, c) in draws.components.iter().enumerate().take(MOST_ROWS) {
        let Component { share, share_of_points, mean_distance, variance, variance_along, .. } = c;
        text += &format!(
            "{l:>9}  {:>20}  {:>20}  {:>14}  {:>14}  {:>14}\n",
            plus_minus(share.value, share.standard_error),
            plus_minus(share_of_points.value, share_of_points.standard_error),
            short(mean_distance.value),
            ratio(*variance),
            ratio(*variance_along)
        );
    }
    ("Drawn points beside the points, by component".into(), text)
}
