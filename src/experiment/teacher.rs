//! The `[teacher]` table: a file, or a generator with its own keys.

use std::path::Path;

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::error::Result;
use crate::mixture::GaussianMixture;
use crate::mixture::files::{read_mixture, read_points};
use crate::mixture::generate::Generator;
use crate::random::streams::{Purpose, key};

/// Where the target comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Table", into = "Table")]
pub enum Teacher {
    /// A mixture file.
    File(String),
    /// Points and a bandwidth h: their empirical distribution convolved with N(0, hI), a mixture of as many components as points.
    ///
    /// h is the variance of every component, and so of the student's components too: a problem has one variance. Around a mode of
    /// data whose components have variance σ² the target therefore has variance σ² + h, and one student of variance h that sits there
    /// sees a wider target than itself; several share it. To fit components of the data's own variance, use `mixscore learn`.
    Samples { samples: String, bandwidth: f64 },
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
            Teacher::Samples { samples, bandwidth } => Ok(vec![of_samples(&base.join(samples), *bandwidth)?]),
            Teacher::Generated(generator) => Ok(vec![generator.generate(seed)?]),
            Teacher::GeneratedEach(generator) => (0..replicates).map(|r| generator.generate(seed_of(seed, r))).collect(),
        }
    }

    /// The name of the file, mutably.
    pub fn file_mut(&mut self) -> Option<&mut String> {
        match self {
            Teacher::File(file) | Teacher::Samples { samples: file, .. } => Some(file),
            Teacher::Generated(_) | Teacher::GeneratedEach(_) => None,
        }
    }

    /// What makes it, where it is not a file.
    pub fn generator(&self) -> Option<&Generator> {
        match self {
            Teacher::File(_) | Teacher::Samples { .. } => None,
            Teacher::Generated(generator) | Teacher::GeneratedEach(generator) => Some(generator),
        }
    }
}

/// The first replicate's teacher is the one that a run without `per_replicate` has.
fn seed_of(seed: u64, replicate: usize) -> u64 {
    let [low, high] = key(seed, Purpose::Teacher, replicate as u32);
    if replicate == 0 { seed } else { u64::from(low) | u64::from(high) << 32 }
}

/// The points of a file, each the mean of a component of variance `bandwidth`.
fn of_samples(path: &Path, bandwidth: f64) -> Result<GaussianMixture> {
    let points = read_points(path)?;
    let (n, d) = (points.shape[0], points.shape[1]);
    GaussianMixture::new(vec![1.0 / n as f64; n], points.values, d, bandwidth)
}

/// `samples = "…"` and `bandwidth = h`, and nothing else.
fn samples_of(mut table: Table, each: bool) -> std::result::Result<Teacher, String> {
    let (samples, bandwidth) = (table.remove("samples"), table.remove("bandwidth"));
    if each || !table.is_empty() {
        let keys: Vec<String> = table.keys().map(|key| format!("`{key}`")).chain(each.then(|| "`per_replicate`".into())).collect();
        return Err(format!("[teacher] has samples and also {}: samples take only a bandwidth", keys.join(", ")));
    }
    let bandwidth = bandwidth.and_then(|h| h.as_float().or(h.as_integer().map(|h| h as f64)));
    match (samples, bandwidth) {
        (Some(Value::String(samples)), Some(bandwidth)) if bandwidth > 0.0 && bandwidth.is_finite() => {
            Ok(Teacher::Samples { samples, bandwidth })
        }
        (Some(Value::String(_)), Some(bandwidth)) => Err(format!("teacher.bandwidth is {bandwidth}, where a positive number is needed")),
        (Some(Value::String(_)), None) => Err("teacher.samples needs teacher.bandwidth, the variance of a component, as a number".into()),
        (Some(other), _) => Err(format!("teacher.samples is of type {}, where a path is needed", other.type_str())),
        (None, _) => Err("teacher.bandwidth belongs to teacher.samples, which is not there".into()),
    }
}

