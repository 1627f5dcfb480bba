//! Problems and choices by seed: sizes on both sides of every border that kernels, tiles, blocks and groups have, and all that the command
//! line accepts.

use std::fmt;

use mixscore::backend::Rule;
use mixscore::internals::objective::Groups;
use mixscore::objective::Neighbours;
use mixscore::objective::{Divergence, Estimator, Sampler, Storage};
use mixscore::{GaussianMixture, Problem};

/// Numbers of components and of dimensions.
const SIZES: [usize; 27] = [1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 24, 25, 31, 32, 33, 48, 49, 63, 64, 65, 127, 129, 255, 256, 257];
/// Samples of a stratum: odd and even, below and above a block of 256, a group, and a chunk of a small budget.
const SAMPLES: [usize; 18] = [2, 3, 4, 8, 17, 63, 64, 65, 128, 255, 256, 257, 512, 1000, 2048, 8192, 8193, 20_000];
/// Most nodes of a grid in one, two and three dimensions: 17 to an axis are the fewest.
const NODES: [[usize; 3]; 3] = [[17, 64, 4097], [289, 441, 5000], [4913, 5000, 9261]];
/// Coordinates of means that a gradient looks at, sample by sample: what a case may cost.
const COST: f64 = 5e6;
/// The same for the nodes of an exact grid, which are one group: more of them than one chunk has, and than one workgroup may take.
const EXACT_COST: f64 = 3e7;

/// The same numbers everywhere for a seed.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// In (−1, 1).
    pub(crate) fn uniform(&mut self) -> f64 {
        (self.word() >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }

    pub(crate) fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[(self.word() % from.len() as u64) as usize].clone()
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Weights {
    Even,
    Uneven,
    /// From 1 down to 1e-30.
    Extreme,
}

impl Weights {
    fn of(self, n: usize) -> Vec<f64> {
        let raw: Vec<f64> = match self {
            Weights::Even => vec![1.0; n],
            Weights::Uneven => (0..n).map(|i| 1.0 + (i % 3) as f64).collect(),
            Weights::Extreme => (0..n).map(|i| 10f64.powf(-30.0 * i as f64 / (n - 1).max(1) as f64)).collect(),
        };
        let total: f64 = raw.iter().sum();
        raw.iter().map(|w| w / total).collect()
    }
}

/// A problem, the choices about it, and what is done with it.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub seed: u64,
    /// Student means of all replicates, shape (R, k, d), and R teachers.
    pub starts: Vec<f64>,
    pub teachers: Vec<GaussianMixture>,
    pub problem: Problem,
    /// Mean distance of two means, about, in units of √(σ² + t).
    pub separation: f64,
    pub offset: f64,
    pub weights: Weights,
    /// Most rows of a chunk on a GPU.
    pub rows: Option<usize>,
    pub step: u64,
    pub n_steps: u64,
    /// Samples of a measure.
    pub n_measured: usize,
    /// (n, d): where the first teacher is evaluated, at most so many σ from a mean in each coordinate.
    pub points: Vec<f64>,
    pub reach: f64,
}

/// The choices and sizes of a case.
struct Choices {
    divergence: Divergence,
    estimator: Estimator,
    sampler: Sampler,
    /// Whether a grid is as fine as it needs to be.
    exact: bool,
    k: usize,
    n_teachers: usize,
    replicates: usize,
    d: usize,
    reduce: bool,
    rank: usize,
    /// Coordinates of means that one sample visits.
    per_sample: f64,
}

impl Choices {
    fn of(dice: &mut Dice, seed: u64) -> Self {
        let divergence = dice.pick(&[Divergence::Reverse, Divergence::Forward]);
        let estimator = dice.pick(&[Estimator::Auto, Estimator::Stein, Estimator::Pathwise, Estimator::ScoreFunction]);
        let sampler = dice.pick(&[Sampler::Auto, Sampler::Philox, Sampler::Antithetic, Sampler::Sobol, Sampler::Grid]);
        let exact = sampler == Sampler::Grid && dice.pick(&[true, true, false]);
        let small = if sampler == Sampler::Grid { 10 } else { dice.pick(&[8, 17, SIZES.len()]) };
        let (k, n_teachers, replicates) = (dice.pick(&SIZES[..small]), dice.pick(&SIZES[..small]), dice.pick(&[1, 1, 1, 2, 3]));
        // A grid takes three dimensions at the most, of space or of the span of few means.
        let d = if sampler == Sampler::Grid { dice.pick(&[1, 2, 2, 3]) } else { dice.pick(&SIZES[..dice_size(seed)]) };
        let reduce = sampler == Sampler::Grid || dice.pick(&[true, true, false]);
        let rank = if reduce { d.min(k + n_teachers - 1) } else { d };
        let strata = if divergence == Divergence::Reverse { k } else { n_teachers };
        let per_sample = (replicates * strata * (k + n_teachers) * (rank + 10)) as f64;
        Self { divergence, estimator, sampler, exact, k, n_teachers, replicates, d, reduce, rank, per_sample }
    }

