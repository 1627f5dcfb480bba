//! Mixtures as JSON, for hand-written examples: `{"means": [[0, 0], [6, 0]], "weights": [0.5, 0.5], "variance": 1}`.

use std::io::Read;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::contents::Contents;
use super::numbers::Kind;
use super::open::{at, open, reading, shown};
use super::{Array, COVARIANCES, MEANS, VARIANCE, WEIGHTS, write_atomically};
use crate::error::{Error, Result};
use crate::mixture::{CovarianceKind, Mixture};

/// A parsed number takes some ten times its text.
const LONGEST: u64 = 1 << 20;

/// The keys of a file. Unknown and repeated ones are refused.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    means: Option<Value>,
    weights: Option<Value>,
    variance: Option<Value>,
    covariances: Option<Value>,
    covariance_type: Option<String>,
}

/// The arrays of a JSON mixture.
pub(super) fn read(path: &Path) -> Result<Contents> {
    let (file, length) = open(path)?;
    require_short(path, length)?;
    let mut text = Vec::new();
    at(path, file.take(LONGEST).read_to_end(&mut text).map_err(reading))?;
    at(path, parse(&text))
}

/// Writes a mixture; floats in the shortest digits that give the same bits back.
pub(super) fn write(path: &Path, mixture: &Mixture) -> Result<()> {
    #[derive(Serialize)]
    struct Parts<'a> {
        means: Vec<&'a [f64]>,
        weights: &'a [f64],
        #[serde(skip_serializing_if = "Option::is_none")]
        variance: Option<Value>,
        #[serde(skip_serializing_if = "Option::is_none")]
        covariances: Option<Value>,
        #[serde(skip_serializing_if = "Option::is_none")]
        covariance_type: Option<&'static str>,
    }
    let (k, d, kind) = (mixture.n_components(), mixture.n_features(), mixture.covariance_kind());
    let values = nested(mixture.covariance().values(), &kind.shape(k, d));
    let (variance, covariances) = if kind == CovarianceKind::Common { (Some(values), None) } else { (None, Some(values)) };
    let covariance_type = covariances.is_some().then(|| kind.name());
    let means = mixture.means().chunks_exact(d).collect();
    let parts = Parts { means, weights: mixture.weights(), variance, covariances, covariance_type };
    let text = serde_json::to_string(&parts).map_err(|error| Error::io(path, error.into()))?;
    require_short(path, text.len() as u64 + 1)?;
    write_atomically(path, |out| writeln!(out, "{text}"))
}

/// Numbers (shape) as lists in lists.
fn nested(values: &[f64], shape: &[usize]) -> Value {
    match shape {
        [] => values[0].into(),
        [n, rest @ ..] => values.chunks_exact(values.len() / n).map(|part| nested(part, rest)).collect(),
    }
}

fn require_short(path: &Path, length: u64) -> Result<()> {
    if length > LONGEST {
        return Err(Error::bad_file(path, format!("{length} bytes are more than the {LONGEST} that JSON may have"), "Use .npz"));
    }
    Ok(())
}

fn parse(text: &[u8]) -> Result<Contents> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let keys: Keys = serde_json::from_slice(text).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        Error::bad_input(
            format!("is not a mixture in JSON ({place}): {}", shown_message(&error)),
            r#"Write {"means": [[0, 0], [6, 0]], "weights": [0.5, 0.5], "variance": 1}"#,
        )
    })?;
    let mut contents = Contents { covariance_type: keys.covariance_type, ..Contents::default() };
    for (name, value) in [(MEANS, keys.means), (WEIGHTS, keys.weights), (VARIANCE, keys.variance), (COVARIANCES, keys.covariances)] {
        if let Some(value) = value {
            let mut array = Array { shape: Vec::new(), values: Vec::new() };
            flatten(name, &value, 0, &mut array)?;
            contents.push(name.to_string(), array, Kind::F64);
        }
    }
    Ok(contents)
}

/// serde_json's message may quote a key of any length, and ends with the place that we give already.
fn shown_message(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let words: String = text.chars().take(120).flat_map(char::escape_debug).collect();
    words.split(" at line").next().unwrap_or_default().to_string()
}

/// Nested lists of numbers, up to three deep, as an array; the first list at each depth fixes the length of that axis.
fn flatten(name: &str, value: &Value, depth: usize, array: &mut Array) -> Result<()> {
    let ragged = || Error::bad_input(format!("the lists in {name} differ in length or depth"), "Give every row the same number of numbers");
    match value {
        Value::Number(number) if depth == array.shape.len() => {
            // Never `None`: numbers beyond float64 have failed in the parser.
            array.values.push(number.as_f64().unwrap_or(f64::NAN));
            Ok(())
        }
        Value::Array(list) if depth < 3 => {
            if array.values.is_empty() && depth == array.shape.len() {
                array.shape.push(list.len());
            }
            if array.shape.get(depth) != Some(&list.len()) || list.is_empty() {
                return Err(ragged());
            }
            list.iter().try_for_each(|item| flatten(name, item, depth + 1, array))
        }
        Value::Number(_) => Err(ragged()),
        Value::Array(_) => Err(Error::bad_input(format!("{name} is nested more than three deep"), "Give (k, d) or (R, k, d)")),
        other => Err(Error::bad_input(format!("{name} holds {}, not a number", shown(&kind(other))), "Give finite numbers")),
    }
}

fn kind(value: &Value) -> String {
    match value {
        Value::String(text) => format!("the text \"{text}\""),
        Value::Object(_) => "an object".into(),
        other => other.to_string(),
    }
}
