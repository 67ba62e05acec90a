//! What a metric means here: one table from name, labels and value to breakers, limiters, retries and load.
//!
//! The same series comes scraped (Prometheus writes `_` where others write `.`) and by OTLP, so `.` and `_` are one in names of series and
//! labels. A number of a state is never taken without knowing whose it is: libraries number alike states differently (see [`Codes`]).
//!
//! | library | series | labels | means |
//! |---|---|---|---|
//! | resilience4j (Micrometer, `TaggedCircuitBreakerMetrics`) | `resilience4j.circuitbreaker.state` | `name`, `state`: one gauge a state, 1 for the present one; without `state` resilience4j's own numbers | breaker |
//! | | `resilience4j.bulkhead.{available,max.allowed}.concurrent.calls`, `….{queue.depth,queue.capacity}` | `name` | bulkhead |
//! | | `resilience4j.ratelimiter.{available.permissions,waiting.threads}` | `name` | rate limiter |
//! | | `resilience4j.retry.calls`, `resilience4j.timelimiter.calls` | `name`, `kind` | retries, timeouts |
//! | Polly v8 (docs/advanced/telemetry.md) | `resilience.polly.strategy.events` | `pipeline.name`, `strategy.name`, `event.name` | transitions, retries, timeouts |
//! | opossum-prometheus (also `@iamelevich/opossum-prometheus`) | `circuit`, `circuit_breaker_counter` | `name`, `event` | transitions, timeouts |
//! | gobreaker, failsafe-go, pybreaker, which export nothing themselves | `<library>_state`, `<library>_circuit_breaker_state`, or `circuit_breaker_state` with the label `library` | `name`; `state` or the library's number | breaker |
//! | Envoy (`/stats`) | `envoy_cluster_circuit_breakers_{default,high}_{cx,cx_pool,rq,rq_pending,rq_retry}_open` | `envoy_cluster_name` | bulkhead: Envoy's "circuit breaker" limits concurrency |
//! | | `envoy_cluster_outlier_detection_ejections_active` | `envoy_cluster_name` | breaker, open while a host is ejected |
//! | semantic conventions | `http.server.request.duration`, `rpc.server.duration`, … | | requests |

mod codes;
mod envoy;
mod fold;

use std::borrow::Cow;

use spillway_model::event::{BreakerState, Guard};

pub use codes::Codes;
pub use fold::{Fold, Turns};

use crate::reading::breaker_state;

/// Bytes of a series' name; no library's is longer than 80.
const MAX_SERIES_BYTES: usize = 256;

/// One number of one series.
#[derive(Clone, Copy, Debug)]
pub struct Sample<'a> {
    /// Name of the series, dotted or with underscores.
    pub name: &'a str,
    /// Its labels.
    pub labels: &'a [(&'a str, &'a str)],
    /// The number.
    pub value: f64,
    /// When it was so, in ns since 1970, where said.
    pub at_ns: Option<i64>,
}

/// What a sample means.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Meaning<'a> {
    /// A breaker is in a state.
    Breaker {
        /// Whom it guards calls to.
        target: &'a str,
        /// Its name.
        name: &'a str,
        /// The state.
        state: BreakerState,
    },
    /// How often a breaker has gone into a state: that it did is seen when the number grows ([`Turns`]).
    Turned {
        /// Whom it guards calls to.
        target: &'a str,
        /// Its name.
        name: &'a str,
        /// The state.
        to: BreakerState,
        /// How often so far.
        total: f64,
    },
    /// One number of a bulkhead or rate limiter; several make a reading ([`Fold`]).
    Limit {
        /// Which of them.
        guard: Guard,
        /// Whom it limits calls to.
        target: &'a str,
        /// Its name.
        name: &'a str,
        /// Which number.
        part: LimitPart,
        /// The number.
        value: f64,
    },
    /// Second and further tries so far.
    Retry {
        /// Of what.
        name: &'a str,
        /// How many.
        total: f64,
    },
    /// Calls so far that were given up after their time.
    Timeout {
        /// Of what.
        name: &'a str,
        /// How many.
        total: f64,
    },
    /// How full something is.
    Saturation {
        /// What.
        name: &'a str,
        /// How much of it is used, in its own unit.
        value: f64,
    },
    /// Requests, as a counter or a part of a histogram.
    Request {
        /// The number.
        value: f64,
    },
    /// It is understood and says nothing: the gauge of a state in which the breaker is not.
    Nothing,
    /// It means nothing here.
    Ignored {
        /// Why.
        why: &'static str,
    },
}

