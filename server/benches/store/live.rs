//! From the post of an event to the frame that shows it.

use std::time::{Duration, Instant};

use http::{Request, header};
use http_body_util::{BodyExt as _, Full};

use super::{
    server::{Server, client},
    shop,
};

/// Milliseconds from each of so many breaker events to the frame of the live stream that has it, sorted.
pub async fn event_to_frame(server: &Server, rounds: usize) -> Vec<f64> {
    let http = client();
    let mut stream = http.get(format!("{}/api/v1/live", server.api).parse().unwrap()).await.unwrap().into_body();
    let mut seen = String::new();
    let mut times = Vec::new();
    for round in 0..rounds {
        let (id, target) = (format!("bench-{round}"), format!("target-{round}"));
        let event = serde_json::json!({ "id": id, "kind": "breaker", "environment": shop::ENVIRONMENT, "namespace": shop::NAMESPACE,
            "service": shop::service_name(1), "instance": "i-1", "target": target, "state": "open",
            "at": spillway_api::Timestamp::from_unix_ns(super::now_ns().try_into().unwrap()) });
        let began = Instant::now();
        let request = Request::post(format!("{}/webhooks/spillway", server.api))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(event.to_string().into()))
            .unwrap();
        let response = http.request(request).await.unwrap();
        assert!(response.status().is_success(), "{}", response.status());
        let shown = async {
            while !seen.contains(&format!("/{target}\"")) {
                let frame = stream.frame().await.expect("the stream ended").unwrap();
                seen.push_str(&String::from_utf8_lossy(frame.data_ref().unwrap()));
            }
        };
        tokio::time::timeout(Duration::from_secs(10), shown).await.expect("the event never reached the stream");
        times.push(began.elapsed().as_secs_f64() * 1e3);
        seen.clear();
    }
    times.sort_by(f64::total_cmp);
    times
}
