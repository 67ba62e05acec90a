//! Users: an open-loop generator, so that a slow shop does not slow its users down.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt as _, Full, Limited};
use rand::Rng as _;
use tokio::{sync::Semaphore, time::Instant};

use crate::{switches::Switches, telemetry::Http};

/// Requests a second at normal load.
const RATE: f64 = 20.0;
/// Users at once; beyond it they find no place, which counts as offered and failed.
const USERS: usize = 2_000;
/// No user waits longer.
const PATIENCE: Duration = Duration::from_secs(10);

/// What users do, with its share and how important it is to the shop.
const VISITS: [(f64, &str, Method, &str, &str); 4] = [
    (0.30, "browse", Method::GET, "/products", "sheddable_plus"),
    (0.20, "crawl", Method::GET, "/products", "sheddable"),
    (0.20, "cart", Method::POST, "/cart", "critical"),
    (0.30, "checkout", Method::POST, "/checkout", "critical"),
];

/// Sends users to the gateway for ever.
pub(crate) async fn run(http: Http, gateway: String, switches: Switches) {
    let users = Arc::new(Semaphore::new(USERS));
    let mut load = switches.load();
    let mut next = Instant::now();
    loop {
        let rate = RATE * *load.borrow_and_update();
        if rate <= 0.0 {
            if load.changed().await.is_err() {
                return;
            }
            next = Instant::now();
            continue;
        }
        // Poisson arrivals: users do not know of each other.
        let gap = -(1.0 - rand::rng().random_range(0.0..1.0_f64)).ln() / rate;
        next += Duration::from_secs_f64(gap.min(10.0));
        tokio::select! {
            () = tokio::time::sleep_until(next) => {}
            changed = load.changed() => {
                if changed.is_err() {
                    return;
                }
                next = Instant::now();
                continue;
            }
        }
        switches.offered();
        let (what, method, path, class) = visit(rand::rng().random_range(0.0..1.0));
        let Ok(user) = users.clone().try_acquire_owned() else {
            if what == "checkout" {
                switches.checkout_ended(false, PATIENCE);
            }
            continue;
        };
        let (http, url, switches) = (http.clone(), format!("{gateway}{path}"), switches.clone());
        tokio::spawn(async move {
            let began = Instant::now();
            let ok = one(&http, method, &url, class).await;
            if what == "checkout" {
                switches.checkout_ended(ok, began.elapsed());
            }
            drop(user);
        });
    }
}

fn visit(dice: f64) -> (&'static str, Method, &'static str, &'static str) {
    let mut sum = 0.0;
    for (share, what, method, path, class) in VISITS {
        sum += share;
        if dice < sum {
            return (what, method, path, class);
        }
    }
    let (_, what, method, path, class) = VISITS[VISITS.len() - 1].clone();
    (what, method, path, class)
}

async fn one(http: &Http, method: Method, url: &str, class: &str) -> bool {
    let Ok(request) =
        Request::builder().method(method).uri(url).header("x-criticality", class).body(Full::<Bytes>::default())
    else {
        return false;
    };
    let exchange = async {
        let (head, body) = http.request(request).await.ok()?.into_parts();
        Limited::new(body, 64 << 10).collect().await.ok()?;
        head.status.is_success().then_some(())
    };
    tokio::time::timeout(PATIENCE, exchange).await.is_ok_and(|done| done.is_some())
}
