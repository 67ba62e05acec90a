//! `cargo xtask guests`: example rules and hostile fixtures as core WebAssembly modules, gathered in one folder.

use std::path::PathBuf;

use anyhow::Context as _;

use crate::clock::{say, stage};
use crate::needs;
use crate::workspace::{Package, WASM, Workspace, demand};

/// Builds every guest and returns the folder with all the `.wasm` files, which tests know as `SPILLWAY_GUESTS`.
///
/// # Errors
/// When the target cannot be had, a guest does not compile, or a file cannot be copied.
pub fn build(workspace: &Workspace) -> anyhow::Result<PathBuf> {
    stage("guests", || {
        needs::wasm_target()?;
        let guests = packages(workspace);
        let mut cargo = workspace.cargo(["build", "--profile", "wasm", "--target", WASM, "--lib"]);
        for guest in &guests {
            cargo.args(["-p", &guest.name]);
        }
        demand(&mut cargo)?;
        gather(workspace, &guests)
    })
}

/// The crates whose output is a guest.
pub fn packages(workspace: &Workspace) -> Vec<&Package> {
    ["plugins/examples", "plugins/fixtures"].into_iter().flat_map(|folder| workspace.packages_below(folder)).collect()
}

fn gather(workspace: &Workspace, guests: &[&Package]) -> anyhow::Result<PathBuf> {
    let folder = workspace.target.join("guests");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let built = workspace.target.join(WASM).join("wasm");
    let mut names = Vec::new();
    for guest in guests {
        let name = format!("{}.wasm", guest.name.replace('-', "_"));
        let from = built.join(&name);
        // A renamed or removed guest must not leave a file behind that a test then finds, hence the removal below.
        std::fs::copy(&from, folder.join(&name))
            .with_context(|| format!("cannot copy {}: does {} have crate-type cdylib?", from.display(), guest.name))?;
        names.push(name);
    }
    for entry in std::fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let entry = entry?;
        if !names.iter().any(|name| entry.file_name() == name.as_str()) {
            std::fs::remove_file(entry.path()).with_context(|| format!("cannot remove {}", entry.path().display()))?;
        }
    }
    say(&format!("    {} guests in {}", names.len(), folder.display()));
    Ok(folder)
}
