//! Divergences of two mixtures with covariances of any kind: by samples, or, in one or two dimensions, by quadrature.
//!
//! Every stratum is a component: x = μᵢ + Lᵢε with ε ~ N(0, I), and means over a mixture are Σ wᵢ Eᵢ. By samples ε is drawn; by quadrature it
//! runs over the trapezoid rule's grid, which is made finer until the integrals stop to change.

use rayon::prelude::*;

use super::{COVERAGE_RADIUS, Coverage};
use crate::backend::{Backend, Evaluation, Points};
use crate::error::{Error, Result};
use crate::mixture::sample::about;
use crate::mixture::{Mixture, squared_distance};
use crate::objective::divergence::Side;
use crate::objective::grid::{Grid, grid_of};
use crate::objective::groups::Estimate;
use crate::problem::fit::Divergences;
use crate::problem::rare::RareDraws;
use crate::random::normal::normal_f64;
use crate::random::streams::{Purpose, key};
use crate::reference::general::at;

/// Quadrature is as good as exact once the grids of every second and third node differ by less, relative to the divergence.
const EXACT: f64 = 1e-9;
/// What it may differ by and is still taken where nobody asked for a grid.
const GOOD: f64 = 1e-3;
/// Below this a divergence is nothing but rounding.
const NOTHING: f64 = 1e-14;
/// Nodes on each side of the first grid, for components as wide as their stratum; each further grid has half as many again.
const FIRST: f64 = 32.0;
const FINER: f64 = 1.5;
/// Components and nodes that are visited at the most.
const MOST_VISITS: f64 = 6e6;

/// Refuses two mixtures of different dimensions.
fn check(student: &Mixture, teacher: &Mixture) -> Result<()> {
    if student.n_features() == teacher.n_features() {
        return Ok(());
    }
    Err(Error::bad_input(
        format!("the student has {} dimensions and the teacher {}", student.n_features(), teacher.n_features()),
        "Give two mixtures of the same dimension",
    ))
}

/// The divergences from `n` draws of each component of either mixture, evaluated on `backend`.
///
/// # Errors
/// [`Error::BadInput`] for mixtures of different dimensions; [`Error::TooFewSamples`]; the device's own.
pub fn sampled(student: &Mixture, teacher: &Mixture, n: usize, seed: u64, backend: &mut dyn Backend) -> Result<Divergences> {
    check(student, teacher)?;
    if n < 2 {
        return Err(Error::TooFewSamples { n, least: 2 });
    }
    let mut sides = Vec::with_capacity(2);
    for side in [Side::Student, Side::Teacher] {
        let from = if side == Side::Student { student } else { teacher };
        let mut strata = Vec::with_capacity(from.n_components());
        for i in 0..from.n_components() {
            strata.push((from.weights()[i], of_stratum(student, teacher, side, (i, n, seed), backend)?));
        }
        sides.push(std::array::from_fn(|c| Estimate::combine(strata.iter().map(|(w, means)| (*w, means[c])))));
    }
    Ok(divergences([sides[0], sides[1]]))
}

/// E of ½|δ|², ln p − ln q and the excess under component i of one side, from n draws.
fn of_stratum(
    student: &Mixture,
    teacher: &Mixture,
    side: Side,
    (i, n, seed): (usize, usize, u64),
    backend: &mut dyn Backend,
) -> Result<[Estimate; 3]> {
    const NUMBERS: usize = 1 << 19; // at a time
    let d = student.n_features();
    let (from, purpose) = if side == Side::Student { (student, Purpose::MeasureStudent) } else { (teacher, Purpose::MeasureTeacher) };
    let (key, factor) = (key(seed, purpose, 0), from.factor(i));
    let mut values: [Vec<f64>; 3] = std::array::from_fn(|_| Vec::with_capacity(n));
    for first in (0..n).step_by((NUMBERS / d).max(1)) {
        let mut points = vec![0.0; d * (NUMBERS / d).max(1).min(n - first)];
        points.par_chunks_exact_mut(d).enumerate().for_each(|(s, point)| {
            let mut z = vec![0.0; d];
            about(from.mean(i), (key, 0, i as u32, (first + s) as u32), &mut z, |_, word| normal_f64(word));
            point.iter_mut().enumerate().for_each(|(c, x)| *x = from.mean(i)[c] + factor.coloured(&z, c));
        });
        let [p, q] = [backend.evaluate(student, Points::F64(&points), false)?, backend.evaluate(teacher, Points::F64(&points), false)?];
        for s in 0..points.len() / d {
            let here = |of: &Evaluation| (of.log_density[s], of.score[s * d..][..d].to_vec());
            values.iter_mut().zip(terms(side, here(&p), here(&q))).for_each(|(all, value)| all.push(value));
        }
    }
    Ok(values.map(|values| Estimate::of_mean(&values)))
}

