//! `cargo xtask run`: from a fresh checkout to a running server in one command.

use std::process::Command;

use anyhow::Context as _;

use crate::clock::{say, stage};
use crate::workspace::{Workspace, demand};
use crate::{guests, needs, ui};

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    cargo xtask run\n  \
    cargo xtask run -- --demo\n  \
    cargo xtask run -- --listen 127.0.0.1:8080 --otlp-grpc off")]
pub struct Args {
    /// Handed to `spillway serve` as they are
    #[arg(last = true)]
    serve: Vec<String>,
}

/// Builds the interface, the guests and the server, then becomes the server.
///
/// # Errors
/// When a part does not build or the server cannot be started.
pub fn run(workspace: &Workspace, args: Args) -> anyhow::Result<()> {
    needs::c_compiler()?;
    needs::wasm_target()?;
    ui::build(workspace, &ui::Args::release())?;
    let rules = guests::build(workspace)?;
    stage("server", || demand(&mut workspace.cargo(["build", "--release", "-p", "spillway"])))?;
    say(&format!("    example rules to upload: {}/rule_*.wasm", rules.display()));

    let mut server = Command::new(workspace.target.join("release/spillway"));
    server.current_dir(&workspace.root).arg("serve");
    if !args.serve.iter().any(|arg| arg == "--data-dir" || arg.starts_with("--data-dir=")) {
        server.args(["--data-dir", "data"]);
    }
    server.args(args.serve);
    become_it(server).context("cannot start the server that was just built")
}

#[cfg(unix)]
fn become_it(mut server: Command) -> anyhow::Result<()> {
    use std::os::unix::process::CommandExt as _;
    // Replaces this process, so that Ctrl-C and SIGTERM reach the server itself and nothing stands in between.
    Err(server.exec().into())
}

#[cfg(not(unix))]
fn become_it(mut server: Command) -> anyhow::Result<()> {
    demand(&mut server)
}
