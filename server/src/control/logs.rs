//! The last lines of a rule.

use std::collections::VecDeque;

use spillway_api as api;
use spillway_plugin_host::Evaluation;

/// Lines that are kept of each rule.
const LINES: usize = 1_000;
/// Lines that are shown at once.
const SHOWN: usize = 500;

/// A ring of lines.
#[derive(Clone, Debug, Default)]
pub(super) struct Logs {
    lines: VecDeque<api::PluginLog>,
    /// Lines that the rule was not allowed to write.
    dropped: u64,
}

impl Logs {
    pub(super) fn add(&mut self, evaluation: &Evaluation, at: api::Timestamp, tick: u64) {
        self.dropped += evaluation.logs_dropped;
        for line in &evaluation.logs {
            self.push(api::PluginLog { at, tick, level: line.level.as_str().into(), message: line.message.clone() });
        }
    }

    /// A line of the host's own.
    pub(super) fn note(&mut self, message: String, at: api::Timestamp, tick: u64) {
        self.push(api::PluginLog { at, tick, level: "warn".into(), message });
    }

    fn push(&mut self, line: api::PluginLog) {
        if self.lines.len() == LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }

    pub(super) fn list(&self) -> api::PluginLogList {
        api::PluginLogList { lines: self.lines.iter().rev().take(SHOWN).cloned().collect(), dropped: self.dropped }
    }
}
