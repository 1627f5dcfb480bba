//! Problems, from small to extreme, and the comparison of everything a backend computes on them.

use libtest_mimic::Failed;
use mixscore::GaussianMixture;
use mixscore::backend::{Backend, Interrupt, Rule, UnitProblem};
use mixscore::internals::objective::Groups;
use mixscore::objective::Neighbours;
use mixscore::objective::{Divergence, Estimator, Sampler, Side, Storage};
use mixscore::objective::{Draws, Form};
use mixscore::reference::Reference;

use super::device::Which;
use super::{normwise, within};

/// Log-densities and scores: float32 rounds each logit to 6e-8 of its size, and there are a few dozen roundings.
const DENSITY: f64 = 1e-5;
/// Gradients are differences of two sums that nearly cancel.
const GRADIENT: f64 = 1e-4;
/// Of the largest gradient norm, at extreme separations and weights.
const EXTREME: f64 = 2e-4;

/// A problem of one or two replicates with reproducible means.
#[derive(Clone)]
pub(crate) struct Case {
    pub name: String,
    pub k: usize,
    pub n_teachers: usize,
    pub rank: usize,
    /// Means are uniform in (−separation, separation).
    pub separation: f64,
    pub n_samples: usize,
    pub weights: Weights,
    pub coincident: bool,
    /// Only densities and the Stein gradient, for large sizes.
    pub brief: bool,
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Weights {
    Uneven,
    /// From 1 down to 1e-30.
    Extreme,
}

fn case(k: usize, n_teachers: usize, rank: usize, separation: f64, n_samples: usize) -> Case {
    let name = format!("k={k},K={n_teachers},d={rank},sep={separation}");
    Case { name, k, n_teachers, rank, separation, n_samples, weights: Weights::Uneven, coincident: false, brief: false }
}

/// The cases of every run.
pub(crate) fn all() -> Vec<Case> {
    let mut out = vec![
        case(1, 1, 1, 1.0, 100),
        case(2, 1, 1, 0.0, 300),
        case(2, 5, 2, 3.0, 520),
        case(7, 2, 3, 2.0, 300),
        case(7, 5, 31, 1.0, 257),
        case(64, 5, 2, 6.0, 64),
        case(64, 5, 31, 1.0, 48),
        case(7, 2, 256, 0.3, 96),
        case(36, 2, 256, 0.3, 20), // 9 quads of components: not a number that features are padded to
        case(2, 2, 1, 100.0, 128),
        case(7, 5, 3, 100.0, 128),
        case(7, 5, 31, 30.0, 128),
    ];
    out.push(Case { weights: Weights::Extreme, name: "weights to 1e-30".into(), ..case(7, 5, 3, 3.0, 128) });
    out.push(Case { coincident: true, name: "coincident components".into(), ..case(7, 5, 3, 2.0, 128) });
    out.push(Case { brief: true, name: "d=2000".into(), ..case(3, 2, 2000, 0.1, 24) });
    out.push(Case { brief: true, name: "k=1024".into(), ..case(1024, 2, 2, 10.0, 2) });
    if std::env::var("MIXSCORE_NIGHTLY").is_ok_and(|v| v == "1") {
        for (k, rank) in [(64, 64), (256, 31), (1024, 256), (7, 1024)] {
            out.push(Case { brief: true, ..case(k, 5, rank, 1.0, if k > 256 { 8 } else { 64 }) });
        }
    }
    out
}

/// Numbers in (−1, 1), the same everywhere, exact in single precision.
pub(crate) fn scattered(n: usize, seed: u64) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        f64::from(((state >> 40) as f64 / (1u64 << 23) as f64 - 1.0) as f32)
    };
    (0..n).map(|_| next()).collect()
}

impl Case {
    fn weights(&self, n: usize) -> Vec<f64> {
        let raw: Vec<f64> = match self.weights {
            Weights::Uneven => (0..n).map(|i| 1.0 + i as f64 % 3.0).collect(),
            Weights::Extreme => (0..n).map(|i| 10f64.powf(-30.0 * i as f64 / (n - 1) as f64)).collect(),
        };
        let total: f64 = raw.iter().sum();
        raw.iter().map(|w| w / total).collect()
    }

    fn rows(&self, n: usize, seed: u64) -> Vec<f64> {
        let mut rows: Vec<f64> = scattered(n * self.rank, seed).iter().map(|v| f64::from((v * self.separation) as f32)).collect();
        if self.coincident {
            let (first, rest) = rows.split_at_mut(self.rank);
            rest[..self.rank].copy_from_slice(first);
        }
        rows
    }

