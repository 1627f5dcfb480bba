//! `mixscore bench`: throughput at several sizes on the chosen device, and on a GPU of each of its kernels, beside its measured roof.

use serde_json::json;

use super::Common;
use super::exit::{Failure, Result};
use crate::check::bench::{Effort, Event, KernelThroughput, Throughput, bench};
use crate::device;

#[derive(clap::Args)]
pub struct Arguments {
    /// Samples per step in all [default: 65536 or 16384 by size, on a software adapter an eighth].
    #[arg(long, value_name = "N")]
    samples: Option<usize>,
    /// Print a table for a README instead.
    #[arg(long)]
    markdown: bool,
    /// Seconds to measure each size for.
    #[arg(long, default_value_t = 1.0, value_name = "S")]
    seconds: f64,
}

pub(super) fn run(common: &Common, arguments: &Arguments) -> Result<()> {
    if arguments.samples == Some(0) || !(arguments.seconds.is_finite() && arguments.seconds > 0.0) {
        return Err(Failure::usage("nothing to measure", "Give positive --samples and --seconds"));
    }
    let (mut chosen, _) = device::choose(common.device)?;
    let device = chosen.backend().describe().to_string();
    common.say(&format!("device: {device}"));
    let mut first = true;
    let mut show = |event: Event| match event {
        Event::Roof(roof) => {
            common.say(&format!("roof: {:.1} GFLOP/s, copy {:.1} GB/s, both measured here", roof.gflops, roof.gigabytes_per_second));
            Ok(())
        }
        Event::Measured(_) if common.json => Ok(()),
        Event::Measured(row) => {
            let first = std::mem::take(&mut first);
            super::print(&if arguments.markdown { markdown(row, first) } else { text(row, first) })
        }
    };
    let (roof, rows) = bench(&mut chosen, Effort { samples: arguments.samples, seconds: arguments.seconds }, &mut show)?;
    if common.json {
        common.print_json(&json!({ "schema": "mixscore.bench/1", "device": device, "roof": roof, "rows": rows }))?;
    }
    Ok(())
}

fn text(row: &Throughput, first: bool) -> String {
    let head = "    d     k     K   samples   ms/step   samples·components/s   GFLOP/s   of roof   parity";
    let mut lines = Vec::from_iter(first.then(|| head.to_string()));
    let Throughput { d, k, n_teachers, samples, milliseconds, sample_components_per_second: rate, gflops, .. } = row;
    let share = 100.0 * row.share_of_roof;
    let parity = row.parity_error;
    lines.push(format!("{d:5} {k:5} {n_teachers:5} {samples:9} {milliseconds:9.3} {rate:22.3e} {gflops:9.2} {share:8.1}% {parity:8.1e}"));
    for kernel in &row.kernels {
        let KernelThroughput { kernel: name, dispatches, milliseconds, sample_components_per_second: rate, gflops, .. } = kernel;
        let device = kernel.device_milliseconds.map_or(String::new(), |ms| format!("   {ms:.3} ms by its own clock"));
        let share = 100.0 * kernel.share_of_roof;
        lines.push(format!("      {name:<21} ×{dispatches:<5} {milliseconds:9.3} {rate:22.3e} {gflops:9.2} {share:8.1}%{device}"));
    }
    lines.join("\n")
}

fn markdown(row: &Throughput, first: bool) -> String {
    let head = "| samples | d | k | K | ms a step | samples·components/s | GFLOP/s | of the roof |\n|---|---|---|---|---|---|---|---|";
    let mut lines = Vec::from_iter(first.then(|| head.to_string()));
    let Throughput { samples, d, k, n_teachers, milliseconds, sample_components_per_second: rate, gflops, share_of_roof: share, .. } = row;
    lines.push(format!("| {samples} | {d} | {k} | {n_teachers} | {milliseconds:.2} | {rate:.2e} | {gflops:.1} | {:.0} % |", 100.0 * share));
    lines.join("\n")
}
