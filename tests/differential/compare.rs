//! What a device found against what the reference found, and how far apart they may be.

use mixscore::objective::Estimate;
use mixscore::objective::{Divergence, Estimator, Sampler, Storage};
use mixscore::{Divergences, Gradient};

use super::draw::{Case, Weights};
use super::findings::Findings;

/// Log-densities and scores: float32 rounds each logit to 6e-8 of its size, and there are a few dozen roundings.
const DENSITY: f64 = 1e-5;
/// Gradients are differences of two sums that nearly cancel.
const GRADIENT: f64 = 1e-4;
/// The same at extreme weights.
const EXTREME: f64 = 2e-4;
/// Draws in half precision are off by up to 2⁻¹¹ of themselves, and logits by that times the distance of means, at most some 9σ.
const HALF: f64 = 1e-2;
/// Of one rounding to single precision.
const ROUNDING: f64 = 6e-8;

/// Errors and what they may be.
#[derive(Default)]
struct Verdict(Vec<String>);

impl Verdict {
    /// Passes on err ≤ bound, so that NaN fails.
    fn within(&mut self, what: &str, err: f64, bound: f64) {
        if !(err <= bound) {
            self.0.push(format!("{what}: error {err:.2e} over {bound:.2e}"));
        }
    }
}

/// What is wrong with `got`, given what the reference found.
pub(crate) fn compare(case: &Case, half: bool, got: &Findings, want: &Findings) -> Result<(), String> {
    let mut verdict = Verdict::default();
    evaluation(case, got, want, &mut verdict);
    let single = if case.weights == Weights::Extreme { EXTREME } else { GRADIENT };
    // Where two components share a sample their logits cancel, which are as large as half the square of their distance.
    let single = single + 2.0 * ROUNDING * case.separation * case.separation;
    let bound = if half { HALF } else { single };
    let allowed = Allowed::new(case, got, want);
    gradients(bound, &allowed, got, want, &mut verdict);
    divergences(single, &got.divergences, &want.divergences, &mut verdict);
    descent(case, bound, &allowed, got, want, &mut verdict);
    if verdict.0.is_empty() { Ok(()) } else { Err(verdict.0.join("; ")) }
}

/// Whether draws are in half precision on a GPU.
pub(crate) fn is_half(case: &Case) -> bool {
    case.problem.storage == Storage::F16
}

fn evaluation(case: &Case, got: &Findings, want: &Findings, verdict: &mut Verdict) {
    let (got, want) = (&got.evaluation, &want.evaluation);
    let teacher = &case.teachers[0];
    // Logits that cancel are as large as half the square of a distance, here in σ.
    let d = teacher.n_features() as f64;
    let distance = case.separation * case.scale() / teacher.variance().sqrt() + case.reach * (d / 3.0).sqrt();
    let logits = 2.0 * ROUNDING * distance * distance;
    verdict.within("log-density", relative(&got.log_density, &want.log_density), DENSITY);
    verdict.within("score", relative(&got.score, &want.score), DENSITY + logits);
    verdict.within("responsibilities", relative(&got.responsibilities, &want.responsibilities), 10.0 * DENSITY + logits);
}

/// What a gradient and a descent may be off by because components were left out (all replicates together).
struct Allowed {
    gradient: f64,
    /// Of what a step is multiplied by.
    means: f64,
    /// Whether samples of the reference and of the device tell the same story.
    is_listed: bool,
}

impl Allowed {
    fn new(case: &Case, got: &Findings, want: &Findings) -> Self {
        let (rates, d) = (case.rule().rates(&case.problem.student_weights), case.problem.teacher.n_features());
        let is_listed = got.certified_bias > 0.0;
        // With lists the default estimator mixes its two forms otherwise, which changes the noise and no mean.
        let mixes = case.problem.divergence == Divergence::Reverse
            && case.problem.estimator == Estimator::Auto
            && case.problem.sampler != Sampler::Grid;
        let noise = if is_listed && mixes { 6.0 } else { 0.0 };
        // The certificate bounds an expectation: at these samples the bias may be half as much again.
        let bias = 1.5 * got.certified_bias;
        let (mut gradient, mut means) = (0.0, 0.0);
        for replicate in &want.gradients {
            for (row, rate) in replicate.standard_error.chunks_exact(d).zip(&rates) {
                let of_row = bias + noise * norm(row);
                gradient += of_row * of_row;
                means += (rate * of_row).powi(2);
            }
        }
        Self { gradient: gradient.sqrt(), means: means.sqrt(), is_listed }
    }
}

