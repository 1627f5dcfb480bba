//! The seed in a config: TOML's integers end at 2⁶³ − 1, so larger seeds are written in quotes.

use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserializer, Serializer};

pub(super) fn serialize<S: Serializer>(seed: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    match i64::try_from(*seed) {
        Ok(small) => serializer.serialize_i64(small),
        Err(_) => serializer.serialize_str(&seed.to_string()),
    }
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    deserializer.deserialize_any(Seed)
}

struct Seed;

impl Visitor<'_> for Seed {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "a whole number from 0 to {}, in quotes from 2^63 on", u64::MAX)
    }

    fn visit_i64<E: Error>(self, seed: i64) -> Result<u64, E> {
        u64::try_from(seed).map_err(|_| E::invalid_value(serde::de::Unexpected::Signed(seed), &self))
    }

    fn visit_u64<E: Error>(self, seed: u64) -> Result<u64, E> {
        Ok(seed)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<u64, E> {
        text.parse().map_err(|_| E::invalid_value(serde::de::Unexpected::Str(text), &self))
    }
}

#[cfg(test)]
mod tests {
    use crate::experiment::{presets, reading};

    #[test]
    fn every_seed_is_written_and_read_again() {
        let text = presets::find("quickstart").unwrap().text;
        for seed in [0, 7, i64::MAX as u64, 1 << 63, u64::MAX] {
            let config = reading::config_from(text, &[], Some(seed)).unwrap();
            let again = reading::config_from(&config.to_toml().unwrap(), &[], None).unwrap();
            assert_eq!((config.seed, again.seed), (seed, seed));
            assert_eq!(reading::config_from(text, &[format!("seed={seed}")], None).unwrap().seed, seed);
        }
        assert!(
            reading::config_from(text, &[], Some(3)).unwrap().to_toml().unwrap().contains("seed = 3\n"),
            "small ones are plain numbers"
        );
        for bad in ["seed=-1", "seed=1.5", "seed=18446744073709551616", "seed=x", "seed=[1]"] {
            let said = reading::config_from(text, &[bad.into()], None).unwrap_err().to_string();
            assert!(said.starts_with("config: ") && said.contains(bad) && said.contains("a whole number from 0 to"), "{bad}: {said}");
        }
    }
}
