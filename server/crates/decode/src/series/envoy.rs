//! Envoy's gauges, as `/stats/prometheus` names them.

use spillway_model::event::{BreakerState, Guard};

use super::{LimitPart, Meaning, NO_NAME, Sample};
use crate::breaker::envoy::{limit_name, target_of_cluster};

/// A series behind `envoy_cluster_`.
pub(super) fn cluster<'a>(rest: &str, sample: &Sample<'a>) -> Meaning<'a> {
    let cluster = || sample.label(&["envoy_cluster_name"]);
    if let Some(gauge) = rest.strip_prefix("circuit_breakers_") {
        let Some((priority, gauge)) = gauge.split_once('_') else { return UNUSED };
        let (Some(name), Some(cluster)) = (limit_name(priority, gauge), cluster()) else { return UNUSED };
        return Meaning::Limit {
            guard: Guard::Bulkhead,
            target: target_of_cluster(cluster),
            name,
            part: LimitPart::Exhausted,
            value: sample.value,
        };
    }
    match (rest, cluster()) {
        (_, None) => NO_NAME,
        // How many hosts, not which: those are in `/clusters`.
        ("outlier_detection_ejections_active", Some(cluster)) => Meaning::Breaker {
            target: target_of_cluster(cluster),
            name: cluster,
            state: if sample.value > 0.0 { BreakerState::Open } else { BreakerState::Closed },
        },
        ("upstream_rq_timeout" | "upstream_rq_timeout_total", Some(name)) => {
            Meaning::Timeout { name, total: sample.value }
        }
        ("upstream_rq_retry" | "upstream_rq_retry_total", Some(name)) => Meaning::Retry { name, total: sample.value },
        ("upstream_rq_active" | "upstream_rq_pending_active", Some(name)) => {
            Meaning::Saturation { name, value: sample.value }
        }
        ("upstream_rq" | "upstream_rq_total" | "upstream_rq_completed", Some(_)) => {
            Meaning::Request { value: sample.value }
        }
        _ => UNUSED,
    }
}

const UNUSED: Meaning<'_> = Meaning::Ignored { why: "one of Envoy's series that has no place here" };
