//! What must be on the machine beside Rust, and installing the part of it that can be installed.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

use crate::clock::say;
use crate::workspace::{WASM, demand};

/// Fails early with one line, where a build would fail after minutes with a page.
///
/// # Errors
/// When no C compiler answers.
pub fn c_compiler() -> anyhow::Result<()> {
    let chosen = std::env::var_os("CC");
    let candidates: Vec<_> = chosen.into_iter().chain(["cc", "gcc", "clang"].map(Into::into)).collect();
    let found = candidates.iter().any(|program| {
        Command::new(program)
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    });
    if !found {
        bail!(
            "no C compiler found: bundled SQLite and zstd are compiled from C. Install one (Debian: apt-get install gcc libc6-dev) or set CC"
        );
    }
    Ok(())
}

/// Installs the standard library for WebAssembly when it is missing.
///
/// # Errors
/// When it is missing and rustup cannot add it.
pub fn wasm_target() -> anyhow::Result<()> {
    if wasm_library()?.is_dir() {
        return Ok(());
    }
    say(&format!("    adding the Rust target {WASM}"));
    let advice = || format!("the Rust target {WASM} is missing and could not be added; run: rustup target add {WASM}");
    demand(Command::new("rustup").args(["target", "add", WASM])).with_context(advice)?;
    if !wasm_library()?.is_dir() {
        bail!("{}: rustup added it to another toolchain than the one that runs here", advice());
    }
    Ok(())
}

fn wasm_library() -> anyhow::Result<PathBuf> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output =
        Command::new(rustc).args(["--print", "sysroot"]).output().context("cannot run rustc --print sysroot")?;
    if !output.status.success() {
        bail!("rustc --print sysroot failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let sysroot = String::from_utf8(output.stdout).context("the path of the Rust sysroot is not UTF-8")?;
    Ok(Path::new(sysroot.trim()).join("lib/rustlib").join(WASM).join("lib"))
}

/// The first of these programs that stands on `PATH`.
pub fn on_path(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders: Vec<_> = std::env::split_paths(&path).collect();
    names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name))).find(|file| file.is_file())
}
