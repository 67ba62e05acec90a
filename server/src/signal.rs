//! Waiting for the word to stop.

/// Listens from now on, and ends at the first SIGTERM or Ctrl-C. Called before anybody is told that the server is there: a signal that comes
/// before somebody listens ends the process at once, with nothing drained.
///
/// Within a runtime only.
pub fn stop() -> impl Future<Output = ()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |kind: SignalKind, name: &str| {
            signal(kind).inspect_err(|error| tracing::error!(%error, "cannot listen for {name}")).ok()
        };
        let mut terminate = listen(SignalKind::terminate(), "SIGTERM");
        let mut interrupt = listen(SignalKind::interrupt(), "Ctrl-C");
        async move {
            let heard = async |signal: &mut Option<tokio::signal::unix::Signal>| match signal {
                Some(signal) => drop(signal.recv().await),
                None => std::future::pending().await,
            };
            tokio::select! {
                () = heard(&mut terminate) => {}
                () = heard(&mut interrupt) => {}
            }
        }
    }
    #[cfg(not(unix))]
    async {
        let _ = tokio::signal::ctrl_c().await;
    }
}
