//! `mixscore man DIR`: a manual page for the program and one for each verb.

use std::path::PathBuf;

use clap::{Command, CommandFactory};
use serde_json::json;

use super::exit::Result;
use super::{Cli, Common};
use crate::error::Error;
use crate::mixture::files::write_atomically;

#[derive(clap::Args)]
pub struct Arguments {
    /// The folder to write mixscore.1, mixscore-run.1, … to; created if it is missing.
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

pub(super) fn run(common: &Common, arguments: &Arguments) -> Result<()> {
    common.refuse_device("man")?;
    let folder = &arguments.directory;
    std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
    let mut program = Cli::command();
    program.build(); // gives every verb the common options
    let verbs = program.get_subcommands().filter(|verb| !verb.is_hide_set() && verb.get_name() != "help");
    let pages: Vec<(String, Command)> = std::iter::once(("mixscore".to_string(), program.clone()))
        .chain(verbs.map(|verb| (format!("mixscore-{}", verb.get_name()), verb.clone())))
        .collect();
    let mut files = Vec::new();
    for (name, command) in pages {
        let path = folder.join(format!("{name}.1"));
        let page = clap_mangen::Man::new(command.display_name(name));
        write_atomically(&path, |mut out| page.render(&mut out))?;
        files.push(path.display().to_string());
    }
    if common.json {
        return common.print_json(&json!({ "schema": "mixscore.man/1", "files": files }));
    }
    common.say(&format!("{} pages written to {}", files.len(), folder.display()));
    Ok(())
}
