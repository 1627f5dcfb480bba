//! How many components with covariances of other kinds than the common variance, and where each number of them starts.
//!
//! Such components fit what is stretched with a few, so the search goes up from one, and at least as far as the number that one common
//! variance wants: on a lattice every smaller number is worse than one. Then it looks between the numbers beside the best. For each number K it lets starts compete on few
//! points (the mixture of one common variance that [`super::search`] has for K, and k-means++ seeds in the points' units and in those of
//! their spread), and takes the best to all points. Fits with a component that has shrunk to the floor count for no K: their likelihood is
//! the floor's.

use std::collections::{BTreeMap, BTreeSet};

use super::em::{self as common_em};
use super::em_general::{self, Fitted, NEAR_FLOOR, climb, collapsed, least_variances, n_parameters};
use super::search::{self, EVIDENCE, Tried};
use super::seeding;
use super::tiles::Tiles;
use super::watch::Watch;
use crate::error::{Error, Result};
use crate::mixture::{Covariance, CovarianceKind, GaussianMixture, Mixture};
use crate::random::streams::{Purpose, stream};

/// Points on which starts compete, and points at all.
const FEW: usize = 1 << 12;
const MOST_POINTS: usize = 1 << 16;
/// Numbers of components that are tried, in turn.
const NUMBERS: [usize; 18] = [1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 18, 22, 27, 33, 40, 50, 64];
/// Points for each free number of a mixture at the least.
const POINTS_PER_PARAMETER: usize = 2;
/// Steps of starts that compete, and of the best of them on all points.
const SHORT: em_general::Options = em_general::Options { floor: 0.0, tolerance: 1e-6, most_iterations: 40 };
const LONG: em_general::Options = em_general::Options { floor: 0.0, tolerance: 1e-8, most_iterations: 300 };
const FINALISTS: usize = 2;
/// The search ends when so many numbers in a row are worse than the best by so much.
const WORSE: f64 = 10.0;
const VAIN: usize = 3;
/// Numbers between those in turn that are looked at near the best.
const MOST_BETWEEN: usize = 6;
/// Products of coordinates that are computed at the most, an exponential counted as so many: about half a minute on two cores.
const BUDGET: f64 = 1.5e11;
const EXPONENTIAL: usize = 24;

/// What the search is told.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub kind: CovarianceKind,
    /// K; `None`: it is found.
    pub components: Option<usize>,
    /// Is added to every variance.
    pub floor: f64,
    /// k-means++ starts of each K.
    pub restarts: usize,
    pub seed: u64,
}

/// What it found.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub mixture: Mixture,
    /// By K.
    pub tried: Vec<Tried>,
    /// Points that it looked at.
    pub points: usize,
    /// Numbers of components that were left out, because one shrank to the floor from every start.
    pub shrunk: Vec<usize>,
    pub is_cut_short: bool,
}

impl Found {
    pub(crate) fn why(&self) -> String {
        let (least, most) = (self.tried.first().map_or(1, |t| t.components), self.tried.last().map_or(1, |t| t.components));
        format!(
            "of {} numbers of components from {least} to {most} this is the least whose Bayesian information criterion (on {} points) is \
             within {EVIDENCE} of the lowest",
            self.tried.len(),
            self.points
        )
    }

    /// What people should know.
    pub(crate) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if !self.shrunk.is_empty() {
            let numbers: Vec<String> = self.shrunk.iter().map(usize::to_string).collect();
            notes.push(format!(
                "with {} components one shrank to the floor of the variances from every start, so that these numbers were left out: \
                 raise the regularisation, choose simpler covariances, or give the number",
                numbers.join(", ")
            ));
        }
        if self.is_cut_short {
            notes.push(format!(
                "the search for the number of components ended after {BUDGET:.1e} products of coordinates, about half a minute on two \
                 cores, before {VAIN} numbers in a row were worse: learn from fewer points, or give the number"
            ));
        }
        notes
    }
}

