//! Python and Node.js with packages for a test, installed once beside the build.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// Runs work that blocks off the test's own thread.
pub async fn off<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

/// Elsewhere a missing language must not fail everybody's test run; in CI it must.
pub fn skipped(what: &str) {
    assert!(std::env::var_os("CI").is_none(), "CI must have {what}");
    println!("\n*** SKIPPED: no {what} on this machine, what needs it was not tested ***\n");
}

/// The interpreter of a virtual environment of that name with these packages; `None` where there is no Python.
pub fn python(name: &str, packages: &[&str]) -> Option<PathBuf> {
    let folder = cache(name);
    let python = folder.join("bin/python");
    let wanted = packages.join("\n");
    if is_made(&folder, &wanted) && runs(&python) {
        return Some(python);
    }
    if !Command::new("python3").args(["-m", "venv"]).arg(&folder).status().is_ok_and(|status| status.success()) {
        return None;
    }
    let installed = Command::new(&python)
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
        .args(packages)
        .status()
        .unwrap();
    assert!(installed.success(), "pip could not install {packages:?}");
    std::fs::write(folder.join(MADE), wanted).unwrap();
    Some(python)
}

/// A folder of that name with the packages of a `package.json`; `None` where there is no Node.js with npm.
pub fn node(name: &str, packages: &str) -> Option<PathBuf> {
    if !runs("node") || !runs("npm") {
        return None;
    }
    let folder = cache(name);
    if !is_made(&folder, packages) {
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("package.json"), packages).unwrap();
        let run = Command::new("npm")
            .args(["install", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"])
            .current_dir(&folder)
            .output()
            .unwrap();
        assert!(run.status.success(), "npm could not install: {}", String::from_utf8_lossy(&run.stderr));
        std::fs::write(folder.join(MADE), packages).unwrap();
    }
    Some(folder)
}

/// Says of what a folder was made, once it is.
const MADE: &str = "installed";

fn is_made(folder: &Path, of: &str) -> bool {
    std::fs::read_to_string(folder.join(MADE)).is_ok_and(|made| made == of)
}

fn cache(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name)
}

fn runs(program: impl AsRef<std::ffi::OsStr>) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|run| run.status.success())
}
