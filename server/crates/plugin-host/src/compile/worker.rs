//! Compiling untrusted code, seen from the child: one upload on stdin, one answer on stdout, then the end.

use std::io::{Read, Write};
use std::process::ExitCode;

use super::{ARTEFACT, FAILURE, REFUSAL};
use crate::{engine, limits, validate};

/// The whole life of `spillway compile-worker`: reads an upload from stdin and writes what became of it to stdout.
///
/// The first thing it does is to take away its own resources; only then does it read what may be hostile. Answers that
/// the person who uploaded must see (a refusal, a failed compilation) go to stdout with exit code 0; everything else is
/// a crash.
#[must_use]
pub fn compile_worker_main() -> ExitCode {
    match confine().and_then(|()| work()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The parent reads stderr and puts it into its error.
            let _ = writeln!(std::io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(unix)]
fn confine() -> Result<(), String> {
    use rustix::process::{Resource, Rlimit, setrlimit};

    for (resource, name, limit) in [
        (Resource::As, "address space", limits::COMPILE_MEMORY_BYTES),
        (Resource::Cpu, "CPU time", limits::COMPILE_CPU_SECONDS),
        // No core dump of a rule, no file, no new descriptor beyond the three pipes and what the engine opens.
        (Resource::Core, "core dump", 0),
        (Resource::Fsize, "file size", 0),
        (Resource::Nofile, "open files", 16),
    ] {
        setrlimit(resource, Rlimit { current: Some(limit), maximum: Some(limit) })
            .map_err(|error| format!("cannot limit the {name} of the compile worker to {limit}: {error}"))?;
    }
    Ok(())
}

/// Other systems have no such limits; the time-out and the bounded pipes of the parent still hold.
#[cfg(not(unix))]
fn confine() -> Result<(), String> {
    Ok(())
}

fn work() -> Result<(), String> {
    let mut upload = Vec::new();
    let stdin = std::io::stdin().lock();
    stdin
        .take(limits::UPLOAD_BYTES as u64 + 1)
        .read_to_end(&mut upload)
        .map_err(|error| format!("cannot read the upload: {error}"))?;
    let (kind, answer) = compile(&upload)?;
    let mut stdout = std::io::stdout().lock();
    let written = stdout.write_all(&[kind]).and_then(|()| stdout.write_all(&answer)).and_then(|()| stdout.flush());
    written.map_err(|error| format!("cannot write the answer: {error}"))
}

fn compile(upload: &[u8]) -> Result<(u8, Vec<u8>), String> {
    let component = match validate::validate(upload) {
        Ok(component) => component,
        Err(refusal) => {
            let json = serde_json::to_vec(&refusal).map_err(|error| format!("cannot write the refusal: {error}"))?;
            return Ok((REFUSAL, json));
        }
    };
    let engine = engine::compiling().map_err(|error| format!("cannot start the compiler: {error:#}"))?;
    Ok(match engine.precompile_component(&component) {
        Ok(code) => (ARTEFACT, code),
        Err(error) => (FAILURE, format!("{error:#}").into_bytes()),
    })
}
