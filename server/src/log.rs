//! Logs go to stderr: stdout carries only the lines that say where it listens.

use tracing_subscriber::EnvFilter;

use crate::config::{Config, ConfigError, LogFormat};

/// Starts logging.
///
/// # Errors
/// A filter that does not parse.
pub fn install(config: &Config) -> Result<(), ConfigError> {
    let filter = EnvFilter::builder().parse(&config.log_filter).map_err(|error| {
        ConfigError::Unsafe(format!(
            "bad value `{}` for `log_filter`: {error}; expected for example `info,spillway::ingest=debug`",
            config.log_filter
        ))
    })?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match config.log_format {
        LogFormat::Text => builder.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).init(),
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
    Ok(())
}
