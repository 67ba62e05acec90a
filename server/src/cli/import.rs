//! `spillway import FILE`: OTLP/JSON lines, or what Jaeger's interface saves, through the server that has the data open, or directly. Lines of
//! history directly only: a server holds the newest sums in memory, and would not see what is written beside it.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read as _},
    path::Path,
    process::ExitCode,
    sync::Arc,
};

use clap::Args;
use flate2::bufread::MultiGzDecoder;
use spillway_api::Imported;
use spillway_decode::{
    Limits, jaeger, otlp,
    redact::{RedactionCounts, Redactor},
};
use spillway_store::{StoreError, Write, WriteOutcome, Writer as _};
use spillway_store_sqlite::{
    OpenOptions, SqliteStore, SqliteWriter,
    history::{HistoryLine, ImportedHistory},
};

use super::{Data, EX_DATAERR, EX_UNAVAILABLE, EX_USAGE, Remote, RemoteArgs, RemoteError, block_on, refused};
use crate::{clock, exchange, ingest};

/// Jaeger saves a handful of traces in one document.
const DOCUMENT_BYTES: u64 = 256 << 20;
/// Lines of history that are written in one transaction.
const HISTORY_LINES: usize = 1_000;
/// Of a gzip stream.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Arguments of `spillway import`.
#[derive(Args, Debug)]
pub struct ImportArgs {
    /// From where; `-` is standard input
    file: String,
    #[command(flatten)]
    data: Data,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// Why it did not work.
#[derive(Debug, thiserror::Error)]
enum ImportError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Remote(#[from] RemoteError),
    #[error("cannot read {file}")]
    Input {
        file: String,
        #[source]
        source: io::Error,
    },
    #[error("{file}, line {line}: {why}; what stands before is imported, and may be imported again")]
    Malformed { file: String, line: u64, why: String },
    #[error("{0} has lines of history: stop the server that has the data directory open, then import them")]
    HistoryOfRunning(String),
    #[error("bad redaction rules: {0}")]
    Redaction(String),
}

/// Reads, and says what became of it.
pub fn run(args: ImportArgs) -> ExitCode {
    let config = match args.data.clone().config() {
        Ok(config) => config,
        Err(error) => return refused(&error, EX_USAGE),
    };
    match block_on(import(&args, &config)) {
        Ok(Ok((all, history))) => {
            println!("{} spans stored, {} known, {} refused", all.stored, all.known, all.rejected);
            if history != ImportedHistory::default() {
                println!("{} lines of history stored, {} known or forgotten here", history.stored, history.known);
            }
            if !all.message.is_empty() {
                println!("{}", all.message);
            }
            ExitCode::SUCCESS
        }
        Ok(Err(error @ ImportError::Malformed { .. })) => refused(&error, EX_DATAERR),
        Ok(Err(error)) => refused(&error, EX_UNAVAILABLE),
        Err(error) => refused(&error, EX_UNAVAILABLE),
    }
}

async fn import(args: &ImportArgs, config: &crate::config::Config) -> Result<(Imported, ImportedHistory), ImportError> {
    let mut lines = Lines::open(&args.file)?;
    let mut to = Destination::open(args, config).await?;
    let mut all = Imported { stored: 0, known: 0, rejected: 0, message: String::new() };
    let (mut history, mut waiting) = (ImportedHistory::default(), Vec::new());
    let imported = loop {
        match lines.next() {
            Ok(None) => break to.take_history(&mut waiting, &mut history, args).await,
            Ok(Some(line)) if HistoryLine::is_history(&line) => {
                match HistoryLine::parse(&line) {
                    Ok(line) => waiting.push(line),
                    Err(why) => break Err(lines.malformed(why)),
                }
                if waiting.len() >= HISTORY_LINES
                    && let Err(error) = to.take_history(&mut waiting, &mut history, args).await
                {
                    break Err(error);
                }
            }
            Ok(Some(line)) => match to.take(line, &lines).await {
                Ok(one) => {
                    all.stored += one.stored;
                    all.known += one.known;
                    all.rejected += one.rejected;
                    if all.message.is_empty() {
                        all.message = one.message;
                    }
                }
                Err(error) => break Err(error),
            },
            Err(error) => break Err(error),
        }
    };
    // What stands before a line that is refused is imported.
    let imported = match imported {
        Err(error) if !waiting.is_empty() => to.take_history(&mut waiting, &mut history, args).await.and(Err(error)),
        imported => imported,
    };
    to.close().await;
    imported.map(|()| (all, history))
}

/// OTLP/JSON requests of a file, one by one.
struct Lines {
    file: String,
    input: Box<dyn BufRead + Send>,
    number: u64,
    /// Of a document of Jaeger's: as requests.
    converted: std::vec::IntoIter<String>,
}

impl Lines {
    fn open(file: &str) -> Result<Self, ImportError> {
        let failed = |source| ImportError::Input { file: file.to_owned(), source };
        let mut raw: Box<dyn BufRead + Send> = match file {
            "-" => Box::new(BufReader::new(io::stdin())),
            path => Box::new(BufReader::new(File::open(path).map_err(failed)?)),
        };
        let packed = raw.fill_buf().map_err(failed)?.starts_with(&GZIP);
        let mut input: Box<dyn BufRead + Send> =
            if packed { Box::new(BufReader::new(MultiGzDecoder::new(raw))) } else { raw };
        let mut converted = Vec::new();
        if jaeger::is_jaeger(input.fill_buf().map_err(failed)?) {
            let mut document = Vec::new();
            (&mut input).take(DOCUMENT_BYTES + 1).read_to_end(&mut document).map_err(failed)?;
            let malformed = |why| ImportError::Malformed { file: file.to_owned(), line: 1, why };
            if document.len() as u64 > DOCUMENT_BYTES {
                return Err(malformed(format!(
                    "a document of more than {DOCUMENT_BYTES} bytes: save fewer traces at a time"
                )));
            }
            let traces = jaeger::decode_traces(&document).map_err(|error| malformed(error.to_string()))?;
            converted = traces
                .iter()
                .flat_map(|it| exchange::lines(it).lines().map(str::to_owned).collect::<Vec<_>>())
                .collect();
        }
        Ok(Self { file: file.to_owned(), input, number: 0, converted: converted.into_iter() })
    }

