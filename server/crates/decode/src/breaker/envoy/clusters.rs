//! Envoy's `/clusters`, as JSON and as text.
//!
//! Sources: `envoyproxy/data-plane-api`, `envoy/admin/v3/clusters.proto` (`cluster_statuses[].host_statuses[]`: `address.socket_address`,
//! `health_status.failed_outlier_check`; fields of a default value are left out), and `docs/root/operations/admin.rst` for the text:
//! `cluster::host::health_flags::/failed_outlier_check/…` or `healthy`. Other flags say what Envoy's own health checks found of a
//! host; they are left out, since a host is not a service that has said something of itself.

use std::borrow::Cow;

use spillway_model::event::BreakerState;

use super::target_of_cluster;
use crate::{
    json::Reader,
    otlp::error::Read,
    reading::{Reading, Readings, Unreadable},
};

const OTHER_CHECKS: &str = "Envoy's health checks of a host: ask the host itself";

/// Reads `/clusters?format=json`.
///
/// # Errors
/// [`Unreadable`] when the body is not such a document.
pub fn json(body: &[u8]) -> Result<Readings, Unreadable> {
    let mut readings = Readings::default();
    let mut found = false;
    let mut reader = Reader::new(body)?;
    reader.members(|reader, key| {
        if key != "cluster_statuses" {
            return reader.skip();
        }
        found = true;
        reader.items(|reader| cluster(reader, &mut readings))
    })?;
    reader.end()?;
    // An Envoy without clusters answers `{}`.
    if found || body.trim_ascii() == b"{}" {
        Ok(readings)
    } else {
        Err(Unreadable("`cluster_statuses` is missing".into()))
    }
}

