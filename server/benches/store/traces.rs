//! One trace at a time: a request that goes through the shop, and the spans that each process makes of it.

use std::{fmt::Write as _, sync::Arc};

use super::{
    dice::{Dice, Spread},
    shop::{ENTRIES, SERVICES, Service, Shop},
    wire::{self, Attributes},
};
use crate::dice::Weights;

/// Customers of the shop: each one's traces are a handful among many, which is what people search for.
pub const CUSTOMERS: u64 = 20_000;
/// The attribute that is planted at known traces.
pub const MARKER: &str = "release.marker";
/// The attribute that names the customer.
pub const CUSTOMER: &str = "app.customer.id";

const DEEPEST: u32 = 5;
const AGENTS: [&str; 6] = [
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/142.0 Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Gecko/20100101 Firefox/144.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) Mobile/15E148",
    "ShopApp/7.3.1 (Android 16; Pixel 9)",
    "curl/8.14.1",
    "okhttp/5.1.0",
];

/// A span as its process sends it.
pub struct Made {
    pub service: usize,
    pub pod: usize,
    pub span_id: [u8; 8],
    /// By the clock of its process.
    pub start_ns: u64,
    pub length_ns: u64,
    /// When it is over, by the true clock: when its process can send it.
    pub over_ns: u64,
    pub server: bool,
    /// Field 2 of a `ScopeSpans`.
    pub bytes: Vec<u8>,
}

/// Makes traces from dice.
pub struct Maker {
    pub shop: Arc<Shop>,
    pub dice: Dice,
    entries: Weights,
    attributes: Attributes,
    text: String,
    trace: Trace,
    made: Vec<Made>,
}

#[derive(Default)]
struct Trace {
    id: [u8; 16],
    customer: u64,
    session: u64,
    agent: &'static str,
    marker: Option<String>,
}

/// A request to a service.
struct Call {
    service: usize,
    pod: usize,
    route: usize,
    id: u64,
    /// The client's span.
    parent: Option<[u8; 8]>,
    caller: Option<usize>,
    at_ns: u64,
    depth: u32,
}

/// How it ended.
struct Answer {
    at_ns: u64,
    status: u64,
}

/// What all spans have.
struct Head<'a> {
    service: usize,
    pod: usize,
    span_id: [u8; 8],
    parent: Option<[u8; 8]>,
    /// As OTLP numbers them.
    kind: u64,
    from_ns: u64,
    to_ns: u64,
    failed: bool,
    name: &'a str,
}

impl Maker {
    pub fn new(seed: u64, shop: Arc<Shop>) -> Self {
        Self {
            shop,
            dice: Dice::new(seed),
            entries: Weights::new([60, 25, 15]),
            attributes: Attributes::new(9),
            text: String::new(),
            trace: Trace::default(),
            made: Vec::new(),
        }
    }

    /// The spans of the next trace, in the order in which they end within each process, its id and its customer.
    ///
    /// With a marker the first service's span has it as an eleventh attribute.
    pub fn trace(&mut self, at_ns: u64, marker: Option<String>) -> ([u8; 16], u64, std::vec::Drain<'_, Made>) {
        self.trace = Trace {
            id: self.dice.bytes(),
            customer: self.dice.below(CUSTOMERS),
            session: self.dice.below(1 << 24),
            agent: self.dice.one_of(&AGENTS),
            marker,
        };
        let service = ENTRIES[self.dice.weighted(&self.entries)];
        let call = self.aim(service, None, None, at_ns, 0);
        self.serve(&call);
        (self.trace.id, self.trace.customer, self.made.drain(..))
    }

    fn aim(&mut self, service: usize, caller: Option<usize>, parent: Option<[u8; 8]>, at_ns: u64, depth: u32) -> Call {
        let to = &self.shop.services[service];
        let pod = self.dice.below(to.pods.len() as u64) as usize;
        let route = self.dice.weighted(&to.route_weights);
        Call { service, pod, route, id: self.dice.below(2_000_000), parent, caller, at_ns, depth }
    }

    /// A time, as fine as the process's clock.
    fn time(&mut self, of: fn(&Shop) -> &Spread, tick_ns: u64) -> u64 {
        let us = self.dice.spread(of(&self.shop));
        us * 1_000 + if tick_ns < 1_000 { self.dice.below(1_000 / tick_ns) } else { 0 }
    }

