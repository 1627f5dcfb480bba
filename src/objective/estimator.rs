//! The engine's own estimator of the reverse gradient: Stein's form, blended with the score-function form across steep walls between
//! components.
//!
//! Under its own stratum (x = μᵢ + z) a row has two forms, and the second has no derivative of the posterior means:
//!
//! ```text
//! Stein           ∂L/∂μᵢ = wᵢEᵢ[ a + C_p(μᵢ−M) − C_q(μᵢ−N) ]
//! score function  ∂L/∂μᵢ = wᵢEᵢ[ a + f z ]        f = ½|μᵢ−N|² − ½|μᵢ−M|², less any constant
//! ```
//!
//! Their difference has mean zero, so Stein + Γ(score − Stein) has the same mean for every matrix Γ that does not depend on the samples.
//! Between two components at distance g the responsibilities turn within a layer whose logits are of order one: there C(μᵢ−M) is of order
//! g³, elsewhere it is negligible, while f only steps. So Stein's form has less noise for small g, and far more for large g. If the two
//! noises were independent with covariances S and T, Γ = S(S + T)⁻¹ would be best. Both are estimated from the means alone: with b the
//! component that dominates at μᵢ, δ = m_l − m_b, g = |δ|, τ the difference of their logits at μᵢ and t = τ/g (the wall stands t from the
//! centre), a wall of density h = φ(t)/√(g² + 8) gives
//!
//! ```text
//! S = Σ h (g⁴/120 + τ²/6) δδᵀ            ∫ρ(1−ρ)((½−ρ)g² − τ)² dρ across the layer
//! T = 2 Σ ( φ(t)/(1 + 1.5t) τ² + h g⁴/64 )      what lies beyond the wall times the step of f there, and the dip of f in the layer
//! ```
//!
//! summed over both mixtures. Nothing is fitted, drawn or kept. At a centre that is equally far from two components, rounding may decide
//! which one dominates: two devices may then have different estimates, with the same mean and about the same noise.
//!
//! Measured on 17 problems with antithetic pairs, variance against Stein's form alone: 0.95 to 2 times less where components overlap or
//! students are near teachers, 2.7, 9.7, 20 and 39 times less for scattered means in 64, 256, 1024 and 4096 dimensions; the best constant
//! blend, chosen afterwards, gains another 10 %.
//!
//! GPU twins: `shaders/walls.wgsl`, `shaders/cholesky.wgsl`, `shaders/blend.wgsl`, which use Stein's form for rows with more than 256 walls
//! in more than 256 dimensions.

use faer::linalg::matmul::triangular::{BlockStructure, matmul};
use faer::{Accum, MatMut, MatRef, Par};

use crate::vector::double::{inner_of_difference, inner_of_differences, inner_product, squared_distance};
use crate::vector::vector_fn;

/// Raised whenever `auto` gives other numbers (the last time on GPUs alone): cells of sweeps that used it are then computed again.
pub const AUTO_VERSION: u32 = 4;

/// Subspace dimensions up to which Sobol points have less noise than pairs.
pub const MOST_SOBOL_RANK: usize = 16;

/// Walls further than this from the centre, in units of σ, are ignored.
pub const FURTHEST: f64 = 5.0;

/// A wall is ignored if its noise in Stein's form is below this fraction of the score-function form's.
const FAINT: f64 = 0.1;

/// One mixture, as input of a stratum's blend.
#[derive(Clone, Copy)]
pub struct Components<'a> {
    /// ln w, shape (k).
    pub log_weights: &'a [f64],
    /// Shape (k, rank).
    pub means: &'a [f64],
    /// Squared distances between the means (k, k), if they are known.
    pub squares: Option<&'a [f64]>,
}

/// Γ of one stratum: F(1 + FᵀF)⁻¹Fᵀ with FFᵀ = S/T.
#[derive(Debug, Clone)]
pub struct Blend<'a> {
    /// The constant subtracted from f: its value at the components that dominate at the centre.
    pub level: f64,
    rank: usize,
    /// The columns of F.
    walls: Vec<Wall<'a>>,
    /// U with UᵀU = 1 + FᵀF (n, n), or with 1 + FFᵀ (rank, rank) if n > rank; entries below the diagonal are not used.
    factor: Vec<f64>,
}

