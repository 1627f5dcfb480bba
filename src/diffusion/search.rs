//! The number of components: the search for the K with the best Bayesian information criterion, for every learner.
//!
//! With one variance for all, the criterion is not convex in K: splitting one cluster of a lattice gains nothing until all are split, so a
//! search from below stops at once. This one comes from above. Many k-means++ seeds are merged in pairs, each merger followed by a few
//! steps of EM, down to one component. That gives a mixture for every K on the way, with a separate mean in most clusters. Then the same is
//! repeated near the best K, one merger at a time and on more points, from its means and new seeds, until nothing better is found.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::em::{self, LEAST_VARIANCE};
use super::mergers::merged;
use super::seeding;
use super::tiles::Tiles;
use super::watch::Watch;
use crate::error::{Error, Result};
use crate::mixture::GaussianMixture;
use crate::random::philox::Philox;
use crate::random::streams::{Purpose, stream};

/// Points of the first descent, and the most points at all.
const MOST_COARSE: usize = 1 << 12;
const MOST_POINTS: usize = 1 << 16;
/// The most components, and the most as a fraction of the points.
const MOST_COMPONENTS: usize = 256;
const POINTS_PER_COMPONENT: usize = 4;
/// The fraction of the components that is merged at once at the beginning.
const COARSE_SHARE: f64 = 0.12;
/// With all points, K goes up to this multiple of the best K of the first descent.
const WITHIN: usize = 4;
/// EM steps after a merger.
const STEPS: usize = 6;
/// The search ends after this many rounds in a row without a better mixture.
const VAIN_ROUNDS: usize = 3;
/// The decrease of the criterion that counts as better.
const BETTER: f64 = 0.5;
/// A smaller K is chosen if its criterion is higher by less than this: each component needs "strong" evidence (Kass and Raftery 1995).
pub const EVIDENCE: f64 = 6.0;
/// A K whose criterion is this close to the lowest is a candidate at the end.
const IN_QUESTION: f64 = 40.0;
const MOST_IN_QUESTION: usize = 6;
/// The most EM steps for each final candidate.
const MOST_STEPS: usize = 200;
/// The most squared differences of coordinates to compute, counting an exponential as several: about half a minute on two cores, and half
/// as many for EM on the final candidates.
const BUDGET: Budget = Budget { search: 6e10, ends: 3e10 };
const EXPONENTIAL: usize = 4;

/// One K that was tried.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Tried {
    pub components: usize,
    /// −2 ln L + parameters · ln n, the lowest that was found.
    pub criterion: f64,
    /// −2 ln L + 2·parameters.
    #[serde(default)]
    pub aic: Option<f64>,
    /// The common variance (of other covariances the mean), in units of the data's scale where it is estimated.
    #[serde(deserialize_with = "crate::number::or_nan")]
    pub variance: f64,
}

/// The options of the search.
#[derive(Debug, Clone)]
pub struct Options {
    /// K; `None`: it is searched for.
    pub components: Option<usize>,
    /// The common variance; `None`: estimated.
    pub variance: Option<f64>,
    /// The most rounds near the best K.
    pub rounds: usize,
    pub seed: u64,
}

/// The result of the search.
#[derive(Debug, Clone)]
pub struct Found {
    pub mixture: GaussianMixture,
    /// By K.
    pub tried: Vec<Tried>,
    /// The same mixtures themselves.
    pub mixtures: Vec<GaussianMixture>,
    /// Points that it looked at.
    pub points: usize,
    /// Whether the search ended because its budget was spent, before enough rounds in a row found nothing better.
    pub is_cut_short: bool,
}

/// In squared differences of coordinates.
#[derive(Debug, Clone, Copy)]
struct Budget {
    search: f64,
    ends: f64,
}

impl Found {
    /// Why this number of components was chosen.
    pub fn why(&self) -> String {
        let (least, most) = (self.tried.first().map_or(1, |t| t.components), self.tried.last().map_or(1, |t| t.components));
        format!(
            "of {} numbers of components from {least} to {most} this is the least whose Bayesian information criterion (on {} points) is \
             within {EVIDENCE} of the lowest",
            self.tried.len(),
            self.points
        )
    }

    /// Notes for people.
    pub fn notes(&self) -> Vec<String> {
        let k = self.mixture.n_components();
        let mut notes = Vec::new();
        if self.tried.iter().all(|t| t.components <= k) && k > 1 {
            notes.push(format!(
                "{k} is the largest number of components that was tried (at most one for {POINTS_PER_COMPONENT} points, and \
                 {MOST_COMPONENTS}): the points may want more"
            ));
        }
        if self.is_cut_short {
            notes.push(format!(
                "the search for the number of components ended after {:.0e} differences of coordinates, about half a minute on two \
                 cores, before {VAIN_ROUNDS} rounds in a row found nothing better: learn from fewer points, or give the number",
                BUDGET.search
            ));
        }
        notes
    }
}

