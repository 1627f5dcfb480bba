//! From points to a mixture and a sampler, by the chosen method: the computation of the verb `learn`.

use super::data::Data;
use super::draws::{self};
use super::islands::Islands;
use super::ladder::{self, Ladder};
use super::learned::{Clock, EmEnd, Learned};
use super::noised::{Address, Noised};
use super::options::check;
use super::options::{Method, Options, Variance};
use super::points_of::{draw, labels};
use super::projection::Projection;
use super::search::{self, Found};
use super::tiles::Tiles;
use super::warm_start::{SMALLEST_COMPONENT, set_cover};
use super::watch::Watch;
use super::{ddpm, em, learn_general, misfit, parametric, pass, sampler, schedule};
use crate::backend::polynomials::Polynomials;
use crate::error::{Error, Result};
use crate::mixture::{CovarianceKind, GaussianMixture};
use crate::objective::groups::Estimate;

/// Radius of the balls that propose components, in σ₀: modes at distance 2.5 still get separate balls.
const CANDIDATE_RADIUS: f64 = 1.25;
/// EM after score matching, which costs some tens of nats of likelihood in all if modes overlap.
const LAST_STEPS: em::Options = em::Options { variance: Some(1.0), tolerance: 1e-8, most_iterations: 200 };
/// Points for comparing a level with the parametric result.
const COMPARED_PAIRS: usize = 4096;
/// The use number of that comparison's noise.
const COMPARE: u32 = 3;

/// Learns from `points` (n, d). `device` computes the polynomials: [`crate::Backend::polynomials`].
///
/// # Errors
/// [`Error::BadInput`] for points or options that cannot be learned from; [`Error::Stopped`].
pub fn learn(points: &[f64], d: usize, options: &Options, device: &mut dyn Polynomials, watch: &mut Watch) -> Result<Learned> {
    if d == 0 || !points.len().is_multiple_of(d) {
        return Err(Error::bad_input(format!("{} numbers are no points of {d} coordinates", points.len()), "Give points of shape (n, d)"));
    }
    if let Some(at) = points.iter().position(|x| !x.is_finite()) {
        let value = points[at];
        return Err(Error::bad_input(
            format!("point {}, coordinate {} is {value}", at / d, at % d),
            "Replace it by a finite number or drop that row",
        ));
    }
    check(points.len() / d, options)?;
    let islands = Islands::of(points, d, options.components.unwrap_or(usize::MAX));
    let (learned, is_between) = learn_from(points, d, islands, options, device, watch)?;
    // A component that spans islands changes its variance if they are moved together, so in that case they stay where they are.
    if is_between { Ok(learn_from(points, d, Islands::default(), options, device, watch)?.0) } else { Ok(learned) }
}

/// Learns with islands moved together. Also returns whether a mean lies between them.
fn learn_from(
    points: &[f64],
    d: usize,
    islands: Islands,
    options: &Options,
    device: &mut dyn Polynomials,
    watch: &mut Watch,
) -> Result<(Learned, bool)> {
    let mut clock = Clock::start();
    let mut options = options.clone();
    if options.covariance != CovarianceKind::Common {
        return learn_general_from(points, d, islands, &options, clock, watch);
    }
    let needs_variance = options.variance == Variance::Estimate && options.method != Method::Em;
    let first = if needs_variance || (options.method == Method::Ddpm && options.components.is_none()) {
        let first = look(points, d, islands.clone(), &options, watch)?;
        if needs_variance {
            options.variance = Variance::Known(first.mixture.variance());
        }
        clock.lap("first look");
        Some(first)
    } else {
        None
    };
    let data = Data::new(points, d, known(&options).map(f64::sqrt), islands, options.held_out, options.seed)?;
    clock.lap("data");
    let mut learned = match options.method {
        Method::Em => by_em(&data, &options, &mut clock, watch)?,
        Method::Ddpm => by_ddpm(&data, &options, first, &mut clock, watch)?,
        Method::PiecewisePolynomial => by_polynomials(&data, &options, first, &mut clock, device, watch)?,
    };
    learned.notes.splice(0..0, data.notes.iter().cloned());
    learned.draws = draws::compared(&data, &data.inside(&learned.mixture)?, &learned.samples, options.seed)?;
    learned.notes.extend(learned.draws.iter().flat_map(|draws| draws.notes(learned.samples_from)));
    clock.lap("comparing draws");
    learned.seconds = clock.seconds;
    let is_between = data.is_between_islands(&learned.mixture);
    Ok((learned, is_between))
}

