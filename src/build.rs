//! Records the source of a build: the commit of the checkout or of the published crate, the compiler, and the version of wgpu.
//!
//! Cargo runs it again whenever a file of the package changes. A bare copy without a commit records none.

use std::process::Command;

fn main() {
    let parts = [commit(), compiler(), locked("wgpu").map(|version| format!("wgpu {version}"))];
    let said: Vec<String> = parts.into_iter().flatten().collect();
    println!("cargo::rustc-env=MIXSCORE_BUILD={}", said.join("; "));
}

/// For example `48d3686 2026-11-28`; with `-dirty` if files differ from it.
fn commit() -> Option<String> {
    // Cargo writes the commit into a published crate.
    if let Ok(text) = std::fs::read_to_string(".cargo_vcs_info.json") {
        let sha = text.split_once("\"sha1\": \"")?.1.split('"').next()?;
        return Some(sha.get(..7)?.to_string());
    }
    // The checkout must be of this package, not of a repository around it.
    if !std::path::Path::new(".git").exists() {
        return None;
    }
    let described = output("git", &["describe", "--always", "--dirty", "--abbrev=7", "--exclude=*"])?;
    let date = output("git", &["show", "--no-patch", "--format=%cs", "HEAD"])?;
    Some(format!("{described} {date}"))
}

/// For example `rustc 1.95.0`.
fn compiler() -> Option<String> {
    let version = output(&std::env::var("RUSTC").ok()?, &["--version"])?;
    Some(version.split_whitespace().take(2).collect::<Vec<_>>().join(" "))
}

/// The version of a dependency in Cargo.lock.
fn locked(name: &str) -> Option<String> {
    let lock = std::fs::read_to_string("Cargo.lock").ok()?;
    let version = lock.split_once(&format!("name = \"{name}\"\nversion = \""))?.1.split('"').next()?;
    Some(version.to_string())
}

fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_string()).filter(|text| !text.is_empty())
}
