//! What can be asked for: fields of the span itself, and attributes.

use spillway_model::batch::{SpanKind, SpanStatus};

/// A name of the span or of who sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TextField {
    /// `service.name`.
    Service,
    /// Span name.
    Operation,
    /// `deployment.environment.name`.
    Environment,
    /// `service.namespace`.
    Namespace,
    /// `service.instance.id`.
    Instance,
    /// `service.version`.
    Version,
    /// Name of the instrumentation scope.
    Scope,
    /// Name of an event; several events are like the elements of an array.
    EventName,
}

impl TextField {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Service,
        Self::Operation,
        Self::Environment,
        Self::Namespace,
        Self::Instance,
        Self::Version,
        Self::Scope,
        Self::EventName,
    ];
}

/// A field of the span itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// A name.
    Text(TextField),
    /// `kind`
    Kind,
    /// `status`
    Status,
    /// `duration`
    Duration,
    /// `start`
    Start,
    /// `trace`
    Trace,
    /// `span`
    Span,
    /// `root`
    Root,
    /// `link.trace`
    Link,
}

/// Every field by its name; the first name of a field is the one that is printed.
const FIELDS: [(&str, Field); 17] = [
    ("service", Field::Text(TextField::Service)),
    ("operation", Field::Text(TextField::Operation)),
    ("name", Field::Text(TextField::Operation)),
    ("kind", Field::Kind),
    ("status", Field::Status),
    ("duration", Field::Duration),
    ("environment", Field::Text(TextField::Environment)),
    ("namespace", Field::Text(TextField::Namespace)),
    ("instance", Field::Text(TextField::Instance)),
    ("version", Field::Text(TextField::Version)),
    ("trace", Field::Trace),
    ("span", Field::Span),
    ("root", Field::Root),
    ("scope", Field::Text(TextField::Scope)),
    ("start", Field::Start),
    ("event.name", Field::Text(TextField::EventName)),
    ("link.trace", Field::Link),
];

impl Field {
    /// The field of that name.
    pub fn named(name: &str) -> Option<Self> {
        FIELDS.iter().find_map(|(have, field)| (*have == name).then_some(*field))
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        FIELDS.iter().find_map(|(name, field)| (*field == self).then_some(*name)).unwrap_or_default()
    }

    /// The names of all fields, without aliases.
    pub fn names() -> impl Iterator<Item = &'static str> {
        FIELDS.iter().filter(|(name, field)| field.name() == *name).map(|(name, _)| *name)
    }
}

/// Where an attribute is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// On the span, and on its resource when the span has no such key.
    Nearest,
    /// On the span only.
    Span,
    /// On the resource only.
    Resource,
    /// On its events; several events are like the elements of an array.
    Event,
}

impl Place {
    /// Those that are forced by a prefix.
    pub(crate) const PREFIXED: [Self; 3] = [Self::Span, Self::Resource, Self::Event];

    /// What stands in front of a key to force the place.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Nearest => "",
            Self::Span => "span.",
            Self::Resource => "resource.",
            Self::Event => "event.",
        }
    }
}

/// The key of an attribute and where it is looked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttributeKey {
    /// Where.
    pub place: Place,
    /// The key as sent.
    pub key: String,
}

/// Words that a kind is written with.
pub const KINDS: [(&str, SpanKind); 6] = [
    ("server", SpanKind::Server),
    ("client", SpanKind::Client),
    ("producer", SpanKind::Producer),
    ("consumer", SpanKind::Consumer),
    ("internal", SpanKind::Internal),
    ("unspecified", SpanKind::Unspecified),
];

/// Words that a status is written with.
pub const STATUSES: [(&str, SpanStatus); 3] =
    [("error", SpanStatus::Error), ("ok", SpanStatus::Ok), ("unset", SpanStatus::Unset)];

/// Words of the language, which a key has to be quoted to be.
pub(crate) const RESERVED: [&str; 4] = ["and", "or", "not", "exists"];

pub(crate) fn is_reserved(word: &str) -> bool {
    RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(word))
}