/// The best mixture of the K that is asked for, or of the best K.
///
/// # Errors
/// [`Error::BadInput`] for fewer different points than components; [`Error::Stopped`].
pub(crate) fn components(tiles: &Tiles, options: &Options, watch: &mut Watch) -> Result<Found> {
    let all = tiles.thinned(MOST_POINTS);
    let few = tiles.thinned(FEW.max(8 * tiles.d));
    let one = one_component(&all, options)?;
    let (metric, units) = units(&few, &one)?;
    let rough = search::Options { components: options.components, variance: None, rounds: 1, seed: options.seed };
    let (common, of_common) = match search::components(&few, &[], false, &rough, watch) {
        Ok(found) => (found.mixtures, found.mixture.n_components()),
        Err(Error::Stopped { stage }) => return Err(Error::Stopped { stage }),
        Err(_) => (Vec::new(), 1), // its variance shrank to nothing: other starts are left
    };
    let whole = least_variances(&one);
    let mut search = Search { options, watch, few, metric, units, all, whole, common, work: 0.0 };
    let mut looked = Looked { found: BTreeMap::new(), shrunk: BTreeSet::new() };
    let (mut vain, mut is_cut_short) = (0, false);
    for k in search.numbers(of_common) {
        let best = looked.best().map_or(f64::INFINITY, |(_, best)| best);
        if !search.look(k, &mut looked)? {
            break;
        }
        vain = if looked.found.get(&k).is_some_and(|(criterion, ..)| *criterion < best + WORSE) { 0 } else { vain + 1 };
        is_cut_short = search.work > BUDGET;
        if (vain >= VAIN && k >= of_common) || is_cut_short {
            break;
        }
    }
    // Between the numbers beside the best.
    for _ in 0..MOST_BETWEEN {
        let next = looked.best().and_then(|(best, _)| looked.beside(best));
        match next.filter(|_| options.components.is_none() && !is_cut_short) {
            Some(k) if search.look(k, &mut looked)? => is_cut_short = search.work > BUDGET,
            _ => break,
        }
    }
    let points = search.all.n;
    let Some((_, best)) = looked.best() else { return Err(search.nothing()) };
    let chosen = looked.found.values().find(|(criterion, ..)| *criterion <= best + EVIDENCE).map(|(.., mixture)| mixture.clone());
    let Some(mixture) = chosen else { return Err(search.nothing()) };
    let tried = looked.found.into_values().map(|(_, tried, _)| tried).collect();
    Ok(Found { mixture, tried, points, shrunk: looked.shrunk.into_iter().collect(), is_cut_short })
}

/// One component for all points.
fn one_component(tiles: &Tiles, options: &Options) -> Result<Mixture> {
    let d = tiles.d;
    let mut mean = vec![0.0; d];
    (0..tiles.n).for_each(|i| mean.iter_mut().zip(tiles.row(i)).for_each(|(m, x)| *m += f64::from(x) / tiles.n as f64));
    let start = Mixture::from(&GaussianMixture::new(vec![1.0], mean, d, 1.0)?).widened(options.kind)?;
    let sums = super::moments::moments(tiles, &start);
    em_general::step(&start, &sums, options.floor)
}

/// The points in units of their spread, in the form of their covariance `one`, and the way back: L, shape (d, d).
fn units(tiles: &Tiles, one: &Mixture) -> Result<(Tiles, Vec<f64>)> {
    let (d, factor) = (tiles.d, one.factor(0));
    let (mut rows, mut w) = (Vec::with_capacity(tiles.n * d), vec![0.0; d]);
    for i in 0..tiles.n {
        let e: Vec<f64> = tiles.row(i).zip(one.mean(0)).map(|(x, m)| f64::from(x) - m).collect();
        factor.whiten(&e, &mut w);
        rows.extend(w.iter().map(|w| *w as f32));
    }
    let unit = |b: usize| (0..d).map(|c| if c == b { 1.0 } else { 0.0 }).collect::<Vec<f64>>();
    let columns: Vec<Vec<f64>> = (0..d).map(unit).collect();
    let l = (0..d * d).map(|at| if at % d <= at / d { factor.coloured(&columns[at % d], at / d) } else { 0.0 }).collect();
    Ok((Tiles::of_rows(&rows, d), l))
}

/// What was found of each number of components, and the numbers that count for none.
struct Looked {
    found: BTreeMap<usize, (f64, Tried, Mixture)>,
    shrunk: BTreeSet<usize>,
}

impl Looked {
    /// The number of the least criterion, and that.
    fn best(&self) -> Option<(usize, f64)> {
        let all = self.found.iter().map(|(k, (criterion, ..))| (*k, *criterion));
        all.min_by(|a, b| a.1.total_cmp(&b.1))
    }