    fn n_samples(&self, dice: &mut Dice) -> Option<usize> {
        match self.sampler {
            Sampler::Grid if self.exact => None,
            Sampler::Grid => Some(dice.pick(&NODES[self.rank - 1])),
            _ => Some(samples(self.sampler, self.per_sample, dice)),
        }
    }

    fn n_measured(&self, dice: &mut Dice) -> usize {
        let cost = (self.replicates * self.k.max(self.n_teachers) * (self.k + self.n_teachers) * (self.rank + 10)) as f64;
        dice.pick(&[2, 3, 64, 257, 1000, 8193]).min(((COST / 4.0 / cost) as usize).max(2))
    }
}

/// Where the means of a case are.
struct Spread {
    variance: f64,
    noise: f64,
    storage: Storage,
    separation: f64,
    offset: f64,
    weights: Weights,
    coincident: bool,
}

impl Spread {
    fn of(dice: &mut Dice, choices: &Choices) -> Self {
        let variance: f64 = dice.pick(&[1.0, 1.0, 0.37, 1e-4, 2.5e3]);
        let noise = variance * dice.pick(&[0.0, 0.0, 0.5, 4.0]);
        let storage = dice.pick(&[Storage::F32, Storage::F32, Storage::F32, Storage::F16]);
        let separation = dice.pick(&[0.3, 1.0, 3.0, 6.0, 9.0, 9.0, 30.0, 100.0]);
        // In half precision the last digit of a draw at 30σ makes another draw.
        let separation = if storage == Storage::F16 { f64::min(separation, 9.0) } else { separation };
        // The nodes of an exact grid grow with the separation.
        let most = exact_separation(choices.rank, choices.per_sample);
        let separation = if choices.exact { dice.pick(&[most.min(30.0), separation.min(most)]) } else { separation };
        let offset = dice.pick(&[0.0, 0.0, 10.0, 1e3, 1e6]) * (variance + noise).sqrt();
        let weights = dice.pick(&[Weights::Even, Weights::Even, Weights::Uneven, Weights::Uneven, Weights::Extreme]);
        let coincident = dice.pick(&[false, false, false, true]);
        Self { variance, noise, storage, separation, offset, weights, coincident }
    }

    /// √(σ² + t).
    fn scale(&self) -> f64 {
        (self.variance + self.noise).sqrt()
    }

    /// Means (n, d).
    fn means(&self, n: usize, choices: &Choices, dice: &mut Dice) -> Vec<f64> {
        let (d, spread) = (choices.d, self.separation * self.scale() / (choices.rank as f64 / 1.5).sqrt());
        let mut rows: Vec<f64> = (0..n * d).map(|_| self.offset + spread * dice.uniform()).collect();
        if self.coincident && n > 1 {
            rows.copy_within(..d, d);
        }
        rows
    }

    /// A teacher for each replicate.
    fn teachers(&self, choices: &Choices, dice: &mut Dice) -> Vec<GaussianMixture> {
        let Choices { n_teachers, d, .. } = *choices;
        let mut teacher =
            |_| GaussianMixture::new(self.weights.of(n_teachers), self.means(n_teachers, choices, dice), d, self.variance).unwrap();
        (0..choices.replicates).map(&mut teacher).collect()
    }
}

