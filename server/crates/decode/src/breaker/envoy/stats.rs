//! Envoy's `/stats` as text: `cluster.<name>.circuit_breakers.default.rq_open: 0`.
//!
//! Source: `docs/root/configuration/upstream/cluster_manager/cluster_stats.rst`. What comes as `/stats/prometheus` is read by
//! [`crate::prometheus`] and [`crate::series`]; both mean the same.

use spillway_model::event::{BreakerState, Guard, LimitState};

use super::{limit_name, target_of_cluster};
use crate::reading::{Reading, Readings, Says, Unreadable};

/// Reads the limits and the number of ejected hosts of each cluster; other statistics are passed over.
///
/// # Errors
/// [`Unreadable`] when no line of it is one of that page.
pub fn text(body: &[u8]) -> Result<Readings, Unreadable> {
    let text = std::str::from_utf8(body).map_err(|_| Unreadable("the text is not valid UTF-8".into()))?;
    let mut readings = Readings::default();
    let mut lines = 0;
    for line in text.lines() {
        let Some((name, value)) = line.rsplit_once(": ") else { continue };
        let Ok(value) = value.trim().parse::<u64>() else { continue };
        lines += 1;
        // Names of clusters may have dots in them, so what follows is looked for from the end.
        let Some(rest) = name.strip_prefix("cluster.") else { continue };
        if let Some((cluster, gauge)) = rest.rsplit_once(".circuit_breakers.") {
            let Some(limit) = gauge.split_once('.').and_then(|(priority, gauge)| limit_name(priority, gauge)) else {
                continue;
            };
            let state = if value > 0 { LimitState::Exhausted } else { LimitState::Free };
            let says = Says::Limit { guard: Guard::Bulkhead, state, in_use: None, limit: None, waiting: None };
            let target = target_of_cluster(cluster);
            readings.push(Reading { target: target.into(), name: limit.into(), instance: None, says, at_ns: None });
        } else if let Some(cluster) = rest.strip_suffix(".outlier_detection.ejections_active") {
            let state = if value > 0 { BreakerState::Open } else { BreakerState::Closed };
            readings.push(Reading::breaker(target_of_cluster(cluster), cluster, state));
        }
    }
    if lines > 0 || text.trim().is_empty() {
        Ok(readings)
    } else {
        Err(Unreadable("no line has the form `name: number`".into()))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn limits_and_ejections_are_read_alike_from_both_pages() {
        let plain = "cluster.shop.v1.circuit_breakers.default.rq_open: 1\n\
                     cluster.shop.v1.circuit_breakers.high.cx_open: 0\n\
                     cluster.shop.v1.circuit_breakers.default.remaining_rq: 3\n\
                     cluster.shop.v1.outlier_detection.ejections_active: 2\n\
                     cluster.shop.v1.upstream_cx_length_ms: No recorded values\nserver.live: 1\n";
        let scraped = "envoy_cluster_circuit_breakers_default_rq_open{envoy_cluster_name=\"shop.v1\"} 1\n\
                       envoy_cluster_circuit_breakers_high_cx_open{envoy_cluster_name=\"shop.v1\"} 0\n\
                       envoy_cluster_circuit_breakers_default_remaining_rq{envoy_cluster_name=\"shop.v1\"} 3\n\
                       envoy_cluster_outlier_detection_ejections_active{envoy_cluster_name=\"shop.v1\"} 2\n";

        let mut readings = text(plain.as_bytes()).unwrap().readings;
        let mut fold = crate::series::Fold::default();
        crate::prometheus::samples(scraped.as_bytes(), |sample| {
            fold.take(sample);
        })
        .unwrap();
        let mut from_scrape = fold.finish(&mut crate::series::Turns::default()).readings;

        assert_eq!(readings.len(), 3);
        assert!(matches!(readings[0].says, Says::Limit { state: LimitState::Exhausted, .. }));
        assert_eq!(&*readings[0].target, "shop.v1");
        for readings in [&mut readings, &mut from_scrape] {
            readings.sort_by(|left, right| left.name.cmp(&right.name));
        }
        assert_eq!(readings, from_scrape);
        assert_eq!(text(b"<html>").unwrap_err().to_string(), "no line has the form `name: number`");
    }

    proptest! {
        #[test]
        fn no_text_panics(text_ in "(cluster|[.: a-z_0-9]){0,20}", noise in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = (text(text_.as_bytes()), text(&noise));
        }
    }
}
