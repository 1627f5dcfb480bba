//! `mixscore shaders DIR`: every composed WGSL module as a file, ready for any WGSL compiler.

use std::path::PathBuf;

use serde_json::json;

use super::Common;
use super::exit::Result;
use crate::error::Error;
use crate::gpu::device::shaders::Kernel;

#[derive(clap::Args)]
pub struct Arguments {
    /// The folder to write to; created if it is missing.
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

pub(super) fn run(common: &Common, arguments: &Arguments) -> Result<()> {
    let folder = &arguments.directory;
    std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
    let mut files = Vec::new();
    for kernel in Kernel::all() {
        let path = folder.join(format!("{}.wgsl", kernel.name()));
        std::fs::write(&path, kernel.standard_source()).map_err(|e| Error::io(&path, e))?;
        files.push(path.display().to_string());
    }
    if common.json {
        return common.print_json(&json!({ "schema": "mixscore.shaders/1", "files": files }));
    }
    common.say(&format!("{} modules written to {}", files.len(), folder.display()));
    Ok(())
}