/// The best mixture with the given K, or with the best K. `starts` (c, d) are means to begin with; if they are `near` the answer, only
/// their surroundings are searched.
pub fn components(tiles: &Tiles, starts: &[f64], near: bool, options: &Options, watch: &mut Watch) -> Result<Found> {
    within_budget(tiles, starts, near, options, BUDGET, watch)
}

/// As [`components`], with this budget.
fn within_budget(tiles: &Tiles, starts: &[f64], near: bool, options: &Options, budget: Budget, watch: &mut Watch) -> Result<Found> {
    let all = tiles.thinned(MOST_POINTS);
    let rng = stream(options.seed, Purpose::LearnSeeding, 0, 2);
    let top = options.components.map_or((all.n / POINTS_PER_COMPONENT).clamp(1, MOST_COMPONENTS), |k| (2 * k + 2).min(all.n));
    let mut search = Search { options, watch, budget, n: all.n, most: top, best: BTreeMap::new(), work: 0.0, rng };
    let last = options.components.unwrap_or(1);
    if last > 1 && seeding::different(&all) < last {
        return Err(search.nothing(&all));
    }
    if near && !starts.is_empty() {
        search.descend(&all, em::start(&all, starts.to_vec(), options.variance)?, last, COARSE_SHARE)?;
    } else {
        let coarse = all.thinned(MOST_COARSE.max(POINTS_PER_COMPONENT * top));
        let (_, seeds) = seeding::extended(&coarse, starts.to_vec(), top, &mut search.rng);
        let path = search.descend(&coarse, em::start(&coarse, seeds, options.variance)?, last, COARSE_SHARE)?;
        let least = path.iter().min_by(|a, b| a.0.total_cmp(&b.0)).map_or(1, |(_, mixture)| mixture.n_components());
        for (_, mixture) in path.into_iter().filter(|(_, mixture)| mixture.n_components() <= WITHIN * least + WITHIN) {
            search.run_em(&all, mixture, 2)?;
        }
    }
    let is_cut_short = search.near_the_best(&all, top)?;
    let mixture = search.conclude(&all)?;
    let tried = |(k, (criterion, mixture)): (&usize, &(f64, GaussianMixture))| Tried {
        components: *k,
        criterion: *criterion,
        aic: Some(criterion - parameters(*k, tiles.d, options.variance) as f64 * ((all.n as f64).ln() - 2.0)),
        variance: mixture.variance(),
    };
    let mixtures = search.best.values().map(|(_, mixture)| mixture.clone()).collect();
    Ok(Found { mixture, tried: search.best.iter().map(tried).collect(), mixtures, points: all.n, is_cut_short })
}

/// A criterion and its mixture.
type Scored = (f64, GaussianMixture);

struct Search<'a, 'b> {
    options: &'a Options,
    watch: &'a mut Watch<'b>,
    budget: Budget,
    /// The number of points in the criterion.
    n: usize,
    /// The most components.
    most: usize,
    /// The lowest criterion of each K on all points, and its mixture.
    best: BTreeMap<usize, Scored>,
    work: f64,
    rng: Philox,
}

impl Search<'_, '_> {
    /// Makes a few EM steps; on all points their result is a candidate for its K.
    fn run_em(&mut self, tiles: &Tiles, start: GaussianMixture, steps: usize) -> Result<Scored> {
        self.watch.at("number of components", (self.work / (self.budget.search + self.budget.ends)).min(1.0))?;
        let variance = self.options.variance;
        let fitted = em::climb(tiles, start, em::Options { variance, tolerance: 1e-9, most_iterations: steps }, None)?;
        let (k, n) = (fitted.mixture.n_components(), tiles.n as f64);
        self.work += fitted.iterations as f64 * step_work(tiles, k);
        let criterion = -2.0 * n * fitted.log_likelihood + parameters(k, tiles.d, variance) as f64 * n.ln();
        let is_better = self.best.get(&k).is_none_or(|(least, _)| criterion < *least);
        if tiles.n == self.n && k <= self.most && fitted.mixture.variance() > LEAST_VARIANCE && is_better {
            self.best.insert(k, (criterion, fitted.mixture.clone()));
        }
        Ok((criterion, fitted.mixture))
    }

    /// Merges from `start` down to `last` components and returns all mixtures on the way. The fraction `share` of the components is merged
    /// at once.
    fn descend(&mut self, tiles: &Tiles, start: GaussianMixture, last: usize, share: f64) -> Result<Vec<Scored>> {
        let mut path = vec![self.run_em(tiles, start, 2 * STEPS)?];
        loop {
            let at = &path[path.len() - 1].1;
            let k = at.n_components();
            if k <= last || self.is_spent() {
                return Ok(path);
            }
            let mergers = ((share * k as f64) as usize).clamp(1, k - last);
            let next = merged(at, mergers)?;
            path.push(self.run_em(tiles, next, STEPS)?);
        }
    }