/// ½|δ|², ln p − ln q, and (1 − q/p)₊ for x ~ student or (1 − p/q)₊ for x ~ teacher.
fn terms(side: Side, p: (f64, Vec<f64>), q: (f64, Vec<f64>)) -> [f64; 3] {
    let log_ratio = p.0 - q.0;
    let exponent = if side == Side::Student { -log_ratio } else { log_ratio };
    [0.5 * squared_distance(&p.1, &q.1), log_ratio, (-exponent.exp_m1()).max(0.0)]
}

fn divergences([of_student, of_teacher]: [[Estimate; 3]; 2]) -> Divergences {
    Divergences {
        reverse_fisher: of_student[0],
        forward_fisher: of_teacher[0],
        kl_student_teacher: of_student[1],
        kl_teacher_student: of_teacher[1].scaled(-1.0),
        total_variation: Estimate::combine([(0.5, of_student[2]), (0.5, of_teacher[2])]),
        rare: RareDraws::None,
    }
}

/// The divergences by quadrature in one or two dimensions, in float64, with at least `n_nodes` nodes about every component; in the place of
/// standard errors stand the larger of the differences to the grids of every second and every third node. `None` where that would take
/// long, or where `is_asked` is false and the integrals have not come to rest.
///
/// # Errors
/// [`Error::BadInput`] for mixtures of different dimensions.
pub fn by_quadrature(student: &Mixture, teacher: &Mixture, n_nodes: usize, is_asked: bool) -> Result<Option<Divergences>> {
    check(student, teacher)?;
    let d = student.n_features();
    if d > 2 {
        return Ok(None);
    }
    let all = (student.n_components() + teacher.n_components()) as f64;
    if !is_asked && (2.0 * FIRST + 1.0).powi(d as i32) * all * all > MOST_VISITS {
        return Ok(None);
    }
    let reach = student.reach().max(teacher.reach());
    let least = (n_nodes as f64).powf(1.0 / d as f64) / 2.0;
    let mut half = (FIRST * student.narrowness_beside(teacher)).max(if is_asked { least } else { 0.0 });
    let mut found: Option<Divergences> = None;
    while (2.0 * half + 1.0).powi(d as i32) * all * all <= MOST_VISITS || (is_asked && found.is_none()) {
        let grid = grid_of(d, reach, (2.0 * half + 1.0).powi(d as i32))?;
        let divergences = divergences([Side::Student, Side::Teacher].map(|side| on_grid(student, teacher, side, &grid)));
        found = Some(divergences);
        if is_within(&divergences, EXACT) {
            break;
        }
        half *= FINER;
    }
    Ok(found.filter(|found| is_asked || is_within(found, GOOD)))
}

/// Whether all but total variation, whose integrand has a kink, are known to this relative error.
fn is_within(of: &Divergences, relative: f64) -> bool {
    let all = [of.reverse_fisher, of.forward_fisher, of.kl_student_teacher, of.kl_teacher_student];
    all.iter().all(|e| e.standard_error <= (relative * e.value.abs()).max(NOTHING))
}

