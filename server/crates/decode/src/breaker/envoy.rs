//! Envoy: what its admin interface and its outlier log say.
//!
//! Two things are called by the name of a breaker there. *Outlier detection* ejects single hosts: that is a breaker for each host,
//! open while it is ejected. A *circuit breaker* limits concurrency: that is a bulkhead, full while its gauge is 1.
//!
//! | source | module | says |
//! |---|---|---|
//! | `/clusters?format=json` and `/clusters` | [`clusters`] | each host's ejection |
//! | the outlier event log (NDJSON) | [`outlier`] | ejections with their time |
//! | `/stats` and `/stats/prometheus` | [`stats`], [`crate::series`] | the limits, and how many hosts are ejected |

pub mod clusters;
pub mod outlier;
pub mod stats;

/// Whom a cluster stands for. Istio's clusters are `outbound|8080|subset|reviews.shop.svc.cluster.local`, of which the first label of the
/// host is the service; other names stay as they are.
pub fn target_of_cluster(cluster: &str) -> &str {
    let mut parts = cluster.split('|');
    let (direction, host) = (parts.next(), parts.nth(2));
    match (direction, host, parts.next()) {
        (Some("outbound" | "inbound"), Some(host), None) if !host.is_empty() => {
            host.split('.').next().filter(|label| !label.is_empty()).unwrap_or(cluster)
        }
        _ => cluster,
    }
}

/// A limit's name for people: `default`, `rq_pending_open` are the pending requests; `None` for gauges that are no limit's state.
pub(crate) fn limit_name(priority: &str, gauge: &str) -> Option<&'static str> {
    Some(match (priority, gauge) {
        ("default", "cx_open") => "connections",
        ("default", "cx_pool_open") => "connection pools",
        ("default", "rq_open") => "requests",
        ("default", "rq_pending_open") => "pending requests",
        ("default", "rq_retry_open") => "retries",
        ("high", "cx_open") => "connections (high)",
        ("high", "cx_pool_open") => "connection pools (high)",
        ("high", "rq_open") => "requests (high)",
        ("high", "rq_pending_open") => "pending requests (high)",
        ("high", "rq_retry_open") => "retries (high)",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn istios_clusters_are_their_services() {
        assert_eq!(target_of_cluster("outbound|8080|v1|reviews.shop.svc.cluster.local"), "reviews");
        assert_eq!(target_of_cluster("outbound|8080||reviews"), "reviews");
        assert_eq!(target_of_cluster("inbound|8080||"), "inbound|8080||");
        assert_eq!(target_of_cluster("payments.local"), "payments.local");
        assert_eq!(target_of_cluster("a|b|c|d|e"), "a|b|c|d|e");
    }
}
