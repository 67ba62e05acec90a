//! Breaker and health events to `/webhooks/spillway`, repeated until they are acknowledged.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, header};
use http_body_util::Full;
use rand::Rng as _;
use spillway_api::{BreakerEvent, BreakerState, Event, HealthEvent, HealthStatus, Timestamp};
use tokio::sync::mpsc;

use crate::{
    caller::full_jitter,
    telemetry::{ENVIRONMENT, Http, NAMESPACE},
};

/// Events that wait; the oldest are still the ones that say most, so a full queue drops the newest.
const QUEUE: usize = 1_000;
/// Attempts for one event; after that a heartbeat says the same.
const ATTEMPTS: u32 = 6;
const TIMEOUT: Duration = Duration::from_secs(3);

/// Sends events of the whole shop.
#[derive(Clone)]
pub(crate) struct Reporter {
    queue: mpsc::Sender<Event>,
    /// Ids must be unique over all runs of the demo: the start makes the first half, a counter the second.
    run: Arc<str>,
    next: Arc<AtomicU64>,
}

fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix_ns(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

impl Reporter {
    /// Starts the task that sends; it ends with the last handle.
    pub(crate) fn start(http: Http, spillway_url: &str, key: Option<String>) -> Self {
        let (queue, inbox) = mpsc::channel(QUEUE);
        let url = format!("{}/webhooks/spillway", spillway_url.trim_end_matches('/'));
        tokio::spawn(send_all(inbox, http, url, key));
        let run = format!("demo-{:x}-{:08x}", now().unix_ms(), rand::rng().random::<u32>());
        Self { queue, run: run.into(), next: Arc::default() }
    }

    fn id(&self) -> String {
        format!("{}-{}", self.run, self.next.fetch_add(1, Relaxed))
    }

    pub(crate) fn breaker(&self, service: &str, instance: &str, target: &str, state: BreakerState) {
        self.send(Event::Breaker(BreakerEvent {
            id: self.id(),
            environment: ENVIRONMENT.into(),
            namespace: NAMESPACE.into(),
            service: service.into(),
            instance: instance.into(),
            target: target.into(),
            name: target.into(),
            state,
            at: now(),
        }));
    }

    pub(crate) fn health(&self, service: &str, instance: &str, status: HealthStatus, detail: &str) {
        self.send(Event::Health(HealthEvent {
            id: self.id(),
            environment: ENVIRONMENT.into(),
            namespace: NAMESPACE.into(),
            service: service.into(),
            instance: instance.into(),
            status,
            at: now(),
            detail: detail.into(),
        }));
    }

    fn send(&self, event: Event) {
        if self.queue.try_send(event).is_err() {
            tracing::debug!("an event was dropped: Spillway takes none");
        }
    }
}

async fn send_all(mut inbox: mpsc::Receiver<Event>, http: Http, url: String, key: Option<String>) {
    let mut events = Vec::new();
    while inbox.recv_many(&mut events, 100).await > 0 {
        let Ok(body) = serde_json::to_vec(&events) else { return };
        events.clear();
        send(&http, &url, key.as_deref(), &body.into()).await;
    }
}

/// Exponential backoff with full jitter; the ids make a repeat harmless.
async fn send(http: &Http, url: &str, key: Option<&str>, body: &Bytes) {
    for attempt in 0..ATTEMPTS {
        let mut request = Request::post(url).header(header::CONTENT_TYPE, "application/json");
        if let Some(key) = key {
            request = request.header(header::AUTHORIZATION, format!("Bearer {key}"));
        }
        let Ok(request) = request.body(Full::new(body.clone())) else { return };
        match tokio::time::timeout(TIMEOUT, http.request(request)).await {
            Ok(Ok(answer)) if answer.status().is_success() => return,
            Ok(Ok(answer)) if answer.status().is_client_error() => {
                return tracing::warn!(status = %answer.status(), "Spillway refused events");
            }
            _ => {}
        }
        let most = Duration::from_millis(100) * 2u32.pow(attempt);
        tokio::time::sleep(full_jitter(most)).await;
    }
}
