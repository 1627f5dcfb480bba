//! `mixscore presets`: lists the built-in experiments.

use super::Common;
use crate::error::Result;
use crate::experiment::presets::PRESETS;

#[derive(clap::Args)]
pub struct Arguments {}

pub fn run(common: &Common, _arguments: &Arguments) -> Result<()> {
    common.refuse_device("presets")?;
    if common.json {
        let list: Vec<_> = PRESETS.iter().map(|p| serde_json::json!({"name": p.name, "about": p.about(), "sweep": p.is_sweep()})).collect();
        return common.print_json(&serde_json::json!({"schema": "mixscore.presets/1", "presets": list}));
    }
    for preset in &PRESETS {
        let verbs = if preset.is_sweep() { "run, sweep" } else { "run" };
        common.print(&format!("{:20} {verbs:10} {}", preset.name, preset.about()))?;
    }
    common
        .say("`mixscore run NAME` or `mixscore sweep NAME` runs one; `mixscore init --preset NAME FILE` writes its config to start from.");
    Ok(())
}