    /// The middle of the wider gap between `k` and the numbers beside it that were looked at; `None` where there is no gap.
    fn beside(&self, k: usize) -> Option<usize> {
        let known = || self.found.keys().chain(&self.shrunk).copied();
        let below = known().filter(|other| *other < k).max().map(|other| (k - other, other));
        let above = known().filter(|other| *other > k).min().map(|other| (other - k, k));
        let (gap, from) = below.into_iter().chain(above).max()?;
        (gap > 1).then_some(from + gap / 2)
    }
}

struct Search<'a, 'b> {
    options: &'a Options,
    watch: &'a mut Watch<'b>,
    few: Tiles,
    /// The same in units of their spread, and the way back.
    metric: Tiles,
    units: Vec<f64>,
    all: Tiles,
    /// The variances of one component for all points.
    whole: Vec<f64>,
    /// Of one common variance, by K.
    common: Vec<GaussianMixture>,
    work: f64,
}

impl Search<'_, '_> {
    /// The numbers of components to look at in turn; `of_common` is the one that a common variance wants.
    fn numbers(&self, of_common: usize) -> Vec<usize> {
        let (kind, d) = (self.options.kind, self.all.d);
        let fits = |k: &usize| *k == 1 || n_parameters(kind, *k, d) * POINTS_PER_PARAMETER <= self.all.n;
        let numbers: BTreeSet<usize> = NUMBERS.into_iter().chain([of_common]).filter(fits).collect();
        self.options.components.map_or_else(|| numbers.into_iter().collect(), |k| vec![k])
    }

    /// Looks at K components; false without any start for them.
    fn look(&mut self, k: usize, looked: &mut Looked) -> Result<bool> {
        let Some((criterion, tried, fitted, is_sound)) = self.of_number(k)? else { return Ok(false) };
        if is_sound || self.options.components.is_some() || k == 1 {
            looked.found.insert(k, (criterion, tried, fitted.mixture));
        } else {
            looked.shrunk.insert(k);
        }
        Ok(true)
    }

    /// The best fit of K components, with its criterion, and whether none of them shrank to the floor; `None` without any start.
    fn of_number(&mut self, k: usize) -> Result<Option<(f64, Tried, Fitted, bool)>> {
        let starts = self.starts(k)?;
        let mut short = Vec::new();
        for start in starts {
            let fitted = self.climb(start, SHORT, true)?;
            let is_sound = self.is_sound(&fitted.mixture);
            short.push((is_sound, fitted));
        }
        short.sort_by(|a, b| b.0.cmp(&a.0).then(b.1.log_likelihood.total_cmp(&a.1.log_likelihood)));
        short.truncate(FINALISTS);
        let mut best: Option<(bool, Fitted)> = None;
        for (_, start) in short {
            let fitted = self.climb(start.mixture, LONG, false)?;
            let is_sound = self.is_sound(&fitted.mixture);
            let is_better = best.as_ref().is_none_or(|(sound, best)| (is_sound, fitted.log_likelihood) > (*sound, best.log_likelihood));
            if is_better {
                best = Some((is_sound, fitted));
            }
        }
        let (n, d) = (self.all.n as f64, self.all.d);
        let parameters = n_parameters(self.options.kind, k, d) as f64;
        Ok(best.map(|(is_sound, fitted)| {
            let fit = -2.0 * n * fitted.log_likelihood;
            let (criterion, aic) = (fit + parameters * n.ln(), Some(fit + 2.0 * parameters));
            (criterion, Tried { components: k, criterion, aic, variance: mean_variance(&fitted.mixture) }, fitted, is_sound)
        }))
    }

    fn climb(&mut self, start: Mixture, options: em_general::Options, is_short: bool) -> Result<Fitted> {
        self.watch.at("number of components", (self.work / BUDGET).min(1.0))?;
        let tiles = if is_short { &self.few } else { &self.all };
        let fitted = climb(tiles, start, em_general::Options { floor: self.options.floor, ..options }, None)?;
        let d = tiles.d;
        let of_point = match self.options.kind {
            CovarianceKind::Full => d * d + d + EXPONENTIAL,
            _ => 2 * d + EXPONENTIAL,
        };
        self.work += (fitted.iterations * tiles.n * fitted.mass.len() * of_point) as f64;
        Ok(fitted)
    }

    fn is_sound(&self, mixture: &Mixture) -> bool {
        collapsed(mixture, &self.whole, self.options.floor) == 0
    }

