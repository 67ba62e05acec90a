//! Putting an enforcer together, and its life.

use std::{fmt, sync::Arc};

use http::{HeaderName, Uri};
use tokio::{runtime::Handle, task::JoinHandle, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    QueueMeter,
    admission::Admission,
    layer::{EnforcerLayer, RouteFn, Shared},
    link::{self, Client, Link},
    meter::Meter,
    rejection::Names,
    request::{CLASS_HEADER, RequestHead},
};

/// Who this process is. Use the same values as in its telemetry, so that both meet on one node of the map.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Identity {
    /// `deployment.environment.name`; empty when not said.
    pub environment: String,
    /// `service.namespace`; empty when not said.
    pub namespace: String,
    /// `service.name`.
    pub service: String,
    /// `service.instance.id`.
    pub instance: String,
}

impl Identity {
    /// From its four parts.
    #[must_use]
    pub fn new(environment: &str, namespace: &str, service: &str, instance: &str) -> Self {
        Self {
            environment: environment.into(),
            namespace: namespace.into(),
            service: service.into(),
            instance: instance.into(),
        }
    }
}

/// Why there is no enforcer.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A service or instance without a name cannot be told anything.
    #[error("the {0} has no name")]
    Nameless(&'static str),
    /// Not `http://host[:port][/prefix]`.
    #[error("`{url}` is not the address of a Spillway such as http://127.0.0.1:7070: {why}")]
    Url {
        /// What was given.
        url: String,
        /// What does not fit.
        why: String,
    },
    /// The key cannot be sent.
    #[error("the key holds characters that no header can carry")]
    Key,
    /// Built outside of a runtime: nothing could run the background task.
    #[error("an enforcer needs a tokio runtime to run on: build it inside one")]
    NoRuntime,
}

/// How an enforcer shall be. Start with [`Enforcer::builder`].
pub struct EnforcerBuilder {
    identity: Identity,
    url: String,
    key: Option<String>,
    route: Box<RouteFn>,
    class_header: HeaderName,
    in_flight_limit: Option<u32>,
}

impl fmt::Debug for EnforcerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The key stays out of it: builders end up in logs.
        f.debug_struct("EnforcerBuilder")
            .field("identity", &self.identity)
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

impl EnforcerBuilder {
    /// Where Spillway is; `http://127.0.0.1:7070` unless said.
    #[must_use]
    pub fn spillway_url(mut self, url: impl Into<String>) -> Self {
        self.url = url.into();
        self
    }

    /// The ingest key, where Spillway demands one.
    #[must_use]
    pub fn key(mut self, key: Option<String>) -> Self {
        self.key = key;
        self
    }

    /// Names the normalised route of a request, never its raw path. With `axum`:
    /// `|head| head.extensions.get::<MatchedPath>().map(MatchedPath::as_str)`, and the layer added by `Router::layer`.
    #[must_use]
    pub fn route_fn<F>(mut self, route: F) -> Self
    where
        F: for<'r, 'a> Fn(&'r RequestHead<'a>) -> Option<&'a str> + Send + Sync + 'static,
    {
        self.route = Box::new(route);
        self
    }

    /// The header that says how important a request is; `x-criticality` unless said. Whoever faces the internet must strip
    /// it there: a stranger calls everything critical.
    #[must_use]
    pub fn class_header(mut self, name: HeaderName) -> Self {
        self.class_header = name;
        self
    }

    /// The service's own limit on requests in flight, for the rules to know.
    #[must_use]
    pub fn in_flight_limit(mut self, limit: Option<u32>) -> Self {
        self.in_flight_limit = limit;
        self
    }