    /// The student's means, shape (R, k, rank).
    pub(crate) fn means(&self, n_replicates: usize) -> Vec<f64> {
        (0..n_replicates).flat_map(|r| self.rows(self.k, 100 + r as u64)).collect()
    }

    /// The problem with `n_replicates` replicates, each with its own teacher.
    pub(crate) fn problem(&self, n_replicates: usize, divergence: Divergence, estimator: Estimator, sampler: Sampler) -> UnitProblem {
        UnitProblem {
            n_replicates,
            first_replicate: 3,
            rank: self.rank,
            student_weights: self.weights(self.k),
            teacher_weights: self.weights(self.n_teachers),
            teacher_means: (0..n_replicates).flat_map(|r| self.rows(self.n_teachers, 200 + r as u64)).collect(),
            form: form(divergence, estimator),
            draws: draws(sampler, self.n_samples),
            storage: Storage::F32,
            neighbours: Neighbours::Exact,
            seed: 11,
            interrupt: Interrupt::none(),
        }
    }

    /// Everything on this problem.
    pub(crate) fn run(&self, which: &Which) -> Result<(), Failed> {
        let mut device = which.open();
        self.densities(&mut *device)?;
        let stein = (Divergence::Reverse, Estimator::Stein, Sampler::Philox);
        self.gradient(&mut *device, stein)?;
        if self.brief {
            return Ok(());
        }
        for sampler in [Sampler::Philox, Sampler::Antithetic, Sampler::Sobol] {
            self.gradient(&mut *device, (Divergence::Reverse, Estimator::Auto, sampler))?;
            self.gradient(&mut *device, (Divergence::Reverse, Estimator::Pathwise, sampler))?;
            self.gradient(&mut *device, (Divergence::Reverse, Estimator::ScoreFunction, sampler))?;
            self.gradient(&mut *device, (Divergence::Forward, Estimator::Stein, sampler))?;
        }
        self.gradient(&mut *device, (Divergence::Reverse, Estimator::Stein, Sampler::Antithetic))?;
        self.gradient(&mut *device, (Divergence::Reverse, Estimator::Stein, Sampler::Sobol))?;
        if self.rank <= 2 {
            self.gradient(&mut *device, (Divergence::Reverse, Estimator::Stein, Sampler::Grid))?;
            self.gradient(&mut *device, (Divergence::Forward, Estimator::Stein, Sampler::Grid))?;
        }
        self.measure(&mut *device)?;
        self.descend(&mut *device, Sampler::Philox)?;
        self.descend(&mut *device, Sampler::Sobol)
    }

    fn extreme(&self) -> bool {
        self.separation > 20.0 || self.weights == Weights::Extreme
    }

    /// Points around every component, far from the origin of coordinates too.
    fn densities(&self, device: &mut dyn Backend) -> Result<(), Failed> {
        for offset in [0.0, 1e6] {
            let means: Vec<f64> = self.rows(self.k, 100).iter().map(|m| m + offset).collect();
            let mixture = GaussianMixture::new(self.weights(self.k), means, self.rank, 1.0).unwrap();
            let n = 150;
            let spread = scattered(n * self.rank, 7);
            let points: Vec<f64> =
                (0..n * self.rank).map(|i| mixture.mean((i / self.rank) % self.k)[i % self.rank] + 2.0 * spread[i]).collect();
            let want = Reference.evaluate(&(&mixture).into(), (&points).into(), true)?;
            let got = device.evaluate(&(&mixture).into(), (&points).into(), true)?;
            within("log-density", normwise(&got.log_density, &want.log_density), DENSITY)?;
            within("score", normwise(&got.score, &want.score), DENSITY)?;
            within("responsibilities", normwise(&got.responsibilities, &want.responsibilities), 10.0 * DENSITY)?;
        }
        Ok(())
    }

    fn gradient(&self, device: &mut dyn Backend, form: (Divergence, Estimator, Sampler)) -> Result<(), Failed> {
        let mut problem = self.problem(2, form.0, form.1, form.2);
        if form.2 == Sampler::Antithetic {
            problem.draws = Draws::Antithetic(self.n_samples.next_multiple_of(2));
        }
        if form.2 == Sampler::Grid {
            problem.draws = Draws::Grid(Some(700));
        }
        if form.2 == Sampler::Sobol {
            problem.draws = Draws::Nets(whole_nets(self.n_samples));
        }
        let means = self.means(2);
        let (mut a, mut b) = (device.open(&problem)?, Reference.open(&problem)?);
        a.set(&means)?;
        b.set(&means)?;
        let (got, want) = (a.gradient(5)?, b.gradient(5)?);
        if got.groups != want.groups {
            return Err(format!("{form:?}: groups {:?} instead of {:?}", got.groups, want.groups).into());
        }
        let bound = if self.extreme() { EXTREME } else { GRADIENT };
        let row = self.k * self.rank;
        let means = [total(&got.group_gradients, &got.groups, row), total(&want.group_gradients, &want.groups, row)];
        within(&format!("{form:?} gradient"), normwise(&means[0], &means[1]), bound)?;
        within(&format!("{form:?} group gradients"), normwise(&got.group_gradients, &want.group_gradients), bound)?;
        within(&format!("{form:?} ½|a|²"), normwise(&got.half_square, &want.half_square), bound)
    }

