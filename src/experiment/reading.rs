//! From TOML text and overrides to a checked config; size and nesting are limited.

use std::path::Path;

use toml::{Table, Value};

use crate::error::{Error, Result};
use crate::objective::divergence::Sampler;

use super::config::Config;
use super::explain::{explained, not_toml, with_place};
use super::keys::with_counts;
use super::{limits, teacher};

/// A config is a page of text; anything larger is something else.
const MOST_BYTES: u64 = 1 << 20;

/// Samples per component if a config does not say.
const DEFAULT_SAMPLES: usize = 4096;

/// The config in `text` with `overrides` ("descent.steps=50") and `seed` applied, defaults filled in and numbers checked. A `[sweep]` table
/// in it is ignored: the rest of a sweep's config is an experiment too.
pub(crate) fn config_from(text: &str, overrides: &[String], seed: Option<u64>) -> Result<Config> {
    let mut table = table_from(text)?;
    for text in overrides {
        let (key, value) = assignment(text)?;
        set(&mut table, &key, value)?;
    }
    table.remove("sweep");
    config_of(table, seed).map_err(|error| with_place(error, text, overrides))
}

/// The text as a TOML table.
///
/// # Errors
/// [`Error::BadConfig`] for a text that is too large or not TOML.
pub(crate) fn table_from(text: &str) -> Result<Table> {
    if text.len() as u64 > MOST_BYTES {
        return Err(too_large(text.len() as u64));
    }
    text.parse().map_err(|error: toml::de::Error| not_toml(text, &error))
}

/// The config in a table, with `seed` applied, defaults filled in and numbers checked.
pub(crate) fn config_of(mut table: Table, seed: Option<u64>) -> Result<Config> {
    with_counts(&mut table);
    let mut config: Config = table.try_into().map_err(|error| explained(&error))?;
    config.seed = seed.unwrap_or(config.seed);
    if config.objective.sampler != Sampler::Grid {
        config.objective.samples.get_or_insert(DEFAULT_SAMPLES);
    }
    if config.student.components.is_some() {
        config.student.start.get_or_insert_default();
    }
    limits::check(&config)?;
    Ok(config)
}

/// The text of a config file.
pub(crate) fn text_of(path: &Path) -> Result<String> {
    let remedy = "Give a config file, or the name of a preset";
    let found = std::fs::metadata(path).map_err(|error| Error::bad_file(path, error.to_string(), remedy))?;
    if !found.is_file() {
        return Err(Error::bad_file(path, "this is not a file", remedy));
    }
    if found.len() > MOST_BYTES {
        return Err(too_large(found.len()));
    }
    let bytes = std::fs::read(path).map_err(|error| Error::bad_file(path, error.to_string(), remedy))?;
    let text =
        String::from_utf8(bytes).map_err(|error| Error::bad_file(path, format!("the text is not UTF-8 ({error})"), "Save it as UTF-8"))?;
    check_bandwidth(path, &text)?;
    Ok(text)
}

/// Refuses the config of a run or sweep folder whose `bandwidth` means a variance, because today that name means another kernel.
fn check_bandwidth(path: &Path, text: &str) -> Result<()> {
    let is_written =
        ["config.toml", "sweep.toml"].iter().any(|name| path.ends_with(name)) && path.with_file_name("environment.json").is_file();
    if is_written && text.parse::<Table>().is_ok_and(|mut table| teacher::rename_old_bandwidth(&mut table)) {
        return Err(Error::bad_file(
            path,
            "an earlier version wrote this file, in which bandwidth is the kernel's variance; now it is its standard deviation",
            "Copy the file elsewhere, and rename every bandwidth in it to variance",
        ));
    }
    Ok(())
}

/// The key and the value of "a.b=VALUE"; VALUE is TOML, or else a bare string.
pub(crate) fn assignment(text: &str) -> Result<(String, Value)> {
    let Some((key, text)) = text.split_once('=') else {
        return Err(Error::BadChoice {
            what: format!("{} has no =", text.escape_debug()),
            remedy: "Write KEY=VALUE, as descent.steps=50".into(),
        });
    };
    let text = text.trim();
    let value = match format!("value = {text}").parse::<Table>() {
        Ok(mut parsed) if parsed.len() == 1 => parsed.remove("value").unwrap_or_else(|| Value::String(text.into())),
        _ => Value::String(text.into()),
    };
    Ok((key.trim().into(), value))
}

/// Sets the key "a.b" of the table.
///
/// # Errors
/// [`Error::BadConfig`] if a part of the key is not a table.
pub(crate) fn set(table: &mut Table, key: &str, value: Value) -> Result<()> {
    let mut path: Vec<&str> = key.split('.').map(str::trim).collect();
    let last = path.pop().unwrap_or_default();
    let mut at = table;
    for part in path {
        let entry = at.entry(part).or_insert_with(|| Value::Table(Table::new()));
        let Value::Table(inner) = entry else {
            return Err(Error::bad_config(
                format!("{key}: {part} is a value, not a table"),
                "Name a key as in the config, as descent.steps",
            ));
        };
        at = inner;
    }
    at.insert(last.into(), value);
    teacher::twin(key).and_then(|twin| at.remove(twin));
    Ok(())
}

