//! The values of one key in the parts of `sweep.toml`: the base config, the grid, bundles of keys, explicit cells.

use std::path::Path;

use toml::{Table, Value};

use crate::experiment::config::absolute;

/// All values that some cell may have at `section.key`.
pub(crate) fn values_of<'a>(config: &'a Table, section: &str, key: &str) -> Vec<&'a Value> {
    let swept = config.get("sweep").and_then(Value::as_table);
    let dotted = format!("{section}.{key}");
    let in_grid = swept.and_then(|sweep| sweep.get("grid")?.get(&dotted)?.as_array());
    let in_tables = swept.into_iter().flat_map(tables).flat_map(|table| {
        let whole = table.get(section).and_then(|whole| whole.get(key));
        table.get(&dotted).into_iter().chain(whole)
    });
    let base = config.get(section).and_then(|section| section.get(key));
    match in_grid {
        // The grid's values replace the base's in every cell.
        Some(values) => values.iter().chain(in_tables).collect(),
        None => base.into_iter().chain(in_tables).collect(),
    }
}

/// The tables of keys: bundles and explicit cells.
fn tables(sweep: &Table) -> Vec<&Table> {
    let bundles = sweep.get("bundles").and_then(Value::as_table).into_iter().flat_map(|bundles| bundles.iter().map(|(_, list)| list));
    let lists = bundles.chain(sweep.get("cells"));
    lists.filter_map(Value::as_array).flatten().filter_map(Value::as_table).collect()
}

/// The keys that name files, by table.
const FILES: [(&str, &str); 3] = [("teacher", "file"), ("teacher", "samples"), ("student", "file")];

/// Makes the paths of files in a `[sweep]` table start at the root instead of at `base`, so that a copy of `sweep.toml` finds them.
pub(crate) fn with_absolute_paths(sweep: &mut Table, base: &Path) {
    if let Some(Value::Table(grid)) = sweep.get_mut("grid") {
        for (key, values) in grid.iter_mut() {
            values.as_array_mut().into_iter().flatten().for_each(|value| anchor_in(key, value, base));
        }
    }
    let mut lists: Vec<&mut Value> = Vec::new();
    for (name, value) in sweep.iter_mut() {
        match (name.as_str(), value) {
            ("bundles", Value::Table(bundles)) => lists.extend(bundles.iter_mut().map(|(_, list)| list)),
            ("cells", list) => lists.push(list),
            _ => {}
        }
    }
    for table in lists.into_iter().filter_map(Value::as_array_mut).flatten().filter_map(Value::as_table_mut) {
        table.iter_mut().for_each(|(key, value)| anchor_in(key, value, base));
    }
}

/// The file that `value` of `key` names, where `key` is a file's or a table that has one.
fn anchor_in(key: &str, value: &mut Value, base: &Path) {
    for (section, file) in FILES {
        if key == section {
            value.get_mut(file).into_iter().for_each(|path| make_absolute(path, base));
        } else if key.split_once('.') == Some((section, file)) {
            make_absolute(value, base);
        }
    }
}

fn make_absolute(file: &mut Value, base: &Path) {
    if let Value::String(path) = file {
        *path = absolute(base, path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
        [teacher]
        file = "base.npz"
        [sweep.grid]
        "teacher.file" = ["a.npz", "/b.npz"]
        "teacher.samples" = ["x.npy", "/y.npy"]
        "objective.noise" = [0.0, 1.0]
        [[sweep.bundles.start]]
        label = "given"
        "student.file" = "s.npz"
        "teacher.samples" = "z.npy"
        teacher = { samples = "w.npy", bandwidth = 0.5 }
        [[sweep.cells]]
        teacher = { file = "c.npz" }
        objective = { noise = { from = 1.0, steps = 5 } }
    "#;

    #[test]
    fn values_are_found_wherever_they_are_set() {
        let config: Table = TEXT.parse().unwrap();
        let files: Vec<&str> = values_of(&config, "teacher", "file").iter().filter_map(|v| v.as_str()).collect();
        assert_eq!(files, ["a.npz", "/b.npz", "c.npz"]);
        let noises = values_of(&config, "objective", "noise");
        assert_eq!((noises.len(), noises.iter().filter(|v| v.is_table()).count()), (3, 1));
        assert!(values_of(&config, "descent", "steps").is_empty());
    }

    #[test]
    fn relative_paths_become_absolute_wherever_they_are() {
        let mut config: Table = TEXT.parse().unwrap();
        let Some(Value::Table(sweep)) = config.get_mut("sweep") else { panic!("there is a sweep") };
        with_absolute_paths(sweep, Path::new("/data"));
        let files: Vec<&str> = values_of(&config, "teacher", "file").iter().filter_map(|v| v.as_str()).collect();
        assert_eq!(files, ["/data/a.npz", "/b.npz", "/data/c.npz"]);
        assert_eq!(values_of(&config, "student", "file")[0].as_str(), Some("/data/s.npz"));
        let points: Vec<&str> = values_of(&config, "teacher", "samples").iter().filter_map(|v| v.as_str()).collect();
        assert_eq!(points, ["/data/x.npy", "/y.npy", "/data/z.npy", "/data/w.npy"]);
        assert_eq!(config["sweep"]["bundles"]["start"][0]["label"].as_str(), Some("given"));
    }
}
