//! `mixscore presets`: lists the built-in experiments.

use super::Common;
use super::exit::Result;
use crate::experiment::presets::PRESETS;

#[derive(clap::Args)]
pub struct Arguments {}

pub(super) fn run(common: &Common, _arguments: &Arguments) -> Result<()> {
    common.refuse_device("presets")?;
    if common.json {
        let run = PRESETS.iter().map(|p| serde_json::json!({"name": p.name, "about": p.about(), "verb": "run", "sweep": p.is_sweep()}));
        let learned = crate::diffusion::presets::PRESETS.iter();
        let learned = learned.map(|p| serde_json::json!({"name": p.name, "about": p.about, "verb": "learn", "sweep": false}));
        let list: Vec<_> = run.chain(learned).collect();
        return common.print_json(&serde_json::json!({"schema": "mixscore.presets/1", "presets": list}));
    }
    for preset in &PRESETS {
        let verbs = if preset.is_sweep() { "run, sweep" } else { "run" };
        common.print(&format!("{:20} {verbs:10} {}", preset.name, preset.about()))?;
    }
    for preset in &crate::diffusion::presets::PRESETS {
        common.print(&format!("{:20} {:10} {}", preset.name, "learn", preset.about))?;
    }
    common.say(
        "`mixscore run NAME`, `sweep NAME` or `learn NAME` starts one; `mixscore init --preset NAME FILE` writes a config to start from.",
    );
    Ok(())
}
