//! `mixscore init`: writes a commented config to start from.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;

use super::Common;
use super::exit::{Failure, Result};
use crate::error::Error;
use crate::experiment::keys::completed;
use crate::experiment::presets;

#[derive(clap::Args)]
pub struct Arguments {
    /// The preset to start from.
    #[arg(long, value_name = "NAME", default_value = "quickstart")]
    pub preset: String,
    /// The file to write; an existing one is left alone.
    #[arg(value_name = "FILE", default_value = "mixscore.toml")]
    pub file: PathBuf,
}

pub(super) fn run(common: &Common, arguments: &Arguments) -> Result<()> {
    common.refuse_device("init")?;
    let Some(preset) = presets::find(&arguments.preset) else {
        let learned = crate::diffusion::presets::PRESETS.iter().find(|preset| preset.name == arguments.preset);
        let remedy = match presets::nearest(&arguments.preset) {
            _ if learned.is_some() => format!("It has no config: start it by `mixscore learn {}`", arguments.preset),
            Some(name) => format!("Did you mean {name}? `mixscore presets` lists them all"),
            None => "`mixscore presets` lists them".into(),
        };
        return Err(Failure::usage(format!("there is no config of a preset {}", arguments.preset.escape_debug()), remedy));
    };
    let file = &arguments.file;
    let mut out = OpenOptions::new().write(true).create_new(true).open(file).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => Error::bad_file(file, "this file exists already", "Choose another name, or remove it"),
        _ => Error::io(file, error),
    })?;
    out.write_all(completed(preset.text).as_bytes()).map_err(|e| Error::io(file, e))?;
    if common.json {
        return common.print_json(&serde_json::json!({"schema": "mixscore.init/1", "file": file.to_string_lossy(), "preset": preset.name}));
    }
    let verb = if preset.is_sweep() { "sweep" } else { "run" };
    common.say(&format!("wrote {}; run it by `mixscore {verb} {}`", file.display(), file.display()));
    Ok(())
}
