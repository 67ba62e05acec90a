//! One admitted request until its end.

use std::sync::Arc;

use http::{HeaderMap, StatusCode};
use spillway_api::Criticality;
use tokio::time::Instant;

use super::Shared;
use crate::{
    admission::Held,
    meter::{Ending, Route},
};

/// Counts the end of a request exactly once, whatever the end is. Dropped without one, the caller gave up.
#[derive(Debug)]
pub(crate) struct Flight {
    shared: Arc<Shared>,
    route: Arc<Route>,
    class: Criticality,
    /// `None` once it has ended.
    held: Option<Held>,
    began_at: Instant,
}

impl Flight {
    pub(super) fn new(
        shared: Arc<Shared>,
        route: Arc<Route>,
        class: Criticality,
        held: Held,
        began_at: Instant,
    ) -> Self {
        Self { shared, route, class, held: Some(held), began_at }
    }

    pub(super) fn end(mut self, ending: Ending) {
        self.finish(ending);
    }

    fn finish(&mut self, ending: Ending) {
        if let Some(held) = self.held.take() {
            self.shared.admission.release(held);
            self.route.ended(self.class, ending, self.began_at.elapsed());
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.finish(Ending::TimedOut);
    }
}

/// How an HTTP answer ended the request.
pub(super) fn by_status(status: StatusCode) -> Ending {
    match status {
        StatusCode::GATEWAY_TIMEOUT => Ending::TimedOut,
        status if status.is_server_error() => Ending::Failed,
        _ => Ending::Ok,
    }
}

/// How a gRPC answer ended it, from its trailers, or from its headers where there are only trailers. Which codes are the
/// server's fault is OpenTelemetry's list.
pub(super) fn by_grpc_status(trailers: &HeaderMap) -> Option<Ending> {
    let status = trailers.get("grpc-status")?;
    Some(match status.as_bytes() {
        b"4" => Ending::TimedOut,
        b"2" | b"12" | b"13" | b"14" | b"15" => Ending::Failed,
        _ => Ending::Ok,
    })
}