fn gradients(bound: f64, allowed: &Allowed, got: &Findings, want: &Findings, verdict: &mut Verdict) {
    let all = |pick: fn(&Gradient) -> &Vec<f64>| {
        [got, want].map(|of| of.gradients.iter().flat_map(|gradient| pick(gradient).iter().copied()).collect::<Vec<f64>>())
    };
    let (gradient, error) = (all(|g| &g.gradient), all(|g| &g.standard_error));
    // What cancels between samples is as large as their spread.
    let allowed_error = bound * (norm(&gradient[1]) + norm(&error[1])) + allowed.gradient;
    verdict.within("gradient", distance(&gradient[0], &gradient[1]), allowed_error);
    verdict.within("standard errors", distance(&error[0], &error[1]), allowed_error);
    for (r, (got, want)) in got.gradients.iter().zip(&want.gradients).enumerate() {
        if got.n_groups != want.n_groups {
            verdict.0.push(format!("replicate {r} has {} groups instead of {}", got.n_groups, want.n_groups));
        }
        // Nothing is certified about L where components were left out: a hundredth.
        let bound = if allowed.is_listed { 1e-2 } else { bound };
        estimate("divergence", bound, 0.0, got.divergence, want.divergence, verdict);
    }
}

fn divergences(bound: f64, got: &[Divergences], want: &[Divergences], verdict: &mut Verdict) {
    type Pick = fn(&Divergences) -> Estimate;
    // Where p ≈ q a log-ratio is nothing but rounding: then the floor is what log-densities may be wrong by.
    let picks: [(&str, Pick, f64); 5] = [
        ("measured reverse Fisher", |d| d.reverse_fisher, 0.0),
        ("measured forward Fisher", |d| d.forward_fisher, 0.0),
        ("measured KL(p‖q)", |d| d.kl_student_teacher, DENSITY),
        ("measured KL(q‖p)", |d| d.kl_teacher_student, DENSITY),
        ("measured total variation", |d| d.total_variation, DENSITY),
    ];
    for (got, want) in got.iter().zip(want) {
        for (what, pick, floor) in picks {
            estimate(what, bound, floor, pick(got), pick(want), verdict);
        }
    }
}

fn estimate(what: &str, bound: f64, floor: f64, got: Estimate, want: Estimate, verdict: &mut Verdict) {
    let allowed = bound * (want.value.abs() + want.standard_error) + floor;
    verdict.within(what, (got.value - want.value).abs(), allowed);
    verdict.within(&format!("{what}'s standard error"), (got.standard_error - want.standard_error).abs(), allowed);
}

fn descent(case: &Case, bound: f64, allowed: &Allowed, got: &Findings, want: &Findings, verdict: &mut Verdict) {
    let (rates, d, steps) = (case.rule().rates(&case.problem.student_weights), case.problem.teacher.n_features(), case.n_steps as f64);
    let moved = |of: &Findings| -> Vec<f64> { of.end.iter().zip(&of.start).map(|(end, start)| end - start).collect() };
    let (got, wanted) = (moved(got), moved(want));
    let noise: f64 = want
        .gradients
        .iter()
        .flat_map(|g| g.standard_error.chunks_exact(d).zip(&rates))
        .map(|(row, rate)| (rate * norm(row)).powi(2))
        .sum();
    // A GPU keeps means in single precision, as far as they are from the teacher's centroid.
    let row = rates.len() * d;
    let from_centre: f64 = want
        .start
        .chunks_exact(row)
        .zip(&case.teachers)
        .map(|(means, teacher)| {
            let centre = teacher.centroid();
            means.iter().enumerate().map(|(at, m)| (m - centre[at % d]).powi(2)).sum::<f64>()
        })
        .sum();
    let rounding = ROUNDING * from_centre.sqrt();
    verdict.within("descent", distance(&got, &wanted), steps * (bound * (norm(&wanted) + noise.sqrt()) + rounding + allowed.means));
}

fn norm(values: &[f64]) -> f64 {
    values.iter().map(|v| v * v).sum::<f64>().sqrt()
}

/// ‖got − want‖; NaN for other lengths.
fn distance(got: &[f64], want: &[f64]) -> f64 {
    if got.len() != want.len() {
        return f64::NAN;
    }
    norm(&got.iter().zip(want).map(|(g, w)| g - w).collect::<Vec<_>>())
}

fn relative(got: &[f64], want: &[f64]) -> f64 {
    distance(got, want) / norm(want).max(f64::MIN_POSITIVE)
}
