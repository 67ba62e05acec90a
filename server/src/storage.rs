//! Where the space goes and how long it lasts, for people: what the store counted, and what follows from it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use spillway_api as api;
use spillway_store::{StorageReader as _, StorageState, StoreError};
use spillway_store_sqlite::SqliteStore;
use tokio::sync::Mutex;

use crate::{clock, config::Config};

/// Rates are measured over this, as long as it is there: shorter ones tell of a deploy, longer ones of yesterday.
const MEASURED: Duration = Duration::from_secs(3_600);
/// A rate over less is chance.
const LEAST_S: u64 = 60;
/// Before as many spans are compacted, what the empty file takes decides what a span does.
const ENOUGH_SPANS: u64 = 10_000;
/// Services that are listed.
const MOST_SERVICES: usize = 1_000;
/// Several pages that are open cost as much as one.
const FRESH: Duration = Duration::from_secs(10);

const DAY_S: f64 = 86_400.0;

/// How long spans are kept, by the configuration.
#[derive(Clone, Copy, Debug)]
pub struct Kept {
    /// By age.
    pub spans: Duration,
    /// By the size of the store.
    pub bytes: Option<u64>,
}

impl Kept {
    /// As it is configured.
    pub fn of(config: &Config) -> Self {
        Self { spans: config.retention_spans, bytes: config.retention_bytes }
    }
}

/// Measures when somebody asks, at most every ten seconds.
#[derive(Clone)]
pub struct StorageGauge {
    store: SqliteStore,
    kept: Kept,
    /// Held across the measuring on purpose: who asks meanwhile waits for its answer instead of measuring again.
    last: Arc<Mutex<Option<(Instant, api::Storage)>>>,
}

impl StorageGauge {
    /// Nothing is measured yet.
    pub fn new(store: SqliteStore, kept: Kept) -> Self {
        Self { store, kept, last: Arc::default() }
    }

    /// What it says now.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    pub async fn read(&self) -> Result<api::Storage, StoreError> {
        let mut last = self.last.lock().await;
        if let Some((_, known)) = last.as_ref().filter(|(at, _)| at.elapsed() < FRESH) {
            return Ok(known.clone());
        }
        let now_ns = clock::unix_ns();
        let since_ns = now_ns.saturating_sub(i64::try_from(MEASURED.as_nanos()).unwrap_or(i64::MAX));
        let told = tell(&self.store.storage(since_ns).await?, self.kept, now_ns);
        *last = Some((Instant::now(), told.clone()));
        Ok(told)
    }
}

/// What follows from what was counted.
fn tell(state: &StorageState, kept: Kept, now_ns: i64) -> api::Storage {
    let measured_s = u64::try_from(now_ns.saturating_sub(state.lately.from_ns)).unwrap_or_default() / 1_000_000_000;
    let measured_s = (measured_s >= LEAST_S && state.spans > 0).then_some(measured_s);
    let rate = |spans: u64| measured_s.map(|seconds| spans as f64 / seconds as f64);
    let bytes_per_span = span_cost(state);
    let a_day = |spans: u64| Some(rate(spans)? * DAY_S * bytes_per_span?);
    let at = api::Timestamp::from_unix_ns;
    let all = state.lately.spans.max(1) as f64;
    let services = state.lately.services.iter().take(MOST_SERVICES).map(|of| api::StorageOfService {
        environment: of.service.environment.to_string(),
        namespace: of.service.namespace.to_string(),
        service: of.service.name.to_string(),
        spans: of.spans,
        share: of.spans as f64 / all,
        spans_per_s: rate(of.spans),
        bytes_per_day: a_day(of.spans),
        oldest_at: of.oldest_ns.map(at),
    });
    let bytes_per_day = a_day(state.lately.spans);
    api::Storage {
        at: at(now_ns),
        bytes: state.parts.total(),
        log_bytes: state.parts.log_bytes,
        compacted_bytes: state.parts.compacted_bytes,
        history_bytes: state.parts.history_bytes,
        control_bytes: state.parts.control_bytes,
        disk_free_bytes: state.disk_free_bytes,
        spans: state.spans,
        oldest_at: state.oldest_ns.map(at),
        newest_at: state.newest_ns.map(at),
        measured_s,
        spans_per_s: rate(state.lately.spans),
        bytes_per_span,
        bytes_per_day,
        retention_s: kept.spans.as_secs(),
        retention_bytes: kept.bytes,
        forecast: bytes_per_day.and_then(|bytes_per_day| forecast(state, kept, bytes_per_day, now_ns)),
        services: services.collect(),
    }
}

