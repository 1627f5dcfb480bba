//! The divergences by quadrature in float64, for means that span at most three dimensions: exact where samples miss the main contribution.
//!
//! Both Fisher divergences of separated modes come from the gaps between them, where a sample falls with probability e^(−D²/8): at D = 10 a
//! million samples hit a gap once or never, and estimate a thousandth of L. The grid of [`crate::objective::grid`] covers the gaps, here
//! out to the walls between nearest neighbours. In one or two dimensions it is used without being asked for, in three only on request.

use rayon::prelude::*;

use crate::error::Result;
use crate::mixture::squared_distance;
use crate::objective::divergence::Side;
use crate::objective::grid::{Grid, MOST_DIMENSIONS, grid_of, nodes_within};
use crate::objective::groups::Estimate;
use crate::problem::Problem;
use crate::problem::fit::Divergences;
use crate::problem::rare::RareDraws;
use crate::problem::reduction::Subspace;
use crate::reference::Components;
use crate::reference::measure::at_point;

/// Beyond this many σ a density underflows.
const FURTHEST: f64 = 37.0;

/// The most pairs of components and nodes, unless a grid is requested.
const MOST_VISITS: f64 = 3e9;

/// The result of [`divergences_within`].
#[derive(Debug)]
pub enum Gridded {
    Taken(Divergences),
    Refused(NoGrid),
}

/// Why no grid was used, if none was requested: sentences without their full stop.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum NoGrid {
    #[error("the means span {rank} dimensions, and a grid works in at most {MOST_DIMENSIONS}")]
    TooManyDimensions { rank: usize },
    #[error("a grid in {rank} dimensions is slow; asked for, it is taken all the same")]
    SlowDimensions { rank: usize },
    #[error("a grid of so many components and nodes is slow; asked for, it is taken all the same")]
    Slow,
    #[error("a grid takes {needed} nodes per component; more samples or asking for the grid allows them")]
    TooFewNodes { needed: f64 },
}

/// The divergences at `means` (k, d) under `problem`'s noise, from a grid of about `n_nodes` nodes about every component of either mixture;
/// `NoGrid` if the means span more than two dimensions, that many nodes are too few, or it would take long.
///
/// Standard errors are replaced by the larger of the differences to the grids of every second and every third node. Errors fall faster than
/// any power of the spacing h, so these differences are far too large; for total variation, whose integrand has a kink, errors fall like
/// h², and the differences are about right.
pub fn divergences_within(problem: &Problem, means: &[f64], n_nodes: usize) -> Result<Gridded> {
    problem.validate(means)?;
    let places = Places::of(problem, means)?;
    let refused = |why| Ok(Gridded::Refused(why));
    if places.rank > MOST_DIMENSIONS {
        return refused(NoGrid::TooManyDimensions { rank: places.rank });
    }
    if places.rank > 2 {
        return refused(NoGrid::SlowDimensions { rank: places.rank });
    }
    if !places.is_small(n_nodes) {
        return refused(NoGrid::Slow);
    }
    let needed = places.nodes_for_exactness();
    if needed > n_nodes as f64 {
        return refused(NoGrid::TooFewNodes { needed });
    }
    places.divergences(n_nodes as f64).map(Gridded::Taken)
}

/// As [`divergences_within`], with as many nodes as needed, in up to three dimensions.
pub fn divergences(problem: &Problem, means: &[f64], n_nodes: usize) -> Result<Divergences> {
    problem.validate(means)?;
    let places = Places::of(problem, means)?;
    grid_of(places.rank, places.reach(), 1.0)?; // refuses the rank before anything is counted
    places.divergences(places.nodes_for_exactness().max(n_nodes as f64))
}

/// Both mixtures in unit coordinates of their common subspace.
struct Places {
    rank: usize,
    /// The square of the unit of length: σ² + t.
    variance: f64,
    weights: [Vec<f64>; 2],
    means: [Vec<f64>; 2],
}

impl Places {
    /// Both mixtures of a problem with the student at `means`.
    fn of(problem: &Problem, means: &[f64]) -> Result<Self> {
        let teacher = &problem.teacher;
        let variance = teacher.variance() + problem.noise;
        let mut subspace = Subspace::of_means(teacher, means, variance.sqrt());
        subspace.shorten_gaps(teacher, means);
        Ok(Self {
            rank: subspace.rank(),
            variance,
            weights: [problem.student_weights.clone(), teacher.weights().to_vec()],
            means: [subspace.reduce(means), subspace.reduce(teacher.means())],
        })
    }