fn too_large(bytes: u64) -> Error {
    Error::bad_config(
        format!("the text has {bytes} bytes, more than the {MOST_BYTES} that a config may have"),
        "Put long lists of numbers into a file of means and name it under `file`",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = "[teacher]\nkind = \"circle\"\ncomponents = 5\n[student]\ncomponents = 4\n[student.start]\nscheme = \"wide\"\n";

    fn message(text: &str, overrides: &[&str]) -> String {
        let overrides: Vec<String> = overrides.iter().map(ToString::to_string).collect();
        match config_from(text, &overrides, None) {
            Ok(config) => format!("accepted: {config:?}"),
            Err(error) => {
                assert!(matches!(error, Error::BadConfig { .. } | Error::BadInput { .. }), "{error}");
                error.to_string()
            }
        }
    }

    #[test]
    fn defaults_are_filled_in_and_written() {
        let config = config_from(SMALL, &[], None).unwrap();
        assert_eq!((config.descent.steps, config.objective.samples, config.log.every), (1000, Some(4096), 10));
        let written = toml::to_string_pretty(&config).unwrap();
        for key in
            ["replicates = 1", "step_size = 0.5", "divide_by_weight = true", "every_seconds = 60.0", "trajectory = true", "noise = 0.0"]
        {
            assert!(written.contains(key), "{key} is not in\n{written}");
        }
        let again = config_from(&written, &[], None).unwrap();
        assert_eq!(toml::to_string_pretty(&again).unwrap(), written);
    }

    #[test]
    fn overrides_are_toml_or_bare_strings() {
        let set = ["descent.steps=50", "objective.divergence=forward", "objective.samples = 64", "log.trajectory=false"].map(String::from);
        let config = config_from(SMALL, &set, Some(7)).unwrap();
        assert_eq!((config.descent.steps, config.objective.samples, config.log.trajectory, config.seed), (50, Some(64), false, 7));
        assert_eq!(config.objective.divergence, crate::objective::divergence::Divergence::Forward);
    }

    #[test]
    fn typing_errors_get_a_suggestion() {
        assert!(message(SMALL, &["descent.step_sise=1"]).contains("Did you mean `step_size`"));
        assert!(message(SMALL, &["objective.divergence=revers"]).contains("Did you mean `reverse`"));
        assert!(message(SMALL, &["desent.steps=1"]).contains("Did you mean `descent`"));
        assert!(message(SMALL, &["student.start.scheme=wyde"]).contains("Did you mean `wide`"));
        assert!(message(SMALL, &["teacher.kind=circel"]).contains("Did you mean `circle`"));
        assert!(message(SMALL, &["objective.divergence=revers"]).contains("objective.divergence"));
        assert!(message(SMALL, &["descent.steps=many"]).contains("descent.steps: invalid type: string \"many\", expected a whole number"));
    }

    #[test]
    fn numbers_as_weapons_are_refused() {
        for weapon in [
            "student.components=4294967296",
            "student.components=18446744073709551615",
            "objective.samples=18446744073709551615",
            "objective.samples=9223372036854775807",
            "descent.steps=9223372036854775807",
            "descent.step_size=0",
            "descent.step_size=-0.5",
            "descent.step_size=nan",
            "descent.step_size=inf",
            "descent.gradient_tolerance=nan",
            "descent.divergence_tolerance=-1.0",
            "objective.noise=nan",
            "objective.noise=-1.0",
            "replicates=0",
            "replicates=9223372036854775807",
            "log.every=0",
            "log.samples=0",
            "checkpoint.every_seconds=nan",
            "student.components=0",
            "student.weights=[0.5, 0.5]",
            "seed=-1",
        ] {
            let said = message(SMALL, &[weapon]);
            assert!(said.starts_with("config: "), "{weapon}: {said}");
        }
    }

    #[test]
    fn hostile_texts_are_refused() {
        let deep = format!("a = {}{}", "[".repeat(200_000), "]".repeat(200_000));
        let dotted = format!("{}x = 1", "a.".repeat(200_000));
        let long = format!("{SMALL}\n#{}", "x".repeat(1 << 20));
        for text in [deep.as_str(), dotted.as_str(), long.as_str(), "= 1", "[teacher", "a = 1\na = 2", "\u{1b}[31m = 1"] {
            let said = message(text, &[]);
            assert!(said.starts_with("config: ") && !said.contains('\u{1b}') && said.len() < 2000, "{said}");
        }
        let nested = format!("seed={}1{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(message(SMALL, &[&nested]).starts_with("config: "));
    }
}
