//! `mixscore resume`: goes on with a stopped or killed run.

use std::path::PathBuf;

use super::Common;
use super::progress::{self, Progress};
use crate::error::{Error, Result};
use crate::experiment::events::Event;
use crate::experiment::run::Request;

#[derive(clap::Args)]
pub struct Arguments {
    /// The run folder.
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
}

pub fn run(common: &Common, arguments: &Arguments) -> Result<()> {
    if common.seed.is_some() {
        return Err(Error::Usage { what: "a resumed run keeps its seed".into(), remedy: "Leave --seed out, or start a new run".into() });
    }
    let mut progress = Progress::new(common);
    let request = Request {
        device: common.device,
        command_line: progress::command_line(),
        interrupted: progress::interruption(),
        on_event: &mut |event: &Event| progress.show(event),
        draw: Some(&crate::report::write_run),
    };
    let outcome = crate::experiment::run::resume(&arguments.folder, request)?;
    progress::conclude(common, &outcome)
}
