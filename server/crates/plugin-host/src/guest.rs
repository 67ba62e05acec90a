//! What one instance owns on the host's side: its limits, its memory between ticks, its log.

use spillway_model::rule::Outcome;
use wasmtime::{ResourceLimiter, StoreLimits, StoreLimitsBuilder};

use crate::bindings::spillway::rule::{kv, log, metrics, types};
use crate::evaluation::{LogLevel, LogLine, Metric, MetricKind};
use crate::{Kv, KvError, limits};

/// The data of a `Store`. It lives as long as one call.
pub(crate) struct Guest {
    pub(crate) memory: MemoryLimit,
    pub(crate) kv: Kv,
    pub(crate) kv_changed: bool,
    pub(crate) logs: Vec<LogLine>,
    pub(crate) logs_dropped: u64,
    pub(crate) metrics: Vec<Metric>,
    pub(crate) metrics_dropped: u64,
}

impl Guest {
    pub(crate) fn new(kv: Kv, memory_bytes: usize) -> Self {
        Self {
            memory: MemoryLimit::new(memory_bytes),
            kv,
            kv_changed: false,
            logs: Vec::new(),
            logs_dropped: 0,
            metrics: Vec::new(),
            metrics_dropped: 0,
        }
    }

    fn measure(&mut self, name: String, kind: MetricKind, value: f64) {
        if !value.is_finite() || name.is_empty() || name.len() > limits::METRIC_NAME_BYTES {
            self.metrics_dropped += 1;
        } else if let Some(metric) = self.metrics.iter_mut().find(|metric| metric.name == name && metric.kind == kind) {
            metric.value = match kind {
                MetricKind::Gauge => value,
                MetricKind::Count => metric.value + value,
            };
        } else if self.metrics.len() < limits::METRICS {
            self.metrics.push(Metric { name, kind, value });
        } else {
            self.metrics_dropped += 1;
        }
    }
}

/// Counts all memories and tables of the instance together, which wasmtime's own limiter does not, and remembers that a
/// limit was hit, which is how "out of memory" is told from any other trap.
pub(crate) struct MemoryLimit {
    counts: StoreLimits,
    memory_bytes_left: usize,
    table_elements_left: usize,
    exceeded: bool,
}

impl MemoryLimit {
    fn new(memory_bytes: usize) -> Self {
        let counts = StoreLimitsBuilder::new()
            .memory_size(memory_bytes)
            .table_elements(limits::TABLE_ELEMENTS)
            .instances(limits::CORE_INSTANCES)
            .memories(limits::MEMORIES)
            .tables(limits::TABLES)
            // A guest that gets -1 from memory.grow may loop on it; a trap is an end.
            .trap_on_grow_failure(true)
            .build();
        Self { counts, memory_bytes_left: memory_bytes, table_elements_left: limits::TABLE_ELEMENTS, exceeded: false }
    }

    /// The outcome to report when a limit was hit, whatever the trap was in the end.
    pub(crate) fn outcome(&self) -> Option<Outcome> {
        self.exceeded.then_some(Outcome::OutOfMemory)
    }
}

