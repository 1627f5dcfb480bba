//! `mixscore resume`: goes on with a stopped or killed run or sweep, or gives a run more steps.

use std::path::PathBuf;

use super::Common;
use super::exit::{Failure, Result};
use super::progress::{self};

#[derive(clap::Args)]
pub struct Arguments {
    /// The folder of a run or of a sweep.
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// Another last step for a run, also for one that is finished.
    #[arg(long, value_name = "N")]
    pub steps: Option<u64>,
}

pub(super) fn run(common: &Common, arguments: &Arguments) -> Result<()> {
    if common.seed.is_some() {
        return Err(Failure::usage("a resumed run keeps its seed", "Leave --seed out, or start a new run"));
    }
    if super::sweep::is_sweep(&arguments.folder) {
        return match arguments.steps {
            None => super::sweep::resume(common, &arguments.folder),
            Some(steps) => Err(Failure::usage(
                "--steps is for a run, and this is the folder of a sweep",
                format!("Sweep again with --set descent.steps={steps} and another --output"),
            )),
        };
    }
    progress::with_progress(common, |request| crate::experiment::run::resume(&arguments.folder, arguments.steps, request))
}
