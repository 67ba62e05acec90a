//! The queue `orders` and its consumer: asynchronous work, with the trace carried in the message.

use http::{HeaderMap, Method};
use opentelemetry::{
    Context, KeyValue,
    trace::{Link, SpanKind, Status, TraceContextExt as _, Tracer as _},
};
use tokio::sync::mpsc;

use crate::{
    caller::Caller,
    service::{Service, Serving},
    telemetry,
};

/// Orders that wait; more are refused, as a broker with a limit does.
const LENGTH: usize = 1_000;
const DESTINATION: &str = "orders";

/// A message: what a broker would carry.
struct Message {
    headers: HeaderMap,
}

/// The producers' end.
#[derive(Clone)]
pub(crate) struct Orders {
    queue: mpsc::Sender<Message>,
}

/// The consumer's end.
pub(crate) struct Inbox(mpsc::Receiver<Message>);

fn attributes(operation: &'static str) -> Vec<KeyValue> {
    vec![
        KeyValue::new("messaging.system", "spillway-demo"),
        KeyValue::new("messaging.destination.name", DESTINATION),
        KeyValue::new("messaging.operation.type", operation),
        KeyValue::new("messaging.operation.name", operation),
    ]
}

/// A new queue.
pub(crate) fn queue() -> (Orders, Inbox) {
    let (queue, inbox) = mpsc::channel(LENGTH);
    (Orders { queue }, Inbox(inbox))
}

impl Orders {
    /// Publishes an order. False when the queue is full.
    pub(crate) fn publish(&self, service: &Service, serving: &Serving) -> bool {
        let tracer = &service.telemetry().tracer;
        let span = tracer
            .span_builder(format!("send {DESTINATION}"))
            .with_kind(SpanKind::Producer)
            .with_attributes(attributes("send"))
            .start_with_context(tracer, &serving.context);
        let context = serving.context.with_span(span);
        let mut headers = HeaderMap::new();
        telemetry::inject(&context, &mut headers);
        let sent = self.queue.try_send(Message { headers }).is_ok();
        if !sent {
            context.span().set_status(Status::error("the queue is full"));
        }
        context.span().end();
        sent
    }
}

/// Consumes orders, one after the other, until the queue is gone.
pub(crate) async fn consume(mut inbox: Inbox, service: Service, database: Caller) {
    while let Some(message) = inbox.0.recv().await {
        let producer = telemetry::extract(&message.headers);
        let tracer = &service.telemetry().tracer;
        let span = tracer
            .span_builder(format!("process {DESTINATION}"))
            .with_kind(SpanKind::Consumer)
            .with_attributes(attributes("process"))
            .with_links(vec![Link::with_context(producer.span().span_context().clone())])
            .start_with_context(tracer, &producer);
        let context: Context = producer.with_span(span);
        let serving = Serving { context: context.clone(), class: None };
        let worked = service.work().await.is_ok() && database.call(&serving, Method::POST, "/mails").await.is_ok();
        if !worked {
            context.span().set_status(Status::error("the mail was not sent"));
        }
        context.span().end();
    }
}