/// Which number of a limiter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LimitPart {
    /// Calls that it would still take.
    Free,
    /// Calls at most.
    Limit,
    /// Calls that wait.
    Waiting,
    /// 1 when it takes none, 0 when it does.
    Exhausted,
}

const NOT_KNOWN: Meaning<'_> = Meaning::Ignored { why: "no series of a breaker, limiter, retry, timeout or request" };
const NO_NAME: Meaning<'_> = Meaning::Ignored { why: "the label that names the breaker is missing" };
const NO_STATE: Meaning<'_> = Meaning::Ignored { why: "its label `state` is no state of a breaker" };
const NO_NUMBER: Meaning<'_> = Meaning::Ignored { why: "its value is not a number" };
const NO_CODE: Meaning<'_> = Meaning::Ignored { why: "its value is no state of that library" };

impl<'a> Sample<'a> {
    /// The label of one of these names; `.` and `_` are one.
    fn label(&self, names: &[&str]) -> Option<&'a str> {
        let named = |name: &str| self.labels.iter().find(|(key, _)| same(key, name));
        names.iter().find_map(|name| named(name)).map(|(_, value)| *value).filter(|value| !value.is_empty())
    }
}

/// What a sample means. Counters are cumulative; what is reported as deltas must be summed up by the caller.
pub fn meaning<'a>(sample: &Sample<'a>) -> Meaning<'a> {
    if sample.value.is_nan() {
        return NO_NUMBER;
    }
    if sample.name.len() > MAX_SERIES_BYTES {
        return NOT_KNOWN;
    }
    let name = underscored(sample.name);
    if let Some(rest) = name.strip_prefix("resilience4j_") {
        return resilience4j(rest, sample);
    }
    if let Some(rest) = name.strip_prefix("envoy_cluster_") {
        return envoy::cluster(rest, sample);
    }
    match name.strip_suffix("_total").unwrap_or(&name) {
        "resilience_polly_strategy_events" => polly(sample),
        "circuit" | "circuit_breaker_counter" if sample.label(&["event"]).is_some() => opossum(sample),
        "http_server_request_duration" | "http_server_requests" => Meaning::Request { value: sample.value },
        plain => by_state(plain, sample).or_else(|| request(plain, sample)).unwrap_or(NOT_KNOWN),
    }
}

fn resilience4j<'a>(rest: &str, sample: &Sample<'a>) -> Meaning<'a> {
    let Some(name) = sample.label(&["name"]) else { return NO_NAME };
    let limit = |guard, part| Meaning::Limit { guard, target: name, name, part, value: sample.value };
    let kind = sample.label(&["kind"]).unwrap_or_default();
    match rest {
        "circuitbreaker_state" => one_state(name, sample, Codes::Resilience4j),
        "bulkhead_available_concurrent_calls" => limit(Guard::Bulkhead, LimitPart::Free),
        "bulkhead_max_allowed_concurrent_calls" => limit(Guard::Bulkhead, LimitPart::Limit),
        "bulkhead_queue_depth" => limit(Guard::Bulkhead, LimitPart::Waiting),
        "ratelimiter_available_permissions" => limit(Guard::RateLimiter, LimitPart::Free),
        "ratelimiter_waiting_threads" => limit(Guard::RateLimiter, LimitPart::Waiting),
        // `successful_without_retry` and `failed_without_retry` were no retries.
        "retry_calls" | "retry_calls_total" if kind.ends_with("with_retry") => {
            Meaning::Retry { name, total: sample.value }
        }
        "timelimiter_calls" | "timelimiter_calls_total" if kind == "timeout" => {
            Meaning::Timeout { name, total: sample.value }
        }
        "bulkhead_thread_pool_size" | "bulkhead_active_thread_count" => {
            Meaning::Saturation { name, value: sample.value }
        }
        _ => Meaning::Ignored { why: "resilience4j's counts of calls: spans count them too" },
    }
}

/// A state by its own label, one series for each, or by a library's number.
fn one_state<'a>(name: &'a str, sample: &Sample<'a>, codes: Codes) -> Meaning<'a> {
    let target = sample.label(&["target", "peer_service", "service_peer_name"]).unwrap_or(name);
    let state = match sample.label(&["state"]) {
        Some(_) if sample.value == 0.0 => return Meaning::Nothing,
        Some(word) => match breaker_state(word) {
            Some(state) => state,
            None => return NO_STATE,
        },
        None => match codes.state(sample.value) {
            Some(state) => state,
            None => return NO_CODE,
        },
    };
    Meaning::Breaker { target, name, state }
}

