//! Where things are, and how cargo is called.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};
use serde_json::Value;

/// The target of the browser interface and of the guests.
pub const WASM: &str = "wasm32-unknown-unknown";

/// The checkout and what cargo says about it.
pub struct Workspace {
    /// The folder of the root Cargo.toml.
    pub root: PathBuf,
    /// Where cargo writes; honours `CARGO_TARGET_DIR` and cargo's configuration.
    pub target: PathBuf,
    packages: Vec<Package>,
}

/// A member of the workspace.
pub struct Package {
    /// Its name in Cargo.toml.
    pub name: String,
    /// Its folder.
    pub folder: PathBuf,
    /// The names of its bench targets.
    pub benches: Vec<String>,
}

impl Workspace {
    /// Asks `cargo metadata`.
    ///
    /// # Errors
    /// When cargo cannot be run or the manifests do not parse.
    pub fn locate() -> anyhow::Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask has no parent folder")?.to_path_buf();
        let output = cargo_in(&root)
            .args(["metadata", "--no-deps", "--format-version", "1"])
            .output()
            .context("cannot run cargo metadata")?;
        if !output.status.success() {
            bail!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        let metadata: Value = serde_json::from_slice(&output.stdout).context("cargo metadata wrote no JSON")?;
        let target = metadata["target_directory"].as_str().context("cargo metadata names no target directory")?.into();
        let packages = metadata["packages"]
            .as_array()
            .context("cargo metadata lists no packages")?
            .iter()
            .map(Package::read)
            .collect::<anyhow::Result<_>>()?;
        Ok(Self { root, target, packages })
    }

    /// A cargo call in the root folder.
    pub fn cargo<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = cargo_in(&self.root);
        command.args(args).env("CARGO_TARGET_DIR", &self.target);
        command
    }

    /// The members below a folder such as `plugins/examples`, by name.
    pub fn packages_below(&self, folder: &str) -> Vec<&Package> {
        let folder = self.root.join(folder);
        let mut found: Vec<_> = self.packages.iter().filter(|package| package.folder.starts_with(&folder)).collect();
        found.sort_by(|a, b| a.name.cmp(&b.name));
        found
    }

    /// All members, in cargo's order.
    pub fn packages(&self) -> &[Package] {
        &self.packages
    }
}

impl Package {
    fn read(value: &Value) -> anyhow::Result<Self> {
        let name = value["name"].as_str().context("a package without a name")?.to_owned();
        let manifest = value["manifest_path"].as_str().context("a package without a manifest path")?;
        let folder = Path::new(manifest).parent().context("a manifest without a folder")?.to_path_buf();
        let benches = value["targets"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|target| target["kind"].as_array().is_some_and(|kinds| kinds.iter().any(|kind| kind == "bench")))
            .filter_map(|target| target["name"].as_str().map(str::to_owned))
            .collect();
        Ok(Self { name, folder, benches })
    }
}

fn cargo_in(root: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root);
    // `cargo run` describes xtask itself in these. Some build scripts (ring's) ask to be run again when one of them
    // changes, so handing them on would compile half the tree anew at every switch between `cargo` and `cargo xtask`.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_"]
            .iter()
            .any(|prefix| text.starts_with(prefix))
        {
            command.env_remove(&name);
        }
    }
    command
}

/// Runs a command with the terminal's own output and demands success.
///
/// # Errors
/// Names the command when it cannot be started or fails.
pub fn demand(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("cannot start {}", shown(command)))?;
    if status.success() { Ok(()) } else { bail!("{} failed ({status})", shown(command)) }
}

/// The command as a person would type it.
fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program()).to_string_lossy();
    let args = command.get_args().map(OsStr::to_string_lossy);
    std::iter::once(program).chain(args).collect::<Vec<_>>().join(" ")
}
