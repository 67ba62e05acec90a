//! `cargo xtask nightly`: what `cargo xtask test` does in a bounded way, at length: kills, and failures of every system call.

use crate::clock::stage;
use crate::workspace::{Workspace, demand};
use crate::{guests, needs};

#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  cargo xtask nightly\n  cargo xtask nightly --kills 2000\n  cargo xtask nightly --seed 7       repeat the run that printed it"
)]
pub struct Args {
    /// How often the server is killed during ingest and compaction, and how often amid erasures
    #[arg(long, default_value_t = 500)]
    kills: u32,
    /// Decides when each kill falls and in which order calls fail; by chance when it is not given
    #[arg(long)]
    seed: Option<u64>,
}

/// Runs the crash and fault tests with more of everything.
///
/// # Errors
/// The first test that fails; what it printed has the seed.
pub fn nightly(workspace: &Workspace, args: &Args) -> anyhow::Result<()> {
    needs::c_compiler()?;
    needs::wasm_target()?;
    let guests = guests::build(workspace)?;
    stage("kills, and failures of every call", || {
        let mut cargo = workspace.cargo(["test", "--profile", "ci", "--package", "spillway", "--test", "blackbox"]);
        cargo.args(["--", "--nocapture", "--test-threads", "1", "crash::", "faults::"]);
        cargo.env("SPILLWAY_GUESTS", guests);
        cargo.env("SPILLWAY_KILLS", args.kills.to_string()).env("SPILLWAY_FAULTS", "all");
        if let Some(seed) = args.seed {
            cargo.env("SPILLWAY_KILLS_SEED", seed.to_string()).env("SPILLWAY_FAULTS_SEED", seed.to_string());
        }
        demand(&mut cargo)
    })
}
