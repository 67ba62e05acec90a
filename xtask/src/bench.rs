//! `cargo xtask bench`: measures; writes no file by itself.

use crate::clock::stage;
use crate::needs;
use crate::workspace::{Workspace, demand};

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  cargo xtask bench\n  cargo xtask bench evaluate")]
pub struct Args {
    /// Only benchmarks whose name contains this
    filter: Option<String>,
}

/// Runs every bench target of the workspace.
///
/// # Errors
/// When a bench does not compile or fails its own comparison with the oracle.
pub fn bench(workspace: &Workspace, args: &Args) -> anyhow::Result<()> {
    needs::c_compiler()?;
    for package in workspace.packages() {
        for bench in &package.benches {
            stage(&format!("bench {}::{bench}", package.name), || {
                let mut cargo = workspace.cargo(["bench", "-p", &package.name, "--bench", bench]);
                if let Some(filter) = &args.filter {
                    cargo.args(["--", filter]);
                }
                demand(&mut cargo)
            })?;
        }
    }
    Ok(())
}