impl TryFrom<Table> for Teacher {
    type Error = String;

    fn try_from(mut table: Table) -> std::result::Result<Self, String> {
        let each = match table.remove("per_replicate") {
            None => false,
            Some(Value::Boolean(each)) => each,
            Some(other) => return Err(format!("teacher.per_replicate is {other}, where true or false is needed")),
        };
        if table.contains_key("samples") || table.contains_key("bandwidth") {
            return samples_of(table, each);
        }
        match table.remove("file") {
            None if !table.contains_key("kind") => Err("[teacher] has neither a file nor a kind nor samples".into()),
            None => {
                let generator = table.try_into().map_err(|error: toml::de::Error| error.message().to_string())?;
                Ok(if each { Teacher::GeneratedEach(generator) } else { Teacher::Generated(generator) })
            }
            Some(_) if each => Err("teacher.per_replicate is true, but a file is one teacher for all".into()),
            Some(_) if !table.is_empty() => {
                let keys: Vec<String> = table.keys().map(|key| format!("`{key}`")).collect();
                let cure = "give one of them; the override teacher={file=\"t.npz\"} takes the whole table's place";
                Err(format!("[teacher] has a file and also {}: {cure}", keys.join(", ")))
            }
            Some(Value::String(file)) => Ok(Teacher::File(file)),
            Some(other) => Err(format!("teacher.file is of type {}, where a path is needed", other.type_str())),
        }
    }
}

impl From<Teacher> for Table {
    fn from(teacher: Teacher) -> Table {
        match teacher {
            Teacher::File(file) => Table::from_iter([("file".to_string(), Value::String(file))]),
            Teacher::Samples { samples, bandwidth } => {
                Table::from_iter([("samples".to_string(), Value::String(samples)), ("bandwidth".to_string(), Value::Float(bandwidth))])
            }
            Teacher::Generated(generator) => Table::try_from(generator).unwrap_or_default(),
            Teacher::GeneratedEach(generator) => {
                let mut table = Table::try_from(generator).unwrap_or_default();
                table.insert("per_replicate".into(), Value::Boolean(true));
                table
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn teacher(text: &str) -> std::result::Result<Teacher, String> {
        Teacher::try_from(text.parse::<Table>().unwrap())
    }

    #[test]
    fn samples_need_a_bandwidth_and_nothing_else() {
        let good = teacher("samples = 'x.npy'\nbandwidth = 1").unwrap();
        assert_eq!(good, Teacher::Samples { samples: "x.npy".into(), bandwidth: 1.0 });
        assert_eq!(teacher(&toml::to_string(&Table::from(good.clone())).unwrap()).unwrap(), good);
        for (text, fault) in [
            ("samples = 'x.npy'", "needs teacher.bandwidth"),
            ("samples = 'x.npy'\nbandwidth = 0", "bandwidth is 0"),
            ("samples = 'x.npy'\nbandwidth = nan", "bandwidth is NaN"),
            ("samples = 3\nbandwidth = 1", "teacher.samples is of type integer"),
            ("bandwidth = 1", "which is not there"),
            ("samples = 'x.npy'\nbandwidth = 1\nfile = 'y.npz'", "also `file`"),
        ] {
            let error = teacher(text).unwrap_err();
            assert!(error.contains(fault), "{text}: {error}");
        }
    }

    #[test]
    fn points_become_components() {
        let folder = tempfile::tempdir().unwrap();
        crate::mixture::files::write_npy(
            &folder.path().join("x.npy"),
            &[3, 2],
            crate::mixture::files::Values::F64(&[0., 1., 2., 3., 4., 5.]),
        )
        .unwrap();
        let teacher = Teacher::Samples { samples: "x.npy".into(), bandwidth: 0.25 };
        let mixture = teacher.mixtures(folder.path(), 0, 1).unwrap().remove(0);
        assert_eq!((mixture.n_components(), mixture.variance(), mixture.mean(2)), (3, 0.25, &[4., 5.][..]));
    }
}
