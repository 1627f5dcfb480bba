//! From points to a mixture and a sampler, by the method of choice: what the verb `learn` computes.

use std::time::Instant;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::data::Data;
use super::draws::{self, Draws};
use super::ladder::{self, Ladder, Row};
use super::noised::{Address, Noised};
use super::projection::Projection;
use super::tiles::Tiles;
use super::warm_start::{SMALLEST_COMPONENT, set_cover};
use super::watch::Watch;
use super::{ddpm, em, parametric, pass, sampler, schedule};
use crate::backend::polynomials::Polynomials;
use crate::error::{Error, Result};
use crate::mixture::GaussianMixture;
use crate::objective::groups::Estimate;
use crate::random::normal::normal_f32;
use crate::random::streams::{Purpose, key, words};

/// Who learns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// The diffusion model of Gatmiry, Kelner and Lee (2024): a sampler by piecewise polynomial regression, and a mixture from its warm starts.
    PiecewisePolynomial,
    /// Gradient descent on the DDPM loss at high, then at low noise (Shah, Chen and Klivans 2023).
    Ddpm,
    /// Expectation–maximisation from k-means++ starts.
    Em,
}

/// The common variance σ₀²; in files a number, or "estimate".
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Variance {
    Known(f64),
    #[serde(with = "word")]
    Estimate,
}

mod word {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    const ESTIMATE: &str = "estimate";

    pub fn serialize<S: Serializer>(to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(ESTIMATE)
    }

    pub fn deserialize<'a, D: Deserializer<'a>>(from: D) -> Result<(), D::Error> {
        let word = String::deserialize(from)?;
        if word == ESTIMATE { Ok(()) } else { Err(D::Error::custom("a variance is a number or \"estimate\"")) }
    }
}

/// Everything that a learner may be told.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Options {
    pub method: Method,
    /// K; `None`: it is found.
    pub components: Option<usize>,
    /// Of the polynomials.
    pub degree: usize,
    pub variance: Variance,
    /// Pairs of noised points at each level.
    pub pairs: usize,
    /// Starts that compete, in EM and in the DDPM learner.
    pub restarts: usize,
    /// Share of the points that is kept away from learning.
    pub held_out: f64,
    /// Points to draw.
    pub samples: usize,
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            method: Method::PiecewisePolynomial,
            components: None,
            degree: 3,
            variance: Variance::Known(1.0),
            pairs: 1 << 17,
            restarts: 10,
            held_out: 0.1,
            samples: 100_000,
            seed: 0,
        }
    }
}

