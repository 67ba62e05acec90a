//! Chromium and ChromeDriver for the browser test: found, or installed from Debian, or named.

use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

use crate::clock::say;
use crate::needs::on_path;
use crate::workspace::demand;

/// Names under which distributions ship the browser.
const BROWSERS: &[&str] = &["chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome"];
/// A headless browser without one font draws pages without text, and Debian only recommends one.
const DEBIAN: &[&str] = &["chromium", "chromium-driver", "fonts-dejavu-core", "fonts-liberation"];

/// Makes sure that the browser test can run.
///
/// # Errors
/// One line that names what is missing and how to get it.
pub fn ensure() -> anyhow::Result<()> {
    let missing = missing();
    if missing.is_empty() {
        return Ok(());
    }
    let wanted = missing.join(" and ");
    let advice = || format!("the browser test needs {wanted} on PATH (Debian: apt-get install {})", DEBIAN.join(" "));
    if !root() || on_path(&["apt-get"]).is_none() {
        bail!("{}", advice());
    }
    say(&format!("    installing {wanted} from Debian"));
    demand(apt().args(["update", "--quiet"])).with_context(advice)?;
    demand(apt().args(["install", "--yes", "--quiet", "--no-install-recommends"]).args(DEBIAN)).with_context(advice)?;
    if !self::missing().is_empty() {
        bail!("{}; the packages were installed, but their programs are not there", advice());
    }
    Ok(())
}

fn missing() -> Vec<&'static str> {
    let chosen = |name: &str| std::env::var_os(name).is_some();
    let mut missing = Vec::new();
    if !chosen("CHROME") && on_path(BROWSERS).is_none() {
        missing.push("Chromium");
    }
    if !chosen("CHROMEDRIVER") && on_path(&["chromedriver"]).is_none() {
        missing.push("ChromeDriver");
    }
    missing
}

fn apt() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null());
    command
}

fn root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}
