//! `environment.json`: the versions, the machine and the device of a run, and under `sittings` one entry for each launch of the program on
//! it.

use std::path::Path;
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::device::Device;
use crate::error::Result;
use crate::objective::estimator::AUTO_VERSION;
use crate::problem::NUMERICS_VERSION;
use crate::random::streams::RNG_VERSION;

use super::run_folder;

/// One launch of the program on a run, for the record.
#[derive(Debug, Clone)]
pub(crate) struct Launch {
    /// What the user chose.
    pub choice: Device,
    /// [`crate::Backend::describe`].
    pub device: String,
    /// [`crate::backend::Description::details`].
    pub details: Vec<(&'static str, String)>,
    /// The sentence that says why this device was chosen.
    pub why: String,
    pub command_line: Vec<String>,
}

impl Launch {
    fn details(&self) -> Value {
        Value::Object(self.details.iter().map(|(name, value)| ((*name).into(), json!(value))).collect())
    }

    /// What determines the last digits: the kind of device, and a GPU's adapter and driver.
    pub(crate) fn computes_on(&self) -> String {
        computes_on(&self.device, &self.details())
    }

    fn json(&self, first_step: u64) -> Value {
        let started = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
        json!({
            "first_step": first_step,
            "started_unix_seconds": started,
            "device_choice": self.choice.to_string(),
            "device": self.device,
            "device_details": self.details(),
            "device_why": self.why,
            "version": env!("CARGO_PKG_VERSION"),
            "made_from": env!("MIXSCORE_BUILD"),
            "executable_blake3": executable_hash(),
            "command_line": self.command_line,
            "threads": rayon::current_num_threads(),
            "process": std::process::id(),
        })
    }
}

/// A hash of the program, because builds of the same version may differ. `None` if the system does not say which file runs.
fn executable_hash() -> Option<String> {
    static HASH: OnceLock<Option<String>> = OnceLock::new(); // the file may be replaced while the program runs
    let hash = || Some(blake3::hash(&std::fs::read(std::env::current_exe().ok()?).ok()?).to_hex().to_string());
    HASH.get_or_init(hash).clone()
}

/// The document of a new run.
pub(crate) fn new(launch: &Launch) -> Value {
    json!({
        "schema": "mixscore.environment/1",
        "version": env!("CARGO_PKG_VERSION"),
        "made_from": env!("MIXSCORE_BUILD"),
        "build": if cfg!(debug_assertions) { "debug assertions on" } else { "release" },
        "rng_version": RNG_VERSION,
        "auto_version": AUTO_VERSION,
        "numerics_version": NUMERICS_VERSION,
        "os": std::env::consts::OS,
        "architecture": std::env::consts::ARCH,
        "cpu_count": std::thread::available_parallelism().map_or(0, usize::from),
        "device": launch.device,
        "device_details": launch.details(),
        "device_why": launch.why,
        "command_line": launch.command_line,
        "sittings": [launch.json(0)],
    })
}

/// Adds a launch that continues from `step` to the run's `environment.json`.
pub(crate) fn add_launch(run: &Path, launch: &Launch, step: u64) -> Result<()> {
    let mut document = read(run).unwrap_or_else(|| new(launch));
    if let Some(sittings) = document.get_mut("sittings").and_then(Value::as_array_mut) {
        sittings.push(launch.json(step));
    }
    run_folder::write_json(&run.join("environment.json"), &document)
}

/// Adds notes to the newest launch.
pub(crate) fn add_notes(run: &Path, notes: &[String]) -> Result<()> {
    let Some(mut document) = read(run) else { return Ok(()) };
    if let Some(launch) = document.get_mut("sittings").and_then(Value::as_array_mut).and_then(|all| all.last_mut()) {
        launch["notes"] = json!(notes);
    }
    run_folder::write_json(&run.join("environment.json"), &document)
}

/// The choice of device that the run was started with.
pub(crate) fn first_choice(run: &Path) -> Option<Device> {
    read(run)?.pointer("/sittings/0/device_choice")?.as_str()?.parse().ok()
}

/// The newest launch's device.
pub(crate) fn last_device(run: &Path) -> Option<String> {
    Some(read(run)?.get("sittings")?.as_array()?.last()?.get("device")?.as_str()?.to_string())
}

/// As [`Launch::computes_on`], of the newest launch.
pub(crate) fn last_computed_on(run: &Path) -> Option<String> {
    let document = read(run)?;
    let last = document.get("sittings")?.as_array()?.last()?;
    Some(computes_on(last.get("device")?.as_str()?, &last["device_details"]))
}

/// "cpu", whose results do not depend on its threads, or "gpu: NAME, TYPE, API, DRIVER".
fn computes_on(device: &str, details: &Value) -> String {
    let kind = device.split(':').next().unwrap_or_default();
    let values: Vec<&str> = ["name", "type", "api", "driver"].iter().filter_map(|name| details[*name].as_str()).collect();
    if values.is_empty() { kind.into() } else { format!("{kind}: {}", values.join(", ")) }
}

fn read(run: &Path) -> Option<Value> {
    serde_json::from_slice(&run_folder::small_file(&run.join("environment.json")).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_adapter_or_driver_is_another_device() {
        let launch = |device: &str, driver: Option<&str>| Launch {
            choice: Device::Auto,
            device: device.into(),
            details: driver.map_or(Vec::new(), |driver| vec![("name", "A".into()), ("api", "Vulkan".into()), ("driver", driver.into())]),
            why: String::new(),
            command_line: Vec::new(),
        };
        let run = tempfile::tempdir().unwrap();
        let gpu = launch("gpu: A (Vulkan), f32", Some("1.0"));
        run_folder::write_json(&run.path().join("environment.json"), &new(&gpu)).unwrap();
        assert_eq!(last_computed_on(run.path()), Some(gpu.computes_on()));
        assert_ne!(gpu.computes_on(), launch("gpu: A (Vulkan), f32", Some("1.1")).computes_on());
        add_launch(run.path(), &launch("cpu: 2 threads, f32", None), 5).unwrap();
        assert_eq!(last_computed_on(run.path()), Some(launch("cpu: 8 threads, f32", None).computes_on()));
        assert_eq!(read(run.path()).unwrap()["sittings"][0]["device_details"]["driver"], "1.0");
    }
}
