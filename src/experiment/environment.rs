//! What made a run: versions, machine and device, one entry per sitting, for `environment.json`.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::device::Device;
use crate::error::Result;
use crate::random::streams::RNG_VERSION;

use super::run_folder;

/// What is written down about one sitting of a run.
#[derive(Debug, Clone)]
pub struct Sitting {
    /// What the user chose.
    pub choice: Device,
    /// [`crate::Backend::describe`].
    pub device: String,
    /// The sentence that says why it is this device.
    pub why: String,
    pub command_line: Vec<String>,
}

impl Sitting {
    fn json(&self, first_step: u64) -> Value {
        let started = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
        json!({
            "first_step": first_step,
            "started_unix_seconds": started,
            "device_choice": self.choice.to_string(),
            "device": self.device,
            "device_why": self.why,
            "command_line": self.command_line,
            "threads": rayon::current_num_threads(),
            "process": std::process::id(),
        })
    }
}

/// The document of a new run.
pub fn new(sitting: &Sitting) -> Value {
    json!({
        "schema": "mixscore.environment/1",
        "version": env!("CARGO_PKG_VERSION"),
        "build": if cfg!(debug_assertions) { "debug assertions on" } else { "release" },
        "rng_version": RNG_VERSION,
        "os": std::env::consts::OS,
        "architecture": std::env::consts::ARCH,
        "cpu_count": std::thread::available_parallelism().map_or(0, usize::from),
        "device": sitting.device,
        "device_why": sitting.why,
        "command_line": sitting.command_line,
        "sittings": [sitting.json(0)],
    })
}

/// Adds a sitting that goes on from `step` to the run's `environment.json`.
///
/// # Errors
/// [`crate::Error::Io`].
pub fn add_sitting(run: &Path, sitting: &Sitting, step: u64) -> Result<()> {
    let mut document = read(run).unwrap_or_else(|| new(sitting));
    if let Some(sittings) = document.get_mut("sittings").and_then(Value::as_array_mut) {
        sittings.push(sitting.json(step));
    }
    run_folder::write_json(&run.join("environment.json"), &document)
}

/// The choice of device that the run was started with.
pub fn first_choice(run: &Path) -> Option<Device> {
    read(run)?.pointer("/sittings/0/device_choice")?.as_str()?.parse().ok()
}

/// The newest sitting's device.
pub fn last_device(run: &Path) -> Option<String> {
    Some(read(run)?.get("sittings")?.as_array()?.last()?.get("device")?.as_str()?.to_string())
}

fn read(run: &Path) -> Option<Value> {
    serde_json::from_slice(&run_folder::small_file(&run.join("environment.json")).ok()?).ok()
}