/// The same for covariances of other kinds. Draws are from the mixture itself, so nothing is to be found by comparing them.
fn learn_general_from(
    points: &[f64],
    d: usize,
    islands: Islands,
    options: &Options,
    mut clock: Clock,
    watch: &mut Watch,
) -> Result<(Learned, bool)> {
    let data = Data::of_kind(options.covariance, points, d, None, islands, options.held_out, options.seed)?;
    clock.lap("data");
    let mut learned = learn_general::by_em(&data, options, &mut clock, watch)?;
    learned.notes.splice(0..0, data.notes.iter().cloned());
    learned.seconds = clock.seconds;
    let is_between = data.is_between_islands(&learned.mixture);
    Ok((learned, is_between))
}

fn known(options: &Options) -> Option<f64> {
    match options.variance {
        Variance::Known(variance) => Some(variance),
        Variance::Estimate => None,
    }
}

/// The result of the search for K, with the mixture in users' units.
fn look(points: &[f64], d: usize, islands: Islands, options: &Options, watch: &mut Watch) -> Result<Found> {
    let data = Data::new(points, d, known(options).map(f64::sqrt), islands, options.held_out, options.seed)?;
    let mut found = search::components(&data.train, &[], false, &search_options(options), watch)?;
    found.mixture = data.outside(&found.mixture)?;
    Ok(found)
}

/// The options of the search, in the learners' units.
fn search_options(options: &Options) -> search::Options {
    let variance = known(options).map(|_| 1.0);
    search::Options { components: options.components, variance, rounds: options.restarts, seed: options.seed }
}

fn by_em(data: &Data, options: &Options, clock: &mut Clock, watch: &mut Watch) -> Result<Learned> {
    let search_options = search_options(options);
    let found = search::components(&data.train, &[], false, &search_options, watch)?;
    clock.lap("number of components");
    let em = em::Options { variance: search_options.variance, tolerance: options.tolerance, most_iterations: options.iterations };
    let fitted = em::climb(&data.train, found.mixture.clone(), em, Some(watch))?;
    clock.lap("EM");
    let mut learned = of_mixture(data, &fitted.mixture, options, clock)?;
    let em::Fitted { iterations, seconds, last_gain, .. } = fitted;
    if !(last_gain < options.tolerance) {
        learned.notes.push(format!(
            "EM has not converged: after {iterations} iterations a step still gains {last_gain:.1e} nats per point (the tolerance is {:.1e}); allow more iterations",
            options.tolerance
        ));
    }
    learned.em = Some(EmEnd { iterations, seconds, last_gain });
    Ok(learned.counted(found, options))
}

fn by_ddpm(data: &Data, options: &Options, first: Option<Found>, clock: &mut Clock, watch: &mut Watch) -> Result<Learned> {
    let Some(k) = options.components.or(first.as_ref().map(|found| found.mixture.n_components())) else {
        return Err(Error::bad_input("no number of components was found", "Give the number"));
    };
    let projection = Projection::principal(&data.train, k)?;
    let tiles = Tiles::of_rows(&projection.reduce(&data.train), projection.rank());
    clock.lap("projection");
    let mixture = ddpm::fit(&tiles, k, options.restarts, projection.variances[0], options.seed, watch)?;
    clock.lap("DDPM descent");
    let mixture = lifted(data, &mixture, &projection, options.seed, watch)?;
    let mut learned = of_mixture(data, &mixture, options, clock)?;
    learned.rank = projection.rank();
    Ok(match first {
        Some(found) => learned.counted(found, options),
        None => learned,
    })
}

fn by_polynomials(
    data: &Data,
    options: &Options,
    first: Option<Found>,
    clock: &mut Clock,
    device: &mut dyn Polynomials,
    watch: &mut Watch,
) -> Result<Learned> {
    let projection = Projection::principal(&data.train, options.components.unwrap_or(usize::MAX))?;
    let rank = projection.rank();
    let (points, held_out) = (projection.reduce(&data.train), projection.reduce(&data.held_out));
    clock.lap("projection");
    let settings = ladder::Settings { degree: options.degree, pairs: options.pairs, kappa: schedule::KAPPA, seed: options.seed };
    let mut ladder = ladder::climb_at_some_degree(&points, &held_out, &projection.variances, &settings, device, watch)?;
    clock.lap("levels");
    let samples = sampler::draw(&ladder, (&data.train, &points), &projection, options.samples, options.seed, device, watch)?;
    clock.lap("sampling");
    let tiles = Tiles::of_rows(&points, rank);
    let cover = set_cover(&ladder.denoised, rank, CANDIDATE_RADIUS, SMALLEST_COMPONENT);
    let mut starts: Vec<f64> = cover.iter().map(|v| f64::from(*v)).collect();
    let cover = starts.len() / rank;
    if let Some(first) = &first {
        starts.extend(projection.coordinates(data.inside(&first.mixture)?.means()));
    }
    let found = search::components(&tiles, &starts, first.is_some(), &search_options(options), watch)?;
    clock.lap("number of components");
    let (refined, note) = refined(&tiles, &found.mixture, options.seed, watch)?;
    clock.lap("mixture");
    compare_levels(&mut ladder, &refined, if held_out.is_empty() { &points } else { &held_out }, options.seed);
    let mixture = lifted(data, &refined, &projection, options.seed, watch)?;
    clock.lap("all dimensions");
    let mixture = em::climb(&data.train, mixture, LAST_STEPS, Some(watch))?.mixture;
    clock.lap("EM");
    let mut learned = of_mixture(data, &mixture, &Options { samples: 0, ..options.clone() }, clock)?;
    learned.samples = data.outside_points(&samples.iter().map(|z| f64::from(*z)).collect::<Vec<f64>>());
    learned.samples_from = "the reverse diffusion";
    learned.rank = rank;
    learned.notes.extend(ladder.note.take());
    learned.notes.extend(note);
    learned.levels = ladder.levels.into_iter().map(|level| level.row).collect();
    let mut learned = learned.counted(found, options);
    learned.why += &format!("; {cover} of the means to begin with came from a set cover of the denoised points");
    Ok(learned)
}

