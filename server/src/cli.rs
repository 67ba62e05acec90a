//! Commands that end: each parses its arguments, calls one function of the store and says what came of it.

use std::{collections::BTreeMap, error::Error, path::PathBuf, process::ExitCode};

use clap::Args;

use crate::config;

mod backup;
mod check;
mod erase;
mod export;
mod import;
mod remote;
mod restore;
mod run;

pub use backup::{BackupArgs, run as backup};
pub use check::{CheckArgs, run as check};
pub use erase::{EraseArgs, run as erase};
pub use export::{ExportArgs, run as export};
pub use import::{ImportArgs, run as import};
pub use remote::{Remote, RemoteArgs, RemoteError};
pub use restore::{RestoreArgs, run as restore};
pub use run::{RunArgs, run};

/// `sysexits.h`: the configuration or the command line is wrong.
pub const EX_USAGE: u8 = 64;
/// `sysexits.h`: the data is damaged.
pub const EX_DATAERR: u8 = 65;
/// `sysexits.h`: something that it needs (a port, the data directory) is not to be had.
pub const EX_UNAVAILABLE: u8 = 69;

/// Which data; as `spillway serve` finds it.
#[derive(Args, Clone, Debug)]
pub struct Data {
    /// Directory of the SQLite files [default: ./data]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<String>,
    /// TOML file with the settings of the server
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Data {
    /// All settings, for commands that do what the server does.
    fn config(self) -> Result<config::Config, config::ConfigError> {
        let flags: Vec<(&'static str, String)> = self.data_dir.map(|dir| ("data_dir", dir)).into_iter().collect();
        let variables: BTreeMap<String, String> = std::env::vars().collect();
        config::Config::from_layers(&config::load(&flags, &variables, self.config)?)
    }

    fn dir(self) -> Result<PathBuf, config::ConfigError> {
        let flags: Vec<(&'static str, String)> = self.data_dir.map(|dir| ("data_dir", dir)).into_iter().collect();
        let variables: BTreeMap<String, String> = std::env::vars().collect();
        Ok(PathBuf::from(&config::load(&flags, &variables, self.config)?.get("data_dir").text))
    }
}

/// Says why on standard error.
pub fn refuse(error: &dyn Error) {
    eprint!("spillway: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        eprint!(": {cause}");
        source = cause.source();
    }
    eprintln!();
}

fn refused(error: &dyn Error, code: u8) -> ExitCode {
    refuse(error);
    ExitCode::from(code)
}

/// Runs to its end on this thread and those for blocking work.
fn block_on<T>(work: impl Future<Output = T>) -> Result<T, std::io::Error> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work))
}

/// Bytes for people, such as `12.3 MiB`.
fn shown(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if value < 1024.0 {
            return if unit == "B" { format!("{bytes} B") } else { format!("{value:.1} {unit}") };
        }
        value /= 1024.0;
    }
    format!("{value:.1} TiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_shown_in_the_unit_that_fits() {
        assert_eq!(shown(1_023), "1023 B");
        assert_eq!(shown(12_897_485), "12.3 MiB");
        assert_eq!(shown(5 << 40), "5.0 TiB");
    }
}