    fn side(&self, side: Side) -> Components<'_> {
        let at = usize::from(side == Side::Teacher);
        Components { weights: &self.weights[at], means: &self.means[at], rank: self.rank }
    }

    fn nodes_for_exactness(&self) -> f64 {
        let (p, q) = (self.side(Side::Student), self.side(Side::Teacher));
        nodes_within(self.rank, self.reach(), &self.means.concat(), [(p.weights, p.means), (q.weights, q.means)])
    }

    /// The distance from a component's mean up to which its density matters: 7.5σ, or 4σ beyond the wall to its nearest neighbour in its
    /// own mixture.
    fn reach(&self) -> f64 {
        let rows = |side: usize| self.means[side].chunks_exact(self.rank);
        let nearest = |side: usize, i: usize, mean: &[f64]| {
            rows(side).enumerate().filter(|(j, _)| *j != i).map(|(_, other)| squared_distance(mean, other)).fold(f64::INFINITY, f64::min)
        };
        let all = (0..2).flat_map(|side| rows(side).enumerate().map(move |(i, mean)| nearest(side, i, mean)));
        let furthest = all.filter(|square| square.is_finite()).fold(0.0, f64::max).sqrt();
        (0.5 * furthest + 4.0).clamp(7.5, FURTHEST)
    }

    /// Whether counting the nodes and visiting them takes at most some seconds.
    fn is_small(&self, n_nodes: usize) -> bool {
        let all = (self.weights[0].len() + self.weights[1].len()) as f64;
        all.powi(3) <= MOST_VISITS && n_nodes as f64 * all.powi(2) <= MOST_VISITS
    }

    fn divergences(&self, n_nodes: f64) -> Result<Divergences> {
        let (p, q) = (self.side(Side::Student), self.side(Side::Teacher));
        let grid = grid_of(self.rank, self.reach(), n_nodes)?;
        let [reverse, of_student, excess] = mean(&grid, Side::Student, &p, &q);
        let [forward, of_teacher, teacher_excess] = mean(&grid, Side::Teacher, &p, &q);
        Ok(Divergences {
            reverse_fisher: reverse.scaled(1.0 / self.variance),
            forward_fisher: forward.scaled(1.0 / self.variance),
            kl_student_teacher: of_student,
            kl_teacher_student: of_teacher.scaled(-1.0),
            total_variation: Estimate::combine([(0.5, excess), (0.5, teacher_excess)]),
            rare: RareDraws::None,
        })
    }
}

/// Sums of ½|a|², ln p − ln q and the excess.
type Sums = [f64; 3];

/// The expectations of ½|a|², ln p − ln q and the excess under one side.
fn mean(grid: &Grid, side: Side, p: &Components, q: &Components) -> [Estimate; 3] {
    let from = if side == Side::Student { p } else { q };
    let mut total = [Sums::default(); 3];
    for i in 0..from.len() {
        // Relative to the stratum's own mean, so that no large numbers cancel.
        let [p_means, q_means] =
            [p, q].map(|side| side.means.iter().zip(from.mean(i).iter().cycle()).map(|(m, o)| m - o).collect::<Vec<_>>());
        let stratum = of_stratum(grid, side, &Components { means: &p_means, ..*p }, &Components { means: &q_means, ..*q });
        for (total, sums) in total.iter_mut().zip(stratum) {
            total.iter_mut().zip(sums).for_each(|(t, s)| *t += from.weights[i] * s);
        }
    }
    let [fine, second, third] = total;
    std::array::from_fn(|c| Estimate { value: fine[c], standard_error: (fine[c] - second[c]).abs().max((fine[c] - third[c]).abs()) })
}

