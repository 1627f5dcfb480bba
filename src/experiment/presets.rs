//! The built-in experiments, as commented configs.

/// A preset.
#[derive(Debug, Clone, Copy)]
pub struct Preset {
    pub name: &'static str,
    /// The config, commented; its first line says what the preset shows.
    pub text: &'static str,
}

/// All presets, in reading order.
pub const PRESETS: [Preset; 9] = [
    Preset { name: "quickstart", text: include_str!("presets/quickstart.toml") },
    Preset { name: "one-gaussian", text: include_str!("presets/one-gaussian.toml") },
    Preset { name: "forward-vs-reverse", text: include_str!("presets/forward-vs-reverse.toml") },
    Preset { name: "random-start", text: include_str!("presets/random-start.toml") },
    Preset { name: "phase-diagram", text: include_str!("presets/phase-diagram.toml") },
    Preset { name: "total-variation", text: include_str!("presets/total-variation.toml") },
    Preset { name: "annealed", text: include_str!("presets/annealed.toml") },
    Preset { name: "gmm40", text: include_str!("presets/gmm40.toml") },
    Preset { name: "large", text: include_str!("presets/large.toml") },
];

impl Preset {
    /// The description in one line.
    pub fn about(&self) -> &'static str {
        self.text.lines().next().map_or("", |line| line.trim_start_matches(['#', ' ']))
    }
}

impl Preset {
    /// Whether it is a sweep, so that `mixscore sweep` does more than `mixscore run`.
    pub fn is_sweep(&self) -> bool {
        self.text.lines().any(|line| line.starts_with("[sweep") || line.starts_with("[[sweep"))
    }
}

/// The preset with that name.
pub fn find(name: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.name == name)
}

/// The preset whose name is most similar to a mistyped one.
pub fn nearest(name: &str) -> Option<&'static str> {
    crate::error::most_similar(name, PRESETS.iter().map(|preset| preset.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_is_a_valid_config_with_a_first_line() {
        for preset in &PRESETS {
            crate::experiment::reading::config_from(preset.text, &[], None).unwrap_or_else(|e| panic!("{}: {e}", preset.name));
            assert!(preset.text.starts_with("# ") && preset.about().len() > 20, "{}", preset.name);
            let design = crate::experiment::sweep::design::design(preset.text, &[], None, preset.name, std::path::Path::new("."));
            assert_eq!(design.map_or(0, |design| design.cells.len()) > 1, preset.is_sweep(), "{}", preset.name);
        }
        assert_eq!(nearest("quikstart"), Some("quickstart"));
        assert!(find("quickstart").is_some() && find("nothing").is_none() && nearest("zzz").is_none());
    }
}