/// A wall between the dominant component and another.
#[derive(Debug, Clone)]
struct Wall<'a> {
    /// The mixture, and the other component's index in it.
    of: (usize, usize),
    dominant: &'a [f64],
    mean: &'a [f64],
    /// |δ|².
    square: f64,
    /// Its term of S, without the factor δδᵀ.
    stein: f64,
    /// Its term of T; later √(S/T), the length of the column of F relative to δ.
    scale: f64,
}

/// The most walls of a row: with more, Γ would cost more than the `n_samples` samples of both mixtures, which have `n_components` in all.
pub fn most_walls(rank: usize, n_samples: usize, n_components: usize) -> usize {
    // The largest n with n·min(n, rank) within the budget.
    let budget = n_samples.saturating_mul(n_components) / 4;
    if budget.isqrt() < rank { budget.isqrt() } else { budget / rank.max(1) }
}

impl<'a> Blend<'a> {
    /// Γ for the stratum at `centre` (rank), between the components of student and teacher. `near` lists, in order, all components whose
    /// walls are within reach, and perhaps others (`None`: all).
    ///
    /// `None`: Stein's form alone, because there is no steep wall, or because Γ would cost more than `n_samples` samples do.
    pub fn new(centre: &[f64], mixtures: [Components<'a>; 2], near: [Option<&[u32]>; 2], n_samples: usize) -> Option<Self> {
        let rank = centre.len();
        let (mut walls, mut level) = (Vec::new(), 0.0);
        for (side, sign) in [(0, -0.5), (1, 0.5)] {
            level += sign * find_walls(centre, side, &mixtures[side], near[side], &mut walls);
        }
        let score = 2.0 * walls.iter().map(|wall| wall.scale).sum::<f64>();
        walls.retain_mut(|wall| {
            let share = wall.stein * wall.square / score - FAINT; // grows from zero, so that rounding does not decide
            wall.scale = (share / wall.square).sqrt();
            share > 0.0 && share.is_finite()
        });
        let (n, components) = (walls.len(), mixtures.iter().map(|mixture| mixture.log_weights.len()).sum::<usize>());
        if n == 0 || n > most_walls(rank, n_samples, components) {
            return None;
        }
        let mut factor = if n <= rank { inner_gram(&walls, &mixtures) } else { outer_gram(&walls, rank) };
        decompose(&mut factor, n.min(rank));
        Some(Self { level, rank, walls, factor })
    }

    /// `stein` (rank) becomes stein + Γ(score − stein).
    pub fn apply(&self, stein: &mut [f64], score: &[f64]) {
        let mut difference: Vec<f64> = score.iter().zip(stein.iter()).map(|(score, stein)| score - stein).collect();
        if self.walls.len() <= self.rank {
            let mut along: Vec<f64> = self.walls.iter().map(|wall| wall.scale * along(wall.mean, wall.dominant, &difference)).collect();
            solve(&self.factor, &mut along);
            for (wall, along) in self.walls.iter().zip(&along) {
                add_difference(along * wall.scale, wall.mean, wall.dominant, stein);
            }
        } else {
            stein.iter_mut().zip(&difference).for_each(|(o, d)| *o += d);
            solve(&self.factor, &mut difference);
            stein.iter_mut().zip(&difference).for_each(|(o, d)| *o -= d);
        }
    }
}

/// Adds the walls of one mixture around `centre` to `out`. Returns |centre − m_b|² of the component b that dominates there.
fn find_walls<'a>(centre: &[f64], side: usize, mixture: &Components<'a>, near: Option<&[u32]>, out: &mut Vec<Wall<'a>>) -> f64 {
    let rank = centre.len();
    let mean = |l: usize| -> &'a [f64] { &mixture.means[l * rank..(l + 1) * rank] };
    let count = near.map_or(mixture.log_weights.len(), <[u32]>::len);
    let index = |at: usize| near.map_or(at, |near| near[at] as usize);
    // Index, |centre − m|² and logit of each.
    let see = |at: usize| {
        let square = squared_distance(mean(index(at)), centre);
        (index(at), square, mixture.log_weights[index(at)] - 0.5 * square)
    };
    let seen: Vec<(usize, f64, f64)> = (0..count).map(see).collect();
    let Some(dominant) = seen.iter().copied().reduce(|a, b| if b.2 > a.2 { b } else { a }) else { return 0.0 };
    let normal = |t: f64| (-0.5 * t * t).exp() * (0.5 * std::f64::consts::FRAC_1_PI).sqrt();
    let furthest = normal(FURTHEST);
    for (l, from_centre, logit) in seen {
        let tau = dominant.2 - logit;
        let square = match mixture.squares {
            _ if dominant.1 == 0.0 => from_centre,
            Some(squares) => squares[dominant.0 * mixture.log_weights.len() + l],
            None => squared_distance(mean(l), mean(dominant.0)),
        };
        let t = tau / square.sqrt();
        if !(t < FURTHEST) {
            continue; // far, or at the same place
        }
        let chance = normal(t) - furthest;
        let density = chance / (square + 8.0).sqrt();
        out.push(Wall {
            of: (side, l),
            dominant: mean(dominant.0),
            mean: mean(l),
            square,
            stein: density * (square * square / 120.0 + tau * tau / 6.0),
            scale: chance / (1.0 + 1.5 * t) * tau * tau + density * square * square / 64.0,
        });
    }
    dominant.1
}

