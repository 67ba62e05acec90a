//! What one evaluation gives back, besides its directives.

use std::time::Duration;

use spillway_model::rule::record::TickRecord;
use spillway_model::rule::{Outcome, Snapshot};

use crate::Kv;

/// One run of a rule: its end, its price, and what it left behind.
#[derive(Clone, Debug)]
pub struct Evaluation {
    /// How it ended.
    pub outcome: Outcome,
    /// Instructions it used; equal for equal input.
    pub fuel: u64,
    /// Wall time it took; not part of the record.
    pub elapsed: Duration,
    /// What it logged, also when it failed: that is when one reads it.
    pub logs: Vec<LogLine>,
    /// Lines beyond the limit.
    pub logs_dropped: u64,
    /// What it measured.
    pub metrics: Vec<Metric>,
    /// Metrics beyond the limit or without a finite value.
    pub metrics_dropped: u64,
    /// What it remembers from now on. `None`: nothing changed, or it failed and everything it stored is forgotten.
    pub kv_after: Option<Kv>,
}

impl Evaluation {
    /// The record of this tick: all that is needed to run it again.
    #[must_use]
    pub fn record(&self, snapshot: Snapshot, configuration: String, kv_at_start: &Kv) -> TickRecord {
        TickRecord {
            tick: snapshot.tick,
            now_ms: snapshot.now_ms,
            snapshot,
            kv_at_start: kv_at_start.to_entries(),
            configuration,
            fuel: self.fuel,
            outcome: self.outcome.clone(),
        }
    }
}

/// How loud a log line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Step by step.
    Trace,
    /// For the author.
    Debug,
    /// For the operator.
    Info,
    /// Something is odd.
    Warn,
    /// Something failed.
    Error,
}

impl LogLevel {
    /// The word for the API and the UI.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// One line that a rule logged. Untrusted text: rendered as text, never as markup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// How loud.
    pub level: LogLevel,
    /// The line, cut to its limit.
    pub message: String,
}

/// What kind of number a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// The last value counts.
    Gauge,
    /// Values add up.
    Count,
}

/// One number that a rule measured; names are unique within an evaluation.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// Its name.
    pub name: String,
    /// How to read it.
    pub kind: MetricKind,
    /// The last gauge, or the sum of the counts.
    pub value: f64,
}
