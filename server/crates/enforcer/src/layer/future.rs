//! The response of a service behind the enforcer.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Response, header::CONTENT_TYPE};
use pin_project_lite::pin_project;

use super::{
    EnforcerBody,
    flight::{Flight, by_grpc_status, by_status},
};
use crate::{meter::Ending, rejection::DECISION_HEADER};

pin_project! {
    /// The inner service's response, or the rejection.
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        state: State<F>,
        flight: Option<Flight>,
    }
}

pin_project! {
    #[derive(Debug)]
    #[project = StateProjected]
    enum State<F> {
        Inner { #[pin] future: F },
        Rejected { response: Option<Response<Bytes>> },
    }
}

impl<F> ResponseFuture<F> {
    pub(super) fn inner(future: F, flight: Option<Flight>) -> Self {
        Self { state: State::Inner { future }, flight }
    }

    pub(super) fn rejected(response: Response<Bytes>) -> Self {
        Self { state: State::Rejected { response: Some(response) }, flight: None }
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<EnforcerBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        match this.state.project() {
            StateProjected::Rejected { response } => {
                let response = response.take().expect("a future is not polled after it was ready");
                Poll::Ready(Ok(response.map(EnforcerBody::rejection)))
            }
            StateProjected::Inner { future } => {
                let answer = ready!(future.poll(cx));
                let flight = this.flight.take();
                Poll::Ready(match answer {
                    Ok(response) => Ok(finish(response, flight)),
                    Err(error) => {
                        if let Some(flight) = flight {
                            flight.end(Ending::Failed);
                        }
                        Err(error)
                    }
                })
            }
        }
    }
}

/// An HTTP request ends with the head of its answer: a stream of events that lasts an hour is not a request that takes an
/// hour. A gRPC request ends with its trailers, because only they say how.
fn finish<B>(response: Response<B>, flight: Option<Flight>) -> Response<EnforcerBody<B>> {
    let Some(flight) = flight else {
        return response.map(|body| EnforcerBody::inner(body, None));
    };
    if response.headers().contains_key(DECISION_HEADER) {
        flight.end(Ending::Relayed);
        return response.map(|body| EnforcerBody::inner(body, None));
    }
    let content_type = response.headers().get(CONTENT_TYPE);
    let grpc = content_type.is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"));
    if !grpc || !response.status().is_success() {
        flight.end(by_status(response.status()));
        return response.map(|body| EnforcerBody::inner(body, None));
    }
    match by_grpc_status(response.headers()) {
        Some(ending) => {
            flight.end(ending);
            response.map(|body| EnforcerBody::inner(body, None))
        }
        None => response.map(|body| EnforcerBody::inner(body, Some(flight))),
    }
}
