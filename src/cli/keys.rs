//! `mixscore keys`: every key of a config.

use serde_json::json;

use super::Common;
use super::exit::{Failure, Result};
use crate::experiment::keys::{KEYS, Key};

#[derive(clap::Args)]
pub struct Arguments {
    /// Only keys that begin so, as descent or student.start.
    #[arg(value_name = "KEY")]
    beginning: Option<String>,
}

pub(super) fn run(common: &Common, arguments: &Arguments) -> Result<()> {
    common.refuse_device("keys")?;
    let beginning = arguments.beginning.as_deref().unwrap_or_default();
    let keys: Vec<&Key> = KEYS.iter().filter(|key| key.name.starts_with(beginning)).collect();
    if keys.is_empty() {
        return Err(Failure::Usage {
            what: format!("no key begins with {}", beginning.escape_debug()),
            remedy: "`mixscore keys` lists them all".into(),
        });
    }
    if common.json {
        return common.print_json(&json!({"schema": "mixscore.keys/1", "keys": keys}));
    }
    common.print(&keys.into_iter().map(text).collect::<Vec<_>>().join("\n"))
}

fn text(key: &Key) -> String {
    let kind = json!(key.r#type).as_str().unwrap_or_default().to_string();
    let default = if key.default.is_empty() { String::new() } else { format!(" = {}", key.default) };
    let unit = if key.unit.is_empty() { String::new() } else { format!(" [{}]", key.unit) };
    let applies = if key.applies.is_empty() { String::new() } else { format!("\n    where {}", key.applies) };
    format!("{}{default}  ({kind})\n    {}{unit}{applies}", key.name, key.meaning)
}
