use super::Common;
use crate::error::Result;

#[derive(clap::Args)]
pub struct Arguments {}

pub fn run(_common: &Common, _arguments: &Arguments) -> Result<()> {
    todo!()
}
