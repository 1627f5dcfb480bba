//! Learning by EM where covariances are of another kind than the common variance.

use super::data::Data;
use super::em_general::{self, collapsed, least_variances};
use super::learned::{Clock, EmEnd, Learned};
use super::options::Options;
use super::points_of::draw_general;
use super::search_general::{self, near_floor, ruler};
use super::watch::Watch;
use super::{em, moments};
use crate::error::Result;
use crate::mixture::CovarianceKind;
use crate::number::short;
use crate::objective::groups::Estimate;

/// Columns that a note names.
const MOST_NAMED: usize = 8;
/// Fewer points for each free number of the mixture than this are noted.
const FEW_POINTS: usize = 5;

/// By EM from the start that is given, or from the search's.
pub(super) fn by_em(data: &Data, options: &Options, clock: &mut Clock, watch: &mut Watch) -> Result<Learned> {
    let kind = options.covariance;
    let floor = (options.regularisation / (data.scale * data.scale)).max(em::LEAST_VARIANCE);
    let (start, found) = match &options.start {
        Some(start) => (data.inside_general(start)?, None),
        None => {
            let (components, restarts, seed) = (options.components, options.restarts, options.seed);
            let asked = search_general::Options { kind, components, floor, restarts, seed };
            let found = search_general::components(&data.train, &asked, watch)?;
            (found.mixture.clone(), Some(found))
        }
    };
    clock.lap("number of components");
    let em = em_general::Options { floor, tolerance: options.tolerance, most_iterations: options.iterations };
    let fitted = em_general::climb(&data.train, start, em, Some(watch))?;
    clock.lap("EM");
    let mut learned = of_mixture(data, &fitted, options, clock)?;
    learned.notes.extend(notes(data, &fitted, floor, options));
    match found {
        Some(found) if options.components.is_none() => {
            learned.why = found.why();
            learned.notes.extend(found.notes());
            learned.tried = found.tried;
        }
        Some(found) => learned.tried = found.tried,
        None => learned.why = format!("{} are in the start that was given", fitted.mixture.n_components()),
    }
    let em_general::Fitted { iterations, seconds, last_gain, .. } = fitted;
    learned.em = Some(EmEnd { iterations, seconds, last_gain });
    Ok(learned)
}

/// What there is to say of a mixture in the learners' units, and draws from it.
fn of_mixture(data: &Data, fitted: &em_general::Fitted, options: &Options, clock: &mut Clock) -> Result<Learned> {
    let inside = &fitted.mixture;
    let general = data.outside_general(inside)?;
    let d = general.n_features();
    let unit = -(d as f64) * data.scale.ln();
    let held_out = Estimate::of_mean(&moments::log_densities(&data.held_out, inside));
    let train = moments::moments(&data.train, inside).log_likelihood / data.train.n as f64;
    let held_out_points = data.outside_points(&data.held_out.rows().iter().map(|z| f64::from(*z)).collect::<Vec<f64>>());
    let (samples, labels) = draw_general(&general, options.samples, options.seed);
    clock.lap("likelihood");
    Ok(Learned {
        why: format!("{} were asked for", general.n_components()),
        mixture: ruler(&general)?,
        general: Some(general),
        samples,
        labels,
        samples_from: "the mixture",
        draws: None,
        held_out: Estimate { value: held_out.value + unit, ..held_out },
        train_log_likelihood: train + unit,
        held_out_points,
        n_train: data.train.n,
        rank: d,
        levels: Vec::new(),
        em: None,
        tried: Vec::new(),
        notes: Vec::new(),
        seconds: Vec::new(),
    })
}

/// What people should know of how EM ended.
fn notes(data: &Data, fitted: &em_general::Fitted, floor: f64, options: &Options) -> Vec<String> {
    let (mixture, kind) = (&fitted.mixture, options.covariance);
    let (k, d) = (mixture.n_components(), mixture.n_features());
    let mut notes = Vec::new();
    if !(fitted.last_gain < options.tolerance) {
        notes.push(format!(
            "EM has not converged: after {} iterations a step still gains {:.1e} nats per point (the tolerance is {:.1e}); allow more iterations",
            fitted.iterations, fitted.last_gain, options.tolerance
        ));
    }
    let lost = fitted.mass.iter().filter(|m| **m < 1e-3).count();
    if lost > 0 {
        notes.push(format!("{lost} of {k} components lost all their points and stayed where they were: ask for fewer, or start elsewhere"));
    }
    let low = near_floor(mixture, floor);
    if !low.is_empty() {
        let first: Vec<String> = low.iter().take(MOST_NAMED).map(usize::to_string).collect();
        let more = if low.len() > MOST_NAMED { ", …" } else { "" };
        let what = match kind {
            CovarianceKind::Common | CovarianceKind::Spherical => "the variance of some component".to_string(),
            CovarianceKind::Diagonal => format!("the variance of columns {}{more} in some component", first.join(", ")),
            _ => format!("the variance of columns {}{more}, given the columns before them, in some component", first.join(", ")),
        };
        let whole = vec![f64::INFINITY; least_variances(mixture).len()];
        notes.push(format!(
            "{what} is within {} times the floor of {} that the regularisation adds ({} of {k} components): densities depend on the floor; \
             drop constant columns and duplicates, or raise the regularisation",
            em_general::NEAR_FLOOR,
            short(floor * data.scale * data.scale),
            collapsed(mixture, &whole, floor)
        ));
    }
    let parameters = em_general::n_parameters(kind, k, d);
    if k > 1 && parameters * FEW_POINTS > data.train.n {
        notes.push(format!(
            "{parameters} free numbers from {} points are fewer than {FEW_POINTS} points for each: means and covariances are uncertain",
            data.train.n
        ));
    }
    notes
}
