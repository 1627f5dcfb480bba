//! The table of keys against the parser.

use super::*;
use crate::experiment::{presets, reading};

const BASE: &str = "[teacher]\nkind = 'circle'\ncomponents = 5\n[student]\ncomponents = 4\n";

fn message(text: &str, set: &str) -> String {
    reading::config_from(text, &[set.into()], None).err().map_or(String::new(), |error| error.to_string())
}

/// In these tables serde lists its keys when it meets an unknown one.
#[test]
fn names_are_those_that_the_parser_knows() {
    for (table, set) in [
        ("", "zzz=1"),
        ("student", "student.zzz=1"),
        ("objective", "objective.zzz=1"),
        ("objective.noise", "objective.noise={zzz=1}"),
        ("descent", "descent.zzz=1"),
        ("checkpoint", "checkpoint.zzz=1"),
        ("log", "log.zzz=1"),
    ] {
        let said = message(BASE, set);
        let listed: Vec<&str> = said.split_once("expected").expect(&said).1.split('`').skip(1).step_by(2).collect();
        let mut known: Vec<&str> = listed.into_iter().take_while(|name| !name.contains(' ')).collect();
        // Nested tables.
        known.retain(|name| !["teacher", "student", "objective", "descent", "checkpoint", "log", "start"].contains(name));
        let mut ours: Vec<&str> = KEYS.iter().filter(|key| key.split().0 == table).map(|key| key.split().1).collect();
        known.sort_unstable();
        ours.sort_unstable();
        assert_eq!(ours, known, "{table}: {said}");
    }
}

/// In tables that depend on a word, every key is accepted with some word.
#[test]
fn keys_that_depend_on_a_word_are_accepted_with_one_of_them() {
    let words = |name: &str| find(name).unwrap().meaning.split_once(": ").unwrap().1.split(", ").map(String::from).collect::<Vec<_>>();
    for (choice, table, needed) in
        [("teacher.kind", "teacher", "components = 2\nfeatures = 2"), ("student.start.scheme", "student.start", "")]
    {
        for key in KEYS
            .iter()
            .filter(|key| key.split().0 == table && !["file", "samples", "bandwidth", "variance", "per_replicate"].contains(&key.split().1))
        {
            let value = match key.r#type {
                Numbers if key.split().1 == "means" => "[[0, 0], [1, 1], [2, 2], [3, 3]]",
                Numbers => "[0.5, 0.5]",
                Count => "2",
                _ => "1.0",
            };
            let is_accepted = |word: &String| {
                let own = if key.name == choice { String::new() } else { format!("{} = {value}\n", key.split().1) };
                let rest: String =
                    needed.lines().filter(|line| !own.starts_with(line.split(' ').next().unwrap())).map(|l| l.to_string() + "\n").collect();
                let text = match table {
                    "teacher" => format!("[teacher]\nkind = '{word}'\n{own}{rest}[student]\ncomponents = 4\n"),
                    _ => format!("{BASE}[student.start]\nscheme = '{word}'\n{own}"),
                };
                // A `gaussian` teacher has one component and does not accept the key.
                let text = if word == "gaussian" && table == "teacher" { text.replace("components = 2\n", "") } else { text };
                reading::config_from(&text, &[], None).is_ok()
            };
            assert!(words(choice).iter().any(is_accepted), "{}", key.name);
        }
    }
}

#[test]
fn words_are_those_that_the_parser_knows() {
    for name in ["objective.divergence", "objective.estimator", "objective.sampler", "objective.storage"] {
        let said = message(BASE, &format!("{name}=zzz"));
        let known: Vec<&str> = said.split_once("expected").expect(&said).1.split('`').skip(1).step_by(2).collect();
        let meaning = find(name).unwrap().meaning;
        known
            .iter()
            .filter(|word| !word.contains(' '))
            .for_each(|word| assert!(meaning.contains(word), "{name} does not say {word}: {said}"));
    }
}

#[test]
fn defaults_are_the_parsers() {
    let config = reading::config_from(BASE, &[], None).unwrap();
    let resolved: toml::Table = config.to_toml().unwrap().parse().unwrap();
    let mut n_seen = 0;
    for key in KEYS.iter().filter(|key| !key.default.is_empty()) {
        let mut parts = key.name.split('.');
        let last = parts.next_back().unwrap();
        let Some(value) = parts.try_fold(&resolved, |table, part| table.get(part)?.as_table()).and_then(|table| table.get(last)) else {
            continue;
        };
        let default: toml::Table = format!("v = {}", key.default).parse().unwrap();
        assert_eq!(value, &default["v"], "{}", key.name);
        n_seen += 1;
    }
    assert!(n_seen >= 22, "only {n_seen} defaults were compared");
}

#[test]
fn counts_may_be_written_as_people_write_them() {
    for set in ["descent.steps=1e4", "descent.steps=10_000", "descent.steps=10000.0", "descent.steps = 1.0e4"] {
        assert_eq!(reading::config_from(BASE, &[set.into()], None).unwrap().descent.steps, 10_000, "{set}");
    }
    let text = BASE.replace("components = 5", "components = 5e0").replace("components = 4", "components = 1e1");
    assert_eq!(reading::config_from(&text, &["log.every=1e2".into()], None).unwrap().student.components, Some(10));
    for set in ["descent.steps=1.5", "descent.steps=-1e4", "descent.steps=1e400", "objective.reduce=1e0"] {
        assert!(!message(BASE, set).is_empty(), "{set}");
    }
}

/// The output of `mixscore init` is the same experiment, and mentions every key that applies.
#[test]
fn completed_presets_say_the_same_and_more() {
    for preset in &presets::PRESETS {
        let whole = completed(preset.text);
        let (before, after) = (reading::config_from(preset.text, &[], None).unwrap(), reading::config_from(&whole, &[], None).unwrap());
        assert_eq!(before.to_toml().unwrap(), after.to_toml().unwrap(), "{}", preset.name);
        for key in KEYS.iter().filter(|key| !key.name.contains("noise.") && !key.name.starts_with("sweep.") && applies_in(key, preset.text))
        {
            let name = key.split().1;
            assert!(whole.contains(&format!("{name} = ")) || whole.contains(&format!("{name} ")), "{}: {}\n{whole}", preset.name, key.name);
        }
        // Uncommented lines are accepted: each key is known in its table.
        assert_eq!(completed(&whole), whole, "{}", preset.name);
    }
}
