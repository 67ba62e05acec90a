//! `cargo xtask bench`: measures; writes no file by itself.

use anyhow::bail;

use crate::{
    clock::stage,
    guests, needs, ui,
    workspace::{Workspace, demand},
};

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    cargo xtask bench                           every part, and the end-to-end load run\n  \
    cargo xtask bench evaluate                  only bench targets with this in their name\n  \
    cargo xtask bench end_to_end -- 2000        what follows the dashes goes to the bench itself")]
pub struct Args {
    /// Only bench targets (`package::name`) with this in their name
    filter: Option<String>,
    /// Handed to each bench as they are
    #[arg(last = true)]
    rest: Vec<String>,
}

/// Runs the bench targets of the workspace, all of them or some.
///
/// # Errors
/// When a bench does not compile, or fails its own comparison with the oracle.
pub fn bench(workspace: &Workspace, args: &Args) -> anyhow::Result<()> {
    let wanted = |name: &str| args.filter.as_ref().is_none_or(|filter| name.contains(filter.as_str()));
    let all = workspace.packages().iter().flat_map(|package| package.benches.iter().map(move |bench| (package, bench)));
    let chosen: Vec<_> = all
        .map(|(package, bench)| (package, bench, format!("{}::{bench}", package.name)))
        .filter(|(_, _, name)| wanted(name))
        .collect();
    if chosen.is_empty() {
        bail!("no bench target has {:?} in its name", args.filter.as_deref().unwrap_or_default());
    }
    needs::c_compiler()?;
    // Benches are built as a release is, and a release of the server refuses to be built without its interface.
    ui::build(workspace, &ui::Args::release())?;
    let guests = guests::build(workspace)?;
    for (package, bench, name) in chosen {
        stage(&format!("bench {name}"), || {
            let mut cargo = workspace.cargo(["bench", "-p", &package.name, "--bench", bench, "--"]);
            demand(cargo.args(&args.rest).env("SPILLWAY_GUESTS", &guests))
        })?;
    }
    Ok(())
}
