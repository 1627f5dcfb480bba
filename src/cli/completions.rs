//! `mixscore completions SHELL`: a script by which a shell completes verbs and options.

use clap::CommandFactory;
use clap_complete::Shell;

use super::exit::Result;
use super::{Cli, Common};

#[derive(clap::Args)]
pub struct Arguments {
    /// The shell; its documentation says where such scripts go.
    #[arg(value_name = "SHELL", value_enum)]
    shell: Shell,
}

pub(super) fn run(common: &Common, arguments: &Arguments) -> Result<()> {
    common.refuse_device("completions")?;
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "mixscore", &mut script);
    common.print(String::from_utf8_lossy(&script).trim_end())
}