    /// Rounds of more seeds and mergers around the best K, alternately with its means and from new seeds only, until some in a row find
    /// nothing better. Returns whether the budget ended it.
    fn near_the_best(&mut self, tiles: &Tiles, top: usize) -> Result<bool> {
        let mut vain = 0;
        for round in 0..self.options.rounds.max(1) {
            let before = self.best().map(|(k, criterion, mixture)| (k, criterion, mixture.clone()));
            let Some(k) = before.as_ref().map(|b| b.0).or(self.options.components) else { return Ok(self.is_spent()) };
            let reach = 2 + k / 4;
            let (base, variance) = match &before {
                Some((_, _, mixture)) if round % 2 == 0 => (mixture.means().to_vec(), Some(mixture.variance())),
                _ => (Vec::new(), self.options.variance),
            };
            let criterion = before.map_or(f64::INFINITY, |b| b.1);
            let (_, means) = seeding::extended(tiles, base, (k + reach).min(top.max(k)), &mut self.rng);
            let last = self.options.components.unwrap_or(k.saturating_sub(reach).max(1));
            self.descend(tiles, em::start(tiles, means, variance)?, last, 0.0)?;
            let is_better = self.best().is_some_and(|(_, now, _)| now < criterion - BETTER);
            vain = if is_better { 0 } else { vain + 1 };
            if vain >= VAIN_ROUNDS {
                return Ok(false);
            }
            if self.is_spent() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The smallest K that is as good as the best, after EM on all final candidates, which divide the rest of their budget equally.
    fn conclude(&mut self, tiles: &Tiles) -> Result<GaussianMixture> {
        let Some((_, lowest, _)) = self.best() else { return Err(self.nothing(tiles)) };
        let asked = self.options.components;
        let is_asked = |k: &usize| asked.is_none_or(|asked| *k == asked);
        let mut in_question: Vec<Scored> = self
            .best
            .iter()
            .filter(|(k, (criterion, _))| is_asked(k) && *criterion < lowest + IN_QUESTION)
            .map(|(_, fit)| fit.clone())
            .collect();
        in_question.sort_by(|a, b| a.0.total_cmp(&b.0));
        in_question.truncate(MOST_IN_QUESTION);
        let (n, most) = (in_question.len(), self.work + self.budget.ends);
        for (at, (_, mixture)) in in_question.into_iter().enumerate() {
            let steps = ((most - self.work) / (n - at) as f64 / step_work(tiles, mixture.n_components())) as usize;
            self.run_em(tiles, mixture, steps.clamp(STEPS, MOST_STEPS))?;
        }
        let lowest = self.best().map_or(lowest, |(_, lowest, _)| lowest);
        let chosen = self.best.iter().find(|(k, (criterion, _))| is_asked(k) && *criterion <= lowest + EVIDENCE);
        chosen.map(|(_, (_, mixture))| mixture.clone()).ok_or_else(|| self.nothing(tiles))
    }

    /// The error if no mixture was found.
    fn nothing(&self, tiles: &Tiles) -> Error {
        let (k, different) = (self.options.components.unwrap_or(1), seeding::different(tiles));
        if k > different {
            return Error::bad_input(
                format!("there are fewer than {k} different points among {}", tiles.n),
                "Ask for fewer components, or remove duplicates",
            );
        }
        let why = if k == different {
            "as many as there are different points, so each has one to itself".to_string()
        } else {
            format!(
                "which sit on equal points, or on points that single precision does not tell apart, for there are {different} different ones"
            )
        };
        Error::bad_input(
            format!("the common variance shrinks to nothing with {k} components, {why}"),
            "Ask for fewer components, or give the variance",
        )
    }

    /// The best K, or the given one, with its criterion and its mixture.
    fn best(&self) -> Option<(usize, f64, &GaussianMixture)> {
        let asked = |k: &usize| self.options.components.is_none_or(|asked| *k == asked);
        let (k, (criterion, mixture)) = self.best.iter().filter(|(k, _)| asked(k)).min_by(|a, b| a.1.0.total_cmp(&b.1.0))?;
        Some((*k, *criterion, mixture))
    }

    /// Whether the search has used up its budget.
    fn is_spent(&self) -> bool {
        self.work >= self.budget.search
    }
}

/// Free numbers of k components in d dimensions.
fn parameters(k: usize, d: usize, variance: Option<f64>) -> usize {
    k * (d + 1) - 1 + usize::from(variance.is_none())
}

/// Squared differences of coordinates of one EM step of `k` components.
fn step_work(tiles: &Tiles, k: usize) -> f64 {
    (k * tiles.n * (tiles.d + EXPONENTIAL)) as f64
}

#[cfg(test)]
#[path = "search_tests.rs"]
mod tests;
