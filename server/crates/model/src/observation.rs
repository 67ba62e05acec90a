//! What spans say about nodes and edges, one signed fact at a time.
//!
//! The live map and the stored rollups are both sums of these. A fact can be taken back (`times = -1`): a call that was seen
//! from one side only is counted on a provisional edge, and moved to the real one when the other half arrives.

use crate::{histogram::Histogram, identity::NodeKey};

/// How two nodes talk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Protocol {
    /// HTTP request and response.
    Http = 0,
    /// gRPC.
    Grpc = 1,
    /// GraphQL over HTTP.
    Graphql = 2,
    /// A WebSocket connection.
    Websocket = 3,
    /// Another RPC system.
    Rpc = 4,
    /// A queue or topic.
    Messaging = 5,
    /// A database call.
    Database = 6,
    /// Not said.
    Unknown = 7,
}

impl Protocol {
    /// All protocols, in the order of their numbers.
    pub const ALL: [Self; 8] = [
        Self::Http,
        Self::Grpc,
        Self::Graphql,
        Self::Websocket,
        Self::Rpc,
        Self::Messaging,
        Self::Database,
        Self::Unknown,
    ];

    /// The protocol of that number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

/// A directed edge.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EdgeKey {
    /// The caller or producer.
    pub source: NodeKey,
    /// The callee or consumer.
    pub target: NodeKey,
    /// How they talk.
    pub protocol: Protocol,
}

/// Who measured a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Side {
    /// The client or producer span.
    Caller = 0,
    /// The server or consumer span.
    Callee = 1,
}

/// What a fact is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// Requests that a node served: server and consumer spans; for a virtual node the calls to it.
    Node(NodeKey),
    /// Calls over an edge, as one side measured them.
    Edge(EdgeKey, Side),
}

/// One signed fact about a subject: what was measured of one call, and how it counts. Those of one subject are handed over together, so that
/// the subject is looked up once and not once a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measurement {
    /// When the work ended, by the span's clock.
    pub at_ns: u64,
    /// How long it took.
    pub duration_ns: u64,
    /// Whether it failed.
    pub failed: bool,
    /// True while the other half of the call has not been seen.
    pub provisional: bool,
    /// How often it counts: 1, or -1 to take it back. Sampled spans count as many times as their adjusted count says, and those that were chosen by
    /// what became of them not at all (0): they only show that there is such a call.
    pub times: i64,
}

/// A sum of facts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Aggregate {
    /// How many.
    pub count: i64,
    /// How many failed.
    pub failed: i64,
    /// How many were provisional.
    pub provisional: i64,
    /// How long they took.
    pub histogram: Histogram,
}

impl Aggregate {
    /// Adds what was measured of one call.
    pub fn add(&mut self, measured: &Measurement) {
        self.count_at(measured, Histogram::index(measured.duration_ns));
    }

    /// The same for a duration whose bucket is known.
    pub(crate) fn count_at(&mut self, measured: &Measurement, bucket: Option<i16>) {
        let times = measured.times;
        if times == 0 {
            return;
        }
        self.count += times;
        self.failed += if measured.failed { times } else { 0 };
        self.provisional += if measured.provisional { times } else { 0 };
        self.histogram.add_at(bucket, measured.duration_ns, times);
    }

    /// Adds another sum.
    pub fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.failed += other.failed;
        self.provisional += other.provisional;
        self.histogram.merge(&other.histogram);
    }

    /// True when nothing is left of it.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Failed share; `None` without samples.
    pub fn error_ratio(&self) -> Option<f64> {
        (self.count > 0).then(|| (self.failed as f64 / self.count as f64).clamp(0.0, 1.0))
    }
}