/// What was learned.
#[derive(Debug, Clone)]
pub struct Learned {
    pub mixture: GaussianMixture,
    /// Why it has so many components.
    pub why: String,
    /// Drawn points (samples, d), and from what.
    pub samples: Vec<f64>,
    pub samples_from: &'static str,
    /// The drawn points against the points; `None` where none were drawn.
    pub draws: Option<Draws>,
    /// Mean ln p of the held-out points, in nats; NaN where none are.
    pub held_out: Estimate,
    pub train_log_likelihood: f64,
    /// The held-out points (m, d).
    pub held_out_points: Vec<f64>,
    pub n_train: usize,
    /// Principal directions that were worked in; d where none were looked for.
    pub rank: usize,
    pub levels: Vec<Row>,
    /// Iterations and seconds of EM on all points.
    pub em: Option<(usize, f64)>,
    pub notes: Vec<String>,
    /// Stage and seconds, in order.
    pub seconds: Vec<(&'static str, f64)>,
}

/// Radius of the balls that propose components, in σ₀: modes 2.5 apart still get balls of their own.
const CANDIDATE_RADIUS: f64 = 1.25;
/// Points that a level is compared on with the parametric answer.
const COMPARED_PAIRS: usize = 4096;
/// The noise's use number of that comparison.
const COMPARE: u32 = 3;

struct Clock {
    began: Instant,
    seconds: Vec<(&'static str, f64)>,
}

impl Clock {
    fn lap(&mut self, stage: &'static str) {
        self.seconds.push((stage, self.began.elapsed().as_secs_f64()));
        self.began = Instant::now();
    }
}

/// Learns from `points` (n, d). `device` works with the polynomials: [`crate::Backend::polynomials`].
///
/// # Errors
/// [`Error::BadInput`] for points or options that nothing can be learned from; [`Error::Stopped`].
pub fn learn(points: &[f64], d: usize, options: &Options, device: &mut dyn Polynomials, watch: &mut Watch) -> Result<Learned> {
    check(points.len() / d.max(1), options)?;
    let mut clock = Clock { began: Instant::now(), seconds: Vec::new() };
    let mut options = options.clone();
    let mut why = None;
    if options.variance == Variance::Estimate || (options.method != Method::PiecewisePolynomial && options.components.is_none()) {
        let (found, reason) = look(points, d, &options, watch)?;
        if options.components.is_none() && options.method != Method::PiecewisePolynomial {
            options.components = Some(found.n_components());
        }
        (why, options.variance) = (
            Some(reason),
            match options.variance {
                Variance::Estimate if options.method != Method::Em => Variance::Known(found.variance()),
                other => other,
            },
        );
        clock.lap("first look");
    }
    let deviation = match options.variance {
        Variance::Known(variance) => Some(variance.sqrt()),
        Variance::Estimate => None,
    };
    let data = Data::new(points, d, deviation, options.held_out, options.seed)?;
    clock.lap("data");
    let mut learned = match options.method {
        Method::Em => by_em(&data, &options, why, &mut clock, watch)?,
        Method::Ddpm => by_ddpm(&data, &options, why, &mut clock, watch)?,
        Method::PiecewisePolynomial => by_polynomials(&data, &options, &mut clock, device, watch)?,
    };
    learned.notes.splice(0..0, data.notes.iter().cloned());
    learned.draws = draws::compared(&data, &data.inside(&learned.mixture)?, &learned.samples, options.seed)?;
    learned.notes.extend(learned.draws.iter().flat_map(|draws| draws.notes(learned.samples_from)));
    clock.lap("comparing draws");
    learned.seconds = clock.seconds;
    Ok(learned)
}

fn check(n: usize, options: &Options) -> Result<()> {
    if let Variance::Known(variance) = options.variance
        && !(variance.is_finite() && variance > 0.0)
    {
        return Err(Error::bad_input(format!("the variance is {variance}"), "Give a positive number, or `estimate`"));
    }
    let trained = n - (options.held_out * n as f64) as usize;
    if let Some(k) = options.components
        && !(1..=trained).contains(&k)
    {
        return Err(Error::bad_input(
            format!("{k} components cannot be learned from the {trained} of {n} points that are not held out"),
            "Ask for at least one and for fewer than there are points",
        ));
    }
    if !(1..=8).contains(&options.degree) {
        return Err(Error::bad_input(format!("polynomials of degree {} are not available", options.degree), "Use a degree from 1 to 8"));
    }
    if !(0.0..=0.9).contains(&options.held_out) {
        return Err(Error::bad_input(format!("a share of {} is to be held out", options.held_out), "Use a share from 0 to 0.9"));
    }
    if options.pairs == 0 || u32::try_from(options.pairs).is_err() || u32::try_from(options.samples).is_err() {
        return Err(Error::bad_input(
            format!("{} pairs or {} samples are none, or more than random numbers have addresses for", options.pairs, options.samples),
            format!("Use 1 to {}", u32::MAX),
        ));
    }
    Ok(())
}

/// EM on few points, for a number of components or a variance that nobody gave; the mixture is in users' units.
fn look(points: &[f64], d: usize, options: &Options, watch: &mut Watch) -> Result<(GaussianMixture, String)> {
    let known = match options.variance {
        Variance::Known(variance) => Some(variance),
        Variance::Estimate => None,
    };
    let data = Data::new(points, d, known.map(f64::sqrt), options.held_out, options.seed)?;
    let em = em_options(options, options.components.unwrap_or(1), known.map(|_| 1.0));
    let (found, why) = match options.components {
        Some(k) => (em::fit(&data.train.thinned(1 << 15), &em, watch)?.mixture, format!("{k} were asked for")),
        None => em::choose(&data.train, &em, watch)?,
    };
    Ok((data.outside(&found)?, why))
}

fn em_options(options: &Options, components: usize, variance: Option<f64>) -> em::Options {
    em::Options { components, restarts: options.restarts, variance, tolerance: 1e-6, most_iterations: 1000, seed: options.seed }
}

fn by_em(data: &Data, options: &Options, why: Option<String>, clock: &mut Clock, watch: &mut Watch) -> Result<Learned> {
    let Some(k) = options.components else { return Err(Error::bad_input("no number of components was found", "Give --components")) };
    let variance = matches!(options.variance, Variance::Known(_)).then_some(1.0);
    let fitted = em::fit(&data.train, &em_options(options, k, variance), watch)?;
    clock.lap("EM");
    let why = why.unwrap_or_else(|| format!("{k} were asked for"));
    let mut learned = of_mixture(data, &fitted.mixture, why, options, clock)?;
    learned.em = Some((fitted.iterations, fitted.seconds));
    Ok(learned)
}

fn by_ddpm(data: &Data, options: &Options, why: Option<String>, clock: &mut Clock, watch: &mut Watch) -> Result<Learned> {
    let Some(k) = options.components else { return Err(Error::bad_input("no number of components was found", "Give --components")) };
    let projection = Projection::principal(&data.train, k)?;
    let tiles = Tiles::of_rows(&projection.reduce(&data.train), projection.rank());
    clock.lap("projection");
    let mixture = ddpm::fit(&tiles, k, options.restarts, projection.variances[0], options.seed, watch)?;
    clock.lap("DDPM descent");
    let mixture = lifted(data, &mixture, &projection, options.seed, watch)?;
    let why = why.unwrap_or_else(|| format!("{k} were asked for"));
    let mut learned = of_mixture(data, &mixture, why, options, clock)?;
    learned.rank = projection.rank();
    Ok(learned)
}

fn by_polynomials(data: &Data, options: &Options, clock: &mut Clock, device: &mut dyn Polynomials, watch: &mut Watch) -> Result<Learned> {
    let projection = Projection::principal(&data.train, options.components.unwrap_or(usize::MAX))?;
    let rank = projection.rank();
    let (points, held_out) = (projection.reduce(&data.train), projection.reduce(&data.held_out));
    clock.lap("projection");
    let settings = ladder::Settings { degree: options.degree, pairs: options.pairs, kappa: schedule::KAPPA, seed: options.seed };
    let mut ladder = ladder::climb(&points, &held_out, &projection.variances, &settings, device, watch)?;
    clock.lap("levels");
    let samples = sampler::draw(&ladder, (&data.train, &points), &projection, options.samples, options.seed, device, watch)?;
    clock.lap("sampling");
    let tiles = Tiles::of_rows(&points, rank);
    let candidates = set_cover(&ladder.denoised, rank, CANDIDATE_RADIUS, SMALLEST_COMPONENT);
    let found = parametric::fit(&tiles, &candidates, options.components, options.seed, watch)?;
    clock.lap("mixture");
    compare_levels(&mut ladder, &found.mixture, if held_out.is_empty() { &points } else { &held_out }, options.seed);
    let mixture = lifted(data, &found.mixture, &projection, options.seed, watch)?;
    clock.lap("all dimensions");
    let mut learned = of_mixture(data, &mixture, found.why, &Options { samples: 0, ..options.clone() }, clock)?;
    let d = data.centre.len();
    learned.samples = samples.par_iter().enumerate().map(|(at, z)| data.centre[at % d] + data.scale * f64::from(*z)).collect();
    learned.samples_from = "the reverse diffusion";
    learned.rank = rank;
    let degree = ladder.levels[0].posterior_mean.basis.degree;
    if degree < options.degree {
        learned.notes.push(format!(
            "polynomials of degree {} in {rank} directions would have too many terms: degree {degree} was used",
            options.degree
        ));
    }
    learned.levels = ladder.levels.into_iter().map(|level| level.row).collect();
    Ok(learned)
}

/// Means in all d dimensions, and a last descent there: directions of too little spread to be told from noise hold some of the means.
fn lifted(data: &Data, mixture: &GaussianMixture, projection: &Projection, seed: u64, watch: &mut Watch) -> Result<GaussianMixture> {
    let d = data.centre.len();
    let lifted = GaussianMixture::new(mixture.weights().to_vec(), projection.lift(mixture.means()), d, mixture.variance())?;
    if projection.rank() == d { Ok(lifted) } else { parametric::refine(&data.train, lifted, &parametric::REFINEMENT[2..], seed, watch) }
}

/// How far each level's posterior mean is from that of `mixture`.
fn compare_levels(ladder: &mut Ladder, mixture: &GaussianMixture, points: &[f32], seed: u64) {
    let rank = mixture.n_features();
    for (index, level) in ladder.levels.iter_mut().enumerate() {
        let noised = Noised::new(points, rank, level.t, COMPARED_PAIRS, 0, Address { seed, level: index as u32, usage: COMPARE });
        let learned = level.posterior_mean.posterior_mean(&noised.y);
        let exact = pass::posterior_means(&noised.y, mixture, level.t);
        level.row.distance_to_model = Some(ladder::mean_square(&learned, &exact).sqrt());
    }
}

/// What there is to say of a mixture in the learners' units, and draws from it.
fn of_mixture(data: &Data, inside: &GaussianMixture, why: String, options: &Options, clock: &mut Clock) -> Result<Learned> {
    let mixture = data.outside(inside)?;
    let d = data.centre.len();
    let held_out = Estimate::of_mean(&pass::log_densities(&data.held_out, inside));
    let train = pass::sums(&data.train, inside).log_likelihood / data.train.n as f64;
    let held_out_points = data.held_out.rows().iter().enumerate().map(|(at, z)| data.centre[at % d] + data.scale * f64::from(*z)).collect();
    let samples = draw(&mixture, options.samples, options.seed);
    clock.lap("likelihood");
    Ok(Learned {
        mixture,
        why,
        samples,
        samples_from: "the mixture",
        draws: None,
        held_out: Estimate { value: held_out.value + data.log_unit(), ..held_out },
        train_log_likelihood: train + data.log_unit(),
        held_out_points,
        n_train: data.train.n,
        rank: d,
        levels: Vec::new(),
        em: None,
        notes: Vec::new(),
        seconds: Vec::new(),
    })
}

/// `count` points (count, d) of a mixture, each from its own address.
pub fn draw(mixture: &GaussianMixture, count: usize, seed: u64) -> Vec<f64> {
    let (d, scale) = (mixture.n_features(), mixture.variance().sqrt());
    let key = key(seed, Purpose::LearnData, 0);
    let mut points = vec![0.0; count * d];
    points.par_chunks_exact_mut(d).enumerate().for_each(|(i, point)| {
        let mut u = (f64::from(words(key, 0, 1, i as u32, 0)[0]) + 0.5) / 2f64.powi(32);
        let chosen = mixture.weights().iter().position(|w| {
            u -= w;
            u < 0.0
        });
        let mean = mixture.mean(chosen.unwrap_or(mixture.n_components() - 1));
        for (block, (point, mean)) in point.chunks_mut(4).zip(mean.chunks(4)).enumerate() {
            for ((point, mean), word) in point.iter_mut().zip(mean).zip(words(key, 0, 0, i as u32, block as u32)) {
                *point = mean + scale * f64::from(normal_f32(word));
            }
        }
    });
    points
}