    fn serve(&mut self, call: &Call) -> Answer {
        let shop = Arc::clone(&self.shop);
        let service = &shop.services[call.service];
        let tick = service.tick_ns;
        let from_ns = call.at_ns - call.at_ns % tick + self.time(|shop| &shop.network_us, tick);
        let span_id: [u8; 8] = self.dice.bytes();
        let mut now = from_ns + self.time(|shop| &shop.work_us, tick);
        let mut own_failure = self.dice.chance(0.006);
        let mut failed = own_failure;
        if self.dice.chance(0.3) {
            now = self.work(call, service, span_id, now);
        }
        if service.database.is_some() {
            for _ in 0..self.dice.below(3) {
                now = self.query(call, service, span_id, now);
            }
        }
        let callees = if call.depth >= DEEPEST || failed { &[][..] } else { service.callees };
        for &callee in callees {
            if self.dice.chance(0.45) {
                let answer = self.request(call, service, span_id, callee, now);
                now = answer.at_ns;
                failed |= answer.status >= 500 && self.dice.chance(0.5);
            }
        }
        let to_ns = now + self.time(|shop| &shop.work_us, tick) / 4 / tick * tick;
        let route = &service.routes[call.route];
        let status = match (failed, route.method) {
            (true, _) if own_failure => 500,
            (true, _) => 502,
            (false, "GET") if self.dice.chance(0.02) => 404,
            (false, "POST") => 201,
            (false, _) => 200,
        };
        own_failure &= failed;
        self.server_attributes(call, service, status);
        let head = Head {
            service: call.service,
            pod: call.pod,
            span_id,
            parent: call.parent,
            kind: 2,
            from_ns,
            to_ns,
            failed,
            name: &route.operation,
        };
        let event =
            own_failure.then(|| exception(service, call.id, to_ns.wrapping_add_signed(service.pods[call.pod].skew_ns)));
        self.emit(&head, event.as_deref());
        Answer { at_ns: to_ns, status }
    }

    /// A call of another service: a client's span here, a server's span there.
    fn request(&mut self, call: &Call, service: &Service, parent: [u8; 8], callee: usize, from_ns: u64) -> Answer {
        let span_id: [u8; 8] = self.dice.bytes();
        let inner = self.aim(callee, Some(call.service), Some(span_id), from_ns, call.depth + 1);
        let answer = self.serve(&inner);
        let tick = service.tick_ns;
        let to_ns = answer.at_ns.div_ceil(tick) * tick + self.time(|shop| &shop.network_us, tick);

        let shop = Arc::clone(&self.shop);
        let (to, route) = (&shop.services[callee], &shop.services[callee].routes[inner.route]);
        let resent = self.dice.chance(0.01);
        let size = self.dice.below(1 << 14);
        self.attributes.clear();
        self.attributes.text("http.request.method", route.method);
        self.text(format_args!("http://{}:8080{}{}", to.host, route.prefix, inner.id), "url.full");
        self.attributes.text("server.address", &to.host);
        self.attributes.int("server.port", 8080);
        self.attributes.int("http.response.status_code", answer.status);
        self.text(format_args!("10.{}.{}.17", callee, inner.pod), "network.peer.address");
        self.attributes.text("network.protocol.version", "1.1");
        self.attributes.int("http.request.resend_count", u64::from(resent));
        self.attributes.int("http.response.body.size", size);
        self.customer();
        let failed = answer.status >= 500;
        let head = Head {
            service: call.service,
            pod: call.pod,
            span_id,
            parent: Some(parent),
            kind: 3,
            from_ns,
            to_ns,
            failed,
            name: route.method,
        };
        self.emit(&head, None);
        Answer { at_ns: to_ns, status: answer.status }
    }

    /// A database query; returns when it is over.
    fn query(&mut self, call: &Call, service: &Service, parent: [u8; 8], from_ns: u64) -> u64 {
        let Some(database) = service.database else { return from_ns };
        let statement = &service.statements[self.dice.below(service.statements.len() as u64) as usize];
        let to_ns = from_ns + self.time(|shop| &shop.query_us, service.tick_ns);
        let rows = self.dice.below(50);
        let wait_ms = self.dice.below(400) as f64 / 100.0;
        self.attributes.clear();
        self.attributes.text("db.system.name", database.name());
        self.attributes.text("db.namespace", service.name);
        self.attributes.text("db.operation.name", statement.verb);
        self.attributes.text("db.collection.name", &statement.table);
        self.attributes.text("db.query.text", &statement.text);
        self.attributes.int("db.response.returned_rows", rows);
        self.text(format_args!("{}-{}.data.svc", database.name(), service.name), "server.address");
        self.attributes.int("server.port", database.port());
        self.attributes.double("app.pool.wait_ms", wait_ms);
        self.customer();
        let head = self.inside(call, parent, (3, from_ns, to_ns), &statement.operation);
        self.emit(&head, None);
        to_ns
    }

