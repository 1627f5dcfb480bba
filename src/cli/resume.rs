//! `mixscore resume`: goes on with a stopped or killed run.

use std::path::PathBuf;

use super::Common;
use super::exit::{Failure, Result};
use super::progress::{self, Progress};
use crate::experiment::run::{Asked, Event};

#[derive(clap::Args)]
pub struct Arguments {
    /// The run folder.
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
}

pub fn run(common: &Common, arguments: &Arguments) -> Result<()> {
    if common.seed.is_some() {
        return Err(Failure::usage("a resumed run keeps its seed", "Leave --seed out, or start a new run"));
    }
    let mut progress = Progress::new(common);
    let asked = Asked {
        device: common.device,
        command_line: progress::command_line(),
        interrupted: progress::interruption(),
        tell: &mut |event: &Event| progress.show(event),
        report: true,
    };
    let outcome = crate::experiment::run::resume(&arguments.folder, asked)?;
    progress::conclude(common, &outcome)
}
