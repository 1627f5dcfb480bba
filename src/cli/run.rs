//! `mixscore run`: one experiment, from a config file or a preset, into a run folder.

use std::path::{Path, PathBuf};

use super::Common;
use super::exit::Result;
use super::progress::{self};
use crate::error::Error;
use crate::experiment::run_folder::{Output, name_of};
use crate::experiment::{explain::with_name, presets, reading};

#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    pub experiment: Experiment,
    /// The run folder; left out: runs/NAME-1, NAME-2, …
    #[arg(long, value_name = "DIR")]
    pub output: Option<PathBuf>,
}

/// The experiment of `run` or `sweep`.
#[derive(clap::Args)]
pub struct Experiment {
    /// A TOML file, or a name that `mixscore presets` lists.
    #[arg(value_name = "CONFIG|PRESET")]
    pub config: PathBuf,
    /// Overrides a key of the config, as descent.steps=50, or an axis of a sweep, as `teacher.separation=[2,3]`; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = overriding)]
    pub overrides: Vec<String>,
}

/// Refuses a text that is not KEY=VALUE.
fn overriding(text: &str) -> std::result::Result<String, String> {
    match reading::assignment(text) {
        Ok(_) => Ok(text.into()),
        Err(error) => Err(format!("--set {error}")),
    }
}

pub(super) fn run(common: &Common, arguments: &Arguments) -> Result<()> {
    let Experiment { config: name, overrides } = &arguments.experiment;
    let source = source(name)?;
    let config = reading::config_from(&source.text, overrides, common.seed).map_err(|error| with_name(error, &source.label))?;
    config.teacher.kernel().iter().for_each(|kernel| common.say(kernel));
    if source.text.lines().any(|line| line.starts_with("[sweep") || line.starts_with("[[sweep")) {
        common.say(&format!("this is one run of a sweep; `mixscore sweep {}` runs all of its cells", name.display()));
    }
    let output = arguments.output.clone().map_or(Output::Numbered(source.name), Output::At);
    progress::with_progress(common, |request| crate::experiment::run::run(&config, &source.base, &output, request))
}

/// The text of a config, the name of its runs, and the base of its relative paths.
pub(super) struct Source {
    pub text: String,
    pub name: String,
    /// Its name in errors.
    pub label: String,
    pub base: PathBuf,
}

/// A file of that name, else the preset of that name.
pub(super) fn source(path: &Path) -> Result<Source> {
    let name = path.to_str().unwrap_or_default(); // no preset has a name that is not valid text
    if !path.is_file()
        && let Some(preset) = presets::find(name)
    {
        let label = format!("the preset {}", preset.name);
        return Ok(Source { text: preset.text.into(), name: preset.name.into(), label, base: PathBuf::from(".") });
    }
    if path.symlink_metadata().is_err()
        && let Some(nearest) = presets::nearest(name)
    {
        return Err(Error::bad_file(
            path,
            "there is no such file or preset",
            format!("Did you mean the preset {nearest}? `mixscore presets` lists them all"),
        )
        .into());
    }
    let text = reading::text_of(path)?;
    let base = path.parent().map_or(PathBuf::from("."), Path::to_path_buf);
    Ok(Source { text, name: name_of(path), label: path.display().to_string(), base })
}
