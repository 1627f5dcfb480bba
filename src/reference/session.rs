//! A problem open on the reference device: the kernels in a loop over replicates, strata and samples.

use rayon::prelude::*;

use super::Components;
use super::draw::draw;
use super::forward_fisher::add_model_score_part;
use super::measure::at_point;
use super::posterior::Point;
use super::reverse_fisher::{self, add_own_score_function, add_pathwise, add_score_function, add_stein};
use crate::backend::{GradientSums, MeasureSums, Rule, Session, UnitProblem};
use crate::error::Result;
use crate::objective::axes::{reflections, turn};
use crate::objective::divergence::Side;
use crate::objective::estimator::{self, Blend};
use crate::objective::form::{Draws, Form};
use crate::objective::grid::{Grid, grid};
use crate::objective::groups::Groups;
use crate::random::streams::{Purpose, key};

pub(super) struct ReferenceSession {
    problem: UnitProblem,
    means: Vec<f64>, // (R, k, rank)
}

/// The sums of one replicate's samples, averaged over each group.
struct ReplicateSums {
    groups: Groups,
    gradients: Vec<f64>,   // (G, k, rank)
    half_square: Vec<f64>, // (C, G)
    energy: Vec<f64>,      // (C, G); for the student's strata
}

/// The sums of a block of samples over all strata.
struct BlockSums {
    gradient: Vec<f64>,    // (k, rank)
    score: Vec<f64>,       // the score-function form from each row's own stratum, (k, rank); only beside Stein's
    half_square: Vec<f64>, // (C)
    energy: Vec<f64>,      // (C)
}

/// Both mixtures relative to a stratum's own mean, so that x = z and no large numbers cancel.
struct CentredMixtures {
    student: Vec<f64>, // (k, rank)
    teacher: Vec<f64>, // (K, rank)
}

impl CentredMixtures {
    fn new(session: &ReferenceSession, r: usize, origin: &[f64]) -> Self {
        let [student, teacher] = [Side::Student, Side::Teacher]
            .map(|side| session.side(side, r).means.iter().zip(origin.iter().cycle()).map(|(m, o)| m - o).collect());
        Self { student, teacher }
    }

    fn sides<'a>(&'a self, problem: &'a UnitProblem) -> (Components<'a>, Components<'a>) {
        let of = |side, means| Components { weights: problem.weights(side), means, rank: problem.rank };
        (of(Side::Student, &self.student), of(Side::Teacher, &self.teacher))
    }
}

impl ReferenceSession {
    pub(super) fn new(problem: &UnitProblem) -> Self {
        let n = problem.n_replicates * problem.n_components() * problem.rank;
        Self { problem: problem.clone(), means: vec![0.0; n] }
    }

