//! The `[teacher]` table: a file, or a generator with its own keys.

use std::path::Path;

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::error::Result;
use crate::mixture::GaussianMixture;
use crate::mixture::files::{read_mixture, read_points};
use crate::mixture::generate::Generator;
use crate::random::streams::{Purpose, key};

/// The source of the target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Table", into = "Table")]
pub enum Teacher {
    /// A mixture file.
    File(String),
    /// Points and a kernel: their empirical distribution convolved with N(0, h²I), a mixture with one component per point. A config gives
    /// the kernel by its `bandwidth` h, a standard deviation as everywhere in the field, or by its `variance` h².
    ///
    /// h² is the variance of every component, and of the student's components too, because a problem has one variance. Around a mode of
    /// data whose components have variance σ² the target therefore has variance σ² + h², so a single student component of variance h² is
    /// narrower than the target there, and several share it. To fit components with the data's own variance, use `mixscore learn`.
    Samples { samples: String, variance: f64 },
    /// `kind = "…"` and its keys.
    Generated(Generator),
    /// The same with `per_replicate = true`: every replicate draws its own.
    GeneratedEach(Generator),
}

impl Teacher {
    /// The mixture, or one for each of R replicates; a relative path starts at `base`.
    ///
    /// # Errors
    /// A file that is not a mixture, or numbers that do not form one.
    pub fn mixtures(&self, base: &Path, seed: u64, replicates: usize) -> Result<Vec<GaussianMixture>> {
        match self {
            Teacher::File(file) => Ok(vec![read_mixture(&base.join(file))?]),
            Teacher::Samples { samples, variance } => Ok(vec![of_samples(&base.join(samples), *variance)?]),
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

    /// The kernel around points, for messages.
    pub fn kernel(&self) -> Option<String> {
        let Teacher::Samples { samples, variance } = self else { return None };
        let bandwidth = variance.sqrt();
        Some(format!(
            "the teacher is a kernel around each point of {samples}: bandwidth (standard deviation) {bandwidth}, variance {variance}"
        ))
    }

    /// The generator, if it is not a file.
    pub fn generator(&self) -> Option<&Generator> {
        match self {
            Teacher::File(_) | Teacher::Samples { .. } => None,
            Teacher::Generated(generator) | Teacher::GeneratedEach(generator) => Some(generator),
        }
    }
}

/// The first replicate's teacher is that of a run without `per_replicate`.
fn seed_of(seed: u64, replicate: usize) -> u64 {
    let [low, high] = key(seed, Purpose::Teacher, replicate as u32);
    if replicate == 0 { seed } else { u64::from(low) | u64::from(high) << 32 }
}

/// The points of a file, each the mean of a component.
fn of_samples(path: &Path, variance: f64) -> Result<GaussianMixture> {
    let points = read_points(path)?;
    let (n, d) = (points.shape[0], points.shape[1]);
    GaussianMixture::new(vec![1.0 / n as f64; n], points.values, d, variance)
}

/// `samples = "…"` with `bandwidth = h` or `variance = h²`, and nothing else.
fn samples_of(mut table: Table, each: bool) -> std::result::Result<Teacher, String> {
    let (samples, bandwidth, variance) = (table.remove("samples"), table.remove("bandwidth"), table.remove("variance"));
    let Some(samples) = samples else { return Err("teacher.bandwidth belongs to teacher.samples, which is not there".into()) };
    if each || !table.is_empty() {
        let keys: Vec<String> = table.keys().map(|key| format!("`{key}`")).chain(each.then(|| "`per_replicate`".into())).collect();
        return Err(format!("[teacher] has samples and also {}: samples take only a bandwidth or a variance", keys.join(", ")));
    }
    let Value::String(samples) = samples else {
        return Err(format!("teacher.samples is of type {}, where a path is needed", samples.type_str()));
    };
    let bandwidth = bandwidth.map(|h| positive("teacher.bandwidth", &h)).transpose()?;
    let variance = match (bandwidth.map(|h| h * h), variance.map(|v| positive("teacher.variance", &v)).transpose()?) {
        (Some(of_bandwidth), Some(variance)) if (of_bandwidth - variance).abs() > SAME * variance => {
            return Err(format!(
                "teacher.bandwidth is {} and teacher.variance {variance}, but the variance is the square of the bandwidth, {of_bandwidth}: give one of them",
                of_bandwidth.sqrt()
            ));
        }
        (_, Some(variance)) | (Some(variance), None) => variance,
        (None, None) => {
            return Err("teacher.samples needs teacher.bandwidth, the kernel's standard deviation, or teacher.variance, its square".into());
        }
    };
    if variance > 0.0 && variance.is_finite() {
        return Ok(Teacher::Samples { samples, variance });
    }
    Err(format!("the square of teacher.bandwidth is {variance}, where a positive number is needed"))
}

/// A config written by a run gives both; they differ by rounding less than this.
const SAME: f64 = 1e-12;

fn positive(key: &str, value: &Value) -> std::result::Result<f64, String> {
    let number = value.as_float().or(value.as_integer().map(|number| number as f64));
    match number {
        Some(number) if number > 0.0 && number.is_finite() => Ok(number),
        Some(number) => Err(format!("{key} is {number}, where a positive number is needed")),
        None => Err(format!("{key} is of type {}, where a number is needed", value.type_str())),
    }
}

/// The other name of the same setting, which a new value of `key` replaces.
pub(crate) fn twin(key: &str) -> Option<&'static str> {
    match key {
        "teacher.bandwidth" => Some("variance"),
        "teacher.variance" => Some("bandwidth"),
        _ => None,
    }
}

/// Renames the bandwidth in the config of a run or sweep folder by an early version, which gave only a bandwidth and meant the variance
/// (later ones give both). Returns whether it was renamed.
pub(crate) fn rename_old_bandwidth(config: &mut Table) -> bool {
    let Some(Value::Table(teacher)) = config.get_mut("teacher") else { return false };
    if !teacher.contains_key("samples") || teacher.contains_key("variance") {
        return false;
    }
    teacher.remove("bandwidth").is_some_and(|variance| teacher.insert("variance".into(), variance).is_none())
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
            Teacher::Samples { samples, variance } => Table::from_iter([
                ("samples".to_string(), Value::String(samples)),
                ("bandwidth".to_string(), Value::Float(variance.sqrt())),
                ("variance".to_string(), Value::Float(variance)),
            ]),
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
    fn a_bandwidth_is_a_standard_deviation_and_a_variance_its_square() {
        for (text, variance) in [
            ("samples = 'x.npy'\nbandwidth = 0.5", 0.25),
            ("samples = 'x.npy'\nvariance = 0.5", 0.5),
            ("samples = 'x.npy'\nbandwidth = 3", 9.0),
            ("samples = 'x.npy'\nbandwidth = 0.1\nvariance = 0.01", 0.01),
            ("samples = 'x.npy'\nvariance = 0.3", 0.3),
        ] {
            let good = teacher(text).unwrap();
            assert_eq!(good, Teacher::Samples { samples: "x.npy".into(), variance }, "{text}");
            let written = Table::from(good.clone());
            let err = (written["bandwidth"].as_float().unwrap().powi(2) - written["variance"].as_float().unwrap()).abs();
            assert!(err <= 1e-15, "both are written: {written}");
            assert_eq!(teacher(&toml::to_string(&written).unwrap()).unwrap(), good);
            assert!(good.kernel().unwrap().contains(&format!("variance {variance}")));
        }
    }

    #[test]
    fn samples_need_one_kernel_and_nothing_else() {
        for (text, fault) in [
            ("samples = 'x.npy'", "needs teacher.bandwidth"),
            ("samples = 'x.npy'\nbandwidth = 0", "bandwidth is 0"),
            ("samples = 'x.npy'\nbandwidth = nan", "bandwidth is NaN"),
            ("samples = 'x.npy'\nvariance = -1", "variance is -1"),
            ("samples = 'x.npy'\nvariance = 'wide'", "of type string"),
            ("samples = 'x.npy'\nbandwidth = 1e-200", "square of teacher.bandwidth is 0"),
            ("samples = 'x.npy'\nbandwidth = 0.5\nvariance = 0.5", "give one of them"),
            ("samples = 3\nbandwidth = 1", "teacher.samples is of type integer"),
            ("bandwidth = 1", "which is not there"),
            ("samples = 'x.npy'\nbandwidth = 1\nfile = 'y.npz'", "also `file`"),
        ] {
            let error = teacher(text).unwrap_err();
            assert!(error.contains(fault), "{text}: {error}");
        }
    }

    /// A config of an earlier version keeps its meaning; current configs and those without points are not changed.
    #[test]
    fn the_bandwidth_of_an_old_folder_is_renamed() {
        let renamed = |text: &str| {
            let mut config: Table = text.parse().unwrap();
            rename_old_bandwidth(&mut config).then(|| Teacher::try_from(config["teacher"].as_table().unwrap().clone()).unwrap())
        };
        let old = renamed("[teacher]\nsamples = 'x.npy'\nbandwidth = 0.5").unwrap();
        assert_eq!(old, Teacher::Samples { samples: "x.npy".into(), variance: 0.5 });
        assert_eq!(renamed("[teacher]\nsamples = 'x.npy'\nbandwidth = 0.5\nvariance = 0.25"), None);
        assert_eq!(renamed("[teacher]\nfile = 't.npz'"), None);
        assert_eq!(renamed("seed = 1"), None);
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
        let teacher = Teacher::Samples { samples: "x.npy".into(), variance: 0.25 };
        let mixture = teacher.mixtures(folder.path(), 0, 1).unwrap().remove(0);
        assert_eq!((mixture.n_components(), mixture.variance(), mixture.mean(2)), (3, 0.25, &[4., 5.][..]));
    }
}
