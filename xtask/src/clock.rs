//! Stages with a name and a duration: on a shared two-core machine, where the time went is the first question.

use std::io::Write as _;
use std::time::Instant;

/// Runs one stage, says its name before and its duration after, also when it failed.
///
/// # Errors
/// Whatever the stage returns.
pub fn stage<T>(name: &str, work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
    say(&format!("==> {name}"));
    let began = Instant::now();
    let result = work();
    let outcome = if result.is_ok() { "done" } else { "FAILED" };
    let seconds = began.elapsed().as_secs_f64();
    say(&format!("<== {name}: {outcome} after {seconds:.1} s"));
    result
}

/// One line on standard output, flushed so that it keeps its place among the lines of child processes.
pub fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // A closed pipe (`| head`) is no reason to stop a build.
    _ = writeln!(out, "{line}");
    _ = out.flush();
}
