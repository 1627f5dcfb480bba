//! The `[teacher]` table: a file, or a generator with its own keys.

use std::path::Path;

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::error::Result;
use crate::mixture::GaussianMixture;
use crate::mixture::files::read_mixture;
use crate::mixture::generate::Generator;

/// Where the target comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Table", into = "Table")]
pub enum Teacher {
    /// A mixture file.
    File(String),
    /// `kind = "…"` and its keys.
    Generated(Generator),
}

impl Teacher {
    /// The mixture; a relative path starts at `base`.
    ///
    /// # Errors
    /// Exit 4, for a file that is none or numbers that make no mixture.
    pub fn mixture(&self, base: &Path, seed: u64) -> Result<GaussianMixture> {
        match self {
            Teacher::File(file) => read_mixture(&base.join(file)),
            Teacher::Generated(generator) => generator.generate(seed),
        }
    }

    /// The file's name, to be changed.
    pub fn file_mut(&mut self) -> Option<&mut String> {
        match self {
            Teacher::File(file) => Some(file),
            Teacher::Generated(_) => None,
        }
    }
}

impl TryFrom<Table> for Teacher {
    type Error = String;

    fn try_from(mut table: Table) -> std::result::Result<Self, String> {
        match table.remove("file") {
            None if !table.contains_key("kind") => Err("[teacher] has neither a file nor a kind".into()),
            None => table.try_into().map(Teacher::Generated).map_err(|error: toml::de::Error| error.message().to_string()),
            Some(_) if !table.is_empty() => {
                Err(format!("[teacher] has a file and also {}", table.keys().map(|k| format!("`{k}`")).collect::<Vec<_>>().join(", ")))
            }
            Some(Value::String(file)) => Ok(Teacher::File(file)),
            Some(other) => Err(format!("teacher.file is a {}, where a path is needed", other.type_str())),
        }
    }
}

impl From<Teacher> for Table {
    fn from(teacher: Teacher) -> Table {
        match teacher {
            Teacher::File(file) => Table::from_iter([("file".to_string(), Value::String(file))]),
            Teacher::Generated(generator) => Table::try_from(generator).unwrap_or_default(),
        }
    }
}
