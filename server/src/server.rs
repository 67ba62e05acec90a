//! `bind` opens everything and fails with a clear line, `run` serves until it is told to stop, then drains.

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, OnceLock},
    time::Duration,
};

use axum::Router;
use spillway_api::Listener;
use spillway_store::StoreError;
use spillway_store_sqlite::{KeepShare, NetworkFilesystem, OpenOptions, SqliteStore};
use tokio::sync::{Notify, oneshot};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    app::App,
    clock,
    config::{Config, Listen},
    control,
    demo::{Demo, Target},
    fault,
    http::{access::Access, guard::Hosts},
    ingest::{
        self, Ingest, Sizes,
        alerts::{self, Alerts},
        trouble::Trouble,
    },
    jobs::{changes, compactor, eraser, projector, retention},
    listen::{self, Bound, TlsError},
    live,
    metrics::Metrics,
    pull::Pull,
    routes,
    storage::{Kept, StorageGauge},
};

/// A start waits so long for the map to know what was stored.
const MAP_WITHIN: Duration = Duration::from_secs(1);

/// Why the server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// A port is taken, or the address is not ours.
    #[error(
        "cannot listen on {address} for {name}: {source}; free it, choose another with {flag}, or turn it off with `{flag} off`"
    )]
    Listen {
        /// Which listener.
        name: &'static str,
        /// Where.
        address: SocketAddr,
        /// How to change that.
        flag: &'static str,
        /// Why not.
        source: std::io::Error,
    },
    /// The certificate or the key cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The data cannot be opened.
    #[error("cannot open the data in {}", path.display())]
    Store {
        /// Where.
        path: PathBuf,
        /// Why not.
        #[source]
        source: StoreError,
    },
    /// The redaction rules are not usable.
    #[error("bad redaction rules: {0}")]
    Redaction(String),
    /// The system has no thread left.
    #[error("cannot start the thread of the live map")]
    Thread(#[source] std::io::Error),
    /// The part that runs rules cannot start.
    #[error("cannot start the rule engine: {0}")]
    Control(String),
}

/// A server with its listeners open.
pub struct Server {
    app: App,
    listeners: Vec<(Bound, Router)>,
    tasks: TaskTracker,
    /// Ends background work.
    stop: CancellationToken,
    /// Ends the writer, once nobody can send to it any more.
    stop_writer: CancellationToken,
}

impl Server {
    /// Opens the data and the listeners, rebuilds what is derived, starts the background work.
    ///
    /// # Errors
    /// [`BindError`] that says what is not to be had and what to do.
    pub async fn bind(config: Config) -> Result<Self, BindError> {
        let config = Arc::new(config);
        let bound = open_listeners(&config).await?;
        let store_error = |source| BindError::Store { path: config.data_dir.clone(), source };
        let (store, writer) = SqliteStore::open(&config.data_dir, open_options(&config)).await.map_err(store_error)?;
        let metrics = Arc::new(Metrics::default());
        let (stop, stop_writer, tasks) = (CancellationToken::new(), CancellationToken::new(), TaskTracker::new());

        let past = live::rebuild(&store, clock::unix_ns(), config.sampling.clone()).await.map_err(store_error)?;
        let committed = Arc::new(Notify::new());
        let (caught_up, map_is_there) = oneshot::channel();
        let (watch, changes_inbox) = changes::Watch::new();
        let feed = {
            let (store, committed, stop) = (store.clone(), committed.clone(), stop.clone());
            |pairing: live::Pairing| projector::run(store, pairing.watched_by(watch), committed, caught_up, stop)
        };
        let live = live::start(past, metrics.clone(), feed, &tasks, stop.clone()).map_err(BindError::Thread)?;
        tasks.spawn(compactor::run(store.clone(), stop.clone()));
        let erasures = Arc::new(Notify::new());
        tasks.spawn(eraser::run(store.clone(), erasures.clone(), stop.clone()));
        let keep = retention::Keep {
            spans: config.retention_spans,
            bytes: config.retention_bytes,
            history: config.retention_history,
            rollups_1s: config.retention_rollups_1s,
            rollups_10s: config.retention_rollups_10s,
            rollups_1m: config.retention_rollups_1m,
        };
        tasks.spawn(retention::run(store.clone(), keep, store.newest_arrival_ns(), stop.clone()));

        let redactor = ingest::redactor(&config).map_err(BindError::Redaction)?;
        let sizes = Sizes {
            max_body_bytes: config.max_body_bytes,
            max_decompressed_bytes: config.max_decompressed_bytes,
            queue_bytes: config.queue_bytes,
        };
        let (ingest, inbox) = Ingest::new(sizes, redactor, metrics.clone());
        let trouble = Trouble::default();
        tasks.spawn(ingest::writer::run(
            inbox,
            writer,
            live.clone(),
            committed,
            metrics.clone(),
            trouble.clone(),
            stop_writer.clone(),
        ));
        tasks.spawn(changes::run(changes_inbox, ingest.clone(), stop.clone()));
        let firing = Alerts::default();
        tasks.spawn(alerts::run(firing.clone(), store.clone(), live.clone(), stop.clone()));
        let control =
            control::start(store.clone(), live.clone(), &tasks, stop.clone()).await.map_err(BindError::Control)?;

        let pull = Pull::start(store.clone(), ingest.clone(), config.clone(), &tasks, stop.clone());

        let app = App {
            pull,
            access: Arc::new(Access::new(&config)),
            hosts: Arc::new(Hosts::new(&config.allowed_hosts)),
            ingest,
            alerts: firing,
            trouble,
            storage: StorageGauge::new(store.clone(), Kept::of(&config)),
            store,
            live,
            control,
            metrics,
            demo: config.demo.then(Demo::new),
            started_at_ns: clock::unix_ns(),
            erasures,
            listeners: Arc::new(OnceLock::new()),
            openapi: Arc::new(OnceLock::new()),
            config,
        };
        // A map that is empty for a moment after a restart looks like an outage; one that takes longer must not be one.
        let _ = tokio::time::timeout(MAP_WITHIN, map_is_there).await;
        Ok(Self::mount(app, bound, tasks, stop, stop_writer))
    }

