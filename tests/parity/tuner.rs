//! The tuner, through the program: its choice is kept for the next run and changes no bit, and a broken cache is no error.

use std::path::Path;
use std::process::Command;

use libtest_mimic::Failed;
use mixscore::gpu::adapters;

use super::device::Which;

/// The bytes of a gradient on this device, with the cache in `folder`.
fn gradient(device: &str, folder: &Path, tune: &str) -> Result<Vec<u8>, Failed> {
    let path = |name: &str| folder.join(name);
    let out = Command::new(env!("CARGO_BIN_EXE_mixscore"))
        .args(["gradient", "--samples", "64", "--sampler", "philox", "--quiet", "--device", device])
        .args([Path::new("--student"), &path("student.json"), Path::new("--teacher"), &path("teacher.json")])
        .args([Path::new("--output"), &path("gradient.npz")])
        .env("MIXSCORE_TUNE", tune)
        .env("MIXSCORE_CACHE", folder)
        .output()?;
    if !out.status.success() {
        return Err(format!("{}: {}", out.status, String::from_utf8_lossy(&out.stderr)).into());
    }
    Ok(std::fs::read(path("gradient.npz"))?)
}

/// A mixture of `n` components in 40 dimensions: products of more than 32 columns.
fn mixture(n: usize, phase: usize) -> String {
    let mean = |l: usize| (0..40).map(|c| format!("{}", ((l * 40 + c) * 7 + phase) % 13)).collect::<Vec<_>>().join(",");
    format!("{{\"means\": [{}]}}", (0..n).map(|l| format!("[{}]", mean(l))).collect::<Vec<_>>().join(","))
}

pub(crate) fn choices_are_kept(which: &Which) -> Result<(), Failed> {
    let Which::Adapter { index, .. } = which else { unreachable!("asked of adapters only") };
    let device = if adapters()[*index].software { "software".into() } else { format!("gpu:{index}") };
    let folder = tempfile::tempdir()?;
    let cache = folder.path().join("tuning.json");
    std::fs::write(folder.path().join("student.json"), mixture(40, 0))?;
    std::fs::write(folder.path().join("teacher.json"), mixture(3, 5))?;

    let want = gradient(&device, folder.path(), "0")?;
    if cache.exists() {
        return Err("something was tuned though that was forbidden".into());
    }
    std::fs::write(&cache, "{ broken")?;
    let tuned = gradient(&device, folder.path(), "1")?;
    let kept = std::fs::read_to_string(&cache)?;
    // Any of the tuner's choices but the one it made.
    let other = if kept.contains("32 columns, 16 MiB") { "64 columns, 256 MiB" } else { "32 columns, 16 MiB" };
    let end = kept.rfind(" MiB").ok_or("no choice")? + 4;
    let start = kept[..end].rfind(" columns").and_then(|at| kept[..at].rfind(", ")).ok_or("no choice")?;
    let changed = format!("{}, {other}{}", &kept[..start], &kept[end..]);
    std::fs::write(&cache, &changed)?;
    let again = gradient(&device, folder.path(), "1")?;
    if std::fs::read_to_string(&cache)? != changed {
        return Err(format!("the choice was not taken from the cache: {changed}").into());
    }
    if tuned != want || again != want { Err("a choice changed bits".into()) } else { Ok(()) }
}
