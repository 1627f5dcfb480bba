//! `mixscore gradient` of mixtures with covariances of any kind, and of Kullback–Leibler divergences: by all parameters, on the host.

use std::path::Path;

use clap::ValueEnum;
use serde_json::json;

use super::Common;
use super::evaluate_general::UNCHECKED;
use super::exit::{Failure, Result};
use super::output::Target;
use crate::device::Device;
use crate::mixture::files::{Values, check_finite, write_npz};
use crate::number::plus_minus;
use crate::objective::divergence::Sampler;
use crate::problem::{GeneralGradient, GeneralProblem};

/// With fewer groups than this a standard error is known to no better than 1/√12 = 29 %.
const FEW_GROUPS: usize = 8;

/// Computes, writes the arrays and says what they are.
///
/// # Errors
/// A GPU that is asked for; what [`GeneralProblem::gradient`] refuses; numbers that are not finite.
pub(super) fn run(common: &Common, problem: &GeneralProblem, output: &Target, path: &Path) -> Result<()> {
    if !matches!(common.device, Device::Auto | Device::Cpu | Device::Reference) {
        return Err(Failure::usage(
            format!("gradients by covariances and weights are computed on the host, so --device {} would do nothing", common.device),
            "Leave --device out",
        ));
    }
    common.say("gradients by covariances and weights are computed on the host, in double precision and plain loops");
    let result = problem.gradient()?;
    output.write(|path| write(path, &result))?;
    if result.sampler != Sampler::Grid {
        if result.n_groups < FEW_GROUPS {
            common.say(&format!("standard errors come from {} groups of samples only: they are rough", result.n_groups));
        }
        if problem.student.n_components().max(problem.teacher.n_components()) > 1 {
            common.say(UNCHECKED);
        }
    }
    let name = |value: Option<clap::builder::PossibleValue>| value.map_or(String::new(), |value| value.get_name().to_string());
    if common.json {
        return common.print_json(&json!({
            "schema": "mixscore.gradient/1",
            "divergence": result.value,
            "objective": problem.objective,
            "covariance_type": result.parameters.kind.name(),
            "sampler": result.sampler,
            "samples": problem.n_samples,
            "n_groups": result.n_groups,
            "seed": problem.seed,
            "device": "host, double precision",
            "output": path.to_string_lossy(),
        }));
    }
    let title = problem.objective.title();
    output.print(common, &format!("{title:<27}{}", plus_minus(result.value.value, result.value.standard_error)))?;
    let samples = problem.n_samples.map_or(String::new(), |n| format!("{n} per component, "));
    output.print(common, &format!("{:<27}{samples}{}", "samples", name(result.sampler.to_possible_value())))?;
    output.print(common, &format!("written to {}", path.display()))
}

fn write(path: &Path, result: &GeneralGradient) -> crate::Result<()> {
    let GeneralGradient { parameters, value, gradient, standard_error, .. } = result;
    check_finite("gradient", gradient)?;
    check_finite("standard_error", standard_error)?;
    check_finite("divergence", &[value.value, value.standard_error])?;
    let (k, d) = (parameters.k, parameters.d);
    let covariances = parameters.kind.shape(k, d);
    let (means, logits) = ([k, d], [k]);
    let parts = [
        ("gradient", "standard_error", &means[..], 0..parameters.covariances()),
        ("gradient_covariances", "gradient_covariances_standard_error", &covariances, parameters.covariances()..parameters.logits()),
        ("gradient_logits", "gradient_logits_standard_error", &logits, parameters.logits()..parameters.len()),
    ];
    let (value, error) = ([value.value], [value.standard_error]);
    let mut arrays = Vec::new();
    for (name, of_error, shape, range) in parts {
        arrays.push((name, shape, Values::F64(&gradient[range.clone()])));
        arrays.push((of_error, shape, Values::F64(&standard_error[range])));
    }
    arrays.push(("divergence", &[], Values::F64(&value)));
    arrays.push(("divergence_standard_error", &[], Values::F64(&error)));
    write_npz(path, &arrays)
}
