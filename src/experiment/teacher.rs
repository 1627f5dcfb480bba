//! The `[teacher]` table: a file, or a generator with its own keys.

use std::path::Path;

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::error::Result;
use crate::mixture::GaussianMixture;
use crate::mixture::files::read_mixture;
use crate::mixture::generate::Generator;
use crate::random::streams::{Purpose, key};

/// Where the target comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Table", into = "Table")]
pub enum Teacher {
    /// A mixture file.
    File(String),
    /// `kind = "…"` and its keys.
    Generated(Generator),
    /// The same with `per_replicate = true`: every replicate has its own draw.
    GeneratedEach(Generator),
}

impl Teacher {
    /// The mixture, or one for each of R replicates; a relative path starts at `base`.
    ///
    /// # Errors
    /// Exit 4, for a file that is none or numbers that make no mixture.
    pub fn mixtures(&self, base: &Path, seed: u64, replicates: usize) -> Result<Vec<GaussianMixture>> {
        match self {
            Teacher::File(file) => Ok(vec![read_mixture(&base.join(file))?]),
            Teacher::Generated(generator) => Ok(vec![generator.generate(seed)?]),
            Teacher::GeneratedEach(generator) => (0..replicates).map(|r| generator.generate(seed_of(seed, r))).collect(),
        }
    }

    /// The file's name, to be changed.
    pub fn file_mut(&mut self) -> Option<&mut String> {
        match self {
            Teacher::File(file) => Some(file),
            Teacher::Generated(_) | Teacher::GeneratedEach(_) => None,
        }
    }

    /// What makes it, where it is not a file.
    pub fn generator(&self) -> Option<&Generator> {
        match self {
            Teacher::File(_) => None,
            Teacher::Generated(generator) | Teacher::GeneratedEach(generator) => Some(generator),
        }
    }
}

/// The first replicate's teacher is the one that a run without `per_replicate` has.
fn seed_of(seed: u64, replicate: usize) -> u64 {
    let [low, high] = key(seed, Purpose::Teacher, replicate as u32);
    if replicate == 0 { seed } else { u64::from(low) | u64::from(high) << 32 }
}

impl TryFrom<Table> for Teacher {
    type Error = String;

    fn try_from(mut table: Table) -> std::result::Result<Self, String> {
        let each = match table.remove("per_replicate") {
            None => false,
            Some(Value::Boolean(each)) => each,
            Some(other) => return Err(format!("teacher.per_replicate is {other}, where true or false is needed")),
        };
        match table.remove("file") {
            None if !table.contains_key("kind") => Err("[teacher] has neither a file nor a kind".into()),
            None => {
                let generator = table.try_into().map_err(|error: toml::de::Error| error.message().to_string())?;
                Ok(if each { Teacher::GeneratedEach(generator) } else { Teacher::Generated(generator) })
            }
            Some(_) if each => Err("teacher.per_replicate is true, but a file is one teacher for all".into()),
            Some(_) if !table.is_empty() => {
                let keys: Vec<String> = table.keys().map(|key| format!("`{key}`")).collect();
                let cure = "give one of them; --set 'teacher={file=\"t.npz\"}' takes the whole table's place";
                Err(format!("[teacher] has a file and also {}: {cure}", keys.join(", ")))
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
            Teacher::GeneratedEach(generator) => {
                let mut table = Table::try_from(generator).unwrap_or_default();
                table.insert("per_replicate".into(), Value::Boolean(true));
                table
            }
        }
    }
}