    fn next(&mut self) -> Result<Option<Vec<u8>>, ImportError> {
        if let Some(line) = self.converted.next() {
            self.number += 1;
            return Ok(Some(line.into_bytes()));
        }
        loop {
            self.number += 1;
            let mut line = Vec::new();
            let most = Limits::BODY_BYTES as u64;
            let read = (&mut self.input).take(most + 1).read_until(b'\n', &mut line);
            read.map_err(|source| ImportError::Input { file: self.file.clone(), source })?;
            if line.len() as u64 > most {
                return Err(self.malformed(format!("longer than {most} bytes")));
            }
            if line.is_empty() {
                return Ok(None);
            }
            if !line.trim_ascii().is_empty() {
                return Ok(Some(line));
            }
        }
    }

    fn malformed(&self, why: String) -> ImportError {
        ImportError::Malformed { file: self.file.clone(), line: self.number, why }
    }
}

/// Where they go.
enum Destination {
    Server(Box<Remote>),
    Files(Box<Files>),
}

/// A data directory that nobody else has open.
struct Files {
    store: SqliteStore,
    writer: SqliteWriter,
    redactor: Redactor,
}

impl Destination {
    async fn open(args: &ImportArgs, config: &crate::config::Config) -> Result<Self, ImportError> {
        let dir: &Path = &config.data_dir;
        match SqliteStore::open(dir, OpenOptions::default()).await {
            Ok((store, writer)) => {
                let redactor = ingest::redactor(config).map_err(ImportError::Redaction)?;
                Ok(Self::Files(Box::new(Files { store, writer, redactor })))
            }
            Err(StoreError::Conflict(_)) => Ok(Self::Server(Box::new(Remote::new(&args.remote)))),
            Err(error) => Err(error.into()),
        }
    }

    async fn take(&mut self, line: Vec<u8>, lines: &Lines) -> Result<Imported, ImportError> {
        match self {
            Self::Server(remote) => match remote.send("/api/v1/import", line.into()).await {
                Err(RemoteError::Refused { status, detail, .. }) if status == http::StatusCode::BAD_REQUEST => {
                    Err(lines.malformed(detail))
                }
                sent => Ok(sent?),
            },
            Self::Files(files) => files.take(&line, lines).await,
        }
    }

    async fn take_history(
        &mut self,
        waiting: &mut Vec<HistoryLine>,
        all: &mut ImportedHistory,
        args: &ImportArgs,
    ) -> Result<(), ImportError> {
        let lines = std::mem::take(waiting);
        if lines.is_empty() {
            return Ok(());
        }
        let Self::Files(files) = self else { return Err(ImportError::HistoryOfRunning(args.file.clone())) };
        let imported = files.store.import_history(&lines).await?;
        all.stored += imported.stored;
        all.known += imported.known;
        Ok(())
    }

    async fn close(self) {
        if let Self::Files(files) = self {
            // What was committed is safe, whatever comes of the checkpoint.
            let _ = files.writer.close().await;
            files.store.close().await;
        }
    }
}

impl Files {
    async fn take(&mut self, line: &[u8], lines: &Lines) -> Result<Imported, ImportError> {
        let mut decoded =
            otlp::json::decode_traces(line, &Limits::default()).map_err(|error| lines.malformed(error.to_string()))?;
        self.redactor.redact_batch(&mut decoded.batch, &mut RedactionCounts::default());
        let (rejected, message) = (decoded.rejected.spans, decoded.message());
        let (batch, known) = exchange::without_known(&self.store, decoded.batch).await?;
        let mut imported = Imported { stored: batch.len() as u64, known: known as u64, rejected, message };
        if batch.is_empty() {
            return Ok(imported);
        }
        let digest = ingest::digest("/api/v1/import", line);
        let write = Write::Spans { digest, batch: Arc::new(batch), received_at_ns: clock::unix_ns() };
        for outcome in self.writer.commit(&[write]).await {
            if outcome? == WriteOutcome::Repeated {
                (imported.stored, imported.known) = (0, imported.known + imported.stored);
            }
        }
        Ok(imported)
    }
}
