//! `mixscore report`: the page of a run, of a sweep or of what was learned, again, from its folder.

use std::path::PathBuf;

use serde_json::json;

use super::Common;
use super::exit::Result;

#[derive(clap::Args)]
pub struct Arguments {
    /// A folder as `mixscore run`, `sweep` or `learn` wrote it. What was learned from a file needs that file, where it was.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

pub(super) fn run(common: &Common, arguments: &Arguments) -> Result<()> {
    let page = crate::report::write(&arguments.folder)?;
    if common.json {
        return common.print_json(&json!({ "schema": "mixscore.report/1", "output": page.to_string_lossy() }));
    }
    common.print(&page.display().to_string())
}