impl ResourceLimiter for MemoryLimit {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Result<bool, wasmtime::Error> {
        let Some(left) = self.memory_bytes_left.checked_sub(desired.saturating_sub(current)) else {
            self.exceeded = true;
            return Err(wasmtime::Error::msg("memory limit reached"));
        };
        self.memory_bytes_left = left;
        let granted = self.counts.memory_growing(current, desired, maximum);
        self.exceeded |= !matches!(granted, Ok(true));
        granted
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> Result<(), wasmtime::Error> {
        self.exceeded = true;
        self.counts.memory_grow_failed(error)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Result<bool, wasmtime::Error> {
        let Some(left) = self.table_elements_left.checked_sub(desired.saturating_sub(current)) else {
            self.exceeded = true;
            return Err(wasmtime::Error::msg("table limit reached"));
        };
        self.table_elements_left = left;
        let granted = self.counts.table_growing(current, desired, maximum);
        self.exceeded |= !matches!(granted, Ok(true));
        granted
    }

    fn table_grow_failed(&mut self, error: wasmtime::Error) -> Result<(), wasmtime::Error> {
        self.exceeded = true;
        self.counts.table_grow_failed(error)
    }

    fn instances(&self) -> usize {
        self.counts.instances()
    }

    fn tables(&self) -> usize {
        self.counts.tables()
    }

    fn memories(&self) -> usize {
        self.counts.memories()
    }
}

/// Text of a guest, cut to a limit at a character border.
pub(crate) fn cut(mut text: String, limit: usize) -> String {
    if text.len() > limit {
        let end = (0..=limit).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
        // A line of 50 bytes must not keep the megabyte it was cut from.
        text.shrink_to_fit();
    }
    text
}

impl types::Host for Guest {}

impl log::Host for Guest {
    fn log(&mut self, level: log::Level, message: String) {
        if self.logs.len() >= limits::LOG_LINES {
            self.logs_dropped += 1;
            return;
        }
        let level = match level {
            log::Level::Trace => LogLevel::Trace,
            log::Level::Debug => LogLevel::Debug,
            log::Level::Info => LogLevel::Info,
            log::Level::Warn => LogLevel::Warn,
            log::Level::Error => LogLevel::Error,
        };
        self.logs.push(LogLine { level, message: cut(message, limits::LOG_LINE_BYTES) });
    }
}

impl kv::Host for Guest {
    fn get(&mut self, key: String) -> Option<Vec<u8>> {
        self.kv.get(&key).map(<[u8]>::to_vec)
    }

    fn set(&mut self, key: String, value: Vec<u8>) -> Result<(), kv::Error> {
        // Writing what is there already is no change, so a rule that saves each tick does not cost a commit each tick.
        if self.kv.get(&key) == Some(&value[..]) {
            return Ok(());
        }
        self.kv.set(key, value).map_err(|error| match error {
            KvError::TooLarge => kv::Error::TooLarge,
            KvError::Quota => kv::Error::Quota,
            KvError::InvalidKey => kv::Error::InvalidKey,
        })?;
        self.kv_changed = true;
        Ok(())
    }

    fn delete(&mut self, key: String) {
        self.kv_changed |= self.kv.delete(&key);
    }

    fn keys(&mut self, prefix: String) -> Vec<String> {
        self.kv.keys(&prefix)
    }
}

impl metrics::Host for Guest {
    fn gauge(&mut self, name: String, value: f64) {
        self.measure(name, MetricKind::Gauge, value);
    }

    fn count(&mut self, name: String, delta: u64) {
        self.measure(name, MetricKind::Count, delta as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_at_a_character_border() {
        assert_eq!(cut("aää".into(), 4), "aä");
        assert_eq!(cut("aää".into(), 5), "aää");
        assert_eq!(cut("€".into(), 2), "");
    }

    #[test]
    fn memories_count_together() {
        let mut limit = MemoryLimit::new(100);

        assert!(matches!(limit.memory_growing(0, 60, None), Ok(true)));
        assert!(matches!(limit.memory_growing(0, 40, None), Ok(true)));
        assert_eq!(limit.outcome(), None);
        assert!(limit.memory_growing(40, 41, None).is_err());
        assert_eq!(limit.outcome(), Some(Outcome::OutOfMemory));
    }

    #[test]
    fn metrics_keep_the_last_gauge_and_the_sum_of_counts() {
        let mut guest = Guest::new(Kv::default(), 0);

        metrics::Host::gauge(&mut guest, "limit".into(), 1.0);
        metrics::Host::gauge(&mut guest, "limit".into(), 2.0);
        metrics::Host::gauge(&mut guest, "limit".into(), f64::NAN);
        metrics::Host::count(&mut guest, "held".into(), 2);
        metrics::Host::count(&mut guest, "held".into(), 3);

        assert_eq!(
            guest.metrics,
            [
                Metric { name: "limit".into(), kind: MetricKind::Gauge, value: 2.0 },
                Metric { name: "held".into(), kind: MetricKind::Count, value: 5.0 },
            ]
        );
        assert_eq!(guest.metrics_dropped, 1);
    }
}
