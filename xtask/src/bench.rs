//! `cargo xtask bench`: measures. The store's bench leaves its table below cargo's target folder; nothing else is written.

use anyhow::bail;

use crate::{
    clock::stage,
    guests, needs, ui,
    workspace::{Workspace, demand},
};

/// The package and the target of the store's bench.
const STORE: (&str, &str) = ("spillway", "store");

#[derive(clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  \
    cargo xtask bench                           every part, and the store beside its peers\n  \
    cargo xtask bench store --spans 20M         only the store, at its full size\n  \
    cargo xtask bench evaluate                  only bench targets with this in their name\n  \
    cargo xtask bench evaluate -- --quick       what follows the dashes goes to the bench itself"
)]
pub struct Args {
    #[command(subcommand)]
    part: Option<Part>,
    /// Only bench targets (`package::name`) with this in their name
    filter: Option<String>,
    /// Handed to each bench as they are
    #[arg(last = true)]
    rest: Vec<String>,
}

#[derive(clap::Subcommand)]
enum Part {
    /// The real server under load, beside ClickHouse, DuckDB and rotel
    Store(Store),
}

#[derive(clap::Args)]
struct Store {
    /// How many spans, such as 500k or 20M
    #[arg(long, default_value = "2M")]
    spans: String,
    /// Leave the peers out, which are installed from PyPI
    #[arg(long)]
    no_peers: bool,
}

impl Store {
    fn into_args(self) -> Args {
        let mut rest = vec!["--spans".to_owned(), self.spans];
        rest.extend(self.no_peers.then(|| "--no-peers".to_owned()));
        Args { part: None, filter: Some(format!("{}::{}", STORE.0, STORE.1)), rest }
    }
}

/// Runs the bench targets of the workspace, all of them or some.
///
/// # Errors
/// When a bench does not compile, or fails its own comparison with the oracle.
pub fn bench(workspace: &Workspace, args: Args) -> anyhow::Result<()> {
    let args = match args.part {
        Some(Part::Store(store)) => store.into_args(),
        None => args,
    };
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
