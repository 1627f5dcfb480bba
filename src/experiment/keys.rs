//! Every key of a config: its type, default, unit and meaning, and when it applies.
//!
//! The parser takes the type of a number from here; a test compares names, choices and defaults with what the parser accepts.

use serde::Serialize;

/// The type of a key's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Type {
    /// A whole number from 0 on, also as 1e4 or 10_000.
    Count,
    Number,
    Boolean,
    /// One of the words that its meaning lists.
    Word,
    Path,
    /// A list of numbers, or of lists of them.
    Numbers,
    Table,
}

/// A key of a config.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Key {
    /// The full name, such as descent.steps.
    pub name: &'static str,
    pub r#type: Type,
    /// As TOML writes it; "" if the key is left out by default, or must be given.
    pub default: &'static str,
    pub unit: &'static str,
    pub meaning: &'static str,
    /// "" if it always applies.
    pub applies: &'static str,
}

const fn key(name: &'static str, r#type: Type, default: &'static str, unit: &'static str, meaning: &'static str) -> Key {
    Key { name, r#type, default, unit, meaning, applies: "" }
}

impl Key {
    /// The same key, with the condition under which it applies.
    const fn when(self, applies: &'static str) -> Key {
        Key { applies, ..self }
    }

    /// The name of its table, and its name within it.
    pub(crate) fn split(&self) -> (&'static str, &'static str) {
        self.name.rsplit_once('.').unwrap_or(("", self.name))
    }
}

use Type::{Boolean, Count, Number, Numbers, Path, Table, Word};

/// σ of a component.
const SIGMAS: &str = "standard deviations of a component";
/// Those of the means.
const UNITS: &str = "units of the means";
const OFF: &str = "0.0";

/// All of them, in the order of a config.
pub(crate) const KEYS: &[Key] = &[
    key("seed", Count, "0", "", "of all random numbers; in quotes from 2^63 on"),
    key("replicates", Count, "1", "", "R: independent starts, descended together"),
    key("teacher.kind", Word, "", "", "how the target is made: gaussian, circle, line, separated, uniform-box").when("no file and no samples"),
    key("teacher.components", Count, "", "components", "K, of equal weight unless weights says otherwise").when("kind is not gaussian"),
    key("teacher.features", Count, "2", "dimensions", "d; must be given for gaussian, separated and uniform-box").when("a kind"),
    key("teacher.separation", Number, "6.0", SIGMAS, "between neighbours").when("kind is circle, line or separated"),
    key("teacher.half_width", Number, "40.0", SIGMAS, "means are uniform within ± this").when("kind is uniform-box"),
    key("teacher.offset", Number, "0.0", SIGMAS, "of the mean from the origin, on the first axis").when("kind is gaussian"),
    key("teacher.weights", Numbers, "", "", "(K), positive, of sum 1; left out: equal").when("kind is not gaussian"),
    key("teacher.per_replicate", Boolean, "false", "", "every replicate has its own draw").when("a kind"),
    key("teacher.file", Path, "", "", "a mixture (.npz, .safetensors, .json) instead of a kind"),
    key("teacher.samples", Path, "", "", "points (.npy, .npz, .csv), each the mean of a component, instead of a kind"),
    key("teacher.bandwidth", Number, "", "a length", "the standard deviation of a component").when("samples is given, and no variance"),
    key("teacher.variance", Number, "", "square of a length", "the variance of a component, the square of a bandwidth")
        .when("samples is given, and no bandwidth"),
    key("student.components", Count, "", "components", "k; instead of a file"),
    key("student.file", Path, "", "", "initial means (k, d) or (R, k, d) with their weights, instead of components and a start"),
    key("student.weights", Numbers, "", "", "(k), positive, of sum 1; left out: those of the file, or equal"),
    key(
        "student.start.scheme",
        Word,
        "\"wide\"",
        "",
        "how means begin: wide, gaussian, shell, teacher-draws, around-teacher, collinear, coincident, outlier, point, given",
    )
    .when("components is given"),
    key("student.start.scale", Number, "1.5", UNITS, "spread of the means; of wide in radii of the teacher (1.5), gaussian and outlier 1, around-teacher 0.5, collinear and coincident 5")
        .when("scheme is wide, gaussian, around-teacher, collinear, coincident or outlier"),
    key("student.start.radius", Number, "1.5", "radii of the teacher", "distance from the teacher's centroid").when("scheme is shell"),
    key("student.start.distance", Number, "100.0", UNITS, "of the last mean from the teacher's centroid").when("scheme is outlier"),
    key("student.start.at", Numbers, "[]", UNITS, "the point (d); empty: the teacher's centroid").when("scheme is point"),
    key("student.start.jitter", Number, "1e-7", UNITS, "standard deviation of the means about the point").when("scheme is point"),
    key("student.start.means", Numbers, "", UNITS, "the means themselves (k, d)").when("scheme is given"),
    key("objective.divergence", Word, "\"reverse\"", "", "whose density the expectation is under: reverse (the student's) or forward (the teacher's)"),
    key("objective.estimator", Word, "\"auto\"", "", "of the gradient: auto, stein, pathwise, score-function").when("divergence is reverse"),
    key("objective.sampler", Word, "\"auto\"", "", "where the points come from: auto, philox, antithetic, sobol, grid (at most 3 dimensions)"),
    key("objective.samples", Count, "4096", "per component", "points of each step; with the grid the most nodes, left out: as many as 1e-10 takes"),
    key("objective.noise", Number, "0.0", "square of a length", "heat-flow time, added to both variances; or the table objective.noise"),
    key("objective.noise.kind", Word, "\"heat\"", "", "how time is counted: heat, or ou (Ornstein-Uhlenbeck)").when("noise is a table"),
    key("objective.noise.from", Number, "", "time", "at step 0").when("noise is a table, and then it must be given"),
    key("objective.noise.to", Number, "0.0", "time", "from step `steps` on, and of everything that is measured").when("noise is a table"),
    key("objective.noise.steps", Count, "", "steps", "until the noise stands still").when("noise is a table, and then it must be given"),
    key("objective.noise.shape", Word, "\"geometric\"", "", "of the way: geometric (1 + time by equal factors) or linear").when("noise is a table"),
    key("objective.noise.levels", Count, "50", "", "different times on the way").when("noise is a table"),
    key("objective.reduce", Boolean, "true", "", "work in the subspace of the means, which is exact"),
    key("objective.storage", Word, "\"f32\"", "", "of draws on a GPU: f32 or f16").when("the device is a GPU"),
    key("objective.neighbours", Word, "\"auto\"", SIGMAS, "what a row may leave out: auto, exact, or the bias per weight that it may have, as 1e-4"),
    key("descent.step_size", Number, "0.5", "", "c of a step μ − c ∂L/∂μ; 0.5 to 1 is safe with divide_by_weight"),
    key("descent.divide_by_weight", Boolean, "true", "", "step on the gradient of a component divided by its weight"),
    key("descent.steps", Count, "1000", "steps", "at the most"),
    key("descent.gradient_tolerance", Number, OFF, "", "stop where the norm of ∂L/∂μ is below, on logged steps; 0: off"),
    key("descent.divergence_tolerance", Number, OFF, "", "stop where the divergence is below; 0: off"),
    key("descent.movement_tolerance", Number, OFF, "units of the means per step", "stop where no mean moves further; 0: off"),
    key("checkpoint.every_seconds", Number, "60.0", "seconds", "work that a killed run may lose; 0: at every logged step"),
    key("log.every", Count, "10", "steps", "between rows of metrics.csv"),
    key("log.early", Boolean, "false", "", "rows for steps 1, 2, 3, 5, 8, … below `every`, too"),
    key("log.samples", Count, "1024", "per component", "points for the metrics alone"),
    key("log.trajectory", Boolean, "true", "", "write trajectory.npz; a sweep's cells: false"),
    key("sweep.name", Word, "", "", "of the sweep").when("`mixscore sweep`"),
    key("sweep.grid", Table, "", "", "every combination of these: \"descent.step_size\" = [0.1, 0.5]").when("`mixscore sweep`"),
    key("sweep.bundles", Table, "", "", "axes whose values set several keys: [[sweep.bundles.NAME]] with a label and keys").when("`mixscore sweep`"),
    key("sweep.cells", Table, "", "", "cells besides: [[sweep.cells]] with keys and, perhaps, a label").when("`mixscore sweep`"),
];

/// The key with this name.
pub(crate) fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// Turns whole numbers that are written as 1e4 into integers, for keys that are counts.
pub(crate) fn with_counts(table: &mut toml::Table) {
    counts_within(table, "");
}

fn counts_within(table: &mut toml::Table, prefix: &str) {
    for (name, value) in table.iter_mut() {
        let name = format!("{prefix}{name}");
        match value {
            toml::Value::Table(inner) => counts_within(inner, &format!("{name}.")),
            // Above 2^53 floats skip integers, so the number was no count.
            toml::Value::Float(v) if v.fract() == 0.0 && (0.0..9e15).contains(v) && find(&name).is_some_and(|key| key.r#type == Count) => {
                *value = toml::Value::Integer(*v as i64);
            }
            _ => {}
        }
    }
}

/// `text`, a config, with every missing key added as a comment that sets its default.
pub(crate) fn completed(text: &str) -> String {
    let mut lines: Vec<String> = text.lines().map(String::from).collect();
    let mut tables: Vec<&str> = Vec::new();
    for key in KEYS.iter().filter(|key| !key.name.starts_with("sweep.")) {
        let (table, _) = key.split();
        if !tables.contains(&table) {
            tables.push(table);
        }
    }
    for table in tables {
        let missing: Vec<String> = KEYS.iter().filter(|key| key.split().0 == table).filter_map(|key| line_of(key, text, &lines)).collect();
        if missing.is_empty() {
            continue;
        }
        let (begin, end) = section(&lines, table);
        let at = (begin..end).rev().find(|at| !lines[*at].trim().is_empty()).map_or(end, |at| at + 1);
        if begin == lines.len() && !table.is_empty() {
            let header = match table {
                "objective.noise" => continue, // a value instead
                "student.start" if !text.contains("[student]\ncomponents") => continue,
                "student.start" => vec!["[student.start]".to_string(), "scheme = \"wide\"".to_string()],
                _ => vec![format!("[{table}]")],
            };
            let before = first_sweep(&lines);
            lines.splice(before..before, [header, missing, vec![String::new()]].concat());
        } else {
            lines.splice(at..at, missing);
        }
    }
    lines.join("\n") + "\n"
}

/// The commented line that sets a key's default, unless the section mentions the key.
fn line_of(key: &Key, text: &str, lines: &[String]) -> Option<String> {
    let (table, name) = key.split();
    let (begin, end) = section(lines, table);
    let speaks = |line: &String| {
        let line = line.trim_start_matches(['#', ' ']);
        line.strip_prefix(name).is_some_and(|rest| rest.trim_start().starts_with('='))
    };
    if lines[begin..end].iter().any(speaks) || !applies_in(key, text) {
        return None;
    }
    let default = if key.default.is_empty() { "…" } else { key.default };
    let unit = if key.unit.is_empty() { String::new() } else { format!(" [{}]", key.unit) };
    let applies = if key.applies.is_empty() { String::new() } else { format!("; where {}", key.applies) };
    Some(format!("# {:<28} # {}{unit}{applies}", format!("{name} = {default}"), key.meaning))
}

/// Whether a key of the teacher or of the start belongs to the kind or scheme that `text` chooses.
fn applies_in(key: &Key, text: &str) -> bool {
    let table: toml::Table = text.parse().unwrap_or_default();
    let word = |path: &[&str]| {
        let (last, tables) = path.split_last()?;
        tables.iter().try_fold(&table, |table, name| table.get(*name)?.as_table())?.get(*last)?.as_str()
    };
    let choice = match key.split().0 {
        "teacher" => word(&["teacher", "kind"]),
        "student.start" => word(&["student", "start", "scheme"]),
        _ => return true,
    };
    match (choice, key.applies) {
        (Some(choice), applies) if applies.starts_with("kind is not ") => !applies.ends_with(choice),
        (Some(choice), applies) if applies.starts_with("kind is ") || applies.starts_with("scheme is ") => applies.contains(choice),
        _ => true,
    }
}

/// The lines of a table: from the one after its header to the next header.
fn section(lines: &[String], table: &str) -> (usize, usize) {
    let is_header = |line: &String| line.starts_with('[');
    let begin = match table {
        "" => 0,
        _ => match lines.iter().position(|line| line.trim() == format!("[{table}]")) {
            Some(at) => at + 1,
            None => return (lines.len(), lines.len()),
        },
    };
    let end = lines[begin..].iter().position(is_header).map_or(lines.len(), |at| begin + at);
    (begin, end)
}

/// The line for a new table: before the tables of the sweep.
fn first_sweep(lines: &[String]) -> usize {
    lines.iter().position(|line| line.starts_with("[sweep") || line.starts_with("[[sweep")).unwrap_or(lines.len())
}

#[cfg(test)]
#[path = "keys_tests.rs"]
mod tests;
