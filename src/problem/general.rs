//! The gradient of an objective with respect to all parameters of a mixture with covariances of any kind, in double precision and plain
//! loops ([`crate::reference`]).

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::mixture::Mixture;
use crate::objective::divergence::{Sampler, Side};
use crate::objective::form::Draws;
use crate::objective::general::{Objective, Parameters};
use crate::objective::grid::{Grid, MOST_DIMENSIONS, grid_of};
use crate::objective::groups::{Estimate, Groups};
use crate::random::streams::{Purpose, key};
use crate::reference::draw::draw;
use crate::reference::general_gradient::General;

/// Nodes on each side of a grid's centre: at the least, and of the first grid where their number is not given.
const LEAST_HALF: f64 = 8.0;
const FIRST: f64 = 40.0;
/// Each further grid has so many times the nodes on an axis, until two agree to [`EXACT`] of the largest derivative.
const FINER: f64 = 1.3;
const EXACT: f64 = 1e-10;
/// Components and nodes that are visited at the most by one grid where their number is not given; then the difference to a coarser one
/// stands in the place of the standard error.
const MOST_VISITS: f64 = 2e7;
/// Samples whose sums are added in one go.
const RUN: usize = 64;

/// A student and a teacher, and how the expectations are taken.
#[derive(Debug, Clone)]
pub struct GeneralProblem {
    pub student: Mixture,
    pub teacher: Mixture,
    pub objective: Objective,
    pub sampler: Sampler,
    /// Samples of each component of the objective's side; for the grid, where it is optional, its nodes.
    pub n_samples: Option<usize>,
    pub seed: u64,
}

/// Derivatives with respect to all parameters, and their standard errors.
#[derive(Debug, Clone)]
pub struct GeneralGradient {
    pub parameters: Parameters,
    pub value: Estimate,
    /// As [`Parameters`] lie: ∂/∂means, ∂/∂Σ (the symmetric derivative of tied and full ones), ∂/∂logits.
    pub gradient: Vec<f64>,
    pub standard_error: Vec<f64>,
    pub n_groups: usize,
    /// Where the points came from: never `auto`.
    pub sampler: Sampler,
}

impl GeneralGradient {
    /// With the differences to another grid in the place of standard errors.
    fn with_differences(mut self, other: &GeneralGradient) -> GeneralGradient {
        self.value.standard_error = (self.value.value - other.value.value).abs();
        let pairs = self.gradient.iter().zip(&other.gradient);
        self.standard_error = pairs.map(|(a, b)| (a - b).abs()).collect();
        self
    }

    /// Whether two grids agree.
    fn is_near(&self, other: &GeneralGradient) -> bool {
        let largest = self.gradient.iter().fold(self.value.value.abs(), |a, g| a.max(g.abs()));
        let near = |a: f64, b: f64| (a - b).abs() <= EXACT * largest.max(1e-4);
        near(self.value.value, other.value.value) && self.gradient.iter().zip(&other.gradient).all(|(a, b)| near(*a, *b))
    }
}

impl GeneralProblem {
    /// The gradient and its standard errors. A grid whose nodes are not given is made finer until two agree to 1e-10 of the largest
    /// derivative (or to 1e-14), and has no error; any other has its differences to a coarser one in the place of standard errors.
    ///
    /// # Errors
    /// [`Error::BadInput`] for mixtures of different dimensions or no samples, and a grid in more than three dimensions.
    pub fn gradient(&self) -> Result<GeneralGradient> {
        let (p, q, d) = (&self.student, &self.teacher, self.student.n_features());
        if q.n_features() != d {
            return Err(Error::bad_input(
                format!("the student has {d} dimensions and the teacher {}", q.n_features()),
                "Give two mixtures of the same dimension",
            ));
        }
        let (draws, sampler) = self.draws()?;
        let nodes = |half: f64| (2.0 * half + 1.0).powi(d as i32);
        let reach = p.reach().max(q.reach());
        let on = |half: f64| self.estimate(draws, sampler, Some(&grid_of(d, reach, nodes(half))?));
        match draws {
            Draws::Grid(Some(cap)) => {
                let half = (((cap as f64).powf(1.0 / d as f64) - 1.0) / 2.0).floor();
                if half < LEAST_HALF {
                    return Err(Error::GridTooCoarse { cap, rank: d, least: (2.0 * LEAST_HALF + 1.0).powi(d as i32) as usize });
                }
                // What a grid of fewer nodes says else.
                Ok(on(half)?.with_differences(&on((half / FINER).floor())?))
            }
            Draws::Grid(None) => {
                let all = (p.n_components() + q.n_components()) as f64;
                let mut half = (FIRST * p.narrowness_beside(q) * reach / Mixture::LEAST_REACH).ceil();
                let mut last = on(half)?;
                loop {
                    half = (FINER * half).ceil();
                    if !last.value.value.is_finite() || nodes(half) * all * all > MOST_VISITS {
                        let coarse = on((half / (FINER * FINER)).floor())?;
                        return Ok(last.with_differences(&coarse));
                    }
                    let next = on(half)?;
                    if next.is_near(&last) {
                        return Ok(next);
                    }
                    last = next;
                }
            }
            _ => self.estimate(draws, sampler, None),
        }
    }