/// Refines the means of `start` by score matching. If the likelihood falls by more than their number explains, returns `start` and a note.
fn refined(tiles: &Tiles, start: &GaussianMixture, seed: u64, watch: &mut Watch) -> Result<(GaussianMixture, Option<String>)> {
    let refined = parametric::refine(tiles, start.clone(), &parametric::REFINEMENT, seed, watch)?;
    let log_likelihood = |mixture: &GaussianMixture| pass::sums(tiles, mixture).log_likelihood;
    let lost = log_likelihood(start) - log_likelihood(&refined);
    if lost <= start.means().len() as f64 {
        return Ok((refined, None));
    }
    let note = format!(
        "score matching lowered the log-likelihood by {} nats per point: the means of the search were kept",
        crate::number::short(lost / tiles.n as f64)
    );
    Ok((start.clone(), Some(note)))
}

/// Means in all d dimensions, refined once more: they also have parts in directions whose spread is too small to be told from noise.
fn lifted(data: &Data, mixture: &GaussianMixture, projection: &Projection, seed: u64, watch: &mut Watch) -> Result<GaussianMixture> {
    let d = data.train.d;
    let lifted = GaussianMixture::new(mixture.weights().to_vec(), projection.lift(mixture.means()), d, mixture.variance())?;
    if projection.rank() == d { Ok(lifted) } else { parametric::refine(&data.train, lifted, &parametric::REFINEMENT[2..], seed, watch) }
}

/// Computes the distance of each level's posterior mean from that of `mixture`.
fn compare_levels(ladder: &mut Ladder, mixture: &GaussianMixture, points: &[f32], seed: u64) {
    let rank = mixture.n_features();
    for (index, level) in ladder.levels.iter_mut().enumerate() {
        let noised = Noised::new(points, rank, level.t, COMPARED_PAIRS, 0, Address { seed, level: index as u32, usage: COMPARE });
        let learned = level.posterior_mean.posterior_mean(&noised.y);
        let exact = pass::posterior_means(&noised.y, mixture, level.t);
        level.row.distance_to_model = Some(ladder::mean_square(&learned, &exact).sqrt());
    }
}

/// The result for a mixture in the learners' units, and draws from it.
fn of_mixture(data: &Data, inside: &GaussianMixture, options: &Options, clock: &mut Clock) -> Result<Learned> {
    let mixture = data.outside(inside)?;
    let held_out = Estimate::of_mean(&pass::log_densities(&data.held_out, inside));
    let train = pass::sums(&data.train, inside).log_likelihood / data.train.n as f64;
    let held_out_points = data.outside_points(&data.held_out.rows().iter().map(|z| f64::from(*z)).collect::<Vec<f64>>());
    let unit = data.log_unit(inside.variance());
    let samples = draw(&mixture, options.samples, options.seed);
    let labels = labels(&mixture, options.samples, options.seed);
    clock.lap("likelihood");
    Ok(Learned {
        why: format!("{} were asked for", mixture.n_components()),
        mixture,
        general: None,
        samples,
        labels,
        samples_from: "the mixture",
        draws: None,
        held_out: Estimate { value: held_out.value + unit, ..held_out },
        train_log_likelihood: train + unit,
        held_out_points,
        n_train: data.train.n,
        rank: data.train.d,
        levels: Vec::new(),
        em: None,
        tried: Vec::new(),
        notes: misfit::notes(&data.train, inside),
        seconds: Vec::new(),
    })
}