/// E of the terms under one side, by a grid over ε; as errors the larger differences to the coarse grids.
fn on_grid(student: &Mixture, teacher: &Mixture, side: Side, grid: &Grid) -> [Estimate; 3] {
    const NODES: usize = 256; // of one task
    let (from, d) = (if side == Side::Student { student } else { teacher }, student.n_features());
    let mut total = [[0.0; 3]; 3];
    for i in 0..from.n_components() {
        let nodes = grid.nodes.par_chunks(NODES * d).zip(grid.weights.par_chunks(NODES)).zip(grid.on_coarse.par_chunks(NODES));
        let parts: Vec<[([f64; 3], f64); 3]> = nodes
            .map(|((nodes, weights), on_coarse)| {
                let mut parts = [([0.0; 3], 0.0); 3];
                for ((z, weight), [second, third]) in nodes.chunks_exact(d).zip(weights).zip(on_coarse) {
                    let x: Vec<f64> = (0..d).map(|c| from.mean(i)[c] + from.factor(i).coloured(z, c)).collect();
                    let [p, q] = [student, teacher].map(|mixture| at(mixture, &x));
                    let values = terms(side, (p.log_density, p.score), (q.log_density, q.score));
                    for ((sums, mass), _) in parts.iter_mut().zip([true, *second, *third]).filter(|(_, has)| *has) {
                        sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += weight * value);
                        *mass += weight;
                    }
                }
                parts
            })
            .collect();
        for (of, total) in total.iter_mut().enumerate() {
            let mass: f64 = parts.iter().map(|part| part[of].1).sum();
            (0..3).for_each(|c| total[c] += from.weights()[i] * parts.iter().map(|part| part[of].0[c]).sum::<f64>() / mass);
        }
    }
    let [fine, second, third] = total;
    std::array::from_fn(|c| Estimate { value: fine[c], standard_error: (fine[c] - second[c]).abs().max((fine[c] - third[c]).abs()) })
}

fn whitened(mixture: &Mixture, l: usize, e: &[f64]) -> Vec<f64> {
    let mut w = vec![0.0; e.len()];
    mixture.factor(l).whiten(e, &mut w);
    w
}

/// Which teacher components have a student's mean within [`COVERAGE_RADIUS`] of their own deviations. A student counts for the teacher
/// component that it is nearest to by these.
///
/// # Errors
/// [`Error::BadInput`] for mixtures of different dimensions.
pub fn coverage(student: &Mixture, teacher: &Mixture) -> Result<Coverage> {
    check(student, teacher)?;
    let n = teacher.n_components();
    let mut student_weight = vec![0.0; n];
    for (mean, w) in student.means().chunks_exact(student.n_features()).zip(student.weights()) {
        let square = |j: usize| {
            let e: Vec<f64> = mean.iter().zip(teacher.mean(j)).map(|(a, b)| a - b).collect();
            whitened(teacher, j, &e).iter().map(|w| w * w).sum::<f64>()
        };
        let (j, nearest) = (0..n).map(|j| (j, square(j))).fold((0, f64::INFINITY), |best, next| if next.1 < best.1 { next } else { best });
        if nearest <= COVERAGE_RADIUS * COVERAGE_RADIUS {
            student_weight[j] += w;
        }
    }
    let covered = student_weight.iter().filter(|w| **w > 0.0).count();
    Ok(Coverage { covered, n_teacher_components: n, share: covered as f64 / n as f64, student_weight })
}

/// Σ wᵢ |μᵢ − nearest teacher mean|, the distance of matched means.
///
/// # Errors
/// [`Error::BadInput`] for mixtures of different dimensions.
pub fn matched_distance(student: &Mixture, teacher: &Mixture) -> Result<f64> {
    check(student, teacher)?;
    let nearest = |mean: &[f64]| (0..teacher.n_components()).map(|j| squared_distance(mean, teacher.mean(j))).fold(f64::INFINITY, f64::min);
    Ok(student.means().chunks_exact(student.n_features()).zip(student.weights()).map(|(mean, w)| w * nearest(mean).sqrt()).sum())
}

#[cfg(test)]
#[path = "general_tests.rs"]
mod tests;
