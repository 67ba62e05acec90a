//! A listener that can die: while its service is switched to dead it accepts no connection and has none.

use std::net::SocketAddr;

use axum::{Router, body::Body, extract::Request};
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use spillway_api::DemoFault;
use tokio::{net::TcpListener, sync::watch, task::JoinSet};
use tower::ServiceExt as _;

/// An address that is taken for good, whether or not somebody listens.
pub(crate) struct Place {
    listener: TcpListener,
    address: SocketAddr,
}

impl Place {
    /// A free port on loopback.
    ///
    /// # Errors
    /// The operating system's.
    pub(crate) async fn free() -> Result<Self, String> {
        Self::at(SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    /// This address.
    ///
    /// # Errors
    /// The operating system's.
    pub(crate) async fn at(address: SocketAddr) -> Result<Self, String> {
        let listener =
            TcpListener::bind(address).await.map_err(|error| format!("cannot listen on {address}: {error}"))?;
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        Ok(Self { listener, address })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Serves until the task is dropped; closed while the fault is dead.
    pub(crate) fn serve(self, router: Router, fault: Option<watch::Receiver<DemoFault>>) {
        tokio::spawn(async move {
            let Self { listener, address } = self;
            let Some(mut fault) = fault else { return accept(listener, router).await };
            let mut listener = Some(listener);
            loop {
                let open = match listener.take() {
                    Some(listener) => listener,
                    // Our own port, free a moment ago; if somebody took it the service stays dead, as it would in life.
                    None => match TcpListener::bind(address).await {
                        Ok(listener) => listener,
                        Err(error) => return tracing::error!(%error, %address, "a revived service cannot listen"),
                    },
                };
                tokio::select! {
                    () = accept(open, router.clone()) => return,
                    dead = fault.wait_for(|fault| *fault == DemoFault::Dead) => if dead.is_err() { return },
                }
                if fault.wait_for(|fault| *fault != DemoFault::Dead).await.is_err() {
                    return;
                }
            }
        });
    }
}

/// Dropping this future closes the listener and every connection.
async fn accept(listener: TcpListener, router: Router) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else {
                    // Out of descriptors, most likely: let some connections end first.
                    tokio::task::yield_now().await;
                    continue;
                };
                let _ = stream.set_nodelay(true);
                let service = TowerToHyperService::new(router.clone().map_request(|request: Request<Incoming>| request.map(Body::new)));
                connections.spawn(async move {
                    // A connection that breaks is its client's matter.
                    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
            }
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
}
