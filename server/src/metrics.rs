//! What the server counts of itself. Labels come from fixed lists only, never from what senders say.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{
        Mutex,
        atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
    },
};

use spillway_api::{IngestSource, Timestamp};

use crate::senders::Senders;

/// A way by which telemetry comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// OTLP over HTTP.
    OtlpHttp,
    /// OTLP over gRPC.
    OtlpGrpc,
    /// The native webhook.
    Webhook,
    /// Zipkin's spans.
    Zipkin,
    /// CloudEvents.
    CloudEvents,
    /// Alertmanager and Grafana.
    Alertmanager,
    /// GitHub.
    Github,
    /// OTLP metrics, by HTTP and by gRPC.
    OtlpMetrics,
}

impl Source {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::OtlpHttp,
        Self::OtlpGrpc,
        Self::Webhook,
        Self::Zipkin,
        Self::CloudEvents,
        Self::Alertmanager,
        Self::Github,
        Self::OtlpMetrics,
    ];

    /// Whether its bodies are text in which secrets can be found: attributes of OTLP stand apart from their keys.
    pub const fn sends_text(self) -> bool {
        !matches!(self, Self::OtlpHttp | Self::OtlpGrpc | Self::OtlpMetrics)
    }

    /// Its label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OtlpHttp => "otlp_http",
            Self::OtlpGrpc => "otlp_grpc",
            Self::Webhook => "webhook",
            Self::Zipkin => "zipkin",
            Self::CloudEvents => "cloudevents",
            Self::Alertmanager => "alertmanager",
            Self::Github => "github",
            Self::OtlpMetrics => "otlp_metrics",
        }
    }
}

#[derive(Default)]
struct SourceCounters {
    requests: AtomicU64,
    items: AtomicU64,
    repeated: AtomicU64,
    last_seen_ns: AtomicI64,
    /// By reason, a fixed list in the code; locked for an increment only.
    rejected: Mutex<BTreeMap<&'static str, u64>>,
}

/// Counters of the process.
#[derive(Default)]
pub struct Metrics {
    sources: [SourceCounters; Source::ALL.len()],
    /// Commits of the writer task.
    pub commits: AtomicU64,
    /// Requests in those commits: `requests / commits` is the size of a group.
    pub committed_requests: AtomicU64,
    /// Time that the writer spent in commits.
    pub commit_ns: AtomicU64,
    /// Connections that were refused because too many were open.
    pub connections_refused: AtomicU64,
    /// Connections that are open.
    pub connections: AtomicI64,
    /// Events and enforcers' reports that the live map had to leave out because it could not keep up; events are stored all the same.
    pub live_missed: AtomicU64,
    /// Who sends. Not in the exposition: its names are the senders'.
    pub senders: Senders,
    redacted: Mutex<BTreeMap<String, u64>>,
}

impl Metrics {
    /// A request was committed.
    pub fn stored(&self, source: Source, items: u64, now_ns: i64) {
        let counters = &self.sources[source as usize];
        counters.requests.fetch_add(1, Relaxed);
        counters.items.fetch_add(items, Relaxed);
        counters.last_seen_ns.fetch_max(now_ns, Relaxed);
    }

    /// A request that was known came again.
    pub fn repeated(&self, source: Source, now_ns: i64) {
        let counters = &self.sources[source as usize];
        counters.repeated.fetch_add(1, Relaxed);
        counters.last_seen_ns.fetch_max(now_ns, Relaxed);
    }

    /// Requests or items were refused.
    pub fn rejected(&self, source: Source, reason: &'static str, times: u64) {
        *lock(&self.sources[source as usize].rejected).entry(reason).or_default() += times;
    }

    /// The redactor masked values.
    pub fn redacted(&self, rule: &str, times: u64) {
        let mut redacted = lock(&self.redacted);
        match redacted.get_mut(rule) {
            Some(count) => *count += times,
            None => {
                redacted.insert(rule.to_owned(), times);
            }
        }
    }

    /// Masked values by rule.
    pub fn redactions(&self) -> BTreeMap<String, u64> {
        lock(&self.redacted).clone()
    }

