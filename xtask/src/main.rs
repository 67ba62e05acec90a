//! Builds, checks, tests and runs Spillway, so that a fresh machine needs nothing but stable Rust and a C compiler.

use clap::{Parser, Subcommand};

mod bench;
mod browser;
mod check;
mod clock;
mod guests;
mod needs;
mod nightly;
mod run;
mod test;
mod ui;
mod workspace;

use workspace::Workspace;

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    about = "Builds, checks, tests and runs Spillway",
    disable_help_subcommand = true,
    after_help = "Examples:\n  \
        cargo xtask run                  build all and start it on http://127.0.0.1:7070\n  \
        cargo xtask run -- --demo        the same, with a demo shop that sends data\n  \
        cargo xtask test                 every test; installs the wasm target and Chromium when it can\n  \
        cargo xtask test trace_by_id     only the tests whose name contains it\n  \
        cargo xtask ui --draft           a quick build of the browser interface"
)]
struct Args {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build the browser interface into web-ui/dist, from which the server embeds it
    Ui(ui::Args),
    /// Build the example rules and the hostile test guests to WebAssembly
    Guests,
    /// Build everything in release mode and start the server with its data in ./data
    Run(run::Args),
    /// Format, lints, documentation, licences: what needs no test run
    Check,
    /// Run every test: unit, property, contract, black box and browser
    Test(test::Args),
    /// Kill the server 500 times, and let every system call fail: the long form of the crash and fault tests
    Nightly(nightly::Args),
    /// Measure: criterion benches, and the store under load beside its peers
    Bench(bench::Args),
}

fn main() -> std::process::ExitCode {
    let args = Args::parse();
    match work(args.task) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nxtask: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}

fn work(task: Task) -> anyhow::Result<()> {
    let workspace = Workspace::locate()?;
    match task {
        Task::Ui(args) => ui::build(&workspace, &args),
        Task::Guests => guests::build(&workspace).map(drop),
        Task::Run(args) => run::run(&workspace, args),
        Task::Check => check::check(&workspace),
        Task::Test(args) => test::test(&workspace, &args),
        Task::Nightly(args) => nightly::nightly(&workspace, &args),
        Task::Bench(args) => bench::bench(&workspace, args),
    }
}
