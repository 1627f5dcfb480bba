//! `mixscore devices`: the adapters of this machine, and which one `--device auto` takes and why.

use serde_json::json;

use super::Common;
use super::exit::Result;
use crate::gpu::{self, Adapter, Choice};

#[derive(clap::Args)]
pub struct Arguments {}

pub(super) fn run(common: &Common, _arguments: &Arguments) -> Result<()> {
    let adapters = gpu::adapters();
    let chosen = gpu::choose(&adapters, Choice::Real(None));
    let (auto, why) = match &chosen {
        Ok(index) => (format!("gpu:{index}"), format!("{} is the best GPU here", adapters[*index].name)),
        Err(error) => ("cpu".into(), error.to_string()),
    };
    if common.json {
        let rows: Vec<_> = adapters.iter().enumerate().map(|(i, a)| json!({ "index": i, "adapter": a })).collect();
        return common.print_json(&json!({ "schema": "mixscore.devices/1", "adapters": rows, "auto": auto, "why": why }));
    }
    for (index, adapter) in adapters.iter().enumerate() {
        common.print(&line(index, adapter))?;
    }
    common.print(&format!("cpu         {} threads, single precision", rayon::current_num_threads()))?;
    common.print("reference   plain loops in double precision: the definition")?;
    common.print(&format!("\n--device auto takes {auto}: {why}"))
}

fn line(index: usize, adapter: &Adapter) -> String {
    let name = if adapter.software { "software".into() } else { format!("gpu:{index}") };
    let half = if adapter.half_precision { ", f16" } else { "" };
    let Adapter { name: adapter_name, kind, api, driver, .. } = adapter;
    format!("{name:<11} {adapter_name}: {kind}, {api}, {driver}, bindings to {} MiB{half}", adapter.largest_binding >> 20)
}
