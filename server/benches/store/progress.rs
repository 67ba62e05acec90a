//! What is going on, on standard error: one line that changes on a terminal, a line a step elsewhere.

use std::{
    io::{IsTerminal as _, Write as _},
    time::{Duration, Instant},
};

/// Between two lines of the same step where lines stay.
const SELDOM: Duration = Duration::from_secs(15);

/// Shows steps.
pub struct Progress {
    terminal: bool,
    step: String,
    shown: Instant,
    began: Instant,
}

impl Progress {
    pub fn new() -> Self {
        Self {
            terminal: std::io::stderr().is_terminal(),
            step: String::new(),
            shown: Instant::now(),
            began: Instant::now(),
        }
    }

    /// Something else begins.
    pub fn step(&mut self, name: &str) {
        self.step = name.to_owned();
        self.show("");
    }

    /// How far it is.
    pub fn at(&mut self, text: &str) {
        if self.terminal || self.shown.elapsed() >= SELDOM {
            self.show(text);
        }
    }

    fn show(&mut self, text: &str) {
        self.shown = Instant::now();
        let line = format!("[{:>4} s] {} {text}", self.began.elapsed().as_secs(), self.step);
        let mut out = std::io::stderr().lock();
        // A closed pipe is no reason to stop measuring.
        let _ = if self.terminal { write!(out, "\r\x1b[2K{line}") } else { writeln!(out, "{line}") };
        let _ = out.flush();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.terminal {
            eprintln!();
        }
    }
}
