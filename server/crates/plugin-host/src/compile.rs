//! Compiling untrusted code, seen from the server: a child process that may do anything but take us with it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::sync::Semaphore;

use crate::{Artefact, UploadError, limits, validate};

mod worker;

pub use worker::compile_worker_main;

/// First byte of the worker's answer: what follows it.
const ARTEFACT: u8 = b'A';
const REFUSAL: u8 = b'R';
const FAILURE: u8 = b'F';

/// Starts the child for each upload; one at a time, with a short queue.
#[derive(Clone, Debug)]
pub struct CompileWorker {
    program: PathBuf,
    args: Vec<OsString>,
    timeout: Duration,
    /// One permit: a compilation takes a core for up to minutes, and ingest needs the others.
    turn: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
}

/// Why there is no artefact.
#[derive(Debug, Error)]
pub enum CompileError {
    /// It is not a rule.
    #[error(transparent)]
    Upload(#[from] UploadError),
    /// It is a rule, but it does not compile.
    #[error("it does not compile: {message}")]
    Rejected {
        /// The compiler's words.
        message: String,
    },
    /// Too many wait already; try again later.
    #[error("{} uploads are being compiled or wait for it; try again later", limits::COMPILE_QUEUE)]
    Busy,
    /// The child did not start: our own fault.
    #[error("cannot start the compile worker {program}")]
    Spawn {
        /// The program.
        program: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It took too long and was killed.
    #[error("compiling took more than {} s and was stopped; the upload is too complex", .after.as_secs())]
    TimedOut {
        /// The limit.
        after: Duration,
    },
    /// It died: out of memory or CPU time, or a crash of the compiler.
    #[error("the compiler died on it ({status}): {stderr}")]
    Died {
        /// How.
        status: ExitStatus,
        /// Its last words.
        stderr: String,
    },
    /// It answered something that no worker answers: our own fault.
    #[error("the compile worker answered {what}")]
    Protocol {
        /// What came.
        what: String,
    },
    /// The pipe to the child broke: our own fault.
    #[error("cannot talk to the compile worker")]
    Pipe(#[source] std::io::Error),
}

impl CompileWorker {
    /// A worker that runs `program` with `args`; both must lead to [`compile_worker_main`].
    #[must_use]
    pub fn new(program: impl Into<PathBuf>, args: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        Self {
            program: program.into(),
            args: args.into_iter().map(Into::into).collect(),
            timeout: limits::COMPILE_TIMEOUT,
            turn: Arc::new(Semaphore::new(1)),
            waiting: Arc::new(AtomicUsize::new(0)),
        }
    }

    /// The same with another time limit.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Validates and compiles an upload. Dropping the future kills the child.
    ///
    /// # Errors
    /// [`CompileError`]; whatever the upload does, it costs the server no more than this error.
    pub async fn compile(&self, upload: &[u8]) -> Result<Artefact, CompileError> {
        validate::check_magic(upload)?;
        let _place = Place::take(&self.waiting)?;
        let _turn = self.turn.acquire().await.expect("the semaphore is never closed");
        let mut child = self.spawn()?;
        let answer = tokio::time::timeout(self.timeout, exchange(&mut child, upload)).await;
        let Ok(answer) = answer else {
            // Waits for the end as well: the next one must not share the core with a dying one.
            child.kill().await.map_err(CompileError::Pipe)?;
            return Err(CompileError::TimedOut { after: self.timeout });
        };
        understand(answer.map_err(CompileError::Pipe)?)
    }

    fn spawn(&self) -> Result<Child, CompileError> {
        Command::new(&self.program)
            .args(&self.args)
            // No secret of the server's environment is in reach of a compiler bug.
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| CompileError::Spawn { program: self.program.clone(), source })
    }
}

/// A place in the queue; gone with the future that waits in it.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize) -> Result<Self, CompileError> {
        // Built before the check, so that a refusal gives its place back too.
        let taken = waiting.fetch_add(1, Ordering::SeqCst);
        let place = Self(waiting);
        if taken < limits::COMPILE_QUEUE { Ok(place) } else { Err(CompileError::Busy) }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

struct Answer {
    status: ExitStatus,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

/// Writes and reads at the same time: a child that answers before it has read everything must not block both.
async fn exchange(child: &mut Child, upload: &[u8]) -> Result<Answer, std::io::Error> {
    let mut stdin = child.stdin.take().expect("stdin is piped");
    let stdout = child.stdout.take().expect("stdout is piped");
    let stderr = child.stderr.take().expect("stderr is piped");
    let send = async move {
        // A child that died does not read; how it died is the better error.
        let _ = stdin.write_all(upload).await;
        drop(stdin);
    };
    let ((), stdout, stderr) =
        tokio::join!(send, read(stdout, limits::ARTEFACT_BYTES + 1), read(stderr, limits::COMPILE_STDERR_BYTES));
    Ok(Answer { status: child.wait().await?, stdout: stdout?, stderr: stderr? })
}

/// Reads up to `limit` bytes and closes the pipe, so a child that writes on gets an error instead of a blocked pipe.
async fn read(pipe: impl AsyncRead + Unpin, limit: usize) -> Result<Vec<u8>, std::io::Error> {
    let mut bytes = Vec::new();
    pipe.take(limit as u64).read_to_end(&mut bytes).await?;
    Ok(bytes)
}

fn understand(answer: Answer) -> Result<Artefact, CompileError> {
    let Answer { status, mut stdout, stderr } = answer;
    // First, because the child dies of the pipe that was closed on it.
    if stdout.len() > limits::ARTEFACT_BYTES {
        let message = format!("its native code is larger than {} MiB", limits::ARTEFACT_BYTES >> 20);
        return Err(CompileError::Rejected { message });
    }
    if !status.success() {
        let stderr = String::from_utf8_lossy(&stderr).trim().to_owned();
        return Err(CompileError::Died { status, stderr });
    }
    let protocol = |what: String| CompileError::Protocol { what };
    if stdout.is_empty() {
        return Err(protocol("nothing".into()));
    }
    match stdout.remove(0) {
        ARTEFACT => Ok(Artefact::from_worker(stdout)),
        REFUSAL => {
            let refusal: UploadError = serde_json::from_slice(&stdout)
                .map_err(|error| protocol(format!("a refusal that cannot be read: {error}")))?;
            Err(refusal.into())
        }
        FAILURE => Err(CompileError::Rejected { message: String::from_utf8_lossy(&stdout).into_owned() }),
        other => Err(protocol(format!("with the unknown kind {other:#04x}"))),
    }
}