fn cluster(reader: &mut Reader<'_>, readings: &mut Readings) -> Read<()> {
    let mut name = Cow::Borrowed("");
    let mut hosts: Option<Reader<'_>> = None;
    reader.members(|reader, key| {
        match key {
            "name" => name = reader.string_or_skip()?.unwrap_or_default(),
            // The name may stand behind them: they are read when it is known.
            "host_statuses" => {
                hosts = Some(*reader);
                reader.skip()?;
            }
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    let Some(mut hosts) = hosts else { return Ok(()) };
    hosts.items(|reader| {
        let host = host(reader)?;
        if host.failed_other {
            readings.ignored.count(&name, OTHER_CHECKS);
        }
        let state = if host.ejected { BreakerState::Open } else { BreakerState::Closed };
        readings.push(Reading::breaker(target_of_cluster(&name), &host.name, state));
        Ok(())
    })
}

#[derive(Default)]
struct Host {
    /// `address:port`, or the path of a pipe.
    name: String,
    ejected: bool,
    failed_other: bool,
}

fn host(reader: &mut Reader<'_>) -> Read<Host> {
    let mut host = Host::default();
    reader.members(|reader, key| match key {
        "address" => {
            host.name = address(reader)?;
            Ok(())
        }
        "health_status" => reader.members(|reader, key| {
            match key {
                "failed_outlier_check" => host.ejected = reader.bool_or_skip()?.unwrap_or_default(),
                "failed_active_health_check" | "failed_active_degraded_check" => {
                    host.failed_other |= reader.bool_or_skip()?.unwrap_or_default();
                }
                _ => reader.skip()?,
            }
            Ok(())
        }),
        _ => reader.skip(),
    })?;
    Ok(host)
}

fn address(reader: &mut Reader<'_>) -> Read<String> {
    let (mut name, mut port) = (String::new(), None);
    reader.members(|reader, kind| match kind {
        "socket_address" | "pipe" => reader.members(|reader, key| {
            match key {
                "address" | "path" => {
                    let text = reader.string_or_skip()?.unwrap_or_default();
                    name = text[..text.floor_char_boundary(crate::webhook::MAX_NAME_BYTES + 4)].to_owned();
                }
                "port_value" => port = reader.number_or_skip()?,
                _ => reader.skip()?,
            }
            Ok(())
        }),
        _ => reader.skip(),
    })?;
    // As the text form and the log have it.
    Ok(match port {
        Some(port) if name.contains(':') => format!("[{name}]:{port}"),
        Some(port) => format!("{name}:{port}"),
        None => name,
    })
}

/// Reads `/clusters` as text.
///
/// # Errors
/// [`Unreadable`] when no line of it is one of that page.
pub fn text(body: &[u8]) -> Result<Readings, Unreadable> {
    const FLAGS: &str = "::health_flags::";
    let text = std::str::from_utf8(body).map_err(|_| Unreadable("the text is not valid UTF-8".into()))?;
    let mut readings = Readings::default();
    let mut lines = 0;
    for line in text.lines().map(str::trim).filter(|line| line.contains("::")) {
        lines += 1;
        // Hosts may have `::` in them (IPv6), names of clusters do not.
        let Some((owner, flags)) = line.split_once(FLAGS) else { continue };
        let Some((cluster, host)) = owner.split_once("::") else { continue };
        let has = |flag: &str| flags.split('/').any(|known| known == flag);
        if has("failed_active_hc") || has("degraded_active_hc") {
            readings.ignored.count(cluster, OTHER_CHECKS);
        }
        let state = if has("failed_outlier_check") { BreakerState::Open } else { BreakerState::Closed };
        readings.push(Reading::breaker(target_of_cluster(cluster), host, state));
    }
    if lines > 0 || text.trim().is_empty() {
        Ok(readings)
    } else {
        Err(Unreadable("no line has the form `cluster::host::key::value`".into()))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_host_that_was_ejected_is_open_in_both_forms() {
        let host = |address: &str, status: serde_json::Value| json!({"address": {"socket_address": {"address": address, "port_value": 443}}, "health_status": status});
        let document = json!({"cluster_statuses": [{
            "host_statuses": [
                host("10.0.0.1", json!({"failed_outlier_check": true, "eds_health_status": "HEALTHY"})),
                host("10.0.0.2", json!({"eds_health_status": "HEALTHY"})),
                host("2001:db8::1", json!({"failed_active_health_check": true})),
            ],
            "name": "payments"}, {"name": "empty"}]});
        let lines = "payments::added_via_api::true\npayments::10.0.0.1:443::health_flags::/failed_outlier_check\n\
                     payments::10.0.0.2:443::health_flags::healthy\n\
                     payments::[2001:db8::1]:443::health_flags::/failed_active_hc\npayments::10.0.0.2:443::weight::1\n";

        let from_json = json(document.to_string().as_bytes()).unwrap();
        let from_text = text(lines.as_bytes()).unwrap();

        assert_eq!(
            from_json.readings,
            [
                Reading::breaker("payments", "10.0.0.1:443", BreakerState::Open),
                Reading::breaker("payments", "10.0.0.2:443", BreakerState::Closed),
                Reading::breaker("payments", "[2001:db8::1]:443", BreakerState::Closed)
            ]
        );
        assert_eq!(from_json.ignored.iter().collect::<Vec<_>>(), [("payments", OTHER_CHECKS, 1)]);
        assert_eq!(from_text, from_json);
    }

    #[test]
    fn other_documents_are_refused_with_the_reason() {
        insta::assert_snapshot!(json(b"{\"listener_statuses\": []}").unwrap_err(), @"`cluster_statuses` is missing");
        insta::assert_snapshot!(json(b"{\"cluster_statuses\": [5]}").unwrap_err(), @"cluster_statuses[0]: expected an object, found `5` (line 1, column 23)");
        insta::assert_snapshot!(text(b"<html>").unwrap_err(), @"no line has the form `cluster::host::key::value`");
        assert_eq!(json(b"{}").unwrap(), Readings::default());
        assert_eq!(text(b"").unwrap(), Readings::default());
    }

    proptest! {
        #[test]
        fn damage_never_panics(at in any::<prop::sample::Index>(), byte in any::<u8>(), noise in prop::collection::vec(any::<u8>(), 0..64)) {
            let document = json!({"cluster_statuses": [{"name": "é", "host_statuses": [{"address": {"pipe": {"path": "/x"}},
                "health_status": {"failed_outlier_check": true}}]}]}).to_string().into_bytes();
            for mut body in [document, b"payments::10.0.0.1:443::health_flags::/failed_outlier_check\n".to_vec()] {
                let at = at.index(body.len());
                body[at] = byte;
                let _ = (json(&body), text(&body));
            }
            let _ = (json(&noise), text(&noise));
        }
    }
}
