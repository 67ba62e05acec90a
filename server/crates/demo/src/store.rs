//! What is not ours to instrument: stores and somebody else's host. They answer after a while, and are seen from their callers only.

use std::time::Duration;

use axum::{Router, routing::any};
use http::StatusCode;

use crate::{capacity::Capacity, serve::Place, switches::Switches};

/// Something that answers every request after its service time.
pub(crate) async fn open(
    name: &'static str,
    workers: usize,
    service_time: Duration,
    switches: &Switches,
) -> Result<String, String> {
    let place = Place::free().await?;
    let url = place.url();
    let capacity = Capacity::new(workers, service_time, 1_000);
    let faults = switches.clone();
    let answer = move || {
        let (capacity, faults) = (capacity.clone(), faults.clone());
        async move {
            if capacity.work(faults.slowness(name)).await.is_err() {
                return StatusCode::SERVICE_UNAVAILABLE;
            }
            if faults.fails(name) { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::OK }
        }
    };
    place.serve(Router::new().fallback(any(answer)), switches.watch(name));
    Ok(url)
}
