//! A service at ten times its capacity, in one program: watch what a rule in Spillway does to it.
//!
//! `cargo run -p spillway-enforcer --example overloaded -- http://127.0.0.1:7070 10`, then switch a rule to active. Each line is one
//! second: requests sent, answered in time, turned away, failed, and the 99th percentile of those that were answered.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, extract::State, http::StatusCode, routing::get};
use http_body_util::{BodyExt as _, Empty};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use spillway_enforcer::{Enforcer, Identity, QueueMeter};
use tokio::{
    net::TcpListener,
    sync::Semaphore,
    time::{Instant, interval, sleep, timeout},
};

/// Capacity: so many at once, each so long, is 500 a second.
const AT_ONCE: usize = 10;
const WORK: Duration = Duration::from_millis(20);
/// What callers wait.
const PATIENCE: Duration = Duration::from_millis(500);

#[derive(Clone)]
struct Shop {
    seats: Arc<Semaphore>,
    queue: QueueMeter,
}

async fn serve(State(shop): State<Shop>) -> StatusCode {
    let came_at = Instant::now();
    let Ok(_seat) = shop.seats.acquire().await else { return StatusCode::INTERNAL_SERVER_ERROR };
    shop.queue.waited(came_at.elapsed());
    sleep(WORK).await;
    StatusCode::OK
}

#[derive(Default)]
struct Second {
    sent: u32,
    answered: Vec<Duration>,
    turned_away: u32,
    failed: u32,
}

type Caller = Client<HttpConnector, Empty<axum::body::Bytes>>;

async fn call(caller: Caller, url: String, second: Arc<Mutex<Second>>) {
    let began_at = Instant::now();
    let answer = timeout(PATIENCE, async {
        let answer = caller.get(url.parse().ok()?).await.ok()?;
        let status = answer.status();
        answer.into_body().collect().await.ok()?;
        Some(status)
    });
    let answer = answer.await.ok().flatten();
    let mut second = second.lock().expect("nobody panics while holding it");
    match answer {
        Some(StatusCode::OK) => second.answered.push(began_at.elapsed()),
        Some(StatusCode::SERVICE_UNAVAILABLE) => second.turned_away += 1,
        _ => second.failed += 1,
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let spillway = arguments.next().unwrap_or_else(|| "http://127.0.0.1:7070".into());
    let times: f64 = arguments.next().map_or(Ok(10.0), |times| times.parse())?;
    let enforcer =
        Enforcer::builder(Identity::new("example", "", "overloaded", "overloaded-1")).spillway_url(spillway).build()?;
    let shop = Shop { seats: Arc::new(Semaphore::new(AT_ONCE)), queue: enforcer.queue_meter() };
    let app = Router::new().route("/", get(serve)).layer(enforcer.layer()).with_state(shop);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, app).await });

    let caller: Caller = Client::builder(TokioExecutor::new()).build_http();
    let second = Arc::new(Mutex::new(Second::default()));
    let per_tick = (500.0 * times / 100.0) as u32;
    let mut every = interval(Duration::from_millis(10));
    for tick in 1u64.. {
        every.tick().await;
        for _ in 0..per_tick {
            tokio::spawn(call(caller.clone(), url.clone(), Arc::clone(&second)));
        }
        let mut now = second.lock().expect("nobody panics while holding it");
        now.sent += per_tick;
        if tick.is_multiple_of(100) {
            let Second { sent, mut answered, turned_away, failed } = std::mem::take(&mut *now);
            answered.sort();
            let p99 = answered.get(answered.len() * 99 / 100).copied().unwrap_or_default();
            println!(
                "sent {sent}, answered {}, turned away {turned_away}, failed {failed}, p99 {p99:.0?}",
                answered.len()
            );
        }
    }
    Ok(())
}
