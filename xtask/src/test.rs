//! `cargo xtask test`: every test there is, with what it needs installed or named.

use std::path::Path;
use std::process::Command;

use crate::clock::stage;
use crate::workspace::{Workspace, demand};
use crate::{browser, guests, needs, ui};

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  cargo xtask test\n  cargo xtask test expired_lease_admits_all_traffic")]
pub struct Args {
    /// Only tests whose name contains this
    filter: Option<String>,
}

/// Builds what tests look at (guests, interface), then runs them.
///
/// # Errors
/// The first part that fails.
pub fn test(workspace: &Workspace, args: &Args) -> anyhow::Result<()> {
    needs::c_compiler()?;
    needs::wasm_target()?;
    stage("browser", browser::ensure)?;
    let guests = guests::build(workspace)?;
    ui::build(workspace, &ui::Args::release())?;
    stage("tests of the rules and their SDK, on the host", || {
        let mut cargo = cargo_test(workspace, &guests);
        cargo.args(["-p", "spillway-plugin-sdk"]);
        for rule in workspace.packages_below("plugins/examples") {
            cargo.args(["-p", &rule.name]);
        }
        cargo.args(&args.filter);
        demand(&mut cargo)
    })?;
    // The largest run comes last, so that the closing counts are the last lines on the screen.
    stage("tests of server, engines, pure crates, black box and browser", || {
        let mut cargo = cargo_test(workspace, &guests);
        cargo.args(&args.filter);
        demand(&mut cargo)
    })
}

fn cargo_test(workspace: &Workspace, guests: &Path) -> Command {
    let mut cargo = workspace.cargo(["test", "--profile", "ci"]);
    cargo.env("SPILLWAY_GUESTS", guests);
    // Real documents of other projects are no part of this one: tests compare with them where they lie beside it, and say so where not.
    let payloads = workspace.root.join("../shared/payloads");
    if std::env::var_os("SPILLWAY_PAYLOADS").is_none() && payloads.is_dir() {
        cargo.env("SPILLWAY_PAYLOADS", payloads);
    }
    cargo
}
