//! Learning by EM where covariances are of another kind than the common variance.

use rayon::prelude::*;

use super::data::Data;
use super::em_general::{self, collapsed, least_variances};
use super::learn::{Clock, EmEnd, Learned, component_of};
use super::options::Options;
use super::search_general::{self, near_floor, ruler};
use super::watch::Watch;
use super::{em, moments};
use crate::error::Result;
use crate::mixture::sample::about;
use crate::mixture::{Covariance, CovarianceKind, Mixture};
use crate::number::short;
use crate::objective::groups::Estimate;
use crate::random::categorical::Categorical;
use crate::random::normal::normal_f32;
use crate::random::streams::{Purpose, key};

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
    let (samples, labels) = draw(&general, options.samples, options.seed);
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

/// `count` points (count, d) of a mixture and the component of each, from the addresses that draws of a common variance have.
pub(crate) fn draw(mixture: &Mixture, count: usize, seed: u64) -> (Vec<f64>, Vec<i64>) {
    let d = mixture.n_features();
    let (key, components) = (key(seed, Purpose::LearnData, 0), Categorical::of_weights(mixture.weights()));
    let (mut points, mut labels) = (vec![0.0; count * d], vec![0; count]);
    let zero = vec![0.0; d];
    points.par_chunks_exact_mut(d).zip(&mut labels).enumerate().for_each(|(i, (point, label))| {
        let l = component_of(&components, key, i);
        let mut z = vec![0.0; d];
        about(&zero, (key, 0, 0, i as u32), &mut z, |_, word| f64::from(normal_f32(word)));
        point.iter_mut().enumerate().for_each(|(a, x)| *x = mixture.mean(l)[a] + mixture.factor(l).coloured(&z, a));
        *label = l as i64;
    });
    (points, labels)
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

/// A mixture with covariances in units `scales` (d) times as large.
///
/// # Errors
/// Those of [`Mixture::new`].
pub(crate) fn scaled(mixture: &Mixture, means: Vec<f64>, scales: &[f64]) -> Result<Mixture> {
    let (k, d) = (mixture.n_components(), scales.len());
    let is_even = scales.iter().all(|s| s == &scales[0]);
    let own = if is_even {
        mixture.covariance().clone()
    } else {
        // What is round in one unit is not in others.
        let covariance = mixture.covariance();
        let kind = covariance.kind().max(CovarianceKind::Diagonal);
        covariance.widened(kind, k, d).unwrap_or_else(|| covariance.clone())
    };
    let values = own.values().iter().enumerate().map(|(at, v)| match own {
        Covariance::Common(_) | Covariance::Spherical(_) => v * scales[0] * scales[0],
        Covariance::Diagonal(_) => v * scales[at % d] * scales[at % d],
        Covariance::Tied(_) | Covariance::Full(_) => v * scales[at / d % d] * scales[at % d],
    });
    Mixture::new(mixture.weights().to_vec(), means, d, Covariance::of_kind(own.kind(), values.collect()))
}
