//! Every device against the reference with the same draws: one set of tests for each adapter and for the CPU backend.
//!
//! Devices are found at run time. What a device does not have, such as half precision or a budget of rows, is *ignored* there. Without an
//! adapter the GPU's tests are ignored; with REQUIRE_GPU=1 they *fail* instead.
//! MIXSCORE_NIGHTLY=1 adds larger sizes.

#[path = "parity/answers.rs"]
mod answers;
#[path = "parity/bits.rs"]
mod bits;
#[path = "parity/cases.rs"]
mod cases;
#[path = "parity/device.rs"]
mod device;
#[path = "parity/devices.rs"]
mod devices;
#[path = "parity/mix.rs"]
mod mix;
#[path = "parity/planted.rs"]
mod planted;
#[path = "parity/polynomials.rs"]
mod polynomials;
#[path = "parity/strata.rs"]
mod strata;
#[path = "parity/tuner.rs"]
mod tuner;

use cases::all;
use device::{Shapes, Which};
use libtest_mimic::{Arguments, Failed, Trial};

fn main() {
    let arguments = Arguments::from_args();
    let devices = device::devices();
    let nightly = std::env::var("MIXSCORE_NIGHTLY").is_ok_and(|v| v == "1");
    let mut trials = planted::trials();
    for which in &devices {
        let name = which.name();
        for case in all() {
            let which = which.clone();
            trials.push(Trial::test(format!("{name}::{}", case.name), move || case.run(&which)));
        }
        for (test, body, _, on) in device::TESTS.into_iter().filter(|(_, _, shapes, _)| *shapes == Shapes::Both || !which.plain()) {
            let which = which.clone();
            let lacking = !on.has(&which);
            if lacking && nightly {
                continue; // which runs what is ignored
            }
            trials.push(Trial::test(format!("{name}::{test}"), move || body(&which)).with_ignored_flag(lacking));
        }
    }
    if !devices.iter().any(|d| matches!(d, Which::Adapter { .. })) {
        let required = std::env::var("REQUIRE_GPU").is_ok_and(|v| v == "1");
        let missing = || Err(Failed::from("no adapter was found: install a Vulkan driver (mesa-vulkan-drivers has a software one)"));
        if required || !nightly {
            trials.push(Trial::test("gpu::every_case", missing).with_ignored_flag(!required));
        }
    }
    libtest_mimic::run(&arguments, trials).exit();
}

/// ‖got − want‖ / ‖want‖, or the norm of the error alone where want is zero.
fn normwise(got: &[f64], want: &[f64]) -> f64 {
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    let error = norm(&mut got.iter().zip(want).map(|(g, w)| g - w));
    let scale = norm(&mut want.iter().copied());
    if got.len() != want.len() {
        return f64::NAN;
    }
    if scale > 0.0 { error / scale } else { error }
}

/// Passes on err ≤ bound, so that NaN fails.
fn within(what: &str, err: f64, bound: f64) -> Result<(), Failed> {
    if err <= bound { Ok(()) } else { Err(format!("{what}: error {err:.2e} over {bound:.0e}").into()) }
}