    /// What came in by each way.
    pub fn ingest(&self) -> Vec<IngestSource> {
        let row = |source: Source| {
            let counters = &self.sources[source as usize];
            let last_seen_ns = counters.last_seen_ns.load(Relaxed);
            IngestSource {
                source: source.as_str().into(),
                requests: counters.requests.load(Relaxed),
                items: counters.items.load(Relaxed),
                repeated: counters.repeated.load(Relaxed),
                rejected: lock(&counters.rejected)
                    .iter()
                    .map(|(reason, count)| ((*reason).to_owned(), *count))
                    .collect(),
                ignored: BTreeMap::new(),
                last_seen_at: (last_seen_ns > 0).then(|| Timestamp::from_unix_ns(last_seen_ns)),
            }
        };
        Source::ALL.into_iter().map(row).collect()
    }

    /// Prometheus text format 0.0.4.
    pub fn exposition(&self, gauges: &[(&str, &str, f64)]) -> String {
        let mut text = String::with_capacity(4_096);
        let ingest = self.ingest();
        let mut family = |name: &str, kind: &str, help: &str, rows: &[(String, f64)]| {
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
            for (labels, value) in rows {
                let _ = writeln!(text, "{name}{labels} {value}");
            }
        };
        let by_source = |value: fn(&IngestSource) -> u64| -> Vec<(String, f64)> {
            ingest.iter().map(|row| (format!("{{source=\"{}\"}}", row.source), value(row) as f64)).collect()
        };
        family(
            "spillway_ingest_requests_total",
            "counter",
            "Requests that were stored.",
            &by_source(|row| row.requests),
        );
        family(
            "spillway_ingest_items_total",
            "counter",
            "Spans or events that were stored.",
            &by_source(|row| row.items),
        );
        family(
            "spillway_ingest_repeated_total",
            "counter",
            "Requests that repeated an earlier one.",
            &by_source(|row| row.repeated),
        );
        let rejected: Vec<(String, f64)> = ingest
            .iter()
            .flat_map(|row| {
                row.rejected.iter().map(move |(reason, count)| {
                    (format!("{{source=\"{}\",reason=\"{reason}\"}}", row.source), *count as f64)
                })
            })
            .collect();
        family("spillway_ingest_rejected_total", "counter", "Requests or items that were refused.", &rejected);
        let redacted: Vec<(String, f64)> =
            self.redactions().iter().map(|(rule, count)| (format!("{{rule=\"{rule}\"}}"), *count as f64)).collect();
        family("spillway_redacted_values_total", "counter", "Values that the redactor masked.", &redacted);
        let plain = |value: u64| vec![(String::new(), value as f64)];
        family("spillway_store_commits_total", "counter", "Commits of the writer.", &plain(self.commits.load(Relaxed)));
        family(
            "spillway_store_committed_requests_total",
            "counter",
            "Requests in those commits.",
            &plain(self.committed_requests.load(Relaxed)),
        );
        family(
            "spillway_store_commit_seconds_total",
            "counter",
            "Time spent in commits.",
            &[(String::new(), self.commit_ns.load(Relaxed) as f64 / 1e9)],
        );
        family(
            "spillway_connections_refused_total",
            "counter",
            "Connections refused because too many were open.",
            &plain(self.connections_refused.load(Relaxed)),
        );
        family(
            "spillway_connections",
            "gauge",
            "Connections that are open.",
            &[(String::new(), self.connections.load(Relaxed) as f64)],
        );
        family(
            "spillway_live_missed_total",
            "counter",
            "Messages (events of a request, reports of enforcers) that the live map had to leave out under load.",
            &plain(self.live_missed.load(Relaxed)),
        );
        for (name, help, value) in gauges {
            family(name, "gauge", help, &[(String::new(), *value)]);
        }
        text
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exposition_is_complete_and_well_formed() {
        let metrics = Metrics::default();
        metrics.stored(Source::OtlpHttp, 512, 1);
        metrics.rejected(Source::Webhook, "malformed", 2);
        metrics.redacted("key", 3);

        let text = metrics.exposition(&[("spillway_spans", "Spans stored.", 512.0)]);

        assert!(text.ends_with('\n'));
        for line in [
            "spillway_ingest_items_total{source=\"otlp_http\"} 512",
            "spillway_ingest_rejected_total{source=\"webhook\",reason=\"malformed\"} 2",
            "spillway_redacted_values_total{rule=\"key\"} 3",
            "# TYPE spillway_spans gauge",
        ] {
            assert!(text.lines().any(|have| have == line), "{line} is missing in\n{text}");
        }
    }
}
