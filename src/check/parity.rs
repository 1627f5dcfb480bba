//! A device against the reference on test problems: densities, gradients in every form, metrics, and the learner's polynomials.

use super::Comparison;
use super::problems::{normwise, problem};
use super::self_check::polynomial_answers;
use crate::backend::{Backend, UnitProblem};
use crate::error::Result;
use crate::mixture::GaussianMixture;
use crate::objective::divergence::{Side, Storage};
use crate::objective::form::Form;
use crate::reference::Reference;

/// Log-densities and scores: a few dozen roundings of 6e-8 each.
const DENSITY: f64 = 1e-5;
/// Gradients are differences of sums that nearly cancel.
const GRADIENT: f64 = 1e-4;
/// Draws in half precision are rounded by up to 2⁻¹¹ = 5e-4 of their size, and so are the points.
const HALF: f64 = 2e-3;

/// (rank, k, K, samples per component)
const SIZES: [[usize; 4]; 4] = [[1, 2, 1, 512], [2, 7, 5, 300], [31, 7, 5, 257], [64, 64, 16, 64]];

/// The table of errors, with draws stored as `storage` on the device.
pub(super) fn parity(device: &mut dyn Backend, storage: Storage) -> Result<Vec<Comparison>> {
    let mut table = Vec::new();
    for size in SIZES {
        compare_at(device, size, storage, &mut table)?;
    }
    for (what, got, want) in polynomial_answers(&mut *device.polynomials())? {
        table.push(Comparison::new(format!("learn: {what}"), normwise(&got, &want), GRADIENT));
    }
    Ok(table)
}

/// Adds the comparisons on problems of one size to the table.
fn compare_at(device: &mut dyn Backend, [rank, k, n_teachers, n]: [usize; 4], storage: Storage, table: &mut Vec<Comparison>) -> Result<()> {
    let gradient_bound = if storage == Storage::F16 { HALF } else { GRADIENT };
    let size = format!("d={rank} k={k} K={n_teachers}");
    let (problem, means) = problem(rank, k, n_teachers, n);
    let mixture = GaussianMixture::new(problem.student_weights.clone(), means.clone(), rank, 1.0)?;
    let points: Vec<f64> = means.iter().chain(&problem.teacher_means).map(|m| 1.25 * m).collect();
    let (got, want) =
        (device.evaluate(&(&mixture).into(), (&points).into(), false)?, Reference.evaluate(&(&mixture).into(), (&points).into(), false)?);
    table.push(Comparison::new(format!("{size} log-density"), normwise(&got.log_density, &want.log_density), DENSITY));
    table.push(Comparison::new(format!("{size} score"), normwise(&got.score, &want.score), DENSITY));
    let forms = [("Stein", Form::Stein), ("auto", Form::Mixed), ("pathwise", Form::Pathwise), ("forward", Form::Forward)];
    for (name, form) in forms {
        let problem = UnitProblem { form, ..problem.clone() };
        let stored = UnitProblem { storage, ..problem.clone() };
        let (mut a, mut b) = (device.open(&stored)?, Reference.open(&problem)?);
        a.set(&means)?;
        b.set(&means)?;
        let (got, want) = (a.gradient(1)?, b.gradient(1)?);
        let error = normwise(&got.group_gradients, &want.group_gradients);
        table.push(Comparison::new(format!("{size} gradient, {name}"), error, gradient_bound));
        if name == "Stein" {
            let (got, want) = (a.measure(Side::Student, None, n, 1)?, b.measure(Side::Student, None, n, 1)?);
            table.push(Comparison::new(format!("{size} ½|a|²"), normwise(&got.half_square, &want.half_square), GRADIENT));
            table.push(Comparison::new(format!("{size} ln p − ln q"), normwise(&got.log_ratio, &want.log_ratio), GRADIENT));
        }
    }
    Ok(())
}
