//! `mixscore check`: known answers on the chosen device, then a table of its errors against the reference.

use serde_json::json;

use super::Common;
use super::exit::Result;
use crate::check::{Comparison, compare};
use crate::device;
use crate::error::Error;
use crate::objective::divergence::Storage;

#[derive(clap::Args)]
pub struct Arguments {
    /// How draws are stored on the device.
    #[arg(long, value_enum, default_value_t = Storage::F32)]
    storage: Storage,
}

pub(super) fn run(common: &Common, arguments: &Arguments) -> Result<()> {
    let (mut chosen, _) = device::choose(common.device)?;
    let device = chosen.backend().describe().to_string();
    common.say(&format!("device: {device}"));
    let table = compare(&mut chosen, arguments.storage)?;
    let failed = table.iter().find(|row| !row.passed);
    if common.json {
        common.print_json(&json!({ "schema": "mixscore.check/1", "device": device, "passed": failed.is_none(), "checks": table }))?;
    } else {
        for Comparison { name, error, bound, passed } in &table {
            common.print(&format!("{}  {name:<44} {error:9.2e}  at most {bound:.0e}", if *passed { "ok  " } else { "FAIL" }))?;
        }
    }
    match failed {
        None => Ok(()),
        Some(row) => Err(Error::SelfCheck { device, what: format!("{}: {:e} is over {:e}", row.name, row.error, row.bound) }.into()),
    }
}