    fn side(&self, side: Side, r: usize) -> Components<'_> {
        let weights = self.problem.weights(side);
        let row = weights.len() * self.problem.rank;
        let means = if side == Side::Student { &self.means } else { &self.problem.teacher_means };
        Components { weights, means: &means[r * row..(r + 1) * row], rank: self.problem.rank }
    }

    fn grid(&self, r: usize) -> Result<Option<Grid>> {
        let (p, q) = (self.side(Side::Student, r), self.side(Side::Teacher, r));
        let centres = self.side(self.problem.strata(), r).means;
        let Draws::Grid(cap) = self.problem.draws else { return Ok(None) };
        grid(self.problem.rank, cap, centres, [(p.weights, p.means), (q.weights, q.means)]).map(Some)
    }

    /// The reflections that turn the draws of each stratum; only Sobol points use them.
    fn axes(&self, r: usize) -> Vec<Vec<f64>> {
        let (p, q, strata) = (self.side(Side::Student, r), self.side(Side::Teacher, r), self.side(self.problem.strata(), r));
        let of = |i: usize| reflections(strata.mean(i), [(p.weights, p.means), (q.weights, q.means)]);
        (0..strata.len()).map(|i| if self.problem.draws.is_nets() { of(i) } else { Vec::new() }).collect()
    }

    /// How each row blends its two forms; `log_weights` are ln of both sides' weights.
    fn blends<'a>(&'a self, r: usize, n_samples: usize, log_weights: &'a [Vec<f64>; 2]) -> Vec<Option<Blend<'a>>> {
        let sides = [self.side(Side::Student, r), self.side(Side::Teacher, r)];
        let mixtures = [0, 1].map(|s| estimator::Components { log_weights: &log_weights[s], means: sides[s].means, squares: None });
        let of = |i: usize| Blend::new(sides[0].mean(i), mixtures, [None; 2], n_samples);
        (0..sides[0].len()).map(|i| if self.problem.form == Form::Mixed { of(i) } else { None }).collect()
    }

    /// The gradient of replicate r by groups.
    fn replicate(&self, r: usize, step: u64) -> Result<ReplicateSums> {
        let grid = self.grid(r)?;
        let groups = grid.as_ref().map_or_else(|| self.problem.groups(), |g| Groups::single(g.weights.len()));
        let n_strata = self.problem.weights(self.problem.strata()).len();
        let (n_groups, row) = (groups.n_groups, self.problem.n_components() * self.problem.rank);
        let log_weights = [Side::Student, Side::Teacher].map(|side| self.problem.weights(side).iter().map(|w| w.ln()).collect());
        let blends = self.blends(r, groups.n_samples, &log_weights);
        let axes = self.axes(r);
        // Blocks in parallel, added in order: the same bits for any number of threads.
        let n_blocks = groups.n_samples.div_ceil(groups.block_size());
        let blocks: Vec<BlockSums> =
            (0..n_blocks).into_par_iter().map(|b| self.block(r, step, &groups, b, grid.as_ref(), &axes, &blends)).collect();
        self.problem.interrupt.check("a gradient")?;
        let cells = vec![0.0; n_strata * n_groups];
        let mut sums = ReplicateSums { groups, gradients: vec![0.0; n_groups * row], half_square: cells.clone(), energy: cells };
        let mut score = vec![0.0; n_groups * row];
        for (b, block) in blocks.iter().enumerate() {
            let g = b * groups.block_size() / groups.group_size;
            sums.gradients[g * row..(g + 1) * row].iter_mut().zip(&block.gradient).for_each(|(o, v)| *o += v);
            block.half_square.iter().enumerate().for_each(|(s, v)| sums.half_square[s * n_groups + g] += v);
            block.energy.iter().enumerate().for_each(|(s, v)| sums.energy[s * n_groups + g] += v);
            score[g * row..(g + 1) * row].iter_mut().zip(&block.score).for_each(|(o, v)| *o += v);
        }
        let rows = sums.gradients.chunks_exact_mut(self.problem.rank).zip(score.chunks_exact(self.problem.rank));
        for ((stein, score), blend) in rows.zip(blends.iter().cycle()) {
            blend.iter().for_each(|blend| blend.apply(stein, score));
        }
        Ok(sums)
    }

    /// The sums of one block of samples over all strata.
    #[allow(clippy::too_many_arguments)] // the samples of a block, and where their sums go
    fn block(
        &self,
        r: usize,
        step: u64,
        groups: &Groups,
        b: usize,
        grid: Option<&Grid>,
        axes: &[Vec<f64>],
        blends: &[Option<Blend>],
    ) -> BlockSums {
        let problem = &self.problem;
        let strata = self.side(problem.strata(), r);
        let key = key(problem.seed, Purpose::Step, problem.first_replicate + r as u32);
        let (mut gradient, mut half_square) = (vec![0.0; problem.n_components() * problem.rank], vec![0.0; strata.len()]);
        let (mut score, mut energy) = (gradient.clone(), half_square.clone());
        if problem.interrupt.is_set() {
            return BlockSums { gradient, score, half_square, energy }; // the caller sees the flag and drops this
        }
        let (mut x, own) = (vec![0.0; problem.rank], vec![0.0; problem.rank]);
        for i in 0..strata.len() {
            let centred = CentredMixtures::new(self, r, strata.mean(i));
            let (p, q) = centred.sides(problem);
            for s in b * groups.block_size()..((b + 1) * groups.block_size()).min(groups.n_samples) {
                let share = match grid {
                    Some(grid) => grid.weights[s],
                    None => 1.0 / groups.range(s / groups.group_size).len() as f64,
                };
                match grid {
                    Some(grid) => x.copy_from_slice(&grid.nodes[s * p.rank..(s + 1) * p.rank]),
                    None => {
                        draw(key, problem.draws, groups, step as u32, i as u32, s as u32, &mut x);
                        turn(&axes[i], &mut x);
                    }
                }
                let at = Point::at(&p, &q, &x);
                half_square[i] += share * at.half_square();
                energy[i] += share * reverse_fisher::energy(&own, &at);
                let weight = strata.weights[i] * share;
                match problem.form {
                    Form::Forward => add_model_score_part(&p, &x, &at, 0.0, weight, &mut gradient),
                    Form::Pathwise => add_pathwise(&p, &q, i, &x, &at, weight, &mut gradient),
                    Form::ScoreFunction => add_score_function(&p, &x, &at, weight, &mut gradient),
                    Form::Stein | Form::Mixed => {
                        add_stein(&p, &q, i, &at, weight, &mut gradient[i * p.rank..(i + 1) * p.rank]);
                        if let Some(blend) = &blends[i] {
                            add_own_score_function(&p, i, &x, &at, blend.level, weight, &mut score[i * p.rank..(i + 1) * p.rank]);
                        }
                    }
                }
            }
        }
        BlockSums { gradient, score, half_square, energy }
    }

    /// ½|a|², ln p − ln q and the excess, averaged over one group of stratum i; `place` is the stratum in the address of its draws.
    #[allow(clippy::too_many_arguments)] // the parts of one group's address
    fn measure_group(&self, r: usize, from: Side, groups: &Groups, i: usize, place: usize, g: usize, step: u64) -> [f64; 3] {
        let problem = &self.problem;
        let centred = CentredMixtures::new(self, r, self.side(from, r).mean(i));
        let (p, q) = centred.sides(problem);
        let purpose = if from == Side::Student { Purpose::MeasureStudent } else { Purpose::MeasureTeacher };
        let key = key(problem.seed, purpose, problem.first_replicate + r as u32);
        let (mut sums, mut x) = ([0.0; 3], vec![0.0; p.rank]);
        for s in groups.range(g).take_while(|_| !problem.interrupt.is_set()) {
            draw(key, Draws::Independent(groups.n_samples), groups, step as u32, place as u32, s as u32, &mut x);
            sums.iter_mut().zip(at_point(from, &p, &q, &x)).for_each(|(sum, value)| *sum += value);
        }
        sums.map(|sum| sum / groups.range(g).len() as f64)
    }
}