/// 1 + FᵀF (n, n), on the diagonal and to the right of it.
fn inner_gram(walls: &[Wall], mixtures: &[Components; 2]) -> Vec<f64> {
    let n = walls.len();
    let mut out = vec![0.0; n * n];
    for (i, a) in walls.iter().enumerate() {
        out[i * n + i] = 1.0 + a.scale * a.scale * a.square;
        let known = mixtures[a.of.0].squares.map(|squares| &squares[a.of.1 * mixtures[a.of.0].log_weights.len()..]);
        for (b, out) in walls[i + 1..].iter().zip(&mut out[i * n + i + 1..(i + 1) * n]) {
            let inner = match known {
                Some(squares) if a.of.0 == b.of.0 => 0.5 * (a.square + b.square - squares[b.of.1]),
                _ => product_of_differences(a.mean, a.dominant, b.mean, b.dominant),
            };
            *out = a.scale * b.scale * inner;
        }
    }
    out
}

/// 1 + FFᵀ (rank, rank), on the diagonal and to the right of it.
fn outer_gram(walls: &[Wall], rank: usize) -> Vec<f64> {
    let rows: Vec<f64> = walls.iter().flat_map(|wall| wall.mean.iter().zip(wall.dominant).map(|(l, b)| wall.scale * (l - b))).collect();
    let rows = MatRef::from_row_major_slice(&rows, walls.len(), rank);
    let mut out = vec![0.0; rank * rank];
    let target = MatMut::from_row_major_slice_mut(&mut out, rank, rank);
    let (upper, all) = (BlockStructure::TriangularUpper, BlockStructure::Rectangular);
    matmul(target, upper, Accum::Replace, rows.transpose(), all, rows, all, 1.0, Par::Seq);
    out.iter_mut().step_by(rank + 1).for_each(|v| *v += 1.0);
    out
}

vector_fn! {
    /// The upper triangle of 1 + a positive semidefinite matrix (n, n) becomes U with UᵀU equal to it.
    fn decompose(a: &mut [f64], n: usize) {
        for k in 0..n {
            let (before, rest) = a.split_at_mut((k + 1) * n);
            let row = &mut before[k * n + k..];
            // The pivots of 1 + FᵀF are at least 1; a smaller one is rounding beside entries beyond 1e16.
            row[0] = row[0].max(1.0).sqrt();
            let inverse = 1.0 / row[0];
            row[1..].iter_mut().for_each(|v| *v *= inverse);
            for (i, below) in rest.chunks_exact_mut(n).enumerate() {
                let from = &row[1 + i..];
                let by = from[0];
                below[k + 1 + i..].iter_mut().zip(from).for_each(|(o, v)| *o = (-by).mul_add(*v, *o));
            }
        }
    }
}