    fn measure(&self, device: &mut dyn Backend) -> Result<(), Failed> {
        let problem = self.problem(2, Divergence::Reverse, Estimator::Stein, Sampler::Philox);
        let (mut a, mut b) = (device.open(&problem)?, Reference.open(&problem)?);
        a.set(&self.means(2))?;
        b.set(&self.means(2))?;
        for from in [Side::Student, Side::Teacher] {
            let (got, want) = (a.measure(from, None, self.n_samples + 13, 4)?, b.measure(from, None, self.n_samples + 13, 4)?);
            if got.groups != want.groups {
                return Err(format!("measure: groups {:?} instead of {:?}", got.groups, want.groups).into());
            }
            let bound = if self.extreme() { EXTREME } else { GRADIENT };
            within(&format!("{from:?} ½|a|²"), normwise(&got.half_square, &want.half_square), bound)?;
            // Where p = q these are nothing but rounding; the floor is what the log-densities themselves may be wrong by.
            let floored = |got: &[f64], want: &[f64]| {
                let scale = norm(want);
                let error = normwise(got, want) * if scale > 0.0 { scale } else { 1.0 };
                error / (scale + DENSITY / bound * (want.len() as f64).sqrt())
            };
            within(&format!("{from:?} log ratio"), floored(&got.log_ratio, &want.log_ratio), bound)?;
            within(&format!("{from:?} excess"), floored(&got.excess, &want.excess), bound)?;
        }
        Ok(())
    }

    fn descend(&self, device: &mut dyn Backend, sampler: Sampler) -> Result<(), Failed> {
        let mut problem = self.problem(2, Divergence::Reverse, Estimator::Stein, sampler);
        if sampler == Sampler::Sobol {
            problem.draws = Draws::Nets(whole_nets(self.n_samples));
        }
        let (mut a, mut b) = (device.open(&problem)?, Reference.open(&problem)?);
        let start = self.means(2);
        // Weights of 1e-30 would throw means beyond all numbers.
        let rule = Rule::new(0.1, self.weights != Weights::Extreme);
        let mut ends = Vec::new();
        for session in [&mut a, &mut b] {
            session.set(&start)?;
            session.descend(9, 3, &rule)?;
            ends.push(session.parameters()?);
        }
        within(&format!("means after three steps, {sampler:?}"), normwise(&ends[0], &ends[1]), GRADIENT)
    }
}

/// What the choices of the command line stand for; `auto` mixes.
pub(crate) fn form(divergence: Divergence, estimator: Estimator) -> Form {
    match (divergence, estimator) {
        (Divergence::Forward, _) => Form::Forward,
        (_, Estimator::Auto) => Form::Mixed,
        (_, Estimator::Stein) => Form::Stein,
        (_, Estimator::Pathwise) => Form::Pathwise,
        (_, Estimator::ScoreFunction) => Form::ScoreFunction,
    }
}

/// n samples of a sampler; for a grid at most n nodes.
pub(crate) fn draws(sampler: Sampler, n: usize) -> Draws {
    match sampler {
        Sampler::Auto | Sampler::Philox => Draws::Independent(n),
        Sampler::Antithetic => Draws::Antithetic(n),
        Sampler::Sobol => Draws::Nets(n),
        Sampler::Grid => Draws::Grid(Some(n)),
    }
}

/// The least number of samples that is not less and makes whole nets.
pub(crate) fn whole_nets(n: usize) -> usize {
    (n..).find(|n| Groups::nets(*n).are_whole()).unwrap_or(n)
}

fn norm(values: &[f64]) -> f64 {
    values.iter().map(|v| v * v).sum::<f64>().sqrt()
}

/// Σ_g share_g·(gradient of group g) of every replicate.
fn total(group_gradients: &[f64], groups: &[Groups], row: usize) -> Vec<f64> {
    let n_groups = groups[0].n_groups;
    let mut out = vec![0.0; groups.len() * row];
    for (r, groups) in groups.iter().enumerate() {
        for g in 0..n_groups {
            for e in 0..row {
                out[r * row + e] += groups.fraction(g) * group_gradients[(r * n_groups + g) * row + e];
            }
        }
    }
    out
}
