use spillway_decode::{
    breaker::{envoy::clusters, hystrix, opossum},
    prometheus,
    reading::{Reading, Readings, Says},
    series::{Fold, Turns},
};
use spillway_model::event::{BreakerState, Guard, LimitState};

use crate::sample;

fn ignored(readings: &Readings) -> Vec<(&str, u64)> {
    readings.ignored.iter().map(|(what, _, times)| (what, times)).collect()
}

#[test]
fn hystrixs_command_is_a_closed_breaker() {
    let Some(body) = sample("hystrix/command.json") else { return };

    let readings = hystrix::message(&body).unwrap();

    let expected = Reading::breaker("PlaylistGet", "PlaylistGet", BreakerState::Closed);
    assert_eq!(readings.readings, [Reading { at_ns: Some(1_355_239_617_628_000_000), ..expected }]);
    assert!(readings.ignored.is_empty());
}

#[test]
fn hystrixs_thread_pool_is_a_free_bulkhead() {
    let Some(body) = sample("hystrix/threadpool.json") else { return };

    let readings = hystrix::message(&body).unwrap();

    let says = Says::Limit {
        guard: Guard::Bulkhead,
        state: LimitState::Free,
        in_use: Some(0),
        limit: Some(30),
        waiting: Some(0),
    };
    let (target, name) = ("ABClient".into(), "ABClient".into());
    assert_eq!(readings.readings, [Reading { target, name, instance: None, says, at_ns: None }]);
}

#[test]
fn opossums_printed_counters_are_refused_with_what_to_send() {
    let Some(body) = sample("circuit/opossum-stats.txt") else { return };

    let error = opossum::to_json(&body).unwrap_err().to_string();

    assert_eq!(error, "these are opossum's counters, which say no state: send what `circuit.toJSON()` gives");
}

#[test]
fn envoys_clusters_say_the_same_as_json_and_as_text() {
    let (Some(json), Some(text)) = (sample("envoy/clusters.json"), sample("envoy/clusters.txt")) else { return };

    let (json, text) = (clusters::json(&json).unwrap(), clusters::text(&text).unwrap());

    assert_eq!(json.readings, [Reading::breaker("fake_cluster", "1.2.3.4:80", BreakerState::Open)]);
    // What its own health checks found of the host.
    assert_eq!(ignored(&json), [("fake_cluster", 1)]);
    assert_eq!(json, text);
}

#[test]
fn prometheus_page_is_read_but_for_the_line_without_a_number() {
    let Some(body) = sample("prometheus/exposition-0.0.4.txt") else { return };
    let text = String::from_utf8(body).unwrap();

    let error = prometheus::samples(text.as_bytes(), |_| ()).unwrap_err().to_string();
    // The page shows a name in UTF-8 there, and leaves its value out.
    assert_eq!(error, "line 10: a number is expected behind the series");

    let complete: Vec<&str> = text.lines().filter(|line| !line.starts_with("{\"my.dotted.metric\"")).collect();
    let (mut fold, mut seen) = (Fold::default(), Vec::new());
    let count = prometheus::samples(complete.join("\n").as_bytes(), |sample| {
        seen.push((sample.name.to_owned(), sample.labels.len(), sample.value, sample.at_ns));
        if sample.name == "msdos_file_access_time_seconds" {
            let labels = [("path", "C:\\DIR\\FILE.TXT"), ("error", "Cannot find file:\n\"FILE.TXT\"")];
            assert_eq!(sample.labels, labels);
        }
        fold.take(sample);
    })
    .unwrap();
    assert_eq!(count, 20);
    assert_eq!(seen[0], ("http_requests_total".into(), 2, 1027.0, Some(1_395_066_363_000_000_000)));
    assert_eq!(seen[4], ("something_weird".into(), 1, f64::INFINITY, Some(-3_982_045_000_000)));
    let readings = fold.finish(&mut Turns::default());
    assert_eq!(readings.readings, []);
    // Requests are understood, the rest is named.
    assert!(ignored(&readings).contains(&("http_requests_total", 2)));
    assert!(ignored(&readings).contains(&("http_request_duration_seconds_bucket", 6)));
    assert!(ignored(&readings).contains(&("rpc_duration_seconds", 5)));
}
