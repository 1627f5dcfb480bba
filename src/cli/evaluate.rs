//! `mixscore evaluate`: what can be said about a student, with standard errors, and what Fisher divergences cannot see.

use serde_json::{Value, json};

use super::Common;
use super::pair::{Pair, check_finite, plus_minus};
use crate::descent::fit::Divergences;
use crate::descent::problem::Problem;
use crate::error::{Error, Result};
use crate::metrics::{self, COVERAGE_RADIUS, Coverage, smoothed};
use crate::objective::groups::Estimate;
use crate::report::BLIND;

#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    pair: Pair,
    /// Samples per component of either mixture: standard errors fall with its square root.
    #[arg(long, default_value_t = 16384, value_name = "N")]
    samples: usize,
    /// Heat-flow time t added to both variances: divergences and total variation are then of the smoothed densities, coverage of the means.
    #[arg(long, default_value_t = 0.0, allow_negative_numbers = true, value_name = "T")]
    noise: f64,
}

pub fn run(common: &Common, arguments: &Arguments) -> Result<()> {
    let (student, teacher) = arguments.pair.read()?;
    let seed = common.seed.unwrap_or(0);
    let problem = Problem {
        seed,
        noise: arguments.noise,
        n_samples: Some(arguments.samples),
        ..Problem::new(student.weights().to_vec(), teacher.clone())
    };
    problem.validate(student.means())?; // before a device is looked for
    let mut opened = common.open_device()?;
    let mut fit = problem.open(&mut *opened.backend, student.means())?;
    let Some(&divergences) = fit.measure(arguments.samples, 0)?.first() else {
        return Err(Error::bad_input("the problem has no replicate", "Report this as a bug"));
    };
    let rows = rows(&divergences);
    for (name, e) in rows {
        check_finite(name, &[e.value, e.standard_error])?;
    }
    let coverage = metrics::coverage(&teacher, student.means(), student.weights());
    let matched = metrics::matched_distance(&teacher, student.means(), student.weights());
    if common.json {
        let mut object = json!({
            "schema": "mixscore.evaluate/1",
            "coverage": coverage.share,
            "covered": coverage.covered,
            "teacher_components": coverage.n_teacher_components,
            "student_weight": coverage.student_weight,
            "coverage_radius": COVERAGE_RADIUS,
            "matched_distance": matched,
            "samples": arguments.samples,
            "noise": arguments.noise,
            "seed": seed,
            "device": opened.backend.describe(),
            "note": BLIND,
        });
        for (name, e) in rows {
            object[name] = serde_json::to_value(e).unwrap_or(Value::Null);
        }
        return common.print_json(&object);
    }
    common.print(&table(&rows, arguments.noise, &coverage, matched))
}

fn rows(d: &Divergences) -> [(&'static str, Estimate); 5] {
    [
        ("reverse_fisher", d.reverse_fisher),
        ("forward_fisher", d.forward_fisher),
        ("kl_student_teacher", d.kl_student_teacher),
        ("kl_teacher_student", d.kl_teacher_student),
        ("total_variation", d.total_variation),
    ]
}

fn table(rows: &[(&str, Estimate)], noise: f64, coverage: &Coverage, matched: f64) -> String {
    let mut text: String = rows.iter().map(|(name, e)| format!("{name:<20}{}\n", plus_minus(*e))).collect();
    let Coverage { covered, n_teacher_components, .. } = coverage;
    text += &format!("{:<20}{covered} of {n_teacher_components} teacher components have a student within {COVERAGE_RADIUS}σ\n", "coverage");
    text += &format!("{:<20}{matched:.6e}\n\n", "matched_distance");
    if noise > 0.0 {
        text += &format!("{}.\n", smoothed(noise));
    }
    text + BLIND
}