impl Case {
    /// The case of a seed.
    pub(crate) fn of_seed(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let choices = Choices::of(&mut dice, seed);
        let spread = Spread::of(&mut dice, &choices);
        let teachers = spread.teachers(&choices, &mut dice);
        let starts: Vec<f64> = (0..choices.replicates).flat_map(|_| spread.means(choices.k, &choices, &mut dice)).collect();
        let Choices { divergence, estimator, sampler, k, n_teachers, d, reduce, .. } = choices;
        let problem = Problem {
            divergence,
            estimator,
            sampler,
            n_samples: choices.n_samples(&mut dice),
            noise: spread.noise,
            reduce,
            storage: spread.storage,
            neighbours: dice.pick(&[Neighbours::Exact, Neighbours::Exact, Neighbours::Auto, Neighbours::Within(1e-3)]),
            seed: dice.pick(&[0, 1, seed, u64::MAX - seed]),
            first_replicate: dice.pick(&[0, 3]),
            ..Problem::new(spread.weights.of(k), teachers[0].clone())
        };
        let n_measured = choices.n_measured(&mut dice);
        let n_points = if n_teachers * d <= 2000 { dice.pick(&[1, 64, 65, 700]) } else { dice.pick(&[1, 63, 130]) };
        let reach = dice.pick(&[2.0, 2.0, 30.0]);
        let around = |at: usize| teachers[0].mean(at / d % n_teachers)[at % d];
        let points = (0..n_points * d).map(|at| around(at) + reach * spread.variance.sqrt() * dice.uniform()).collect();
        Self {
            seed,
            starts,
            teachers,
            problem,
            separation: spread.separation,
            offset: spread.offset / spread.scale(),
            weights: spread.weights,
            rows: dice.pick(&[None, None, Some(256), Some(768), Some(4096)]),
            step: dice.pick(&[0, 5, 4_000_000_000]),
            // Between means 30σ apart a second step multiplies what the first one rounded by the square of that.
            n_steps: if spread.separation > 20.0 { 1 } else { dice.pick(&[1, 2]) },
            n_measured,
            points,
            reach,
        }
    }

    pub(crate) fn n_components(&self) -> usize {
        self.problem.student_weights.len()
    }

    /// √(σ² + t).
    pub(crate) fn scale(&self) -> f64 {
        (self.problem.teacher.variance() + self.problem.noise).sqrt()
    }

    /// A tenth of the way per weight; where a weight is 1e-30 that would throw means beyond all numbers, and the way is not per weight.
    pub(crate) fn rule(&self) -> Rule {
        Rule::new(0.1 * self.scale().powi(4), self.weights != Weights::Extreme)
    }
}

/// Sizes of space: large ones less often.
fn dice_size(seed: u64) -> usize {
    [6, 12, 20, SIZES.len()][(seed % 4) as usize]
}

/// How far means may be apart for an exact grid of about 700·separation² nodes in the plane to cost no more than a case may.
fn exact_separation(rank: usize, per_sample: f64) -> f64 {
    // An axis has 2·15·gap + 1 nodes, and the ball 0.8 or 0.5 of the square or cube; the widest gap is about twice the mean one.
    let nodes = EXACT_COST / per_sample;
    (nodes.powf(1.0 / rank as f64) / 50.0).max(0.3)
}

/// A number of samples that the sampler takes and a case can afford.
fn samples(sampler: Sampler, per_sample: f64, dice: &mut Dice) -> usize {
    let affordable: Vec<usize> = SAMPLES.into_iter().filter(|n| *n as f64 * per_sample <= COST).collect();
    let n = if affordable.is_empty() { 2 } else { dice.pick(&affordable) };
    match sampler {
        Sampler::Antithetic => n.next_multiple_of(2).max(4),
        Sampler::Sobol => (n..).find(|n| Groups::nets(*n).are_whole()).unwrap_or(n),
        _ => n,
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Problem { divergence, estimator, sampler, n_samples, noise, reduce, storage, neighbours, .. } = &self.problem;
        let (k, d) = (self.n_components(), self.problem.teacher.n_features());
        write!(
            f,
            "seed {}: k={k} K={} d={d} R={} {divergence:?} {estimator:?} {sampler:?} n={n_samples:?} {storage:?} {neighbours:?} reduce={reduce} \
             separation={:.3} offset={} {:?} weights variance={} noise={noise} rows={:?} step={} steps={} measured={} reach={}",
            self.seed,
            self.problem.teacher.n_components(),
            self.teachers.len(),
            self.separation,
            self.offset,
            self.weights,
            self.problem.teacher.variance(),
            self.rows,
            self.step,
            self.n_steps,
            self.n_measured,
            self.reach,
        )
    }
}