    /// Mixtures of K components to begin with.
    fn starts(&self, k: usize) -> Result<Vec<Mixture>> {
        let kind = self.options.kind;
        let mut starts = Vec::new();
        for common in self.common.iter().filter(|common| common.n_components() == k) {
            starts.push(Mixture::from(common).widened(kind)?);
        }
        let restarts = if k == 1 { 1 } else { self.options.restarts.max(1) };
        for restart in 0..restarts {
            let mut rng = stream(self.options.seed, Purpose::LearnSeeding, 1000 + restart as u32, k as u32);
            let is_plain = restart % 2 == 0;
            let tiles = if is_plain { &self.few } else { &self.metric };
            let (_, means) = seeding::extended(tiles, Vec::new(), k, &mut rng);
            if means.len() < k * tiles.d {
                break;
            }
            let brief = common_em::Options { variance: None, tolerance: 1e-5, most_iterations: 10 };
            let start = common_em::climb(tiles, common_em::start(tiles, means, None)?, brief, None)?.mixture;
            starts.push(if is_plain { Mixture::from(&start).widened(kind)? } else { self.out_of_units(&start)? });
        }
        Ok(starts)
    }

    /// A mixture of one common variance in units of the spread, as one of the kind that is looked for, in the points' units.
    fn out_of_units(&self, mixture: &GaussianMixture) -> Result<Mixture> {
        let (k, d, l) = (mixture.n_components(), self.all.d, &self.units);
        let one = one_component(&self.few, self.options)?;
        let back = |z: &[f64], a: usize| one.mean(0)[a] + (0..=a).map(|b| l[a * d + b] * z[b]).sum::<f64>();
        let means = mixture.means().chunks_exact(d).flat_map(|z| (0..d).map(move |a| (z, a))).map(|(z, a)| back(z, a)).collect();
        let variance = mixture.variance().max(self.options.floor);
        let product = |a: usize, b: usize| variance * (0..d).map(|c| l[a * d + c] * l[b * d + c]).sum::<f64>();
        let matrix = || (0..d * d).map(|at| product(at / d, at % d)).collect::<Vec<f64>>();
        let mean = (0..d).map(|a| product(a, a)).sum::<f64>() / d as f64;
        let covariance = match self.options.kind {
            CovarianceKind::Common => Covariance::Common(mean),
            CovarianceKind::Spherical => Covariance::Spherical(vec![mean; k]),
            CovarianceKind::Diagonal => Covariance::Diagonal((0..k * d).map(|at| product(at % d, at % d)).collect()),
            CovarianceKind::Tied => Covariance::Tied(matrix()),
            CovarianceKind::Full => Covariance::Full((0..k).flat_map(|_| matrix()).collect()),
        };
        Mixture::new(mixture.weights().to_vec(), means, d, covariance.plus(self.options.floor, d))
    }

    /// Why no mixture was found.
    fn nothing(&self) -> Error {
        let k = self.options.components.unwrap_or(1);
        Error::bad_input(
            format!("there are fewer than {k} different points among {}", self.all.n),
            "Ask for fewer components, or remove duplicates",
        )
    }
}

/// The mixture of one common variance with the same weights, means and mean variance.
///
/// # Errors
/// Those of [`GaussianMixture::new`].
pub(crate) fn ruler(mixture: &Mixture) -> Result<GaussianMixture> {
    let (weights, means) = (mixture.weights().to_vec(), mixture.means().to_vec());
    GaussianMixture::new(weights, means, mixture.n_features(), mean_variance(mixture))
}

/// The variance of a coordinate about its component's mean, on average over components and coordinates.
fn mean_variance(mixture: &Mixture) -> f64 {
    let (d, covariance) = (mixture.n_features(), mixture.covariance());
    let trace = |l: usize| match covariance {
        Covariance::Common(variance) => *variance * d as f64,
        Covariance::Spherical(variances) => variances[l] * d as f64,
        Covariance::Diagonal(variances) => variances[l * d..][..d].iter().sum(),
        Covariance::Tied(matrix) => (0..d).map(|a| matrix[a * d + a]).sum(),
        Covariance::Full(matrices) => (0..d).map(|a| matrices[(l * d + a) * d + a]).sum(),
    };
    mixture.weights().iter().enumerate().map(|(l, w)| w * trace(l)).sum::<f64>() / d as f64
}

/// Coordinates whose variance, given those before it, is made by the floor in some component.
pub(crate) fn near_floor(mixture: &Mixture, floor: f64) -> Vec<usize> {
    let least = least_variances(mixture);
    (0..least.len()).filter(|a| least[*a] < NEAR_FLOOR * floor).collect()
}