/// The log is no guide: until it is compacted, a span takes many times what it takes in the end.
fn span_cost(state: &StorageState) -> Option<f64> {
    (state.compacted_spans >= ENOUGH_SPANS).then(|| state.compacted_net_bytes as f64 / state.compacted_spans as f64)
}

/// Which bound is met first when spans go on to come at this rate. What is not spans is taken to stay as it is.
fn forecast(state: &StorageState, kept: Kept, bytes_per_day: f64, now_ns: i64) -> Option<api::StorageForecast> {
    let (total, oldest_ns) = (state.parts.total() as f64, state.oldest_ns?);
    let spans_bytes = (state.parts.log_bytes + state.parts.compacted_bytes) as f64;
    let rest = total - spans_bytes;
    let age_days = now_ns.saturating_sub(oldest_ns).max(0) as f64 / 1e9 / DAY_S;
    let kept_days = kept.spans.as_secs_f64() / DAY_S;
    let capacity = |bytes: f64, bound: api::StorageBound| (bytes, bound);
    let by_bytes = kept.bytes.map(|bytes| capacity(bytes as f64, api::StorageBound::Bytes));
    let by_disk = state.disk_free_bytes.map(|free| capacity(total + free as f64, api::StorageBound::Disk));
    let smallest = by_bytes.into_iter().chain(by_disk).min_by(|a, b| a.0.total_cmp(&b.0));
    match smallest {
        // By the time that the first spans are old enough to go, the store is larger than it may be.
        Some((bytes, bound)) if rest + bytes_per_day * kept_days > bytes => Some(api::StorageForecast {
            bound,
            days_left: ((bytes - total) / bytes_per_day).max(0.0),
            days_kept: ((bytes - rest) / bytes_per_day).max(0.0),
        }),
        _ => Some(api::StorageForecast {
            bound: api::StorageBound::Age,
            days_left: (kept_days - age_days).max(0.0),
            days_kept: kept_days,
        }),
    }
}

#[cfg(test)]
mod tests {
    use spillway_model::identity::ServiceKey;
    use spillway_store::{Arrivals, ServiceArrivals, StorageParts};

    use super::*;

    const GB: u64 = 1_000_000_000;
    const SECOND_NS: i64 = 1_000_000_000;
    const NOW_NS: i64 = 1_790_000_000 * SECOND_NS;

    /// 1,000 spans a second at 40 bytes: 3.456 GB a day, two days old.
    fn state() -> StorageState {
        let service = |name: &str, spans| ServiceArrivals {
            service: ServiceKey::new("prod", "shop", name),
            spans,
            oldest_ns: Some(NOW_NS - 86_400 * SECOND_NS),
        };
        StorageState {
            parts: StorageParts { log_bytes: 0, compacted_bytes: 8 * GB, history_bytes: GB, control_bytes: GB / 10 },
            disk_free_bytes: Some(100 * GB),
            spans: 200_000_000,
            compacted_spans: 200_000_000,
            compacted_net_bytes: 8 * GB,
            oldest_ns: Some(NOW_NS - 2 * 86_400 * SECOND_NS),
            newest_ns: Some(NOW_NS),
            lately: Arrivals {
                from_ns: NOW_NS - 3_600 * SECOND_NS,
                spans: 3_600_000,
                services: vec![service("checkout", 2_700_000), service("cart", 900_000)],
            },
        }
    }

