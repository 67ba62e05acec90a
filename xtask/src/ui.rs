//! `cargo xtask ui`: the browser interface as hashed, precompressed files in web-ui/dist.
//!
//! It starts from the same web-ui/index.html as Trunk. wasm-bindgen runs as a library, so its version is the one in
//! Cargo.lock and no tool has to be installed or downloaded.

use std::fs::File;
use std::path::Path;

use anyhow::Context as _;

use crate::clock::{say, stage};
use crate::needs;
use crate::workspace::{WASM, Workspace, demand};

mod bundle;
mod dist;
mod page;

const PACKAGE: &str = "spillway-web-ui";
const BINARY: &str = "spillway-web-ui.wasm";
/// Leptos then boxes each view instead of naming its type. Measured on 60 components: 475 kB of brotli instead of 553.
const ERASE: &str = "target.wasm32-unknown-unknown.rustflags=['--cfg', 'erase_components']";

#[derive(clap::Args, Clone, Copy)]
#[command(after_help = "Examples:\n  \
    cargo xtask ui            what a release embeds: smallest code, brotli 11\n  \
    cargo xtask ui --draft    seconds instead of minutes while you work on a page")]
pub struct Args {
    /// Build fast instead of small; a release build of the server refuses the result
    #[arg(long)]
    draft: bool,
}

impl Args {
    /// What people get.
    pub fn release() -> Self {
        Self { draft: false }
    }
}

/// How much effort goes into few bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// Optimised for size: what people load.
    Release,
    /// For the person who changes a page and wants to see it.
    Draft,
}

impl Effort {
    fn cargo_profile(self) -> &'static str {
        match self {
            Self::Release => "wasm",
            Self::Draft => "ci",
        }
    }

    /// The word in the manifest, which the server's build script reads.
    pub fn word(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Draft => "draft",
        }
    }
}

/// Compiles, bundles and writes the interface; does nothing where the inputs are those of the last time.
///
/// # Errors
/// When it does not compile, when index.html asks for something unknown, or when a file cannot be written.
pub fn build(workspace: &Workspace, args: &Args) -> anyhow::Result<()> {
    let effort = if args.draft { Effort::Draft } else { Effort::Release };
    let source = workspace.root.join("web-ui");
    let dist = source.join("dist");

    stage("browser interface: compile", || {
        needs::wasm_target()?;
        compile(workspace, effort)
    })?;
    stage("browser interface: bundle", || {
        // Two builds at a time would remove each other's files. The lock goes when the file is closed.
        let lock = workspace.target.join("xtask-ui.lock");
        File::create(&lock)
            .and_then(|file| file.lock().map(|()| file))
            .with_context(|| format!("cannot lock {}", lock.display()))
            .and_then(|_held| {
                let wasm = workspace.target.join(WASM).join(effort.cargo_profile()).join(BINARY);
                bundle(&source, &dist, &wasm, effort)
            })
    })
}

fn compile(workspace: &Workspace, effort: Effort) -> anyhow::Result<()> {
    let profile = effort.cargo_profile();
    let mut cargo =
        workspace.cargo(["build", "-p", PACKAGE, "--target", WASM, "--profile", profile, "--config", ERASE]);
    if effort == Effort::Release {
        // The profile strips everything, also the section that tells wasm-bindgen which features the compiler used.
        // Names are removed by the bundler instead.
        cargo.args(["--config", "profile.wasm.strip='debuginfo'"]);
    }
    demand(&mut cargo)
}

fn bundle(source: &Path, dist: &Path, wasm: &Path, effort: Effort) -> anyhow::Result<()> {
    let page = page::Page::read(source)?;
    let module = std::fs::read(wasm).with_context(|| format!("cannot read {}", wasm.display()))?;
    let inputs = dist::Inputs::of(&page, &module, effort);
    if let Some(manifest) = dist::up_to_date(dist, &inputs) {
        say(&format!("    nothing changed; {manifest}"));
        return Ok(());
    }
    let files = bundle::bundle(&page, module, effort)?;
    say(&format!("    {}", dist::write(dist, &files, &inputs, effort)?));
    Ok(())
}