vector_fn! {
    /// x becomes (UᵀU)⁻¹x.
    fn solve(factor: &[f64], x: &mut [f64]) {
        let n = x.len();
        for k in 0..n {
            let row = &factor[k * n + k..(k + 1) * n];
            let (head, rest) = x[k..].split_at_mut(1);
            head[0] /= row[0];
            rest.iter_mut().zip(&row[1..]).for_each(|(o, v)| *o = (-head[0]).mul_add(*v, *o));
        }
        for k in (0..n).rev() {
            let row = &factor[k * n + k..(k + 1) * n];
            x[k] = (x[k] - inner_product(&row[1..], &x[k + 1..])) / row[0];
        }
    }
}

vector_fn! {
    /// ⟨a − b, v⟩.
    fn along(a: &[f64], b: &[f64], v: &[f64]) -> f64 {
        inner_of_difference(a, b, v)
    }
}

vector_fn! {
    /// ⟨a − b, c − d⟩.
    fn product_of_differences(a: &[f64], b: &[f64], c: &[f64], d: &[f64]) -> f64 {
        inner_of_differences(a, b, c, d)
    }
}

vector_fn! {
    /// out += by(a − b).
    fn add_difference(by: f64, a: &[f64], b: &[f64], out: &mut [f64]) {
        for ((o, a), b) in out.iter_mut().zip(a).zip(b) {
            *o = by.mul_add(a - b, *o);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Equal weights for any number of components up to forty: ln w is needed up to a constant only.
    const LOG_WEIGHTS: [f64; 40] = [-3.688_879_454_113_936; 40];

    fn components<'a>(log_weights: &'a [f64], means: &'a [f64]) -> Components<'a> {
        Components { log_weights, means, squares: None }
    }

    fn scattered(n: usize, seed: u64) -> Vec<f64> {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
        };
        (0..n).map(|_| next()).collect()
    }

    /// Γ of a blend, column by column.
    fn gamma(blend: &Blend) -> Vec<Vec<f64>> {
        let unit = |c: usize| (0..blend.rank).map(|e| f64::from(u8::from(e == c))).collect::<Vec<f64>>();
        let column = |c: usize| {
            let mut out = vec![0.0; blend.rank];
            blend.apply(&mut out, &unit(c));
            out
        };
        (0..blend.rank).map(column).collect()
    }

    /// Γ = S(S + 1)⁻¹ in units of T: Γ(S + 1) = S, whether there are fewer walls than dimensions or more.
    #[test]
    fn the_factored_matrix_is_the_one_that_was_meant() {
        let mut more = Vec::new();
        for (rank, n) in [(7, 3), (3, 40), (24, 40), (1, 2)] {
            let teacher: Vec<f64> = scattered(n * rank, 1).iter().map(|v| 4.0 * v).collect();
            let student = scattered(2 * rank, 2);
            let mixtures = [components(&LOG_WEIGHTS[..2], &student), components(&LOG_WEIGHTS[..n], &teacher)];
            let blend = Blend::new(&student[..rank], mixtures, [None; 2], 100_000).expect("steep walls");
            more.push(blend.walls.len() > rank);
            let columns: Vec<Vec<f64>> =
                blend.walls.iter().map(|wall| wall.mean.iter().zip(wall.dominant).map(|(l, b)| wall.scale * (l - b)).collect()).collect();
            let squares: Vec<f64> =
                (0..n * n).map(|at| squared_distance(&teacher[at / n * rank..][..rank], &teacher[at % n * rank..][..rank])).collect();
            let known = Components { squares: Some(&squares), ..mixtures[1] };
            let same = Blend::new(&student[..rank], [mixtures[0], known], [None; 2], 100_000).expect("steep walls");
            // The rounding of inner products that come from squared distances.
            assert!(
                blend.factor.iter().zip(&same.factor).all(|(a, b)| (a - b).abs() <= 1e-9 * (1.0 + a.abs())),
                "{rank} {n}: known distances"
            );
            let gamma = gamma(&blend);
            for a in 0..rank {
                for b in 0..rank {
                    let s = |a: usize, b: usize| columns.iter().map(|wall| wall[a] * wall[b]).sum::<f64>();
                    let got: f64 = (0..rank).map(|c| gamma[c][a] * (s(c, b) + f64::from(u8::from(c == b)))).sum();
                    assert!((got - s(a, b)).abs() <= 1e-9 * (1.0 + s(a, a).max(s(b, b))), "{rank} {n}: [{a}, {b}] {got} for {}", s(a, b));
                }
            }
        }
        assert!(more.contains(&true) && more.contains(&false), "one way only: {more:?}");
    }

    /// One student at 0.4 between teachers at ±D/2 in one dimension, by the trapezoid rule: mean and variance of Stein's form and of the mix.
    fn moments(apart: f64) -> [[f64; 2]; 2] {
        let teacher = [-0.5 * apart, 0.5 * apart];
        let blend = Blend::new(&[0.4], [components(&[0.0], &[0.4]), components(&LOG_WEIGHTS[..2], &teacher)], [None; 2], 1000);
        let mut sums = [[0.0; 2]; 2];
        for node in -80_000..=80_000 {
            let z = f64::from(node) / 10_000.0;
            let weight = (-0.5 * z * z).exp() / (2.0 * std::f64::consts::PI).sqrt() / 10_000.0;
            let rho = 1.0 / (1.0 + (-apart * (0.4 + z)).exp());
            let n = teacher[0] + rho * apart;
            let stein = [0.4 - n - rho * (1.0 - rho) * apart * apart * (0.4 - n)];
            let mut mixed = stein;
            if let Some(blend) = &blend {
                blend.apply(&mut mixed, &[0.4 - n + (0.5 * (0.4 - n) * (0.4 - n) - blend.level) * z]);
            }
            for (sums, value) in sums.iter_mut().zip([stein[0], mixed[0]]) {
                sums[0] += weight * value;
                sums[1] += weight * value * value;
            }
        }
        sums.map(|[mean, square]| [mean, square - mean * mean])
    }

    #[test]
    fn more_walls_than_samples_pay_for_are_too_many() {
        for (rank, n_samples, n_components) in [(1, 1, 2), (3, 16, 7), (3, 64, 48), (64, 1024, 20), (500, 64, 16), (8, 64, 1)] {
            let most = most_walls(rank, n_samples, n_components);
            let pays = |n: usize| 4 * n * n.min(rank) <= n_samples * n_components;
            assert!(pays(most) && !pays(most + 1), "{rank} {n_samples} {n_components}: {most}");
        }
    }

    #[test]
    fn steep_walls_are_quieter_and_the_mean_stays() {
        for (apart, gain) in [(0.5, 0.9), (2.0, 0.9), (4.0, 1.0), (8.0, 2.0), (20.0, 8.0), (60.0, 30.0)] {
            let [stein, mixed] = moments(apart);
            assert!((stein[0] - mixed[0]).abs() <= 1e-9 * stein[1].sqrt(), "D = {apart}: {} is not {}", mixed[0], stein[0]);
            println!("D = {apart}: {} times less", stein[1] / mixed[1]);
            assert!(mixed[1] * gain <= stein[1], "D = {apart}: variance {} against {}", mixed[1], stein[1]);
        }
    }

    #[test]
    fn where_nothing_is_steep_or_within_reach_it_is_stein() {
        let teacher = [0.3, -50.0, 70.0];
        for student in [vec![0.0], vec![0.0, 1e200], vec![0.0, f64::NAN], vec![0.0, 0.0]] {
            let log_weights = [0.4f64, 0.3, 0.3].map(f64::ln);
            let mixtures = [components(&LOG_WEIGHTS[..student.len()], &student), components(&log_weights, &teacher)];
            let blend = Blend::new(&[0.0], mixtures, [None; 2], 1000);
            assert!(blend.is_none(), "{student:?}");
        }
    }

    /// Three teachers in the plane so far away that 1 + FᵀF rounds to a singular matrix.
    #[test]
    fn far_teachers_leave_numbers_finite() {
        for (distance, aside) in [(3e8, 0.5), (1e9, 1.0), (1e10, 0.0)] {
            let (x, y) = (0.4 * distance, 0.3 * distance);
            let teachers = [-x, -y, x, y, x, y + aside];
            let mixtures = [components(&[0.0], &[0.0, 0.0]), components(&LOG_WEIGHTS[..3], &teachers)];
            let blend = Blend::new(&[0.0, 0.0], mixtures, [None; 2], 1 << 20).expect("a steep wall");
            let mut row = [1.0, -2.0];
            blend.apply(&mut row, &[3.0, 5.0]);
            assert!(row.iter().all(|v| v.is_finite()), "{distance}: {row:?}");
        }
    }
}
