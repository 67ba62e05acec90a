//! `spillway export FILE`: traces as OTLP/JSON lines, from the server that has the data open, or directly; with `--history` what is no trace.

use std::{
    fs::File,
    io::{self, BufWriter, Write as _},
    path::Path,
    process::ExitCode,
};

use clap::Args;
use spillway_api::Timestamp;
use spillway_query::{Comparison, Filter, Order, Term};
use spillway_store::StoreError;
use spillway_store_sqlite::{OpenOptions, SqliteStore, history};

use super::{Data, EX_UNAVAILABLE, EX_USAGE, Remote, RemoteArgs, RemoteError, block_on, refused};
use crate::exchange::Export;

/// Arguments of `spillway export`.
#[derive(Args, Debug)]
pub struct ExportArgs {
    /// Where to; `-` is standard output
    file: String,
    /// Rollups, events and decisions instead of traces
    #[arg(long, conflicts_with_all = ["filter", "from", "to"])]
    history: bool,
    /// Only traces that have a span fulfilling it
    #[arg(long = "where", value_name = "FILTER", default_value = "")]
    filter: String,
    /// Only traces with a span that began then or later, such as 2026-01-31T12:00:00Z
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Only traces with a span that began before
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    #[command(flatten)]
    data: Data,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// Why it did not work.
#[derive(Debug, thiserror::Error)]
enum ExportError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Remote(#[from] RemoteError),
    #[error("cannot write {file}")]
    Output {
        file: String,
        #[source]
        source: io::Error,
    },
}

/// Writes, and says how much it was on standard error.
pub fn run(args: ExportArgs) -> ExitCode {
    let dir = match args.data.clone().dir() {
        Ok(dir) => dir,
        Err(error) => return refused(&error, EX_USAGE),
    };
    let filter = match filter(&args) {
        Ok(filter) => filter,
        Err(error) => return refused(&*error, EX_USAGE),
    };
    if !dir.join("control.db").exists() {
        eprintln!("spillway: there is no data in {}", dir.display());
        return ExitCode::from(EX_UNAVAILABLE);
    }
    match block_on(export(&args, &dir, filter)) {
        Ok(Ok(lines)) => {
            eprintln!("{lines} lines");
            ExitCode::SUCCESS
        }
        Ok(Err(error)) => refused(&error, EX_UNAVAILABLE),
        Err(error) => refused(&error, EX_UNAVAILABLE),
    }
}

fn filter(args: &ExportArgs) -> Result<Filter, Box<dyn std::error::Error>> {
    let mut parts = vec![spillway_query::parse(&args.filter)?];
    for (text, order) in [(&args.from, Order::AtLeast), (&args.to, Order::Less)] {
        if let Some(text) = text {
            let ns = u64::try_from(Timestamp::parse(text)?.unix_ns()).unwrap_or_default();
            parts.push(Filter::Term(Term::Start(Comparison::Order(order), ns)));
        }
    }
    Ok(Filter::all(parts))
}

async fn export(args: &ExportArgs, dir: &Path, filter: Filter) -> Result<u64, ExportError> {
    let failed = |source| ExportError::Output { file: args.file.clone(), source };
    let output: Box<dyn io::Write + Send> = match args.file.as_str() {
        "-" => Box::new(io::stdout()),
        path => Box::new(File::create(path).map_err(failed)?),
    };
    let mut output = BufWriter::new(output);
    let mut lines = 0;
    if args.history {
        let mut write = |line: &str| {
            writeln!(output, "{line}")
                .map_err(|source| StoreError::Io { action: format!("write {}", args.file), source: source.into() })
        };
        lines = history::export(dir, &mut write).await?;
        output.flush().map_err(failed)?;
        return Ok(lines);
    }
    match SqliteStore::open(dir, OpenOptions::default()).await {
        Ok((store, writer)) => {
            let mut export = Export::new(store.clone(), filter);
            let exported = loop {
                match export.next().await {
                    Ok(Some(trace)) => {
                        lines += trace.lines.lines().count() as u64;
                        if let Err(source) = output.write_all(trace.lines.as_bytes()) {
                            break Err(failed(source));
                        }
                    }
                    Ok(None) => break Ok(()),
                    Err(error) => break Err(error.into()),
                }
            };
            drop(export);
            let _ = writer.close().await;
            store.close().await;
            exported?;
        }
        Err(StoreError::Conflict(_)) => {
            let path = format!("/api/v1/export?q={}", encoded(&filter.to_string()));
            let piece = |bytes: &[u8]| {
                lines += bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
                output.write_all(bytes)
            };
            Remote::new(&args.remote).stream(&path, piece).await?;
        }
        Err(error) => return Err(error.into()),
    }
    output.flush().map_err(failed)?;
    Ok(lines)
}

/// For a query string.
fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
