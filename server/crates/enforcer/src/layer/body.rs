//! The body of an answer: the inner service's, or the few bytes of a rejection.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::flight::{Flight, by_grpc_status};
use crate::meter::Ending;

pin_project! {
    /// The inner service's body, or a rejection's.
    #[derive(Debug)]
    #[project = Projected]
    pub enum EnforcerBody<B> {
        #[doc(hidden)]
        Inner {
            #[pin]
            body: B,
            // A gRPC request that ends with its trailers.
            flight: Option<Flight>,
        },
        #[doc(hidden)]
        Rejection { text: Bytes },
    }
}

impl<B> EnforcerBody<B> {
    pub(super) fn inner(body: B, flight: Option<Flight>) -> Self {
        Self::Inner { body, flight }
    }

    pub(super) fn rejection(text: Bytes) -> Self {
        Self::Rejection { text }
    }
}

impl<B> Body for EnforcerBody<B>
where
    B: Body,
    B::Data: From<Bytes>,
{
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        match self.project() {
            Projected::Rejection { text } if text.is_empty() => Poll::Ready(None),
            Projected::Rejection { text } => Poll::Ready(Some(Ok(Frame::data(std::mem::take(text).into())))),
            Projected::Inner { body, flight } => {
                let frame = ready!(body.poll_frame(cx));
                let ending = match &frame {
                    // Without a status the stream broke off.
                    None | Some(Err(_)) => Some(Ending::Failed),
                    Some(Ok(frame)) => frame.trailers_ref().and_then(by_grpc_status),
                };
                if let Some(ending) = ending
                    && let Some(flight) = flight.take()
                {
                    flight.end(ending);
                }
                Poll::Ready(frame)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Inner { body, .. } => body.is_end_stream(),
            Self::Rejection { text } => text.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Inner { body, .. } => body.size_hint(),
            Self::Rejection { text } => SizeHint::with_exact(text.len() as u64),
        }
    }
}