impl Session for ReferenceSession {
    fn set(&mut self, parameters: &[f64]) -> Result<()> {
        self.means.copy_from_slice(parameters);
        Ok(())
    }

    fn parameters(&mut self) -> Result<Vec<f64>> {
        Ok(self.means.clone())
    }

    fn gradient(&mut self, step: u64) -> Result<GradientSums> {
        let replicates: Vec<ReplicateSums> = (0..self.problem.n_replicates).map(|r| self.replicate(r, step)).collect::<Result<_>>()?;
        Ok(GradientSums {
            groups: replicates.iter().map(|s| s.groups).collect(),
            group_gradients: replicates.iter().flat_map(|s| s.gradients.iter().copied()).collect(),
            half_square: replicates.iter().flat_map(|s| s.half_square.iter().copied()).collect(),
            energy: match self.problem.strata() {
                Side::Student => replicates.iter().flat_map(|s| s.energy.iter().copied()).collect(),
                Side::Teacher => Vec::new(),
            },
        })
    }

    fn descend(&mut self, first_step: u64, n_steps: u64, rule: &Rule) -> Result<()> {
        let (row, rank) = (self.problem.layout().len(), self.problem.rank);
        let rates = rule.rates(&self.problem.student_weights);
        for step in first_step..first_step + n_steps {
            for r in 0..self.problem.n_replicates {
                let sums = self.replicate(r, step)?;
                for (e, mean) in self.means[r * row..(r + 1) * row].iter_mut().enumerate() {
                    let gradient: f64 = (0..sums.groups.n_groups).map(|g| sums.groups.fraction(g) * sums.gradients[g * row + e]).sum();
                    *mean -= rates[e / rank] * gradient;
                }
            }
        }
        Ok(())
    }

    fn measure(&mut self, from: Side, strata: Option<&[u32]>, n_samples: usize, step: u64) -> Result<MeasureSums> {
        let groups = Groups::new(n_samples, false, 1);
        let all: Vec<u32> = (0..self.problem.weights(from).len() as u32).collect();
        let strata = strata.unwrap_or(&all);
        let cells = self.problem.n_replicates * strata.len() * groups.n_groups;
        let values: Vec<[f64; 3]> = (0..cells)
            .into_par_iter()
            .map(|cell| {
                let (g, at) = (cell % groups.n_groups, cell / groups.n_groups);
                let (r, place) = (at / strata.len(), at % strata.len());
                self.measure_group(r, from, &groups, strata[place] as usize, place, g, step)
            })
            .collect();
        self.problem.interrupt.check("a measurement")?;
        let pick = |c: usize| values.iter().map(|v| v[c]).collect();
        Ok(MeasureSums { groups, half_square: pick(0), log_ratio: pick(1), excess: pick(2) })
    }
}