/// The sums of the stratum at the origin, on the grid, on every second node of it, and on every third.
fn of_stratum(grid: &Grid, side: Side, p: &Components, q: &Components) -> [Sums; 3] {
    const NODES: usize = 4096; // per task
    let rank = p.rank;
    let parts: Vec<[(Sums, f64); 3]> = grid
        .nodes
        .par_chunks(NODES * rank)
        .zip(grid.weights.par_chunks(NODES))
        .zip(grid.on_coarse.par_chunks(NODES))
        .map(|((nodes, weights), on_coarse)| {
            let mut parts = [(Sums::default(), 0.0); 3];
            for ((x, weight), [second, third]) in nodes.chunks_exact(rank).zip(weights).zip(on_coarse) {
                let values = at_point(side, p, q, x);
                for ((sums, mass), _) in parts.iter_mut().zip([true, *second, *third]).filter(|(_, has)| *has) {
                    sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += weight * value);
                    *mass += weight;
                }
            }
            parts
        })
        .collect();
    std::array::from_fn(|of| {
        let mass: f64 = parts.iter().map(|part| part[of].1).sum();
        std::array::from_fn(|c| parts.iter().map(|part| part[of].0[c]).sum::<f64>() / mass)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mixture::GaussianMixture;

    fn two_modes(distance: f64) -> (Problem, Vec<f64>) {
        let means = vec![-0.5 * distance, 0.5 * distance];
        let teacher = GaussianMixture::new(vec![0.5, 0.5], means.clone(), 1, 1.0).unwrap();
        (Problem::new(vec![0.3, 0.7], teacher), means)
    }

    /// Weights 0.3 and 0.7 against halves, at ±D/2, by adaptive quadrature: Fisher divergences hardly depend on the weights, KL and TV do.
    #[test]
    fn wrong_weights_of_two_modes_have_their_known_divergences() {
        for (distance, reverse, forward, kl, tv) in [
            (2.0, 2.62e-2, 2.79e-2, 0.0450, 0.1365),
            (4.0, 1.34e-2, 1.45e-2, 0.0766, 0.1909),
            (6.0, 1.70e-3, 1.85e-3, 0.0819, 0.1995),
            (8.0, 6.91e-5, 7.53e-5, 0.0823, 0.2000),
            (10.0, 9.65e-7, 1.05e-6, 0.0823, 0.2000),
        ] {
            let (problem, means) = two_modes(distance);
            let got = divergences(&problem, &means, 4001).unwrap();
            // The published values have three digits, or four decimals.
            for (got, exact) in [(got.reverse_fisher, reverse), (got.forward_fisher, forward)] {
                assert!((got.value / exact - 1.0).abs() <= 6e-3 && got.standard_error <= 1e-4 * exact, "{distance}: {got:?} {exact}");
            }
            for (got, exact) in [(got.kl_student_teacher, kl), (got.total_variation, tv)] {
                assert!(
                    (got.value - exact).abs() <= 6e-5 + got.standard_error && got.standard_error <= 1e-3,
                    "{distance}: {got:?} {exact}"
                );
            }
        }
    }

    /// Far walls: by adaptive quadrature, D = 15, 16, 20.
    #[test]
    fn gaps_far_beyond_the_bulk_are_reached() {
        for (distance, reverse) in [(15.0, 2.38e-13), (16.0, 5.3e-15), (20.0, 1.0e-22)] {
            let (problem, means) = two_modes(distance);
            let got = divergences(&problem, &means, 16384).unwrap().reverse_fisher;
            assert!((got.value / reverse - 1.0).abs() <= 0.05, "{distance}: {got:?} {reverse}"); // two digits are known
        }
    }

    #[test]
    fn units_turns_and_noise_change_nothing_that_they_should_not() {
        // Two parallel lines of means in five dimensions, σ² = 4: two dimensions after the reduction; and noise is more variance.
        let lift = |x: f64, y: f64| vec![2.0 * x, 0.0, 2.0 * y, 0.0, 0.0];
        let teacher = |variance| GaussianMixture::new(vec![0.4, 0.6], [lift(-1.0, 0.0), lift(1.0, 0.5)].concat(), 5, variance).unwrap();
        let plane = GaussianMixture::new(vec![0.4, 0.6], vec![-1.0, 0.0, 1.0, 0.5], 2, 1.0).unwrap();
        let flat = divergences(&Problem::new(vec![1.0], plane), &[0.3, 0.2], 1).unwrap();
        for noise in [0.0, 3.0] {
            let problem = Problem { noise, ..Problem::new(vec![1.0], teacher(4.0 - noise)) };
            let got = divergences(&problem, &lift(0.3, 0.2), 1).unwrap();
            assert!((4.0 * got.reverse_fisher.value / flat.reverse_fisher.value - 1.0).abs() <= 1e-9); // spectral accuracy
            assert!((got.total_variation.value - flat.total_variation.value).abs() <= 1e-3); // a kink, on rotated axes
        }
    }

    #[test]
    fn samples_agree_where_they_see_the_gap() {
        let (problem, means) = two_modes(4.0);
        let sampled = problem.open(&mut crate::cpu::Cpu::new(), &means).unwrap().measure(1 << 16, 0).unwrap()[0];
        let exact = divergences(&problem, &means, 4001).unwrap();
        for (a, b) in [(sampled.reverse_fisher, exact.reverse_fisher), (sampled.kl_teacher_student, exact.kl_teacher_student)] {
            assert!((a.value - b.value).abs() <= 5.0 * a.standard_error + b.standard_error, "{a:?} {b:?}");
        }
    }

    #[test]
    fn many_dimensions_and_small_budgets_are_left_to_samples() {
        let (problem, means) = two_modes(4.0);
        let why = |problem: &Problem, means: &[f64], n_nodes: usize| match divergences_within(problem, means, n_nodes).unwrap() {
            Gridded::Taken(_) => None,
            Gridded::Refused(why) => Some(why),
        };
        let Some(NoGrid::TooFewNodes { needed }) = why(&problem, &means, 100) else { panic!("a hundred nodes are enough") };
        let enough = needed as usize;
        assert!(why(&problem, &means, enough - 1).is_some() && why(&problem, &means, enough).is_none());
        let cube = GaussianMixture::new(vec![0.25; 4], (0..12).map(|i| f64::from(u8::from(i % 4 == 0))).collect(), 3, 1.0).unwrap();
        assert_eq!(why(&Problem::new(vec![1.0], cube), &[0.0, 0.5, 9.0], usize::MAX), Some(NoGrid::SlowDimensions { rank: 3 }));
        let simplex = GaussianMixture::new(vec![0.25; 4], (0..16).map(|i| f64::from(u8::from(i % 5 == 0))).collect(), 4, 1.0).unwrap();
        assert_eq!(why(&Problem::new(vec![1.0], simplex), &[-1.0; 4], usize::MAX), Some(NoGrid::TooManyDimensions { rank: 4 }));
    }
}