    /// Starts the background task.
    ///
    /// # Errors
    /// [`BuildError`] when the address or the identity cannot be used, or no runtime is there.
    pub fn build(self) -> Result<Enforcer, BuildError> {
        if self.identity.service.is_empty() {
            return Err(BuildError::Nameless("service"));
        }
        if self.identity.instance.is_empty() {
            return Err(BuildError::Nameless("instance"));
        }
        let base = parse(&self.url)?;
        let client = Client::new(&base, &self.identity, self.key.as_deref()).map_err(|_| BuildError::Key)?;
        let runtime = Handle::try_current().map_err(|_| BuildError::NoRuntime)?;
        let boot: u64 = rand::random();
        let shared = Arc::new(Shared {
            admission: Admission::new(self.identity.clone(), Instant::now().into_std()),
            meter: Meter::new(),
            names: Names::new(boot),
            route: self.route,
            class_header: self.class_header,
        });
        let link = Link::new(Arc::clone(&shared), client, self.identity, boot, self.in_flight_limit);
        let stop = CancellationToken::new();
        let task = runtime.spawn(link::run(link, stop.clone()));
        Ok(Enforcer { shared, stop, task: Some(task) })
    }
}

fn parse(url: &str) -> Result<Uri, BuildError> {
    let error = |why: &str| BuildError::Url { url: url.to_owned(), why: why.to_owned() };
    let base: Uri = url.trim_end_matches('/').parse().map_err(|why: http::uri::InvalidUri| error(&why.to_string()))?;
    match base.scheme_str() {
        Some("http") => {}
        Some(_) => return Err(error("only http is spoken, use the agent or a proxy on loopback for TLS")),
        None => return Err(error("it has no scheme")),
    }
    if base.query().is_some() {
        return Err(error("it has a query"));
    }
    if base.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err(error("credentials do not belong into it, use the key"));
    }
    Ok(base)
}

/// A running enforcer. Keep it for as long as the service lives: dropped, it stops renewing, its leases end and every
/// request is admitted.
#[derive(Debug)]
pub struct Enforcer {
    shared: Arc<Shared>,
    stop: CancellationToken,
    task: Option<JoinHandle<()>>,
}

impl Enforcer {
    /// Starts a description.
    #[must_use]
    pub fn builder(identity: Identity) -> EnforcerBuilder {
        EnforcerBuilder {
            identity,
            url: "http://127.0.0.1:7070".to_owned(),
            key: None,
            route: Box::new(|_| None),
            class_header: CLASS_HEADER,
            in_flight_limit: None,
        }
    }

    /// The layer. All layers of one enforcer share their limits.
    #[must_use]
    pub fn layer(&self) -> EnforcerLayer {
        EnforcerLayer { shared: Arc::clone(&self.shared) }
    }

    /// Where the service says how long requests waited for their turn.
    #[must_use]
    pub fn queue_meter(&self) -> QueueMeter {
        self.shared.meter.queue()
    }

    /// Stops the background task, after a last report.
    pub async fn shutdown(mut self) {
        self.stop.cancel();
        if let Some(task) = self.task.take() {
            // It fails only when the runtime is going away, and then it has stopped as well.
            task.await.ok();
        }
    }
}

impl Drop for Enforcer {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(url: &str) -> Result<Enforcer, BuildError> {
        Enforcer::builder(Identity::new("", "", "s", "i")).spillway_url(url).build()
    }

    #[test]
    fn an_address_that_cannot_work_is_refused_with_the_reason() {
        let cases = [
            ("https://spillway:7070", "only http"),
            ("spillway:7070", "scheme"),
            ("http://a/?b=c", "query"),
            ("http://me:secret@a", "key"),
            ("http://a b", "invalid"),
        ];
        for (url, why) in cases {
            let error = build(url).expect_err(url).to_string();
            assert!(error.contains(why), "{url}: {error}");
        }
    }

    #[test]
    fn without_a_runtime_it_says_so() {
        assert!(matches!(build("http://127.0.0.1:1"), Err(BuildError::NoRuntime)));
    }

    #[test]
    fn a_nameless_service_is_refused() {
        let error = Enforcer::builder(Identity::new("", "", "", "i")).build().expect_err("no name");
        assert_eq!(error.to_string(), "the service has no name");
    }
}
