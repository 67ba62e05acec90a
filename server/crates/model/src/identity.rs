//! Who is who: services, virtual nodes, traces and spans.

use std::{fmt, sync::Arc};

/// A service: environment, namespace and name together. Staging never mixes with production.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceKey {
    /// `deployment.environment.name`; empty when not said.
    pub environment: Arc<str>,
    /// `service.namespace`; empty when not said.
    pub namespace: Arc<str>,
    /// `service.name`.
    pub name: Arc<str>,
}

impl ServiceKey {
    /// From its three parts.
    pub fn new(environment: &str, namespace: &str, name: &str) -> Self {
        Self { environment: environment.into(), namespace: namespace.into(), name: name.into() }
    }
}

/// What a node of the map is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum NodeKind {
    /// Sends telemetry.
    Service = 0,
    /// A store seen from its callers only.
    Database = 1,
    /// A queue or topic.
    Queue = 2,
    /// A host outside.
    External = 3,
    /// An uninstrumented caller.
    User = 4,
    /// Where nodes beyond the cardinality cap are counted.
    Other = 5,
}

impl NodeKind {
    /// All kinds, in the order of their numbers.
    pub const ALL: [Self; 6] = [Self::Service, Self::Database, Self::Queue, Self::External, Self::User, Self::Other];

    /// The name in a node's id.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Database => "database",
            Self::Queue => "queue",
            Self::External => "external",
            Self::User => "user",
            Self::Other => "other",
        }
    }

    /// The kind of that number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

/// A node of the map. A virtual node lives in the environment and namespace of whoever named it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeKey {
    /// What it is.
    pub kind: NodeKind,
    /// Environment, namespace and name.
    pub service: ServiceKey,
}

/// The text is not a node id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a node id such as service:production/shop/checkout")]
pub struct InvalidNodeId(String);

impl NodeKey {
    /// The node of a service.
    pub fn service(service: ServiceKey) -> Self {
        Self { kind: NodeKind::Service, service }
    }

    /// The public id: `<kind>:<environment>/<namespace>/<name>`, with `%` and `/` in the parts percent-encoded.
    pub fn id(&self) -> String {
        let escape = |part: &str| part.replace('%', "%25").replace('/', "%2F");
        let ServiceKey { environment, namespace, name } = &self.service;
        format!("{}:{}/{}/{}", self.kind.as_str(), escape(environment), escape(namespace), escape(name))
    }

    /// Reads what [`Self::id`] wrote.
    ///
    /// # Errors
    /// [`InvalidNodeId`] with the start of the text.
    pub fn parse(id: &str) -> Result<Self, InvalidNodeId> {
        let invalid = || InvalidNodeId(id.chars().take(80).collect());
        let unescape = |part: &str| part.replace("%2F", "/").replace("%25", "%");
        let (kind, rest) = id.split_once(':').ok_or_else(invalid)?;
        let kind = NodeKind::ALL.into_iter().find(|have| have.as_str() == kind).ok_or_else(invalid)?;
        let mut parts = rest.split('/').map(unescape);
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(environment), Some(namespace), Some(name), None) => {
                Ok(Self { kind, service: ServiceKey::new(&environment, &namespace, &name) })
            }
            _ => Err(invalid()),
        }
    }
}

/// 16 bytes that name a trace, as on the wire.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TraceId(pub [u8; 16]);

/// 8 bytes that name a span, as on the wire. All zero means none.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpanId(pub [u8; 8]);

impl TraceId {
    /// Reads 32 hex digits of any case.
    pub fn parse(hex: &str) -> Option<Self> {
        parse_hex(hex).map(Self)
    }
}

impl SpanId {
    /// No span: the parent of a root.
    pub const NONE: Self = Self([0; 8]);

    /// True when all bytes are zero.
    pub fn is_none(self) -> bool {
        self == Self::NONE
    }

    /// Reads 16 hex digits of any case.
    pub fn parse(hex: &str) -> Option<Self> {
        parse_hex(hex).map(Self)
    }
}

/// Exactly `2 * N` hex digits to `N` bytes.
fn parse_hex<const N: usize>(hex: &str) -> Option<[u8; N]> {
    let digits = hex.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let high = char::from(pair[0]).to_digit(16)?;
        let low = char::from(pair[1]).to_digit(16)?;
        *byte = u8::try_from(high * 16 + low).ok()?;
    }
    Some(bytes)
}

fn write_hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TraceId({self})")
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SpanId({self})")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_node_survives_its_id(kind in 0u8..6, environment in ".*", namespace in ".*", name in ".*") {
            let kind = NodeKind::from_number(kind).expect("six kinds");
            let node = NodeKey { kind, service: ServiceKey::new(&environment, &namespace, &name) };
            prop_assert_eq!(NodeKey::parse(&node.id()), Ok(node));
        }

        #[test]
        fn every_trace_id_survives_hex(bytes in any::<[u8; 16]>()) {
            prop_assert_eq!(TraceId::parse(&TraceId(bytes).to_string()), Some(TraceId(bytes)));
        }
    }

    #[test]
    fn hex_of_the_wrong_length_or_alphabet_is_no_id() {
        assert_eq!(TraceId::parse("4bf92f"), None);
        assert_eq!(SpanId::parse("00f067aa0ba902bg"), None);
        assert_eq!(SpanId::parse("+0f067aa0ba902b7"), None);
    }
}
