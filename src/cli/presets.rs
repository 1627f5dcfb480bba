//! `mixscore presets`: lists the built-in experiments.

use super::Common;
use crate::error::Result;
use crate::experiment::presets::PRESETS;

#[derive(clap::Args)]
pub struct Arguments {}

pub fn run(common: &Common, _arguments: &Arguments) -> Result<()> {
    if common.json {
        let learned =
            crate::diffusion::presets::PRESETS.iter().map(|p| serde_json::json!({"name": p.name, "about": p.about, "verb": "learn"}));
        let run = PRESETS.iter().map(|p| serde_json::json!({"name": p.name, "about": p.about(), "verb": "run"}));
        let list: Vec<_> = run.chain(learned).collect();
        return common.print_json(&serde_json::json!({"schema": "mixscore.presets/1", "presets": list}));
    }
    for preset in &PRESETS {
        common.print(&format!("{:20} {}", preset.name, preset.about()))?;
    }
    for preset in &crate::diffusion::presets::PRESETS {
        common.print(&format!("{:20} {}", preset.name, preset.about))?;
    }
    common.say("`mixscore learn learn-…` learns from the built-in points of that name.");
    common.say("`mixscore run NAME` runs one; `mixscore init --preset NAME FILE` writes its config to start from.");
    Ok(())
}
