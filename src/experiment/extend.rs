//! More steps for a run: a new config and a new checkpoint, so that a resume continues to another last step.

use std::path::Path;

use super::checkpoint;
use super::config::Config;
use super::fingerprint::Fingerprint;
use super::limits;
use super::run_folder::{self, PROBLEM_FILES};
use crate::descent::stop::Stop;
use crate::error::{Error, Result};

/// Sets the last step of the run in `run`, whose config is `config` and whose students have `n_components` in `n_features` dimensions. The
/// caller holds the folder's lock.
///
/// # Errors
/// [`Error::BadConfig`] if the run has made more steps, or if it ended by a stop rule or on non-finite values.
pub(super) fn extend(run: &Path, config: &Config, steps: u64, n_components: usize, n_features: usize) -> Result<()> {
    let checkpoint::Found { mut state, number, journals, .. } = checkpoint::newest(run)?;
    if steps < state.step {
        return Err(Error::bad_config(
            format!("descent.steps would be {steps}, and the run has made {} steps", state.step),
            "Give a later last step",
        ));
    }
    if let Some(stop) = state.stop.as_ref().filter(|stop| !matches!(stop, Stop::MaxSteps { .. })) {
        return Err(Error::bad_config(
            format!("the run ended because {stop}, so that it would make no more steps"),
            format!("Start another run from {}, with other settings under [descent]", run.join("student.npz").display()),
        ));
    }
    if steps == config.descent.steps {
        return Ok(());
    }
    let mut config = config.clone();
    config.descent.steps = steps;
    limits::check(&config)?;
    limits::check_size(&config, n_components, n_features)?;
    let text = config.to_toml()?;
    state.stop = None;
    let mut files = vec![Fingerprint::new(PROBLEM_FILES[0], text.len() as u64, blake3::hash(text.as_bytes()))];
    for name in &PROBLEM_FILES[1..] {
        files.push(Fingerprint::of(run, name)?);
    }
    files.extend(journals);
    // The checkpoint comes first. It is good only with the new config, and the previous one only with the old config, so one of them is
    // good at any moment.
    checkpoint::write(run, number + 1, &state, &files)?;
    run_folder::write_text(&run.join(PROBLEM_FILES[0]), &text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::descent::monitor::Monitor;
    use crate::descent::state::State;
    use crate::experiment::run_folder::{CHECKPOINTS, JOURNALS};
    use crate::experiment::{presets, reading};

    /// Wherever a run is killed while it is extended, the old or the new config has a checkpoint.
    #[test]
    fn one_checkpoint_is_good_at_any_moment() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path();
        std::fs::create_dir(run.join(CHECKPOINTS)).unwrap();
        let config = reading::config_from(presets::find("quickstart").unwrap().text, &["descent.steps=40".into()], None).unwrap();
        PROBLEM_FILES.iter().for_each(|name| std::fs::write(run.join(name), config.to_toml().unwrap()).unwrap());
        let stop = Some(Stop::MaxSteps { steps: 40 });
        let state = State {
            step: 40,
            coordinates: vec![0.5; 4],
            unit: 1.0,
            gaps: Vec::new(),
            logged: None,
            good: None,
            monitor: Monitor::default(),
            seconds: 1.0,
            descent_seconds: 1.0,
            stop,
        };
        let files = PROBLEM_FILES.iter().map(|name| Fingerprint::of(run, name).unwrap());
        let files: Vec<Fingerprint> = files.chain(JOURNALS.iter().map(|name| Fingerprint::new(name, 0, blake3::hash(b"")))).collect();
        checkpoint::write(run, 1, &state, &files).unwrap();
        let old = std::fs::read(run.join("config.toml")).unwrap();
        extend(run, &config, 50, 4, 2).unwrap();
        let found = checkpoint::newest(run).unwrap();
        assert_eq!((found.number, &found.state.stop, found.state.step), (2, &None, 40));
        assert_eq!(reading::config_from(&std::fs::read_to_string(run.join("config.toml")).unwrap(), &[], None).unwrap().descent.steps, 50);
        // Killed after the checkpoint, before the config.
        std::fs::write(run.join("config.toml"), old).unwrap();
        let found = checkpoint::newest(run).unwrap();
        assert_eq!((found.number, found.state), (1, state));
        // And extended once more.
        extend(run, &config, 50, 4, 2).unwrap();
        assert_eq!(checkpoint::newest(run).unwrap().number, 2);
    }
}
