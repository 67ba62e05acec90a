//! A Python of its own for the peers, below cargo's target folder.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// A virtual environment.
pub struct Venv {
    folder: PathBuf,
}

impl Venv {
    /// Made on first use, kept for the next run.
    ///
    /// # Errors
    /// When there is no Python, or it cannot make one.
    pub fn open(folder: &Path) -> Result<Self, String> {
        let venv = Self { folder: folder.join("venv") };
        if !venv.python().is_file() {
            run(Command::new("python3").args(["-m", "venv"]).arg(&venv.folder))?;
        }
        Ok(venv)
    }

    pub fn python(&self) -> PathBuf {
        self.folder.join("bin/python")
    }

    /// Installs what is not there yet, from PyPI.
    ///
    /// # Errors
    /// When there is no such package for this Python and machine.
    pub fn install(&self, packages: &[&str]) -> Result<(), String> {
        for package in packages {
            let done = self.folder.join(format!("{package}.installed"));
            if !done.is_file() {
                run(Command::new(self.python())
                    .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--timeout", "60"])
                    .args(["--retries", "2", package]))?;
                std::fs::write(done, "").map_err(|error| error.to_string())?;
            }
        }
        Ok(())
    }

    /// What a line of Python prints.
    ///
    /// # Errors
    /// When it fails.
    pub fn ask(&self, code: &str) -> Result<String, String> {
        run(Command::new(self.python()).args(["-c", code])).map(|text| text.trim().to_owned())
    }
}

fn run(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| format!("cannot start {:?}: {error}", command.get_program()))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    Err(text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it failed without a word").to_owned())
}