    fn estimate(&self, draws: Draws, sampler: Sampler, grid: Option<&Grid>) -> Result<GeneralGradient> {
        let (p, q) = (&self.student, &self.teacher);
        let groups = match (grid, draws) {
            (Some(grid), _) => Groups::single(grid.weights.len()),
            (None, Draws::Nets(n)) => Groups::nets(n),
            (None, draws) => Groups::new(draws.n_samples().unwrap_or(0), draws.is_antithetic(), 1),
        };
        let general = General::new(p, q);
        let from = if self.objective.side() == Side::Student { p } else { q };
        let n = general.parameters.len();
        let mut total = vec![Estimate { value: 0.0, standard_error: 0.0 }; n + 1];
        for i in 0..from.n_components() {
            // The reverse objectives have their weights in what a sample adds.
            let weight = if self.objective.side() == Side::Student { 1.0 } else { q.weights()[i] };
            let means: Vec<Vec<f64>> = (0..groups.n_groups).map(|g| self.group(&general, from, i, (draws, &groups, g), grid)).collect();
            for (at, total) in total.iter_mut().enumerate() {
                let value_weight = if at == n { from.weights()[i] } else { weight };
                let stratum = Estimate::from_groups(&groups, |g| means[g][at]);
                *total = Estimate::combine([(1.0, *total), (value_weight, stratum)]);
            }
        }
        let value = total[n];
        let (gradient, standard_error) = total[..n].iter().map(|e| (e.value, e.standard_error)).unzip();
        Ok(GeneralGradient { parameters: general.parameters, value, gradient, standard_error, n_groups: groups.n_groups, sampler })
    }

    /// The points of each stratum, and the sampler that makes them.
    fn draws(&self) -> Result<(Draws, Sampler)> {
        let (n, d) = (self.n_samples.unwrap_or(0), self.student.n_features());
        if self.sampler == Sampler::Grid {
            if d > MOST_DIMENSIONS {
                return Err(Error::GridTooManyDimensions { rank: d, most: MOST_DIMENSIONS });
            }
            return Ok((Draws::Grid(self.n_samples), Sampler::Grid));
        }
        super::check_samples(self.sampler, self.n_samples)?;
        if n < 4 {
            return Err(Error::TooFewSamples { n, least: 4 });
        }
        match self.sampler {
            Sampler::Auto | Sampler::Antithetic if n.is_multiple_of(2) => Ok((Draws::Antithetic(n), Sampler::Antithetic)),
            Sampler::Sobol => Ok((Draws::Nets(n), Sampler::Sobol)),
            _ => Ok((Draws::Independent(n), Sampler::Philox)),
        }
    }

    /// The means over group g of stratum i: of all parameters' derivatives, and of the objective's integrand.
    fn group(
        &self,
        general: &General,
        from: &Mixture,
        i: usize,
        (draws, groups, g): (Draws, &Groups, usize),
        grid: Option<&Grid>,
    ) -> Vec<f64> {
        let (n, d, range) = (general.parameters.len(), from.n_features(), groups.range(g));
        let key = key(self.seed, Purpose::Step, 0);
        let runs: Vec<Vec<f64>> = range
            .clone()
            .into_par_iter()
            .chunks(RUN)
            .map(|samples| {
                let (mut sums, mut z) = (vec![0.0; n + 1], vec![0.0; d]);
                for sample in samples {
                    let weight = match grid {
                        Some(grid) => {
                            z.copy_from_slice(&grid.nodes[sample * d..][..d]);
                            grid.weights[sample]
                        }
                        None => {
                            draw(key, draws, groups, 0, i as u32, sample as u32, &mut z);
                            1.0 / range.len() as f64
                        }
                    };
                    let x: Vec<f64> = (0..d).map(|c| from.mean(i)[c] + from.factor(i).coloured(&z, c)).collect();
                    sums[n] += weight * general.add(self.objective, i, &x, weight, &mut sums[..n]);
                }
                sums
            })
            .collect();
        runs.iter().fold(vec![0.0; n + 1], |mut sum, run| {
            sum.iter_mut().zip(run).for_each(|(a, b)| *a += b);
            sum
        })
    }
}

#[cfg(test)]
#[path = "general_tests.rs"]
mod tests;
