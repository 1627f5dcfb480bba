//! Errors in a config, in its own words: the place, the key, and the name that was probably meant.

use crate::error::{Error, Place, most_similar};

/// The words of serde, and the words of a config's reader.
const TYPES: [(&str, &str); 7] = [
    ("expected u64", "expected a whole number from 0 on"),
    ("expected usize", "expected a whole number from 0 on"),
    ("expected f64", "expected a number"),
    ("expected a boolean", "expected true or false"),
    ("expected struct Objective", "expected a table"),
    ("expected struct Descent", "expected a table"),
    ("expected struct Log", "expected a table"),
];

/// Adds where the key that an error begins with was given: in an override, or on a line of the text.
pub(crate) fn with_place(error: Error, text: &str, overrides: &[String]) -> Error {
    let Error::BadConfig { place: Place::Unknown, what, remedy } = error else { return error };
    let key: String = what.chars().take_while(|c| c.is_ascii_alphanumeric() || "._-".contains(*c)).collect();
    let same = |other: &str| other == key || other.starts_with(&format!("{key}.")) || key.starts_with(&format!("{other}."));
    let of_override = overrides.iter().rev().find(|text| text.split_once('=').is_some_and(|(other, _)| same(other.trim())));
    let place = match of_override {
        Some(text) => Place::Override(clipped(text)),
        None => Place::Text { name: None, line: line_of(text, &key) },
    };
    Error::BadConfig { place, what, remedy }
}

/// Adds the name of the file or preset to an error that no override caused.
pub(crate) fn with_name(error: Error, name: &str) -> Error {
    match error {
        Error::BadConfig { place: Place::Unknown, what, remedy } => {
            Error::BadConfig { place: Place::Text { name: Some(name.into()), line: None }, what, remedy }
        }
        Error::BadConfig { place: Place::Text { name: None, line }, what, remedy } => {
            Error::BadConfig { place: Place::Text { name: Some(name.into()), line }, what, remedy }
        }
        other => other,
    }
}

/// The line on which a key, or the nearest table around it, is given.
fn line_of(text: &str, key: &str) -> Option<usize> {
    let root = toml::de::DeTable::parse(text).ok()?;
    let (mut table, mut found) = (root.get_ref(), None);
    for part in key.split('.') {
        let Some((name, value)) = table.iter().find(|(name, _)| name.get_ref() == part) else { break };
        found = Some(name.span().start);
        let toml::de::DeValue::Table(inner) = value.get_ref() else { break };
        table = inner;
    }
    found.map(|at| line_at(text, at))
}

fn line_at(text: &str, at: usize) -> usize {
    text.as_bytes()[..at.min(text.len())].iter().filter(|b| **b == b'\n').count() + 1
}

/// Where and why a text is not TOML, in one line.
pub(crate) fn not_toml(text: &str, error: &toml::de::Error) -> Error {
    let line = error.span().map_or(1, |span| line_at(text, span.start));
    let what = error.message().trim_end_matches('.').replace('\n', ", ");
    let place = Place::Text { name: None, line: Some(line) };
    Error::BadConfig { place, what: format!("this is not TOML: {}", clipped(&what)), remedy: "Compare it with a preset's config".into() }
}

/// A typing error with its key and the nearest name that would have been right.
pub(crate) fn explained(error: &toml::de::Error) -> Error {
    let message = error.message().trim_end_matches('.');
    let shown = error.to_string();
    let place = shown.lines().last().and_then(|line| line.strip_prefix("in `")).map_or("", |line| line.trim_end_matches('`'));
    let plain = TYPES.iter().fold(message.to_string(), |text, (rust, words)| match text.strip_suffix(rust) {
        Some(start) => format!("{start}{words}"),
        None => text,
    });
    // An unknown key is part of the place, so that its line can be found.
    let unknown = message.strip_prefix("unknown field `").and_then(|rest| rest.split('`').next());
    let place: Vec<&str> = [place, unknown.unwrap_or_default()].into_iter().filter(|part| !part.is_empty()).collect();
    let what = if place.is_empty() { plain } else { format!("{}: {plain}", place.join(".")) };
    let question = suggestion(message).map_or(String::new(), |name| format!("Did you mean `{name}`? "));
    Error::bad_config(clipped(&what), question + "`mixscore init` writes a commented config with every key")
}

/// The known name that is nearest to the unknown one; serde lists the known names in back quotes.
fn suggestion(message: &str) -> Option<&str> {
    if !message.starts_with("unknown ") {
        return None;
    }
    let mut quoted = message.split('`').skip(1).step_by(2);
    let unknown = quoted.next()?;
    most_similar(unknown, quoted)
}

/// Text from a stranger's file for an error message: control characters escaped, at most 400 characters.
fn clipped(text: &str) -> String {
    let safe: String = text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect::<Vec<_>>() } else { vec![c] }).collect();
    if safe.chars().count() <= 400 { safe } else { safe.chars().take(400).chain(['…']).collect() }
}