/// Series that people make themselves for libraries that export none.
fn by_state<'a>(series: &str, sample: &Sample<'a>) -> Option<Meaning<'a>> {
    let owner = ["_circuit_breaker_state", "_circuitbreaker_state", "_breaker_state", "_state"]
        .iter()
        .find_map(|suffix| series.strip_suffix(suffix));
    let named = owner.and_then(Codes::of_library);
    let generic = matches!(series, "circuit_breaker_state" | "circuitbreaker_state");
    if named.is_none() && !generic {
        return None;
    }
    let Some(name) = sample.label(&["name", "circuit_name", "circuitbreaker_name", "circuit_breaker", "breaker"])
    else {
        return Some(NO_NAME);
    };
    let codes = named.or_else(|| sample.label(&["library"]).and_then(Codes::of_library));
    Some(match codes {
        Some(codes) => one_state(name, sample, codes),
        None if sample.label(&["state"]).is_some() => one_state(name, sample, Codes::Resilience4j),
        None => Meaning::Ignored {
            why: "libraries number their states differently: name the series after the library, or add a label `state` or `library`",
        },
    })
}

fn polly<'a>(sample: &Sample<'a>) -> Meaning<'a> {
    let pipeline = sample.label(&["pipeline.name"]);
    let strategy = sample.label(&["strategy.name"]);
    let Some(name) = strategy.or(pipeline) else { return NO_NAME };
    let target = pipeline.unwrap_or(name);
    let turned = |to| Meaning::Turned { target, name, to, total: sample.value };
    match sample.label(&["event.name"]).unwrap_or_default() {
        "OnCircuitOpened" => turned(BreakerState::Open),
        "OnCircuitClosed" => turned(BreakerState::Closed),
        "OnCircuitHalfOpened" => turned(BreakerState::HalfOpen),
        "OnRetry" => Meaning::Retry { name, total: sample.value },
        "OnTimeout" => Meaning::Timeout { name, total: sample.value },
        _ => Meaning::Ignored { why: "Polly's fallbacks, hedging and rejections have no place here yet" },
    }
}

fn opossum<'a>(sample: &Sample<'a>) -> Meaning<'a> {
    let Some(name) = sample.label(&["name"]) else { return NO_NAME };
    let turned = |to| Meaning::Turned { target: name, name, to, total: sample.value };
    match sample.label(&["event"]).unwrap_or_default() {
        "open" => turned(BreakerState::Open),
        "close" => turned(BreakerState::Closed),
        "halfOpen" => turned(BreakerState::HalfOpen),
        "timeout" => Meaning::Timeout { name, total: sample.value },
        _ => Meaning::Ignored { why: "opossum's counts of calls: spans count them too" },
    }
}

/// Counters and histograms of requests by their conventional names.
fn request<'a>(series: &str, sample: &Sample<'a>) -> Option<Meaning<'a>> {
    const NAMES: [&str; 7] = [
        "http_server_request_duration",
        "http_server_duration",
        "http_server_requests",
        "http_requests",
        "http_request_duration",
        "rpc_server_duration",
        "rpc_server_call_duration",
    ];
    const PARTS: [&str; 4] = ["_count", "_sum", "_bucket", ""];
    const UNITS: [&str; 3] = ["_seconds", "_milliseconds", ""];
    let known = PARTS
        .iter()
        .filter_map(|part| series.strip_suffix(part))
        .any(|rest| UNITS.iter().filter_map(|unit| rest.strip_suffix(unit)).any(|rest| NAMES.contains(&rest)));
    known.then_some(Meaning::Request { value: sample.value })
}

fn same(left: &str, right: &str) -> bool {
    let plain = |byte: u8| if byte == b'.' { b'_' } else { byte };
    left.len() == right.len() && left.bytes().zip(right.bytes()).all(|(left, right)| plain(left) == plain(right))
}

/// The name as Prometheus writes it. Units that its exporters append to states and events are none.
fn underscored(name: &str) -> Cow<'_, str> {
    if name.contains('.') { Cow::Owned(name.replace('.', "_")) } else { Cow::Borrowed(name) }
}

#[cfg(test)]
mod tests;