    fn mount(
        app: App,
        bound: Vec<(&'static str, Bound)>,
        tasks: TaskTracker,
        stop: CancellationToken,
        stop_writer: CancellationToken,
    ) -> Self {
        let mut open = Vec::new();
        let mut listeners = Vec::new();
        for (name, bound) in bound {
            let router = match name {
                "http" => routes::main_router(app.clone()),
                "otlp-http" => routes::otlp_http_router(app.clone()),
                "zipkin" => routes::zipkin_router(app.clone()),
                _ => routes::otlp_grpc_router(app.clone()),
            };
            if let Ok(address) = bound.address() {
                open.push(Listener { name: name.into(), url: format!("{}://{address}", bound.scheme()) });
            }
            listeners.push((bound, router));
        }
        let _ = app.listeners.set(open);
        Self { app, listeners, tasks, stop, stop_writer }
    }

    /// Where it listens.
    pub fn listeners(&self) -> &[Listener] {
        self.app.listeners.get().map_or(&[], Vec::as_slice)
    }

    /// Serves until `until` ends, then drains: requests in flight, then the queue, then background work.
    pub async fn run(self, until: impl Future<Output = ()>) {
        let Self { app, listeners, tasks, stop, stop_writer } = self;
        let serving = TaskTracker::new();
        let stop_serving = CancellationToken::new();
        for (bound, router) in listeners {
            serving.spawn(bound.serve(router, app.metrics.clone(), stop_serving.clone(), app.config.shutdown_grace));
        }
        if let Some(demo) = app.demo.clone() {
            match target(&app) {
                Some(target) => drop(tasks.spawn(demo.run(target, stop.clone()))),
                None => tracing::error!("the demo needs the listeners `http` and, or, `otlp-http`: it is not started"),
            }
        }
        tracing::info!(data_dir = %app.config.data_dir.display(), "ready");
        until.await;
        tracing::info!("stopping: requests in flight may end");
        app.live.close();
        stop_serving.cancel();
        // Long polls and streams end now; their senders come back elsewhere or later.
        stop.cancel();
        serving.close();
        serving.wait().await;
        stop_writer.cancel();
        tasks.close();
        if tokio::time::timeout(app.config.shutdown_grace, tasks.wait()).await.is_err() {
            tracing::warn!("background work did not end in time");
        }
        app.store.close().await;
        tracing::info!("stopped");
    }
}

fn open_options(config: &Config) -> OpenOptions {
    let mut options = OpenOptions::default();
    let longer = config.retention_keep_for.saturating_sub(config.retention_spans);
    options.keep = config.retention_keep_share.map(|share| KeepShare { share, longer });
    if config.allow_network_filesystem {
        options.network_filesystem = NetworkFilesystem::Allow;
    }
    if fault::synchronous_off() {
        options.synchronous = spillway_store_sqlite::Synchronous::Off;
    }
    if fault::compact_at_once() {
        options.rollups_held = Duration::ZERO;
        options.compact_after = Duration::ZERO;
        options.compact_within = Duration::ZERO;
        options.fresh_bytes = 1 << 16;
        options.segment_bytes = 1 << 18;
    }
    options
}

async fn open_listeners(config: &Config) -> Result<Vec<(&'static str, Bound)>, BindError> {
    let tls = config.tls.as_ref().map(listen::tls).transpose()?;
    let wanted = [
        ("http", "--listen", config.listen),
        ("otlp-http", "--otlp-http", config.otlp_http),
        ("otlp-grpc", "--otlp-grpc", config.otlp_grpc),
        ("zipkin", "--zipkin", config.zipkin),
    ];
    let mut bound = Vec::new();
    for (name, flag, listen) in wanted {
        let Listen::On(address) = listen else { continue };
        match Bound::open(address, tls.clone()).await {
            Ok(listener) => bound.push((name, listener)),
            Err(source) if name == "zipkin" && !config.zipkin_wanted => {
                tracing::warn!(
                    "no listener for zipkin on {address} ({source}): its senders are served on the main port, and elsewhere with `{flag} <address>`"
                );
            }
            Err(source) => return Err(BindError::Listen { name, address, flag, source }),
        }
    }
    Ok(bound)
}

/// Where the demo sends to: by address, since the listeners may be on a port that the system chose.
fn target(app: &App) -> Option<Target> {
    let url = |name: &str| {
        app.listeners.get()?.iter().find(|listener| listener.name == name).map(|listener| listener.url.clone())
    };
    let spillway_url = url("http")?;
    let otlp_url = url("otlp-http").unwrap_or_else(|| spillway_url.clone());
    Some(Target {
        spillway_url,
        otlp_url,
        ingest_key: app.config.ingest_key.as_ref().map(|key| key.expose().to_owned()),
    })
}