    fn kept(days: u64, bytes: Option<u64>) -> Kept {
        Kept { spans: Duration::from_secs(days * 86_400), bytes }
    }

    #[test]
    fn rates_and_shares_are_those_of_the_time_measured() {
        let told = tell(&state(), kept(7, None), NOW_NS);

        assert_eq!((told.measured_s, told.spans_per_s, told.bytes_per_span), (Some(3_600), Some(1_000.0), Some(40.0)));
        assert_eq!(told.bytes_per_day, Some(1_000.0 * 40.0 * DAY_S));
        let [checkout, cart] = &told.services[..] else { panic!("{:?}", told.services) };
        assert_eq!((checkout.share, checkout.spans_per_s), (0.75, Some(750.0)));
        assert_eq!((cart.share, cart.bytes_per_day), (0.25, Some(250.0 * 40.0 * DAY_S)));
        assert_eq!(told.bytes, 8 * GB + GB + GB / 10);
    }

    #[test]
    fn the_bound_that_is_met_first_is_named() {
        // Seven days take 24.2 GB, and 1.1 GB are not spans.
        let cases = [
            (kept(7, None), Some(100 * GB), api::StorageBound::Age, 5.0, 7.0),
            (kept(1, None), Some(100 * GB), api::StorageBound::Age, 0.0, 1.0),
            (kept(7, Some(50 * GB)), Some(100 * GB), api::StorageBound::Age, 5.0, 7.0),
            (kept(7, Some(20 * GB)), Some(100 * GB), api::StorageBound::Bytes, 10.9 / 3.456, 18.9 / 3.456),
            (kept(7, Some(5 * GB)), Some(100 * GB), api::StorageBound::Bytes, 0.0, 3.9 / 3.456),
            (kept(7, None), Some(4 * GB), api::StorageBound::Disk, 4.0 / 3.456, 12.0 / 3.456),
            (kept(7, Some(20 * GB)), Some(4 * GB), api::StorageBound::Disk, 4.0 / 3.456, 12.0 / 3.456),
            (kept(7, None), None, api::StorageBound::Age, 5.0, 7.0),
        ];
        for (kept, free, bound, days_left, days_kept) in cases {
            let told = tell(&StorageState { disk_free_bytes: free, ..state() }, kept, NOW_NS).forecast;
            let told = told.unwrap_or_else(|| panic!("{kept:?}"));

            assert_eq!(told.bound, bound, "{kept:?} {free:?}");
            assert!((told.days_left - days_left).abs() < 1e-6, "{kept:?} {free:?}: {told:?}");
            assert!((told.days_kept - days_kept).abs() < 1e-6, "{kept:?} {free:?}: {told:?}");
        }
    }

    #[test]
    fn too_little_to_measure_is_no_rate() {
        let mut young = state();
        young.lately.from_ns = NOW_NS - 59 * SECOND_NS;
        let told = tell(&young, kept(7, None), NOW_NS);
        assert_eq!((told.measured_s, told.spans_per_s, told.bytes_per_day, told.forecast), (None, None, None, None));
        assert!(told.services[0].share > 0.7);

        let empty = tell(&StorageState::default(), kept(7, None), NOW_NS);
        assert_eq!((empty.measured_s, empty.bytes_per_span, empty.oldest_at), (None, None, None));
    }

    #[test]
    fn what_a_span_costs_is_said_when_enough_are_compacted() {
        let mut young = state();
        (young.compacted_spans, young.compacted_net_bytes) = (ENOUGH_SPANS - 1, 500_000);
        let told = tell(&young, kept(7, None), NOW_NS);
        assert_eq!((told.bytes_per_span, told.bytes_per_day, told.forecast), (None, None, None));
        assert_eq!(told.services[0].spans_per_s, Some(750.0));

        young.compacted_spans = ENOUGH_SPANS;
        assert_eq!(span_cost(&young), Some(50.0));
    }
}