    /// Work within the process; returns when it is over.
    fn work(&mut self, call: &Call, service: &Service, parent: [u8; 8], from_ns: u64) -> u64 {
        let function = self.dice.below(8);
        let to_ns = from_ns + self.time(|shop| &shop.work_us, service.tick_ns);
        let (thread, items, cents, enabled) =
            (self.dice.below(32), self.dice.below(20), self.dice.below(50_000), self.dice.chance(0.3));
        self.attributes.clear();
        self.text(format_args!("shop.{}.Handler.step{function}", service.name), "code.function.name");
        self.text(format_args!("src/{}/handler.src", service.name), "code.file.path");
        self.attributes.int("code.line.number", 40 + 23 * function);
        self.attributes.int("thread.id", thread);
        self.text(format_args!("worker-{thread}"), "thread.name");
        self.attributes.int("app.items.count", items);
        self.attributes.double("app.cart.total", cents as f64 / 100.0);
        self.attributes.flag("app.feature.enabled", enabled);
        let session = self.trace.session;
        self.text(format_args!("s-{session:06x}"), "session.id");
        self.customer();
        let name = format!("step{function}");
        let head = self.inside(call, parent, (1, from_ns, to_ns), &name);
        self.emit(&head, None);
        to_ns
    }

    /// A span that the server's span of `call` waits for; the third argument is kind, begin and end.
    fn inside<'a>(
        &mut self,
        call: &Call,
        parent: [u8; 8],
        (kind, from_ns, to_ns): (u64, u64, u64),
        name: &'a str,
    ) -> Head<'a> {
        let span_id = self.dice.bytes();
        Head {
            service: call.service,
            pod: call.pod,
            span_id,
            parent: Some(parent),
            kind,
            from_ns,
            to_ns,
            failed: false,
            name,
        }
    }

    fn server_attributes(&mut self, call: &Call, service: &Service, status: u64) {
        let route = &service.routes[call.route];
        let hit = self.dice.chance(0.7);
        self.attributes.clear();
        self.attributes.text("http.request.method", route.method);
        self.attributes.text("http.route", &route.template);
        self.attributes.int("http.response.status_code", status);
        self.text(format_args!("{}{}", route.prefix, call.id), "url.path");
        self.attributes.text("url.scheme", "http");
        self.attributes.text("server.address", &service.host);
        match call.caller {
            Some(caller) => {
                self.text(format_args!("10.{caller}.0.17"), "client.address");
                self.attributes.text("user_agent.original", AGENTS[caller % SERVICES % AGENTS.len()]);
            }
            None => {
                let customer = self.trace.customer;
                self.text(format_args!("203.0.{}.{}", customer / 250, customer % 250), "client.address");
                self.attributes.text("user_agent.original", self.trace.agent);
            }
        }
        self.attributes.flag("app.cache.hit", hit);
        self.customer();
        if call.caller.is_none()
            && let Some(marker) = &self.trace.marker
        {
            self.attributes.text(MARKER, marker);
        }
    }

    fn customer(&mut self) {
        let customer = self.trace.customer;
        self.text(format_args!("c-{customer:05}"), CUSTOMER);
    }

    fn text(&mut self, value: std::fmt::Arguments<'_>, key: &str) {
        self.text.clear();
        self.text.write_fmt(value).expect("a String takes all writes");
        self.attributes.text(key, &self.text);
    }

    fn emit(&mut self, head: &Head<'_>, event: Option<&[u8]>) {
        let skew_ns = self.shop.services[head.service].pods[head.pod].skew_ns;
        let start_ns = head.from_ns.wrapping_add_signed(skew_ns);
        let length_ns = head.to_ns - head.from_ns;
        let mut span = Vec::with_capacity(self.attributes.bytes.len() + 128);
        wire::bytes(&mut span, 1, &self.trace.id);
        wire::bytes(&mut span, 2, &head.span_id);
        if let Some(parent) = head.parent {
            wire::bytes(&mut span, 4, &parent);
        }
        wire::bytes(&mut span, 5, head.name.as_bytes());
        wire::number(&mut span, 6, head.kind);
        wire::fixed64(&mut span, 7, start_ns);
        wire::fixed64(&mut span, 8, start_ns + length_ns);
        span.extend_from_slice(&self.attributes.bytes);
        if let Some(event) = event {
            wire::bytes(&mut span, 11, event);
        }
        if head.failed {
            wire::bytes(&mut span, 15, &[3 << 3, 2]);
        }
        let mut bytes = Vec::with_capacity(span.len() + 4);
        wire::bytes(&mut bytes, 2, &span);
        self.made.push(Made {
            service: head.service,
            pod: head.pod,
            span_id: head.span_id,
            start_ns,
            length_ns,
            over_ns: head.to_ns,
            server: head.kind == 2,
            bytes,
        });
    }
}

/// An `Event` as SDKs record an exception.
fn exception(service: &Service, id: u64, at_ns: u64) -> Vec<u8> {
    let (kind, message, stack) = &service.exception;
    let mut attributes = Attributes::new(3);
    attributes.text("exception.type", kind);
    attributes.text("exception.message", &format!("{message}{id}"));
    attributes.text("exception.stacktrace", stack);
    let mut event = Vec::with_capacity(attributes.bytes.len() + 32);
    wire::fixed64(&mut event, 1, at_ns);
    wire::bytes(&mut event, 2, b"exception");
    event.extend_from_slice(&attributes.bytes);
    event
}
