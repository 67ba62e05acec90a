//! A small shop of real HTTP services on loopback ports, for seeing Spillway work and for testing it.
//!
//! ```text
//! users → gateway → catalog ─────────────→ shop-db
//!                 → cart → inventory ────→ stock-db
//!                 → checkout ×2 → inventory
//!                               → payments → acquirer.example
//!                               → shop-db
//!                               ⇢ orders (queue) ⇢ mailer
//! ```
//!
//! Every call is a real request with a real time-out, retries with jittered backoff, a circuit breaker and a bulkhead;
//! every service is instrumented with the official OpenTelemetry SDK, posts the state of its breakers and its health, and enforces
//! directives. Capacity is a semaphore times a service time (timers, not burnt CPU), so that overload is real while the
//! machine stays idle: work that a caller gave up on goes on all the same, as in most servers, and that is what turns an overload into a collapse.

mod breaker;
mod caller;
mod capacity;
mod control;
mod load;
mod orders;
mod report;
mod serve;
mod service;
mod shop;
mod store;
mod switches;
mod telemetry;

use std::{net::SocketAddr, process::ExitCode};

/// Arguments of `spillway demo`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    spillway demo                                    sends to http://127.0.0.1:7070 and http://127.0.0.1:4318\n  \
    spillway demo --load 10                          ten times the load from the start\n  \
    curl -X PUT http://127.0.0.1:7071/state -H 'content-type: application/json' \\\n      \
    -d '{\"dependencies\":[{\"service\":\"payments\",\"fault\":\"slow\"}]}'")]
pub struct Args {
    /// Where breaker and health events go, and where directives come from
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:7070")]
    pub spillway_url: String,
    /// Where spans go (OTLP/HTTP)
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:4318")]
    pub otlp_url: String,
    /// Address of the switches
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7071")]
    pub control: SocketAddr,
    /// Load to start with: 1 is normal, 10 is tenfold
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0)]
    pub load: f64,
    /// The ingest key, where Spillway demands one
    #[arg(long, env = "SPILLWAY_DEMO_INGEST_KEY", hide_env_values = true, value_name = "KEY")]
    pub ingest_key: Option<String>,
    /// End when standard input ends: how a parent process takes it along
    #[arg(long, hide = true)]
    pub until_stdin_ends: bool,
}

/// Runs the shop until it is told to stop.
pub fn main(args: Args) -> ExitCode {
    tracing_subscriber::fmt().with_env_filter("warn,spillway_demo=info").with_writer(std::io::stderr).init();
    if !(0.0..=20.0).contains(&args.load) {
        eprintln!("spillway demo: --load is 0 to 20");
        return ExitCode::from(64);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("spillway demo: cannot start: {error}");
            return ExitCode::from(69);
        }
    };
    let outcome = runtime.block_on(run(args));
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("spillway demo: {error}");
            ExitCode::from(69)
        }
    }
}

async fn run(args: Args) -> Result<(), String> {
    let until_stdin_ends = args.until_stdin_ends;
    let shop = shop::Shop::open(args).await?;
    for (name, url) in shop.addresses() {
        println!("listening {name} {url}");
    }
    tokio::select! {
        () = stopped() => {}
        () = parent_gone(), if until_stdin_ends => {}
    }
    shop.close().await;
    Ok(())
}

async fn stopped() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    if let Ok(mut terminate) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        tokio::select! {
            _ = interrupt => {}
            _ = terminate.recv() => {}
        }
        return;
    }
    let _ = interrupt.await;
}

async fn parent_gone() {
    let (gone, told) = tokio::sync::oneshot::channel();
    // A thread of its own: a blocking read cannot be cancelled, and must not keep the runtime from ending.
    std::thread::spawn(move || {
        // Nothing is ever sent; whatever the reason for its end, the parent is gone.
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        let _ = gone.send(());
    });
    let _ = told.await;
}
