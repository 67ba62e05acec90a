//! Serving connections with every limit that a public server needs.
//!
//! `axum::serve` sets no timer, so hyper's header time-out never fires there; the connection loop is built by hand: a time-out for
//! headers and for the TLS handshake, a cap on open connections, and an accept loop that no error ends.

use std::{
    net::SocketAddr,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use axum::{Router, body::Body, extract::Request};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::{config::TlsFiles, metrics::Metrics};

/// Headers must be there by then: a slow sender holds a connection, and those are counted.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections of one listener; each costs a task and some kilobytes.
const CONNECTIONS: usize = 4_096;
/// Streams that one HTTP/2 connection may have open.
const STREAMS: u32 = 128;
/// All headers of a request together.
const HEADER_BYTES: u32 = 16 << 10;
/// Pause after an accept error such as a used-up descriptor table: without one the loop would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A bound listener.
pub struct Bound {
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
}

impl Bound {
    /// Opens a listener.
    ///
    /// # Errors
    /// The operating system's.
    pub async fn open(address: SocketAddr, tls: Option<TlsAcceptor>) -> std::io::Result<Self> {
        Ok(Self { listener: TcpListener::bind(address).await?, tls })
    }

    /// Where it listens, with the port that was taken.
    ///
    /// # Errors
    /// The operating system's.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// `http` or `https`.
    pub fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// Serves until `stop`, then lets requests in flight end within `grace`.
    pub async fn serve(self, router: Router, metrics: Arc<Metrics>, stop: CancellationToken, grace: Duration) {
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT).max_buf_size(64 << 10);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS)
            .max_header_list_size(HEADER_BYTES)
            .keep_alive_interval(Duration::from_secs(30))
            .keep_alive_timeout(Duration::from_secs(20));
        let builder = Arc::new(builder);
        let slots = Arc::new(Semaphore::new(CONNECTIONS));
        let graceful = GracefulShutdown::new();
        loop {
            let stream = tokio::select! {
                () = stop.cancelled() => break,
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => stream,
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept a connection");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                        continue;
                    }
                },
            };
            let Ok(slot) = slots.clone().try_acquire_owned() else {
                metrics.connections_refused.fetch_add(1, Relaxed);
                continue;
            };
            // An answer is one small write: waiting to fill a packet only adds 40 ms.
            let _ = stream.set_nodelay(true);
            let connection =
                Connection { builder: builder.clone(), router: router.clone(), watcher: graceful.watcher() };
            let (tls, metrics) = (self.tls.clone(), metrics.clone());
            tokio::spawn(async move {
                metrics.connections.fetch_add(1, Relaxed);
                connection.run(stream, tls).await;
                metrics.connections.fetch_sub(1, Relaxed);
                drop(slot);
            });
        }
        drop(self.listener);
        if tokio::time::timeout(grace, graceful.shutdown()).await.is_err() {
            tracing::warn!("requests were still in flight when the grace period ended");
        }
    }
}

struct Connection {
    builder: Arc<auto::Builder<TokioExecutor>>,
    router: Router,
    watcher: hyper_util::server::graceful::Watcher,
}

impl Connection {
    async fn run(self, stream: TcpStream, tls: Option<TlsAcceptor>) {
        match tls {
            None => self.serve(stream).await,
            Some(tls) => match tokio::time::timeout(HEADER_TIMEOUT, tls.accept(stream)).await {
                Ok(Ok(stream)) => self.serve(stream).await,
                Ok(Err(error)) => tracing::debug!(%error, "TLS handshake failed"),
                Err(_) => tracing::debug!("TLS handshake took too long"),
            },
        }
    }

    async fn serve(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let service =
            TowerToHyperService::new(self.router.map_request(|request: Request<Incoming>| request.map(Body::new)));
        let connection = self.builder.serve_connection_with_upgrades(TokioIo::new(stream), service).into_owned();
        if let Err(error) = self.watcher.watch(connection).await {
            tracing::debug!(%error, "connection ended");
        }
    }
}

/// Why the certificate or the key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read as PEM.
    #[error("cannot read {what} from {}: {message}", path.display())]
    Pem {
        /// Certificate or key.
        what: &'static str,
        /// Which file.
        path: std::path::PathBuf,
        /// Why not.
        message: String,
    },
    /// They do not fit together.
    #[error("the certificate and the key cannot be used")]
    Mismatch(#[source] rustls::Error),
}

/// TLS from the configured files.
///
/// # Errors
/// [`TlsError`] that names the file.
pub fn tls(files: &TlsFiles) -> Result<TlsAcceptor, TlsError> {
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
    let pem = |what: &'static str, path: &std::path::Path, message: String| TlsError::Pem {
        what,
        path: path.to_owned(),
        message,
    };
    let certificates = CertificateDer::pem_file_iter(&files.cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| pem("the certificate", &files.cert, error.to_string()))?;
    if certificates.is_empty() {
        return Err(pem("the certificate", &files.cert, "it holds no certificate".into()));
    }
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|error| pem("the private key", &files.key, error.to_string()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(certificates, key))
        .map_err(TlsError::Mismatch)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
