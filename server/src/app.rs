//! What handlers share: cheap handles, each to one part.

use std::sync::{Arc, OnceLock};

use axum::extract::FromRef;
use http::HeaderValue;
use spillway_api::Listener;
use spillway_model::identity::ServiceKey;
use spillway_store_sqlite::SqliteStore;
use tokio::sync::Notify;

use crate::{
    config::Config,
    control::Control,
    demo::Demo,
    http::{access::Access, guard::Hosts},
    ingest::{Ingest, alerts::Alerts, trouble::Trouble},
    live::LiveHandle,
    metrics::Metrics,
    pull::Pull,
    storage::StorageGauge,
};

/// Handles of everything that handlers may use.
#[derive(Clone)]
#[expect(missing_docs, reason = "each field is the handle of the part with its name")]
pub struct App {
    pub config: Arc<Config>,
    pub access: Arc<Access>,
    pub hosts: Arc<Hosts>,
    pub ingest: Ingest,
    pub alerts: Alerts,
    pub trouble: Trouble,
    pub store: SqliteStore,
    pub storage: StorageGauge,
    pub live: LiveHandle,
    pub control: Control,
    pub metrics: Arc<Metrics>,
    pub pull: Pull,
    pub demo: Option<Demo>,
    pub started_at_ns: i64,
    /// Told when something is to be erased.
    pub erasures: Arc<Notify>,
    /// Set once the listeners are bound.
    pub listeners: Arc<OnceLock<Vec<Listener>>>,
    /// Set once all routes are mounted.
    pub openapi: Arc<OnceLock<String>>,
}

impl App {
    /// The newest directive revision of a service as a header value: an enforcer that sends telemetry learns at once that it should fetch.
    pub fn revision_header(&self, service: &ServiceKey) -> Option<HeaderValue> {
        HeaderValue::from_str(&self.control.revision(service)).ok()
    }
}

impl FromRef<App> for LiveHandle {
    fn from_ref(app: &App) -> Self {
        app.live.clone()
    }
}

impl FromRef<App> for Control {
    fn from_ref(app: &App) -> Self {
        app.control.clone()
    }
}

impl FromRef<App> for Pull {
    fn from_ref(app: &App) -> Self {
        app.pull.clone()
    }
}

impl FromRef<App> for StorageGauge {
    fn from_ref(app: &App) -> Self {
        app.storage.clone()
    }
}

impl FromRef<App> for SqliteStore {
    fn from_ref(app: &App) -> Self {
        app.store.clone()
    }
}
