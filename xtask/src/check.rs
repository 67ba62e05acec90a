//! `cargo xtask check`: what can be said about the tree without running it.

use std::process::{Command, Stdio};

use anyhow::bail;

use crate::clock::{say, stage};
use crate::workspace::{WASM, Workspace, demand};
use crate::{guests, needs};

/// Runs all checks and stops at the first that fails; the cheap ones come first.
///
/// # Errors
/// The first check that fails.
pub fn check(workspace: &Workspace) -> anyhow::Result<()> {
    needs::c_compiler()?;
    needs::wasm_target()?;
    stage("format", || demand(&mut workspace.cargo(["fmt", "--all", "--check"])))?;
    stage("lock file", || {
        let mut cargo = workspace.cargo(["metadata", "--locked", "--format-version", "1"]);
        demand(cargo.stdout(Stdio::null()))
    })?;
    stage("leftovers", || leftovers(workspace))?;
    stage("licences, bans, sources", || deny(workspace))?;
    stage("clippy: server and tools", || {
        demand(&mut workspace.cargo(["clippy", "--profile", "ci", "--all-targets", "--", "-D", "warnings"]))
    })?;
    // Profile wasm, because its host parts (proc macros, build scripts) are then compiled once for this and for the UI.
    stage("clippy: browser interface", || {
        demand(&mut workspace.cargo([
            "clippy",
            "-p",
            "spillway-web-ui",
            "--target",
            WASM,
            "--profile",
            "wasm",
            "--",
            "-D",
            "warnings",
        ]))
    })?;
    stage("clippy: rules, their SDK and hostile guests", || {
        let mut cargo = workspace.cargo(["clippy", "--target", WASM, "--profile", "wasm", "-p", "spillway-plugin-sdk"]);
        for guest in guests::packages(workspace) {
            cargo.args(["-p", &guest.name]);
        }
        demand(cargo.args(["--", "-D", "warnings"]))
    })?;
    stage("documentation", || {
        demand(
            workspace
                .cargo(["doc", "--profile", "ci", "--no-deps", "--document-private-items"])
                .env("RUSTDOCFLAGS", "-D warnings"),
        )
    })
}

/// Snapshots that a test run wanted to write, and nobody looked at.
fn leftovers(workspace: &Workspace) -> anyhow::Result<()> {
    let output = Command::new("git")
        .current_dir(&workspace.root)
        .args([
            "ls-files",
            "--cached",
            "--others",
            "--",
            "*.snap.new",
            "*.orig",
            "*.rej",
            ":(exclude)target",
            ":(exclude)data",
        ])
        .output();
    // A source archive has no git; there is nothing to look for then.
    let Ok(output) = output else { return Ok(()) };
    let found = String::from_utf8_lossy(&output.stdout);
    if found.trim().is_empty() { Ok(()) } else { bail!("files that do not belong in the tree:\n{}", found.trim()) }
}

/// Advisories are left out: they need a database from the network, and a build must not change its mind overnight.
fn deny(workspace: &Workspace) -> anyhow::Result<()> {
    let installed = workspace.cargo(["deny", "--version"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !installed.is_ok_and(|status| status.success()) {
        say(
            "!!! SKIPPED: cargo-deny is not installed, so licences, bans and sources were NOT checked (cargo install --locked cargo-deny)",
        );
        return Ok(());
    }
    demand(&mut workspace.cargo(["deny", "check", "--hide-inclusion-graph", "licenses", "bans", "sources"]))
}
