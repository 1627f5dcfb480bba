//! `mixscore report`: the page of a run or of a sweep, again, from its folder alone.

use std::path::PathBuf;

use serde_json::json;

use super::Common;
use crate::error::Result;

#[derive(clap::Args)]
pub struct Arguments {
    /// A run folder, as `mixscore run` writes it, or a sweep's folder.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

pub fn run(common: &Common, arguments: &Arguments) -> Result<()> {
    if arguments.folder.join("sweep.toml").exists() {
        crate::report::write_sweep(&arguments.folder)?;
    } else {
        crate::report::write_run(&arguments.folder)?;
    }
    let page = arguments.folder.join("report.html");
    if common.json {
        return common.print_json(&json!({ "schema": "mixscore.report/1", "output": page.to_string_lossy() }));
    }
    common.print(&page.display().to_string())
}
