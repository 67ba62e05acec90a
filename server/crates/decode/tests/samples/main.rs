//! Conformance: real documents of other projects, which are not part of this one.
//!
//! They are read from the folder that `SPILLWAY_PAYLOADS` names; without it one loud line says that nothing was compared.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod feeds;
mod health;
mod webhooks;

use std::path::PathBuf;

/// A document, or `None` when there are no samples here.
fn sample(name: &str) -> Option<Vec<u8>> {
    let Some(folder) = std::env::var_os("SPILLWAY_PAYLOADS").map(PathBuf::from) else {
        eprintln!("NOT COMPARED: {name} (SPILLWAY_PAYLOADS names no folder of samples)");
        return None;
    };
    // Where there is a folder, a document that is missing from it is a failure.
    let path = folder.join(name);
    Some(std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}
